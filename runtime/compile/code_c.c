/* code_c.c - kernels as C: one prelude, a function per body, a table of the functions.
 *
 *   // provenance of the kernel, line by line
 *   // also pl_poi_fused_add_4        kernels that share the body
 *   // and 17 more
 *   static void pl_poi_fused_add_1(const x_call *a, i64 row, i64 end, i64 low, i64 high)
 *   { ... }
 *
 * A launch has no function of its own: its members' pieces are dealt out by code.c.
 */
#include "runtime/compile/code_c.h"

#include <string.h>

#include "runtime/print_c.h"

enum { SHARERS_NAMED = 6 };

enum err code_check_c(const struct code_kernel *k)
{
    if (!k->shape.points && k->nest->n_inner)
        FAIL(ERR_UNSUPPORTED, "its inner space is empty: nothing is gained by building it");
    return print_c_check(k->nest);
}

static bool is_scalar(const struct code_part *p)
{
    bool any = false;
    for (int b = 0; b < p->bodies->n; b++)
        if (p->part[b] == p->number)
            any |= print_c_is_scalar(p->spec->kernel[p->bodies->first[b]].nest);
    return any;
}

static enum err print_function(const struct code_kernel *k, struct buf *out)
{
    enum err err = print_c_function(k->nest, &k->shape, "static ", k->name, out);
    return err ? err_wrap(err, "%s: ", k->name) : ERR_OK;
}

static void print_table(const struct code_part *p, struct buf *out)
{
    buf_puts(out, "void (*const plumb_kernel[])(const x_call *, i64, i64, i64, i64) = {\n");
    for (int b = 0; b < p->bodies->n; b++)
        if (p->part[b] == p->number)
            buf_printf(out, "    %s,\n", p->spec->kernel[p->bodies->first[b]].name);
    buf_puts(out, "};\n");
}

enum err code_print_part(const struct code_part *p, struct buf *out)
{
    print_c_prelude(is_scalar(p), out);
    for (int b = 0; b < p->bodies->n; b++)
        if (p->part[b] == p->number)
            TRY(print_function(&p->spec->kernel[p->bodies->first[b]], out));
    print_table(p, out);
    return buf_ok(out);
}

/* ---- the whole, for readers ---- */

/* A line that ends in a backslash would take the next one with it. */
static void comment_line(struct span line, struct buf *out)
{
    buf_puts(out, "// ");
    buf_span(out, line);
    buf_puts(out, line.n && line.p[line.n - 1] == '\\' ? ".\n" : "\n");
}

static void comment_lines(const char *text, struct buf *out)
{
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        comment_line((struct span){text, n}, out);
        text += n + (text[n] == '\n');
    }
}

static void comment_sharers(const struct code_spec *s, const struct code_bodies *b, int body,
                            struct buf *out)
{
    int n = 0;
    for (int i = b->first[body] + 1; i < s->n_kernels; i++) {
        if (b->of[i] != body) continue;
        if (n < SHARERS_NAMED) buf_printf(out, "// also %s\n", s->kernel[i].name);
        n++;
    }
    if (n > SHARERS_NAMED) buf_printf(out, "// and %d more\n", n - SHARERS_NAMED);
}

void code_comment_launches(const struct code_spec *s, struct buf *out)
{
    for (int l = 0; l < s->n_launches; l++) {
        if (s->launch[l].n_kernels < 2) continue;
        buf_printf(out, "// %s:\n", s->launch[l].name);
        for (int k = 0; k < s->launch[l].n_kernels; k++)
            buf_printf(out, "//   %s\n", s->kernel[s->launch[l].kernel[k]].name);
    }
}

static int count_lines(const struct buf *b, size_t from)
{
    int n = 0;
    for (size_t i = from; i < b->n; i++) n += b->p[i] == '\n';
    return n;
}

/* A body and what is told about it; or why there is none. */
static enum err print_body(const struct code_spec *s, const struct code_bodies *b, int body,
                           struct buf *out)
{
    const struct code_kernel *k = &s->kernel[b->first[body]];
    comment_lines(k->comment, out);
    comment_sharers(s, b, body, out);
    enum err err = code_check_c(k);
    if (err != ERR_UNSUPPORTED) return err ? err : print_function(k, out);
    buf_printf(out, "// %s is interpreted: %s\n", k->name, err_text());
    err_clear();
    return ERR_OK;
}

static enum err print_all(const struct code_spec *s, const struct code_bodies *b, int *part,
                          struct code_text *out)
{
    const struct code_part all = {.spec = s, .bodies = b, .part = part};
    for (int i = 0; i < b->n; i++)
        if (code_check_c(&s->kernel[b->first[i]])) part[i] = -1;
    err_clear();
    buf_puts(&out->text,
             "// Functions x_... are those of kernels/exact*.h, which stand before this "
             "text where it is compiled.\n\n");
    int line = 1 + count_lines(&out->text, 0);
    for (int i = 0; i < b->n; i++) {
        size_t from = out->text.n;
        TRY(print_body(s, b, i, &out->text));
        out->first_line[b->first[i]] = line;
        line += count_lines(&out->text, from);
        out->last_line[b->first[i]] = line - 1;
    }
    print_table(&all, &out->text);
    out->launches = out->text.n;
    code_comment_launches(s, &out->text);
    for (int i = 0; i < s->n_kernels; i++) {
        out->first_line[i] = out->first_line[b->first[b->of[i]]];
        out->last_line[i] = out->last_line[b->first[b->of[i]]];
    }
    return buf_ok(&out->text);
}

enum err code_print_c(const struct code_spec *s, struct code_text *out)
{
    struct code_bodies b;
    *out = (struct code_text){0};
    TRY(code_bodies_find(s, &b));
    int *part = calloc((size_t)b.n + 1, sizeof *part);
    out->first_line = calloc((size_t)s->n_kernels + 1, 2 * sizeof(int));
    enum err err = part && out->first_line
                       ? ERR_OK
                       : err_set(ERR_NOMEM, "out of memory for printing %d kernels", s->n_kernels);
    if (!err) {
        out->last_line = out->first_line + s->n_kernels;
        err = print_all(s, &b, part, out);
    }
    if (err) code_text_release(out);
    code_bodies_release(&b);
    free(part);
    return err;
}

void code_text_release(struct code_text *t)
{
    buf_release(&t->text);
    free(t->first_line);
    *t = (struct code_text){0};
}
