/* code_body.c - finding kernels of equal text by a hash of what their text depends on. */
#include "runtime/compile/code_body.h"

#include <string.h>

#include "store/base/map.h"

static void put_array(const struct nest_array *a, struct buf *out)
{
    const int32_t word[] = {(int32_t)a->dtype, a->written | a->moves << 1 | a->rounds << 2,
                            a->n_indexed};
    buf_put(out, word, sizeof word);
}

static void put_node(const struct nest_node *n, struct buf *out)
{
    bool has_value = n->kind == NEST_CONST || n->kind == NEST_STORE || n->kind == NEST_EXTENT;
    const int32_t word[] = {(int32_t)n->kind, (int32_t)n->type, (int32_t)n->level, n->index,
                            n->pass,          n->n_args,        (int32_t)n->dtype};
    buf_put(out, word, sizeof word);
    buf_put(out, n->arg, (size_t)n->n_args * sizeof *n->arg);
    if (has_value) buf_put(out, &n->value, sizeof n->value);
}

/* Nests have numbers of their own, so what they are made of stands for them, without names. */
static enum err key_of(const struct code_kernel *k, struct buf *form, struct map_key *out)
{
    const struct nest *n = k->nest;
    struct nest_class class;
    size_t size = nest_class(n, &k->shape, &class);
    const int32_t word[] = {n->n_outer,  n->n_inner,  n->n_passes, n->serial,
                            n->n_arrays, n->n_params, n->n_nodes};
    class.nest = 0;
    buf_clear(form);
    buf_put(form, word, sizeof word);
    for (int i = 0; i < n->n_arrays; i++) put_array(&n->array[i], form);
    buf_put(form, n->param_type, (size_t)n->n_params * sizeof *n->param_type);
    for (int i = 0; i < n->n_nodes; i++) put_node(&n->node[i], form);
    buf_put(form, &class, size);
    TRY(buf_ok(form));
    *out = map_key(buf_text(form));
    return ERR_OK;
}

static enum err find_all(const struct code_spec *s, struct map *known, struct buf *form,
                         struct code_bodies *out)
{
    for (int i = 0; i < s->n_kernels; i++) {
        struct map_key key;
        bool added;
        TRY(key_of(&s->kernel[i], form, &key));
        int64_t *body = map_put(known, key, out->n, &added);
        if (!body) FAIL(ERR_NOMEM, "out of memory for %d kernels", s->n_kernels);
        if (added) {
            out->key[out->n] = key;
            out->first[out->n++] = i;
        }
        out->of[i] = (int)*body;
    }
    return ERR_OK;
}

enum err code_bodies_find(const struct code_spec *s, struct code_bodies *out)
{
    struct map known = {0};
    struct buf form = {0};
    *out = (struct code_bodies){.of = calloc((size_t)s->n_kernels + 1, 2 * sizeof(int)),
                                .key = calloc((size_t)s->n_kernels + 1, sizeof *out->key)};
    enum err err = out->of && out->key
                       ? ERR_OK
                       : err_set(ERR_NOMEM, "out of memory for %d kernels", s->n_kernels);
    if (!err) {
        out->first = out->of + s->n_kernels;
        err = find_all(s, &known, &form, out);
    }
    if (err) code_bodies_release(out);
    map_release(&known);
    buf_release(&form);
    return err;
}

void code_bodies_release(struct code_bodies *b)
{
    free(b->of);
    free(b->key);
    *b = (struct code_bodies){0};
}

enum err code_body_is_known(const struct map *functions, const struct code_kernel *k, bool *out)
{
    struct map_key key;
    struct buf form = {0};
    enum err err = key_of(k, &form, &key);
    *out = !err && map_get(functions, key);
    buf_release(&form);
    return err;
}
