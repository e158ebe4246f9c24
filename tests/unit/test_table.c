/* test_table.c - rows as text: each format byte for byte, widths, limits, and what must not reach
 * a terminal. */
#include "tests/unit/unit.h"

#include "store/table.h"

static sqlite3 *db;

static enum err collect(void *context, struct span piece)
{
    buf_span(context, piece);
    return ERR_OK;
}

static struct table_result last;

/* Text of a query's rows; release with buf_release. */
static struct buf text_of(const char *sql, struct table_style style)
{
    struct buf out = {0};
    sqlite3_stmt *s = NULL;
    const struct table_sink sink = {collect, &out};
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(table_write(s, &style, &sink, &last), ERR_OK);
    sqlite3_finalize(s);
    if (!out.p) buf_puts(&out, "");
    return out;
}

static void expect(const char *sql, enum table_format format, const char *want)
{
    struct buf got = text_of(sql, (struct table_style){.format = format});
    assert_string_equal(got.p, want);
    buf_release(&got);
}

static void table_aligns(void **state)
{
    (void)state;
    expect("SELECT 1 AS a, 'x' AS name UNION ALL SELECT 100, NULL", TABLE_TEXT,
           "  a  name\n---  ----\n  1  x\n100  NULL\n");
    expect("SELECT '\u4e2d\u6587' AS w, 1 AS n", TABLE_TEXT, "w     n\n----  -\n\u4e2d\u6587  1\n");
    expect("SELECT 1 AS a WHERE 0", TABLE_TEXT, "a\n-\n");
}

static void table_cuts_long_cells(void **state)
{
    (void)state;
    struct buf got =
        text_of("SELECT '0123456789abcdef' AS a", (struct table_style){.max_width = 10});
    assert_string_equal(got.p, "a\n----------\n0123456...\n");
    buf_release(&got);
}

static void table_streams_after_its_sample(void **state)
{
    (void)state;
    struct buf got = text_of("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
                             "i < 3000) SELECT i FROM n",
                             (struct table_style){0});
    assert_int_equal(last.n_rows, 3000);
    assert_non_null(strstr(got.p, "\n3000\n"));
    size_t lines = 0;
    for (const char *p = got.p; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, 3002);
    buf_release(&got);
}

static void nothing_steers_a_terminal(void **state)
{
    (void)state;
    const char *sql = "SELECT char(27) || '[2J' || char(7) || char(0x9b) || char(0x202e) || 'a' || "
                      "char(10) || 'b' || char(9) || "
                      "CAST(x'ff41' AS TEXT) AS \"c\x1b]0;t\x07\"";
    for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
        struct buf got = text_of(
            sql, (struct table_style){.format = (enum table_format)format, .terminal = true});
        for (size_t i = 0; i < got.n; i++)
            assert_true((unsigned char)got.p[i] >= 0x20 || strchr("\r\n", got.p[i]));
        if (format == TABLE_TEXT || format == TABLE_CSV) {
            assert_null(strstr(got.p, "\xc2\x9b"));
            assert_null(strstr(got.p, "\xe2\x80\xae"));
            assert_non_null(strstr(got.p, "a\\nb \xef\xbf\xbd"));
        }
        buf_release(&got);
    }
}

static void csv_follows_rfc_4180(void **state)
{
    (void)state;
    expect("SELECT 'a,b' AS \"x\"\"y\", 'say \"hi\"' AS b, 'l1' || char(13, 10) || 'l2' AS c, NULL "
           "AS d, '' AS e, x'00FF' AS f, -5 AS g",
           TABLE_CSV,
           "\"x\"\"y\",b,c,d,e,f,g\r\n\"a,b\",\"say \"\"hi\"\"\",\"l1\r\nl2\",,\"\",00ff,-5\r\n");
    /* Without `terminal` data is given as it is. */
    expect("SELECT char(27) AS a", TABLE_CSV, "a\r\n\x1b\r\n");
}

static void json_keeps_types(void **state)
{
    (void)state;
    expect("SELECT 9223372036854775807 AS i, 0.1 AS r, 1e400 AS inf, NULL AS n, 'q\"' AS t, x'0a' "
           "AS b, 1 AS i",
           TABLE_JSON,
           "[\n{\"i\": 9223372036854775807, \"r\": 0.1, \"inf\": null, \"n\": null, \"t\": "
           "\"q\\\"\", \"b\": \"0a\", \"i_2\": 1}\n]\n");
    expect("SELECT 1 AS a UNION ALL SELECT 2", TABLE_JSON, "[\n{\"a\": 1},\n{\"a\": 2}\n]\n");
    expect("SELECT 1 AS a UNION ALL SELECT 2", TABLE_JSONL, "{\"a\": 1}\n{\"a\": 2}\n");
    expect("SELECT 1 AS a WHERE 0", TABLE_JSON, "[]\n");
    expect("SELECT 1 AS a WHERE 0", TABLE_JSONL, "");
}

static void markdown_escapes(void **state)
{
    (void)state;
    expect("SELECT 1 AS n, 'a|b <i> *x*' AS t", TABLE_MARKDOWN,
           "| n | t |\n|---:|---|\n| 1 | a\\|b &lt;i> \\*x\\* |\n");
}

static void rows_are_limited_and_said_so(void **state)
{
    (void)state;
    struct buf got = text_of("SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3",
                             (struct table_style){.format = TABLE_JSONL, .max_rows = 2});
    assert_string_equal(got.p, "{\"a\": 1}\n{\"a\": 2}\n");
    assert_true(last.more);
    buf_release(&got);
    got = text_of("SELECT 1 AS a UNION ALL SELECT 2",
                  (struct table_style){.format = TABLE_JSONL, .max_rows = 2});
    assert_false(last.more);
    buf_release(&got);
}

static enum err refuse_all(void *context, struct span piece)
{
    (void)context, (void)piece;
    return err_set(ERR_IO, "the reader has gone");
}

static void a_sink_can_end_it(void **state)
{
    (void)state;
    sqlite3_stmt *s = NULL;
    const struct table_style style = {.format = TABLE_CSV};
    const struct table_sink sink = {refuse_all, NULL};
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT 1", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(table_write(s, &style, &sink, &last), ERR_IO);
    sqlite3_finalize(s);
}

static void a_failure_after_rows_is_an_error(void **state)
{
    (void)state;
    struct buf out = {0};
    sqlite3_stmt *s = NULL;
    const struct table_style style = {.format = TABLE_CSV};
    const struct table_sink sink = {collect, &out};
    const char *sql =
        "SELECT abs(i) FROM (SELECT 1 AS i UNION ALL SELECT -9223372036854775807 - 1)";
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(table_write(s, &style, &sink, &last), ERR_SQL);
    assert_non_null(strstr(err_text(), "integer overflow"));
    assert_non_null(strstr(out.p, "1\r\n"));
    sqlite3_finalize(s);
    buf_release(&out);
}

static void formats_have_names(void **state)
{
    (void)state;
    enum table_format format;
    assert_int_equal(table_format_find("markdown", &format), ERR_OK);
    assert_int_equal(format, TABLE_MARKDOWN);
    assert_int_equal(table_format_find("xml", &format), ERR_USAGE);
    assert_non_null(strstr(err_text(), "jsonl"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_aligns),
        cmocka_unit_test(table_cuts_long_cells),
        cmocka_unit_test(table_streams_after_its_sample),
        cmocka_unit_test(nothing_steers_a_terminal),
        cmocka_unit_test(csv_follows_rfc_4180),
        cmocka_unit_test(json_keeps_types),
        cmocka_unit_test(markdown_escapes),
        cmocka_unit_test(rows_are_limited_and_said_so),
        cmocka_unit_test(a_sink_can_end_it),
        cmocka_unit_test(a_failure_after_rows_is_an_error),
        cmocka_unit_test(formats_have_names),
    };
    if (sqlite3_open(":memory:", &db)) return 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sqlite3_close(db);
    return failed;
}
