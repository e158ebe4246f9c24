/* bench_compile.c - compiled functions against loops written by hand, built with the same flags, in
 * one run; what compiling costs; a training step compiled and as it is.
 *
 *     bench_compile [ROUNDS [chain|adamw|rows|compile|gpt|torch]]
 *
 * One thread. The ways take turns and the best round of each counts, so that other work on the
 * machine strikes all alike. A hand-written loop takes the arguments of printed kernels and is
 * built as they are. Where $PLUMB_TORCH_PYTHON names a Python with PyTorch, its torch.compile
 * trains the same model (gpt_torch.py).
 */
#include <dirent.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernels/prelude.h"
#include "plumb.h"
#include "runtime/backend.h"
#include "runtime/build.h"
#include "runtime/host_memory.h"
#include "runtime/print_c.h"
#include "runtime/work.h"
#include "store/base/clock.h"

enum { MI4 = 4 << 20, KI16 = 16 << 10 };
static int rounds = 15;
static char folder[] = "/tmp/plumb-bench-compile-XXXXXX";

static _Noreturn void stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_compile: %s: %s\n", what, why);
    exit(1);
}
static void must(int rc)
{
    if (rc) stop("plumb", plumb_error());
}
static void *must_have(void *p)
{
    if (!p) stop("plumb", plumb_error());
    return p;
}

/* ---- ways to do a thing, taking turns ---- */

struct way {
    void (*run)(void *context);
    void *context;
    double best_ns; /* out: of one run */
};
/* Of this thread alone: all work is its own. */
static double now(void)
{
    return (double)clock_read_(CLOCK_THREAD_CPUTIME_ID);
}
static double once(const struct way *w, int64_t times)
{
    double begin = now();
    for (int64_t i = 0; i < times; i++) w->run(w->context);
    return (now() - begin) / (double)times;
}
static void race(struct way *way, int n)
{
    int64_t times[4];
    for (int i = 0; i < n; i++) {
        once(&way[i], 1); /* compiles, touches memory */
        double one = once(&way[i], 1);
        times[i] = one < 4e6 ? (int64_t)(4e6 / one) + 1 : 1;
        way[i].best_ns = INFINITY;
    }
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++) {
            double t = once(&way[i], times[i]);
            if (t < way[i].best_ns) way[i].best_ns = t;
        }
}

/* ---- loops written by hand ---- */

enum { HAND_ARRAYS = 8 };
struct hand {
    struct print_kernel kernel;
    struct print_call call;
    int64_t number[PRINT_NUMBERS];
};
static void make_hand(struct hand *h, const char *body, int64_t n)
{
    struct buf text = {0};
    void *function;
    buf_puts(&text, prelude_c_text());
    buf_printf(&text,
               "#include <math.h>\n"
               "typedef struct { void *base[24]; const i64 *number; } x_call;\n"
               "void plumb_kernel(const x_call *a, i64 row, i64 end, i64 low, i64 high) {\n"
               "i64 n = a->number[0];\n%s}\n",
               body);
    if (build_kernel(buf_text(&text), &function)) stop("a loop by hand", err_text());
    memcpy(&h->kernel.run, &function, sizeof function);
    buf_release(&text);
    h->number[0] = n;
    h->call.number = h->number;
}
static void run_hand(void *context)
{
    struct hand *h = context;
    h->kernel.run(&h->call, 0, 1, 0, 0);
}

/* Memory as tensors have it. */
static float *numbers(int64_t n)
{
    static uint64_t state = 1;
    void *p;
    if (host_alloc(n * (int64_t)sizeof(float), &p)) stop("memory", err_text());
    for (int64_t i = 0; i < n; i++) ((float *)p)[i] = (float)work_uniform(&state);
    return p;
}
static struct plumb_tensor *kept(int n, const int64_t *size)
{
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= size[i];
    float *p = numbers(count);
    struct plumb_tensor *t = must_have(plumb_keep(plumb_tensor(PLUMB_F32, n, size, p)));
    host_free(p, count * (int64_t)sizeof *p);
    return t;
}

/* ---- compiled functions ---- */

enum { MOST_IN = 4, MOST_OUT = 4 };
struct calls {
    struct plumb_compiled *compiled;
    plumb_function plain; /* where compiled is NULL: called as it is */
    void *context;
    struct plumb_tensor *in[MOST_IN];
    int n_in, n_out;
};
static void run_calls(void *context)
{
    struct calls *c = context;
    struct plumb_tensor *out[MOST_OUT];
    must(plumb_frame_begin());
    if (c->compiled) must(plumb_compiled_call(c->compiled, c->in, c->n_in, out, c->n_out));
    else must(c->plain(c->context, c->in, c->n_in, out, c->n_out));
    plumb_frame_end();
}

/* ---- a chain of pointwise operators ---- */

static int chain(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                 int n_out)
{
    (void)n_in, (void)n_out;
    struct plumb_tensor *v = in[0];
    for (int i = 0; i < *(int *)context; i++)
        v = i % 4 == 0   ? plumb_mul(v, in[1])
            : i % 4 == 1 ? plumb_add(v, in[0])
            : i % 4 == 2 ? plumb_relu(v)
                         : plumb_sub(v, in[1]);
    out[0] = v;
    return v ? 0 : -1;
}
static void chain_by_hand(struct hand *h, int length, int64_t n)
{
    static const char *const step[] = {"v = v * y[i];", "v = v + x[i];", "v = v < 0 ? 0 : v;",
                                       "v = v - y[i];"};
    struct buf b = {0};
    buf_puts(&b, "const float *x = a->base[0], *y = a->base[1]; float *o = a->base[2];\n"
                 "_Pragma(\"GCC ivdep\") for (i64 i = 0; i < n; i++) { float v = x[i];");
    for (int i = 0; i < length; i++) buf_puts(&b, step[i % 4]);
    buf_puts(&b, "o[i] = v; }\n");
    buf_put(&b, "", 1);
    make_hand(h, b.p, n);
    buf_release(&b);
}

static void measure_chain(int length, int64_t n)
{
    struct hand hand = {0};
    struct calls calls = {.context = &length, .n_in = 2, .n_out = 1};
    chain_by_hand(&hand, length, n);
    for (int i = 0; i < 3; i++) hand.call.base[i] = numbers(n);
    for (int i = 0; i < 2; i++) calls.in[i] = kept(1, &n);
    calls.compiled = must_have(plumb_compile("chain", chain, &length, NULL));
    struct way way[] = {{run_hand, &hand, 0}, {run_calls, &calls, 0}};
    race(way, 2);
    printf("chain of %2d, %7lld elements   by hand %10.2f us   compiled %10.2f us   ratio %.2f "
           "(aim 1.15)\n",
           length, (long long)n, way[0].best_ns / 1e3, way[1].best_ns / 1e3,
           way[1].best_ns / way[0].best_ns);
    for (int i = 0; i < 3; i++) host_free(hand.call.base[i], n * (int64_t)sizeof(float));
}

/* ---- AdamW over many small tensors ---- */

enum { TENSORS = 200 };
static struct plumb_tensor *adamw_list[5][TENSORS]; /* parameter, gradient, moments, step */

static int adamw(void *context, struct plumb_tensor *const *in, int n_in, struct plumb_tensor **out,
                 int n_out)
{
    (void)context, (void)in, (void)n_in, (void)out, (void)n_out;
    plumb_no_grad_begin();
    int rc = plumb__foreach_add__scalar(adamw_list[4], TENSORS, 1);
    if (rc >= 0)
        rc = plumb__fused_adamw_(adamw_list[0], TENSORS, adamw_list[1], TENSORS, adamw_list[2],
                                 TENSORS, adamw_list[3], TENSORS, NULL, 0, adamw_list[4], TENSORS,
                                 1e-3, 0.9, 0.999, 0.01, 1e-8, false, false);
    plumb_no_grad_end();
    return rc < 0 ? -1 : 0;
}
static void measure_adamw(void)
{
    static const char body[] =
        "float *p = a->base[0], *g = a->base[1], *m = a->base[2], *v = a->base[3];\n"
        "float rest1 = 0.1f, beta2 = 0.999f, rest2 = 0.001f, keep = 1 - 1e-5f, eps = 1e-8f;\n"
        "float step = 1e-3f / 0.271f, root = 0.0548f;\n"
        "_Pragma(\"GCC ivdep\") for (i64 i = 0; i < n; i++) {\n"
        "m[i] = m[i] + (g[i] - m[i]) * rest1;\n"
        "v[i] = beta2 * v[i] + rest2 * g[i] * g[i];\n"
        "p[i] = p[i] * keep - step * m[i] / (sqrtf(v[i]) / root + eps); }\n";
    struct hand hand = {0};
    uint64_t state = 7;
    int64_t total = 0;
    for (int i = 0; i < TENSORS; i++) {
        int64_t n = 64 + (int64_t)(work_random(&state) % 961);
        total += n;
        for (int k = 0; k < 5; k++) adamw_list[k][i] = kept(k < 4, &n);
    }
    make_hand(&hand, body, total);
    for (int i = 0; i < 4; i++) hand.call.base[i] = numbers(total);
    struct calls eager = {.plain = adamw}, calls = {0};
    calls.compiled = must_have(plumb_compile("adamw", adamw, NULL, NULL));
    struct way way[] = {{run_hand, &hand, 0}, {run_calls, &calls, 0}, {run_calls, &eager, 0}};
    race(way, 3);
    printf("AdamW of %d tensors, %lld elements   by hand %.1f us   compiled %.1f us   ratio %.2f "
           "(aim 1.5)   eager %.1f us\n",
           TENSORS, (long long)total, way[0].best_ns / 1e3, way[1].best_ns / 1e3,
           way[1].best_ns / way[0].best_ns, way[2].best_ns / 1e3);
    for (int i = 0; i < 4; i++) host_free(hand.call.base[i], total * (int64_t)sizeof(float));
}

/* ---- rows: softmax and norms, forward and backward ---- */

enum { ROWS = 4096, COLUMNS = 1024 };
static const int64_t row[] = {COLUMNS};

static int softmax_forward(void *context, struct plumb_tensor *const *in, int n_in,
                           struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return (out[0] = plumb__softmax(in[0], -1, false)) ? 0 : -1;
}
static int softmax_backward(void *context, struct plumb_tensor *const *in, int n_in,
                            struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return (out[0] = plumb__softmax_backward_data(in[1], in[0], -1, PLUMB_F32)) ? 0 : -1;
}
static int layer_forward(void *context, struct plumb_tensor *const *in, int n_in,
                         struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return plumb_native_layer_norm(in[0], row, 1, in[2], in[2], 1e-5, out) < 0 ? -1 : 0;
}
static int layer_backward(void *context, struct plumb_tensor *const *in, int n_in,
                          struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return plumb_native_layer_norm_backward(in[1], in[0], row, 1, in[3], in[3], in[2], in[2],
                                            (int64_t[]){1, 1, 1}, 3, out) < 0
               ? -1
               : 0;
}
static int rms_forward(void *context, struct plumb_tensor *const *in, int n_in,
                       struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return plumb__fused_rms_norm(in[0], row, 1, in[2], &(double){1e-5}, out) < 0 ? -1 : 0;
}
static int rms_backward(void *context, struct plumb_tensor *const *in, int n_in,
                        struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    return plumb__fused_rms_norm_backward(in[1], in[0], row, 1, in[3], in[2], (int64_t[]){1, 1}, 2,
                                          out) < 0
               ? -1
               : 0;
}

/* Forward reads one array and writes one, backward reads two and writes one; the loop reads two
 * and writes one. */
static void measure_rows(void)
{
    static const struct {
        const char *name;
        plumb_function run[2];
        int n_out[2];
    } which[] = {{"softmax", {softmax_forward, softmax_backward}, {1, 1}},
                 {"layer norm", {layer_forward, layer_backward}, {3, 3}},
                 {"RMS norm", {rms_forward, rms_backward}, {2, 2}}};
    const int64_t n = (int64_t)ROWS * COLUMNS;
    struct hand hand = {0};
    chain_by_hand(&hand, 2, n);
    for (int i = 0; i < 3; i++) hand.call.base[i] = numbers(n);
    struct plumb_tensor *in[] = {kept(2, (int64_t[]){ROWS, COLUMNS}),
                                 kept(2, (int64_t[]){ROWS, COLUMNS}), kept(1, row),
                                 kept(2, (int64_t[]){ROWS, 1})};
    for (size_t i = 0; i < sizeof which / sizeof *which; i++) {
        struct calls calls[2];
        struct way way[3] = {{run_hand, &hand, 0}};
        for (int k = 0; k < 2; k++) {
            calls[k] = (struct calls){.n_in = MOST_IN, .n_out = which[i].n_out[k]};
            memcpy(calls[k].in, in, sizeof in);
            calls[k].compiled =
                must_have(plumb_compile(which[i].name, which[i].run[k], NULL, NULL));
            way[1 + k] = (struct way){run_calls, &calls[k], 0};
        }
        race(way, 3);
        double loop = 3 / way[0].best_ns, own = 5 / (way[1].best_ns + way[2].best_ns);
        printf("%-10s forward %.2f ms, backward %.2f ms: %.1f GB/s, loop %.1f GB/s: %3.0f %% (aim "
               "70; forward %.0f, backward %.0f)\n",
               which[i].name, way[1].best_ns / 1e6, way[2].best_ns / 1e6, own * 4 * (double)n,
               loop * 4 * (double)n, 100 * own / loop, 200 / way[1].best_ns / loop,
               300 / way[2].best_ns / loop);
    }
    for (int i = 0; i < 3; i++) host_free(hand.call.base[i], n * (int64_t)sizeof(float));
}

/* ---- compiling ---- */

enum { LAYERS = 14, WIDE = 64 };
/* Seven operators a layer: 98, and two. */
static int hundred(void *context, struct plumb_tensor *const *in, int n_in,
                   struct plumb_tensor **out, int n_out)
{
    (void)context, (void)n_in, (void)n_out;
    struct plumb_tensor *x = in[0], *norm[3];
    for (int i = 0; i < LAYERS; i++) {
        struct plumb_tensor *y = plumb_mm(x, in[1]);
        y = plumb_gelu(plumb_add(y, in[2]), "tanh");
        y = plumb_mul(plumb_sub(y, x), in[2]);
        if (plumb_native_layer_norm(y, (int64_t[]){WIDE}, 1, in[2], in[2], 1e-5, norm) < 0)
            return -1;
        x = i % 2 ? plumb_relu(norm[0]) : plumb_tanh(norm[0]);
    }
    out[0] = plumb__softmax(plumb_mul(x, x), -1, false);
    return out[0] ? 0 : -1;
}
static void hundred_inputs(struct calls *c)
{
    *c = (struct calls){.n_in = 3, .n_out = 1};
    c->in[0] = kept(2, (int64_t[]){WIDE, WIDE});
    c->in[1] = kept(2, (int64_t[]){WIDE, WIDE});
    c->in[2] = kept(1, (int64_t[]){WIDE});
    c->compiled = must_have(plumb_compile("hundred", hundred, NULL, NULL));
}
/* Processor time of this process and of those that it started, ns. */
static double all_now(void)
{
    struct rusage own, others;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &others);
    const struct timeval *t[] = {&own.ru_utime, &own.ru_stime, &others.ru_utime, &others.ru_stime};
    double ns = 0;
    for (int i = 0; i < 4; i++) ns += 1e9 * (double)t[i]->tv_sec + 1e3 * (double)t[i]->tv_usec;
    return ns;
}
/* A process of its own: the time of the first call less that of the second, on the wall's clock and
 * of processors, the compiler's included. What is loaded at the first product is there before. */
static int first_call(const char *cache)
{
    struct calls c;
    double wall[3], own[3];
    build_set_options(&(struct build_options){.cache = cache});
    must_have(plumb_open(&(struct plumb_options){.threads = 1}));
    hundred_inputs(&c);
    must_have(plumb_mm(c.in[0], c.in[1]));
    for (int i = 0; i < 3; i++) {
        wall[i] = (double)clock_mono(), own[i] = all_now();
        run_calls(&c);
    }
    printf("%.0f %.0f\n", 2 * wall[1] - wall[0] - wall[2], 2 * own[1] - own[0] - own[2]);
    return plumb_close() ? 1 : 0;
}
/* Two numbers that a program prints. */
static void ask(const char *command, double out[2])
{
    FILE *p = popen(command, "r");
    out[0] = out[1] = NAN;
    if (p && fscanf(p, "%lf %lf", &out[0], &out[1]) < 1) out[0] = NAN;
    if (p) pclose(p);
}
static void first_call_elsewhere(int number, double best[2])
{
    char command[400], self[200];
    double ns[2];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) stop("/proc/self/exe", "it cannot be read");
    self[n] = 0;
    snprintf(command, sizeof command, "'%s' --first-call %s/%d", self, folder, number);
    ask(command, ns);
    for (int i = 0; i < 2; i++) best[i] = fmin(best[i], ns[i]);
}
static void measure_compile(void)
{
    double cold[] = {INFINITY, INFINITY}, warm[] = {INFINITY, INFINITY};
    for (int i = 0; i < 5; i++) {
        first_call_elsewhere(i, cold);
        first_call_elsewhere(i, warm);
    }
    printf(
        "compiling 100 operators: %.0f ms with an empty cache (aim 400; processors %.0f), %.1f ms "
        "with a full one (aim 5; processors %.1f)\n",
        cold[0] / 1e6, cold[1] / 1e6, warm[0] / 1e6, warm[1] / 1e6);
    int one = 1;
    int64_t n = 16;
    struct calls eager = {.plain = chain, .context = &one, .n_in = 2, .n_out = 1}, calls = eager;
    for (int i = 0; i < 2; i++) calls.in[i] = eager.in[i] = kept(1, &n);
    calls.compiled = must_have(plumb_compile("one", chain, &one, NULL));
    struct way way[] = {{run_calls, &eager, 0}, {run_calls, &calls, 0}};
    race(way, 2);
    printf("a call of one operator on 16 elements: eager %.0f ns, compiled %.0f ns\n",
           way[0].best_ns, way[1].best_ns);
}

/* ---- a training step ---- */

enum { STEPS = 100 };

static void train(bool compile, const char *trace)
{
    struct work w = {.steps = STEPS, .batch = 8, .seed = 1, .dtype = PLUMB_F32, .compile = compile};
    struct plumb_options o = {
        .threads = 1, .trace = trace, .overwrite = true, .hashes = PLUMB_HASH_NONE};
    must_have(plumb_open(&o));
    must(work_gpt(&w));
    must(plumb_close());
}

/* The least that one of the later steps of a trace spent in events of that kind and name. */
static double in_trace(const char *path, const char *which)
{
    static const char sql[] =
        "WITH step AS (SELECT id, ts, dur FROM event WHERE kind = 13 ORDER BY ts DESC LIMIT 80)"
        " SELECT min(total) FROM (SELECT sum(e.dur) AS total FROM step JOIN event e"
        " ON e.ts >= step.ts AND e.ts < step.ts + step.dur JOIN string s ON s.id = e.name"
        " WHERE %s GROUP BY step.id)";
    sqlite3 *db;
    sqlite3_stmt *s;
    double value = NAN;
    char text[900];
    snprintf(text, sizeof text, sql, which);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) ||
        sqlite3_prepare_v2(db, text, -1, &s, NULL))
        stop(path, sqlite3_errmsg(db));
    if (sqlite3_step(s) == SQLITE_ROW) value = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

struct step {
    double all, contractions, kernels; /* ns */
};
/* Both ways call the same kernels for contractions, as operators. */
static void measure_step(bool compile, struct step *best)
{
    char path[100];
    snprintf(path, sizeof path, "%s/gpt.db", folder);
    train(compile, path);
    best->all = fmin(best->all, in_trace(path, "e.kind = 13"));
    best->kernels = fmin(best->kernels, in_trace(path, "e.kind = 10"));
    best->contractions =
        fmin(best->contractions,
             in_trace(path, "e.kind = 3 AND (s.text IN ('aten::mm', 'aten::addmm', 'aten::bmm') OR "
                            "s.text LIKE 'aten::\\_scaled\\_dot\\_product%' ESCAPE '\\')"));
    remove(path);
}
static void measure_gpt(void)
{
    static const char *const names[] = {"eager", "compiled"};
    struct step s[2];
    double outside[2];
    for (int k = 0; k < 2; k++) s[k] = (struct step){INFINITY, INFINITY, INFINITY};
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) measure_step(k, &s[k]);
    for (int k = 0; k < 2; k++) {
        outside[k] = s[k].all - s[k].contractions;
        printf("GPT step, %-8s %.0f us: contractions %.0f, other kernels %.0f, the rest (dispatch, "
               "memory, recording) %.0f\n",
               names[k], s[k].all / 1e3, s[k].contractions / 1e3, s[k].kernels / 1e3,
               (outside[k] - s[k].kernels) / 1e3);
    }
    printf("GPT step outside contractions: %.0f %% of eager's (aim 60)\n",
           100 * outside[1] / outside[0]);
}

static void measure_torch(void)
{
    const char *python = getenv("PLUMB_TORCH_PYTHON");
    char command[600], self[200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (!python || !*python || n < 0) {
        printf("GPT step, torch.compile: not measured, PLUMB_TORCH_PYTHON names no Python\n");
        return;
    }
    snprintf(command, sizeof command, "'%s' tests/bench/gpt_torch.py 1", python);
    double ns[2];
    ask(command, ns);
    printf("GPT step, torch.compile: %.0f us\n", ns[0] / 1e3);
}

/* ---- the rest ---- */

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char file[600];
    while (d && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_type == DT_DIR) remove_folder(file);
        else unlink(file);
    }
    if (d) closedir(d);
    rmdir(path);
}

static void measure_chains(void)
{
    for (int n = 1; n <= 16; n *= 4) {
        measure_chain(n, MI4);
        measure_chain(n, KI16);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
    bool in_session; /* of the bench; else it opens its own */
} parts[] = {{"chain", measure_chains, true}, {"adamw", measure_adamw, true},
             {"rows", measure_rows, true},    {"compile", measure_compile, true},
             {"gpt", measure_gpt, false},     {"torch", measure_torch, false}};

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "--first-call")) return first_call(argv[2]);
    if (argc > 1) rounds = atoi(argv[1]);
    if (!mkdtemp(folder)) stop("a folder", "it cannot be made");
    build_set_options(&(struct build_options){.cache = folder});
    nest_compile_after(0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (argc > 2 && strcmp(argv[2], parts[i].name)) continue;
        if (parts[i].in_session) must_have(plumb_open(&(struct plumb_options){.threads = 1}));
        parts[i].run();
        if (parts[i].in_session) must(plumb_close());
    }
    remove_folder(folder);
    return 0;
}
