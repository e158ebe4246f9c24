/* test_imp_plumb.c - imp_plumb.c: what plumb's compiler tells becomes rows, whatever it says. */
#include "tests/unit/cap_unit.h"

#define IDS "\"frame_id\": 0, \"frame_compile_id\": 1, \"attempt\": 0"

static void tell(struct cap *c, const char *key, const char *payload)
{
    char envelope[256];
    snprintf(envelope, sizeof envelope, "{%s, " IDS "}", key);
    assert_int_equal(cap_structured(c, span_of(envelope), span_of(payload), "compile/log.c", 1),
                     ERR_OK);
}

static void artifact(struct cap *c, const char *name, const char *payload)
{
    char key[128];
    snprintf(key, sizeof key, "\"artifact\": {\"name\": \"%s\", \"encoding\": \"json\"}", name);
    tell(c, key, payload);
}

static const char graph[] = "class GraphModule(torch.nn.Module):\n"
                            "    def forward(self, x: \"f32[4]\"):\n"
                            "        add: \"f32[4]\" = torch.ops.aten.add.Tensor(x, x);  x = None\n"
                            "        relu: \"f32[4]\" = torch.ops.aten.relu.default(add);  add = "
                            "None\n"
                            "        return (relu,)\n";

static const char kernels[] =
    "{\"phase\": \"forward\", \"language\": \"c\", \"build_ns\": 5, \"kernels\": [{\"name\": "
    "\"pl_combo_fused_2\", \"role\": \"combo\", \"position\": 0, \"site\": \"0/1 forward "
    "pl_combo_fused_2\", \"bytes_read\": 32, \"bytes_written\": 32, \"registers\": null}, "
    "{\"name\": \"pl_poi_fused_add_0\", \"role\": \"pointwise\", \"position\": 0, \"combo\": 0, "
    "\"member\": 0, \"first_block\": 0, \"blocks\": 1, \"line\": 2, \"last_line\": 9, \"outer\": "
    "4, \"inner\": 1, \"ops\": [{\"node\": \"add\", \"op\": \"aten::add.Tensor\", \"role\": "
    "\"main\", \"part\": 0, \"recomputed\": false, \"source\": \"Mlp.fc1\"}], \"args\": "
    "[{\"name\": \"in_ptr0\", \"value\": \"x\", \"type\": \"f32[4][1]cpu\", \"bytes\": 16, "
    "\"written\": false}, {\"name\": \"out_ptr0\", \"value\": \"add\", \"type\": "
    "\"f32[4][1]cpu\", \"bytes\": 16, \"written\": true}]}, {\"name\": \"extern_mm_1\", \"role\": "
    "\"extern\", \"position\": 1, \"ops\": [{\"node\": \"relu\"}]}]}";

static void makes_rows(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    tell(c, "\"graph_dump\": {\"name\": \"forward_cse\"}", graph);
    artifact(c, "before_pre_grad_graph", graph);
    artifact(c, "after_post_grad_graph", graph);
    tell(c, "\"inductor_output_code\": {\"filename\": \"f.c\"}",
         "/* # pl_poi_fused_add_0:1 */\nvoid pl_poi_fused_add_0(void)\n");
    artifact(c, "plumb_kernels", kernels);
    artifact(c, "plumb_fusion",
             "{\"phase\": \"forward\", \"decisions\": [{\"a\": \"add\", \"b\": \"relu\", "
             "\"fused\": true, \"reason\": \"fused\", \"note\": \"part 1\", \"bytes_saved\": 32, "
             "\"score\": 0.5, \"kernel\": \"pl_poi_fused_add_0\"}], \"reasons\": {\"fused\": "
             "\"point by point\"}}");
    artifact(c, "plumb_combos",
             "{\"phase\": \"forward\", \"decisions\": [{\"a\": \"pl_poi_fused_add_0\", \"b\": "
             "null, \"fused\": false, \"reason\": \"alone\", \"score\": 0, \"a_ns\": 1.5}], "
             "\"reasons\": {}}");
    artifact(c, "plumb_partition",
             "{\"values\": [{\"value\": \"add\", \"fate\": \"saved\", \"reason\": \"smallest "
             "cut\", \"bytes\": 16}]}");
    artifact(c, "plumb_passes",
             "{\"phase\": \"forward\", \"passes\": [{\"name\": \"cse\", \"position\": 0, "
             "\"changed\": 1, \"nodes\": 4, \"ns\": 7, \"dump\": 0}, {\"name\": \"dce\", "
             "\"position\": 1, \"changed\": 0, \"nodes\": 4, \"ns\": 7}]}");
    artifact(c, "plumb_memory",
             "{\"phase\": \"forward\", \"size\": 64, \"peak\": 64, \"total\": 128, \"buffers\": "
             "[{\"value\": \"add\", \"size\": 64, \"offset\": 0, \"first\": 0, \"last\": 1, "
             "\"reuses\": null}]}");
    artifact(
        c, "plumb_instances",
        "{\"instances\": [{\"number\": 1, \"sizes\": \"s0 = 9\", \"launches\": 2, \"texts\": 3, "
        "\"shared\": 3, \"ns\": 70}, {\"number\": 2, \"sizes\": \"s0 = 4\", \"dropped\": \"s0 = "
        "9\"}, {\"number\": 3}]}");
    artifact(c, "inductor_provenance_tracking_node_mappings",
             "{\"version\": 2.0, \"preToPost\": {\"add\": [\"add\"]}, \"postToPre\": {\"add\": "
             "[\"add\"]}, \"cppCodeToPost\": {\"pl_poi_fused_add_0:1\": [\"add\"]}, "
             "\"postToCppCode\": {\"add\": [\"pl_poi_fused_add_0:1\"]}}");
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 1); /* an instance without sizes */
    assert_int_equal(ask("SELECT count(*) FROM compile_instance"), 2);
    assert_int_equal(ask("SELECT count(*) FROM compile_instance i JOIN compile_instance k ON "
                         "k.dropped = i.sizes WHERE i.n_shared = 3 AND i.n_texts = 3 AND "
                         "i.n_launches = 2 AND i.ns = 70 AND i.dropped IS NULL"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM kernel WHERE phase = 'forward' AND build_ns = 5 AND "
                         "registers IS NULL"),
                     3);
    assert_int_equal(ask("SELECT count(*) FROM kernels m JOIN kernel k ON k.id = m.id WHERE "
                         "m.combo = 'pl_combo_fused_2' AND m.kind = 'c' AND m.nodes = 'add' AND "
                         "k.line = 2 AND k.last_line = 9 AND k.member = 0 AND k.outer_points = 4"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM kernel WHERE kind = 'extern' AND role = 'extern'"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM kernel_op"), 2);
    assert_int_equal(ask("SELECT count(*) FROM kernel_op WHERE part = 0 AND recomputed = 0 AND "
                         "role = 'main' AND op IS NOT NULL"),
                     1);
    assert_int_equal(ask("SELECT sum(written) FROM kernel_arg WHERE bytes = 16"), 1);
    assert_int_equal(ask("SELECT count(*) FROM fusion_decision WHERE kind = 'vertical' AND fused "
                         "= 1 AND detail = 'point by point; part 1' AND score = 0.5 AND a_ns IS "
                         "NULL AND kernel = 2"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM fusion_decision WHERE kind = 'combo' AND fused = 0 "
                         "AND b IS NULL AND a_ns = 1.5 AND kernel IS NULL"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM partition_decision WHERE fate = 'saved'"), 1);
    assert_int_equal(ask("SELECT count(*) FROM compile_pass p JOIN graph g ON g.artifact = "
                         "p.artifact WHERE p.name = 'cse' AND p.changed = 1"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM compile_pass WHERE artifact IS NULL"), 1);
    assert_int_equal(ask("SELECT count(*) FROM memory_buffer b JOIN memory_plan p ON p.id = b.plan "
                         "WHERE p.total = 128 AND b.reuses IS NULL AND b.last = 1"),
                     1);
    /* the line that was told, and the post-grad graph's line 3 */
    assert_int_equal(ask("SELECT count(*) FROM provenance WHERE relation = 3"), 1);
    assert_int_equal(ask("SELECT count(*) FROM provenance WHERE line = 2 AND to_line = 3"), 1);
    unlink(path);
}

/* Each of these is lost, and said to be. */
static void survives_anything(void **state)
{
    static const char *const names[] = {"plumb_kernels",   "plumb_fusion", "plumb_combos",
                                        "plumb_partition", "plumb_passes", "plumb_memory",
                                        "plumb_instances"};
    static const char *const bad[] = {
        "[]",
        "7",
        "{\"kernels\": 7, \"decisions\": {}, \"values\": \"x\", \"passes\": null, \"buffers\": 1}",
        "{\"phase\": 3, \"kernels\": [{}, 1, null, {\"name\": \"k\"}], \"decisions\": [[]], "
        "\"values\": [{\"value\": 3}], \"passes\": [\"x\"]}",
        "{\"phase\": \"forward\", \"kernels\": [{\"name\": \"a\", \"combo\": 0, \"ops\": [3], "
        "\"args\": [{\"name\": 9}]}, {\"name\": \"b\", \"combo\": -5, \"ops\": 4}], \"passes\": "
        "[{\"name\": \"cse\", \"dump\": 99, \"changed\": 1e300}], \"reasons\": []}",
    };
    (void)state;
    struct cap *c = record((struct cap_options){0});
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) artifact(c, names[n], bad[i]);
        char envelope[128];
        snprintf(envelope, sizeof envelope,
                 "{\"artifact\": {\"name\": \"%s\", \"encoding\": \"json\"}}", names[n]);
        assert_int_equal(cap_structured(c, span_of(envelope), SPAN("{}"), "a.c", 1), ERR_OK);
    }
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM loss WHERE kind <> 'schema'"), 0);
    assert_in_range(ask("SELECT count(*) FROM loss WHERE message LIKE '%is no JSON object'"), 14,
                    14);
    assert_int_equal(ask("SELECT count(*) FROM loss WHERE message LIKE '%names no compile'"), 7);
    assert_int_equal(ask("SELECT count(*) FROM loss WHERE message LIKE '%is a member of kernel%'"),
                     2);
    assert_int_equal(ask("SELECT count(*) FROM kernel WHERE role IS NULL AND kind = 'other'"), 2);
    assert_int_equal(ask("SELECT count(*) FROM compile_pass WHERE artifact IS NULL"), 1);
    unlink(path);
}

/* Members of what has no row, and entries that are nothing. */
static void names_only_what_is_there(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    artifact(c, "plumb_kernels",
             "{\"phase\": \"forward\", \"kernels\": [{\"role\": \"combo\"}, {\"name\": \"a\", "
             "\"combo\": 0}, {\"name\": \"b\", \"role\": \"combo\"}, {\"name\": \"c\", "
             "\"combo\": 2}]}");
    artifact(c, "plumb_memory",
             "{\"phase\": \"forward\", \"buffers\": [3, null, {\"size\": 8, \"reuses\": 0}]}");
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM kernel"), 3);
    assert_int_equal(ask("SELECT count(*) FROM kernel k JOIN kernel c ON c.id = k.combo"), 1);
    assert_int_equal(ask("SELECT count(*) FROM kernel WHERE combo IS NOT NULL"), 1);
    assert_int_equal(ask("SELECT count(*) FROM memory_buffer WHERE position = 2 AND size = 8"), 1);
    assert_int_equal(ask("SELECT count(*) FROM memory_buffer"), 1);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 4);
    unlink(path);
}

/* Kernels of two programs may have one name; without code nothing else stands between them. */
static void decisions_are_of_the_newest_kernels(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    for (int backward = 0; backward < 2; backward++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"phase\": \"%s\", \"kernels\": [{\"name\": \"k\", \"role\": "
                 "\"pointwise\"}]}",
                 backward ? "backward" : "forward");
        artifact(c, "plumb_kernels", text);
        snprintf(text, sizeof text,
                 "{\"phase\": \"%s\", \"decisions\": [{\"a\": \"x\", \"b\": \"y\", \"fused\": "
                 "true, \"kernel\": \"k\"}]}",
                 backward ? "backward" : "forward");
        artifact(c, "plumb_fusion", text);
    }
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM fusion_decision d JOIN kernel k ON k.id = d.kernel "
                         "WHERE k.phase = d.phase"),
                     2);
    unlink(path);
}

/* A sentence stands once in the log and in each row. */
static void long_sentences_are_cut(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct buf b = {0};
    buf_puts(&b, "{\"phase\": \"forward\", \"decisions\": [{\"a\": \"x\", \"reason\": \"r\"}, "
                 "{\"a\": \"y\", \"reason\": \"r\"}], \"reasons\": {\"r\": \"");
    for (int i = 0; i < 100000; i++) buf_puts(&b, "long ");
    buf_puts(&b, "\"}}");
    artifact(c, "plumb_fusion", b.p);
    buf_release(&b);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM fusion_decision WHERE detail LIKE 'long long %' AND "
                         "length(detail) < 1000"),
                     2);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_rows),
        cmocka_unit_test(survives_anything),
        cmocka_unit_test(names_only_what_is_there),
        cmocka_unit_test(decisions_are_of_the_newest_kernels),
        cmocka_unit_test(long_sentences_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
