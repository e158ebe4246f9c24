/* test_graph_text.c - graphs as text: as PyTorch 2.13 prints the same calls, and whatever the names
 * are. */
#include "capture/fx_text.h"
#include "runtime/compile/graph.h"
#include "runtime/compile/trace.h"
#include "runtime/session.h"
#include "tests/unit/unit.h"

#include "plumb.h"

static struct arena arena;
static struct graph graph;
static struct graph_text text;

static struct plumb_tensor *tensor(int n, int64_t a, int64_t b)
{
    struct plumb_tensor *t = plumb_tensor(PLUMB_F32, n, (int64_t[]){a, b}, NULL);
    assert_non_null(t);
    return t;
}

/* Traces fn on inputs of these shapes and prints the graph. */
static void print_of(const char *name, const char *stage, plumb_function fn,
                     struct plumb_tensor *const *in, int n_in, int n_out)
{
    struct trace t;
    struct plumb_tensor *out[8];
    graph_init(&graph, &arena, name);
    if (trace_begin(&t, &graph, in, n_in)) fail_msg("%s", err_text());
    if (fn(NULL, t.in, n_in, out, n_out)) fail_msg("%s", plumb_error());
    for (int i = 0; i < n_out; i++) assert_int_equal(trace_output(&t, out[i], GRAPH_RESULT, i), 0);
    trace_end(&t);
    if (graph_check(&graph)) fail_msg("%s", err_text());
    if (graph_print(&graph, stage, &text)) fail_msg("%s", err_text());
}

static int open_session(void **state)
{
    (void)state;
    return plumb_open(NULL) && !plumb_frame_begin() ? 0 : -1;
}

static int close_session(void **state)
{
    (void)state;
    for (size_t i = 0; i < graph.constant.n; i++) tensor_free(graph.constant.p[i]);
    graph_text_release(&text);
    graph_release(&graph);
    arena_release(&arena);
    memset(&graph, 0, sizeof graph);
    plumb_frame_end();
    return plumb_close();
}

/* ---- what PyTorch prints, but for the order of arguments and what it knows of devices ---- */

static int many_kinds(void *context, struct plumb_tensor *const *in, int n_in,
                      struct plumb_tensor **out, int n_out)
{
    const int64_t row[] = {16}, one[] = {1}, two[] = {2, 3}, three[] = {0, 1, 2};
    const enum plumb_dtype f32 = PLUMB_F32, bf16 = PLUMB_BF16;
    struct plumb_tensor *norm[3], *part[2], *sums[2], *list[2];
    (void)context, (void)n_in, (void)n_out;
    plumb_native_layer_norm(in[0], row, 1, in[1], in[2], 1e-5, norm);
    struct plumb_value cast[] = {{.kind = PLUMB_V_TENSOR, .tensor = norm[0]},
                                 {.kind = PLUMB_V_DTYPE, .i = bf16}};
    struct plumb_tensor *half;
    assert_int_equal(plumb_call("aten::_to_copy", cast, 2, &half, 1), 1);
    struct plumb_value split[] = {{.kind = PLUMB_V_TENSOR, .tensor = half},
                                  {.kind = PLUMB_V_INT, .i = 8},
                                  {.kind = PLUMB_V_INT, .i = 1}};
    assert_int_equal(plumb_call("aten::split.Tensor", split, 3, part, 2), 2);
    struct plumb_tensor *cat = plumb_cat(part, 2, 1);
    struct plumb_value sum[] = {{.kind = PLUMB_V_TENSOR, .tensor = cat},
                                {.kind = PLUMB_V_INTS, .ints = one, .n = 1},
                                {.kind = PLUMB_V_BOOL, .i = 1},
                                {.kind = PLUMB_V_DTYPE, .i = f32}};
    struct plumb_tensor *total, *m, *k = plumb_tensor(PLUMB_I64, 1, (int64_t[]){3}, three);
    assert_int_equal(plumb_call("aten::sum.dim_IntList", sum, 4, &total, 1), 1);
    struct plumb_value add[] = {{.kind = PLUMB_V_TENSOR, .tensor = in[3]},
                                {.kind = PLUMB_V_TENSOR, .tensor = total},
                                {.kind = PLUMB_V_INT, .i = 2}};
    assert_int_equal(plumb_call("aten::add_.Tensor", add, 3, &m, 1), 1);
    list[0] = m, list[1] = total;
    struct plumb_value scale[] = {{.kind = PLUMB_V_TENSORS, .tensors = list, .n = 1},
                                  {.kind = PLUMB_V_REAL, .r = 0.5}};
    assert_int_equal(plumb_call("aten::_foreach_mul_.Scalar", scale, 2, sums, 2), 0);
    scale[0].n = 2;
    scale[1].r = 1.5;
    assert_int_equal(plumb_call("aten::_foreach_add.Scalar", scale, 2, sums, 2), 2);
    list[0] = NULL, list[1] = k;
    struct plumb_value index[] = {{.kind = PLUMB_V_TENSOR, .tensor = in[0]},
                                  {.kind = PLUMB_V_TENSORS, .tensors = list, .n = 2}};
    assert_int_equal(plumb_call("aten::index.Tensor", index, 2, &k, 1), 1);
    struct plumb_value clamp[] = {{.kind = PLUMB_V_TENSOR, .tensor = k},
                                  {.kind = PLUMB_V_NONE},
                                  {.kind = PLUMB_V_REAL, .r = __builtin_inf()}};
    assert_int_equal(plumb_call("aten::clamp", clamp, 3, &k, 1), 1);
    struct plumb_value full[] = {{.kind = PLUMB_V_INTS, .ints = two, .n = 2},
                                 {.kind = PLUMB_V_REAL, .r = -__builtin_inf()},
                                 {.kind = PLUMB_V_DTYPE, .i = f32}};
    assert_int_equal(plumb_call("aten::full", full, 3, &out[1], 1), 1);
    struct plumb_value mode[] = {{.kind = PLUMB_V_TENSOR, .tensor = k},
                                 {.kind = PLUMB_V_INT, .i = 3},
                                 {.kind = PLUMB_V_TEXT, .text = "floor"}};
    assert_int_equal(plumb_call("aten::div.Scalar_mode", mode, 3, &out[0], 1), 1);
    out[2] = sums[0];
    out[3] = sums[1];
    out[4] = m;
    return 0;
}

static const char golden[] =
    "class GraphModule(torch.nn.Module):\n"
    "    def forward(self, primals_1: \"f32[4, 16][16, 1]cpu\", primals_2: \"f32[16][1]cpu\", "
    "primals_3: \"f32[16][1]cpu\", primals_4: \"f32[4, 1][1, 1]cpu\"):\n"
    "        _tensor_constant0: \"i64[3][1]cpu\" = self._tensor_constant0\n"
    "        # No stacktrace found for following nodes\n"
    "        native_layer_norm = torch.ops.aten.native_layer_norm.default(primals_1, [16], "
    "primals_2, primals_3, 1e-05);  primals_2 = primals_3 = None\n"
    "        getitem: \"f32[4, 16][16, 1]cpu\" = native_layer_norm[0];  native_layer_norm = None\n"
    "        _to_copy: \"bf16[4, 16][16, 1]cpu\" = torch.ops.aten._to_copy.default(getitem, dtype "
    "= "
    "torch.bfloat16);  getitem = None\n"
    "        split = torch.ops.aten.split.Tensor(_to_copy, 8, 1);  _to_copy = None\n"
    "        getitem_3: \"bf16[4, 8][16, 1]cpu\" = split[0]\n"
    "        getitem_4: \"bf16[4, 8][16, 1]cpu\" = split[1];  split = None\n"
    "        cat: \"bf16[4, 16][16, 1]cpu\" = torch.ops.aten.cat.default([getitem_3, getitem_4], "
    "1);"
    "  getitem_3 = getitem_4 = None\n"
    "        sum_1: \"f32[4, 1][1, 1]cpu\" = torch.ops.aten.sum.dim_IntList(cat, [1], True, dtype "
    "= "
    "torch.float32);  cat = None\n"
    "        add_: \"f32[4, 1][1, 1]cpu\" = torch.ops.aten.add_.Tensor(primals_4, sum_1, alpha = "
    "2);  primals_4 = None\n"
    "        _foreach_mul_ = torch.ops.aten._foreach_mul_.Scalar([add_], 0.5);  _foreach_mul_ = "
    "None\n"
    "        _foreach_add = torch.ops.aten._foreach_add.Scalar([add_, sum_1], 1.5);  sum_1 = None\n"
    "        getitem_5: \"f32[4, 1][1, 1]cpu\" = _foreach_add[0]\n"
    "        getitem_6: \"f32[4, 1][1, 1]cpu\" = _foreach_add[1];  _foreach_add = None\n"
    "        index: \"f32[4, 3][3, 1]cpu\" = torch.ops.aten.index.Tensor(primals_1, [None, "
    "_tensor_constant0]);  primals_1 = _tensor_constant0 = None\n"
    "        clamp: \"f32[4, 3][3, 1]cpu\" = torch.ops.aten.clamp.default(index, None, inf);  "
    "index "
    "= None\n"
    "        full: \"f32[2, 3][3, 1]cpu\" = torch.ops.aten.full.default([2, 3], -inf, dtype = "
    "torch.float32)\n"
    "        div: \"f32[4, 3][3, 1]cpu\" = torch.ops.aten.div.Scalar_mode(clamp, 3, rounding_mode "
    "= "
    "'floor');  clamp = None\n"
    "        return (div, full, getitem_5, getitem_6, add_)\n";

static void prints_as_pytorch(void **state)
{
    (void)state;
    struct plumb_tensor *in[] = {tensor(2, 4, 16), tensor(1, 16, 0), tensor(1, 16, 0),
                                 tensor(2, 4, 1)};
    print_of("f", "GraphModule", many_kinds, in, 4, 5);
    assert_string_equal(text.text.p, golden);
    assert_int_equal(text.node_line[0], 5); /* layer norm; its results are taken below it */
    assert_int_equal(text.node_line[1], 7);
    assert_int_equal(text.input_line[0], 2);
    int constant = 0;
    while (graph.value.p[constant].origin != GRAPH_CONSTANT) constant++;
    assert_int_equal(text.input_line[constant], 3);
}

/* ---- tensors that are written, seen through views ---- */

static int written_views(void *context, struct plumb_tensor *const *in, int n_in,
                         struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    plumb_module_begin("net.block 1");
    struct plumb_tensor *t = plumb_t(in[0]), *row = plumb_select_int(in[0], 0, 1);
    plumb_module_end();
    plumb_module_begin("net.b, code: in x\n");
    plumb_relu_(in[0]);
    out[0] = plumb_exp(t);
    out[1] = plumb_sum(row, (enum plumb_dtype)0);
    plumb_module_end();
    out[2] = in[0];
    return 0;
}

static void prints_written_tensors(void **state)
{
    (void)state;
    struct plumb_tensor *in[] = {tensor(2, 2, 3)};
    print_of("my fn\n", "<lambda>", written_views, in, 1, 3);
    assert_string_equal(
        text.text.p,
        "class <lambda>(torch.nn.Module):\n"
        "    def forward(self, primals_1: \"f32[2, 3][3, 1]cpu\"):\n"
        "        # File: my_fn_:1 in net.block_1, code: aten::t\n"
        "        t: \"f32[3, 2][1, 3]cpu\" = torch.ops.aten.t.default(primals_1)\n"
        "        select: \"f32[3][1]cpu\" = torch.ops.aten.select.int(primals_1, 0, 1)\n"
        "\n"
        "        # File: my_fn_:3 in net.b,_code:_in_x_, code: aten::relu_\n"
        "        relu_: \"f32[2, 3][3, 1]cpu\" = torch.ops.aten.relu_.default(primals_1);  "
        "primals_1 "
        "= None\n"
        "        exp: \"f32[3, 2][2, 1]cpu\" = torch.ops.aten.exp.default(t);  t = None\n"
        "        sum_1: \"f32[][]cpu\" = torch.ops.aten.sum.default(select);  select = None\n"
        "        return (exp, sum_1, relu_)\n");
}

/* A view whose call is gone is taken of another variable of the storage. */
static void prints_views_of_nobody(void **state)
{
    (void)state;
    struct plumb_tensor *in[] = {tensor(2, 2, 3)};
    print_of("f", "GraphModule", written_views, in, 1, 3);
    graph_text_release(&text);
    for (int i = 0; i < 2; i++) graph.node.p[i].out[0] = GRAPH_NONE; /* t and select */
    if (graph_print(&graph, "GraphModule", &text)) fail_msg("%s", err_text());
    const char *at = strstr(text.text.p, "as_strided.default(primals_1, [3, 2], [1, 3], 0)\n");
    assert_non_null(at);
    assert_non_null(strstr(at, "as_strided.default(primals_1, [3], [1], 3);  primals_1 = None\n"));
}

/* ---- names from outside ---- */

static int one_call(void *context, struct plumb_tensor *const *in, int n_in,
                    struct plumb_tensor **out, int n_out)
{
    (void)n_in, (void)n_out;
    plumb_module_begin(context ? context : "\"; import os # \xff\xfe\r\n\t");
    out[0] = plumb_relu(in[0]);
    plumb_module_end();
    return 0;
}

static void keeps_names_in_their_place(void **state)
{
    (void)state;
    struct fx_text fx = {0};
    struct plumb_tensor *in[] = {tensor(1, 2, 0)};
    print_of("a:b in c\n# File: x:1 in y", "x): \n import os", one_call, in, 1, 1);
    assert_int_equal(fx_text_read(buf_text(&text.text), &fx), 0);
    assert_int_equal(fx.graphs.n, 1);
    assert_int_equal(fx.nodes.n, 3); /* input, relu, output */
    assert_int_equal(fx.graphs.p[0].n_unread, 0);
    assert_int_equal(fx.frames.n, 1);
    assert_int_equal(fx.frames.p[0].line, 1);
    assert_true(span_is(fx.nodes.p[1].target, "torch.ops.aten.relu.default"));
    fx_text_release(&fx);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_session, close_session)
    const struct CMUnitTest tests[] = {CASE(prints_as_pytorch), CASE(prints_written_tensors),
                                       CASE(prints_views_of_nobody),
                                       CASE(keeps_names_in_their_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
