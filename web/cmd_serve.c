/* cmd_serve.c - plumb serve: shows traces in the browser until Ctrl-C. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/diff/diff.h"
#include "store/verbs.h"
#include "web/open.h"
#include "web/server.h"

static const struct opt opts[] = {
    {"port", 'p', "PORT", "port to listen on; 0 picks a free one (default 7433)", false},
    {"open", 0, NULL, "open the page in a browser", false},
    {"compare", 0, NULL, "compare the first two runs and show where they part", false},
    {"no-token", 0, NULL, "let every program and user of this machine read: no token is asked for",
     false},
    {0},
};

/* Shows the address in a browser. The child is left to itself. */
static void open_browser(const char *address)
{
    pid_t child = fork();
    if (child) return;
    setsid();
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) dup2(null, 1), dup2(null, 2);
    execlp("xdg-open", "xdg-open", address, (char *)NULL);
    _exit(127);
}

/* The first file is shown; of a comparison there is one page to begin with. */
static void print_address(const struct web_server *s, char *address, size_t n)
{
    const char *page = s->files[0].comparison ? "divergence" : "";
    snprintf(address, n, "http://127.0.0.1:%d/%s%s%s", s->policy.port, page,
             s->policy.token[0] ? "?token=" : "", s->policy.token);
    printf("%s\n", address);
    fflush(stdout);
}

/* Ctrl-C and SIGTERM end the server; they are blocked before threads start, so that only this
 * thread sees them. */
static void block_signals(sigset_t *set)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* ---- a comparison for as long as the server runs ---- */

enum { FOLDER_SIZE = 4096 };
struct temporary {
    char folder[FOLDER_SIZE], file[FOLDER_SIZE + 32]; /* "" not made */
};

static void temporary_remove(struct temporary *t)
{
    if (*t->file) unlink(t->file);
    if (*t->folder) rmdir(t->folder);
}

static enum err make_folder(struct temporary *t)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(t->folder, sizeof t->folder, "%s/plumb-serve-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(t->folder)) {
        enum err err = err_set(ERR_IO, "%s cannot be made: a folder for the comparison", t->folder);
        *t->folder = 0;
        return err;
    }
    snprintf(t->file, sizeof t->file, "%s/comparison.db", t->folder);
    return ERR_OK;
}

/* Comparing takes long and may be interrupted; from the folder on, it is removed at the end. */
static enum err compare(const struct opt_call *call, struct temporary *t)
{
    struct diff_options how = {.all = true};
    struct diff_comparison c;
    sigset_t set;
    if (call->argc < 2) FAIL(ERR_USAGE, "--compare takes two runs: A.db[#RUN] B.db[#RUN]");
    TRY(diff_compare(call->argv[0], call->argv[1], &how, &c));
    block_signals(&set);
    enum err err = make_folder(t);
    if (!err) err = diff_write(&c, t->file);
    diff_comparison_release(&c);
    return err;
}

/* A run that is compared stands for its file. */
static enum err open_run(const char *run, struct web_file *out)
{
    struct diff_side side;
    TRY(diff_side_parse(run, &side));
    enum err err = web_file_open(side.file, out);
    diff_side_release(&side);
    return err;
}

static enum err prepare(const struct opt_call *call, struct web_server *s, struct temporary *t)
{
    bool compared = opt_has(call, "compare");
    int64_t port = 7433;
    const char *text = opt_value(call, "port", 0);
    if (text) TRY(opt_int("port", text, 0, 65535, &port));
    s->policy.port = (int)port;
    if (!opt_has(call, "no-token") && !web_token_make(s->policy.token))
        FAIL(ERR_UNSUPPORTED,
             "the kernel gave no random bytes for a token; --no-token does without");
    s->files = calloc((size_t)call->argc + 1, sizeof *s->files);
    if (!s->files) FAIL(ERR_NOMEM, "out of memory for %d files", call->argc);
    if (compared) {
        TRY(compare(call, t));
        s->n_files = 1;
        TRY(web_file_open(t->file, &s->files[0]));
    }
    for (int i = 0; i < call->argc; i++) { /* counted first: what fails to open is closed too */
        struct web_file *to = &s->files[s->n_files++];
        TRY(compared && i < 2 ? open_run(call->argv[i], to) : web_file_open(call->argv[i], to));
    }
    return ERR_OK;
}

static enum err serve(const struct opt_call *call, int *exit_code)
{
    struct web_server s = {0};
    struct temporary temporary = {.folder = ""};
    char address[96];
    sigset_t set;
    int which;
    *exit_code = 0;
    enum err err = prepare(call, &s, &temporary);
    if (!err) {
        block_signals(&set);
        err = web_server_start(&s);
        if (!err) {
            print_address(&s, address, sizeof address);
            if (opt_has(call, "open")) open_browser(address);
            sigwait(&set, &which);
        }
        web_server_stop(&s);
    }
    for (int i = 0; i < s.n_files; i++) web_file_close(&s.files[i]);
    free(s.files);
    temporary_remove(&temporary);
    return err;
}

const struct verb verb_serve = {
    .name = "serve",
    .arguments = "FILE...",
    .summary = "show traces in the browser",
    .description =
        "Serves the pages of one or more traces on this machine only, and prints the "
        "address to open. The address holds a "
        "token of this run, which the first visit exchanges for a cookie, so that other "
        "users of the machine see nothing.\n\n"
        "FILE may be a trace (.db, .db.gz, also one that is still being written), or a "
        "TORCH_TRACE log or a folder of logs: "
        "those are imported first, into the user's cache folder, and once only as long "
        "as they do not change.\n\n"
        "The first file is what the address shows: its overview, or where two runs "
        "part when it is a comparison (plumb diff -o).\n\n"
        "With --compare the first two files, or runs A.db#RUN, are compared as plumb diff "
        "does, into a file that is kept only while the server runs.\n\n"
        "Ctrl-C ends it.",
    .examples = "plumb serve run.db\nplumb serve --port 0 --open before.db after.db\nplumb serve "
                "--compare before.db after.db\nplumb serve /tmp/my_traces",
    .opts = opts,
    .min_args = 1,
    .max_args = 64,
    .run = serve,
};
