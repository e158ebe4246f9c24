/* test_attach.c - several traces in one connection, and a reader that leaves the locks of a
 * writer in the same process alone. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "store/attach.h"
#include "store/writer.h"

static char paths[3][160];

static void make(int i, const char *run)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    snprintf(paths[i], sizeof paths[i], "%s/a%d.db", unit_folder(), i);
    assert_int_equal(store_create(paths[i], &db), ERR_OK);
    assert_int_equal(store_prepare(db, "INSERT INTO run(id, name) VALUES (1, ?1)", &s), ERR_OK);
    sqlite3_bind_text(s, 1, run, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    assert_int_equal(store_finish(db, "closed"), ERR_OK);
}

static void pack(int i)
{
    char packed[152], piece[4096];
    snprintf(packed, sizeof packed, "%.140s.gz", paths[i]);
    FILE *in = fopen(paths[i], "rb");
    gzFile out = gzopen(packed, "wb");
    for (size_t n; (n = fread(piece, 1, sizeof piece, in)) > 0;) gzwrite(out, piece, (unsigned)n);
    fclose(in);
    gzclose(out);
    unlink(paths[i]);
    snprintf(paths[i], sizeof paths[i], "%s", packed);
}

static void forget(int n)
{
    for (int i = 0; i < n; i++) unlink(paths[i]);
}

static void attaches_in_order(void **state)
{
    (void)state;
    int64_t ok = 0;
    sqlite3 *db;
    make(0, "first"), make(1, "second"), make(2, "third");
    pack(0), pack(2);
    char *const list[] = {paths[0], paths[1], paths[2]};
    if (store_open_several(list, 3, STORE_OPEN_DEFAULT, &db)) fail_msg("%s", err_text());
    assert_int_equal(
        store_int(
            db,
            "SELECT (SELECT run FROM runs) = 'first' AND (SELECT run FROM t1.runs) = 'first' AND "
            "(SELECT run FROM t2.runs) = 'second' AND (SELECT run FROM t3.runs) = 'third'",
            &ok),
        ERR_OK);
    assert_int_equal(ok, 1);
    assert_int_not_equal(sqlite3_exec(db, "DELETE FROM t2.run", NULL, NULL, NULL), SQLITE_OK);
    store_close(db);
    forget(3);
}

static void refuses_too_many_and_bad_ones(void **state)
{
    (void)state;
    sqlite3 *db;
    make(0, "first");
    char *list[STORE_MOST_FILES + 1];
    for (int i = 0; i <= STORE_MOST_FILES; i++) list[i] = paths[0];
    assert_int_equal(store_open_several(list, STORE_MOST_FILES + 1, STORE_OPEN_DEFAULT, &db),
                     ERR_LIMIT);
    assert_int_equal(store_open_several(list, STORE_MOST_FILES, STORE_OPEN_DEFAULT, &db), ERR_OK);
    store_close(db);
    list[1] = (char *)"/nonexistent.db";
    assert_int_equal(store_open_several(list, 2, STORE_OPEN_DEFAULT, &db), ERR_NOT_FOUND);
    assert_null(db);
    forget(1);
}

/* Whether this process holds a lock on SQLite's range of the file, as another process sees it. */
static bool is_locked(const char *path)
{
    pid_t child = fork();
    if (!child) {
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
        int fd = open(path, O_RDWR);
        _exit(fd < 0 || fcntl(fd, F_GETLK, &lock) ? 2 : lock.l_type != F_UNLCK);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
    return WEXITSTATUS(status) == 1;
}

static void reading_leaves_the_writers_locks(void **state)
{
    (void)state;
    sqlite3 *db, *reader;
    struct store_writer *w;
    snprintf(paths[0], sizeof paths[0], "%s/live.db", unit_folder());
    assert_int_equal(store_create(paths[0], &db), ERR_OK);
    assert_int_equal(store_writer_new(db, &w), ERR_OK);
    struct store_batch *b = store_batch_new();
    struct row_loss row = {.id = 1, .count = 1};
    assert_int_equal(store_loss_add(b, &row), ERR_OK);
    assert_int_equal(store_submit(w, b), ERR_OK);
    assert_int_equal(store_flush(w), ERR_OK);
    assert_true(is_locked(paths[0]));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_open_read(paths[0], STORE_OPEN_DEFAULT, &reader), ERR_OK);
        store_close(reader);
    }
    assert_true(is_locked(paths[0]));
    assert_int_equal(store_writer_close(w, "closed"), ERR_OK);
    assert_false(is_locked(paths[0]));
    forget(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attaches_in_order),
        cmocka_unit_test(refuses_too_many_and_bad_ones),
        cmocka_unit_test(reading_leaves_the_writers_locks),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(unit_folder());
    return failed;
}
