/* cmd_record.c - plumb record: runs a program and leaves a trace of it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/record.h"
#include "store/db.h"
#include "store/verbs.h"

static const struct opt options[] = {
    {"output", 'o', "FILE", "the trace to write (default: named after the program, in this folder)",
     false},
    {"serve", 's', NULL, "show the trace in the browser while it grows, and after, until Ctrl-C",
     false},
    {"port", 'p', "PORT", "with --serve: port to listen on; 0 picks a free one (default 7433)",
     false},
    {"overwrite", 0, NULL, "replace FILE if it exists, after the program has ended", false},
    {"debug-mode", 0, "[=WHAT]",
     "also record every operator call with PyTorch's DebugMode. WHAT lists, with commas: the "
     "hashes "
     "bits (plumb's digest and statistics, the default), norm, hash_tensor, or none; stacks; and "
     "no-ids, no-modules, no-inputs to leave out tensor numbers, module scopes, hashes of "
     "arguments",
     false},
    {0},
};

/* ---- the name ---- */

static struct span stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_of(slash ? slash + 1 : path);
    const char *dot = name.n ? memrchr(name.p, '.', name.n) : NULL;
    return dot && dot > name.p ? span_to(name, (size_t)(dot - name.p)) : name;
}

static bool is_launcher(struct span name)
{
    static const char *const names[] = {"python", "torchrun",   "bash", "sh",  "env",
                                        "uv",     "accelerate", "nice", "time"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_starts(name, names[i])) return true;
    return false;
}

/* The script that an interpreter runs, else the program. */
static struct span name_of(char *const *argv)
{
    struct span name = stem(argv[0]);
    for (int i = 1; argv[i] && is_launcher(name); i++) {
        size_t n = strlen(argv[i]);
        bool script = argv[i][0] != '-' && n > 3 &&
                      (!strcmp(argv[i] + n - 3, ".py") || !strcmp(argv[i] + n - 3, ".sh"));
        if (script) return stem(argv[i]);
        if (!strcmp(argv[i], "-m") && argv[i + 1]) return span_of(argv[i + 1]);
    }
    return name;
}

/* "train.db", or "train-2.db" if that is there. */
static enum err default_path(char *const *argv, struct buf *out)
{
    struct span name = name_of(argv);
    for (int n = 1; n < 10000; n++) {
        buf_clear(out);
        for (size_t i = 0; i < name.n; i++)
            buf_putc(out, (unsigned char)name.p[i] < 0x20 || name.p[i] == '/' ? '_' : name.p[i]);
        if (!name.n || name.p[0] == '.') buf_puts(out, "trace");
        if (n > 1) buf_printf(out, "-%d", n);
        buf_puts(out, ".db");
        TRY(buf_ok(out));
        if (access(out->p, F_OK)) return ERR_OK;
    }
    FAIL(ERR_EXISTS, "%s and 9999 like it exist; give a name with -o", out->p);
}

/* ---- calls ---- */

/* What may stand in --debug-mode=WHAT, and which word of plumb_debug_mode.py it adds or takes. */
static const struct {
    const char *said, *word;
    enum { HASH, ADDED, TAKEN } kind;
} debug_words[] = {
    {"bits", "bits", HASH},
    {"norm", "norm", HASH},
    {"hash_tensor", "hash_tensor", HASH},
    {"none", "", HASH},
    {"stacks", "stacks", ADDED},
    {"no-ids", "ids", TAKEN},
    {"no-modules", "modules", TAKEN},
    {"no-inputs", "inputs", TAKEN},
};
enum { N_DEBUG_WORDS = sizeof debug_words / sizeof *debug_words };

static enum err find_debug_word(struct span said, bool *given)
{
    for (int i = 0; i < N_DEBUG_WORDS; i++)
        if (span_is(said, debug_words[i].said)) {
            given[i] = true;
            return ERR_OK;
        }
    FAIL(ERR_USAGE,
         "--debug-mode has no '%.*s': it takes bits, norm, hash_tensor, none, stacks, no-ids, "
         "no-modules, no-inputs",
         (int)said.n, said.p);
}

/* The words for the program: "bits,ids,modules,inputs" when nothing is said. */
static enum err make_debug_words(const char *said, struct buf *out)
{
    bool given[N_DEBUG_WORDS] = {0}, hashed = false;
    struct span rest = span_of(said ? said : "");
    while (rest.n) {
        size_t comma = span_find(rest, SPAN(","), 0), n = comma == SIZE_MAX ? rest.n : comma;
        TRY(find_debug_word(span_to(rest, n), given));
        rest = span_from(rest, n + (comma != SIZE_MAX));
    }
    for (int i = 0; i < N_DEBUG_WORDS; i++) hashed |= given[i] && debug_words[i].kind == HASH;
    if (!hashed) given[0] = true;
    for (int i = 0; i < N_DEBUG_WORDS; i++)
        if (given[i] == (debug_words[i].kind != TAKEN) && *debug_words[i].word)
            buf_printf(out, "%s%s", out->n ? "," : "", debug_words[i].word);
    return buf_ok(out);
}

/* ---- serve ---- */

struct server {
    pid_t pid; /* 0: none */
    const char *port;
};

static void start_server(void *context, const char *path)
{
    struct server *server = context;
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
        setpgid(0, 0); /* Ctrl-C is for the program first */
        execl("/proc/self/exe", "plumb", "serve", "--port", server->port, "--", path, (char *)NULL);
        fprintf(stderr, "plumb record: plumb serve cannot be started: %s\n", strerror(errno));
        _exit(2);
    }
    server->pid = child;
}

/* Waits for Ctrl-C or for the end of the server. */
static void wait_for_server(pid_t server)
{
    sigset_t set;
    int which = 0, status;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fprintf(stderr, "plumb record: the program has ended; Ctrl-C ends the pages\n");
    while (waitpid(server, &status, WNOHANG) == 0) {
        sigwait(&set, &which);
        if (which != SIGCHLD) kill(server, SIGTERM);
    }
}

/* A reader that had the file open has kept it in WAL mode. */
static enum err close_into_one_file(const char *path)
{
    sqlite3 *db;
    TRY(store_open_read(path, STORE_OPEN_WRITE | STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS, &db));
    enum err err = store_exec(db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;");
    store_close(db);
    return err;
}

/* ---- the verb ---- */

static enum err record(const struct opt_call *call, const char *path, const char *debug_mode,
                       int *exit_code)
{
    const char *port = opt_value(call, "port", 0);
    struct server server = {.port = port ? port : "7433"};
    struct record_target to = {
        .path = path, .overwrite = opt_has(call, "overwrite"), .debug_mode = debug_mode};
    struct record_outcome outcome;
    bool serve = opt_has(call, "serve"), later = serve && access(path, F_OK) == 0;
    if (serve && !later) {
        to.made = start_server;
        to.context = &server;
    }
    enum err err = record_run(call->argv, &to, stderr, &outcome);
    *exit_code = outcome.exit_code;
    if (outcome.ran) fprintf(stderr, "plumb record: %s\n", path);
    if (err && outcome.ran && outcome.exit_code) {
        fprintf(stderr, "plumb record: %s\n", err_text());
        err = ERR_OK; /* the program's own status tells more */
    }
    if (later && !err) start_server(&server, path);
    if (server.pid > 0 && !outcome.ran) kill(server.pid, SIGTERM);
    if (server.pid > 0 && outcome.ran) wait_for_server(server.pid);
    bool live = server.pid > 0 && !later && outcome.ran;
    return err || !live ? err : close_into_one_file(path);
}

static enum err run(const struct opt_call *call, int *exit_code)
{
    struct buf path = {0}, words = {0};
    const char *given = opt_value(call, "output", 0);
    bool calls = opt_has(call, "debug-mode");
    enum err err = calls ? make_debug_words(opt_value(call, "debug-mode", 0), &words) : ERR_OK;
    if (err) {
        buf_release(&words);
        return err;
    }
    if (given) buf_puts(&path, given);
    else err = default_path(call->argv, &path);
    if (!err) err = buf_ok(&path);
    if (!err) err = record(call, path.p, calls ? words.p ? words.p : "" : NULL, exit_code);
    buf_release(&path);
    buf_release(&words);
    return err;
}

const struct verb verb_record = {
    .name = "record",
    .arguments = "-- COMMAND...",
    .summary = "run a program and leave a trace of what it compiled and called",
    .description = "Runs COMMAND with TORCH_TRACE set and follows the logs of it, its children and "
                   "its ranks while it runs. The trace says "
                   "what was run, on which machine, with which environment, and how it ended. It "
                   "can be opened while it grows.\n\n"
                   "The program keeps its terminal and its exit code, which becomes that of plumb; "
                   "a program that was killed by signal n "
                   "gives 128 + n. Signals sent to plumb are passed on; after three requests to "
                   "end plumb stops waiting. If TORCH_TRACE is set "
                   "already, the logs stay in that folder.\n\n"
                   "With --debug-mode a Python program that imports PyTorch 2.13 runs under "
                   "DebugMode: every operator call, with module scopes, tensors, times and hashes, "
                   "is in the trace while the program runs. The program may mark its steps: "
                   "from plumb_debug_mode import plumb_step; plumb_step(3).",
    .examples = "plumb record -- python train.py --steps 3\n"
                "plumb record -o job.db -- torchrun --nproc-per-node 4 train.py\n"
                "plumb record --serve -- python train.py\n"
                "plumb record --debug-mode=bits,norm -- python train.py",
    .opts = options,
    .min_args = 1,
    .max_args = -1,
    .rest = true,
    .run = run,
};
