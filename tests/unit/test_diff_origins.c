/* test_diff_origins.c - operators of the kernels that a run calls, in the order of the graph. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "store/db.h"
#include "store/diff/origins.h"

/* Kernel 1 was generated from graph 2; graph 1 is an earlier stage with other targets. Kernel 3 is
 * never called, kernel 4 has no operators. */
static const char rows[] =
    "INSERT INTO string(id, text) VALUES (1, 'fused_add_relu_0'), (2, 'relu'), (3, 'add'), "
    "(4, 'torch.ops.aten.add.Tensor'), (5, 'torch.ops.aten.relu.default'), (6, 'torch.add'), "
    "(7, 'fused_other'), (8, 'fused_empty'), (9, 'x'), (10, 'torch.ops.mine.twice');"
    "INSERT INTO kernel(id, compile, name) VALUES (1, 5, 1), (3, 5, 7), (4, 5, 8), (6, NULL, 8);"
    "INSERT INTO kernel_op(kernel, position, node) VALUES (1, 0, 2), (1, 1, 3), (1, 2, 9), "
    "(3, 0, 2), (6, 0, 9);"
    "INSERT INTO graph(id, compile, n_nodes, first_node) VALUES (1, 5, 2, 1), (2, 5, 3, 3), "
    "(3, NULL, 1, 6);"
    "INSERT INTO node(id, graph, op, name, target) VALUES (1, 1, 3, 3, 6), (2, 1, 3, 2, 4), "
    "(3, 2, 3, 3, 4), (4, 2, 3, 2, 5), (5, 2, 1, 9, 9), (6, 3, 3, 9, 10);";

static void put(struct diff_stream *s, const char *name)
{
    struct diff_text t = {.kind = 6,
                          .name = diff_word(s->words, span_of(name)),
                          .args = DIFF_NONE,
                          .kwargs = DIFF_NONE,
                          .output = DIFF_NONE};
    assert_int_equal(diff_add_call(s, 1, s->n_calls, 0, diff_text(s->words, &t)), ERR_OK);
}

static const char *load(sqlite3 *db, const struct diff_stream *s)
{
    static char out[512];
    struct diff_origins origins;
    size_t n = 0;
    out[0] = 0;
    if (diff_origins_load(db, s, &origins)) fail_msg("%s", err_text());
    for (size_t k = 0; k < origins.n; k++) {
        struct span kernel = diff_span(s->words, origins.p[k].kernel);
        struct span op = diff_span(s->words, origins.p[k].op);
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s %u %.*s", k ? ", " : "",
                              SPAN_ARG(kernel), origins.p[k].position, SPAN_ARG(op));
    }
    LIST_RELEASE(&origins);
    return out;
}

static void operators_of_called_kernels(void **state)
{
    (void)state;
    char path[128];
    sqlite3 *db;
    struct diff_stream s;
    snprintf(path, sizeof path, "%s/origins.db", unit_folder());
    unlink(path);
    assert_int_equal(store_create(path, &db), ERR_OK);
    if (store_exec(db, rows)) fail_msg("%s", err_text());
    assert_int_equal(diff_stream_init(&s), ERR_OK);
    put(&s, "aten::mm");
    assert_string_equal(load(db, &s), "");
    put(&s, "fused_add_relu_0");
    assert_string_equal(load(db, &s),
                        "fused_add_relu_0 0 aten::add.Tensor, fused_add_relu_0 1 aten::relu");
    put(&s, "fused_empty");
    assert_string_equal(load(db, &s),
                        "fused_add_relu_0 0 aten::add.Tensor, fused_add_relu_0 1 aten::relu, "
                        "fused_empty 0 mine::twice");
    diff_stream_release(&s);
    store_close(db);
    unlink(path);
    rmdir(unit_folder());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(operators_of_called_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
