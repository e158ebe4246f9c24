/* cmd_export.c - plumb export: leave plumb with the logs themselves, or with tlparse's
 * machine-readable files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture/debug_rows.h"
#include "capture/export.h"
#include "store/db.h"
#include "store/verbs.h"

static const struct opt options[] = {
    {"torch-trace", 0, "DIR", "write each imported log back into DIR, byte for byte", false},
    {"raw-jsonl", 0, NULL,
     "records without payloads, one JSON object per line (tlparse's raw.jsonl)", false},
    {"chromium", 0, NULL,
     "events for Perfetto or chrome://tracing (tlparse's chromium_events.json)", false},
    {"compile-directory", 0, NULL, "files per compile id (tlparse's compile_directory.json)",
     false},
    {"debug-text", 0, NULL, "calls of a DebugMode log as its debug_string() prints them", false},
    {"debug-json", 0, NULL, "calls of a DebugMode log as a saved log, version 1", false},
    {"hide-stacks", 0, NULL, "with --debug-text: no lines that name where calls come from", false},
    {"output", 'o', "PATH", "file to write (default: standard output); for several logs a folder",
     false},
    {"log", 0, "LOG", "only this log: its name, path, id, or rank_N", false},
    {"overwrite", 0, NULL, "replace files that exist", false},
    {0},
};

struct job {
    sqlite3 *db;
    const struct opt_call *call;
    struct export_logs logs;
    struct export_summary summary;
    const char *output; /* NULL: standard output */
    bool overwrite;
};

static enum err write_to(void *context, struct span bytes)
{
    return export_write(*(int *)context, bytes);
}

/* One file for all. */
static enum err open_output(const struct job *j, int *out)
{
    *out = STDOUT_FILENO;
    if (!j->output || !strcmp(j->output, "-")) return ERR_OK;
    *out =
        open(j->output, O_WRONLY | O_CREAT | O_CLOEXEC | (j->overwrite ? O_TRUNC : O_EXCL), 0666);
    if (*out >= 0) return ERR_OK;
    if (errno == EEXIST) FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", j->output);
    FAIL(ERR_IO, "%s cannot be written: %s", j->output, strerror(errno));
}

static enum err close_output(const struct job *j, int fd, enum err err)
{
    if (fd == STDOUT_FILENO || fd < 0) return err;
    if (close(fd) && !err)
        err = err_set(ERR_IO, "%s cannot be written: %s", j->output, strerror(errno));
    return err;
}

/* "rank_0" if no other log has this rank, else the log's name: one folder per log, as tlparse
 * has one per rank. */
static void put_folder(const struct job *j, const struct export_log *log, struct buf *out)
{
    int same = 0;
    for (size_t i = 0; i < j->logs.n; i++) same += j->logs.p[i].rank == log->rank;
    if (log->rank != STORE_NULL && same == 1) buf_printf(out, "rank_%lld", (long long)log->rank);
    else buf_printf(out, "log_%lld", (long long)log->id);
}

static enum err write_one_of_many(struct job *j, enum export_format format, int root,
                                  const struct export_log *log)
{
    struct buf path = {0};
    int fd = -1;
    put_folder(j, log, &path);
    buf_puts(&path, format == EXPORT_RAW_JSONL ? "/raw.jsonl" : "/compile_directory.json");
    enum err err = buf_ok(&path);
    if (!err) err = export_open_file(root, path.p, j->overwrite, &fd);
    struct export_sink sink = {write_to, &fd};
    if (!err) err = export_tlparse(j->db, format, log, &sink, &j->summary);
    if (fd >= 0 && close(fd) && !err)
        err = err_set(ERR_IO, "a file cannot be written: %s", strerror(errno));
    j->summary.n_files += !err;
    buf_release(&path);
    return err;
}

static enum err write_logs(struct job *j, enum export_format format)
{
    int fd = -1;
    enum err err = ERR_OK;
    if (j->logs.n == 1) {
        TRY(open_output(j, &fd));
        struct export_sink sink = {write_to, &fd};
        err = export_tlparse(j->db, format, &j->logs.p[0], &sink, &j->summary);
        j->summary.n_files = 1;
        return close_output(j, fd, err);
    }
    if (!j->output || !strcmp(j->output, "-"))
        FAIL(ERR_USAGE,
             "the trace holds %zu logs: choose one with --log, or give -o FOLDER, which gets a "
             "folder for each",
             j->logs.n);
    TRY(export_open_root(j->output, &fd));
    for (size_t i = 0; !err && i < j->logs.n; i++)
        err = write_one_of_many(j, format, fd, &j->logs.p[i]);
    close(fd);
    return err;
}

static enum err write_chromium(struct job *j)
{
    int fd = -1;
    TRY(open_output(j, &fd));
    struct export_sink sink = {write_to, &fd};
    j->summary.n_files = 1;
    return close_output(j, fd, export_chromium(j->db, &j->logs, &sink, &j->summary));
}

/* The one log of calls, or the one that --log names. */
static enum err find_calls(struct job *j, const struct export_log **log, struct debug_log *what)
{
    size_t n = 0;
    for (size_t i = 0; i < j->logs.n; i++) {
        struct debug_log found;
        TRY(debug_log_read(j->db, j->logs.p[i].id, j->logs.arena, &found));
        if (!found.known || n++) continue;
        *log = &j->logs.p[i];
        *what = found;
    }
    if (n == 1) return ERR_OK;
    if (n) FAIL(ERR_USAGE, "the trace holds %zu DebugMode logs: choose one with --log", n);
    FAIL(ERR_NOT_FOUND, "the trace holds no DebugMode log%s",
         opt_has(j->call, "log") ? " of that name" : "");
}

static enum err write_calls(struct job *j, bool json)
{
    const struct export_log *log = NULL;
    struct debug_log what = {0};
    struct debug_rows rows;
    int fd = -1;
    TRY(find_calls(j, &log, &what));
    TRY(open_output(j, &fd));
    struct debug_source from = {debug_rows_next, &rows};
    struct debug_sink to = {write_to, &fd};
    struct debug_text_style style = {opt_has(j->call, "hide-stacks"), what.without_newline};
    enum err err = debug_rows_open(&rows, j->db, log->id);
    if (!err) {
        err = json ? debug_write_json(&from, what.rest, &to) : debug_write_text(&from, style, &to);
        debug_rows_close(&rows);
    }
    j->summary.n_files = 1;
    return close_output(j, fd, err);
}

/* Calls of threads that plumb recorded are logs without text. */
static enum err leave_threads_out(struct export_logs *logs)
{
    size_t n = 0;
    for (size_t i = 0; i < logs->n; i++)
        if (!logs->p[i].is_live) logs->p[n++] = logs->p[i];
    logs->n = n;
    if (n) return ERR_OK;
    FAIL(ERR_NOT_FOUND, "the trace holds calls of a program (--debug-text) and no log of compiles");
}

static enum err dispatch(struct job *j)
{
    bool json = opt_has(j->call, "debug-json");
    if (json || opt_has(j->call, "debug-text")) return write_calls(j, json);
    TRY(leave_threads_out(&j->logs));

    const char *folder = opt_value(j->call, "torch-trace", 0);
    if (folder) return export_torch_trace(j->db, &j->logs, folder, j->overwrite, &j->summary);
    if (opt_has(j->call, "chromium")) return write_chromium(j);
    return write_logs(j,
                      opt_has(j->call, "raw-jsonl") ? EXPORT_RAW_JSONL : EXPORT_COMPILE_DIRECTORY);
}

/* To standard error: standard output may be the export. */
static void say_what_was_done(const struct job *j)
{
    const struct export_summary *s = &j->summary;
    const char *folder = opt_value(j->call, "torch-trace", 0), *to = folder ? folder : j->output;
    if (to && strcmp(to, "-"))
        fprintf(stderr, "%s: %lld file%s, %.1f MB\n", to, (long long)s->n_files,
                s->n_files == 1 ? "" : "s", (double)s->n_bytes / 1e6);
    if (s->n_dropped)
        fprintf(
            stderr,
            "plumb export: %lld lines or records have no place in this format and were left out\n",
            (long long)s->n_dropped);
    if (s->n_cut)
        fprintf(stderr,
                "plumb export: the payloads of %lld artifacts are missing: the trace was packed "
                "without them\n",
                (long long)s->n_cut);
}

static enum err check_mode(const struct opt_call *call)
{
    int n = opt_has(call, "torch-trace") + opt_has(call, "raw-jsonl") + opt_has(call, "chromium") +
            opt_has(call, "compile-directory") + opt_has(call, "debug-text") +
            opt_has(call, "debug-json");
    if (opt_has(call, "hide-stacks") && !opt_has(call, "debug-text"))
        FAIL(ERR_USAGE, "--hide-stacks goes with --debug-text");
    if (n == 1) return ERR_OK;
    FAIL(ERR_USAGE, "plumb export needs one of --torch-trace DIR, --raw-jsonl, --chromium, "
                    "--compile-directory, --debug-text, --debug-json");
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct arena arena = {0};
    struct job j = {.call = call,
                    .output = opt_value(call, "output", 0),
                    .overwrite = opt_has(call, "overwrite")};
    TRY(check_mode(call));
    TRY(store_open_read(call->argv[0], STORE_OPEN_NO_VIEWS, &j.db));
    enum err err = export_logs_read(j.db, opt_value(call, "log", 0), &arena, &j.logs);
    if (!err) err = dispatch(&j);
    if (!err) say_what_was_done(&j);
    arena_release(&arena);
    store_close(j.db);
    *exit_code = 0;
    return err;
}

const struct verb verb_export = {
    .name = "export",
    .arguments = "FILE",
    .summary = "give back the logs of a trace, or tlparse's files",
    .description =
        "Writes what a trace holds in the formats of other tools.\n\n"
        "--torch-trace DIR gives back each log that was imported, byte for byte, under its path "
        "below DIR, and what plumb's own compiler told as a log that tlparse reads. --raw-jsonl, "
        "--chromium and "
        "--compile-directory write what tlparse 0.4.3 calls raw.jsonl, chromium_events.json and "
        "compile_directory.json, with "
        "the same numbers and file names; times have the year and zone that the log shows.\n\n"
        "--debug-text and --debug-json print the calls of an imported DebugMode log, from either "
        "of "
        "its formats in either.\n\n"
        "Nothing is written outside the folder or file given, whatever names a trace contains.",
    .examples = "plumb export run.db --torch-trace logs/\n"
                "plumb export run.db --chromium -o events.json\n"
                "plumb export calls.db --debug-text\n"
                "plumb export run.db --raw-jsonl --log rank_0 | jq -c .compilation_metrics",
    .opts = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
