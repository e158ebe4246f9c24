/* test_fx_text.c - FX graphs in the styles of PyTorch 2.4 to 2.13, and texts that are none. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "capture/fx_text.h"

static struct fx_text graphs; /* of the text read last */

static void read_text(const char *text)
{
    assert_int_equal(fx_text_read(span_of(text), &graphs), ERR_OK);
}

/* "name op target type @line !frame <- args" of node i: comparisons then show the difference. */
static const char *show(size_t i)
{
    static char out[4096];
    static const char *const ops[] = {"?",      "input",  "attr",  "function",
                                      "method", "module", "output"};
    assert_true(i < graphs.nodes.n);
    const struct fx_node *n = &graphs.nodes.p[i];
    int at = snprintf(out, sizeof out, "%.*s %s %.*s [%.*s] @%u !%u", SPAN_ARG(n->name), ops[n->op],
                      SPAN_ARG(n->target), SPAN_ARG(n->type), n->line, n->frame);
    for (uint32_t a = 0; a < n->n_args; a++)
        at += snprintf(out + at, sizeof out - (size_t)at, "%s %.*s", a ? "" : " <-",
                       SPAN_ARG(graphs.nodes.p[graphs.args.p[n->first_arg + a]].name));
    return out;
}

static void expect(const char *const *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) assert_string_equal(show(i), nodes[i]);
    assert_int_equal(graphs.nodes.n, n);
}
#define EXPECT(...)                                                                                \
    do {                                                                                           \
        static const char *const nodes_[] = {__VA_ARGS__};                                         \
        expect(nodes_, sizeof nodes_ / sizeof *nodes_);                                            \
    } while (0)

static void reads_dynamo_graph(void **state)
{
    (void)state;
    read_text("class GraphModule(torch.nn.Module):\n"
              "    def forward(self, s77: \"Sym(s77)\", L_x_: \"f32[s77, 4][4, 1]cpu\", L_y_: "
              "\"f32[s17, 4][4, 1]cpu\"):\n"
              "        l_x_ = L_x_\n"
              "        l_y_ = L_y_\n"
              "\n"
              "        # File: /home/user/project/dynamic_shapes.py:19 in checked, code: "
              "torch._check(x.shape[0] < 1000)\n"
              "        mul: \"Sym(s17*s77)\" = s77 * 3;  s77 = None\n"
              "        lt: \"Sym(s17*s77 < 1000)\" = mul < 1000;  mul = None\n"
              "        _assert = torch.ops.aten._assert_scalar.default(lt, \"failed for lt, "
              "mul\");  lt = _assert = None\n"
              "\n"
              "        # File: /home/user/project/dynamic_shapes.py:20 in checked, code: return "
              "torch.cat([x, y]).relu()\n"
              "        repeat: \"f32[2*s77, 4][4, 1]cpu\" = l_x_.repeat(2, 1);  l_x_ = None\n"
              "        cat: \"f32[s17 + 2*s77, 4][4, 1]cpu\" = torch.cat([repeat, l_y_]);  repeat "
              "= l_y_ = None\n"
              "        # No stacktrace found for following nodes\n"
              "        getitem = cat[(slice(None, 2, None), 0)]\n"
              "        return (getitem, cat)\n");
    EXPECT("s77 input s77 [Sym(s77)] @2 !0", "l_x_ input L_x_ [f32[s77, 4][4, 1]cpu] @2 !0",
           "l_y_ input L_y_ [f32[s17, 4][4, 1]cpu] @2 !0",
           "mul function operator.mul [Sym(s17*s77)] @7 !1 <- s77",
           "lt function operator.lt [Sym(s17*s77 < 1000)] @8 !1 <- mul",
           "_assert function torch.ops.aten._assert_scalar.default [] @9 !1 <- lt",
           "repeat method repeat [f32[2*s77, 4][4, 1]cpu] @12 !2 <- l_x_",
           "cat function torch.cat [f32[s17 + 2*s77, 4][4, 1]cpu] @13 !2 <- repeat l_y_",
           "getitem function operator.getitem [] @15 !0 <- cat",
           "output output output [] @16 !0 <- getitem cat");
    assert_int_equal(graphs.graphs.n, 1);
    assert_true(span_is(graphs.graphs.p[0].module, "GraphModule"));
    assert_int_equal(graphs.graphs.p[0].n_unread, 0);
    assert_int_equal(graphs.frames.n, 2);
    assert_true(span_is(graphs.frames.p[1].file, "/home/user/project/dynamic_shapes.py"));
    assert_int_equal(graphs.frames.p[1].line, 20);
    assert_true(span_is(graphs.frames.p[1].name, "checked"));
    assert_true(span_is(graphs.frames.p[1].code, "return torch.cat([x, y]).relu()"));
}

static void reads_nested_modules(void **state)
{
    (void)state;
    read_text("class GraphModule(torch.nn.Module):\n"
              "    def forward(self, L_x_: \"f32[8][1]cpu\"):\n"
              "        l_x_ = L_x_\n"
              "        # File: higher_order.py:15 in branch, code: return torch.cond(x.sum() > 0, "
              "lambda x: x, (x,))\n"
              "        gt: \"b8[][]cpu\" = l_x_ > 0\n"
              "        cond_true_0 = self.cond_true_0\n"
              "        cond = torch.ops.higher_order.cond(gt, cond_true_0, (l_x_,));  gt = "
              "cond_true_0 = l_x_ = None\n"
              "        return (cond,)\n"
              "    class cond_true_0(torch.nn.Module):\n"
              "        def forward(self, l_x_: \"f32[8][1]cpu\"):\n"
              "            # File: higher_order.py:15 in <lambda>, code: x.sin()\n"
              "            sin: \"f32[8][1]cpu\" = l_x_.sin();  l_x_ = None\n"
              "            return sin\n");
    EXPECT("l_x_ input L_x_ [f32[8][1]cpu] @2 !0",
           "gt function operator.gt [b8[][]cpu] @5 !1 <- l_x_",
           "cond_true_0 attr cond_true_0 [] @6 !1",
           "cond function torch.ops.higher_order.cond [] @7 !1 <- gt cond_true_0 l_x_",
           "output output output [] @8 !0 <- cond", "l_x_ input l_x_ [f32[8][1]cpu] @10 !0",
           "sin method sin [f32[8][1]cpu] @12 !2 <- l_x_", "output output output [] @13 !0 <- sin");
    assert_int_equal(graphs.graphs.n, 2);
    assert_int_equal(graphs.graphs.p[0].n_nodes, 5);
    assert_int_equal(graphs.graphs.p[1].n_nodes, 3);
    assert_true(span_is(graphs.graphs.p[1].module, "cond_true_0"));
    assert_int_equal(graphs.args.p[graphs.nodes.p[6].first_arg],
                     5); /* its own l_x_, not the parent's */
}

static void reads_joint_graph(void **state)
{
    (void)state;
    read_text(
        "class inner_f(torch.nn.Module):\n"
        "    def forward(\n"
        "        self,\n"
        "        primals,\n"
        "        tangents,\n"
        "    ):\n"
        "        primals_1: \"f32[16][1]cpu\"  # PlainAOTInput(idx=0)\n"
        "        tangents_1: \"f32[][]cpu\"  # TangentAOTInput(output=PlainAOTOutput(idx=0))\n"
        "        primals_1, tangents_1, other_1, = fx_pytree.tree_flatten_spec([primals, "
        "tangents], self._in_spec)\n"
        "        # Annotation: {'compile_with': 'first'} File: custom_op.py:34 in step, code: "
        "demo.fill_(x)\n"
        "        mul: \"f32[16][1]cpu\" = torch.ops.aten.mul.Tensor(primals_1, 0.5, primals_1 = "
        "tangents_1)\n"
        "        return pytree.tree_unflatten([\n"
        "            mul,  # PlainAOTOutput(idx=0) of primals_1\n"
        "            None,  # None\n"
        "        ], self._out_spec)\n");
    EXPECT("primals_1 input primals_1 [f32[16][1]cpu] @7 !0",
           "tangents_1 input tangents_1 [f32[][]cpu] @8 !0", "other_1 input other_1 [] @9 !0",
           "mul function torch.ops.aten.mul.Tensor [f32[16][1]cpu] @11 !1 <- primals_1 tangents_1",
           "output output output [] @12 !0 <- mul");
    assert_true(span_is(graphs.frames.p[0].file, "custom_op.py"));
    assert_int_equal(graphs.graphs.p[0].n_unread, 0);
}

static void reads_older_styles(void **state)
{
    (void)state;
    read_text("class <lambda>(torch.nn.Module):\n"
              "    def forward(self, L_x_ : torch.Tensor, *rest, flag = True) -> torch.Tensor:\n"
              "        l_x_ = L_x_\n"
              "        # File: a.py:440, code: return x\n"
              "        w : torch.Tensor = getattr(getattr(self.layers, \"1\"), \"a\").weight\n"
              "        layer = getattr(self.layers, \"0\")(l_x_);  l_x_ = None\n"
              "        sub = self.submod_0(layer, w)\n"
              "        sub += w;  iadd = sub;  sub = None\n"
              "        neg = -iadd\n"
              "        m = -1.5e-05 * neg\n"
              "        s = m.shape\n"
              "        t = s[0]\n"
              "        c = torch.foo(w, dtype = torch.float32, kw = {\"w\": m, 'b': [s, (t,)]}, "
              "text = 'w # \\' m')  # w\n"
              "        return {\"out\": c}\n");
    EXPECT("l_x_ input L_x_ [torch.Tensor] @2 !0", "rest input rest [] @2 !0",
           "flag input flag [] @2 !0",
           "w attr getattr(getattr(self.layers, \"1\"), \"a\").weight [torch.Tensor] @5 !1",
           "layer module getattr(self.layers, \"0\") [] @6 !1 <- l_x_",
           "sub module submod_0 [] @7 !1 <- layer w",
           "iadd function operator.iadd [] @8 !1 <- sub w",
           "neg function operator.neg [] @9 !1 <- iadd", "m function operator.mul [] @10 !1 <- neg",
           "s function getattr [] @11 !1 <- m", "t function operator.getitem [] @12 !1 <- s",
           "c function torch.foo [] @13 !1 <- w m s t", "output output output [] @14 !0 <- c");
    assert_int_equal(graphs.frames.p[0].line, 440);
    assert_null(graphs.frames.p[0].name.p);
}

static void reads_flat_inputs_on_one_line(void **state)
{
    (void)state;
    read_text("class <lambda>(torch.nn.Module):\n"
              "    def forward(self, tree):\n"
              "        arg0_1: \"f32[4, 8]\"; arg1_1: \"f32[8]\"; \n"
              "\n"
              "        arg0_1, arg1_1, = fx_pytree.tree_flatten_spec([], self._in_spec)\n"
              "        add = torch.ops.aten.add.Tensor(arg0_1, arg1_1)\n"
              "        return (add,)\n");
    EXPECT("arg0_1 input arg0_1 [f32[4, 8]] @3 !0", "arg1_1 input arg1_1 [f32[8]] @3 !0",
           "add function torch.ops.aten.add.Tensor [] @6 !0 <- arg0_1 arg1_1",
           "output output output [] @7 !0 <- add");
}

static void reads_exported_program(void **state)
{
    (void)state;
    read_text("ExportedProgram:\n"
              "    class GraphModule(torch.nn.Module):\n"
              "        def forward(self, x: \"f32[s77, 5]\"):\n"
              "            # File: export_draft.py:39 in forward, code: x = x + 1\n"
              "            add: \"f32[s77, 5]\" = torch.ops.aten.add.Tensor(x, 1);  x = None\n"
              "            return (add,)\n"
              "            \n"
              "Graph signature: \n"
              "    # inputs\n"
              "    x: USER_INPUT\n"
              "Range constraints: {s77: VR[2, int_oo]}\n");
    assert_int_equal(graphs.nodes.n, 3);
    assert_int_equal(graphs.graphs.p[0].n_unread, 0);
}

static void reads_function_without_class(void **state)
{
    (void)state;
    read_text("\n\ndef forward(self, arg0_1: \"f32[4][1]cpu\"):\n"
              "    item: \"Sym(u0)\" = torch.ops.aten.item.default(arg0_1);  arg0_1 = None\n"
              "    \n");
    assert_int_equal(graphs.graphs.n, 1);
    assert_null(graphs.graphs.p[0].module.p);
    EXPECT("arg0_1 input arg0_1 [f32[4][1]cpu] @3 !0",
           "item function torch.ops.aten.item.default [Sym(u0)] @4 !0 <- arg0_1");
}

static void counts_what_it_cannot_read(void **state)
{
    (void)state;
    read_text("class A(torch.nn.Module):\n"
              "    def forward(self, x):\n"
              "        x.add_(1)\n"
              "        y = unknown\n"
              "        ) = 3\n"
              "        for i in x:\n"
              "        z = torch.foo(x, [\n"
              "    return z\n");
    assert_int_equal(graphs.graphs.p[0].n_unread, 4);
    EXPECT("x input x [] @2 !0", "z function torch.foo [] @7 !0 <- x",
           "output output output [] @8 !0 <- z");
    read_text("class AOTInductorModelKernels : public Base {\n  void f();\n};\n");
    assert_int_equal(graphs.graphs.n, 0);
    read_text("");
    assert_int_equal(graphs.graphs.n, 0);
}

/* Many lines, deep brackets and long names take time in proportion to their length. */
static void takes_large_texts(void **state)
{
    (void)state;
    enum { LINES = 200000 };
    char *text = malloc((size_t)LINES * 40 + 1000), *p = text;
    assert_non_null(text);
    p += sprintf(p, "class A(torch.nn.Module):\n    def forward(self, x0):\n");
    for (int i = 1; i < LINES; i++) p += sprintf(p, "        x%d = torch.f(x%d, x0)\n", i, i - 1);
    assert_int_equal(fx_text_read((struct span){text, (size_t)(p - text)}, &graphs), ERR_OK);
    assert_int_equal(graphs.nodes.n, LINES);
    assert_int_equal(graphs.args.n, 2 * (LINES - 1));
    p = text +
        sprintf(text, "class A(torch.nn.Module):\n    def forward(self, x0):\n        y = f(");
    memset(p, '[', LINES);
    assert_int_equal(fx_text_read((struct span){text, (size_t)(p - text) + LINES}, &graphs),
                     ERR_OK);
    memset(p, '\n', LINES);
    assert_int_equal(fx_text_read((struct span){text, (size_t)(p - text) + LINES}, &graphs),
                     ERR_OK);
    assert_int_equal(graphs.nodes.n, 2);
    p = text;
    for (int i = 0; i < LINES / 2; i++)
        p += sprintf(p, "class A(M):\n def forward(self, x):\n  return x\n");
    assert_int_equal(fx_text_read((struct span){text, (size_t)(p - text)}, &graphs), ERR_OK);
    assert_int_equal(graphs.graphs.n, LINES / 2);
    free(text);
}

/* Every prefix of a text is read without harm. */
static void takes_truncated_texts(void **state)
{
    (void)state;
    static const char text[] =
        "class A(torch.nn.Module):\n  def forward(self, x: \"f32\"):\n   a: \"t\"; b: 't'; \n"
        "   x, b, = fx_pytree.tree_flatten_spec([x], self.s)\n   # File: a:1 in f, code: c\n"
        "   g = getattr(self.l, \"0\")(x)\n   x += g;  i = x\n   n = -1 * g[(0, 's')]\n   return "
        "(n,\n  i)\n";
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy =
            malloc(n ? n : 1); /* of its own, so that a sanitizer sees reads past the end */
        assert_non_null(copy);
        memcpy(copy, text, n);
        assert_int_equal(fx_text_read((struct span){copy, n}, &graphs), ERR_OK);
        assert_true(graphs.graphs.n <= 1);
        free(copy);
    }
}

static int teardown(void **state)
{
    (void)state;
    fx_text_release(&graphs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_dynamo_graph),
        cmocka_unit_test(reads_nested_modules),
        cmocka_unit_test(reads_joint_graph),
        cmocka_unit_test(reads_older_styles),
        cmocka_unit_test(reads_flat_inputs_on_one_line),
        cmocka_unit_test(reads_exported_program),
        cmocka_unit_test(reads_function_without_class),
        cmocka_unit_test(counts_what_it_cannot_read),
        cmocka_unit_test(takes_large_texts),
        cmocka_unit_test(takes_truncated_texts),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
