/* test_cap_structured.c - what a compiler tells becomes a log of the live trace, and comes back. */
#include "tests/unit/cap_unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "capture/import.h"
#include "store/base/clock.h"
#include "store/text.h"

#define NO_PAYLOAD SPAN_NONE

static void tell(struct cap *c, const char *envelope, struct span payload)
{
    enum err err = cap_structured(c, span_of(envelope), payload, "compile/log.c", 12);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* Bytes of the log. */
static void read_log(struct buf *out)
{
    sqlite3 *db;
    struct text_reader *text;
    int64_t source = ask("SELECT id FROM source_file WHERE name = 'plumb_compiles.log'"),
            size = ask("SELECT size FROM source_file WHERE name = 'plumb_compiles.log'");
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    assert_int_equal(text_reader_new(db, &text), ERR_OK);
    assert_int_equal(text_read(text, source, 0, size, out), ERR_OK);
    assert_int_equal(out->n, size);
    text_reader_free(text);
    store_close(db);
}

static void chromium(struct cap *c, char ph)
{
    char event[160];
    snprintf(event, sizeof event,
             "{\n\"name\": \"compile\",\n\"ts\": %.3f,\n\"args\": {},\n\"ph\": \"%c\",\n\"pid\": "
             "0,\n\"tid\": 0\n}",
             (double)clock_real() / 1e3, ph);
    tell(c, "{\"chromium_event\": {}}", span_of(event));
}

/* Imports the log that the trace holds as a trace of its own, which `ask` then asks. */
static void import_again(const struct buf *log)
{
    char name[80], *paths[] = {name};
    struct import_counts counts = {0};
    snprintf(name, sizeof name, "%s.log", path);
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, log->p, log->n), log->n);
    close(fd);
    struct import_request request = {.paths = paths, .n_paths = 1};
    struct import_target to = {.path = path, .overwrite = true};
    assert_int_equal(import_to_file(&to, &request, &counts), ERR_OK);
    assert_int_equal(import_strict_losses(&counts, false), 0);
    unlink(name);
}

static const char payload[] = "class GraphModule(torch.nn.Module):\n\n    pass\r\n\tdeep\n";

/* Whatever a payload holds, the log is read without loss and gives it back. */
static void comes_back_byte_for_byte(void **state)
{
    static const char sql[] =
        "SELECT count(*) FROM artifact WHERE flags = 0 AND (SELECT text FROM string WHERE id = "
        "name) IN ('empty', 'text', 'bad') AND compile = 1";
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct buf log = {0};
    chromium(c, 'B');
    tell(c, "{\"dynamo_start\": {\"stack\": []}, \"frame_id\": 0, \"frame_compile_id\": 1}",
         NO_PAYLOAD);
    tell(c, "{\"dynamo_output_graph\": {}, \"frame_id\": 0, \"frame_compile_id\": 1}",
         span_of(payload));
    tell(c,
         "{\"artifact\": {\"name\": \"empty\", \"encoding\": \"string\"}, \"frame_id\": 0, "
         "\"frame_compile_id\": 1, \"attempt\": 0} ",
         SPAN(""));
    tell(c,
         "{\"artifact\": {\"name\": \"text\", \"encoding\": \"string\"}, \"frame_id\": 0, "
         "\"frame_compile_id\": 1, \"attempt\": 0}",
         SPAN("\n\n"));
    tell(c,
         "{\"artifact\": {\"name\": \"bad\", \"encoding\": \"string\"}, \"frame_id\": 0, "
         "\"frame_compile_id\": 1, \"attempt\": 0}",
         ((struct span){"a\0b\xff", 4}));
    chromium(c, 'E');
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    assert_int_equal(ask("SELECT count(*) FROM run"), 1);
    assert_int_equal(ask("SELECT count(*) FROM process"), 1);
    assert_int_equal(ask("SELECT n_records FROM source_file WHERE process = 1 AND state = "
                         "'complete' AND zone_ns = 0"),
                     7);
    assert_int_equal(ask(sql), 3);
    assert_int_equal(ask("SELECT artifact_text(id) = 'class GraphModule(torch.nn.Module):' || "
                         "char(10, 10) || '    pass' || char(13, 10, 9) || 'deep' || char(10) "
                         "FROM artifact WHERE key = (SELECT id FROM string WHERE text = "
                         "'dynamo_output_graph')"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE kind = 1 AND dur >= 0 AND flags = 0"),
                     1);
    assert_int_equal(ask("SELECT abs(min(ts) - (SELECT start_ts FROM run)) < 60000000000 FROM "
                         "artifact"),
                     1);
    int64_t start = ask("SELECT start_ts FROM compile");
    read_log(&log);
    import_again(&log);
    assert_int_equal(ask(sql), 3);
    assert_int_equal(ask("SELECT start_ts FROM compile"), start);
    assert_int_equal(ask("SELECT n_records FROM source_file"), 7);
    buf_release(&log);
    unlink(path);
}

static void refuses_what_is_no_envelope(void **state)
{
    static const char *const bad[] = {"", "[]", "{", "{\"a\":\n1}", "x{}"};
    (void)state;
    struct cap *c = record((struct cap_options){0});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(cap_structured(c, span_of(bad[i]), NO_PAYLOAD, "a.c", 1), ERR_USAGE);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM source_file"), 0);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

/* Beside calls: both number their events, and none twice. */
static void is_seen_while_it_is_written(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    for (int i = 0; i < 3; i++) {
        mlp(c, t);
        chromium(c, 'B');
        chromium(c, 'E');
        tell(c,
             "{\"artifact\": {\"name\": \"text\", \"encoding\": \"string\"}, \"frame_id\": 0, "
             "\"frame_compile_id\": 0, \"attempt\": 0}",
             SPAN("a"));
        assert_int_equal(cap_flush(c), ERR_OK);
        assert_int_equal(ask("SELECT count(*) FROM artifacts WHERE name = 'text'"), i + 1);
        assert_int_equal(ask("SELECT count(*) FROM event"), 5 * (i + 1));
    }
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM compile"), 1);
    unlink(path);
}

enum { THREADS = 4, EACH = 300 };

static void *teller(void *context)
{
    struct cap *c = context;
    static _Atomic int number;
    int me = number++;
    char envelope[160], text[4096];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < EACH; i++) {
        snprintf(envelope, sizeof envelope,
                 "{\"artifact\": {\"name\": \"%d\", \"encoding\": \"string\"}, \"frame_id\": %d, "
                 "\"frame_compile_id\": 0, \"attempt\": 0}",
                 i, me);
        tell(c, envelope, (struct span){text, (size_t)i * 13});
    }
    return NULL;
}

static void threads_tell_in_order(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, teller, c), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM artifact"), THREADS * EACH);
    assert_int_equal(ask("SELECT count(*) FROM compile"), THREADS);
    assert_int_equal(ask("SELECT count(*) FROM (SELECT CAST(s.text AS INTEGER) AS n, row_number() "
                         "OVER (PARTITION BY compile ORDER BY a.id) - 1 AS k FROM artifact a JOIN "
                         "string s ON s.id = a.name) WHERE n <> k"),
                     0);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    unlink(path);
}

static void leaves_a_child_alone(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    tell(c, "{\"a\": 1}", NO_PAYLOAD);
    pid_t child = fork();
    if (!child) {
        tell(c, "{\"a\": 2}", NO_PAYLOAD);
        _exit(cap_close(c, 0));
    }
    wait_well(child);
    finish(c);
    assert_int_equal(ask("SELECT n_records FROM source_file"), 1);
    unlink(path);
}

static void tell_and_lose(struct cap *c)
{
    for (int i = 0; i < 5; i++) tell(c, "{\"dynamo_start\": {}, \"frame_id\": 0}", NO_PAYLOAD);
    if (cap_flush(c)) _exit(1);
    /* as if the drain had not come to it */
    atomic_fetch_add(&c->ring.file->n_structured, 2);
}
/* What was committed stays; what waited in memory is counted. */
static void counts_what_a_kill_takes(void **state)
{
    (void)state;
    int64_t n;
    run_killed((struct cap_options){0}, tell_and_lose);
    assert_int_equal(cap_recover(path, &n), ERR_OK);
    assert_int_equal(ask("SELECT n_records FROM source_file"), 5);
    assert_int_equal(ask("SELECT count FROM loss WHERE kind = 'log'"), 2);
    unlink(path);
}

static void survives_a_full_disk(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct rlimit old, low = {3 << 20, RLIM_INFINITY};
    struct cap *c = record((struct cap_options){.ring_size = 65536});
    struct buf noise = {0};
    uint64_t x = 1;
    for (int i = 0; i < 4000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        buf_printf(&noise, "%llx\n", (unsigned long long)x);
    }
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &low);
    for (int i = 0; i < N; i++)
        tell(c, "{\"dynamo_output_graph\": {}, \"frame_id\": 0, \"frame_compile_id\": 0}",
             buf_text(&noise));
    assert_int_not_equal(cap_flush(c), ERR_OK);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_not_equal(cap_close(c, 0), ERR_OK);
    int64_t there = ask("SELECT coalesce(sum(n_records), 0) FROM source_file");
    assert_in_range(there, 0, N - 1);
    assert_int_equal(ask("SELECT count FROM loss WHERE kind = 'log'"), N - there);
    assert_int_equal(ask("SELECT count(*) FROM meta WHERE key = 'state' AND value = 'closed'"), 1);
    buf_release(&noise);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_byte_for_byte),
        cmocka_unit_test(refuses_what_is_no_envelope),
        cmocka_unit_test(is_seen_while_it_is_written),
        cmocka_unit_test(threads_tell_in_order),
        cmocka_unit_test(leaves_a_child_alone),
        cmocka_unit_test(counts_what_a_kill_takes),
        cmocka_unit_test(survives_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
