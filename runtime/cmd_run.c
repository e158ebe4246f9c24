/* cmd_run.c - plumb run: trains a small model and leaves a trace of everything it computed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "plumb.h"
#include "runtime/build.h"
#include "runtime/work.h"
#include "store/verbs.h"

static const struct opt options[] = {
    {"output", 'o', "FILE", "the trace to write (default: MODEL.db in this folder)", false},
    {"overwrite", 0, NULL, "replace FILE if it exists", false},
    {"steps", 'n', "N", "steps of training (default 20; 0: only the model's own pass)", false},
    {"batch", 'b', "N", "examples per step (default: gpt 8, mlp 32)", false},
    {"vary", 0, NULL, "examples per step differ: --batch, one less, ... 2, and again", false},
    {"seed", 0, "N", "seed of parameters and data (default 1)", false},
    {"dtype", 0, "DTYPE", "of parameters: f32 (default), f64, bf16, f16", false},
    {"threads", 'j', "N", "threads of one call (default: all processors)", false},
    {"determinism", 0, "LEVEL", "run (default), exact or off; docs/exact.md", false},
    {"compile", 'c', NULL, "compile the functions of a step: traced, fused, combined", false},
    {"no-fusion", 0, NULL, "with --compile: a kernel for each loop nest", false},
    {"no-combos", 0, NULL, "with --compile: a launch for each kernel", false},
    {"dynamic", 0, NULL, "with --compile: one compile for all sizes of 2 or more", false},
    {"backend", 0, "NAME", "cpu (default), cuda, ref or null", false},
    {"device", 0, "NAME", "the same by its device: cpu (default) or cuda", false},
    {"log", 0, "WHAT",
     "print the calls, as DebugMode does, after the run: a comma-separated list of "
     "ops, modules, stacks, ids, hashes",
     false},
    {"hash", 0, "WHAT",
     "digests of results, and of arguments at their first use: bits (default), norm, hash_tensor, "
     "none; a list",
     false},
    {"hash-inputs", 0, NULL, "digests of all arguments, before each call", false},
    {"keep", 0, "OP:N",
     "keep the values of the results of call N (from 0) of OP, or of all with "
     "OP:*",
     true},
    {"inject", 0, "WHAT",
     "put a fault into the run: OP:N:BIT flips a bit of the result of call N (from 1) of OP, "
     "reorder:OP:N sums in another order, call:OP:N makes one call more, weight:NAME:BIT flips a "
     "bit of a parameter",
     true},
    {0},
};

static const struct {
    const char *name;
    int (*run)(struct work *w);
    int64_t batch;
} models[] = {{"gpt", work_gpt, 8}, {"mlp", work_mlp, 32}, {"optimizer", work_optimizer, 1}};
enum { N_MODELS = sizeof models / sizeof *models, MOST_GIVEN = 64 };

/* ---- options ---- */

struct word {
    const char *name;
    unsigned bit;
};
enum { LOG_OPS = 16, LOG_IDS = 32 }; /* beside the bits of enum plumb_debug */
static const struct word log_words[] = {
    {"ops", LOG_OPS}, {"modules", PLUMB_DEBUG_MODULES}, {"stacks", PLUMB_DEBUG_STACKS},
    {"ids", LOG_IDS}, {"hashes", PLUMB_DEBUG_HASHES},   {NULL, 0}};
static const struct word hash_words[] = {{"bits", PLUMB_HASH_BITS},
                                         {"norm", PLUMB_HASH_NORM},
                                         {"hash_tensor", PLUMB_HASH_TENSOR},
                                         {"none", PLUMB_HASH_NONE},
                                         {NULL, 0}};
static const struct word determinism_words[] = {
    {"run", PLUMB_RUN}, {"exact", PLUMB_EXACT}, {"off", PLUMB_OFF}, {NULL, 0}};
static const struct word dtype_words[] = {
    {"f32", PLUMB_F32}, {"f64", PLUMB_F64}, {"bf16", PLUMB_BF16}, {"f16", PLUMB_F16}, {NULL, 0}};

static enum err find_word(const char *option, const struct word *words, struct span s,
                          unsigned *out)
{
    struct buf b = {0};
    for (const struct word *w = words; w->name; w++) {
        if (span_is(s, w->name)) {
            *out |= w->bit;
            buf_release(&b);
            return ERR_OK;
        }
        buf_printf(&b, "%s%s", b.n ? ", " : "", w->name);
    }
    enum err err = err_set(ERR_USAGE, "--%s: \"%.*s\" is not known; accepted are %s", option,
                           SPAN_ARG(s), b.p ? b.p : "");
    buf_release(&b);
    return err;
}

/* A comma-separated list of words as bits. */
static enum err take_words(const struct opt_call *call, const char *option,
                           const struct word *words, unsigned *out)
{
    struct span rest = span_of(opt_value(call, option, 0));
    while (rest.p) {
        size_t comma = span_find(rest, SPAN(","), 0);
        TRY(find_word(option, words, span_to(rest, comma), out));
        rest = comma == SIZE_MAX ? SPAN_NONE : span_from(rest, comma + 1);
    }
    return ERR_OK;
}

/* One word; `out` stays as it is when the option was not given. */
static enum err take_word(const struct opt_call *call, const char *option, const struct word *words,
                          unsigned *out)
{
    const char *text = opt_value(call, option, 0);
    if (!text) return ERR_OK;
    *out = 0;
    return find_word(option, words, span_of(text), out);
}

static enum err take_int(const struct opt_call *call, const char *option, int64_t low, int64_t high,
                         int64_t *out)
{
    const char *text = opt_value(call, option, 0);
    return text ? opt_int(option, text, low, high, out) : ERR_OK;
}

/* All that was given, NULL at the end. */
static enum err take_list(const struct opt_call *call, const char *option,
                          const char *out[MOST_GIVEN + 1])
{
    if (opt_value(call, option, MOST_GIVEN))
        FAIL(ERR_LIMIT, "--%s was given more than %d times; that many are accepted", option,
             MOST_GIVEN);
    for (int i = 0; i < MOST_GIVEN; i++) out[i] = opt_value(call, option, i);
    return ERR_OK;
}

static enum err take_options(const struct opt_call *call, struct plumb_options *o, struct work *w,
                             unsigned *log)
{
    unsigned determinism = PLUMB_RUN, dtype = PLUMB_F32;
    int64_t seed = 1, threads = 0;
    TRY(take_int(call, "steps", 0, 1000000, &w->steps));
    TRY(take_int(call, "batch", 1, 4096, &w->batch));
    TRY(take_int(call, "seed", 0, INT64_MAX, &seed));
    TRY(take_int(call, "threads", 1, 1024, &threads));
    TRY(take_words(call, "log", log_words, log));
    TRY(take_words(call, "hash", hash_words, &o->hashes));
    TRY(take_word(call, "determinism", determinism_words, &determinism));
    TRY(take_word(call, "dtype", dtype_words, &dtype));
    w->dtype = (enum plumb_dtype)dtype;
    w->seed = o->seed = (uint64_t)seed;
    o->threads = (int)threads;
    o->determinism = (enum plumb_determinism)determinism;
    const char *backend = opt_value(call, "backend", 0), *device = opt_value(call, "device", 0);
    if (backend && device && strcmp(backend, device))
        FAIL(ERR_USAGE, "--backend %s and --device %s name two of them; one is needed", backend,
             device);
    o->backend = backend ? backend : device;
    o->overwrite = opt_has(call, "overwrite");
    o->hash_inputs = opt_has(call, "hash-inputs");
    o->stacks = *log & PLUMB_DEBUG_STACKS;
    o->ids = *log & LOG_IDS;
    w->vary = opt_has(call, "vary");
    w->compile = opt_has(call, "compile");
    w->compiling.no_fusion = opt_has(call, "no-fusion");
    w->compiling.no_combos = opt_has(call, "no-combos");
    w->compiling.dynamic = opt_has(call, "dynamic");
    const struct plumb_compile_options *how = &w->compiling;
    if (!w->compile && (how->no_fusion || how->no_combos || how->dynamic))
        FAIL(ERR_USAGE,
             "--no-fusion, --no-combos and --dynamic say how to compile; --compile is needed");
    return ERR_OK;
}

/* ---- the verb ---- */

static enum err failed(void)
{
    return err_set(ERR_USAGE, "%s", plumb_error());
}

static enum err train(int model, struct plumb_options *o, struct work *w)
{
    if (!plumb_open(o)) return failed();
    int rc = models[model].run(w);
    char text[ERR_TEXT];
    snprintf(text, sizeof text, "%s", plumb_error());
    if (rc) plumb_set_exit(2);
    if (plumb_close()) FAIL(ERR_USAGE, "%s; the trace %s is kept", plumb_error(), o->trace);
    if (rc) FAIL(ERR_USAGE, "%s; the trace %s is kept", *text ? text : "out of memory", o->trace);
    return ERR_OK;
}

static void say_end(const struct work *w, const char *path)
{
    struct build_stats b = build_stats();
    if (isfinite(w->first)) fprintf(stderr, "  loss %.6f -> %.6f\n", w->first, w->last);
    fprintf(stderr, "  kernels: %lld built in %.1f s, %lld from the cache, %lld interpreted\n",
            (long long)b.built, (double)b.build_ns * 1e-9, (long long)b.from_disk,
            (long long)b.interpreted);
    if (*build_note()) fprintf(stderr, "  kernels: %s\n", build_note());
    fprintf(stderr, "plumb run: %s\n", path);
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    int model = 0;
    unsigned log = 0;
    char own_name[32];
    const char *keep[MOST_GIVEN + 1] = {0}, *inject[MOST_GIVEN + 1] = {0};
    struct plumb_options o = {0};
    while (model < N_MODELS && strcmp(models[model].name, call->argv[0])) model++;
    if (model == N_MODELS)
        FAIL(ERR_USAGE, "there is no model %s; gpt, mlp and optimizer are accepted", call->argv[0]);
    struct work w = {.steps = 20, .batch = models[model].batch, .progress = stderr};
    TRY(take_options(call, &o, &w, &log));
    TRY(take_list(call, "keep", keep));
    TRY(take_list(call, "inject", inject));
    o.keep = keep;
    o.inject = inject;
    snprintf(own_name, sizeof own_name, "%s.db", models[model].name);
    o.trace = opt_value(call, "output", 0);
    if (!o.trace) o.trace = own_name;
    TRY(train(model, &o, &w));
    say_end(&w, o.trace);
    *exit_code = 0;
    return log && plumb_debug_print(o.trace, log, stdout) ? failed() : ERR_OK;
}

const struct verb verb_run = {
    .name = "run",
    .arguments = "gpt|mlp|optimizer",
    .summary = "train a small model of plumb's own and leave a trace of it",
    .description =
        "Trains a real model on data made from a seed and writes every call, with digests of its "
        "results, the launches and the losses into a trace.\n\n"
        "gpt is a transformer that learns the characters of sentences from a small grammar and "
        "then "
        "writes some; mlp tells four clouds of points apart; optimizer moves twelve tensors of odd "
        "shapes with AdamW, fused AdamW and SGD. Two runs with one seed give the same digests.\n\n"
        "With --compile the functions of a step (the loss with its gradients, the optimizer, what "
        "is asked of the model in the end) are traced and run as few fused kernels. But for level "
        "off the losses stay the same, bit for bit. The trace holds graphs, guards, kernels and "
        "every decision on the way. With --dynamic too, sizes of inputs become symbols: one "
        "compile "
        "serves batches (--vary) and texts of any length, and the trace says which sizes came.",
    .examples = "plumb run gpt -o a.db\n"
                "plumb run mlp --steps 0 --batch 3 --log ops,modules\n"
                "plumb run gpt --compile -o c.db\n"
                "plumb run mlp --vary --compile --dynamic -o d.db\n"
                "plumb run gpt --determinism exact --threads 1 --keep aten::mm:0 -o b.db",
    .opts = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
