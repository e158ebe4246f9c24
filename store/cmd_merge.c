/* cmd_merge.c - plumb merge: several traces into one new file. */
#include <stdio.h>

#include "store/base/opt.h"
#include "store/merge.h"

static enum err run(const struct opt_call *call, int *exit_code)
{
    const char *out = opt_value(call, "output", 0);
    *exit_code = 0;
    if (!out)
        FAIL(ERR_USAGE, "plumb merge needs the name of the new file: plumb merge -o OUT FILE...");
    return store_merge(out, call->argv, call->argc);
}

static const struct opt opts[] = {
    {"output", 'o', "OUT", "The new trace; it must not exist.", false},
    {0},
};

const struct verb verb_merge = {
    .name = "merge",
    .arguments = "FILE...",
    .summary = "put several traces into one",
    .description = "Makes a new trace that holds the runs, logs and rows of all the given ones "
                   "(.db or .db.gz), which stay as they are. "
                   "Runs of equal name get a number. The derived parts are made anew.",
    .examples = "plumb merge -o both.db before.db after.db.gz",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
