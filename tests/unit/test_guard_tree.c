/* test_guard_tree.c - leaves, their sources and comments, from trees that PyTorch printed. */
#include "tests/unit/unit.h"

#include "capture/guard_tree.h"

static const char tree_text[] =
    "\nTREE_GUARD_MANAGER:\n"
    "+- RootGuardManager\n"
    "| +- DEFAULT_DEVICE: utils_device.CURRENT_DEVICE == None                           # "
    "_dynamo/output_graph.py:1122 in init\n"
    "| +- GLOBAL_STATE: ___check_global_state() against {\"grad_mode\":true,\"x\":[1,2]}\n"
    "| +- TORCH_FUNCTION_MODE_STACK: ___check_torch_function_mode_stack()\n"
    "| +- GuardManager: source=L['w'], accessed_by=FrameLocalsGuardAccessor(key='w', "
    "framelocals_idx=1), type=<class 'T'>\n"
    "| | +- TENSOR_MATCH: check_tensor(L['w'], size=[8, 4], stride=[4, 1])  # return "
    "torch.sigmoid(x @ w)  # a.py:20 in f\n"
    "| | +- NO_TENSOR_ALIASING\n"
    "| +- GuardManager: source=G, accessed_by=GlobalsGuardAccessor\n"
    "| | +- DictGuardManager: source=G['nodes'], accessed_by=GetAttrGuardAccessor(nodes)\n"
    "| | | +- KeyValueManager pair at index=1\n"
    "| | | | +- KeyManager: GuardManager: source=list(dict.keys(G['nodes']))[1], type=<class "
    "'type'>, tag_safe=(False, False)\n"
    "| | | | | +- ID_MATCH: ___check_obj_id(list(dict.keys(G['nodes']))[1], 14019)\n"
    "| | | | +- LENGTH_CHECK: not G['nodes']\r\n"
    "\n"
    "Guard latency = 54.66 us\n";

static void reads_leaves(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *parent, *code, *origin;
        int64_t line;
    } expected[] = {
        {"DEFAULT_DEVICE", NULL, "utils_device.CURRENT_DEVICE == None",
         "_dynamo/output_graph.py:1122 in init", 4},
        {"GLOBAL_STATE", NULL, "___check_global_state() against {\"grad_mode\":true,\"x\":[1,2]}",
         NULL, 5},
        {"TORCH_FUNCTION_MODE_STACK", NULL, "___check_torch_function_mode_stack()", NULL, 6},
        {"TENSOR_MATCH", "L['w']", "check_tensor(L['w'], size=[8, 4], stride=[4, 1])",
         "return torch.sigmoid(x @ w)  # a.py:20 in f", 8},
        {"NO_TENSOR_ALIASING", "L['w']", NULL, NULL, 9},
        {"ID_MATCH", "list(dict.keys(G['nodes']))[1]",
         "___check_obj_id(list(dict.keys(G['nodes']))[1], 14019)", NULL, 14},
        {"LENGTH_CHECK", "G['nodes']", "not G['nodes']", NULL, 15},
    };
    struct guard_tree tree = {.rest = span_of(tree_text)};
    struct guard_leaf leaf;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(guard_tree_next(&tree, &leaf));
        assert_true(span_is(leaf.kind, expected[i].kind));
        assert_int_equal(leaf.parent.p != NULL, expected[i].parent != NULL);
        if (expected[i].parent) assert_true(span_is(leaf.parent, expected[i].parent));
        assert_int_equal(leaf.code.p != NULL, expected[i].code != NULL);
        if (expected[i].code) assert_true(span_is(leaf.code, expected[i].code));
        assert_int_equal(leaf.origin.p != NULL, expected[i].origin != NULL);
        if (expected[i].origin) assert_true(span_is(leaf.origin, expected[i].origin));
        assert_int_equal(leaf.line, expected[i].line);
    }
    assert_false(guard_tree_next(&tree, &leaf));
}

static int count(struct span text)
{
    struct guard_tree tree = {.rest = text};
    struct guard_leaf leaf;
    int n = 0;
    while (guard_tree_next(&tree, &leaf)) n++;
    return n;
}

static void takes_any_text(void **state)
{
    (void)state;
    assert_int_equal(count(SPAN("")), 0);
    assert_int_equal(count(SPAN("no tree\n+-\n| | |")), 0);
    assert_int_equal(count(SPAN("+- \n| +- :\n+- A")), 2);
    char deep[2048];
    for (size_t i = 0; i < 2000; i += 2) memcpy(deep + i, "| ", 2);
    memcpy(deep + 2000, "+- GuardManager: source=x\n", 26);
    assert_int_equal(count((struct span){deep, 2026}), 0);
    memcpy(deep + 2000, "+- LEAF: deeper than kept\n", 26);
    assert_int_equal(count((struct span){deep, 2026}), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_leaves),
                                       cmocka_unit_test(takes_any_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
