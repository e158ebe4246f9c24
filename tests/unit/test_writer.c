/* test_writer.c - db.c, writer.c, text.c together: what is submitted is in the file, and only
 * whole batches are. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "store/db.h"
#include "store/text.h"
#include "store/writer.h"

static char path[128];

static struct store_writer *fresh(void)
{
    static int n;
    sqlite3 *db;
    struct store_writer *w;
    snprintf(path, sizeof path, "%s/w%d.db", unit_folder(), n++);
    assert_int_equal(store_create(path, &db), ERR_OK);
    assert_int_equal(store_writer_new(db, &w), ERR_OK);
    return w;
}

static int64_t ask(const char *sql)
{
    sqlite3 *db;
    int64_t v = -1;
    if (store_open_read(path, STORE_OPEN_DEFAULT, &db)) fail_msg("%s", err_text());
    if (store_int(db, sql, &v)) fail_msg("%s", err_text());
    store_close(db);
    return v;
}

static void writes_rows_and_nulls(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    struct store_batch *b = store_batch_new();
    for (int i = 0; i < 1000; i++) {
        struct row_event e = {.id = store_next_id(w, STORE_EVENT),
                              .ts = i,
                              .dur = i % 2 ? STORE_NULL : 5,
                              .name = store_word(w, SPAN("x"))};
        assert_int_equal(store_event_add(b, &e), ERR_OK);
    }
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    assert_int_equal(ask("SELECT count(*) FROM event"), 1000);
    assert_int_equal(
        ask("SELECT count(*) FROM event WHERE dur IS NULL AND parent IS NULL AND ts IS NOT NULL"),
        500);
    assert_int_equal(ask("SELECT count(*) FROM string WHERE text = 'x'"), 1);
    assert_int_equal(ask("SELECT value = 'closed' FROM meta WHERE key = 'state'"), 1);
}

static void replaces_rows_that_are_written_again(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    for (int i = 0; i < 3; i++) {
        struct store_batch *b = store_batch_new();
        struct row_compile c = {.id = 7, .compile_id = SPAN("0/0"), .attempts = i};
        assert_int_equal(store_compile_add(b, &c), ERR_OK);
        assert_int_equal(store_submit(w, b), ERR_OK);
    }
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    assert_int_equal(ask("SELECT count(*) * 10 + max(attempts) FROM compile"), 12);
}

static void *intern_many(void *context)
{
    struct store_writer *w = context;
    char text[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "word %d", i);
        store_frame(w, 0, store_word(w, span_of(text)), i, 0, 0);
    }
    return NULL;
}

static void interns_once_for_all_threads(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    pthread_t t[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, intern_many, w), 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    assert_int_equal(ask("SELECT count(*) FROM string"), 5000);
    assert_int_equal(ask("SELECT count(*) FROM stack"), 5000);
    assert_int_equal(ask("SELECT max(id) FROM stack"), 5000);
}

static void a_live_file_is_readable_after_a_flush(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    struct store_batch *b = store_batch_new();
    struct row_loss l = {
        .id = 1, .kind = SPAN("md5"), .count = 3, .message = SPAN("bad \xff byte")};
    assert_int_equal(store_loss_add(b, &l), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_flush(w), ERR_OK);
    assert_int_equal(ask("SELECT count FROM loss"), 3);
    assert_int_equal(ask("SELECT value = 'live' FROM meta WHERE key = 'state'"), 1);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
}

static void runs_statements_in_order(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    struct store_batch *b = store_batch_new();
    struct row_run r = {.id = 1, .name = SPAN("a"), .exit_code = STORE_NULL};
    struct store_cell v[] = {{.kind = STORE_CELL_INT, .i = 9},
                             {.kind = STORE_CELL_TEXT, .s = SPAN("a")}};
    assert_int_equal(store_run_add(b, &r), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_submit_sql(w, "UPDATE run SET exit_code = ?1 WHERE name = ?2", v, 2),
                     ERR_OK);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    assert_int_equal(ask("SELECT exit_code FROM run"), 9);
}

static void keeps_text_across_frames(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    size_t n = TEXT_FRAME_SIZE + 1000;
    char *text = malloc(n);
    for (size_t i = 0; i < n; i++) text[i] = i % 61 == 60 ? '\n' : (char)('a' + i % 26);
    struct store_batch *b = store_batch_new();
    assert_int_equal(text_pack(b, 1, 0, (struct span){text, TEXT_FRAME_SIZE}), ERR_OK);
    assert_int_equal(text_pack(b, 1, TEXT_FRAME_SIZE, (struct span){text + TEXT_FRAME_SIZE, 1000}),
                     ERR_OK);
    struct row_artifact a = {.id = 1, .source = 1, .offset = TEXT_FRAME_SIZE - 10, .stored = 20};
    assert_int_equal(store_artifact_add(b, &a), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    sqlite3 *db;
    struct text_reader *r;
    struct buf out = {0};
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    assert_int_equal(text_reader_new(db, &r), ERR_OK);
    assert_int_equal(text_artifact(r, 1, &out), ERR_OK);
    assert_int_equal(out.n, 20);
    assert_memory_equal(out.p, text + TEXT_FRAME_SIZE - 10, 20);
    assert_int_equal(text_read(r, 1, TEXT_FRAME_SIZE + 999, 2, &out), ERR_FORMAT);
    assert_int_equal(text_artifact(r, 2, &out), ERR_NOT_FOUND);
    text_reader_free(r);
    store_close(db);
    buf_release(&out);
    free(text);
}

static void unindents_payloads(void **state)
{
    (void)state;
    static const struct {
        const char *stored, *content;
        bool crlf;
    } cases[] = {
        {"\ta\n\tb\n", "a\nb", false},
        {"\t\n", "", false},
        {"", "", false},
        {"\ta\n\t\n", "a\n", false},
        {"\ta\r\n\t\tb\r\n", "a\n\tb", true},
        {"\ta\r\n", "a\r", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = {0};
        text_unindent(span_of(cases[i].stored), cases[i].crlf, &b);
        assert_string_equal(b.p ? b.p : "", cases[i].content);
        buf_release(&b);
    }
}

static void refuses_what_is_no_trace(void **state)
{
    (void)state;
    sqlite3 *db;
    struct store_writer *w = fresh();
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    sqlite3 *other;
    assert_int_equal(store_create(path, &other), ERR_EXISTS);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    sqlite3_exec(other, "CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END", NULL, NULL,
                 NULL);
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_REFUSED);
    sqlite3_exec(other, "DROP TRIGGER t; PRAGMA user_version=999", NULL, NULL, NULL);
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_VERSION);
    sqlite3_exec(other, "PRAGMA application_id=1", NULL, NULL, NULL);
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_FORMAT);
    sqlite3_close(other);
    assert_int_equal(store_open_read("/nonexistent", STORE_OPEN_DEFAULT, &db), ERR_NOT_FOUND);
    assert_int_equal(store_open_read(__FILE__, STORE_OPEN_DEFAULT, &db), ERR_FORMAT);
}

static void fails_with_a_statement(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    struct store_batch *b = store_batch_new();
    struct row_event e = {.id = store_next_id(w, STORE_EVENT), .ts = 1};
    struct store_cell ts = {.kind = STORE_CELL_INT, .i = 2};
    assert_int_equal(store_event_add(b, &e), ERR_OK);
    assert_int_equal(store_batch_add_sql(b, "UPDATE event SET ts = ?1", &ts, 1), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    b = store_batch_new();
    e.id = store_next_id(w, STORE_EVENT);
    assert_int_equal(store_event_add(b, &e), ERR_OK);
    assert_int_equal(store_batch_add_sql(b, "UPDATE event SET nothing = ?1", &ts, 1), ERR_OK);
    assert_int_equal(store_flush(w), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_flush(w), ERR_SQL);
    assert_int_equal(store_writer_close(w, "closed"), ERR_SQL);
    assert_int_equal(ask("SELECT sum(ts) FROM event"), 2);
}

/* Commits of one transaction are told in order of submission. The first batch keeps the writer from
 * going on until the others wait for it, so that they are of one. */
enum { TOLD = 8 };
static struct {
    sem_t gate;
    int n, order[TOLD];
} told;

static void wait_for_gate(void *context)
{
    (void)context;
    sem_wait(&told.gate);
}

static void note_order(void *context)
{
    told.order[told.n++] = (int)(intptr_t)context;
}

static void tells_commits_in_order(void **state)
{
    (void)state;
    struct store_writer *w = fresh();
    struct store_batch *first = store_batch_new();
    assert_int_equal(sem_init(&told.gate, 0, 0), 0);
    first->on_written = wait_for_gate;
    assert_int_equal(store_submit(w, first), ERR_OK);
    for (intptr_t i = 0; i < TOLD; i++) {
        struct store_batch *b = store_batch_new();
        b->on_written = note_order;
        b->context = (void *)i;
        assert_int_equal(store_submit(w, b), ERR_OK);
    }
    sem_post(&told.gate);
    assert_int_equal(store_flush(w), ERR_OK);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    assert_int_equal(told.n, TOLD);
    for (int i = 0; i < TOLD; i++) assert_int_equal(told.order[i], i);
    sem_destroy(&told.gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_rows_and_nulls),
        cmocka_unit_test(replaces_rows_that_are_written_again),
        cmocka_unit_test(interns_once_for_all_threads),
        cmocka_unit_test(a_live_file_is_readable_after_a_flush),
        cmocka_unit_test(runs_statements_in_order),
        cmocka_unit_test(fails_with_a_statement),
        cmocka_unit_test(tells_commits_in_order),
        cmocka_unit_test(keeps_text_across_frames),
        cmocka_unit_test(unindents_payloads),
        cmocka_unit_test(refuses_what_is_no_trace),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
