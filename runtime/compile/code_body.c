/* code_body.c - finding kernels of equal text by a hash of what their text depends on. */
#include "runtime/compile/code_body.h"

#include <string.h>

#include "store/base/map.h"

/* Nests have numbers of their own, so their text stands for them, without the arrays' names. */
static enum err key_of(const struct code_kernel *k, struct buf *text, struct map_key *out)
{
    struct nest n = *k->nest;
    struct nest_class class;
    size_t size = nest_class(k->nest, &k->shape, &class);
    class.nest = 0;
    buf_clear(text);
    for (int i = 0; i < n.n_arrays; i++) n.array[i].name = "";
    nest_text(&n, text);
    buf_put(text, &class, size);
    TRY(buf_ok(text));
    *out = map_key(buf_text(text));
    return ERR_OK;
}

static enum err find_all(const struct code_spec *s, struct map *known, struct buf *text,
                         struct code_bodies *out)
{
    for (int i = 0; i < s->n_kernels; i++) {
        struct map_key key;
        bool added;
        TRY(key_of(&s->kernel[i], text, &key));
        int64_t *body = map_put(known, key, out->n, &added);
        if (!body) FAIL(ERR_NOMEM, "out of memory for %d kernels", s->n_kernels);
        if (added) out->first[out->n++] = i;
        out->of[i] = (int)*body;
    }
    return ERR_OK;
}

enum err code_bodies_find(const struct code_spec *s, struct code_bodies *out)
{
    struct map known = {0};
    struct buf text = {0};
    *out = (struct code_bodies){.of = calloc((size_t)s->n_kernels + 1, 2 * sizeof(int))};
    if (!out->of) FAIL(ERR_NOMEM, "out of memory for %d kernels", s->n_kernels);
    out->first = out->of + s->n_kernels;
    enum err err = find_all(s, &known, &text, out);
    if (err) code_bodies_release(out);
    map_release(&known);
    buf_release(&text);
    return err;
}

void code_bodies_release(struct code_bodies *b)
{
    free(b->of);
    *b = (struct code_bodies){0};
}
