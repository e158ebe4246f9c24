/* record.h - runs a program and captures what it does, through a table of providers, into one
 * trace.
 *
 *   prepare (environment) ─► fork, exec ─► start ─► poll, poll, ... ─► it ends ─► finish ─► close
 *
 * The program keeps its terminal, its standard streams and its process group. Signals that a
 * person or another program sends to plumb are passed on; those of the terminal (Ctrl-C) reach
 * the program by themselves. Nothing that goes wrong with the recording changes what the program
 * does.
 */
#ifndef CAPTURE_RECORD_H
#define CAPTURE_RECORD_H

#include <stdio.h>
#include <sys/types.h>

#include "capture/import.h"
#include "store/base/buf.h"
#include "store/base/lists.h"

struct record_session {
    char *const *argv;           /* the command, ends with NULL */
    struct store_writer *writer; /* borrowed */
    struct torch_run run;        /* the run that all rows belong to */
    int64_t host;                /* -> host */
    int64_t start_ts;            /* ns, before the program began */
    pid_t child;                 /* 0 before it runs */
    LIST_OF(char *) environment; /* "NAME=value", owned: set for the program by providers */
    FILE *notes;                 /* where notes to the person go */
    const char *debug_mode;      /* words for plumb_debug_mode.py; NULL: calls are not recorded */
};

/* A source of events. State is kept by the provider; all functions are called from one thread. */
struct record_provider {
    /* Sets environment, makes folders. *state is the provider's own, passed to the others and
     * freed by `free`. */
    enum err (*prepare)(struct record_session *s, void **state);
    enum err (*start)(struct record_session *s, void *state); /* the program runs */
    enum err (*poll)(struct record_session *s, void *state);  /* ten times a second */
    /* The program has ended: takes what is left. *any says whether something was captured. */
    enum err (*finish)(struct record_session *s, void *state, bool *any);
    void (*free)(void *state); /* also after failures */
};
extern const struct record_provider record_torch_trace, record_debug_mode;

/* record_folder.c: a private folder for what the program writes; removed with all that is in it. */
enum err WARN_UNUSED record_make_folder(char *path, size_t size);
void record_remove_folder(const char *path);

/* Python files of ours, compiled in; the last has no name. */
struct record_file {
    const char *name, *text;
};
extern const struct record_file record_python[];

/* Adds "NAME=value" to what the program sees. */
enum err WARN_UNUSED record_set_env(struct record_session *s, const char *name, const char *value);

struct record_target {
    const char *path;
    bool overwrite;
    const char *debug_mode; /* as in record_session */
    void (*made)(void *context,
                 const char *path); /* the file is there and may be opened; may be NULL */
    void *context;
};
struct record_outcome {
    int exit_code; /* the program's; 128 + n after signal n; 127 when it could not be started */
    bool ran;      /* the program was started */
    bool captured; /* some provider captured something */
};
/* Runs the command and leaves a closed trace at the path. An error concerns the recording;
 * outcome holds what the program did. */
enum err WARN_UNUSED record_run(char *const *argv, const struct record_target *to, FILE *notes,
                                struct record_outcome *out);

/* record_rows.c: rows about this machine and the command. */
enum err WARN_UNUSED record_write_start(struct record_session *s);
enum err WARN_UNUSED record_write_end(struct record_session *s, const char *ended, int64_t code);
/* Is the variable of "NAME=value" set by a provider? */
bool record_is_set(const struct record_session *s, const char *variable);
/* The command as a shell would read it. */
void record_put_command(struct buf *out, char *const *argv);

#endif
