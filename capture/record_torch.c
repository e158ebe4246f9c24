/* record_torch.c - the provider torch_trace: the program writes its logs into a private folder,
 * an import follows them.
 *
 * PyTorch reads TORCH_TRACE when it is imported and makes one log per process in that folder;
 * children and ranks inherit the variable. If the person has set it already, their folder is
 * kept: new logs in it are linked into the private one, so that what was there before stays out
 * of the trace.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/record.h"
#include "store/base/map.h"

struct torch_trace {
    char folder[4096]; /* private, made by us */
    char *theirs;      /* owned; folder of a TORCH_TRACE that was set, NULL none */
    struct map known;  /* names in theirs that were there before, or are linked */
    pthread_t thread;
    bool running;
    atomic_bool stop;
    struct record_session *session;
    struct import_counts counts;
    enum err err;
    char why[1024];
};

/* Calls for each name in a folder. */
static enum err each_name(const char *folder,
                          enum err (*visit)(struct torch_trace *t, const char *name),
                          struct torch_trace *t)
{
    DIR *d = opendir(folder);
    if (!d) return ERR_OK; /* not made yet: PyTorch makes it */
    enum err err = ERR_OK;
    for (struct dirent *e; !err && (e = readdir(d));)
        if (e->d_name[0] != '.') err = visit(t, e->d_name);
    closedir(d);
    return err;
}

static enum err remember(struct torch_trace *t, const char *name)
{
    if (!map_put(&t->known, map_key(span_of(name)), 1, NULL))
        FAIL(ERR_NOMEM, "out of memory for names of logs");
    return ERR_OK;
}

static enum err link_new(struct torch_trace *t, const char *name)
{
    struct buf from = {0}, to = {0};
    if (map_get(&t->known, map_key(span_of(name)))) return ERR_OK;
    buf_printf(&from, "%s/%s", t->theirs, name);
    buf_printf(&to, "%s/%s", t->folder, name);
    enum err err = buf_ok(&from);
    if (!err) err = buf_ok(&to);
    if (!err && symlink(from.p, to.p) && errno != EEXIST)
        err = err_set(ERR_IO, "%s cannot be made: %s", to.p, strerror(errno));
    buf_release(&from);
    buf_release(&to);
    return err ? err : remember(t, name);
}

static enum err keep_theirs(struct record_session *s, struct torch_trace *t, const char *folder)
{
    char *cwd = folder[0] == '/' ? NULL : getcwd(NULL, 0);
    struct buf path = {0};
    buf_printf(&path, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", folder);
    free(cwd);
    TRY(buf_ok(&path));
    t->theirs = path.p;
    fprintf(s->notes, "plumb record: TORCH_TRACE is set: logs stay in %s and are followed there\n",
            folder);
    return each_name(t->theirs, remember, t);
}

static enum err prepare(struct record_session *s, void **state)
{
    struct torch_trace *t = calloc(1, sizeof *t);
    if (!t) FAIL(ERR_NOMEM, "out of memory for the provider torch_trace");
    *state = t;
    t->session = s;
    const char *set = getenv("TORCH_TRACE");
    TRY(record_make_folder(t->folder, sizeof t->folder));
    if (set && *set) return keep_theirs(s, t, set);
    return record_set_env(s, "TORCH_TRACE", t->folder);
}

static void *follow(void *context)
{
    struct torch_trace *t = context;
    char *paths[] = {t->folder};
    struct import_request request = {
        .paths = paths, .n_paths = 1, .follow = true, .stop = &t->stop, .run = &t->session->run};
    t->err = import_into(t->session->writer, &request, &t->counts);
    if (t->err) snprintf(t->why, sizeof t->why, "%s", err_text());
    return NULL;
}

static enum err start(struct record_session *s, void *state)
{
    struct torch_trace *t = state;
    (void)s;
    if (pthread_create(&t->thread, NULL, follow, t))
        FAIL(ERR_LIMIT, "no thread for following logs");
    t->running = true;
    return ERR_OK;
}

static enum err poll(struct record_session *s, void *state)
{
    struct torch_trace *t = state;
    (void)s;
    return t->theirs ? each_name(t->theirs, link_new, t) : ERR_OK;
}

static void print_counts(struct record_session *s, const struct import_counts *c)
{
    fprintf(s->notes, "plumb record: %lld log%s, %lld records", (long long)c->logs,
            c->logs == 1 ? "" : "s", (long long)c->records);
    const char *before = "; losses: ";
    for (int k = 0; k < TORCH_N_LOSSES; k++) {
        if (!c->losses[k] || k == TORCH_LOSS_other_rank) continue;
        fprintf(s->notes, "%s%s %lld", before, torch_loss_rules[k].kind, (long long)c->losses[k]);
        before = ", ";
    }
    fputc('\n', s->notes);
}

static enum err finish(struct record_session *s, void *state, bool *any)
{
    struct torch_trace *t = state;
    TRY(poll(s, state));
    atomic_store(&t->stop, true);
    if (t->running) pthread_join(t->thread, NULL);
    t->running = false;
    if (t->err)
        return err_set(t->err, "%s; the logs are in %s", t->why, t->theirs ? t->theirs : t->folder);
    *any = t->counts.records > 0;
    if (*any) print_counts(s, &t->counts);
    else
        fprintf(s->notes, "plumb record: torch_trace: nothing was traced, for no log appeared: the "
                          "command did not compile or export with PyTorch\n");
    return ERR_OK;
}

static void release(void *state)
{
    struct torch_trace *t = state;
    if (!t) return;
    if (t->running) {
        atomic_store(&t->stop, true);
        pthread_join(t->thread, NULL);
    }
    if (t->folder[0] && !t->err) record_remove_folder(t->folder);
    map_release(&t->known);
    free(t->theirs);
    free(t);
}

const struct record_provider record_torch_trace = {prepare, start, poll, finish, release};
