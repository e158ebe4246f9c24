/* test_diff_unfold.c - calls of kernels become the operators of their program's graph. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "store/db.h"
#include "store/diff/unfold.h"

/* The program `0/0 forward`, its graph and its launches:
 *
 *   mm = mm(x, w)         extern_mm_0
 *   t = t(mm)             nothing
 *   add = add(t, b)       k_1: in_ptr0 t (a part: the kernel reads mm), in_ptr1 b, out_ptr0 relu
 *   relu = relu(add)      k_1
 *   add_ = add_(b, relu)  k_2: in_out_ptr0 b, in_ptr0 relu
 *   mul = mul(b, b)       k_2: out_ptr0 mul; what it reads of b is in a register by then
 *
 * and `9/0 inference`, a kernel of a library that does the relu too: extern_mm_fused_relu_0.
 */
static const char rows[] =
    "INSERT INTO string(id, text) VALUES (1, 'extern_mm_0'), (2, 'k_1'), (3, 'k_2'), (4, 'x'), "
    "(5, 'w'), (6, 'b'), (7, 'mm'), (8, 't'), (9, 'add'), (10, 'relu'), (11, 'add_'), (12, 'mul'), "
    "(13, 'torch.ops.aten.mm.default'), (14, 'torch.ops.aten.t.default'), "
    "(15, 'torch.ops.aten.add.Tensor'), (16, 'torch.ops.aten.relu.default'), "
    "(17, 'torch.ops.aten.add_.Tensor'), (18, 'torch.ops.aten.mul.Tensor'), (19, 'aten::mm'), "
    "(20, 'f32[2, 3][3, 1]cpu'), (21, '0/0 forward k_1'), (22, '0/0 forward k_2'), "
    "(23, 'in_ptr0'), (24, 'in_ptr1'), (25, 'out_ptr0'), (26, 'in_out_ptr0'), (27, 'output'), "
    "(28, '0/0 forward extern_mm_0'), (29, '7/0 forward k_9'), (30, 'extern_mm_fused_relu_0'), "
    "(31, '9/0 inference extern_mm_fused_relu_0'), (32, 'aten::relu');"
    "INSERT INTO kernel(id, compile, name, role, phase, position, site) VALUES "
    "(1, 5, 1, 'extern', 'forward', 0, 28), (2, 5, 2, 'pointwise', 'forward', 1, 21), "
    "(3, 5, 3, 'pointwise', 'forward', 2, 22), (4, 6, 3, 'pointwise', 'forward', 0, 29);"
    "INSERT INTO kernel(id, compile, name, role, phase, position, site) VALUES "
    "(5, 9, 30, 'extern', 'inference', 0, 31);"
    "INSERT INTO kernel_op(kernel, position, node, op) VALUES (5, 0, 7, 19), (5, 1, 10, 32);"
    "INSERT INTO kernel_arg(kernel, position, name, value, written, node, result) VALUES "
    "(5, 0, 23, 4, 0, NULL, NULL), (5, 1, 25, 10, 1, 10, 0);"
    "INSERT INTO graph(id, compile, n_nodes, first_node) VALUES (3, 9, 3, 20);"
    "INSERT INTO node(id, graph, op, name, target, type) VALUES (20, 3, 1, 4, 4, 20), "
    "(21, 3, 3, 7, 13, 20), (22, 3, 3, 10, 16, 20);"
    "INSERT INTO edge(dst, arg, src) VALUES (21, 0, 20), (21, 1, 20), (22, 0, 21);"
    "INSERT INTO launch(id, kernel, site) VALUES (4, 30, 31);"
    "INSERT INTO kernel_op(kernel, position, node, op) VALUES (1, 0, 7, 19), (2, 0, 9, NULL), "
    "(2, 1, 10, NULL), (3, 0, 11, NULL), (3, 1, 12, NULL), (4, 0, 12, NULL);"
    "INSERT INTO kernel_arg(kernel, position, name, value, written, node, result, argument, part) "
    "VALUES (2, 0, 23, 8, 0, NULL, NULL, NULL, 1), (2, 1, 24, 6, 0, NULL, NULL, NULL, NULL), "
    "(2, 2, 25, 10, 1, 10, 0, NULL, NULL), (3, 0, 26, 6, 1, 11, 0, 0, NULL), "
    "(3, 1, 23, 10, 0, NULL, NULL, NULL, NULL), (3, 2, 25, 12, 1, 12, 0, NULL, NULL);"
    "INSERT INTO graph(id, compile, n_nodes, first_node) VALUES (1, 5, 2, 1), (2, 5, 10, 3);"
    "INSERT INTO node(id, graph, op, name, target, type) VALUES (1, 1, 3, 7, 13, 20), "
    "(2, 1, 3, 10, 16, 20), (3, 2, 1, 4, 4, 20), (4, 2, 1, 5, 5, 20), (5, 2, 1, 6, 6, 20), "
    "(6, 2, 3, 7, 13, 20), (7, 2, 3, 8, 14, 20), (8, 2, 3, 9, 15, 20), (9, 2, 3, 10, 16, 20), "
    "(10, 2, 3, 11, 17, 20), (11, 2, 3, 12, 18, 20), (12, 2, 6, 27, 27, NULL);"
    "INSERT INTO edge(dst, arg, src) VALUES (6, 0, 3), (6, 1, 4), (7, 0, 6), (8, 0, 7), (8, 1, 5), "
    "(9, 0, 8), (10, 0, 5), (10, 1, 9), (11, 0, 5), (11, 1, 5), (12, 0, 11), (12, 1, 9);"
    "INSERT INTO launch(id, kernel, site) VALUES (1, 2, 21), (2, 3, 22), (3, 3, 29);";

static sqlite3 *db;
static char path[128];

static int open_trace(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/unfold.db", unit_folder());
    unlink(path);
    if (store_create(path, &db) || store_exec(db, rows)) fail_msg("%s", err_text());
    return 0;
}

static int close_trace(void **state)
{
    (void)state;
    store_close(db);
    unlink(path);
    rmdir(unit_folder());
    return 0;
}

/* Event 10 * n of the n-th call; a kernel's launch is the event behind it. */
static void put(struct diff_stream *s, int kind, const char *name, int launch)
{
    uint32_t event = 10 * (s->n_calls + 1);
    char sql[160];
    struct diff_text t = {.kind = (uint8_t)kind,
                          .name = diff_word(s->words, span_of(name)),
                          .args = DIFF_NONE,
                          .kwargs = DIFF_NONE,
                          .output = DIFF_NONE};
    assert_int_equal(diff_add_call(s, event, s->n_calls, 0, diff_text(s->words, &t)), ERR_OK);
    snprintf(sql, sizeof sql,
             "DELETE FROM event WHERE id = %u; INSERT INTO event(id, kind, parent, launch) "
             "VALUES (%u, 10, %u, %d)",
             event + 1, event + 1, event, launch);
    if (launch && store_exec(db, sql)) fail_msg("%s", err_text());
}

static void use(struct diff_stream *s, int phase, const char *name, int64_t digest, uint32_t tensor)
{
    struct diff_form f = {.path = diff_word(s->words, span_of(name)),
                          .dtype = diff_word(s->words, SPAN("f32")),
                          .shape = diff_word(s->words, SPAN("[2, 3]")),
                          .stride = DIFF_NONE,
                          .phase = (uint8_t)phase,
                          .hash = digest ? DIFF_PKM64 : DIFF_NO_HASH,
                          .part = -1};
    assert_int_equal(diff_add_use(s, diff_form(s->words, &f), digest, tensor, 0), ERR_OK);
}

static void put_mm(struct diff_stream *s)
{
    put(s, 3, "aten::mm", 0);
    use(s, 1, "", 100, 7);
    use(s, 0, "[0][0]", 101, 1);
    use(s, 0, "[0][1]", 102, 2);
}

static void put_k_1(struct diff_stream *s)
{
    put(s, 6, "k_1", 1);
    use(s, 2, "out_ptr0", 110, 8);
    use(s, 0, "in_ptr0", 0, 7);
    use(s, 0, "in_ptr1", 111, 3);
    use(s, 0, "out_ptr0", 0, 8);
}

static void put_k_2(struct diff_stream *s)
{
    put(s, 6, "k_2", 2);
    use(s, 2, "in_out_ptr0", 120, 3);
    use(s, 2, "out_ptr0", 121, 9);
    use(s, 0, "in_out_ptr0", 0, 3);
    use(s, 0, "in_ptr0", 0, 8);
    use(s, 0, "out_ptr0", 0, 9);
}

/* A line per call: `aten::relu in k_1 @1: r=110/8 #0=?20`; r, # and > for results, arguments and
 * arguments afterwards; digest (- none, ? no row), / tensor. */
static const char *shown(struct diff_stream *s)
{
    static char out[4096];
    static const char *const phase[] = {"", "r", ">"};
    size_t n = 0;
    bool can;
    out[0] = 0;
    if (diff_can_unfold(db, s, &can) || (can && diff_unfold(db, s))) fail_msg("%s", err_text());
    for (uint32_t i = 0; i < s->n_calls; i++) {
        struct span name = diff_span(s->words, diff_call_text(s, i)->name);
        struct span kernel = diff_kernel_of(s, i);
        n += (size_t)snprintf(out + n, sizeof out - n, "%.*s%s%.*s @%u:", SPAN_ARG(name),
                              kernel.p ? " in " : "", SPAN_ARG(kernel), s->position[i]);
        for (uint32_t u = s->first_use[i]; u < s->first_use[i + 1]; u++) {
            const struct diff_form *f = diff_use_form(s, u);
            bool unseen = s->from && s->from[u] == DIFF_NONE;
            n += (size_t)snprintf(out + n, sizeof out - n, " %s%.*s=", phase[f->phase],
                                  SPAN_ARG(diff_span(s->words, f->path)));
            if (f->hash) n += (size_t)snprintf(out + n, sizeof out - n, "%d", (int)s->digest[u]);
            else n += (size_t)snprintf(out + n, sizeof out - n, unseen ? "?" : "-");
            if (s->tensor[u] != DIFF_NONE)
                n += (size_t)snprintf(out + n, sizeof out - n, "/%u", s->tensor[u]);
        }
        n += (size_t)snprintf(out + n, sizeof out - n, "\n");
    }
    return out;
}

static void a_run_of_a_program(void **state)
{
    struct diff_stream s;
    (void)state;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    put(&s, 3, "aten::before", 0);
    use(&s, 1, "", 1, 1);
    put_mm(&s);
    put_k_1(&s);
    put_k_2(&s);
    put(&s, 3, "aten::after", 0);
    assert_string_equal(shown(&s), "aten::before @0: r=1/1\n"
                                   "aten::mm @1: r=100/7 [0][0]=101/1 [0][1]=102/2\n"
                                   "aten::t in  @1: #0=?/7 r=?/10\n"
                                   "aten::add.Tensor in k_1 @2: #0=?/10 #1=111/3 r=?/11\n"
                                   "aten::relu in k_1 @2: #0=?/11 r=110/8\n"
                                   "aten::add_.Tensor in k_2 @3: #0=-/3 #1=-/8 r=120/3 >#0=120/3\n"
                                   "aten::mul.Tensor in k_2 @3: #0=?/3 #1=?/3 r=121/9\n"
                                   "aten::after @4:\n");
    diff_stream_release(&s);
}

/* A place that does not rise begins another run; a launch that the log lacks has no operators. */
static void runs_are_told_apart(void **state)
{
    struct diff_stream s;
    (void)state;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    put_k_1(&s);
    put_mm(&s);
    put_k_1(&s);
    put_k_2(&s);
    put_k_2(&s);
    const char *text = shown(&s), *at = text;
    int n[2] = {0};
    while ((at = strstr(at, "aten::relu"))) n[0]++, at++;
    for (at = text; (at = strstr(at, "aten::mul"));) n[1]++, at++;
    assert_int_equal(n[0], 2);
    assert_int_equal(n[1], 2);
    assert_non_null(strstr(text, "aten::mm @1: r=100/7"));
    assert_null(strstr(text, "k_1 @3"));
    diff_stream_release(&s);
}

/* No graph of compile 6 has its operators, and nothing tells what a kernel without site is. */
static void what_is_not_known_stays(void **state)
{
    struct diff_stream s;
    (void)state;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    put(&s, 6, "k_2", 3);
    use(&s, 2, "out_ptr0", 5, 1);
    put(&s, 6, "k_1", 0);
    assert_string_equal(shown(&s), "k_2 @0: >out_ptr0=5/1\nk_1 @1:\n");
    diff_stream_release(&s);
}

static void a_kernel_of_a_library_with_more(void **state)
{
    struct diff_stream s;
    (void)state;
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    put(&s, 6, "extern_mm_fused_relu_0", 4);
    use(&s, 2, "out_ptr0", 130, 2);
    use(&s, 0, "in_ptr0", 131, 1);
    assert_string_equal(shown(&s),
                        "aten::mm in extern_mm_fused_relu_0 @0: #0=131/1 #1=131/1 r=?/3\n"
                        "aten::relu in extern_mm_fused_relu_0 @0: #0=?/3 r=130/2\n");
    diff_stream_release(&s);
}

static void arguments_get_the_paths_of_the_partner(void **state)
{
    struct diff_stream a, b;
    struct diff_pairs pairs = {0};
    (void)state;
    assert_int_equal(diff_stream_init(&a), ERR_OK);
    assert_int_equal(diff_stream_init(&b), ERR_OK);
    put(&a, 3, "aten::add_.Tensor", 0);
    use(&a, 1, "", 120, 4);
    use(&a, 0, "[0][0]", 111, 4);
    use(&a, 0, "[0][1]", 110, 5);
    use(&a, 2, "[0][0]", 120, 4);
    put_k_1(&b);
    put_k_2(&b);
    assert_int_equal(diff_join(&a, &b), ERR_OK);
    assert_int_equal(diff_unfold(db, &b), ERR_OK);
    struct diff_align_options how = {0};
    assert_int_equal(diff_align(&a, &b, &how, &pairs), ERR_OK);
    assert_int_equal(diff_unfold_paths(&a, &b, &pairs), ERR_OK);
    uint32_t partner = DIFF_NONE;
    for (size_t i = 0; i < pairs.pair.n; i++)
        if (pairs.pair.p[i].a == 0) partner = pairs.pair.p[i].b;
    assert_int_not_equal(partner, DIFF_NONE);
    static const char *const want[] = {"[0][0]", "[0][1]", "", "[0][0]"};
    for (uint32_t k = 0; k < 4; k++) {
        struct span got = diff_span(b.words, diff_use_form(&b, b.first_use[partner] + k)->path);
        assert_true(span_is(got, want[k]));
    }
    diff_pairs_release(&pairs);
    diff_stream_release(&b);
    diff_stream_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_run_of_a_program),
                                       cmocka_unit_test(runs_are_told_apart),
                                       cmocka_unit_test(what_is_not_known_stays),
                                       cmocka_unit_test(a_kernel_of_a_library_with_more),
                                       cmocka_unit_test(arguments_get_the_paths_of_the_partner)};
    return cmocka_run_group_tests(tests, open_trace, close_trace);
}
