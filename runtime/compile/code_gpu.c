/* code_gpu.c - kernels and launches of a compile as CUDA C and OpenCL C.
 *
 *   a body per class of kernel; a launchable per launch: it declares local memory and calls the
 *   body of the member that its block belongs to
 *
 * The two languages differ in their preludes alone, which stand before the text that is built.
 */
#include "runtime/compile/code_gpu.h"

#include "kernels/prelude.h"
#include "runtime/compile/code_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What CUDA gives a kernel without asking; devices of Intel have more. */
enum { LOCAL_WORDS = 49152 / 8 };

/* ---- bodies ---- */

struct texts {
    const struct code_spec *s;
    struct code_text *out;
    struct code_bodies bodies;
    int *room; /* per body */
    int line;  /* of the text's end, 1-based */
    size_t seen;
};

static int line_now(struct texts *t)
{
    const char *p = t->out->text.p;
    for (; t->seen < t->out->text.n; t->seen++) t->line += p[t->seen] == '\n';
    return t->line;
}

static void print_comment(struct buf *out, const char *comment)
{
    for (const char *p = comment; p && *p;) {
        size_t n = strcspn(p, "\n");
        buf_printf(out, "// %.*s\n", (int)n, p);
        p += n + (p[n] != 0);
    }
}

static enum err print_kernel(struct texts *t, int kernel)
{
    const struct code_kernel *k = &t->s->kernel[kernel];
    struct buf *out = &t->out->text;
    int body = t->bodies.of[kernel], first = t->bodies.first[body];
    if (first < kernel) {
        t->out->first_line[kernel] = t->out->first_line[first];
        t->out->last_line[kernel] = t->out->last_line[first];
        return ERR_OK;
    }
    buf_putc(out, '\n');
    t->out->first_line[kernel] = line_now(t);
    print_comment(out, k->comment);
    TRY(gpu_print_body(k, out, &t->room[body]));
    t->out->last_line[kernel] = line_now(t) - 1;
    if (t->room[body] > LOCAL_WORDS)
        FAIL(ERR_UNSUPPORTED, "%s: its reductions take %d bytes of local memory, of %d", k->name,
             8 * t->room[body], 8 * LOCAL_WORDS);
    return ERR_OK;
}

/* The printer knows what it takes. */
bool code_gpu_fits(const struct nest *n, const struct nest_plan *p)
{
    struct code_kernel k = {.name = "pl", .nest = n, .plan = p};
    struct buf text = {0};
    int room = 0;
    if (!n->n_inner) return true;
    nest_shape(n, p, &k.shape);
    enum err err = gpu_print_body(&k, &text, &room);
    buf_release(&text);
    if (err) err_clear();
    return !err && room <= LOCAL_WORDS;
}

/* ---- launchables ---- */

int code_gpu_arrays(const struct code_spec *s, int launch)
{
    const struct code_launch *l = &s->launch[launch];
    int n = 0;
    for (int m = 0; m < l->n_kernels; m++) n += s->kernel[l->kernel[m]].nest->n_arrays;
    return n;
}

/* Numbers of the launch before those of member m: two for each member, then the members'. */
static int member_at(const struct code_spec *s, const struct code_launch *l, int m)
{
    int at = 2 * l->n_kernels;
    for (int i = 0; i < m; i++)
        at += gpu_numbers(s->kernel[l->kernel[i]].nest, &s->kernel[l->kernel[i]].shape);
    return at;
}

static void print_head(struct texts *t, const struct code_launch *l)
{
    struct buf *out = &t->out->text;
    int words = 0;
    buf_printf(out, "\nX_KERNEL %s(X_GLOBAL const i64 *number, X_GLOBAL i64 *fault", l->name);
    for (int m = 0; m < l->n_kernels; m++) {
        const struct nest *n = t->s->kernel[l->kernel[m]].nest;
        char prefix[16];
        snprintf(prefix, sizeof prefix, "m%d_", m);
        for (int i = 0; i < n->n_arrays; i++) {
            buf_puts(out, ",\n        ");
            gpu_print_argument(out, n, i, prefix);
        }
        int room = t->room[t->bodies.of[l->kernel[m]]];
        if (room > words) words = room;
    }
    buf_printf(out, ")\n{\n    X_LOCAL i64 room[%d];\n    x_call a;\n", words ? words : 1);
    buf_puts(out, "    a.fault = fault;\n");
}

static void print_call(struct texts *t, const struct code_launch *l, int m, const char *group)
{
    struct buf *out = &t->out->text;
    const struct code_kernel *k = &t->s->kernel[l->kernel[m]];
    int numbers = gpu_numbers(k->nest, &k->shape);
    buf_printf(out, "        a.number = number + %d;\n", member_at(t->s, l, m));
    buf_printf(out, "        a.seed = (u64)a.number[%d], a.stream = (u64)a.number[%d];\n",
               numbers - 2, numbers - 1);
    buf_printf(out, "        %s_body(&a, %s, number[%d], room",
               t->s->kernel[t->bodies.first[t->bodies.of[l->kernel[m]]]].name, group, 2 * m + 1);
    for (int i = 0; i < k->nest->n_arrays; i++) buf_printf(out, ", m%d_%d", m, i);
    buf_puts(out, ");\n");
}

/* Which member a block belongs to: by ranges of blocks (SEQUENTIAL, FLAT), or in turn. */
static void print_member(struct texts *t, const struct code_launch *l, int m)
{
    struct buf *out = &t->out->text;
    bool in_turn = l->combo && l->combo->dispatch == COMBO_ROUND_ROBIN;
    char group[64];
    if (l->n_kernels == 1) {
        buf_puts(out, "    {\n");
        snprintf(group, sizeof group, "X_GROUP");
    } else if (in_turn) {
        buf_printf(out, "    %sif (X_GROUP %% %d == %d && X_GROUP / %d < number[%d]) {\n",
                   m ? "else " : "", l->n_kernels, m, l->n_kernels, 2 * m + 1);
        snprintf(group, sizeof group, "X_GROUP / %d", l->n_kernels);
    } else {
        buf_printf(out, "    %sif (X_GROUP < number[%d] + number[%d]) {\n", m ? "else " : "", 2 * m,
                   2 * m + 1);
        snprintf(group, sizeof group, "X_GROUP - number[%d]", 2 * m);
    }
    print_call(t, l, m, group);
    buf_puts(out, "    }\n");
}

static void print_launch(struct texts *t, const struct code_launch *l)
{
    print_head(t, l);
    for (int m = 0; m < l->n_kernels; m++) print_member(t, l, m);
    buf_puts(&t->out->text, "}\n");
}

/* ---- the text ---- */

static enum err print_all(struct texts *t)
{
    buf_printf(&t->out->text,
               "// Functions x_... and names X_... are those of kernels/exact*.h and "
               "prelude_*.h, which stand before this\n"
               "// text where it is compiled.\n");
    for (int k = 0; k < t->s->n_kernels; k++) TRY(print_kernel(t, k));
    for (int k = 0; k < t->s->n_launches; k++) print_launch(t, &t->s->launch[k]);
    return buf_ok(&t->out->text);
}

/* The same text for both: their preludes give the names. */
static enum err print(const struct code_spec *s, struct code_text *out)
{
    size_t n = (size_t)s->n_kernels + 1;
    struct texts t = {.s = s, .out = out, .room = calloc(n, sizeof(int)), .line = 1};
    *out = (struct code_text){.first_line = calloc(n, 2 * sizeof(int))};
    out->last_line = out->first_line ? out->first_line + n : NULL;
    enum err err = code_bodies_find(s, &t.bodies);
    if (!err && (!out->first_line || !t.room))
        err = err_set(ERR_NOMEM, "out of memory for printing %d kernels", s->n_kernels);
    if (!err) err = print_all(&t);
    code_bodies_release(&t.bodies);
    free(t.room);
    return err;
}

enum err code_print_cuda(const struct code_spec *s, struct code_text *out)
{
    return print(s, out);
}

enum err code_print_opencl(const struct code_spec *s, struct code_text *out)
{
    return print(s, out);
}

enum err code_gpu_text(const struct code_spec *s, bool cuda, struct buf *out)
{
    struct code_text text;
    struct code_spec bare = *s;
    struct code_kernel *k = calloc((size_t)s->n_kernels + 1, sizeof *k);
    if (!k) FAIL(ERR_NOMEM, "out of memory for printing %d kernels", s->n_kernels);
    memcpy(k, s->kernel, (size_t)s->n_kernels * sizeof *k);
    for (int i = 0; i < s->n_kernels; i++) k[i].comment = NULL;
    bare.kernel = k;
    enum err err = print(&bare, &text);
    buf_puts(out, cuda ? prelude_cuda_text() : prelude_opencl_text());
    buf_span(out, buf_text(&text.text));
    code_text_release(&text);
    free(k);
    return err ? err : buf_ok(out);
}

/* ---- calls ---- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

/* Blocks that member m takes: as many points or rows each as the combo's plan gives it, else as it
 * has work-items or columns. Loops are flattened, so no block has a second dimension. */
static int64_t blocks_of(const struct code_spec *spec, const struct code_launch *l, int m,
                         int block)
{
    const struct code_kernel *k = &spec->kernel[l->kernel[m]];
    const struct nest_shape *s = &k->shape;
    int64_t at_once = k->nest->n_inner ? gpu_columns(k->nest, s) : block, steps = 1;
    int64_t n = k->nest->n_inner ? s->rows * ceil_div(s->columns, at_once)
                                 : ceil_div(s->rows * s->columns, at_once);
    if (k->nest->serial) return n > 0;
    if (l->combo && l->combo->member) {
        const struct combo_block *planned = &l->combo->member[m].block;
        steps = (int64_t)planned->x * planned->y / at_once;
    }
    n = steps > 1 ? ceil_div(n, steps) : n;
    return n < CODE_GPU_BLOCKS ? n : CODE_GPU_BLOCKS;
}

/* Rows of few points want few work-items. */
static int block_of(const struct code_kernel *k)
{
    int64_t points = k->shape.points;
    if (!k->nest->n_inner || gpu_columns(k->nest, &k->shape) > 1) return CODE_GPU_BLOCK;
    return points <= 32 ? 32 : points <= 64 ? 64 : points <= 512 ? 128 : CODE_GPU_BLOCK;
}

struct code_gpu_grid code_gpu_grid(const struct code_spec *s, int launch, int block)
{
    const struct code_launch *l = &s->launch[launch];
    struct code_gpu_grid grid = {0, 1};
    bool in_turn = l->combo && l->combo->dispatch == COMBO_ROUND_ROBIN;
    int columns = 1;
    for (int m = 0; m < l->n_kernels; m++) {
        const struct code_kernel *k = &s->kernel[l->kernel[m]];
        int wanted = k->nest->serial ? 1 : block_of(k), beside = gpu_columns(k->nest, &k->shape);
        if (wanted > grid.block) grid.block = wanted;
        if (beside > columns) columns = beside;
        if (k->nest->serial) block = 1;
    }
    block = (block + columns - 1) / columns * columns;
    if (block) grid.block = block;
    for (int m = 0; m < l->n_kernels; m++) {
        int64_t n = blocks_of(s, l, m, grid.block);
        if (!in_turn) grid.blocks += n;
        else if (n * l->n_kernels > grid.blocks) grid.blocks = n * l->n_kernels;
    }
    return grid;
}

static int64_t scalar_bits(const struct nest *n, int i, const void *param)
{
    int64_t bits;
    double r;
    memcpy(&bits, (const char *)param + 8 * i, 8);
    if (n->param_type[i] != NEST_F32 && n->param_type[i] != NEST_C64) return bits;
    memcpy(&r, &bits, 8);
    float single = (float)r;
    uint32_t half;
    memcpy(&half, &single, 4);
    return half;
}

static void fill_member(const struct code_kernel *k, const struct code_args *a, int64_t *out)
{
    const struct nest *n = k->nest;
    print_c_numbers(n, k->plan, &k->shape, out);
    out += gpu_param_at(n, &k->shape);
    for (int i = 0; i < n->n_params; i++) *out++ = scalar_bits(n, i, a->param);
    *out++ = (int64_t)a->seed;
    *out = (int64_t)a->stream;
}

size_t code_gpu_numbers(const struct code_spec *s, int launch, const struct code_gpu_grid *grid,
                        const struct code_args *args, int64_t *out)
{
    const struct code_launch *l = &s->launch[launch];
    int64_t first = 0;
    for (int m = 0; out && m < l->n_kernels; m++) {
        const struct code_kernel *k = &s->kernel[l->kernel[m]];
        out[2 * m] = first;
        out[2 * m + 1] = blocks_of(s, l, m, grid->block);
        first += out[2 * m + 1];
        fill_member(k, &args[m], out + member_at(s, l, m));
    }
    return (size_t)member_at(s, l, l->n_kernels);
}

enum err code_gpu_fault(const struct code_spec *s, int launch, const int64_t *fault)
{
    if (!fault[0]) return ERR_OK; /* what reads or writes at computed positions is never combined */
    const struct nest *n = s->kernel[s->launch[launch].kernel[0]].nest;
    return nest_out_of_bounds(
        n, &(struct nest_fault){(int)fault[1], (int)fault[2], fault[3], fault[4]});
}
