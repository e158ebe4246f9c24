/* cmd_doctor.c - plumb doctor: checks a trace and repairs what can be repaired without guessing. */
#include <stdio.h>

#include "capture/cap.h"
#include "store/base/opt.h"
#include "store/doctor.h"

static void print_finding(void *context, enum doctor_kind kind, const char *check, const char *text)
{
    struct buf line = {0};
    (void)context;
    buf_terminal(&line, span_of(text));
    printf("%-8s  %-7s  %s\n", doctor_word(kind), check, line.p ? line.p : "");
    buf_release(&line);
}

/* What the rings of a killed program hold goes into its trace before that is looked at. */
static void take_rings(const char *path, struct doctor *d)
{
    char text[1200];
    int64_t n;
    enum err err = cap_recover(path, &n);
    if (err == ERR_NOT_FOUND) return;
    snprintf(text, sizeof text, "%s", err ? err_text() : "");
    if (!err)
        snprintf(text, sizeof text,
                 "%lld events that its killed program had not yet written were taken from its "
                 "rings",
                 (long long)n);
    d->n_wrong += err && err != ERR_REFUSED;
    d->tell(d->context,
            !err                 ? DOCTOR_REPAIRED
            : err == ERR_REFUSED ? DOCTOR_NOTE
                                 : DOCTOR_WRONG,
            "rings", text);
    err_clear();
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    *exit_code = 0;
    for (int i = 0; i < call->argc; i++) {
        struct doctor d = {.rebuild = opt_has(call, "rebuild"), .tell = print_finding};
        if (call->argc > 1) printf("%s%s\n", i ? "\n" : "", call->argv[i]);
        take_rings(call->argv[i], &d);
        int n_wrong = d.n_wrong;
        TRY(doctor_run(call->argv[i], &d));
        if (d.n_wrong || n_wrong) *exit_code = 1;
    }
    return ERR_OK;
}

static const struct opt opts[] = {
    {"rebuild", 0, NULL, "Drop the derived parts (indices and views) and make them again.", false},
    {0},
};

const struct verb verb_doctor = {
    .name = "doctor",
    .arguments = "FILE...",
    .summary = "check a trace and recover one whose writer was killed",
    .description = "Checks pages, references between rows, the compressed text, indices and views, "
                   "and says what is wrong and what can be "
                   "read. A trace whose writer was killed is brought into order: every committed "
                   "record stays, what its program had recorded and not yet written is taken from "
                   "FILE-ring, and its state becomes \"recovered\". A packed trace (.db.gz) is "
                   "checked and not changed. The exit "
                   "status is 1 when something is wrong and was "
                   "not repaired.",
    .examples = "plumb doctor trace.db\nplumb doctor --rebuild trace.db",
    .opts = opts,
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
