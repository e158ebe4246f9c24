/* test_first_use.c - which arguments of a call are digested: those whose content the log lacks. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "plumb.h"
#include "store/db.h"
#include "tests/unit/unit.h"

static char path[96];

static void begin(struct plumb_options o)
{
    snprintf(path, sizeof path, "%s/first.db", unit_folder());
    o.trace = path;
    o.overwrite = true;
    if (!plumb_open(&o)) fail_msg("%s", plumb_error());
}
static struct plumb_tensor *row(int64_t n)
{
    return plumb_tensor(PLUMB_F32, 1, &n, (float[]){1, 2, 3, 4});
}

/* Positions of the calls and places of the arguments with a digest: "0[0][0] 1[0][1]". */
static void expect(const char *wanted)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(plumb_close(), 0);
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    assert_int_equal(
        store_prepare(db,
                      "SELECT group_concat(place, ' ') FROM (SELECT (c.source - (SELECT "
                      "min(source) FROM call)) || '/' || c.position || a.text AS place FROM "
                      "tensor_use u JOIN call c ON c.event = u.event JOIN string a ON a.id = u.arg "
                      "WHERE u.phase = 0 AND u.hash_kind IS NOT NULL ORDER BY 1)",
                      &s),
        ERR_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    const char *got = (const char *)sqlite3_column_text(s, 0);
    assert_string_equal(got ? got : "", wanted);
    sqlite3_finalize(s);
    store_close(db);
    unlink(path);
}

static void once_per_content(void **state)
{
    (void)state;
    begin((struct plumb_options){0});
    struct plumb_tensor *x = row(4), *y = plumb_add(x, x);
    plumb_mul(x, y);
    plumb_mul(x, x);
    expect("0/0[0][0]"); /* the other argument of call 0 is the same tensor */
}

static void all_on_request(void **state)
{
    (void)state;
    begin((struct plumb_options){.hash_inputs = true});
    struct plumb_tensor *x = row(4), *y = plumb_add(x, x);
    plumb_mul(x, y);
    expect("0/0[0][0] 0/0[0][1] 0/1[0][0] 0/1[0][1]");
}

static void again_when_written_elsewhere(void **state)
{
    (void)state;
    begin((struct plumb_options){0});
    int64_t start = 0, end = 2;
    struct plumb_tensor *x = row(4), *half = plumb_slice(x, 0, &start, &end, 1);
    plumb_mul(x, x);
    plumb_add_(half, half); /* its digests are of the result and after the call */
    plumb_mul(half, half);
    plumb_mul(x, x);
    plumb_mul(x, x);
    expect("0/0[0][0] 0/4[0][0]");
}

static void none_of_what_has_no_values(void **state)
{
    (void)state;
    begin((struct plumb_options){.backend = "null"});
    plumb_mul(row(4), row(4));
    expect("");
    begin((struct plumb_options){.hashes = PLUMB_HASH_NONE});
    plumb_mul(row(4), row(4));
    expect("");
}

struct job {
    struct plumb *session;
    struct plumb_tensor *shared;
};

static void *work(void *context)
{
    struct job *j = context;
    if (plumb_enter(j->session)) return NULL;
    plumb_mul(j->shared, j->shared);
    plumb_mul(j->shared, j->shared);
    plumb_leave();
    return j;
}

/* Each thread has a log of its own, which is to be understood without the others. */
static void once_per_log(void **state)
{
    (void)state;
    struct plumb_options o = {.overwrite = true};
    snprintf(path, sizeof path, "%s/first.db", unit_folder());
    o.trace = path;
    struct job j = {.session = plumb_open(&o)};
    pthread_t thread;
    void *fine = NULL;
    assert_non_null(j.session);
    j.shared = row(4);
    plumb_mul(j.shared, j.shared);
    assert_int_equal(pthread_create(&thread, NULL, work, &j), 0);
    plumb_mul(j.shared, j.shared); /* at the same time */
    assert_int_equal(pthread_join(thread, &fine), 0);
    assert_non_null(fine);
    expect("0/0[0][0] 1/0[0][0]");
}

/* A call too large for the ring is dropped, whatever is allowed to wait: its digests are too. */
static void again_when_the_call_was_dropped(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    struct plumb_tensor **list = calloc(N, sizeof *list);
    assert_non_null(list);
    begin((struct plumb_options){0});
    struct plumb_tensor *x = row(1);
    for (int i = 0; i < N; i++) list[i] = x;
    assert_non_null(plumb_cat(list, N, 0));
    plumb_mul(x, x);
    plumb_mul(x, x);
    expect("0/0[0][0]");
    free(list);
}

/* What another session's log has is not in this one's. */
static void once_per_session(void **state)
{
    (void)state;
    char before[96];
    snprintf(before, sizeof before, "%s/before.db", unit_folder());
    struct plumb *other = plumb_open(&(struct plumb_options){.trace = before, .overwrite = true});
    assert_non_null(other);
    struct plumb_tensor *x = plumb_keep(row(4));
    plumb_mul(x, x);
    plumb_leave();
    begin((struct plumb_options){0});
    plumb_mul(x, x);
    expect("0/0[0][0]");
    assert_int_equal(plumb_enter(other), 0);
    assert_int_equal(plumb_close(), 0);
    unlink(before);
}

/* An operator whose results have no values shows no hashes, even where its argument got one. */
static void texts_stay_as_they_were(void **state)
{
    (void)state;
    char text[512];
    begin((struct plumb_options){.hashes = PLUMB_HASH_NORM});
    plumb_empty_like(row(4), PLUMB_F32);
    assert_int_equal(plumb_close(), 0);
    FILE *f = tmpfile();
    assert_int_equal(plumb_debug_print(path, PLUMB_DEBUG_HASHES, f), 0);
    rewind(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    assert_non_null(
        strstr(text, "aten::empty_like(t: f32[4], dtype=torch.float32)  ->  t: f32[4]\n"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_per_content),
        cmocka_unit_test(all_on_request),
        cmocka_unit_test(again_when_written_elsewhere),
        cmocka_unit_test(none_of_what_has_no_values),
        cmocka_unit_test(once_per_log),
        cmocka_unit_test(again_when_the_call_was_dropped),
        cmocka_unit_test(once_per_session),
        cmocka_unit_test(texts_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
