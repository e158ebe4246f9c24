/* test_import.c - import.c and the reader behind it, from bytes of a log to rows of a trace. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>
#include <zlib.h>

#include <md5.h>

#include "capture/import.h"
#include "store/base/buf.h"
#include "store/db.h"
#include "store/text.h"

static char log_path[256], out_path[256];
static struct buf text; /* the log being written */
static struct import_counts counts;
static sqlite3 *db;

/* ---- writing logs ---- */

static void begin(const char *name)
{
    char command[200];
    snprintf(command, sizeof command, "%s/%s", unit_folder(), name);
    snprintf(log_path, sizeof log_path, "%s/log.log", command);
    snprintf(out_path, sizeof out_path, "%s/out.db", command);
    mkdir(command, 0700);
    buf_clear(&text);
    store_close(db);
    db = NULL;
}

/* A record at 04:00:<second> of 23 November; a NULL payload: none. */
static void record_at(int second, const char *json, const char *payload)
{
    buf_printf(&text, "V1123 04:00:%02d.000000 42 torch/x.py:7] %s", second, json);
    if (!payload) {
        buf_puts(&text, "\n");
        return;
    }
    char hex[MD5_DIGEST_STRING_LENGTH];
    MD5Data((const uint8_t *)payload, strlen(payload), hex);
    text.p[--text.n] = 0; /* the brace */
    buf_printf(&text, ", \"has_payload\": \"%s\"}\n\t", hex);
    for (const char *p = payload; *p; p++) {
        buf_putc(&text, *p);
        if (*p == '\n') buf_putc(&text, '\t');
    }
    buf_puts(&text, "\n");
}
static void record(const char *json)
{
    record_at(0, json, NULL);
}

static void chromium(int second, const char *phase, const char *name, const char *ids,
                     const char *args)
{
    char json[256], payload[512];
    snprintf(json, sizeof json, "{\"chromium_event\": {}%s}", ids);
    /* 2026-11-23 02:00 UTC: the prefix is two hours ahead */
    snprintf(payload, sizeof payload,
             "{\n\"name\": \"%s\",\n\"ts\": %lld.5,\n\"args\": {%s},\n\"ph\": \"%s\",\n\"tid\": "
             "0,\n\"pid\": 0\n}",
             name, 1795399200000000LL + second * 1000000LL, args, phase);
    record_at(second, json, payload);
}

static void save(void)
{
    FILE *f = fopen(log_path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    assert_int_equal(fclose(f), 0);
}

/* ---- importing and asking ---- */

static enum err import(bool overwrite)
{
    char *paths[] = {log_path};
    struct import_request q = {.paths = paths, .n_paths = 1};
    struct import_target to = {.path = out_path, .overwrite = overwrite};
    return import_to_file(&to, &q, &counts);
}

static void open_out(void)
{
    store_close(db);
    if (store_open_read(out_path, STORE_OPEN_DEFAULT, &db)) fail_msg("%s", err_text());
}

static void done(void)
{
    save();
    if (import(false)) fail_msg("%s", err_text());
    open_out();
}

static int64_t ask(const char *sql)
{
    int64_t v = -1;
    if (store_int(db, sql, &v)) fail_msg("%s: %s", sql, err_text());
    return v;
}

static void expect_text(const char *sql, const char *expected)
{
    sqlite3_stmt *s;
    if (store_prepare(db, sql, &s)) fail_msg("%s", err_text());
    struct buf b = {0};
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (b.n) buf_putc(&b, ' ');
        struct span v = store_column_text(s, 0);
        if (v.p) buf_span(&b, v);
        else buf_puts(&b, "NULL");
    }
    sqlite3_finalize(s);
    assert_string_equal(b.p ? b.p : "", expected);
    buf_release(&b);
}

/* ---- compiles ---- */

#define ID(f, c)        ", \"frame_id\": " #f ", \"frame_compile_id\": " #c
#define METRICS(fields) "{\"compilation_metrics\": {" fields "}"

static void tells_outcomes(void **state)
{
    (void)state;
    begin("outcomes");
    record("{\"dynamo_start\": {\"stack\": []}" ID(0, 0) ", \"attempt\": 0}");
    record(METRICS("\"graph_op_count\": 5, \"fail_type\": null") ID(0, 0) ", \"attempt\": 0}");
    record(METRICS("\"graph_op_count\": 0, \"restart_reasons\": [\"x\"]")
               ID(1, 0) ", \"attempt\": 1}");
    record(METRICS("\"graph_op_count\": 2, \"restart_reasons\": [\"a\", \"b\"]")
               ID(2, 0) ", \"attempt\": 2}");
    record(METRICS(
        "\"graph_op_count\": null, \"fail_type\": \"Unsupported\", \"fail_user_frame_lineno\": 8")
               ID(3, 0) ", \"attempt\": 0}");
    record("{\"dynamo_start\": {}" ID(4, 0) ", \"attempt\": 0}");
    record(METRICS("\"graph_op_count\": 1, \"restart_reasons\": []") ID(5, 0) "}");
    done();
    expect_text("SELECT outcome FROM compile ORDER BY id", "ok empty restarted failed unknown ok");
    expect_text("SELECT attempts FROM compile ORDER BY id", "1 2 3 1 1 1");
    expect_text("SELECT reason FROM restart ORDER BY rowid", "x a b");
    expect_text("SELECT type || line FROM failure", "Unsupported8");
}

static void counts_occurrences(void **state)
{
    (void)state;
    begin("occurrences");
    for (int i = 0; i < 2; i++) {
        chromium(1, "B", "dynamo", ID(0, 0) ", \"attempt\": 0", "\"compile_id\": \"0/0\"");
        record("{\"dynamo_start\": {}" ID(0, 0) ", \"attempt\": 0}");
        record("{\"dynamo_start\": {}" ID(0, 0) ", \"attempt\": 1}");
        record(METRICS("\"graph_op_count\": 5") ID(0, 0) ", \"attempt\": 1}");
        chromium(2, "E", "dynamo", ID(0, 0) ", \"attempt\": 1", "");
        record("{\"bwd_compilation_metrics\": {}" ID(0, 0) "}");
    }
    record("{\"dynamo_start\": {}" ID(0, 0) ", \"attempt\": 0}");
    done();
    expect_text("SELECT occurrence || ':' || outcome FROM compile ORDER BY id",
                "1:ok 2:ok 3:unknown");
    expect_text("SELECT compile FROM metric_record ORDER BY id", "1 1 2 2");
    expect_text("SELECT corr FROM event ORDER BY id", "1 2");
}

static void names_all_kinds_of_ids(void **state)
{
    (void)state;
    begin("ids");
    record("{\"x\": {}, \"compiled_autograd_id\": 0}");
    record("{\"x\": {}, \"compiled_autograd_id\": 0" ID(1, 2) "}");
    record("{\"x\": {}, \"compiled_autograd_id\": null" ID(1, 2) "}");
    record("{\"x\": {}, \"frame_id\": 3}");
    record("{\"x\": {}}");
    done();
    expect_text("SELECT compile_id FROM compile ORDER BY id", "!0 !0/1/2 1/2 3/-");
    assert_int_equal(ask("SELECT count(*) FROM unknown_record WHERE compile IS NULL"), 1);
    assert_int_equal(ask("SELECT count FROM loss WHERE kind = 'unknown_key'"), 5);
}

/* ---- keys, ranks, losses ---- */

static void counts_every_key(void **state)
{
    (void)state;
    begin("keys");
    record("{\"stack\": [{\"line\": 1, \"name\": \"f\", \"filename\": 9}]}");
    record("{\"rank\": 0, \"attempt\": 0}");
    record_at(0, "{\"new_one\": {}, \"link\": {\"name\": \"n\", \"url\": \"u\"}}", "p");
    buf_puts(&text,
             "V1123 04:00:00.000000 42 a.py:1] {\"new_one\": {}, \"has_payload\": \"00\"}\n\tq\n");
    buf_puts(&text,
             "V1123 04:00:00.000000 42 a.py:1] {\"new_one\": {}, \"has_payload\": \"00\"}\n");
    buf_puts(&text, "V1123 04:00:00.000000 42 a.py:1] {\"new_one\": {}}\n\tq\n\tr\n");
    buf_puts(&text, "V1123 04:00:00.000000 42 a.py:1] [1]\nnoise\n");
    done();
    expect_text(
        "SELECT key || records || payloads || md5_mismatches FROM envelope_count ORDER BY key",
        "(none)100 link110 new_one432 stack100");
    expect_text("SELECT kind || sum(count) FROM loss GROUP BY kind ORDER BY kind",
                "json1 malformed3 md51 payload1 unknown_key4");
    expect_text("SELECT s.text FROM stack k JOIN string s ON s.id = k.file", "(unknown)");
    expect_text("SELECT url FROM external_link", "u");
    assert_int_equal(import_strict_losses(&counts, false), 6);
}

static void lets_names_decide_ranks(void **state)
{
    (void)state;
    begin("ranks");
    snprintf(log_path, sizeof log_path, "%s/ranks/dedicated_log_torch_trace_rank_3_abc.log",
             unit_folder());
    record("{\"x\": {}" ID(0, 0) "}");
    record("{\"x\": {}, \"rank\": 0}");
    record("{\"artifact\": {\"name\": \"torch_version\"}}");
    done();
    expect_text("SELECT rank || rank_from FROM source_file", "3name");
    assert_int_equal(counts.losses[TORCH_LOSS_mixed_rank], 0);
    assert_int_equal(counts.losses[TORCH_LOSS_other_rank], 1);
    begin("mixed");
    record("{\"x\": {}, \"rank\": 1}");
    record("{\"x\": {}, \"rank\": 2}");
    record("{\"x\": {}" ID(0, 0) "}");
    done();
    expect_text("SELECT rank || rank_from FROM source_file", "1record");
    assert_int_equal(counts.losses[TORCH_LOSS_mixed_rank], 2);
    assert_true(import_strict_losses(&counts, false) == 2 &&
                import_strict_losses(&counts, true) == 2);
}

static void keeps_artifacts_as_ranges(void **state)
{
    (void)state;
    begin("artifacts");
    record_at(0, "{\"aot_joint_graph\": {}}", "line\n\n\tindented\n");
    record_at(0, "{\"artifact\": {\"name\": \"n\", \"encoding\": \"json\"}}", "{\"a\": 1}");
    record_at(0, "{\"artifact\": {\"name\": \"m\", \"encoding\": \"json\"}}", "no json");
    record_at(0, "{\"compilation_metrics\": {}}", NULL);
    record_at(0, "{\"graph_dump\": {\"name\": \"../d\"}}", "");
    done();
    expect_text("SELECT artifact_text(id) FROM artifact WHERE id = 1", "line\n\n\tindented\n");
    expect_text("SELECT n.text || a.number || a.flags FROM artifact a JOIN string n ON n.id = "
                "a.name ORDER BY a.id",
                "aot_joint_graph00 n10 m22 ../d40");
    assert_int_equal(ask("SELECT size FROM artifact WHERE id = 4"), 0);
}

static void keeps_recycled_paths_apart(void **state)
{
    (void)state;
    begin("recycled");
    for (int i = 0; i < 2; i++) {
        record(i ? "{\"str\": [\"/b.py\", 0]}" : "{\"str\": [\"/a.py\", 0]}");
        record("{\"stack\": [{\"line\": 1, \"name\": \"f\", \"filename\": 0, \"loc\": \"x\"}]}");
    }
    record("{\"str\": \"not a pair\"}");
    done();
    expect_text("SELECT s.text FROM stack k JOIN string s ON s.id = k.file ORDER BY k.id",
                "/a.py /b.py");
    assert_int_equal(ask("SELECT count(*) FROM loss WHERE kind = 'schema'"), 1);
}

/* ---- times ---- */

static void finds_year_and_zone(void **state)
{
    (void)state;
    begin("zone");
    record("{\"str\": [\"/a.py\", 0]}");
    chromium(1, "i", "x", "", "");
    done();
    expect_text("SELECT year || year_from || (zone_ns / 1000000000) FROM source_file",
                "2026chromium7200");
    assert_int_equal(ask("SELECT start_ts FROM process"), 1795399200 * INT64_C(1000000000));
    assert_int_equal(ask("SELECT ts FROM event"), 1795399201000000500);
    expect_text("SELECT kind FROM clock", "chromium chromium");
}

static void corrects_a_guess(void **state)
{
    (void)state;
    begin("late");
    for (int i = 0; i < 3; i++) {
        char *payload = malloc((3 << 20) + 1);
        memset(payload, 'a', 3 << 20);
        payload[3 << 20] = 0;
        record_at(0, "{\"x\": {}}", payload);
        free(payload);
    }
    chromium(1, "i", "x", "", "");
    record_at(2, "{\"x\": {}}", NULL);
    done();
    expect_text("SELECT year_from FROM source_file", "chromium");
    expect_text("SELECT kind FROM clock", "file chromium");
    assert_int_equal(ask("SELECT count(*) FROM diag"), 1);
    assert_int_equal(ask("SELECT ts FROM unknown_record ORDER BY id DESC LIMIT 1"),
                     1795399202 * INT64_C(1000000000));
}

static void guesses_the_year_of_the_file(void **state)
{
    (void)state;
    begin("guess");
    buf_puts(&text, "V1231 23:59:59.000000 42 a.py:1] {\"x\": {}}\nV0101 00:00:01.000000 42 "
                    "a.py:1] {\"x\": {}}\n");
    save();
    struct utimbuf times = {1735779600, 1735779600}; /* 2025-01-02 01:00 UTC */
    assert_int_equal(utime(log_path, &times), 0);
    assert_int_equal(import(false), ERR_OK);
    open_out();
    expect_text("SELECT year || year_from FROM source_file WHERE zone_ns IS NULL", "2024file");
    assert_int_equal(ask("SELECT end_ts - start_ts FROM process"), 2 * INT64_C(1000000000));
}

/* ---- chromium events ---- */

static void pairs_begins_and_ends(void **state)
{
    (void)state;
    begin("spans");
    chromium(1, "B", "a", "", "\"k\": 1");
    chromium(2, "B", "b", "", "");
    chromium(3, "B", "c", "", "");
    chromium(4, "E", "b", "", "");
    chromium(5, "E", "c", "", "");
    chromium(6, "E", "a", "", "\"k\": 1, \"l\": [1, {\"m\": \"z\"}]");
    chromium(7, "E", "a", "", "");
    chromium(8, "B", "d", "", "\"compile_id\": \"None\"");
    chromium(9, "i", "e", "", "");
    record_at(0, "{\"chromium_event\": {}}", "{broken");
    record_at(0, "{\"chromium_event\": {}}", "{\"ph\": \"B\"}");
    done();
    expect_text("SELECT n.text || ifnull(dur / 1000000000, '-') || flags FROM event e JOIN string "
                "n ON n.id = e.name ORDER BY e.id",
                "a50 b24 c20 a02 d-1 e00");
    expect_text("SELECT ifnull(parent, 0) FROM event ORDER BY id", "0 1 2 0 0 5");
    expect_text("SELECT k.text || type FROM arg JOIN string k ON k.id = key ORDER BY arg.rowid",
                "k2 l5");
    expect_text("SELECT kind || sum(count) FROM loss GROUP BY kind ORDER BY kind",
                "payload_json1 schema1 span2");
    assert_int_equal(ask("SELECT count(*) FROM track"), 1);
}

/* ---- files ---- */

static void replaces_only_after_success(void **state)
{
    (void)state;
    begin("overwrite");
    record("{\"x\": {}}");
    done();
    assert_int_equal(import(false), ERR_EXISTS);
    buf_clear(&text);
    buf_puts(&text, "no log\n");
    save();
    assert_int_equal(import(true), ERR_FORMAT);
    open_out();
    assert_int_equal(ask("SELECT count(*) FROM unknown_record"), 1);
    buf_clear(&text);
    record("{\"x\": {}}");
    record("{\"x\": {}}");
    save();
    assert_int_equal(import(true), ERR_OK);
    open_out();
    assert_int_equal(ask("SELECT count(*) FROM unknown_record"), 2);
}

static void reads_members_of_gzip(void **state)
{
    (void)state;
    begin("gzip");
    record("{\"x\": {}}");
    snprintf(log_path, sizeof log_path, "%s/gzip/log.log.gz", unit_folder());
    for (int i = 0; i < 3; i++) {
        gzFile f = gzopen(log_path, i ? "ab" : "wb");
        assert_int_equal(gzwrite(f, text.p, (unsigned)text.n), text.n);
        assert_int_equal(gzclose(f), Z_OK);
    }
    assert_int_equal(import(false), ERR_OK);
    open_out();
    expect_text("SELECT name || compressed || n_records FROM source_file", "log.log13");
    assert_int_equal(truncate(log_path, 100), 0);
    assert_int_equal(import(true), ERR_OK);
    open_out();
    assert_true(ask("SELECT n_records FROM source_file") >= 1);
    expect_text(
        "SELECT kind || f.state FROM loss JOIN source_file f ON f.id = source WHERE kind = 'read'",
        "readinterrupted");
}

static void takes_a_record_of_many_pieces(void **state)
{
    (void)state;
    begin("long");
    char *payload = malloc((20 << 20) + 1);
    assert_non_null(payload);
    for (int i = 0; i < 20 << 20; i++) payload[i] = i % 61 ? 'a' + i % 7 : '\n';
    payload[20 << 20] = 0;
    record("{\"x\": {}}");
    record_at(0, "{\"x\": {}}", payload);
    record("{\"x\": {}}");
    done();
    assert_int_equal(ask("SELECT size FROM artifact"), 20 << 20);
    assert_int_equal(ask("SELECT sum(size) = (SELECT size FROM source_file) FROM text_frame"), 1);
    assert_int_equal(counts.losses[TORCH_LOSS_md5], 0);
    struct buf content = {0};
    struct text_reader *r;
    assert_int_equal(text_reader_new(db, &r), ERR_OK);
    assert_int_equal(text_artifact(r, 1, &content), ERR_OK);
    assert_int_equal(content.n, 20 << 20);
    assert_memory_equal(content.p, payload, content.n);
    text_reader_free(r);
    buf_release(&content);
    free(payload);
}

struct following {
    struct import_request request;
    struct import_counts counts;
    enum err err;
};

static void *follow_main(void *context)
{
    struct following *f = context;
    struct import_target to = {.path = out_path};
    f->err = import_to_file(&to, &f->request, &f->counts);
    return NULL;
}

static void follows_what_grows(void **state)
{
    (void)state;
    begin("follow");
    char folder[160];
    snprintf(folder, sizeof folder, "%s/follow", unit_folder());
    char *paths[] = {folder};
    atomic_bool stop = false;
    struct following f = {.request = {.paths = paths, .n_paths = 1, .follow = true, .stop = &stop}};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, follow_main, &f), 0);
    record("{\"x\": {}}");
    record_at(0, "{\"x\": {}}", "one\ntwo");
    size_t whole = text.n;
    FILE *log = fopen(log_path, "wb");
    fwrite(text.p, 1, whole - 4, log);
    fflush(log);
    nanosleep(&(struct timespec){.tv_nsec = 700 * 1000 * 1000}, NULL);
    open_out();
    assert_int_equal(ask("SELECT count(*) FROM unknown_record"), 1);
    fwrite(text.p + whole - 4, 1, 4, log);
    fclose(log);
    nanosleep(&(struct timespec){.tv_nsec = 700 * 1000 * 1000}, NULL);
    open_out();
    assert_int_equal(ask("SELECT count(*) FROM unknown_record"), 2);
    expect_text("SELECT state FROM source_file", "reading");
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(f.err, ERR_OK);
    open_out();
    expect_text("SELECT state FROM source_file", "complete");
    expect_text("SELECT artifact_text(1)", "one\ntwo");
    assert_int_equal(f.counts.records, 2);
    assert_int_equal(ask("SELECT count(*) FROM text_frame"), 1);
}

static int remove_all(void **state)
{
    (void)state;
    store_close(db);
    buf_release(&text);
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", unit_folder());
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_outcomes),
        cmocka_unit_test(counts_occurrences),
        cmocka_unit_test(names_all_kinds_of_ids),
        cmocka_unit_test(counts_every_key),
        cmocka_unit_test(lets_names_decide_ranks),
        cmocka_unit_test(keeps_artifacts_as_ranges),
        cmocka_unit_test(keeps_recycled_paths_apart),
        cmocka_unit_test(finds_year_and_zone),
        cmocka_unit_test(corrects_a_guess),
        cmocka_unit_test(guesses_the_year_of_the_file),
        cmocka_unit_test(pairs_begins_and_ends),
        cmocka_unit_test(replaces_only_after_success),
        cmocka_unit_test(reads_members_of_gzip),
        cmocka_unit_test(takes_a_record_of_many_pieces),
        cmocka_unit_test(follows_what_grows),
    };
    return cmocka_run_group_tests(tests, NULL, remove_all);
}
