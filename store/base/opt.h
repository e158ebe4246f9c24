/* opt.h - verbs and options as tables: parsing, --help and man pages come from the same rows. */
#ifndef STORE_BASE_OPT_H
#define STORE_BASE_OPT_H

#include "store/base/buf.h"

/* One option. An option with a metavar takes a value (--name VALUE, --name=VALUE, -n VALUE); one
 * that may be given without uses metavar "[=VALUE]". Repeating is allowed where `repeat`. */
struct opt {
    const char *name;    /* long name without dashes; NULL ends the table */
    char letter;         /* short letter or 0 */
    const char *metavar; /* NULL: a switch */
    const char *help;    /* one sentence */
    bool repeat;
};

struct opt_call;
struct verb {
    const char *name;        /* "import" */
    const char *arguments;   /* "PATH..." as shown in the usage line */
    const char *summary;     /* one clause */
    const char *description; /* paragraphs for --help and the man page */
    const char *examples;    /* lines, each a command; may be NULL */
    const struct opt *opts;
    int min_args, max_args; /* positional; max -1: any number */
    bool rest; /* what follows `--` (or the first positional) is a command line, kept as it is */
    /* Sets *exit_code (0 fine, 1 found what was asked about, 2 trouble). An error is printed by
     * plumb.c, exit 2. */
    enum err (*run)(const struct opt_call *call, int *exit_code);
};

/* A parsed command line; borrows argv. */
struct opt_call {
    const struct verb *verb;
    int argc; /* positional arguments */
    char **argv;
    struct opt_given {
        const struct opt *opt;
        const char *value; /* NULL for a switch, or when [=VALUE] was left out */
    } * given;
    int n_given;
    bool help; /* --help was given: print opt_help and stop */
};

/* Parses argv (after the verb). ERR_USAGE says which word and lists what is accepted, with the
 * nearest name. */
enum err WARN_UNUSED opt_parse(const struct verb *verb, int argc, char **argv,
                               struct opt_call *out);
void opt_call_release(struct opt_call *call);
/* Was it given? n-th value of a repeated option, NULL after the last. */
bool opt_has(const struct opt_call *call, const char *name);
const char *opt_value(const struct opt_call *call, const char *name, int n);
/* "25MB", "16MiB", "300", "1.5GB": bytes (MB = 10^6, MiB = 2^20). ERR_USAGE. */
enum err WARN_UNUSED opt_size(const char *option, const char *text, int64_t *out);
/* Seconds as "2", "0.25", "250ms", "2s", "5m" to ns. ERR_USAGE. */
enum err WARN_UNUSED opt_duration(const char *option, const char *text, int64_t *out_ns);
enum err WARN_UNUSED opt_int(const char *option, const char *text, int64_t low, int64_t high,
                             int64_t *out);

void opt_help(const struct verb *verb, struct buf *out); /* text for the terminal */
void opt_man(const struct verb *verb, struct buf *out);  /* plumb-VERB.1, man(7) macros */

#endif
