/* bench_diff.c - from two traces to a verdict: how long, and in how much memory.
 *
 *     bench_diff FOLDER [CALLS [keep]]
 *
 * Two traces of so many operators (a million) with an argument and a result each, in modules of
 * ten operators and steps of a thousand. In B one bit of a result in the middle differs, and every
 * digest after it. `keep` leaves the traces there and takes them when they are there already.
 *
 * Each part is measured by its public function in a process of its own, then all of it by
 * diff_compare. Loading reads both sides at once, as diff_compare does.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/diff/diff.h"
#include "store/writer.h"

enum { STEP_SIZE = 1000, MODULE_SIZE = 10, BATCH = 4000, N_OPS = 12, N_MODULES = 64 };

static char paths[2][4096];
static uint32_t n_calls;

static void die(const char *what)
{
    fprintf(stderr, "bench_diff: %s: %s\n", what, err_text());
    exit(1);
}

/* ---- traces ---- */

struct words {
    int64_t op[N_OPS], args[N_OPS], output, kwargs, module[N_MODULES], header, f32, shape, stride;
    int64_t form, argument, result, device;
};

static struct words make_words(struct store_writer *w)
{
    static const char *const ops[N_OPS] = {
        "aten::mm",         "aten::add.Tensor", "aten::relu",  "aten::t",
        "aten::mul.Tensor", "aten::gelu",       "aten::addmm", "aten::view",
        "aten::sub.Tensor", "aten::div.Tensor", "aten::exp",   "aten::tanh"};
    struct words words = {.output = store_word(w, SPAN("  ->  t: f32[128, 128]")),
                          .kwargs = store_word(w, SPAN("")),
                          .header = store_word(w, SPAN("nn.Mod")),
                          .f32 = store_word(w, SPAN("f32")),
                          .shape = store_word(w, SPAN("[128, 128]")),
                          .stride = store_word(w, SPAN("[128, 1]")),
                          .form = store_word(w, SPAN("t")),
                          .argument = store_word(w, SPAN("[0][0]")),
                          .result = store_word(w, SPAN("")),
                          .device = store_word(w, SPAN("cpu"))};
    for (int i = 0; i < N_OPS; i++) {
        char args[64];
        snprintf(args, sizeof args, "t: f32[128, 128], %d", i);
        words.op[i] = store_word(w, span_of(ops[i]));
        words.args[i] = store_word(w, span_of(args));
    }
    for (int i = 0; i < N_MODULES; i++) {
        char name[64];
        snprintf(name, sizeof name, "Net.layers.%d.up", i);
        words.module[i] = store_word(w, span_of(name));
    }
    return words;
}

struct maker {
    struct store_writer *w;
    struct store_batch *batch;
    struct words words;
    int64_t step, module, position;
    bool differs;
};

static void put_line(struct maker *m, int kind, int64_t name, int64_t parent, int64_t args,
                     int64_t *out)
{
    int64_t id = *out = store_next_id(m->w, STORE_EVENT);
    struct row_event e = {
        .id = id, .ts = id * 1000, .dur = 500, .kind = kind, .name = name, .parent = parent};
    struct row_call c = {.event = id,
                         .source = 1,
                         .position = m->position,
                         .depth = 1,
                         .args = args,
                         .kwargs = kind == 3 ? m->words.kwargs : 0,
                         .output = kind == 3 ? m->words.output : 0};
    if (store_event_add(m->batch, &e)) die("event");
    if (kind == 13) return;
    m->position++;
    if (store_call_add(m->batch, &c)) die("call");
}

static int64_t digest_of(int64_t tensor, bool differs)
{
    return (int64_t)((uint64_t)(tensor + 1) * 0x9e3779b97f4a7c15u) ^ differs;
}

static void put_use(struct maker *m, int64_t event, int phase, int64_t tensor, bool differs)
{
    const struct words *w = &m->words;
    struct row_tensor_use u = {.event = event,
                               .position = phase ? 0 : 1,
                               .phase = phase,
                               .arg = phase ? w->result : w->argument,
                               .tensor = tensor,
                               .form = w->form,
                               .dtype = w->f32,
                               .shape = w->shape,
                               .stride = w->stride,
                               .device = w->device,
                               .hash_kind = DIFF_PKM64,
                               .digest = digest_of(tensor, differs),
                               .part = STORE_NULL,
                               .nans = 0,
                               .infs = 0,
                               .low = -1.25,
                               .high = 1.5 + (double)tensor,
                               .total = 0.1 * (double)tensor,
                               .magnitude = 0.7,
                               .squares = 0.3,
                               .version = 0};
    if (store_tensor_use_add(m->batch, &u)) die("tensor");
}

static void put_call(struct maker *m, uint32_t i)
{
    int64_t event;
    char name[32];
    if (i % STEP_SIZE == 0) {
        snprintf(name, sizeof name, "step %u", i / STEP_SIZE);
        put_line(m, 13, store_word(m->w, span_of(name)), 0, 0, &m->step);
    }
    if (i % MODULE_SIZE == 0)
        put_line(m, 8, m->words.module[i / MODULE_SIZE % N_MODULES], m->step, m->words.header,
                 &m->module);
    put_line(m, 3, m->words.op[i % N_OPS], m->module, m->words.args[i % N_OPS], &event);
    put_use(m, event, 1, i + 1, m->differs && i >= n_calls / 2);
    put_use(m, event, 0, i, m->differs && i > n_calls / 2);
}

static void new_batch(struct maker *m)
{
    if (m->batch && store_submit(m->w, m->batch)) die("submit");
    m->batch = store_batch_new();
    if (!m->batch) die("batch");
}

static void make_trace(const char *path, bool differs)
{
    sqlite3 *db;
    struct maker m = {.differs = differs};
    if (store_create(path, &db) || store_writer_new(db, &m.w)) die(path);
    m.words = make_words(m.w);
    new_batch(&m);
    struct row_run run = {.id = 1, .name = SPAN("bench"), .start_ts = 0};
    struct row_source_file file = {
        .id = 1, .run = 1, .name = SPAN("main"), .rank = STORE_NULL, .state = SPAN("complete")};
    if (store_run_add(m.batch, &run) || store_source_file_add(m.batch, &file)) die("log");
    for (uint32_t i = 0; i < n_calls; i++) {
        if (i % BATCH == 0) new_batch(&m);
        put_call(&m, i);
    }
    struct row_call_log log = {.source = 1, .format = SPAN("live"), .calls = m.position};
    if (store_call_log_add(m.batch, &log) || store_submit(m.w, m.batch) ||
        store_writer_close(m.w, "closed"))
        die(path);
}

/* ---- figures ---- */

static double since(int64_t start)
{
    return (double)(clock_mono() - start) / 1e9;
}

static double peak_mib(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)use.ru_maxrss / 1024;
}

struct reading {
    struct diff_side side;
    sqlite3 *db;
    struct diff_logs logs;
};

static void *read_side(void *context)
{
    struct reading *r = context;
    if (store_open_read(r->side.file, STORE_OPEN_NO_VIEWS, &r->db) ||
        diff_load(r->db, &r->side, &r->logs))
        die(r->side.file);
    return NULL;
}

static void measure_parts(void)
{
    struct reading r[2] = {{.side = {.rank = -1}}, {.side = {.rank = -1}}};
    pthread_t other;
    int64_t start = clock_mono();
    for (int k = 0; k < 2; k++) r[k].side.file = paths[k];
    if (pthread_create(&other, NULL, read_side, &r[1])) die("thread");
    read_side(&r[0]);
    pthread_join(other, NULL);
    struct diff_stream *a = &r[0].logs.stream.p[0], *b = &r[1].logs.stream.p[0];
    printf("  loading both sides at once  %8.3f s  (%u operators, %u tensors, %zu scopes each; "
           "peak %.0f MiB)\n",
           since(start), a->n_calls, a->n_uses, a->scopes.n, peak_mib());
    start = clock_mono();
    if (diff_join(a, b)) die("join");
    printf("  joining                     %8.3f s\n", since(start));
    struct diff_pairs pairs;
    struct diff_verdicts verdicts;
    start = clock_mono();
    if (diff_align(a, b, NULL, &pairs)) die("align");
    printf("  aligning                    %8.3f s\n", since(start));
    start = clock_mono();
    if (diff_judge(a, b, &pairs, NULL, &verdicts)) die("judge");
    printf("  judging                     %8.3f s  (peak %.0f MiB)\n", since(start), peak_mib());
}

static void measure_whole(void)
{
    struct diff_options options = {0};
    struct diff_comparison c;
    struct buf sentence = {0};
    int64_t start = clock_mono();
    if (diff_compare(paths[0], paths[1], &options, &c)) die("compare");
    diff_sentence(&c, &sentence);
    printf("  all, to a verdict           %8.3f s  (peak %.0f MiB)\n  %s\n", since(start),
           peak_mib(), sentence.p);
}

/* In a process of its own: its peak is its own. */
static void apart(void (*work)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
        work();
        fflush(stdout);
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) < 0 || status) exit(1);
}

static void make_traces(void)
{
    for (int k = 0; k < 2; k++)
        if (access(paths[k], R_OK)) make_trace(paths[k], k);
}

int main(int argc, char **argv)
{
    bool keep = argc > 3 && !strcmp(argv[3], "keep");
    n_calls = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
    for (int k = 0; k < 2; k++) {
        snprintf(paths[k], sizeof paths[k], "%s/bench_diff_%u_%c.db", argc > 1 ? argv[1] : ".",
                 n_calls, "ab"[k]);
        if (!keep) unlink(paths[k]);
    }
    apart(make_traces);
    printf("2 x %u operators\n", n_calls);
    apart(measure_parts);
    apart(measure_whole);
    for (int k = 0; k < 2 && !keep; k++) unlink(paths[k]);
    return 0;
}
