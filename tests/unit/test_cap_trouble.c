/* test_cap_trouble.c - recording under trouble: full rings and disks, many threads, children. */
#include "tests/unit/cap_unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A full ring drops calls whole: what is there is complete, the rest is counted. */
static void drops_whole_calls(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct cap *c = record((struct cap_options){.ring_size = 16384});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 2, 0), name = word(c, "aten::add"), mod = word(c, "nn.Mod");
    for (int i = 0; i < N / 10; i++) {
        cap_begin(t, CAP_MODULE, mod, mod, 0);
        for (int k = 0; k < 10; k++) {
            cap_begin(t, CAP_OP, name, 0, 0);
            use(t, 1, f, CAP_ARGUMENT);
            use(t, 1, f, CAP_ARGUMENT);
            use(t, 2, f, CAP_RESULT);
            cap_end(t);
        }
        cap_end(t);
    }
    finish(c);
    int64_t lost = ask("SELECT coalesce(sum(count), 0) FROM loss WHERE kind = 'ring'"),
            there = ask("SELECT count(*) FROM event");
    assert_int_equal(there + lost, N + N / 10);
    assert_true(lost > 0);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags <> 0"), 0);
    assert_int_equal(ask("SELECT count(*) FROM event e WHERE kind = 3 AND 3 <> (SELECT count(*) "
                         "FROM tensor_use u WHERE u.event = e.id)"),
                     0);
    assert_int_equal(ask("SELECT count(*) FROM health WHERE subject = 'loss.ring'"), 1);
    unlink(path);
}

static void waits_when_told_to(void **state)
{
    (void)state;
    enum { N = 30000 };
    struct cap *c = record((struct cap_options){.ring_size = 16384, .wait = true});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t name = word(c, "aten::add"), f = form(c, DTYPE_F32, 1, 2, 0);
    for (int i = 0; i < N; i++) {
        cap_begin(t, CAP_OP, name, 0, 0);
        use(t, (uint64_t)i + 1, f, CAP_RESULT);
        cap_end(t);
    }
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags = 0"), N);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    assert_int_equal(ask("SELECT max(tensor) FROM tensor_use"), N - 1);
    assert_int_equal(ask("SELECT calls FROM call_log"), N);
    unlink(path);
}

static void is_seen_while_it_is_written(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    mlp(c, t);
    cap_begin(t, CAP_MODULE, word(c, "open"), word(c, "nn.Mod"), 0);
    for (int i = 0; i < 100 && ask("SELECT count(*) FROM event") < 5; i++) usleep(10000);
    assert_int_equal(ask("SELECT count(*) FROM calls"), 5);
    cap_end(t);
    assert_int_equal(cap_flush(c), ERR_OK);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE dur IS NULL"), 0);
    finish(c);
    unlink(path);
}

static void *one_thread(void *context)
{
    struct cap *c = context;
    struct cap_thread *t = cap_thread(c, "worker");
    for (int i = 0; i < 20; i++) mlp(c, t);
    if (cap_begin(t, CAP_SPAN, word(c, "last"), 0, 0) % 2) cap_thread_end(t);
    return NULL;
}

static void has_a_log_per_thread(void **state)
{
    (void)state;
    enum { ROUNDS = 10, N = 100 };
    struct cap *c = record((struct cap_options){.wait = true});
    pthread_t threads[N];
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < N; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, one_thread, c), 0);
        for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
    }
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM call_log"), ROUNDS * N);
    assert_int_equal(ask("SELECT count(DISTINCT name) FROM source_file"), ROUNDS * N);
    assert_int_equal(ask("SELECT min(calls) FROM call_log"), 80);
    assert_int_equal(ask("SELECT count(*) FROM event"), ROUNDS * N * 81);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags = 1"), ROUNDS * N);
    unlink(path);
}

static void leaves_a_child_alone(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    mlp(c, t);
    pid_t child = fork();
    if (!child) {
        mlp(c, t);
        mlp(c, cap_thread(c, "main"));
        _exit(cap_flush(c) || cap_close(c, 0));
    }
    wait_well(child);
    mlp(c, t);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event"), 8);
    unlink(path);
}

static void leave_calls_open(struct cap *c)
{
    struct cap_thread *t = cap_thread(c, "main");
    cap_begin(t, CAP_MODULE, word(c, "outer"), word(c, "nn.Mod"), 0);
    mlp(c, t);
    if (cap_flush(c)) _exit(1);
    cap_begin(t, CAP_OP, word(c, "aten::late"), 0, 0);
    use(t, 5, form(c, DTYPE_F32, 1, 3, 0), CAP_ARGUMENT);
}
/* What a killed program leaves is taken in once, with its open calls. */
static void recovers_what_was_left(void **state)
{
    (void)state;
    int64_t n;
    run_killed((struct cap_options){.ids = true}, leave_calls_open);
    enum err err = cap_recover(path, &n);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
    assert_int_equal(cap_recover(path, &n), ERR_NOT_FOUND);
    assert_int_equal(ask("SELECT count(*) FROM event"), 6);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags = 1"), 2);
    expect_text(1, "    [nn.Mod] outer\n"
                   "      [nn.Mod] Mlp\n"
                   "        [nn.Mod] Mlp.fc1\n"
                   "          aten::t(t$0: f32[16, 8])  ->  t$1: f32[8, 16]\n"
                   "          aten::addmm(t$2: f32[16], t$3: f32[3, 8], t$1: f32[8, 16])  ->  "
                   "t$4: f32[3, 16]\n"
                   "      aten::late(t$0: f32[3])\n");
}

static void fill_an_open_call(struct cap *c)
{
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 3, 0);
    struct cap_digest d = {.kind = CAP_NORM};
    cap_begin(t, CAP_OP, word(c, "aten::outer"), 0, 0);
    cap_begin(t, CAP_OP, word(c, "aten::inner"), 0, 0);
    uint32_t slot = use(t, 5, f, CAP_RESULT);
    cap_end(t);
    cap_alloc(t, 0x1000, 64);
    cap_counter(t, word(c, "loss"), 0.5);
    cap_sync(t, 20);
    for (int part = 0; part < 2; part++) cap_digest(t, slot, part, &d);
    if (cap_flush(c)) _exit(1);
    cap_alloc(t, 0x1000, -64);
    cap_counter(t, word(c, "loss"), 0.25);
}
/* A call that is open is read again from its begin: what it holds and the trace has already comes
 * only once. */
static void recovers_once_what_an_open_call_holds(void **state)
{
    (void)state;
    int64_t n;
    run_killed((struct cap_options){0}, fill_an_open_call);
    assert_int_equal(cap_recover(path, &n), ERR_OK);
    assert_int_equal(ask("SELECT count(*) FROM call"), 2);
    assert_int_equal(ask("SELECT count(*) FROM event"), 3);
    assert_int_equal(ask("SELECT count(*) FROM alloc"), 2);
    assert_int_equal(ask("SELECT sum(bytes) FROM alloc"), 0);
    assert_int_equal(ask("SELECT count(*) FROM counter"), 2);
    assert_int_equal(ask("SELECT count(DISTINCT track) FROM counter"), 1);
    assert_int_equal(ask("SELECT count(*) FROM tensor_use"), 2);
    unlink(path);
}

/* A disk without room: here a limit on the size of files. Recording goes on and counts. */
static void survives_a_full_disk(void **state)
{
    (void)state;
    enum { N = 40000 };
    struct rlimit old, low = {3 << 20, RLIM_INFINITY};
    struct cap *c = record((struct cap_options){.ring_size = 65536, .wait = true, .ids = true});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t name = word(c, "aten::add"), f = form(c, DTYPE_F32, 1, 2, 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &low);
    for (int i = 0; i < N; i++) {
        cap_begin(t, CAP_OP, name, 0, 0);
        use(t, (uint64_t)i + 1, f, CAP_RESULT);
        cap_end(t);
        cap_sync(t, 1);
    }
    assert_int_not_equal(cap_flush(c), ERR_OK);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_not_equal(cap_close(c, 0), ERR_OK);
    int64_t there = ask("SELECT count(*) FROM event");
    assert_in_range(there, 1, 2 * N - 1);
    assert_int_equal(ask("SELECT count FROM loss WHERE kind = 'disk'"), 2 * N - there);
    assert_int_equal(ask("SELECT count(*) FROM meta WHERE key = 'state' AND value = 'closed'"), 1);
    assert_int_equal(ask("SELECT count(*) FROM source_file WHERE state = 'interrupted'"), 1);
    assert_false(ring_is_held(path));
    unlink(path);
}

static void refuses_what_it_cannot_write(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0}), *other;
    struct cap_options o = {.path = "/nonexistent/folder/t.db"};
    assert_int_not_equal(cap_open(&o, &other), ERR_OK);
    assert_non_null(strstr(err_text(), "/nonexistent/folder/t.db"));
    o.path = path;
    assert_int_equal(cap_open(&o, &other), ERR_EXISTS);
    o.overwrite = true;
    assert_int_equal(cap_open(&o, &other), ERR_REFUSED);
    mlp(c, cap_thread(c, "main"));
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event"), 4);
    unlink(path);
}

/* Calls deeper than there are levels are dropped, and the others still nest. */
static void bears_any_nesting(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.wait = true});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t mod = word(c, "nn.Mod");
    cap_end(t);
    for (int i = 0; i < 2 * CAP_LEVELS; i++) cap_begin(t, CAP_MODULE, mod, mod, 0);
    for (int i = 0; i < 2 * CAP_LEVELS + 5; i++) cap_end(t);
    mlp(c, t);
    cap_begin(NULL, CAP_OP, mod, 0, 0);
    cap_end(NULL);
    cap_counter(NULL, mod, 1);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags = 0"), CAP_LEVELS + 4);
    assert_int_equal(ask("SELECT sum(count) FROM loss"), CAP_LEVELS);
    assert_int_equal(ask("SELECT max(depth) FROM call"), CAP_LEVELS);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE parent IS NULL"), 2);
    unlink(path);
}

/* ---- a slow writer ---- */

static void wait_for_gate(void *context)
{
    sem_wait(context);
}

/* Until the drain has sent what is recorded now: a pass begins with a reading of the clock, and of
 * readings 5 ms apart each has its place. The pass that goes on now may have missed it, the next
 * has sent it when one more begins. */
static void wait_for_passes(struct cap *c)
{
    uint32_t n = c->ring.file->n_knots;
    while (c->ring.file->n_knots < n + 3) usleep(1000);
}

/* Several batches wait for a commit, with digests that came after their calls: then all the room of
 * their records is given back, and stays so. */
static void gives_all_room_back(void **state)
{
    (void)state;
    enum { BATCHES = 4, CALLS = 50 };
    sem_t gate;
    struct cap *c = record((struct cap_options){.ring_size = 1 << 16});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t name = word(c, "aten::add"), f = form(c, DTYPE_F32, 1, 2, 0), slot = 0;
    struct store_batch *slow = store_batch_new();
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    slow->on_written = wait_for_gate;
    slow->context = &gate;
    assert_int_equal(store_submit(c->writer, slow), ERR_OK);
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < CALLS; i++) {
            struct cap_digest d = {.kind = CAP_PKM64, .bits = 7};
            cap_digest(t, slot, 0, &d);
            cap_begin(t, CAP_OP, name, 0, 0);
            slot = use(t, 1, f, CAP_RESULT);
            cap_end(t);
        }
        wait_for_passes(c);
    }
    assert_int_equal(t->head->tail, 0);
    sem_post(&gate);
    assert_int_equal(cap_flush(c), ERR_OK);
    assert_int_equal(t->head->tail, t->head->head);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM tensor_use WHERE digest = 7"), BATCHES * CALLS - 1);
    assert_int_equal(ask("SELECT count(*) FROM loss"), 0);
    sem_destroy(&gate);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_whole_calls),
        cmocka_unit_test(waits_when_told_to),
        cmocka_unit_test(gives_all_room_back),
        cmocka_unit_test(is_seen_while_it_is_written),
        cmocka_unit_test(has_a_log_per_thread),
        cmocka_unit_test(leaves_a_child_alone),
        cmocka_unit_test(recovers_what_was_left),
        cmocka_unit_test(recovers_once_what_an_open_call_holds),
        cmocka_unit_test(survives_a_full_disk),
        cmocka_unit_test(refuses_what_it_cannot_write),
        cmocka_unit_test(bears_any_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
