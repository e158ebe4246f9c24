/* test_cap.c - recording through cap.h: rows, and text as PyTorch prints it. */
#include "tests/unit/cap_unit.h"

static void prints_modules(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    mlp(c, cap_thread(c, "main"));
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags = 0 AND dur >= 0"), 4);
    assert_int_equal(ask("SELECT count(*) FROM event e JOIN event p ON p.id = e.parent WHERE p.ts "
                         "<= e.ts AND p.ts + p.dur >= e.ts + e.dur"),
                     3);
    assert_int_equal(ask("SELECT count(*) FROM tensor_use"), 6);
    assert_int_equal(ask("SELECT tensor FROM tensor_use WHERE event = 4 AND position = 2"), 1);
    expect_text(1, "    [nn.Mod] Mlp\n"
                   "      [nn.Mod] Mlp.fc1\n"
                   "        aten::t(t: f32[16, 8])  ->  t: f32[8, 16]\n"
                   "        aten::addmm(t: f32[16], t: f32[3, 8], t: f32[8, 16])  ->  "
                   "t: f32[3, 16]\n");
}

static void prints_numbers_of_tensors(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.ids = true});
    mlp(c, cap_thread(c, "main"));
    finish(c);
    expect_text(1, "    [nn.Mod] Mlp\n"
                   "      [nn.Mod] Mlp.fc1\n"
                   "        aten::t(t$0: f32[16, 8])  ->  t$1: f32[8, 16]\n"
                   "        aten::addmm(t$2: f32[16], t$3: f32[3, 8], t$1: f32[8, 16])  ->  "
                   "t$4: f32[3, 16]\n");
}

/* As in PyTorch: what stands bare outside of lists stands in quotes inside. */
static void prints_every_argument(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_BF16, 2, 2, 2), zero = form(c, DTYPE_I64, 0, 0, 0);
    cap_begin(t, CAP_OP, word(c, "aten::odd.Tensor"), 0, 0);
    scalar(t, CAP_NONE, 0, 0);
    scalar(t, CAP_BOOL, 1, 0);
    scalar(t, CAP_INT, -3, 0);
    cap_scalar(t, &(struct cap_value){.kind = CAP_REAL, .r = 1e-05});
    cap_scalar(t, &(struct cap_value){.kind = CAP_REAL, .r = 1});
    scalar(t, CAP_WORD, word(c, "ij,kj->ik"), 0);
    cap_list_begin(t, 0);
    scalar(t, CAP_INT, 1, 0);
    scalar(t, CAP_INT, 2, 0);
    cap_list_end(t);
    cap_list_begin(t, 0);
    use(t, 1, f, CAP_ARGUMENT);
    scalar(t, CAP_NONE, 0, 0);
    scalar(t, CAP_WORD, word(c, "it's"), 0);
    cap_list_end(t);
    cap_list_begin(t, 0);
    cap_list_end(t);
    scalar(t, CAP_INT, 2, word(c, "alpha"));
    scalar(t, CAP_DTYPE, DTYPE_F32, word(c, "dtype"));
    scalar(t, CAP_DEVICE, word(c, "cpu"), word(c, "device"));
    use(t, 2, f, CAP_RESULT);
    use(t, 3, zero, CAP_RESULT);
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::_local_scalar_dense"), 0, 0);
    use(t, 3, zero, CAP_ARGUMENT);
    cap_result_number(t, &(struct cap_value){.kind = CAP_REAL, .r = 2.5});
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::unbind.int"), 0, 0);
    use(t, 2, f, CAP_ARGUMENT);
    cap_list_begin(t, 0);
    use(t, 4, f, CAP_RESULT);
    use(t, 5, f, CAP_RESULT);
    cap_list_end(t);
    cap_end(t);
    cap_begin(t, CAP_ANNOTATE, word(c, "here"), word(c, "annotate"), 0);
    cap_end(t);
    cap_begin(t, CAP_ANNOTATE, word(c, "range"), word(c, "record function"), 0);
    cap_begin(t, CAP_OP, word(c, "aten::foreach_"), 0, 0);
    cap_end(t);
    cap_end(t);
    finish(c);
    expect_text(1, "    aten::odd.Tensor(None, True, -3, 1e-05, 1.0, ij,kj->ik, [1, 2], "
                   "['t: bf16[2, 2]', None, \"it's\"], [], alpha=2, dtype=torch.float32, "
                   "device=cpu)  ->  ('t: bf16[2, 2]', 't: i64[]')\n"
                   "    aten::_local_scalar_dense(t: i64[])  ->  2.5\n"
                   "    aten::unbind.int(t: bf16[2, 2])  ->  ['t: bf16[2, 2]', 't: bf16[2, 2]']\n"
                   "  [annotate] here\n"
                   "  [record function] range\n"
                   "      aten::foreach_()\n");
}

static uint64_t bits(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static void hash(struct cap_thread *t, uint32_t slot, int part, enum cap_hash kind, uint64_t b)
{
    cap_digest(t, slot, part,
               &(struct cap_digest){.kind = kind,
                                    .bits = b,
                                    .stats = kind == CAP_PKM64,
                                    .n_nan = 1,
                                    .min = -1,
                                    .max = 2,
                                    .sum = 3,
                                    .sum_abs = 4,
                                    .sum_squares = 5});
}

static void prints_hashes(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.input_hashes = true});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 2, 0);
    cap_begin(t, CAP_OP, word(c, "aten::add.Tensor"), 0, 0);
    hash(t, use(t, 1, f, CAP_ARGUMENT), 0, CAP_NORM, bits(1.5));
    scalar(t, CAP_INT, 1, 0);
    scalar(t, CAP_INT, 2, word(c, "alpha"));
    hash(t, use(t, 2, f, CAP_RESULT), 0, CAP_NORM, bits(2.25));
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::max.dim"), 0, 0);
    cap_list_begin(t, 0);
    uint32_t slot = use(t, 1, f, CAP_ARGUMENT);
    hash(t, slot, 0, CAP_NORM, bits(1));
    hash(t, slot, 1, CAP_HASH_TENSOR, 18446744073709551615u);
    cap_list_end(t);
    use(t, 3, f, CAP_RESULT);
    hash(t, use(t, 4, f, CAP_RESULT), 0, CAP_PKM64, 0x1234);
    cap_remark(t, word(c, "step"), &(struct cap_value){.kind = CAP_INT, .i = 7});
    cap_end(t);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM tensor_use WHERE hash_kind = 4 AND digest = 4660 "
                         "AND nans = 1 AND infs = 0 AND low = -1 AND high = 2 AND total = 3 AND "
                         "magnitude = 4 AND squares = 5"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM first_nonfinite WHERE name = 'aten::max.dim' AND "
                         "phase = 'result' AND tensor = 3 AND nans = 1"),
                     1);
    expect_text(1, "    aten::add.Tensor(t: f32[2], 1, alpha=2)  ->  t: f32[2]  # {'input_hash': "
                   "((1.5, None), {'alpha': None}), 'hash': 2.25}\n"
                   "    aten::max.dim(['t: f32[2]'])  ->  ('t: f32[2]', 't: f32[2]')  # "
                   "{'input_hash': (([(1.0, 18446744073709551615)],), {}), 'hash': (None, "
                   "'0x0000000000001234'), 'step': 7}\n");
}

/* Digests of what is written before and after a call are rows, not text. */
static void keeps_hashes_that_are_not_shown(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 2, 0);
    cap_begin(t, CAP_OP, word(c, "aten::add_.Tensor"), 0, 0);
    hash(t, use(t, 1, f, CAP_ARGUMENT), 0, CAP_NORM, bits(1.5));
    use(t, 2, f, CAP_ARGUMENT);
    hash(t, use(t, 1, f, CAP_RESULT), 0, CAP_NORM, bits(2.5));
    hash(t, use(t, 1, f, CAP_ARGUMENT_AFTER), 0, CAP_NORM, bits(2.5));
    cap_end(t);
    uint32_t late;
    cap_begin(t, CAP_OP, word(c, "aten::late"), 0, 0);
    use(t, 1, f, CAP_ARGUMENT);
    late = use(t, 3, f, CAP_RESULT);
    cap_end(t);
    hash(t, late, 0, CAP_PKM64, 99);
    hash(t, late, 1, CAP_NORM, 98);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE arg = '[0][0]' AND phase = "
                         "'after' AND digest IS NOT NULL"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE name = 'aten::late' AND phase = "
                         "'result' AND digest = 99 AND magnitude = 4"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE name = 'aten::late'"), 3);
    expect_text(1, "    aten::add_.Tensor(t: f32[2], t: f32[2])  ->  t: f32[2]  # {'hash': 2.5}\n"
                   "    aten::late(t: f32[2])  ->  t: f32[2]\n");
}

/* A kernel that plumb compiled: its arguments by keyword, digests of them before and after. */
static void prints_kernels(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.input_hashes = true});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 128, 0), in = word(c, "in_ptr0"), out = word(c, "out_ptr0"),
             site = word(c, "0/0 forward pl_poi_fused_add_0");
    for (int i = 0; i < 2; i++) {
        cap_begin(t, CAP_KERNEL, word(c, "pl_poi_fused_add_0"), 0, 0);
        uint32_t a = cap_tensor(t, &(struct cap_use){.tensor = 1, .form = f, .keyword = in});
        cap_tensor(t, &(struct cap_use){.tensor = 2, .form = f, .keyword = out});
        cap_launch_begin(t, &(struct cap_launch){.kernel = word(c, "pl_poi_fused_add_0"),
                                                 .variant = word(c, "compiled"),
                                                 .site = i ? 0 : site,
                                                 .items = 128,
                                                 .bytes_read = 512,
                                                 .bytes_written = 512});
        cap_end(t);
        cap_done(t);
        if (i == 0) {
            hash(t, a, 0, CAP_NORM, bits(1.5));
            uint32_t after = cap_tensor(
                t, &(struct cap_use){
                       .tensor = 2, .form = f, .keyword = out, .phase = CAP_ARGUMENT_AFTER});
            hash(t, after, 0, CAP_PKM64, 0x1234);
            hash(t, after, 1, CAP_NORM, bits(2));
        }
        cap_end(t);
    }
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM calls c JOIN event e ON e.id = c.id WHERE e.kind = "
                         "6 AND e.dur >= 0"),
                     2);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE arg = 'out_ptr0' AND phase = "
                         "'after' AND digest IS NOT NULL"),
                     2);
    assert_int_equal(ask("SELECT sum(launches) FROM top_kernels WHERE kernel = "
                         "'pl_poi_fused_add_0' AND site = '0/0 forward pl_poi_fused_add_0'"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM launch WHERE site IS NULL"), 1);
    assert_int_equal(ask("SELECT count(*) FROM launches WHERE operator = 'pl_poi_fused_add_0'"), 2);
    expect_text(1, "    [plumb] pl_poi_fused_add_0(in_ptr0=t: f32[128], out_ptr0=t: f32[128])\n"
                   "    # pre-kernel hashes: {in_ptr0: 1.5}\n"
                   "    # post-kernel hashes: {out_ptr0: ('0x0000000000001234', 2.0)}\n"
                   "\n"
                   "    [plumb] pl_poi_fused_add_0(in_ptr0=t: f32[128], out_ptr0=t: f32[128])\n"
                   "\n");
}

static void records_the_machine(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.device = "cpu"});
    struct cap_thread *t = cap_thread(c, "main");
    struct view v;
    float values[] = {1, 2, 3, 4};
    assert_int_equal(view_dense(DTYPE_F32, &(struct view_shape){.n = 1, .size = {4}}, &v), 0);
    uint32_t f = cap_form(c, &v);
    uint64_t step = cap_begin(t, CAP_SPAN, word(c, "step 1"), 0, 0), op = 0;
    for (int i = 0; i < 3; i++) {
        op = cap_begin(t, CAP_OP, word(c, "aten::mul"), 0, 0);
        assert_int_equal(cap_launch_begin(t, &(struct cap_launch){.kernel = word(c, "k"),
                                                                  .variant = word(c, "avx2"),
                                                                  .items = 1ll << 33,
                                                                  .threads = 2,
                                                                  .bytes_read = 10}),
                         op + 1);
        cap_end(t);
        uint32_t slot = use(t, 1, f, CAP_RESULT);
        if (i == 2) assert_int_equal(cap_keep(t, slot, &v, values), ERR_OK);
        cap_done(t);
        cap_end(t);
    }
    cap_copied(t, CAP_DEVICE_TO_HOST, 100, 50);
    cap_sync(t, 20);
    cap_alloc(t, 0x1000, 64);
    cap_alloc(t, 0x1000, -64);
    cap_counter(t, word(c, "loss"), 0.5);
    cap_counter(t, word(c, "loss"), 0.25);
    cap_link(t, step, op, 1);
    cap_error(t, SPAN("shapes do not fit"));
    cap_end(t);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM launch WHERE items = 8589934592 AND threads = 2 AND "
                         "bytes_read = 10 AND flops IS NULL"),
                     1);
    assert_int_equal(ask("SELECT launches FROM top_kernels WHERE kernel = 'k'"), 3);
    assert_int_equal(ask("SELECT count(*) FROM launches WHERE operator = 'aten::mul' AND variant = "
                         "'avx2' AND dur >= 0"),
                     3);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE kind = 13"), 1);
    assert_int_equal(ask("SELECT bytes FROM copies WHERE kind = 'device to host' AND dur = 50"),
                     100);
    assert_int_equal(ask("SELECT count(*) FROM syncs WHERE kind = 'device' AND dur = 20"), 1);
    assert_int_equal(ask("SELECT in_use FROM allocations WHERE id = 2"), 0);
    assert_int_equal(ask("SELECT count(*) FROM counters WHERE name = 'loss' AND within = 'step 1'"),
                     2);
    assert_int_equal(ask("SELECT count(*) FROM links WHERE kind = 'backward' AND src_name = 'step "
                         "1' AND dst_name = 'aten::mul'"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM errors WHERE message = 'shapes do not fit'"), 1);
    assert_int_equal(ask("SELECT size FROM artifact a JOIN tensor_use u ON u.artifact = a.id"), 16);
    assert_int_equal(ask("SELECT count(*) FROM meta WHERE key GLOB 'ring*'"), 0);
    unlink(path);
}

__attribute__((noinline)) static uint32_t stack_here(struct cap *c)
{
    void *const pc[] = {__builtin_return_address(0)};
    return cap_stack(c, pc, 1);
}

/* With debug information a frame has its line and the line's text. */
static void prints_stacks(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t stack = stack_here(c);
    int line = __LINE__ - 1;
    char expected[600];
    cap_begin(t, CAP_OP, word(c, "aten::relu"), 0, stack);
    cap_end(t);
    finish(c);
    snprintf(expected, sizeof expected,
             "    # File: %s:%d in prints_stacks, code: uint32_t stack = stack_here(c);\n"
             "    aten::relu()\n",
             __FILE__, line);
    if (ask("SELECT count(*) FROM stacks WHERE line > 0")) expect_text(1, expected);
    else assert_int_equal(ask("SELECT count(*) FROM stacks WHERE name GLOB '*0x*'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_modules),
        cmocka_unit_test(prints_numbers_of_tensors),
        cmocka_unit_test(prints_every_argument),
        cmocka_unit_test(prints_hashes),
        cmocka_unit_test(keeps_hashes_that_are_not_shown),
        cmocka_unit_test(prints_kernels),
        cmocka_unit_test(records_the_machine),
        cmocka_unit_test(prints_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
