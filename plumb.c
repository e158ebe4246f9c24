/* plumb.c - the program: a table of verbs, and the one place that prints errors. */
#include "plumb.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/verbs.h"

static const struct verb *const verbs[] = {
#define X(name) &verb_##name,
    VERBS(X)
#undef X
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

const char *plumb_version(void)
{
    return PLUMB_VERSION;
}

static const struct verb *find(const char *name)
{
    for (int i = 0; i < N_VERBS; i++)
        if (!strcmp(verbs[i]->name, name)) return verbs[i];
    return NULL;
}

static void usage(FILE *out)
{
    fputs("plumb tells what a tensor program compiled, launched and computed.\n\nusage: plumb VERB "
          "[OPTION]... [ARGUMENT]...\n\n",
          out);
    for (int i = 0; i < N_VERBS; i++)
        fprintf(out, "  %-8s  %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nplumb VERB --help explains one; plumb help --man VERB prints its manual page.\n", out);
}

/* All errors of outside origin end here, as one sentence without terminal escapes. */
static int complain(void)
{
    struct buf b = {0};
    buf_terminal(&b, span_of(err_text()));
    fprintf(stderr, "plumb: %s\n", b.p ? b.p : "out of memory");
    buf_release(&b);
    return 2;
}

static int print(const struct verb *v, void (*write)(const struct verb *, struct buf *))
{
    struct buf b = {0};
    write(v, &b);
    if (b.p) fputs(b.p, stdout);
    buf_release(&b);
    return 0;
}

static int help(int argc, char **argv)
{
    bool man = argc > 1 && !strcmp(argv[1], "--man");
    const char *name = argc > 1 + man ? argv[1 + man] : NULL;
    if (!name) return usage(stdout), 0;
    const struct verb *v = find(name);
    if (v) return print(v, man ? opt_man : opt_help);
    fprintf(stderr, "plumb: there is no verb %s\n", name);
    return 2;
}

static int run(const struct verb *v, int argc, char **argv)
{
    struct opt_call call;
    int code = 0;
    enum err err = opt_parse(v, argc - 1, argv + 1, &call);
    if (!err && call.help) print(v, opt_help);
    else if (!err) err = v->run(&call, &code);
    opt_call_release(&call);
    if (!err && (fflush(stdout) || ferror(stdout)))
        err = err_set(ERR_IO, "standard output cannot be written");
    return err ? complain() : code;
}

int plumb_main(int argc, char **argv)
{
    if (argc < 1) return usage(stderr), 2;
    if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "version"))
        return puts("plumb " PLUMB_VERSION), 0;
    if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
        return help(argc, argv);
    const struct verb *v = find(argv[0]);
    if (v) return run(v, argc, argv);
    struct buf b = {0};
    buf_terminal(&b, span_of(argv[0]));
    fprintf(stderr, "plumb: there is no verb %s; plumb help lists them\n", b.p ? b.p : "");
    buf_release(&b);
    return 2;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_DFL);
    return plumb_main(argc - 1, argv + 1);
}
