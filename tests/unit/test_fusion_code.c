/* test_fusion_code.c - calls and buffers read from generated code: what is a value, what an input,
 * what only the same memory; and code that is cut or makes no sense. */
#include "tests/unit/unit.h"

#include "web/fusion.h"

static const char CODE[] =
    "# AOT ID: ['0_forward']\n"
    "cpp_fused_add_0 = async_compile.cpp_pybinding(['const float*', 'float*'], r'''\n"
    "extern \"C\"  void  kernel(const float* in_ptr0,\n"
    "                       float* out_ptr0)\n{ out_ptr0[0] = in_ptr0[0]; }\n''')\n"
    "cpp_fused_mean_1 = async_compile.cpp_pybinding(['float*', 'const float*', 'float*'], r'''\n"
    "extern \"C\"  void  kernel(float* in_out_ptr0, const float* in_ptr0, float* in_out_ptr1)\n"
    "{\n    auto out_ptr1 = in_out_ptr0;\n    tmp = in_out_ptr1[0]; }\n''')\n"
    "#   %mul : [num_users=1] = call_function[target=torch.ops.aten.mul.Tensor](args = ())\n"
    "#   %exp : [num_users=1] = call_function[target=torch.ops.aten.exp.default](args = ())\n"
    "triton_poi_fused_2 = async_compile.triton('triton_poi_fused_2', '''\n"
    "@triton.jit\n"
    "def triton_poi_fused_2(in_ptr0, out_ptr0, xnumel, XBLOCK : tl.constexpr):\n    pass\n''')\n"
    "class Runner:\n"
    "    def call(self, args):\n"
    "        a_1, b_1 = args\n"
    "        args.clear()\n"
    "        buf0 = empty_strided_cpu((4, 8), (8, 1), torch.float32)\n"
    "        cpp_fused_add_0(a_1, buf0)\n"
    "        buf1 = empty_strided_cpu((4, ), (1, ), torch.float32)\n"
    "        # Topologically Sorted Source Nodes: [y], Original ATen: [aten.t, aten.mm]\n"
    "        extern_kernels.mm(reinterpret_tensor(buf0, (8, 4), (1, 8), 0), b_1, out=buf1)\n"
    "        buf2 = buf0; del buf0  # reuse\n"
    "        buf3 = buf1; del buf1  # reuse\n"
    "        cpp_fused_mean_1(buf2, a_1, buf3)\n"
    "        triton_poi_fused_2.run(buf3, buf2, 32, stream=stream0)\n"
    "        buf4 = torch.ops.aten.sort.default(buf2)\n"
    "        buf5 = buf4[0]\n"
    "        buf6 = reinterpret_tensor(b_1, (8, 1), (1, 1), 0); del b_1  # reuse\n"
    "        cpp_fused_add_0(buf5, buf3)\n"
    "        triton_poi_fused_2.run(buf6, buf1, 8, stream=stream0)\n"
    "        return (buf3, )\n"
    "    cpp_fused_add_0(buf9, buf9)\n"
    "def get_args():\n"
    "    a_1 = rand_strided((4, 8), (8, 1), device='cpu', dtype=torch.float32)\n";

static void add_definition(struct fusion *f, const char *name, int64_t id)
{
    struct fusion_kernel *k = fusion_add_kernel(f);
    *k = (struct fusion_kernel){.name = span_of(name), .kind = SPAN("cpp"), .id = id};
    assert_int_equal(fusion_name_kernel(f), ERR_OK);
}

static void read_code(struct fusion *f, struct span code)
{
    memset(f, 0, sizeof *f);
    add_definition(f, "cpp_fused_add_0", 7);
    add_definition(f, "cpp_fused_mean_1", 8);
    assert_int_equal(fusion_read_code(f, code), ERR_OK);
}

static const struct fusion_kernel *kernel(const struct fusion *f, const char *key)
{
    int at = fusion_find(f, key);
    assert_true(at >= 0);
    return &f->kernels[at];
}

static int count_edges(const struct fusion *f, const char *writer, const char *reader)
{
    int from = fusion_find(f, writer), to = fusion_find(f, reader), n = 0;
    for (int i = 0; i < f->n_edges; i++)
        n += f->values[f->edges[i].value].writer == from && f->edges[i].reader == to;
    return n;
}

static void calls_stand_in_order(void **state)
{
    (void)state;
    struct fusion f;
    read_code(&f, span_of(CODE));
    static const char *const keys[] = {
        "cpp_fused_add_0",     "extern_kernels.mm",           "cpp_fused_mean_1",
        "triton_poi_fused_2",  "torch.ops.aten.sort.default", "cpp_fused_add_0#2",
        "triton_poi_fused_2#2"};
    assert_int_equal(f.n_kernels, 7);
    for (int i = 0; i < 7; i++) assert_string_equal(f.kernels[i].key, keys[i]);
    assert_true(f.has_calls && kernel(&f, "cpp_fused_add_0#2")->id == 7);
    assert_true(span_is(kernel(&f, "torch.ops.aten.sort.default")->kind, "extern"));
    fusion_release(&f);
}

static void values_lead_from_writer_to_reader(void **state)
{
    (void)state;
    struct fusion f;
    read_code(&f, span_of(CODE));
    assert_int_equal(count_edges(&f, "cpp_fused_add_0", "extern_kernels.mm"), 1);
    /* buf3 is the memory of buf1, and the kernel reads what was in it. */
    assert_int_equal(count_edges(&f, "extern_kernels.mm", "cpp_fused_mean_1"), 1);
    /* buf2 is the memory of buf0, and the kernel writes it before it reads. */
    assert_int_equal(count_edges(&f, "cpp_fused_add_0", "cpp_fused_mean_1"), 0);
    assert_int_equal(count_edges(&f, "cpp_fused_mean_1", "triton_poi_fused_2"), 1);
    /* What a call gives is taken apart. */
    assert_int_equal(count_edges(&f, "torch.ops.aten.sort.default", "cpp_fused_add_0#2"), 1);
    assert_int_equal(f.n_edges, 5);
    fusion_release(&f);
}

static void inputs_and_bytes(void **state)
{
    (void)state;
    struct fusion f;
    read_code(&f, span_of(CODE));
    const struct fusion_kernel *k = kernel(&f, "cpp_fused_add_0");
    assert_int_equal(k->n_inputs, 1);
    assert_true(span_is(f.inputs[k->first_input].name, "a_1"));
    assert_int_equal(k->input_bytes, 128);
    assert_int_equal(k->reads, 128);
    assert_int_equal(k->writes, 128);
    k = kernel(&f, "triton_poi_fused_2#2"); /* another name of b_1 */
    assert_true(k->n_inputs == 1 && span_is(f.inputs[k->first_input].name, "b_1"));
    k = kernel(&f, "extern_kernels.mm"); /* b_1 has no size */
    assert_true(k->n_inputs == 1 && k->reads == STORE_NULL && k->writes == 16);
    fusion_release(&f);
}

static void members_are_those_of_the_comments(void **state)
{
    (void)state;
    struct fusion f;
    read_code(&f, span_of(CODE));
    const struct fusion_kernel *k = kernel(&f, "triton_poi_fused_2");
    assert_true(k->n_ops == 2 && f.has_order);
    assert_true(span_is(f.ops[k->first_op].node, "mul"));
    assert_true(span_is(f.ops[k->first_op + 1].op, "torch.ops.aten.exp.default"));
    k = kernel(&f, "extern_kernels.mm");
    assert_true(k->n_ops == 2 && span_is(f.ops[k->first_op + 1].op, "aten.mm"));
    assert_int_equal(kernel(&f, "torch.ops.aten.sort.default")->n_ops, 0);
    fusion_release(&f);
}

static void without_calls_the_definitions_stay(void **state)
{
    (void)state;
    struct fusion f;
    read_code(&f, SPAN("int main() { return 0; }"));
    assert_true(f.n_kernels == 2 && !f.has_calls);
    assert_int_equal(fusion_find(&f, "cpp_fused_mean_1"), 1);
    fusion_release(&f);
}

/* Cut anywhere, and with any byte changed, the code is read without harm. */
static void broken_code_is_read(void **state)
{
    (void)state;
    char text[sizeof CODE];
    for (size_t n = 0; n < sizeof CODE; n++) {
        struct fusion f;
        memcpy(text, CODE, sizeof CODE);
        read_code(&f, (struct span){text, n});
        fusion_release(&f);
        text[n] = "()[],=%#\n\x80"[n % 10];
        read_code(&f, (struct span){text, sizeof CODE - 1});
        for (int i = 0; i < f.n_edges; i++) {
            assert_in_range(f.edges[i].value, 0, f.n_values - 1);
            assert_in_range(f.edges[i].reader, 0, f.n_kernels - 1);
            assert_true(f.values[f.edges[i].value].writer <= f.edges[i].reader);
        }
        fusion_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_stand_in_order),
        cmocka_unit_test(values_lead_from_writer_to_reader),
        cmocka_unit_test(inputs_and_bytes),
        cmocka_unit_test(members_are_those_of_the_comments),
        cmocka_unit_test(without_calls_the_definitions_stay),
        cmocka_unit_test(broken_code_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
