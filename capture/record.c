/* record.c - one program under observation: starting, waiting, passing signals on, closing the
 * file. */
#include "capture/record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/base/clock.h"
#include "store/db.h"

#define POLL_NS (100 * 1000 * 1000)
enum {
    IMPATIENCE = 3 /* requests to end after which plumb stops waiting for a program that goes on */,
    EXEC_FAILED = 127
};

static const struct {
    const char *name;
    const struct record_provider *provider;
} providers[] = {
#define PROVIDER(name, provider, what) {name, &provider},
#include "capture/providers.def"
#undef PROVIDER
};
enum { N_PROVIDERS = sizeof providers / sizeof *providers };

static const int passed_on[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};

struct recording {
    struct record_session session;
    void *states[N_PROVIDERS];
    enum err errs[N_PROVIDERS]; /* a provider that failed is left alone */
    sigset_t before, waited;
    int requests; /* to end, from a person */
    int status;   /* of waitpid */
    bool ended;
};

enum err record_set_env(struct record_session *s, const char *name, const char *value)
{
    struct buf b = {0};
    buf_printf(&b, "%s=%s", name, value);
    TRY(buf_ok(&b));
    char **to = LIST_PUSH(&s->environment);
    if (to) *to = b.p;
    else buf_release(&b);
    if (!to) FAIL(ERR_NOMEM, "out of memory for the environment");
    return ERR_OK;
}

/* ---- the program ---- */

static void block_signals(struct recording *r)
{
    signal(SIGCHLD, SIG_DFL); /* ignored, it would take the program's status away */
    sigemptyset(&r->waited);
    sigaddset(&r->waited, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset(&r->waited, passed_on[i]);
    pthread_sigmask(SIG_BLOCK, &r->waited, &r->before);
}

/* plumb's environment with what providers set; the array is owned. */
static char **make_environment(const struct record_session *s)
{
    size_t n = 0, used = 0;
    while (environ[n]) n++;
    char **all = calloc(n + s->environment.n + 1, sizeof *all);
    for (size_t i = 0; all && i < n; i++)
        if (!record_is_set(s, environ[i])) all[used++] = environ[i];
    for (size_t i = 0; all && i < s->environment.n; i++) all[used++] = s->environment.p[i];
    return all;
}

/* In the child, where only async-signal-safe calls are allowed. */
static void exec_program(struct recording *r, char **environment, int report)
{
    pthread_sigmask(SIG_SETMASK, &r->before, NULL);
    execvpe(r->session.argv[0], r->session.argv, environment);
    int why = errno;
    ssize_t ignored = write(report, &why, sizeof why);
    (void)ignored;
    _exit(EXEC_FAILED);
}

static enum err start_program(struct recording *r)
{
    int report[2], why = 0;
    if (pipe2(report, O_CLOEXEC)) FAIL(ERR_IO, "no pipe can be made: %s", strerror(errno));
    char **environment = make_environment(&r->session);
    pid_t child = environment ? fork() : -1;
    if (child == 0) exec_program(r, environment, report[1]);
    free(environment);
    close(report[1]);
    ssize_t n = 0;
    while (child > 0 && (n = read(report[0], &why, sizeof why)) < 0 && errno == EINTR) continue;
    close(report[0]);
    if (child < 0) FAIL(ERR_LIMIT, "the program cannot be started: %s", strerror(errno));
    if (n == sizeof why) {
        waitpid(child, NULL, 0);
        FAIL(why == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be run: %s", r->session.argv[0],
             strerror(why));
    }
    r->session.child = child;
    return ERR_OK;
}

/* What the terminal sends reaches the program's process group anyway; what was sent to plumb
 * alone is passed on. */
static void pass_on(struct recording *r, const siginfo_t *info)
{
    bool to_end = info->si_signo == SIGINT || info->si_signo == SIGTERM || info->si_signo == SIGHUP;
    r->requests += to_end;
    if (info->si_code <= 0) kill(r->session.child, info->si_signo);
}

static void reap(struct recording *r)
{
    int status;
    if (waitpid(r->session.child, &status, WNOHANG) != r->session.child) return;
    r->status = status;
    r->ended = true;
}

static void wait_a_little(struct recording *r)
{
    struct timespec limit = {.tv_nsec = POLL_NS};
    siginfo_t info;
    int n = sigtimedwait(&r->waited, &info, &limit);
    if (n == SIGCHLD || n < 0) reap(r);
    else pass_on(r, &info);
}

/* ---- providers ---- */

static void give_up(struct recording *r, int i, enum err err)
{
    if (!err || r->errs[i]) return;
    r->errs[i] = err;
    fprintf(r->session.notes, "plumb record: %s: %s\n", providers[i].name, err_text());
}

static enum err prepare(struct recording *r)
{
    for (int i = 0; i < N_PROVIDERS; i++)
        TRY(providers[i].provider->prepare(&r->session, &r->states[i]));
    return record_write_start(&r->session);
}

static void each_start(struct recording *r)
{
    for (int i = 0; i < N_PROVIDERS; i++)
        give_up(r, i, providers[i].provider->start(&r->session, r->states[i]));
}

static void each_poll(struct recording *r)
{
    for (int i = 0; i < N_PROVIDERS; i++)
        if (!r->errs[i]) give_up(r, i, providers[i].provider->poll(&r->session, r->states[i]));
}

static enum err each_finish(struct recording *r, bool *any)
{
    enum err first = ERR_OK;
    for (int i = 0; i < N_PROVIDERS; i++) {
        bool some = false;
        give_up(r, i, providers[i].provider->finish(&r->session, r->states[i], &some));
        *any = *any || some;
        if (!first) first = r->errs[i];
    }
    return first;
}

/* ---- the whole ---- */

static enum err write_end(struct recording *r, struct record_outcome *out)
{
    if (!r->ended) {
        fprintf(r->session.notes,
                "plumb record: the program goes on (process %d); the trace ends here\n",
                (int)r->session.child);
        out->exit_code = 128 + SIGTERM;
        return record_write_end(&r->session, "interrupted", STORE_NULL);
    }
    bool killed = WIFSIGNALED(r->status);
    int code = killed ? WTERMSIG(r->status) : WEXITSTATUS(r->status);
    out->exit_code = killed ? 128 + code : code;
    return record_write_end(&r->session, killed ? "signal" : "exit", code);
}

static enum err observe(struct recording *r, struct record_outcome *out)
{
    TRY(prepare(r));
    out->exit_code = EXEC_FAILED;
    TRY(start_program(r));
    out->ran = true;
    each_start(r);
    while (!r->ended && r->requests < IMPATIENCE) {
        wait_a_little(r);
        each_poll(r);
    }
    enum err err = each_finish(r, &out->captured);
    enum err ending = write_end(r, out);
    return err ? err : ending;
}

static void recording_release(struct recording *r)
{
    for (int i = 0; i < N_PROVIDERS; i++) providers[i].provider->free(r->states[i]);
    for (size_t i = 0; i < r->session.environment.n; i++) free(r->session.environment.p[i]);
    LIST_RELEASE(&r->session.environment);
    torch_run_release(&r->session.run);
}

static enum err record_into(sqlite3 *db_take, char *const *argv, const struct record_target *to,
                            const char *path, FILE *notes, struct record_outcome *out)
{
    struct recording r = {.session = {.argv = argv, .notes = notes, .debug_mode = to->debug_mode}};
    char why[1024] = "";
    block_signals(&r);
    enum err err = store_writer_new(db_take, &r.session.writer);
    if (err) return err;
    torch_run_init(&r.session.run, r.session.writer);
    if (to->made) to->made(to->context, path);
    err = observe(&r, out);
    if (err) snprintf(why, sizeof why, "%s", err_text());
    recording_release(&r);
    enum err closing = store_writer_close(r.session.writer, "closed");
    pthread_sigmask(SIG_SETMASK, &r.before, NULL);
    return err ? err_set(err, "%s", why) : closing;
}

static void remove_trace(const char *path)
{
    struct buf beside = {0};
    unlink(path);
    buf_printf(&beside, "%s-wal", path);
    if (!beside.failed) unlink(beside.p);
    buf_clear(&beside);
    buf_printf(&beside, "%s-shm", path);
    if (!beside.failed) unlink(beside.p);
    buf_release(&beside);
}

enum err record_run(char *const *argv, const struct record_target *to, FILE *notes,
                    struct record_outcome *out)
{
    sqlite3 *db;
    struct buf path = {0};
    *out = (struct record_outcome){.exit_code = 2};
    bool replaces = access(to->path, F_OK) == 0;
    if (replaces && !to->overwrite)
        FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", to->path);
    buf_puts(&path, to->path);
    if (replaces)
        buf_printf(&path, ".new-%08llx",
                   (unsigned long long)(clock_real() ^ getpid()) & 0xffffffff);
    enum err err = buf_ok(&path);
    if (!err) err = store_create(path.p, &db);
    if (!err) err = record_into(db, argv, to, path.p, notes, out);
    if (err && !out->ran && err != ERR_EXISTS) remove_trace(path.p);
    if (out->ran && replaces && rename(path.p, to->path))
        err = err_set(ERR_IO, "%s cannot be renamed to %s: %s", path.p, to->path, strerror(errno));
    buf_release(&path);
    return err;
}
