/* cmd_import.c - `plumb import`: the command line of capture/import.h. */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "capture/import.h"
#include "capture/progress.h"
#include "store/base/clock.h"
#include "store/verbs.h"

static atomic_bool stop;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void show(void *context, const struct import_progress *now)
{
    progress_show(context, now->done, now->total, now->text);
}

/* The command as one line, words quoted for a shell where they need it. */
static void print_command(struct buf *b, const struct opt_call *call, const char *out)
{
    buf_puts(b, "plumb import");
    for (int i = 0; i < call->argc; i++) {
        bool plain = call->argv[i][0] && !strpbrk(call->argv[i], " \t\n'\"\\$`*?[](){}<>|&;#~!");
        buf_puts(b, plain ? " " : " '");
        for (const char *p = call->argv[i]; *p; p++) {
            if (*p == '\'') buf_puts(b, "'\\''");
            else buf_putc(b, *p);
        }
        if (!plain) buf_putc(b, '\'');
    }
    buf_printf(b, " -o %s", out);
}

static void print_count(struct buf *b, int64_t n, const char *one, const char *many)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) buf_putc(b, ',');
        buf_putc(b, digits[i]);
    }
    buf_printf(b, " %s", n == 1 ? one : many);
}

static void print_losses(struct buf *b, const struct import_counts *c)
{
    bool any = false;
    for (int k = 0; k < TORCH_N_LOSSES; k++) {
        bool lost = torch_loss_rules[k].strict ||
                    !torch_loss_rules[k].tlparse; /* not what only tlparse minds */
        if (!c->losses[k] || !lost) continue;
        buf_printf(b, "%s%s %lld", any ? ", " : "; losses: ", torch_loss_rules[k].kind,
                   (long long)c->losses[k]);
        any = true;
    }
    if (!any) buf_puts(b, "; no loss");
}

/* "out.db: 2 logs, 7,512 records, 5,432 payloads, 12.3 MB in 0.2 s (61 MB/s), file 1.2 MB; losses:
 * md5 3" */
static void print_closing(const struct import_counts *c, const char *out, int64_t ns)
{
    struct buf b = {0};
    struct stat st;
    double seconds = (double)ns / 1e9, size = (double)c->bytes / 1e6;
    buf_terminal(&b, span_of(out));
    buf_puts(&b, ": ");
    print_count(&b, c->logs, "log, ", "logs, ");
    print_count(&b, c->records, "record, ", "records, ");
    print_count(&b, c->payloads, "payload", "payloads");
    if (c->digests) {
        buf_puts(&b, ", ");
        print_count(&b, c->digests, "digest", "digests");
    }
    buf_printf(&b, ", %.1f MB in %.1f s (%.0f MB/s)", size, seconds,
               size / (seconds > 0.001 ? seconds : 0.001));
    if (!stat(out, &st)) buf_printf(&b, ", file %.1f MB", (double)st.st_size / 1e6);
    print_losses(&b, c);
    if (b.p) fprintf(stderr, "%s\n", b.p);
    buf_release(&b);
}

static enum err read_options(const struct opt_call *call, struct import_request *request,
                             const char **strict)
{
    const char *idle = opt_value(call, "until-idle", 0), *jobs = opt_value(call, "jobs", 0);
    int64_t n = 0;
    request->digests = opt_value(call, "digests", 0);
    request->latest = opt_has(call, "latest");
    request->follow = opt_has(call, "follow");
    if (idle) TRY(opt_duration("--until-idle", idle, &request->until_idle_ns));
    if (idle && !request->follow) FAIL(ERR_USAGE, "--until-idle goes with --follow");
    if (request->digests && request->follow)
        FAIL(ERR_USAGE, "--digests goes with a log that is written, not with --follow");
    if (jobs) TRY(opt_int("--jobs", jobs, 1, 64, &n));
    request->jobs = (int)n;
    *strict = opt_has(call, "strict") ? opt_value(call, "strict", 0) : NULL;
    if (*strict && strcmp(*strict, "tlparse"))
        FAIL(ERR_USAGE, "--strict=%s is not known: --strict or --strict=tlparse", *strict);
    return ERR_OK;
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct progress bar;
    struct import_request request = {.paths = call->argv,
                                     .n_paths = call->argc,
                                     .stop = &stop,
                                     .progress = show,
                                     .context = &bar};
    struct import_counts counts;
    struct buf command = {0};
    const char *strict = NULL, *out = opt_value(call, "output", 0);
    if (!out) FAIL(ERR_USAGE, "plumb import needs -o FILE, the trace to write");
    TRY(read_options(call, &request, &strict));
    print_command(&command, call, out);
    struct import_target target = {
        .path = out, .overwrite = opt_has(call, "overwrite"), .command = command.p};
    progress_init(&bar);
    catch_signals();
    enum err err = import_to_file(&target, &request, &counts);
    progress_clear(&bar);
    buf_release(&command);
    if (err) return err;
    print_closing(&counts, out, clock_mono() - bar.start);
    bool failed = opt_has(call, "strict") && import_strict_losses(&counts, strict != NULL) > 0;
    if (failed)
        fprintf(stderr, "plumb: --strict: %lld findings; plumb info %s lists them\n",
                (long long)import_strict_losses(&counts, strict != NULL), out);
    *exit_code = failed;
    if (counts.interrupted) {
        fprintf(stderr, "plumb: interrupted; the trace has what was read until then\n");
        *exit_code = 2;
    }
    return ERR_OK;
}

static const struct opt options[] = {
    {"output", 'o', "FILE", "the trace to write", false},
    {"overwrite", 0, NULL, "replace FILE if it exists, after the import has succeeded", false},
    {"strict", 0, "[=tlparse]",
     "exit 1 when lines are malformed, an md5 differs, ranks are mixed or guards cannot be read; "
     "=tlparse: by the rule of tlparse 0.4.3",
     false},
    {"digests", 0, "FILE",
     "digests that others made of the tensors of a DebugMode log, by call and path: a JSON list of "
     "{\"index\", \"call\", \"depth\", \"in\": {path: 16 hex digits}, \"out\": {...}}",
     false},
    {"latest", 0, NULL, "only the newest log", false},
    {"follow", 'f', NULL,
     "keep reading what is appended, and logs that appear, until SIGINT or SIGTERM", false},
    {"until-idle", 0, "TIME", "with --follow: end when nothing came for so long (2, 250ms, 5m)",
     false},
    {"jobs", 'j', "N", "logs read at a time; one per processor when not given", false},
    {0},
};

const struct verb verb_import = {
    .name = "import",
    .arguments = "PATH...",
    .summary = "make a trace of TORCH_TRACE and DebugMode logs",
    .description =
        "Reads logs that PyTorch wrote with TORCH_TRACE (or TORCH_DTRACE) into one SQLite file.\n\n"
        "PATH is a log, a log in gzip, a folder (searched to the bottom for logs; other files are "
        "ignored) or - for standard "
        "input. A folder of logs is one run; the ranks are taken from the names of the logs, else "
        "from their records.\n\n"
        "A log of PyTorch's DebugMode is known by its content: a saved log (JSON, version 1) or "
        "the "
        "text that debug_string() prints. It is read as a whole, never followed.\n\n"
        "What cannot be read is counted, listed by plumb info, and kept as text; the rest is "
        "imported. With --follow the "
        "trace can be opened while it grows.",
    .examples = "plumb import trace_dir -o trace.db\n"
                "plumb import calls.json -o calls.db\n"
                "plumb import calls.json --digests calls.bits.json -o calls.db\n"
                "plumb import rank_0.log rank_1.log.gz -o job.db --strict\n"
                "plumb import trace_dir -o live.db --follow --until-idle 30",
    .opts = options,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
