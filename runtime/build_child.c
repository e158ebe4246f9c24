/* build_child.c - starts the compiler, waits for it no longer than allowed, and keeps what it said.
 *
 * It runs in a process group of its own, so that what it starts ends with it, with standard input
 * empty and both outputs in a file. Its environment is ours with LC_ALL=C.
 */
#include "runtime/build_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { SAID = 300, MOST_WORDS = 32 };

/* ---- finding it ---- */

bool build_child_find(const char *name, char out[PATH_MAX_BUILD])
{
    char found[PATH_MAX], try[PATH_MAX_BUILD];
    const char *path = strchr(name, '/') ? "" : getenv("PATH");
    if (!path) path = "/usr/local/bin:/usr/bin:/bin";
    for (;;) {
        size_t n = strcspn(path, ":");
        snprintf(try, sizeof try, "%.*s%s%s", (int)n, path, n ? "/" : "", name);
        if (!access(try, X_OK) && realpath(try, found) && strlen(found) < PATH_MAX_BUILD) {
            strcpy(out, found);
            return true;
        }
        if (!path[n]) return false;
        path += n + 1;
    }
}

/* ---- the folder of a compilation ---- */

static enum err write_text(const char *path, struct span text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t done = 0;
    while (fd >= 0 && done < text.n) {
        ssize_t n = write(fd, text.p + done, text.n - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += (size_t)n;
    }
    bool fine = fd >= 0 && done == text.n;
    if (fd >= 0 && close(fd)) fine = false;
    if (!fine) FAIL(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    return ERR_OK;
}

static void in_folder(char out[PATH_MAX_BUILD], const char *folder, const char *name)
{
    int n = snprintf(out, PATH_MAX_BUILD, "%s/%s", folder, name);
    if (n >= PATH_MAX_BUILD) out[0] = 0; /* no such file: what is done with it fails */
}

void build_child_clean(const char *made)
{
    static const char *const names[] = {"k.c", "k.so", "said"};
    char folder[PATH_MAX_BUILD], path[PATH_MAX_BUILD];
    snprintf(folder, sizeof folder, "%s", made);
    char *slash = strrchr(folder, '/');
    if (!slash) return;
    *slash = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        in_folder(path, folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* ---- the process ---- */

static enum err start(const struct build_job *job, const char *folder, pid_t *out)
{
    char flags[] = BUILD_FLAGS, lang[] = "LC_ALL=C", compiler[512], said[PATH_MAX_BUILD];
    char source[PATH_MAX_BUILD], made[PATH_MAX_BUILD], *word[MOST_WORDS], *rest = NULL;
    int n = 0, n_env = 0;
    snprintf(compiler, sizeof compiler, "%s", job->compiler);
    in_folder(source, folder, "k.c");
    in_folder(made, folder, "k.so");
    in_folder(said, folder, "said");
    word[n++] = compiler;
    for (char *p = strtok_r(flags, " ", &rest); p; p = strtok_r(NULL, " ", &rest)) word[n++] = p;
    char *const tail[] = {(char *)job->isa_flag, "-o", made, source, "-lm", NULL};
    memcpy(word + n, tail, sizeof tail);
    while (environ[n_env]) n_env++;
    char **env = calloc((size_t)n_env + 2, sizeof *env);
    if (!env) FAIL(ERR_NOMEM, "out of memory for a compilation");
    memcpy(env + 1, environ, (size_t)n_env * sizeof *env);
    env[0] = lang; /* the first of two equal names counts */
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, said, O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &none);
    int code = posix_spawnp(out, compiler, &files, &attr, word, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    free(env);
    if (code)
        FAIL(ERR_UNSUPPORTED, "the compiler %s cannot be started: %s (PLUMB_CC names another)",
             compiler, strerror(code));
    return ERR_OK;
}

/* True when it ended in time. */
static bool wait_for(pid_t child, int timeout_s, int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec pause = {.tv_nsec = 1000000};
    bool ended = false;
    if (fd >= 0) {
        int rc;
        while ((rc = poll(&p, 1, timeout_s * 1000)) < 0 && errno == EINTR) continue;
        ended = rc == 1;
        close(fd);
    }
    for (int64_t ms = 0; fd < 0 && !ended && ms < timeout_s * INT64_C(1000); ms++) {
        siginfo_t info = {0};
        ended = !waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
        if (!ended) nanosleep(&pause, NULL);
    }
    kill(-child, SIGKILL); /* what it left behind; itself, if it is still there */
    while (waitpid(child, status, 0) < 0 && errno == EINTR) continue;
    return ended;
}

/* The first line of what the compiler printed, or the first with "error". */
static void what_it_said(const char *folder, char out[SAID])
{
    char path[PATH_MAX_BUILD], text[4096];
    in_folder(path, folder, "said");
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 && text[i] != '\n') text[i] = '?';
    char *line = strstr(text, "error"), *end;
    while (line && line > text && line[-1] != '\n') line--;
    if (!line) line = text;
    if ((end = strchr(line, '\n'))) *end = 0;
    snprintf(out, SAID, "%.*s", SAID - 1, *line ? line : "it printed nothing");
}

static enum err judge(const struct build_job *job, const char *folder, bool ended, int status,
                      bool *no_compiler)
{
    char said[SAID];
    if (!ended) {
        *no_compiler = true;
        FAIL(ERR_IO, "the compiler %s did not end within %d s and was stopped", job->compiler,
             job->timeout_s);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ERR_OK;
    what_it_said(folder, said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) *no_compiler = true;
    if (WIFSIGNALED(status))
        FAIL(ERR_IO, "the compiler %s was ended by signal %d: %s", job->compiler, WTERMSIG(status),
             said);
    FAIL(ERR_IO, "the compiler %s failed with status %d: %s", job->compiler, WEXITSTATUS(status),
         said);
}

enum err build_child_begin(const struct build_job *job, struct span text, struct build_child *out,
                           bool *no_compiler)
{
    char source[PATH_MAX_BUILD];
    pid_t pid;
    in_folder(out->folder, job->folder, "build-XXXXXX");
    out->made[0] = 0;
    if (!mkdtemp(out->folder))
        FAIL(ERR_IO, "no folder can be made in %s: %s", job->folder, strerror(errno));
    in_folder(out->made, out->folder, "k.so");
    in_folder(source, out->folder, "k.c");
    TRY(write_text(source, text));
    enum err err = start(job, out->folder, &pid);
    if (err) *no_compiler = true;
    else out->pid = (int)pid;
    return err;
}

enum err build_child_end(const struct build_job *job, const struct build_child *child,
                         bool *no_compiler)
{
    int status = 0;
    bool ended = wait_for((pid_t)child->pid, job->timeout_s, &status);
    return judge(job, child->folder, ended, status, no_compiler);
}
