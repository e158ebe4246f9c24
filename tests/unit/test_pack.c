/* test_pack.c - pack_text.c and pack_copy.c: where artifacts and remembered places are after some
 * of them left. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "store/db.h"
#include "store/pack.h"
#include "store/text.h"
#include "store/writer.h"

enum { RECORDS = 50 };
static char path[128], packed[128], note[128];

/* A trace of records with payloads of different sizes, every third an unknown key, in frames of 700
 * bytes; the payload of record i is i lines "text i". */
static int make(void **state)
{
    (void)state;
    sqlite3 *db;
    struct store_writer *w;
    struct buf log = {0};
    snprintf(path, sizeof path, "%s/t.db", unit_folder());
    snprintf(packed, sizeof packed, "%s/p.db.gz", unit_folder());
    snprintf(note, sizeof note, "%s/p.md", unit_folder());
    if (store_create(path, &db) || store_writer_new(db, &w)) return -1;
    struct store_batch *b = store_batch_new();
    struct row_source_file file = {.id = 1, .name = SPAN("x.log"), .path = SPAN("x.log")};
    if (store_source_file_add(b, &file)) return -1;
    for (int i = 1; i <= RECORDS; i++) {
        size_t header = log.n;
        buf_printf(&log,
                   "V0101 00:00:00.000000 1 torch/a.py:1] {\"k%d\": {}, \"has_payload\": \"x\"}\n",
                   i % 3);
        struct row_artifact a = {.id = i, .source = 1, .offset = (int64_t)log.n, .indented = 1};
        for (int k = 0; k < i; k++) buf_printf(&log, "\ttext %d\n", i);
        if (i % 7 == 0) buf_puts(&log, "\n"); /* an empty line belongs to no payload */
        a.stored = (int64_t)log.n - a.offset - 1 - (i % 7 == 0);
        struct row_unknown_record u = {.id = i,
                                       .source = 1,
                                       .offset = (int64_t)header,
                                       .artifact = i,
                                       .stored = (int64_t)(log.n - header)};
        struct row_loss l = {
            .id = i, .source = 1, .offset = (int64_t)header, .kind = SPAN("schema")};
        if (store_artifact_add(b, &a) || (i % 3 == 0 && store_unknown_record_add(b, &u))) return -1;
        if (store_loss_add(b, &l)) return -1;
    }
    for (size_t at = 0; at < log.n; at += 700)
        if (text_pack(b, 1, (int64_t)at, span_to(span_from(buf_text(&log), at), 700))) return -1;
    buf_release(&log);
    return store_submit(w, b) || store_writer_close(w, "closed") ? -1 : 0;
}

static int clean(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(unit_folder());
}

static sqlite3 *pack(int64_t limit, struct pack_report *report)
{
    struct pack_options o = {.limit = limit};
    sqlite3 *db;
    if (pack_file(path, packed, &o, report)) fail_msg("%s", err_text());
    if (store_open_read(packed, STORE_OPEN_NO_VIEWS, &db)) fail_msg("%s", err_text());
    unlink(packed);
    unlink(note);
    return db;
}

static int64_t ask(sqlite3 *db, const char *sql)
{
    int64_t n = -1;
    if (store_int(db, sql, &n)) fail_msg("%s", err_text());
    return n;
}

static void check_text(struct text_reader *r, int64_t id)
{
    struct buf want = {0}, have = {0};
    for (int64_t k = 0; k < id; k++) buf_printf(&want, "%stext %lld", k ? "\n" : "", (long long)id);
    assert_int_equal(text_artifact(r, id, &have), ERR_OK);
    assert_int_equal(have.n, want.n);
    assert_memory_equal(have.p, want.p, want.n);
    buf_release(&want);
    buf_release(&have);
}

/* What was kept is what it was, and each remembered place is the start of its record. */
static void check_places(sqlite3 *db)
{
    struct text_reader *r;
    sqlite3_stmt *s;
    struct buf head = {0};
    assert_int_equal(text_reader_new(db, &r), ERR_OK);
    assert_int_equal(store_prepare(db, "SELECT id FROM artifact WHERE NOT flags & 8", &s), ERR_OK);
    while (sqlite3_step(s) == SQLITE_ROW) check_text(r, sqlite3_column_int64(s, 0));
    sqlite3_finalize(s);
    assert_int_equal(
        store_prepare(db, "SELECT offset FROM loss UNION ALL SELECT offset FROM unknown_record",
                      &s),
        ERR_OK);
    int n = 0;
    for (; sqlite3_step(s) == SQLITE_ROW; n++) {
        buf_clear(&head);
        assert_int_equal(text_read(r, 1, sqlite3_column_int64(s, 0), 6, &head), ERR_OK);
        assert_memory_equal(head.p, "V0101 ", 6);
    }
    assert_int_equal(n, RECORDS + RECORDS / 3);
    sqlite3_finalize(s);
    buf_release(&head);
    text_reader_free(r);
}

static void everything_fits(void **state)
{
    (void)state;
    struct pack_report report;
    sqlite3 *db = pack(1 << 20, &report);
    assert_int_equal(report.n_artifacts + report.n_unknown + report.n_events, 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM artifact WHERE flags & 8"), 0);
    check_places(db);
    store_close(db);
}

static void cuts_in_order(void **state)
{
    (void)state;
    struct pack_report report;
    int64_t whole;
    store_close(pack(1 << 20, &report));
    whole = report.size;
    sqlite3 *db = pack(whole - 1, &report);
    assert_int_equal(report.n_unknown, RECORDS / 3);
    assert_int_equal(
        ask(db, "SELECT count(*) FROM artifact WHERE flags & 8 AND id % 3 = 0 AND stored = 0"),
        RECORDS / 3);
    check_places(db);
    store_close(db);
    int64_t without = report.size;
    db = pack(without - 100, &report);
    assert_true(report.n_artifacts > 0);
    /* The largest of the known ones went. */
    assert_int_equal(ask(db, "SELECT min(id) > (SELECT max(id) FROM artifact WHERE NOT flags & 8) "
                             "FROM artifact WHERE flags & 8 AND id % 3"),
                     1);
    assert_int_equal(
        ask(db, "SELECT count(*) FROM unknown_record u JOIN artifact a ON a.id = u.artifact "
                "WHERE u.offset + u.stored <> a.offset"),
        0);
    check_places(db);
    store_close(db);
}

static void stops_when_told(void **state)
{
    (void)state;
    atomic_bool stop = true;
    struct pack_options o = {.limit = 1 << 20, .stop = &stop};
    struct pack_report report;
    assert_int_equal(pack_file(path, packed, &o, &report), ERR_CANCELLED);
    assert_int_equal(access(packed, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_fits),
        cmocka_unit_test(cuts_in_order),
        cmocka_unit_test(stops_when_told),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
