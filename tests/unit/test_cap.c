/* test_cap.c - recording through cap.h: rows, text, drops, waiting, threads, fork. */
#include "capture/cap.h"
#include "capture/cap_state.h"
#include "capture/debug_rows.h"
#include "store/db.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static struct cap *record(struct cap_options o)
{
    struct cap *c;
    strcpy(path, "/tmp/plumb_cap_XXXXXX");
    close(mkstemp(path));
    o.path = path;
    o.overwrite = true;
    assert_int_equal(cap_open(&o, &c), ERR_OK);
    return c;
}

static void finish(struct cap *c)
{
    enum err err = cap_close(c, 0);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

static int64_t ask(const char *sql)
{
    sqlite3 *db;
    int64_t n = -1;
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    if (store_int(db, sql, &n)) print_message("%s\n", err_text());
    store_close(db);
    return n;
}

static enum err collect(void *context, struct span text)
{
    buf_span(context, text);
    return ERR_OK;
}

/* The text of a log, as plumb export prints it. */
static void expect_text(int64_t source, const char *expected)
{
    sqlite3 *db;
    struct debug_rows rows;
    struct buf text = {0};
    struct debug_sink sink = {collect, &text};
    assert_int_equal(store_open_read(path, STORE_OPEN_DEFAULT, &db), ERR_OK);
    assert_int_equal(debug_rows_open(&rows, db, source), ERR_OK);
    struct debug_source from = {debug_rows_next, &rows};
    enum err err = debug_write_text(&from, (struct debug_text_style){0}, &sink);
    if (err) print_message("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
    assert_string_equal(text.p, expected);
    debug_rows_close(&rows);
    store_close(db);
    buf_release(&text);
    unlink(path);
}

static uint32_t word(struct cap *c, const char *text)
{
    return cap_word(c, span_of(text));
}

static uint32_t form(struct cap *c, enum dtype t, int n, int64_t a, int64_t b)
{
    struct view v;
    struct view_shape s = {.n = n, .size = {a, b}};
    assert_int_equal(view_dense(t, &s, &v), ERR_OK);
    return cap_form(c, &v);
}

static uint32_t use(struct cap_thread *t, uint64_t tensor, uint32_t f, enum cap_phase phase)
{
    return cap_tensor(t, &(struct cap_use){.tensor = tensor, .form = f, .phase = phase});
}

static void scalar(struct cap_thread *t, enum cap_scalar kind, int64_t i, uint32_t keyword)
{
    cap_scalar(t, &(struct cap_value){.kind = kind, .keyword = keyword, .i = i});
}

static void mlp(struct cap *c, struct cap_thread *t)
{
    uint32_t mod = word(c, "nn.Mod"), w = form(c, DTYPE_F32, 2, 16, 8),
             wt = form(c, DTYPE_F32, 2, 8, 16), b = form(c, DTYPE_F32, 1, 16, 0),
             x = form(c, DTYPE_F32, 2, 3, 8), y = form(c, DTYPE_F32, 2, 3, 16);
    cap_begin(t, CAP_MODULE, word(c, "Mlp"), mod, 0);
    cap_begin(t, CAP_MODULE, word(c, "Mlp.fc1"), mod, 0);
    cap_begin(t, CAP_OP, word(c, "aten::t"), 0, 0);
    use(t, 5, w, CAP_ARGUMENT);
    use(t, 6, wt, CAP_RESULT);
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::addmm.default"), 0, 0);
    use(t, 7, b, CAP_ARGUMENT);
    use(t, 8, x, CAP_ARGUMENT);
    use(t, 6, wt, CAP_ARGUMENT);
    use(t, 9, y, CAP_RESULT);
    cap_end(t);
    cap_end(t);
    cap_end(t);
}

static void prints_modules(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    mlp(c, cap_thread(c, "main"));
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE flags = 0 AND dur >= 0"), 4);
    assert_int_equal(ask("SELECT count(*) FROM event e JOIN event p ON p.id = e.parent WHERE p.ts "
                         "<= e.ts AND p.ts + p.dur >= e.ts + e.dur"),
                     3);
    assert_int_equal(ask("SELECT count(*) FROM tensor_use"), 6);
    assert_int_equal(ask("SELECT tensor FROM tensor_use WHERE event = 4 AND position = 2"), 1);
    expect_text(1, "    [nn.Mod] Mlp\n"
                   "      [nn.Mod] Mlp.fc1\n"
                   "        aten::t(t: f32[16, 8])  ->  t: f32[8, 16]\n"
                   "        aten::addmm(t: f32[16], t: f32[3, 8], t: f32[8, 16])  ->  "
                   "t: f32[3, 16]\n");
}

static void prints_numbers_of_tensors(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.ids = true});
    mlp(c, cap_thread(c, "main"));
    finish(c);
    expect_text(1, "    [nn.Mod] Mlp\n"
                   "      [nn.Mod] Mlp.fc1\n"
                   "        aten::t(t$0: f32[16, 8])  ->  t$1: f32[8, 16]\n"
                   "        aten::addmm(t$2: f32[16], t$3: f32[3, 8], t$1: f32[8, 16])  ->  "
                   "t$4: f32[3, 16]\n");
}

/* As in PyTorch: what stands bare outside of lists stands in quotes inside. */
static void prints_every_argument(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_BF16, 2, 2, 2), zero = form(c, DTYPE_I64, 0, 0, 0);
    cap_begin(t, CAP_OP, word(c, "aten::odd.Tensor"), 0, 0);
    scalar(t, CAP_NONE, 0, 0);
    scalar(t, CAP_BOOL, 1, 0);
    scalar(t, CAP_INT, -3, 0);
    cap_scalar(t, &(struct cap_value){.kind = CAP_REAL, .r = 1e-05});
    cap_scalar(t, &(struct cap_value){.kind = CAP_REAL, .r = 1});
    scalar(t, CAP_WORD, word(c, "ij,kj->ik"), 0);
    cap_list_begin(t, 0);
    scalar(t, CAP_INT, 1, 0);
    scalar(t, CAP_INT, 2, 0);
    cap_list_end(t);
    cap_list_begin(t, 0);
    use(t, 1, f, CAP_ARGUMENT);
    scalar(t, CAP_NONE, 0, 0);
    scalar(t, CAP_WORD, word(c, "it's"), 0);
    cap_list_end(t);
    cap_list_begin(t, 0);
    cap_list_end(t);
    scalar(t, CAP_INT, 2, word(c, "alpha"));
    scalar(t, CAP_DTYPE, DTYPE_F32, word(c, "dtype"));
    scalar(t, CAP_DEVICE, word(c, "cpu"), word(c, "device"));
    use(t, 2, f, CAP_RESULT);
    use(t, 3, zero, CAP_RESULT);
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::_local_scalar_dense"), 0, 0);
    use(t, 3, zero, CAP_ARGUMENT);
    cap_result_number(t, &(struct cap_value){.kind = CAP_REAL, .r = 2.5});
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::unbind.int"), 0, 0);
    use(t, 2, f, CAP_ARGUMENT);
    cap_list_begin(t, 0);
    use(t, 4, f, CAP_RESULT);
    use(t, 5, f, CAP_RESULT);
    cap_list_end(t);
    cap_end(t);
    cap_begin(t, CAP_ANNOTATE, word(c, "here"), word(c, "annotate"), 0);
    cap_end(t);
    cap_begin(t, CAP_ANNOTATE, word(c, "range"), word(c, "record function"), 0);
    cap_begin(t, CAP_OP, word(c, "aten::foreach_"), 0, 0);
    cap_end(t);
    cap_end(t);
    finish(c);
    expect_text(1, "    aten::odd.Tensor(None, True, -3, 1e-05, 1.0, ij,kj->ik, [1, 2], "
                   "['t: bf16[2, 2]', None, \"it's\"], [], alpha=2, dtype=torch.float32, "
                   "device=cpu)  ->  ('t: bf16[2, 2]', 't: i64[]')\n"
                   "    aten::_local_scalar_dense(t: i64[])  ->  2.5\n"
                   "    aten::unbind.int(t: bf16[2, 2])  ->  ['t: bf16[2, 2]', 't: bf16[2, 2]']\n"
                   "  [annotate] here\n"
                   "  [record function] range\n"
                   "      aten::foreach_()\n");
}

static uint64_t bits(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static void hash(struct cap_thread *t, uint32_t slot, int part, enum cap_hash kind, uint64_t b)
{
    cap_digest(t, slot, part,
               &(struct cap_digest){.kind = kind,
                                    .bits = b,
                                    .stats = kind == CAP_PKM64,
                                    .n_nan = 1,
                                    .min = -1,
                                    .max = 2,
                                    .sum = 3,
                                    .sum_abs = 4,
                                    .sum_squares = 5});
}

static void prints_hashes(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.input_hashes = true});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 2, 0);
    cap_begin(t, CAP_OP, word(c, "aten::add.Tensor"), 0, 0);
    hash(t, use(t, 1, f, CAP_ARGUMENT), 0, CAP_NORM, bits(1.5));
    scalar(t, CAP_INT, 1, 0);
    scalar(t, CAP_INT, 2, word(c, "alpha"));
    hash(t, use(t, 2, f, CAP_RESULT), 0, CAP_NORM, bits(2.25));
    cap_end(t);
    cap_begin(t, CAP_OP, word(c, "aten::max.dim"), 0, 0);
    cap_list_begin(t, 0);
    uint32_t slot = use(t, 1, f, CAP_ARGUMENT);
    hash(t, slot, 0, CAP_NORM, bits(1));
    hash(t, slot, 1, CAP_HASH_TENSOR, 18446744073709551615u);
    cap_list_end(t);
    use(t, 3, f, CAP_RESULT);
    hash(t, use(t, 4, f, CAP_RESULT), 0, CAP_PKM64, 0x1234);
    cap_remark(t, word(c, "step"), &(struct cap_value){.kind = CAP_INT, .i = 7});
    cap_end(t);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM tensor_use WHERE hash_kind = 4 AND digest = 4660 "
                         "AND nans = 1 AND infs = 0 AND low = -1 AND high = 2 AND total = 3 AND "
                         "magnitude = 4 AND squares = 5"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM first_nonfinite WHERE name = 'aten::max.dim' AND "
                         "phase = 'result' AND tensor = 3 AND nans = 1"),
                     1);
    expect_text(1, "    aten::add.Tensor(t: f32[2], 1, alpha=2)  ->  t: f32[2]  # {'input_hash': "
                   "((1.5, None), {'alpha': None}), 'hash': 2.25}\n"
                   "    aten::max.dim(['t: f32[2]'])  ->  ('t: f32[2]', 't: f32[2]')  # "
                   "{'input_hash': (([(1.0, 18446744073709551615)],), {}), 'hash': (None, "
                   "'0x0000000000001234'), 'step': 7}\n");
}

/* Digests of what is written before and after a call are rows, not text. */
static void keeps_hashes_that_are_not_shown(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t f = form(c, DTYPE_F32, 1, 2, 0);
    cap_begin(t, CAP_OP, word(c, "aten::add_.Tensor"), 0, 0);
    hash(t, use(t, 1, f, CAP_ARGUMENT), 0, CAP_NORM, bits(1.5));
    use(t, 2, f, CAP_ARGUMENT);
    hash(t, use(t, 1, f, CAP_RESULT), 0, CAP_NORM, bits(2.5));
    hash(t, use(t, 1, f, CAP_ARGUMENT_AFTER), 0, CAP_NORM, bits(2.5));
    cap_end(t);
    uint32_t late;
    cap_begin(t, CAP_OP, word(c, "aten::late"), 0, 0);
    use(t, 1, f, CAP_ARGUMENT);
    late = use(t, 3, f, CAP_RESULT);
    cap_end(t);
    hash(t, late, 0, CAP_PKM64, 99);
    hash(t, late, 1, CAP_NORM, 98);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE arg = '[0][0]' AND phase = "
                         "'after' AND digest IS NOT NULL"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE name = 'aten::late' AND phase = "
                         "'result' AND digest = 99 AND magnitude = 4"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM tensor_uses WHERE name = 'aten::late'"), 3);
    expect_text(1, "    aten::add_.Tensor(t: f32[2], t: f32[2])  ->  t: f32[2]  # {'hash': 2.5}\n"
                   "    aten::late(t: f32[2])  ->  t: f32[2]\n");
}

static void records_the_machine(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){.device = "cpu"});
    struct cap_thread *t = cap_thread(c, "main");
    struct view v;
    float values[] = {1, 2, 3, 4};
    assert_int_equal(view_dense(DTYPE_F32, &(struct view_shape){.n = 1, .size = {4}}, &v), 0);
    uint32_t f = cap_form(c, &v);
    uint64_t step = cap_begin(t, CAP_SPAN, word(c, "step 1"), 0, 0), op = 0;
    for (int i = 0; i < 3; i++) {
        op = cap_begin(t, CAP_OP, word(c, "aten::mul"), 0, 0);
        assert_int_equal(cap_launch_begin(t, &(struct cap_launch){.kernel = word(c, "k"),
                                                                  .variant = word(c, "avx2"),
                                                                  .items = 1ll << 33,
                                                                  .threads = 2,
                                                                  .bytes_read = 10}),
                         op + 1);
        cap_end(t);
        uint32_t slot = use(t, 1, f, CAP_RESULT);
        if (i == 2) assert_int_equal(cap_keep(t, slot, &v, values), ERR_OK);
        cap_done(t);
        cap_end(t);
    }
    cap_copied(t, CAP_DEVICE_TO_HOST, 100, 50);
    cap_sync(t, 20);
    cap_alloc(t, 0x1000, 64);
    cap_alloc(t, 0x1000, -64);
    cap_counter(t, word(c, "loss"), 0.5);
    cap_counter(t, word(c, "loss"), 0.25);
    cap_link(t, step, op, 1);
    cap_error(t, SPAN("shapes do not fit"));
    cap_end(t);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM launch WHERE items = 8589934592 AND threads = 2 AND "
                         "bytes_read = 10 AND flops IS NULL"),
                     1);
    assert_int_equal(ask("SELECT launches FROM top_kernels WHERE kernel = 'k'"), 3);
    assert_int_equal(ask("SELECT count(*) FROM launches WHERE operator = 'aten::mul' AND variant = "
                         "'avx2' AND dur >= 0"),
                     3);
    assert_int_equal(ask("SELECT count(*) FROM event WHERE kind = 13"), 1);
    assert_int_equal(ask("SELECT bytes FROM copies WHERE kind = 'device to host' AND dur = 50"),
                     100);
    assert_int_equal(ask("SELECT count(*) FROM syncs WHERE kind = 'device' AND dur = 20"), 1);
    assert_int_equal(ask("SELECT in_use FROM allocations WHERE id = 2"), 0);
    assert_int_equal(ask("SELECT count(*) FROM counters WHERE name = 'loss' AND within = 'step 1'"),
                     2);
    assert_int_equal(ask("SELECT count(*) FROM links WHERE kind = 'backward' AND src_name = 'step "
                         "1' AND dst_name = 'aten::mul'"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM errors WHERE message = 'shapes do not fit'"), 1);
    assert_int_equal(ask("SELECT size FROM artifact a JOIN tensor_use u ON u.artifact = a.id"), 16);
    assert_int_equal(ask("SELECT count(*) FROM meta WHERE key GLOB 'ring*'"), 0);
    unlink(path);
}

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
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    mlp(c, t);
    finish(c);
    assert_int_equal(ask("SELECT count(*) FROM event"), 8);
    unlink(path);
}

/* What a killed program leaves is taken in once, with its open calls. */
static void recovers_what_was_left(void **state)
{
    (void)state;
    int64_t n;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (!child) {
        struct cap *c = record((struct cap_options){.ids = true});
        struct cap_thread *t = cap_thread(c, "main");
        if (write(pipes[1], path, sizeof path) < 0) _exit(1);
        cap_begin(t, CAP_MODULE, word(c, "outer"), word(c, "nn.Mod"), 0);
        mlp(c, t);
        if (cap_flush(c)) _exit(1);
        cap_begin(t, CAP_OP, word(c, "aten::late"), 0, 0);
        use(t, 5, form(c, DTYPE_F32, 1, 3, 0), CAP_ARGUMENT);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(read(pipes[0], path, sizeof path), sizeof path);
    waitpid(child, NULL, 0);
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

__attribute__((noinline)) static uint32_t stack_here(struct cap *c)
{
    void *const pc[] = {__builtin_return_address(0)};
    return cap_stack(c, pc, 1);
}

/* With debug information a frame has its line and the line's text. */
static void prints_stacks(void **state)
{
    (void)state;
    struct cap *c = record((struct cap_options){0});
    struct cap_thread *t = cap_thread(c, "main");
    uint32_t stack = stack_here(c);
    int line = __LINE__ - 1;
    char expected[600];
    cap_begin(t, CAP_OP, word(c, "aten::relu"), 0, stack);
    cap_end(t);
    finish(c);
    snprintf(expected, sizeof expected,
             "    # File: %s:%d in prints_stacks, code: uint32_t stack = stack_here(c);\n"
             "    aten::relu()\n",
             __FILE__, line);
    if (ask("SELECT count(*) FROM stacks WHERE line > 0")) expect_text(1, expected);
    else assert_int_equal(ask("SELECT count(*) FROM stacks WHERE name GLOB '*0x*'"), 1);
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
    }
    assert_int_not_equal(cap_flush(c), ERR_OK);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_not_equal(cap_close(c, 0), ERR_OK);
    int64_t there = ask("SELECT count(*) FROM event");
    assert_in_range(there, 1, N - 1);
    assert_int_equal(ask("SELECT count FROM loss WHERE kind = 'disk'"), N - there);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_modules),
        cmocka_unit_test(prints_numbers_of_tensors),
        cmocka_unit_test(prints_every_argument),
        cmocka_unit_test(prints_hashes),
        cmocka_unit_test(keeps_hashes_that_are_not_shown),
        cmocka_unit_test(records_the_machine),
        cmocka_unit_test(drops_whole_calls),
        cmocka_unit_test(waits_when_told_to),
        cmocka_unit_test(is_seen_while_it_is_written),
        cmocka_unit_test(has_a_log_per_thread),
        cmocka_unit_test(leaves_a_child_alone),
        cmocka_unit_test(recovers_what_was_left),
        cmocka_unit_test(prints_stacks),
        cmocka_unit_test(survives_a_full_disk),
        cmocka_unit_test(refuses_what_it_cannot_write),
        cmocka_unit_test(bears_any_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
