/* cmd_export.c - plumb export: leave plumb with the logs themselves, or with tlparse's machine-readable files. */
#include <stdio.h>

#include "capture/export.h"
#include "store/db.h"
#include "store/verbs.h"

static const struct opt options[] = {
    {"torch-trace", 0, "DIR", "write each imported log back into DIR, byte for byte", false},
    {"log", 0, "LOG", "only this log: its name, path, id, or rank_N", false},
    {"overwrite", 0, NULL, "replace files that exist", false},
    {0},
};

static enum err run(const struct opt_call *call, int *exit_code)
{
    sqlite3 *db;
    struct arena arena = {0};
    struct export_logs logs;
    struct export_summary summary;
    const char *folder = opt_value(call, "torch-trace", 0);
    if (!folder) FAIL(ERR_USAGE, "plumb export needs one of --torch-trace DIR");
    TRY(store_open_read(call->argv[0], STORE_OPEN_NO_VIEWS, &db));
    enum err err = export_logs_read(db, opt_value(call, "log", 0), &arena, &logs);
    if (!err) err = export_torch_trace(db, &logs, folder, opt_has(call, "overwrite"), &summary);
    if (!err) printf("%s: %lld logs, %.1f MB\n", folder, (long long)summary.n_files, (double)summary.n_bytes / 1e6);
    if (!err && summary.n_cut)
        printf("  the payloads of %lld artifacts are missing: the trace was packed without them\n", (long long)summary.n_cut);
    arena_release(&arena);
    store_close(db);
    *exit_code = 0;
    return err;
}

const struct verb verb_export = {
    .name = "export",
    .arguments = "FILE",
    .summary = "give back the logs of a trace, or tlparse's files",
    .description = "Writes what a trace holds in the formats of other tools.\n\n"
                   "--torch-trace DIR gives back each log that was imported, byte for byte, under its path below DIR. Nothing is "
                   "written outside DIR, whatever names a trace contains.",
    .examples = "plumb export run.db --torch-trace logs/",
    .opts = options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
