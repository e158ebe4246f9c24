/* test_cap_kill.c - a recording program is killed at many moments: nothing that was whole is lost.
 *
 * The program counts in shared memory what it has recorded; after the recovery the trace has that,
 * each call once and in order, and what was open is marked so.
 */
#include "capture/cap.h"
#include "capture/ring.h"
#include "store/base/buf.h"
#include "store/db.h"
#include "store/doctor.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 20, THREADS = 2, LONGEST_US = 150000 };

static char path[64];
static _Atomic int64_t *ended; /* calls per thread, shared with the program */
static struct cap *recording;

static void *program_thread(void *context)
{
    int64_t me = (intptr_t)context;
    char name[16];
    snprintf(name, sizeof name, "t%d", (int)me);
    struct cap *c = recording;
    struct cap_thread *t = cap_thread(c, name);
    struct view v;
    if (view_dense(DTYPE_F32, &(struct view_shape){.n = 1, .size = {3}}, &v)) abort();
    uint32_t op = cap_word(c, SPAN("aten::add")), mod = cap_word(c, SPAN("nn.Mod")),
             form = cap_form(c, &v);
    for (int64_t i = 0;; i++) {
        if (i % 50 == 0) cap_begin(t, CAP_MODULE, mod, mod, 0);
        cap_begin(t, CAP_OP, op, 0, 0);
        cap_scalar(t, &(struct cap_value){.kind = CAP_INT, .i = i});
        cap_launch_begin(t, &(struct cap_launch){.kernel = op, .variant = mod, .items = 3});
        cap_end(t);
        uint32_t slot = cap_tensor(
            t,
            &(struct cap_use){.tensor = (uint64_t)i % 1000 + 1, .form = form, .phase = CAP_RESULT});
        cap_digest(t, slot, 0,
                   &(struct cap_digest){.kind = CAP_PKM64, .bits = (uint64_t)i, .stats = true});
        cap_end(t);
        atomic_store(&ended[me], i + 1);
        if (i % 50 == 49) cap_end(t);
        if (i % 64 == 0) usleep(100);
    }
    return NULL;
}

static void program(void)
{
    pthread_t other;
    struct cap_options o = {.path = path, .overwrite = true, .wait = true, .ring_size = 1 << 16};
    if (cap_open(&o, &recording)) abort();
    if (pthread_create(&other, NULL, program_thread, (void *)1)) abort();
    program_thread(NULL);
}

static void tell(void *context, enum doctor_kind kind, const char *check, const char *text)
{
    (void)context;
    if (kind == DOCTOR_WRONG) print_message("%s: %s\n", check, text);
}

static int64_t ask(sqlite3 *db, const char *sql, int64_t a)
{
    sqlite3_stmt *s;
    assert_int_equal(store_prepare(db, sql, &s), ERR_OK);
    sqlite3_bind_int64(s, 1, a);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return n;
}

static int64_t log_of(sqlite3 *db, int thread)
{
    char name[64];
    snprintf(name, sizeof name, "SELECT coalesce(max(id), 0) FROM source_file WHERE name = 't%d'",
             thread);
    return ask(db, name, 0);
}

static void check_thread(sqlite3 *db, int thread)
{
    int64_t log = log_of(db, thread), done = ended[thread];
    int64_t there = ask(db,
                        "SELECT count(*) FROM call c JOIN event e ON e.id = c.event WHERE e.kind = "
                        "3 AND e.dur IS NOT NULL AND c.source = ?1",
                        log);
    assert_in_range(there, done, done + 1);
    /* each argument once, in order of the log */
    assert_int_equal(ask(db,
                         "SELECT count(*) FROM (SELECT a.text, row_number() OVER (ORDER BY "
                         "c.position) - 1 AS n FROM call c JOIN event e ON e.id = c.event AND "
                         "e.kind = 3 JOIN string a ON a.id = c.args WHERE c.source = ?1) WHERE "
                         "text <> '' AND CAST(text AS INTEGER) <> n",
                         log),
                     0);
    assert_int_equal(
        ask(db, "SELECT count(*) - count(DISTINCT position) FROM call WHERE source = ?1", log), 0);
    assert_int_equal(
        ask(db, "SELECT coalesce(max(position) + 1, 0) FROM call WHERE source = ?1", log),
        ask(db, "SELECT count(*) FROM call WHERE source = ?1", log));
    /* digests and launches came along */
    assert_int_equal(
        ask(db,
            "SELECT count(*) FROM call c JOIN event e ON e.id = c.event AND e.kind = 3 AND e.dur "
            "IS "
            "NOT NULL JOIN string a ON a.id = c.args WHERE c.source = ?1 AND 1 <> (SELECT count(*) "
            "FROM tensor_use u WHERE u.event = e.id AND u.digest = CAST(a.text AS INTEGER) AND "
            "u.tensor = u.digest % 1000 AND u.hash_kind = 4)",
            log),
        0);
    assert_int_equal(ask(db,
                         "SELECT count(*) FROM event l JOIN event e ON e.id = l.parent JOIN call c "
                         "ON c.event = e.id WHERE l.kind = 10 AND l.launch IS NULL AND c.source = "
                         "?1 AND l.dur IS NOT NULL",
                         log),
                     0);
    assert_in_range(ask(db,
                        "SELECT count(*) FROM event e JOIN track t ON t.id = e.track WHERE e.flags "
                        "= 1 AND t.name = (SELECT id FROM string WHERE text = 't' || ?1)",
                        thread),
                    0, 3);
}

static void check(int64_t recovered)
{
    sqlite3 *db;
    struct doctor d = {.tell = tell};
    (void)recovered;
    assert_int_equal(doctor_run(path, &d), ERR_OK);
    assert_int_equal(d.n_wrong, 0);
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    for (int i = 0; i < THREADS; i++) check_thread(db, i);
    assert_int_equal(ask(db, "SELECT value = 'recovered' FROM meta WHERE key = 'state'", 0), 1);
    assert_int_equal(ask(db, "SELECT count(*) FROM meta WHERE key GLOB 'ring*'", 0), 0);
    assert_int_equal(ask(db, "SELECT count(*) FROM loss", 0), 0);
    store_close(db);
}

static void loses_nothing_that_was_whole(void **state)
{
    (void)state;
    uint64_t random = 12345;
    int64_t n, recovered = 0;
    ended = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(ended != MAP_FAILED);
    for (int round = 0; round < ROUNDS; round++) {
        strcpy(path, "/tmp/plumb_kill_XXXXXX");
        close(mkstemp(path));
        for (int i = 0; i < THREADS; i++) ended[i] = 0;
        pid_t child = fork();
        if (!child) program();
        while (!ended[0] || !ended[1]) usleep(500);
        random = random * 6364136223846793005u + 1442695040888963407u;
        usleep((unsigned)(random >> 33) % LONGEST_US);
        assert_int_equal(cap_recover(path, &n), ERR_REFUSED);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        enum err err = cap_recover(path, &n);
        if (err) print_message("%s\n", err_text());
        assert_int_equal(err, ERR_OK);
        recovered += n;
        check(n);
        unlink(path);
    }
    assert_true(recovered > 0);
    munmap((void *)ended, 4096);
}

/* Killed behind the start of the trace and before the first reading of the clock. */
static void ends_what_had_only_begun(void **state)
{
    (void)state;
    char rings[96];
    const uint32_t none = 0;
    int64_t n;
    strcpy(path, "/tmp/plumb_kill_XXXXXX");
    close(mkstemp(path));
    pid_t child = fork();
    if (!child) {
        struct cap_options o = {.path = path, .overwrite = true};
        if (cap_open(&o, &recording)) abort();
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    snprintf(rings, sizeof rings, "%s-ring", path);
    int fd = open(rings, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, &none, sizeof none, offsetof(struct ring_file, n_knots)), 4);
    close(fd);
    enum err err = cap_recover(path, &n);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(access(rings, F_OK), -1);
    struct doctor d = {.tell = tell};
    assert_int_equal(doctor_run(path, &d), ERR_OK);
    assert_int_equal(d.n_wrong, 0);
    unlink(path);
}

/* Killed before the writer saw the thread: its track has a number and no row, and the track of its
 * counter gets another. */
static void numbers_counters_behind_their_threads(void **state)
{
    (void)state;
    int64_t n, tracks = 0;
    for (int round = 0; round < 10; round++) {
        strcpy(path, "/tmp/plumb_kill_XXXXXX");
        close(mkstemp(path));
        pid_t child = fork();
        if (!child) {
            struct cap_options o = {.path = path, .overwrite = true};
            if (cap_open(&o, &recording)) abort();
            struct cap_thread *t = cap_thread(recording, "main");
            cap_counter(t, cap_word(recording, SPAN("loss")), 1.5);
            raise(SIGKILL);
        }
        waitpid(child, NULL, 0);
        enum err err = cap_recover(path, &n);
        if (err) print_message("%s\n", err_text());
        assert_int_equal(err, ERR_OK);
        sqlite3 *db;
        assert_int_equal(store_open_read(path, STORE_OPEN_UNCHECKED, &db), ERR_OK);
        assert_int_equal(store_int(db, "SELECT count(*) FROM counter WHERE value = 1.5", &n),
                         ERR_OK);
        assert_int_equal(n, 1);
        assert_int_equal(store_int(db, "SELECT count(*) FROM track", &tracks), ERR_OK);
        assert_int_equal(tracks, 2);
        store_close(db);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loses_nothing_that_was_whole),
                                       cmocka_unit_test(ends_what_had_only_begun),
                                       cmocka_unit_test(numbers_counters_behind_their_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
