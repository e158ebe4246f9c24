/* drain.c - passes over the rings, and batches.
 *
 * A pass first looks how far each ring is whole, then reads the clock: so all that it reads lies
 * between two readings, and times are interpolated.
 */
#include "capture/drain.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "capture/cap_state.h"
#include "capture/drain_log.h"
#include "capture/drain_state.h"
#include "capture/events.h"
#include "store/base/clock.h"
#include "store/db.h"

enum {
    IDLE_NS = 10 * 1000 * 1000,
};

/* ---- words ---- */

int64_t drain_word(struct drain *d, uint32_t number)
{
    if (!number) return 0;
    while (d->words.n <= number) {
        int64_t *fresh = LIST_PUSH(&d->words);
        if (!fresh) return 0;
        *fresh = 0;
    }
    int64_t *id = &d->words.p[number];
    if (!*id) *id = store_word(d->writer, ring_word(d->ring, number));
    return *id;
}

/* ---- losses ---- */

enum err drain_lose(struct drain *d, int64_t source, const char *kind, int64_t count,
                    const char *message)
{
    struct row_loss row = {.id = store_next_id(d->writer, STORE_LOSS),
                           .source = source,
                           .kind = span_of(kind),
                           .ts = clock_real(),
                           .offset = STORE_NULL,
                           .line = STORE_NULL,
                           .count = count,
                           .bytes = STORE_NULL,
                           .message = span_of(message)};
    return store_loss_add(d->batch, &row);
}

enum err drain_count_losses(struct drain *d, struct drain_lane *l)
{
    uint64_t dropped = atomic_load(&l->head->dropped), cut = atomic_load(&l->head->cut);
    if (dropped > l->dropped)
        TRY(drain_lose(d, l->source, "ring", (int64_t)(dropped - l->dropped),
                       "calls and values were not recorded: the ring of their thread was full"));
    if (cut > l->cut)
        TRY(drain_lose(d, l->source, "ring", (int64_t)(cut - l->cut),
                       "calls without some of their arguments or results: the ring was full"));
    l->touched |= dropped > l->dropped || cut > l->cut;
    l->dropped = dropped;
    l->cut = cut;
    return ERR_OK;
}

enum err drain_count_threads(struct drain *d)
{
    int64_t n = (int64_t)atomic_load(&d->ring->file->lost_threads), more = n - d->lost_threads;
    d->lost_threads = n;
    return more > 0 ? drain_lose(d, 0, "thread", more,
                                 "threads were not recorded: there was no room for their rings")
                    : ERR_OK;
}

/* ---- lanes ---- */

static struct drain_lane *lane_of(struct drain *d, int region)
{
    for (size_t i = 0; i < d->lanes.n; i++)
        if (d->lanes.p[i].region == region) return &d->lanes.p[i];
    struct drain_lane *l = LIST_PUSH(&d->lanes);
    if (!l) return NULL;
    *l = (struct drain_lane){.region = region, .head = (void *)d->ring->regions[region]};
    l->records = ring_records(l->head);
    l->mask = l->head->n_records - 1;
    l->mark.at = l->head->tail;
    return l;
}

/* The thread's name; a second thread of a name gets a number. */
static struct span unique_name(struct drain *d, uint32_t word)
{
    struct span name = ring_word(d->ring, word);
    if (!name.n) name = SPAN("thread");
    int64_t *n = map_put(&d->thread_names, map_key(name), 0, NULL);
    if (!n || ++*n == 1) return name;
    const char *text = arena_printf(&d->keep, "%.*s (%lld)", SPAN_ARG(name), (long long)*n);
    return text ? span_of(text) : name;
}

static enum err put_owner(struct drain *d, struct drain_lane *l)
{
    struct span name = unique_name(d, l->head->name);
    struct row_track track = {.id = l->track,
                              .process = d->ring->file->process,
                              .kind = CAP_TRACK_THREAD,
                              .name = store_word(d->writer, name),
                              .pid = d->ring->file->pid,
                              .tid = l->head->tid};
    struct row_source_file source = {.id = l->source,
                                     .run = d->ring->file->run,
                                     .process = d->ring->file->process,
                                     .path = name,
                                     .name = name,
                                     .rank = STORE_NULL,
                                     .year = STORE_NULL,
                                     .zone_ns = 0,
                                     .n_records = STORE_NULL,
                                     .n_payloads = STORE_NULL,
                                     .state = SPAN("reading")};
    TRY(store_track_add(d->batch, &track));
    return store_source_file_add(d->batch, &source);
}

/* A ring that has a new owner. */
enum err drain_meet(struct drain *d, struct drain_lane *l)
{
    uint32_t owner = atomic_load_explicit(&l->head->owner, memory_order_acquire);
    if (!owner || owner == l->owner) return ERR_OK;
    l->owner = owner;
    l->source = l->head->source;
    l->track = l->head->track;
    l->mark = (struct drain_mark){.at = l->mark.at};
    l->counters.n = 0;
    l->raised = 0;
    l->touched = true;
    return put_owner(d, l);
}

/* An owner that has ended and whose records are all read: its ring is free once they are
 * committed. */
static enum err part(struct drain *d, struct drain_lane *l)
{
    static const char sql[] = "UPDATE source_file SET state = 'complete' WHERE id = ?1";
    if (!l->source || l->head->ended != l->owner || l->mark.at != l->head->head) return ERR_OK;
    if (!l->open.n) {
        struct store_cell value = {.kind = STORE_CELL_INT, .i = l->source};
        TRY(store_batch_add_sql(d->batch, sql, &value, 1));
    }
    l->left = true;
    return drain_leave(d, l);
}

/* ---- batches ---- */

struct freed {
    struct ring_head *head;
    uint64_t tail;
    uint32_t ended; /* owner that lets the ring go, 0 none */
};
struct written {
    size_t n;
    struct freed ring[];
};

/* On the writer's thread, also when the batch was given up. */
static void on_written(void *context)
{
    struct written *w = context;
    for (size_t i = 0; i < w->n; i++) {
        struct freed *f = &w->ring[i];
        /* Only batches that are given up, on two threads, come in another order. */
        if (f->tail > f->head->tail)
            atomic_store_explicit(&f->head->tail, f->tail, memory_order_release);
        uint32_t owner = f->ended;
        if (owner) atomic_compare_exchange_strong(&f->head->owner, &owner, 0);
    }
    free(w);
}

/* How far the lane is in the trace once the batch is: before an operator that is open and has been
 * read in part. */
static struct drain_mark whole_mark(const struct drain_lane *l)
{
    struct drain_mark m = l->mark;
    m.top = l->open.n ? l->open.p[l->open.n - 1].number : 0;
    for (size_t i = 0; i < l->open.n; i++)
        if (drain_is_whole(l->open.p[i].kind)) {
            m = l->open.p[i].begin;
            break;
        }
    return m;
}

static enum err put_mark(struct drain *d, const struct drain_lane *l, const struct drain_mark *m)
{
    char key[32], value[192];
    snprintf(key, sizeof key, "ring.%d", l->region);
    snprintf(value, sizeof value, "%u %llu %lld %lld %llu %llu %llu", l->owner,
             (unsigned long long)m->at, (long long)m->calls, (long long)m->top,
             (unsigned long long)l->dropped, (unsigned long long)l->cut,
             (unsigned long long)(l->mark.at > l->written ? l->mark.at : l->written));
    struct row_meta row = {span_of(key), span_of(value)};
    return store_meta_add(d->batch, &row);
}

static enum err put_lane(struct drain *d, struct drain_lane *l, struct freed *out)
{
    struct drain_mark m = whole_mark(l);
    *out = (struct freed){l->head, m.at, l->left || !l->source ? l->owner : 0};
    TRY(put_mark(d, l, &m));
    if (!l->source) return ERR_OK;
    struct row_call_log log = {.source = l->source, .format = SPAN("live"), .calls = l->mark.calls};
    if (l->left) l->source = 0;
    l->left = false;
    return store_call_log_add(d->batch, &log);
}

static enum err fill_batch(struct drain *d, struct written *w)
{
    for (size_t i = 0; i < d->events.n; i++) TRY(store_event_add(d->batch, &d->events.p[i]));
    for (size_t i = 0; i < d->lanes.n; i++) {
        struct drain_lane *l = &d->lanes.p[i];
        if (!l->touched) continue;
        TRY(put_lane(d, l, &w->ring[w->n++]));
        l->touched = false;
    }
    return ERR_OK;
}

enum err drain_send(struct drain *d)
{
    if (!drain_waiting(d)) {
        bool any = false;
        for (size_t i = 0; i < d->lanes.n; i++) any |= d->lanes.p[i].touched;
        if (!any) return ERR_OK;
    }
    struct written *w = calloc(1, sizeof *w + d->lanes.n * sizeof *w->ring);
    struct store_batch *fresh = store_batch_new(), *full = d->batch;
    if (!w || !fresh) {
        free(w);
        store_batch_free(fresh);
        FAIL(ERR_NOMEM, "out of memory for a batch");
    }
    enum err err = fill_batch(d, w);
    d->batch = fresh;
    d->events.n = 0;
    d->generation++;
    full->on_written = on_written;
    full->context = w;
    if (!err) err = store_submit(d->writer, full);
    else {
        on_written(w);
        full->on_written = NULL;
        store_batch_free(full);
    }
    return err;
}

/* ---- passes ---- */

static bool is_event(const struct ring_record *r)
{
    return r->type == RING_BEGIN || r->type == RING_COPY || r->type == RING_SYNC ||
           r->type == RING_ERROR;
}

/* After a failure records are only counted, so that threads do not wait. */
static void count_only(struct drain *d, struct drain_lane *l)
{
    for (; l->mark.at < l->until; l->mark.at++) {
        const struct ring_record *r = &l->records[l->mark.at & l->mask];
        d->seen += is_event(r);
        if (r->type == RING_DIGEST && r->more & 256) l->mark.at += 2;
    }
    atomic_store_explicit(&l->head->tail, l->mark.at, memory_order_release);
    uint32_t owner = l->owner;
    if (owner && l->head->ended == owner && l->mark.at == l->head->head)
        atomic_compare_exchange_strong(&l->head->owner, &owner, 0);
}

static void failed(struct drain *d, enum err err)
{
    pthread_mutex_lock(&d->lock);
    if (!d->err) {
        d->err = err;
        snprintf(d->why, sizeof d->why, "%s", err_text());
    }
    pthread_mutex_unlock(&d->lock);
}

enum err drain_find_lanes(struct drain *d)
{
    uint32_t n = atomic_load(&d->ring->file->n_regions);
    for (uint32_t i = 0; i < n; i++) {
        if (d->ring->file->regions[i].kind != RING_RING || !d->ring->regions[i]) continue;
        struct drain_lane *l = lane_of(d, (int)i);
        if (!l) FAIL(ERR_NOMEM, "out of memory for a ring");
        if (!d->db) {
            TRY(drain_meet(d, l));
            l->until = atomic_load_explicit(&l->head->head, memory_order_acquire);
        }
    }
    return ERR_OK;
}

enum err drain_read_lane(struct drain *d, struct drain_lane *l)
{
    while (l->mark.at < l->until) {
        uint64_t before = l->mark.at;
        TRY(drain_read(d, l));
        if (l->mark.at == before && !drain_waiting(d)) break;
        if (l->mark.at < l->until) TRY(drain_send(d));
    }
    return ERR_OK;
}

/* One look at all rings; *any says whether there was something. */
static enum err pass(struct drain *d, bool *any)
{
    int64_t before = d->n_records;
    bool log = false;
    TRY(drain_find_lanes(d));
    TRY(drain_clock_read(d));
    for (size_t i = 0; i < d->lanes.n; i++) {
        TRY(drain_read_lane(d, &d->lanes.p[i]));
        TRY(drain_count_losses(d, &d->lanes.p[i]));
        TRY(part(d, &d->lanes.p[i]));
    }
    TRY(drain_count_threads(d));
    TRY(drain_log_read(d->log, &log));
    *any = d->n_records != before || log;
    if (*any) TRY(drain_clock_put(d));
    return drain_send(d);
}

static bool pass_or_count(struct drain *d)
{
    bool any = false;
    enum err err = d->err ? ERR_OK : pass(d, &any);
    if (err) failed(d, err);
    if (!d->err) return any;
    drain_log_give_up(d->log);
    if (drain_find_lanes(d)) return false;
    for (size_t i = 0; i < d->lanes.n; i++) count_only(d, &d->lanes.p[i]);
    return false;
}

/* Sleeps until asked, or for a while. */
static void pause_until_asked(struct drain *d, uint64_t *asked, bool *closing, bool busy)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += busy ? IDLE_NS / 10 : IDLE_NS;
    if (until.tv_nsec >= 1000000000) until.tv_nsec -= 1000000000, until.tv_sec++;
    pthread_mutex_lock(&d->lock);
    if (d->asked == d->answered && !d->closing)
        (void)pthread_cond_timedwait(&d->work, &d->lock, &until);
    *asked = d->asked;
    *closing = d->closing;
    pthread_mutex_unlock(&d->lock);
}

static void answer(struct drain *d, uint64_t asked)
{
    enum err err = d->err ? ERR_OK : store_flush(d->writer);
    if (err) failed(d, err);
    pthread_mutex_lock(&d->lock);
    d->answered = asked;
    pthread_cond_broadcast(&d->done);
    pthread_mutex_unlock(&d->lock);
}

static void *drain_main(void *context)
{
    struct drain *d = context;
    uint64_t asked = 0;
    bool closing = false, busy = false;
    while (!closing) {
        pause_until_asked(d, &asked, &closing, busy);
        busy = pass_or_count(d);
        if (asked != d->answered) answer(d, asked);
    }
    d->cpu_ns = clock_read_(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* ---- beginning and end ---- */

struct drain *drain_alloc(struct ring *ring, struct store_writer *writer)
{
    struct drain *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->work, &monotonic);
    pthread_cond_init(&d->done, NULL);
    pthread_condattr_destroy(&monotonic);
    d->ring = ring;
    d->writer = writer;
    d->generation = 1;
    d->batch = store_batch_new();
    d->word_t = store_word(writer, SPAN("t"));
    d->word_empty = store_word(writer, SPAN(""));
    d->device = drain_word(d, ring->file->device);
    return d;
}

void drain_free(struct drain *d)
{
    for (size_t i = 0; i < d->lanes.n; i++) drain_lane_release(&d->lanes.p[i]);
    LIST_RELEASE(&d->lanes);
    store_batch_free(d->batch);
    LIST_RELEASE(&d->events);
    LIST_RELEASE(&d->words);
    LIST_RELEASE(&d->forms);
    LIST_RELEASE(&d->stacks);
    map_release(&d->launches);
    map_release(&d->texts);
    map_release(&d->thread_names);
    LIST_RELEASE(&d->known);
    LIST_RELEASE(&d->key);
    LIST_RELEASE(&d->knots);
    arena_release(&d->keep);
    buf_release(&d->scratch);
    buf_release(&d->line);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->work);
    pthread_cond_destroy(&d->done);
    free(d);
}

enum err drain_new(struct ring *ring, struct store_writer *writer, struct drain_log *log,
                   struct drain **out)
{
    struct drain *d = *out = drain_alloc(ring, writer);
    enum err err = d && d->batch ? ERR_OK : err_set(ERR_NOMEM, "out of memory for a drain");
    if (!err) {
        d->log = log;
        d->real_offset = clock_real() - clock_mono();
        err = drain_clock_read(d);
    }
    if (!err && pthread_create(&d->thread, NULL, drain_main, d))
        err = err_set(ERR_NOMEM, "no thread for a drain");
    if (!err) return ERR_OK;
    if (d) drain_free(d);
    *out = NULL;
    return err;
}

static enum err drain_error(struct drain *d)
{
    return d->err ? err_set(d->err, "%s", d->why) : ERR_OK;
}

enum err drain_flush(struct drain *d)
{
    pthread_mutex_lock(&d->lock);
    uint64_t mine = ++d->asked;
    pthread_cond_signal(&d->work);
    while (d->answered < mine) pthread_cond_wait(&d->done, &d->lock);
    enum err err = drain_error(d);
    pthread_mutex_unlock(&d->lock);
    return err;
}

/* Threads that have not ended: their open operators are written as far as they came. */
static enum err leave_all(struct drain *d)
{
    for (size_t i = 0; i < d->lanes.n; i++) {
        struct drain_lane *l = &d->lanes.p[i];
        if (!l->source) continue;
        l->until = l->head->tip;
        TRY(drain_read_lane(d, l));
        l->touched = true;
        TRY(drain_leave(d, l));
        TRY(drain_count_losses(d, l));
    }
    return drain_send(d);
}

/* ns of a record like those that threads write, as this machine does it now. */
static int64_t record_cost(int64_t n)
{
    enum { TRIES = 256 };
    struct ring_record scratch[TRIES];
    int64_t start = clock_mono();
    for (int i = 0; i < TRIES; i++)
        scratch[i] = (struct ring_record){.type = RING_BEGIN, .c = cap_ticks()};
    __asm__ volatile("" : : "r"(scratch) : "memory"); /* the records are written */
    return (clock_mono() - start) * n / TRIES;
}

static enum err put_overhead(struct drain *d)
{
    struct row_overhead row = {.ts = clock_real(),
                               .origin = SPAN("runtime"),
                               .kind = SPAN("recording calls"),
                               .cost_ns = record_cost(d->n_records),
                               .count = d->n_records};
    TRY(store_overhead_add(d->batch, &row));
    row.kind = SPAN("turning records into rows");
    row.cost_ns = d->cpu_ns;
    return store_overhead_add(d->batch, &row);
}

static enum err finish(struct drain *d)
{
    static const char forget[] = "DELETE FROM meta WHERE key GLOB 'ring.*'";
    static const char complete[] =
        "UPDATE source_file SET state = 'complete' WHERE state = 'reading'";
    TRY(put_overhead(d));
    TRY(leave_all(d));
    TRY(drain_log_finish(d->log));
    TRY(store_submit_sql(d->writer, forget, NULL, 0));
    TRY(store_submit_sql(d->writer, complete, NULL, 0));
    return store_flush(d->writer);
}

enum err drain_close(struct drain *d, struct drain_lost *lost)
{
    pthread_mutex_lock(&d->lock);
    d->closing = true;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    enum err err = d->err ? drain_error(d) : finish(d);
    if (err && !d->err) failed(d, err);
    lost->seen = d->seen;
    lost->told = (int64_t)atomic_load(&d->ring->file->n_structured);
    snprintf(lost->why, sizeof lost->why, "%s", d->why);
    drain_free(d);
    return err;
}
