/* test_golden_code.c - thirty graphs and the kernels made of them, word for word as kept in
 * tests/data/code: a lost fusion, another name or another text fails.
 *
 * PLUMB_GOLDEN=write keeps what is made now; look at the difference before it is committed.
 */
#include "tests/unit/unit.h"

#include "plumb.h"
#include "runtime/compile/passes.h"
#include "runtime/compile/program.h"

typedef struct plumb_tensor *tensor;
typedef tensor function(const tensor *x);
#define SIZE(...)                                                                                  \
    (int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define DIM(d)  (int64_t[]){d}, 1
#define NONE    (enum plumb_dtype)0
#define F(name) static tensor name(const tensor *x)

F(chain)
{
    return plumb_tanh(plumb_mul(plumb_relu(plumb_add(x[0], x[1])), x[1]));
}
F(bias_gelu)
{
    return plumb_gelu(plumb_add(x[0], x[2]), "tanh");
}
F(broadcast)
{
    return plumb_add(plumb_mul(x[0], x[2]), plumb_unsqueeze(x[3], 1));
}
F(softmax)
{
    return plumb_softmax_int(plumb_mul_scalar(x[0], 0.125), -1, NONE);
}
F(masked_softmax)
{
    tensor m = plumb_where_self(plumb_gt_scalar(x[1], 0), x[0], plumb_full_like(x[0], -1e9, NONE));
    return plumb_softmax_int(m, -1, NONE);
}
F(log_softmax)
{
    return plumb_log_softmax_int(x[0], 1, NONE);
}
F(layer_norm)
{
    return plumb_layer_norm(plumb_add(x[0], x[1]), SIZE(24), x[2], x[2], 1e-5, true);
}
F(rms_norm)
{
    return plumb_mul(plumb_rms_norm(x[0], SIZE(24), x[2], NULL), x[1]);
}
F(sum_rows)
{
    return plumb_sum_dim_intlist(plumb_exp(x[0]), DIM(1), false, NONE);
}
F(sum_columns)
{
    return plumb_sum_dim_intlist(plumb_mul(x[0], x[1]), DIM(0), false, NONE);
}
F(sum_all)
{
    return plumb_sum(plumb_mul(x[0], x[0]), NONE);
}
F(mean_centred)
{
    return plumb_sub(x[0], plumb_mean_dim(x[0], DIM(1), true, NONE));
}
F(long_rows)
{
    return plumb_sum_dim_intlist(plumb_abs(x[6]), DIM(1), false, NONE);
}
F(long_softmax)
{
    return plumb_softmax_int(x[6], 1, NONE);
}
F(argmax)
{
    return plumb_argmax(plumb_neg(x[0]), (int64_t[]){1}, false);
}
F(cumsum)
{
    return plumb_relu(plumb_cumsum(plumb_mul_scalar(x[0], 2), 1, NONE));
}
F(transposed)
{
    return plumb_contiguous(plumb_transpose_int(plumb_exp(x[0]), 0, 1));
}
F(reshaped)
{
    tensor y = plumb_view(plumb_add(x[0], x[1]), SIZE(3, 4, 12));
    return plumb_relu(plumb_permute(y, SIZE(1, 0, 2)));
}
F(shifted)
{
    tensor y = plumb_exp(x[2]);
    return plumb_sub(plumb_slice(y, 0, (int64_t[]){1}, NULL, 1),
                     plumb_slice(y, 0, NULL, (int64_t[]){23}, 1));
}
F(concatenated)
{
    return plumb_relu(plumb_cat((tensor[]){x[0], plumb_neg(x[1])}, 2, 0));
}
F(gathered)
{
    return plumb_mul_scalar(plumb_index_select(x[0], 0, x[4]), 3);
}
F(embedded)
{
    return plumb_add(plumb_embedding(x[0], x[4], -1, false, false), x[2]);
}
F(half)
{
    return plumb_mul(plumb_add(x[5], x[5]), plumb_sigmoid(x[5]));
}
F(casts)
{
    tensor y = plumb__to_copy(plumb_mul(x[0], x[1]), PLUMB_F16);
    return plumb__to_copy(plumb_add(y, y), PLUMB_I32);
}
F(dropout)
{
    tensor y[2];
    if (plumb_native_dropout(plumb_relu(x[0]), 0.1, &(bool){true}, y) < 0) return NULL;
    return plumb_add(y[0], x[1]);
}
F(linear_relu)
{
    return plumb_relu(plumb_linear(x[0], x[1], NULL));
}
F(two_linears)
{
    tensor h = plumb_gelu(plumb_linear(x[0], x[1], x[3]), "none");
    return plumb_add(plumb_mm(plumb_transpose_int(h, 0, 1), x[0]), x[2]);
}
F(siblings)
{
    tensor a = plumb_sum_dim_intlist(x[0], DIM(1), true, NONE);
    tensor b = plumb_amax(x[0], DIM(1), true);
    return plumb_cat((tensor[]){a, b}, 2, 1);
}
F(independent)
{
    tensor a = plumb_exp(x[2]), b = plumb_log1p(plumb_abs(x[3])), c = plumb_relu(x[5]);
    return plumb_add(plumb_sum(a, NONE),
                     plumb_add(plumb_sum(b, NONE), plumb_sum(plumb__to_copy(c, PLUMB_F32), NONE)));
}
F(adamw)
{
    tensor p[] = {plumb_clone(x[2]), plumb_clone(x[3])}, g[] = {x[2], x[3]};
    tensor m[] = {plumb_zeros_like(x[2], NONE), plumb_zeros_like(x[3], NONE)};
    tensor v[] = {plumb_zeros_like(x[2], NONE), plumb_zeros_like(x[3], NONE)};
    tensor s[] = {plumb_ones(NULL, 0, PLUMB_F32), plumb_ones(NULL, 0, PLUMB_F32)};
    if (plumb__fused_adamw_(p, 2, g, 2, m, 2, v, 2, NULL, 0, s, 2, 0.01, 0.9, 0.999, 0.01, 1e-8,
                            false, false) < 0)
        return NULL;
    return plumb_cat(p, 2, 0);
}
F(in_place)
{
    tensor y = plumb_mul(x[0], x[1]);
    tensor half = plumb_slice(y, 1, NULL, (int64_t[]){12}, 1);
    return plumb_add_(half, plumb_slice(x[0], 1, (int64_t[]){12}, NULL, 1)) ? plumb_exp(y) : NULL;
}
#undef F

static const struct {
    const char *name;
    function *fn;
} graphs[] = {
#define G(name)                                                                                    \
    {                                                                                              \
#name, name                                                                                \
    }
    G(chain),       G(bias_gelu),    G(broadcast), G(softmax),      G(masked_softmax),
    G(log_softmax), G(layer_norm),   G(rms_norm),  G(sum_rows),     G(sum_columns),
    G(sum_all),     G(mean_centred), G(long_rows), G(long_softmax), G(argmax),
    G(cumsum),      G(transposed),   G(reshaped),  G(shifted),      G(concatenated),
    G(gathered),    G(embedded),     G(half),      G(casts),        G(dropout),
    G(linear_relu), G(two_linears),  G(siblings),  G(independent),  G(adamw),
    G(in_place),
#undef G
};
enum { GRAPHS = sizeof graphs / sizeof *graphs, INPUTS = 7 };

static void must(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* 0, 1: f32[6, 24]; 2: f32[24]; 3: f32[6]; 4: i64[5]; 5: bf16[7, 5]; 6: f32[3, 3000] */
static void inputs(tensor in[INPUTS])
{
    static const int64_t rows[] = {6, 24};
    in[0] = plumb_zeros(rows, 2, PLUMB_F32);
    in[1] = plumb_ones(rows, 2, PLUMB_F32);
    in[2] = plumb_ones(SIZE(24), PLUMB_F32);
    in[3] = plumb_ones(SIZE(6), PLUMB_F32);
    in[4] = plumb_tensor(PLUMB_I64, 1, (int64_t[]){5}, (int64_t[]){3, 1, 0, 5, 1});
    in[5] = plumb_ones(SIZE(7, 5), PLUMB_BF16);
    in[6] = plumb_ones(SIZE(3, 3000), PLUMB_F32);
    for (int i = 0; i < INPUTS; i++) assert_non_null(in[i]);
}

static void put_kernels(const struct program *p, struct buf *out)
{
    for (size_t i = 0; i < p->launch.n; i++) {
        const struct program_launch *l = &p->launch.p[i];
        buf_printf(out, "%s\n", l->name);
        for (int k = 0; k < l->n_groups && l->n_groups > 1; k++)
            buf_printf(out, "    %s\n", p->fused.group.p[l->group[k]].name);
    }
    for (size_t i = 0; i < p->fused.decision.n; i++) {
        const struct fuse_decision *d = &p->fused.decision.p[i];
        const struct lower_item *a = &p->lowered.item.p[d->a], *b = &p->lowered.item.p[d->b];
        buf_printf(out, "%s.%d %s %s.%d: %s\n", p->graph->node.p[a->node].name, a->part,
                   d->fused ? "+" : "|", p->graph->node.p[b->node].name, b->part,
                   fuse_reason_word(d->reason));
    }
}

/* The graph after its passes, the launches, the decisions and the kernels. */
static void make(function *fn, struct buf *out)
{
    struct arena arena = {0};
    struct graph g;
    struct trace t;
    struct program p;
    struct graph_text text;
    tensor in[INPUTS];
    must(plumb_frame_begin() ? ERR_NOMEM : ERR_OK);
    inputs(in);
    graph_init(&g, &arena, "f");
    must(trace_begin(&t, &g, in, INPUTS));
    tensor y = fn(t.in);
    if (!y) print_error("%s\n", plumb_error());
    assert_non_null(y);
    must(trace_output(&t, y, GRAPH_RESULT, 0));
    trace_end(&t);
    must(graph_check(&g));
    must(passes_run(&g, NULL, NULL));
    must(program_build(&g, &(struct program_options){.interpret = true}, &arena, &p));
    must(graph_print(&g, "GraphModule", &text));
    buf_span(out, buf_text(&text.text));
    buf_putc(out, '\n');
    put_kernels(&p, out);
    buf_putc(out, '\n');
    if (p.code) buf_span(out, buf_text(&code_source(p.code)->text));
    graph_text_release(&text);
    program_release(&p);
    graph_release(&g);
    arena_release(&arena);
    plumb_frame_end();
}

static void check(const char *name, struct span got)
{
    char path[128];
    const char *mode = getenv("PLUMB_GOLDEN");
    snprintf(path, sizeof path, "tests/data/code/%s.txt", name);
    FILE *f = fopen(path, mode && !strcmp(mode, "write") ? "w+" : "r");
    if (!f) fail_msg("%s is not there", path);
    if (mode && !strcmp(mode, "write")) {
        fwrite(got.p, 1, got.n, f);
        rewind(f);
    }
    char *want = calloc(1, got.n + 4096);
    size_t n = fread(want, 1, got.n + 4095, f);
    fclose(f);
    size_t line = 1, i = 0;
    for (; i < n && i < got.n && want[i] == got.p[i]; i++) line += want[i] == '\n';
    if (i < n || i < got.n)
        fail_msg("%s, line %zu: made now: %.*s", path, line, (int)strcspn(got.p + i, "\n"),
                 got.p + i);
    free(want);
}

static void test_graphs(void **state)
{
    (void)state;
    if (!plumb_open(&(struct plumb_options){.threads = 1})) fail_msg("%s", plumb_error());
    for (int i = 0; i < GRAPHS; i++) {
        struct buf b = {0};
        make(graphs[i].fn, &b);
        check(graphs[i].name, buf_text(&b));
        buf_release(&b);
    }
    assert_int_equal(plumb_close(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
