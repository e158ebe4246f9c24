/* test_redact.c - redact.c and redact_words.c: which words go, which stay, and that tokens are
 * stable. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "store/db.h"
#include "store/redact.h"
#include "store/redact_words.h"
#include "store/text.h"
#include "store/writer.h"

static struct redactor *redactor;
static struct buf out;

/* Learns from a log of a few records. */
static int learn(void **state)
{
    (void)state;
    static const char log[] =
        "V0101 00:00:00.000000 1 torch/a.py:1] {\"str\": [\"/home/alice/my work/train.py\", 0]}\n"
        "V0101 00:00:00.000000 1 torch/a.py:1] {\"dynamo_start\": {\"stack\": [{\"line\": 3, "
        "\"name\": \"f\", "
        "\"filename\": 0, \"loc\": \"y = model(\\\"secret\\\", x)\"}]}}\n"
        "V0101 00:00:00.000000 1 torch/a.py:1] {\"aot_joint_graph\": {}, \"has_payload\": \"x\"}\n"
        "\t# File: /home/alice/my work/train.py:3 in f, code: z = torch.hidden_call(y)\n"
        "\t# File: loss:3 in Gpt.wte, code: aten::add.Tensor\n";
    char path[128];
    sqlite3 *db;
    struct store_writer *w;
    snprintf(path, sizeof path, "%s/r.db", unit_folder());
    if (store_create(path, &db) || store_writer_new(db, &w)) return -1;
    struct store_batch *b = store_batch_new();
    struct row_host host = {.id = 1, .name = SPAN("node17.example.org")};
    if (text_pack(b, 1, 0, span_of(log)) || store_host_add(b, &host) || store_submit(w, b))
        return -1;
    if (store_writer_close(w, "closed") || store_open_read(path, STORE_OPEN_NO_VIEWS, &db))
        return -1;
    enum err err = redactor_new(db, &redactor);
    store_close(db);
    unlink(path);
    return err ? -1 : 0;
}

static int forget(void **state)
{
    (void)state;
    redactor_free(redactor);
    buf_release(&out);
    return rmdir(unit_folder());
}

static const char *redacted(enum redact_kind kind, const char *text)
{
    buf_clear(&out);
    redact_text(redactor, kind, span_of(text), &out);
    return out.p;
}

static void assert_gone(const char *text, const char *word)
{
    const char *now = redacted(REDACT_TEXT, text);
    if (strstr(now, word)) fail_msg("'%s' is left in '%s'", word, now);
}

static void assert_stays(const char *text)
{
    assert_string_equal(redacted(REDACT_TEXT, text), text);
}

static void paths_go(void **state)
{
    (void)state;
    assert_gone("reading /home/alice/data/x.csv now", "alice");
    assert_gone("reading /home/alice/data/x.csv now", "x.csv");
    assert_gone("\"TORCHINDUCTOR_CACHE_DIR\": \"/tmp/torchinductor_alice\"", "alice");
    assert_gone("in line\\n/home/alice/x", "alice");
    assert_gone("~/projects/net.py", "projects");
    assert_gone("  # ome/alice/lib/net.py:12 in f", "alice");
    assert_gone("file:///home/alice/x", "alice");
    assert_gone("\"C:\\\\Users\\\\bobby\\\\net.py\"", "bobby");
    assert_gone("at C:\\Users\\bobby\\net.py:3", "bobby");
    assert_non_null(strstr(redacted(REDACT_TEXT, "/opt/x/net.py"), ".py"));
}

static void what_is_no_path_stays(void **state)
{
    (void)state;
    assert_stays("f32[8, 4] / 2");
    assert_stays("(a + b)/c and x[0]/y");
    assert_stays("compile 0/1 and !0/1/0");
    assert_stays("s77//2 // a comment");
    assert_stays("and/or 1/2 in/out");
    assert_stays("<b>x</b>");
    assert_stays("see https://pytorch.org/docs/stable/index");
    assert_stays("torch/_dynamo/utils.py:1288");
    assert_stays("torch.ops.aten.mm.default(primals_1, primals_2)");
}

static void torch_keeps_its_part_of_a_path(void **state)
{
    (void)state;
    const char *now =
        redacted(REDACT_PATH, "/home/alice/env/lib/site-packages/torch/_dynamo/eval_frame.py");
    assert_non_null(strstr(now, "/site-packages/torch/_dynamo/eval_frame.py"));
    assert_null(strstr(now, "alice"));
    /* A folder of this name elsewhere is not torch's. */
    assert_null(strstr(redacted(REDACT_PATH, "/home/alice/torch/mine.py"), "mine"));
}

static void source_text_goes_where_it_stands(void **state)
{
    (void)state;
    assert_gone("{\"loc\": \"q = hidden(1)\", \"line\": 3}", "hidden");
    assert_gone("\\\"loc\\\": \\\"q = hidden(1)\\\", \\\"line\\\": 3", "hidden");
    assert_gone("# File: /a/b.py:3 in f, code: q = hidden(1)", "hidden");
    assert_gone("  File \"/a/b.py\", line 3, in f\n    q = hidden(1)\n    ^^^^", "hidden");
    assert_gone("  File \\\"/a/b.py\\\", line 3, in f\\n    q = hidden(1)\\n", "hidden");
    assert_gone("check(x)  # q = hidden(1)  # b.py:3 in f", "hidden");
    assert_gone("'  File \"/a/b.py\", line 3, in f\\n'\n'    q = hidden(1)\\n'", "hidden");
    assert_string_equal(redacted(REDACT_SOURCE, ""), "");
    assert_gone("see `z = torch.hidden_call(y)` above", "hidden_call");
    assert_gone("{\\\"x\\\": \\\"y = model(\\\\\\\"secret\\\\\\\", x)\\\"}", "secret");
}

/* A compile of plumb's own has no lines of source: operators stand in their place. */
static void operators_stay(void **state)
{
    (void)state;
    assert_stays("aten::add.Tensor and aten::add.Tensor again");
    assert_non_null(
        strstr(redacted(REDACT_TEXT, "# File: loss:3 in m, code: aten::mm"), "aten::mm"));
    assert_non_null(
        strstr(redacted(REDACT_TEXT, "File \"loss\", line 3, in m\n    aten::mm\n"), "aten::mm"));
    assert_gone("# File: loss:3 in m, code: hidden::call(1)", "hidden");
}

static void hosts_and_users_go(void **state)
{
    (void)state;
    assert_gone("connected to node17.example.org:29500", "node17");
    assert_gone("node17: rank 3", "node17");
    assert_gone("owner alice, group x", "alice");
    assert_stays("malice and alice_in_chains");
    assert_null(strstr(redacted(REDACT_SECRET, "python train.py --key hunter2"), "hunter2"));
}

static void lines_stay_lines(void **state)
{
    (void)state;
    const char *text = "a\n\n  File \"/x/y.py\", line 1, in f\n    g(1)\n/home/alice\n";
    const char *now = redacted(REDACT_TEXT, text);
    int n = 0;
    for (const char *p = now; (p = strchr(p, '\n')); p++) n++;
    assert_int_equal(n, 5);
    assert_string_equal(redacted(REDACT_TEXT, ""), "");
}

static void tokens_are_stable(void **state)
{
    (void)state;
    char first[128];
    snprintf(first, sizeof first, "%s", redacted(REDACT_PATH, "/srv/b.py"));
    assert_string_equal(redacted(REDACT_PATH, "/srv/b.py"), first);
    assert_string_equal(first, "/r_36e3bb3ce0/r_2a0979a8e4.py");
    /* Redacting again changes nothing. */
    assert_string_equal(redacted(REDACT_TEXT, first), first);
    /* A source line has one token, escaped or not. */
    struct buf a = {0}, b = {0};
    words_put_token(&a, SPAN("f(\"x\")"));
    words_put_token(&b, SPAN("f(\\\"x\\\")"));
    assert_string_equal(a.p, b.p);
    buf_release(&a);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_go),
        cmocka_unit_test(what_is_no_path_stays),
        cmocka_unit_test(torch_keeps_its_part_of_a_path),
        cmocka_unit_test(source_text_goes_where_it_stands),
        cmocka_unit_test(operators_stay),
        cmocka_unit_test(hosts_and_users_go),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(tokens_are_stable),
    };
    return cmocka_run_group_tests(tests, learn, forget);
}
