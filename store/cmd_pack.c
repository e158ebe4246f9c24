/* cmd_pack.c - plumb pack: a trace as an attachment, with a summary for the issue. */
#include <signal.h>
#include <stdio.h>

#include "store/pack.h"
#include "store/verbs.h"

static const struct opt options[] = {
    {"output", 'o', "OUT.db.gz", "the attachment; OUT.md is written beside it (needed)", false},
    {"limit", 'l', "SIZE", "bytes of the attachment at most (default 25MB)", false},
    {"redact", 'r', NULL,
     "replace host, user, paths, command line, environment and source text by tokens", false},
    {"overwrite", 0, NULL, "replace the outputs if they exist", false},
    {0},
};

static atomic_bool stop;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

/* The first Ctrl-C ends the work and removes what was begun, the second ends plumb. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void say_cut(const char *what, int64_t n, int64_t bytes)
{
    if (n || bytes)
        printf("  left out: %lld %s (%.1f MB of text)\n", (long long)n, what, (double)bytes / 1e6);
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct pack_options o = {.limit = PACK_LIMIT_DEFAULT, .stop = &stop};
    struct pack_report r;
    const char *out = opt_value(call, "output", 0);
    if (!out) FAIL(ERR_USAGE, "plumb pack needs -o OUT.db.gz");
    if (opt_has(call, "limit")) TRY(opt_size("--limit", opt_value(call, "limit", 0), &o.limit));
    o.redact = opt_has(call, "redact");
    o.overwrite = opt_has(call, "overwrite");
    catch_signals();
    TRY(pack_file(call->argv[0], out, &o, &r));
    printf("%s: %.1f MB\n", out, (double)r.size / 1e6);
    say_cut("payloads of unknown records", r.n_unknown, r.unknown_bytes);
    say_cut("artifacts, largest first", r.n_artifacts, r.artifact_bytes);
    say_cut("events", r.n_events, r.event_bytes);
    printf("%s: the summary\n", r.summary_path);
    *exit_code = 0;
    return ERR_OK;
}

const struct verb verb_pack = {
    .name = "pack",
    .arguments = "FILE",
    .summary = "make an attachment of a trace: small, in gzip, with a summary",
    .description =
        "Writes a copy of a trace without what can be made again, in gzip, and a Markdown summary "
        "beside it: what ran, how it "
        "ended, versions, what stands out, what is missing. Every verb opens the packed file.\n\n"
        "If it is larger than --limit, more is left out: payloads of records that this version "
        "does not know, then "
        "artifacts of 32 KiB and more, largest first, then events, then smaller artifacts. What "
        "was left out stands in the "
        "summary and in the table meta; rows of artifacts that were left out keep size and md5.\n\n"
        "--redact replaces names of machines and users, components of paths, command lines, values "
        "of the "
        "environment and source text by tokens, the same word by the same token.",
    .examples = "plumb pack run.db -o run.db.gz\n"
                "plumb pack run.db -o run.db.gz --limit 8MB --redact",
    .opts = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
