/* test_search.c - search.c over streams cut into frames of every size: each line that matches is
 * found once, in order, at its place. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "store/db.h"
#include "store/search.h"
#include "store/text.h"
#include "store/writer.h"

static char path[128];

/* A trace with one stream of this text in frames of `frame` bytes. */
static void make(struct span text, size_t frame)
{
    static int n;
    sqlite3 *db;
    struct store_writer *w;
    snprintf(path, sizeof path, "%s/s%d.db", unit_folder(), n++);
    assert_int_equal(store_create(path, &db), ERR_OK);
    assert_int_equal(store_writer_new(db, &w), ERR_OK);
    struct store_batch *b = store_batch_new();
    for (size_t at = 0; at < text.n; at += frame)
        assert_int_equal(text_pack(b, 1, (int64_t)at, span_to(span_from(text, at), frame)), ERR_OK);
    struct row_source_file file = {.id = 1, .name = SPAN("x.log"), .year = 2026};
    assert_int_equal(store_source_file_add(b, &file), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
}

struct seen {
    int64_t offsets[4096], lines[4096];
    int n;
    int stop_at; /* 0: never */
};

static enum err on_hit(void *context, const struct search_hit *hit)
{
    struct seen *seen = context;
    assert_true(seen->n < 4096);
    seen->offsets[seen->n] = hit->offset;
    seen->lines[seen->n++] = hit->line;
    assert_true(hit->match_at + hit->match_n <= hit->excerpt.n);
    return seen->n == seen->stop_at ? ERR_CANCELLED : ERR_OK;
}

static enum err search(const char *pattern, unsigned flags, struct seen *seen,
                       struct search_result *result)
{
    sqlite3 *db;
    struct search_request r = {.pattern = span_of(pattern),
                               .flags = flags,
                               .hit = on_hit,
                               .context = seen,
                               .scope = SEARCH_TEXT};
    if (store_open_read(path, STORE_OPEN_NO_VIEWS, &db)) fail_msg("%s", err_text());
    enum err err = search_run(db, &r, result);
    store_close(db);
    unlink(path);
    return err;
}

/* A record of 40 payload lines between two headers; every third line has the word. */
static struct span text_of_lines(struct buf *b)
{
    buf_clear(b);
    buf_puts(b, "V0101 00:00:00.000000 1 torch/a.py:1] {\"aot_graph\": {}, \"frame_id\": 0, "
                "\"has_payload\": \"x\"}\n");
    for (int i = 1; i <= 40; i++)
        buf_printf(b, "\tline %d %s of it\n", i, i % 3 ? "none" : "needle");
    buf_puts(b, "V0101 00:00:00.000000 1 torch/a.py:2] {\"needle\": 1}\n");
    return buf_text(b);
}

static void check(struct span text, size_t frame, const char *pattern, unsigned flags)
{
    struct seen *seen = calloc(1, sizeof *seen);
    struct search_result result;
    make(text, frame);
    assert_int_equal(search(pattern, flags, seen, &result), ERR_OK);
    assert_int_equal(seen->n, 14);
    assert_int_equal(result.n_hits, 14);
    assert_int_equal(result.n_bytes, text.n);
    size_t from = 0;
    for (int i = 0; i < seen->n; i++) {
        size_t at = span_find(text, SPAN("needle"), from);
        assert_int_equal(seen->offsets[i], at);
        assert_int_equal(seen->lines[i], i < 13 ? 3 * (i + 1) : 0);
        from = at + 1;
    }
    free(seen);
}

static void frames_of_every_size(void **state)
{
    (void)state;
    struct buf b = {0};
    struct span text = text_of_lines(&b);
    for (size_t frame = 1; frame < 40; frame++) check(text, frame, "needle", 0);
    for (size_t frame = 1; frame < 40; frame += 3) check(text, frame, "ne+dle", MATCH_REGEX);
    check(text, 100, "NEEDLE", MATCH_IGNORE_CASE);
    check(text, text.n, "needle", 0);
    buf_release(&b);
}

static void no_line_end_at_the_end(void **state)
{
    (void)state;
    struct seen *seen = calloc(1, sizeof *seen);
    struct search_result result;
    make(SPAN("abc\n\tneedle"), 4);
    assert_int_equal(search("needle", 0, seen, &result), ERR_OK);
    assert_int_equal(seen->n, 1);
    assert_int_equal(seen->offsets[0], 5);
    free(seen);
}

static void matches_in_a_cr(void **state)
{
    (void)state;
    static const char *const patterns[] = {"\\r", "\\r?$", "(?<=\\r)", "c\\r", "$"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct seen *seen = calloc(1, sizeof *seen);
        struct search_result result;
        make(SPAN("abc\r\nd\r\n"), 3);
        assert_int_equal(search(patterns[i], MATCH_REGEX, seen, &result),
                         ERR_OK); /* on_hit checks */
        free(seen);
    }
}

static void a_hit_may_end_the_search(void **state)
{
    (void)state;
    struct buf b = {0};
    struct seen *seen = calloc(1, sizeof *seen);
    struct search_result result;
    seen->stop_at = 3;
    make(text_of_lines(&b), 50);
    assert_int_equal(search("needle", 0, seen, &result), ERR_CANCELLED);
    assert_int_equal(seen->n, 3);
    buf_release(&b);
    free(seen);
}

static void a_line_longer_than_frames(void **state)
{
    (void)state;
    struct buf b = {0};
    struct seen *seen = calloc(1, sizeof *seen);
    struct search_result result;
    for (int i = 0; i < 3000; i++) buf_puts(&b, "0123456789");
    buf_puts(&b, "needle\nx\n");
    make(buf_text(&b), 1000);
    assert_int_equal(search("needle", 0, seen, &result), ERR_OK);
    assert_int_equal(seen->n, 1);
    assert_int_equal(seen->offsets[0], 30000);
    buf_release(&b);
    free(seen);
}

static void random_texts_against_a_plain_loop(void **state)
{
    (void)state;
    struct buf b = {0};
    srand(7);
    for (int round = 0; round < 60; round++) {
        struct seen *seen = calloc(1, sizeof *seen);
        struct search_result result;
        buf_clear(&b);
        int n = 1 + rand() % 400;
        for (int i = 0; i < n; i++) buf_putc(&b, "ab\n\tab"[rand() % 6]);
        make(buf_text(&b), (size_t)(1 + rand() % 30));
        assert_int_equal(search("ab", 0, seen, &result), ERR_OK);
        int k = 0;
        struct span rest = buf_text(&b), line;
        while (span_next_line(&rest, &line)) {
            size_t at = span_find(line, SPAN("ab"), 0);
            if (at != SIZE_MAX) assert_int_equal(seen->offsets[k++], line.p + at - b.p);
        }
        assert_int_equal(seen->n, k);
        free(seen);
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_size),
        cmocka_unit_test(no_line_end_at_the_end),
        cmocka_unit_test(matches_in_a_cr),
        cmocka_unit_test(a_hit_may_end_the_search),
        cmocka_unit_test(a_line_longer_than_frames),
        cmocka_unit_test(random_texts_against_a_plain_loop),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(unit_folder());
    return failed;
}
