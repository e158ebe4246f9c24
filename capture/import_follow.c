/* import_follow.c - logs that grow: one thread looks at all of them in turn, every POLL_NS.
 *
 * Programs write slowly compared with what an import reads, so here nothing is gained by more
 * threads. What was appended is cut into records at each look; the last record of a log is taken
 * when its payload has the announced md5, or when the log has rested for REST_NS.
 */
#include <stdlib.h>
#include <time.h>

#include "capture/import_log.h"
#include "capture/torch_tail.h"
#include "store/base/clock.h"

#define POLL_NS (50 * INT64_C(1000000))
#define LIST_NS (200 * INT64_C(1000000))
#define REST_NS (1000 * INT64_C(1000000))

/* One log being followed. */
struct tail {
    struct import_input input;
    struct torch_tail log;
    int64_t changed; /* ns, when bytes came last */
    bool broken;     /* nothing more can be read */
};
struct follower {
    struct import_shared *shared;
    LIST_OF(struct tail *) tails; /* as list->logs */
    int64_t changed;
};

/* ---- logs come ---- */

static void tail_free(struct tail *t)
{
    if (!t) return;
    torch_tail_release(&t->log);
    import_input_close(&t->input);
    free(t);
}

static enum err tail_new(struct import_shared *s, const struct import_log *log, struct tail **out)
{
    struct tail *t = calloc(1, sizeof *t);
    if (!t) FAIL(ERR_NOMEM, "out of memory for following a log");
    enum err err = import_input_open(&t->input, log->path);
    struct torch_reader *reader;
    if (!err) err = import_reader_new(s, log, &reader);
    if (!err) err = torch_tail_init(&t->log, reader);
    t->changed = clock_mono();
    *out = t;
    if (!err) return ERR_OK;
    tail_free(t);
    return err;
}

static enum err look_for_logs(struct follower *f)
{
    struct import_shared *s = f->shared;
    for (int i = 0; i < s->request->n_paths && !s->request->latest; i++)
        TRY(import_list_add(s->list, s->request->paths[i], false));
    TRY(import_list_runs(s->list, s->writer));
    while (f->tails.n < s->list->logs.n) {
        struct tail *t = NULL, **slot = LIST_PUSH(&f->tails);
        if (!slot) FAIL(ERR_NOMEM, "out of memory for following logs");
        f->tails.n--;
        TRY(tail_new(s, &s->list->logs.p[f->tails.n], &t));
        *slot = t;
        f->tails.n++;
        f->changed = clock_mono();
    }
    return ERR_OK;
}

/* ---- bytes come ---- */

static enum err take(struct follower *f, struct tail *t, enum torch_take what)
{
    int64_t n_bytes = 0;
    enum err err = torch_tail_take(&t->log, what, &n_bytes);
    atomic_fetch_add(&f->shared->text, n_bytes);
    return err;
}

/* What is there now; *any says whether something came. */
static enum err read_new(struct follower *f, struct tail *t, bool *any)
{
    size_t got = 1;
    while (got && !t->broken) {
        char *to = torch_cutter_room(&t->log.cutter, TORCH_PIECE_SIZE);
        if (!to)
            FAIL(ERR_NOMEM, "out of memory for a record of more than %zu bytes",
                 torch_cutter_waiting(&t->log.cutter));
        int64_t before = t->input.disk;
        enum err err = import_input_read(&t->input, &(struct import_wait){.never = true}, to,
                                         TORCH_PIECE_SIZE, &got);
        if (err == ERR_NOMEM) return err;
        if (err) {
            t->broken = true;
            TRY(torch_reader_settle(t->log.reader));
            t->log.reader->damage = arena_printf(&t->log.reader->source.keep, "%s", err_text());
        }
        atomic_fetch_add(&f->shared->disk, t->input.disk - before);
        *any = *any || got;
        TRY(torch_cutter_fill(&t->log.cutter, got));
        if (torch_cutter_waiting(&t->log.cutter) >= TORCH_RECORD_MAX)
            TRY(take(f, t, TORCH_TAKE_ALL));
        else if (torch_cutter_waiting(&t->log.cutter) >= TORCH_PIECE_SIZE &&
                 torch_cutter_ready(&t->log.cutter))
            TRY(take(f, t, TORCH_TAKE_COMPLETE));
    }
    return ERR_OK;
}

static enum err look_at(struct follower *f, struct tail *t)
{
    bool any = false;
    TRY(read_new(f, t, &any));
    int64_t now = clock_mono();
    if (any) t->changed = f->changed = now;
    bool rests = now - t->changed > REST_NS;
    if (torch_cutter_tail_complete(&t->log.cutter) ||
        (rests && torch_cutter_at_line_end(&t->log.cutter)))
        TRY(take(f, t, TORCH_TAKE_ALL));
    else if (torch_cutter_ready(&t->log.cutter)) TRY(take(f, t, TORCH_TAKE_COMPLETE));
    return rests || now - t->changed > LIST_NS ? torch_reader_settle(t->log.reader) : ERR_OK;
}

/* ---- the end ---- */

static bool is_over(const struct follower *f)
{
    const struct import_request *q = f->shared->request;
    if (import_stopped(f->shared)) return true;
    if (q->until_idle_ns && clock_mono() - f->changed > q->until_idle_ns) return true;
    bool all_ended = f->tails.n > 0;
    for (size_t i = 0; i < f->tails.n; i++)
        all_ended = all_ended && (f->tails.p[i]->input.ended || f->tails.p[i]->broken);
    return all_ended;
}

static enum err finish(struct follower *f)
{
    TRY(look_for_logs(f));
    for (size_t i = 0; i < f->tails.n; i++) {
        struct tail *t = f->tails.p[i];
        bool any = false;
        TRY(read_new(f, t, &any));
        TRY(take(f, t, TORCH_TAKE_ALL));
        t->log.reader->source.row.compressed = t->input.gz != NULL;
        const char *damage = t->log.reader->damage ? t->log.reader->damage : "";
        TRY(torch_reader_finish(t->log.reader, *damage ? "interrupted" : "complete", damage));
        import_count(f->shared, t->log.reader);
    }
    return ERR_OK;
}

static enum err follow(struct follower *f)
{
    int64_t listed = 0, shown = 0;
    while (!is_over(f)) {
        int64_t now = clock_mono();
        if (now - listed > LIST_NS) {
            TRY(look_for_logs(f));
            listed = now;
        }
        for (size_t i = 0; i < f->tails.n; i++) TRY(look_at(f, f->tails.p[i]));
        if (f->shared->request->progress && now - shown > 2 * POLL_NS) {
            struct import_progress p = {.done = atomic_load(&f->shared->disk),
                                        .text = atomic_load(&f->shared->text)};
            p.logs = (int)f->tails.n;
            f->shared->request->progress(f->shared->request->context, &p);
            shown = now;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return finish(f);
}

enum err import_follow(struct import_shared *s)
{
    struct follower f = {.shared = s, .changed = clock_mono()};
    enum err err = follow(&f);
    for (size_t i = 0; i < f.tails.n; i++) tail_free(f.tails.p[i]);
    LIST_RELEASE(&f.tails);
    return err;
}
