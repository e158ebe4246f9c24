/* test_query.c - named queries prepare on an empty trace; binding; what a console may not do. */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <unistd.h>

#include "store/db.h"
#include "store/guard_sql.h"
#include "store/query.h"

static char path[128];
static sqlite3 *db;
static struct store_console console;

static int make_trace(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/q.db", unit_folder());
    if (store_create(path, &db) || store_finish(db, "closed")) return -1;
    return store_open_read(path, STORE_OPEN_DEFAULT, &db) ? -1 : 0;
}

static int drop_trace(void **state)
{
    (void)state;
    store_close(db);
    return unlink(path);
}

static void every_query_prepares(void **state)
{
    (void)state;
    int n = 0;
    for (const struct store_query *q = store_queries; q->name; q++, n++) {
        sqlite3_stmt *s = NULL;
        if (store_query_prepare(db, q->name, &s)) fail_msg("%s", err_text());
        assert_true(sqlite3_stmt_readonly(s));
        assert_true(sqlite3_column_count(s) > 0);
        if (n) assert_true(strcmp(q[-1].name, q->name) < 0);
        sqlite3_finalize(s);
    }
    assert_true(n > 40);
}

/* The comments name each parameter of the statement, and no other. */
static void parameters_are_documented(void **state)
{
    (void)state;
    for (const struct store_query *q = store_queries; q->name; q++) {
        sqlite3_stmt *s = NULL;
        struct store_query_param p;
        int n = 0;
        assert_int_equal(store_query_prepare(db, q->name, &s), ERR_OK);
        for (; store_query_param(q, n, &p); n++) {
            char name[64];
            snprintf(name, sizeof name, ":%.*s", SPAN_ARG(p.name));
            if (!sqlite3_bind_parameter_index(s, name)) fail_msg("%s has no %s", q->name, name);
            assert_true(p.meaning.n > 0);
        }
        if (n != sqlite3_bind_parameter_count(s))
            fail_msg("%s: %d parameters are documented", q->name, n);
        sqlite3_finalize(s);
    }
}

static void unknown_names_list_near_ones(void **state)
{
    (void)state;
    sqlite3_stmt *s = NULL;
    assert_int_equal(store_query_prepare(db, "slowest_compile", &s), ERR_NOT_FOUND);
    assert_non_null(strstr(err_text(), "slowest_compiles"));
    assert_null(store_query_find(""));
}

static void words_bind_as_what_they_read(void **state)
{
    (void)state;
    sqlite3_stmt *s = NULL;
    sqlite3_prepare_v2(db, "SELECT typeof(:i) || typeof(:r) || typeof(:t) || :t", -1, &s, NULL);
    assert_true(store_bind_word(s, "i", "-5"));
    assert_true(store_bind_word(s, "r", "1e3"));
    assert_true(store_bind_word(s, "t", "0/1"));
    assert_false(store_bind_word(s, "x", "1"));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(s, 0), "integerrealtext0/1");
    sqlite3_finalize(s);
}

/* Prepares and runs under the console's limits. */
static enum err run(const char *sql, int64_t limit_ns)
{
    sqlite3_stmt *s = NULL;
    store_console_start(&console, limit_ns);
    int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) rc = sqlite3_step(s);
    enum err err = rc == SQLITE_DONE
                       ? ERR_OK
                       : store_console_error(&console, store_sql_error(db, rc, "console"));
    sqlite3_finalize(s);
    return err;
}

static const char forever[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

static void console_reads(void **state)
{
    (void)state;
    static const char *const allowed[] = {
        "SELECT count(*) FROM compiles",
        "SELECT name FROM sqlite_schema",
        "SELECT value FROM json_each('[1,2]')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT sum(i) "
        "OVER () FROM n",
        "SELECT artifact_text(1), stack_text(1), word(1), hex64(1), layer_name('a.1.b'), 'a' "
        "REGEXP 'b'",
        "EXPLAIN QUERY PLAN SELECT * FROM events",
        "SELECT date('now'), printf('%d', 1), group_concat(text) FROM string",
    };
    assert_int_equal(store_console_limits(db, &console), ERR_OK);
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (run(allowed[i], 0)) fail_msg("%s: %s", allowed[i], err_text());
}

static void console_refuses(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "ATTACH ':memory:' AS x",
        "PRAGMA journal_mode",
        "DELETE FROM meta",
        "CREATE TEMP TABLE t(a)",
        "DROP TABLE meta",
        "CREATE TEMP VIEW v AS SELECT 1",
        "VACUUM",
        "VACUUM INTO '/tmp/plumb-x.db'",
        "BEGIN",
        "SAVEPOINT a",
        "ANALYZE",
        "REINDEX",
        "SELECT load_extension('a')",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM dbstat",
        "SELECT fts3_tokenizer('a')",
        "SELECT sqlite_compileoption_get(1)",
        "INSERT INTO meta VALUES (1, 2)",
        "UPDATE meta SET value = 1",
        "CREATE VIRTUAL TABLE temp.t USING fts5(a)",
        "EXPLAIN PRAGMA user_version",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        enum err err = run(refused[i], 0);
        if (err != ERR_REFUSED && err != ERR_SQL)
            fail_msg("%s: %d %s", refused[i], err, err_text());
    }
    run("SELECT load_extension('a')", 0);
    assert_non_null(strstr(err_text(), "load_extension is not allowed"));
}

static void console_bounds_values(void **state)
{
    (void)state;
    assert_int_equal(run("SELECT length(randomblob(900000000))", 0), ERR_LIMIT);
    assert_int_equal(
        run("SELECT length(group_concat(zeroblob(100000000))) FROM (SELECT 1 UNION ALL SELECT 2)",
            0),
        ERR_LIMIT);
    assert_int_equal(run("SELECT replace(printf('%.*c', 16000000, 'a'), 'a', 'bbbb')", 0),
                     ERR_LIMIT);
}

static void console_ends_at_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(run(forever, 50000000), ERR_LIMIT);
    assert_non_null(strstr(err_text(), "time limit"));
    assert_int_equal(run("SELECT 1", 0), ERR_OK);
}

static void *cancel_soon(void *context)
{
    usleep(50000);
    store_console_cancel(context);
    return NULL;
}

static void console_is_cancelled_from_outside(void **state)
{
    (void)state;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, cancel_soon, &console), 0);
    assert_int_equal(run(forever, 10000000000), ERR_CANCELLED);
    pthread_join(t, NULL);
}

static void release_ends_the_limits(void **state)
{
    (void)state;
    store_console_release(db);
    int64_t v;
    assert_int_equal(store_int(db, "PRAGMA user_version", &v), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_prepares),
        cmocka_unit_test(parameters_are_documented),
        cmocka_unit_test(unknown_names_list_near_ones),
        cmocka_unit_test(words_bind_as_what_they_read),
        cmocka_unit_test(console_reads),
        cmocka_unit_test(console_refuses),
        cmocka_unit_test(console_bounds_values),
        cmocka_unit_test(console_ends_at_the_deadline),
        cmocka_unit_test(console_is_cancelled_from_outside),
        cmocka_unit_test(release_ends_the_limits),
    };
    int failed = cmocka_run_group_tests(tests, make_trace, drop_trace);
    rmdir(unit_folder());
    return failed;
}
