/* drain_lane.c - the records of one ring, in order, become calls and what stands beside them. */
#include "capture/debug_call.h"
#include "capture/drain_state.h"
#include "capture/events.h"
#include "store/db.h"

enum { BATCH_ROWS = 8192, COUNTERS = 4096 };

static struct drain_call *top(struct drain_lane *l)
{
    return l->open.n ? &l->open.p[l->open.n - 1] : NULL;
}
static int64_t top_number(struct drain_lane *l)
{
    return l->open.n ? top(l)->number : 0;
}
/* Times of a thread do not go back, whatever two readings of the clock say. */
static int64_t time_of(struct drain *d, struct drain_lane *l, uint64_t ticks)
{
    int64_t ns = drain_ns(d, ticks);
    if (ns < l->last_ts) ns = l->last_ts;
    return l->last_ts = ns;
}

/* ---- events ---- */

static enum err put_event(struct drain *d, const struct row_event *row)
{
    struct row_event *to = LIST_PUSH(&d->events);
    if (!to) FAIL(ERR_NOMEM, "out of memory for events");
    *to = *row;
    d->seen++;
    return ERR_OK;
}

static bool is_step(struct drain *d, const struct ring_record *r)
{
    struct span name = ring_word(d->ring, r->a);
    return span_starts(name, "step ") || span_is(name, "step") ||
           span_is(ring_word(d->ring, (uint32_t)(r->d >> 32)), "step");
}

static int64_t event_kind(struct drain *d, const struct ring_record *r)
{
    switch (r->sub) {
    case CAP_OP: return DEBUG_OP;
    case CAP_MODULE: return DEBUG_MODULE;
    case CAP_ANNOTATE:
        return span_starts(ring_word(d->ring, (uint32_t)(r->d >> 32)), "nn.Mod") ? DEBUG_MODULE
                                                                                 : DEBUG_ANNOTATE;
    case CAP_LAUNCH: return CAP_EVENT_LAUNCH;
    case CAP_KERNEL: return DEBUG_TRITON;
    default: return is_step(d, r) ? CAP_EVENT_STEP : CAP_EVENT_SPAN;
    }
}

/* Names of operators without ".default", as DebugMode prints them. */
static int64_t name_of(struct drain *d, const struct ring_record *r)
{
    struct span name = ring_word(d->ring, r->a);
    if (r->sub != CAP_OP || !span_ends(name, ".default")) return drain_word(d, r->a);
    return store_word(d->writer, span_to(name, name.n - 8));
}

/* ---- lines ---- */

static bool raises(const struct drain *d, const struct drain_call *c)
{
    if (c->kind == CAP_ANNOTATE) return !span_is(ring_word(d->ring, c->header), "annotate");
    return drain_is_whole(c->kind) || c->kind == CAP_MODULE;
}

static bool has_line(enum cap_kind kind)
{
    return drain_is_whole(kind) || kind == CAP_MODULE || kind == CAP_ANNOTATE;
}

static enum err put_scope(struct drain *d, struct drain_lane *l, const struct drain_call *c)
{
    struct row_call row = {
        .event = c->number,
        .source = l->source,
        .position = c->position,
        .depth = c->depth,
        .args = drain_word(d, c->header),
        .stack = drain_stack(d, c->stack),
    };
    return store_call_add(d->batch, &row);
}

/* Which digests the text of a kernel shows. */
static int64_t kernel_flags(const struct drain *d, const struct drain_lane *l,
                            const struct drain_call *c)
{
    bool inputs = d->ring->file->texts & RING_INPUT_HASHES;
    int64_t flags = DEBUG_PLUMB;
    for (size_t i = c->items; i < l->items.n; i++) {
        const struct drain_item *m = &l->items.p[i];
        if (m->what != ITEM_TENSOR || !m->n_digests) continue;
        if (m->sub == CAP_ARGUMENT && inputs) flags |= DEBUG_BEFORE;
        if (m->sub == CAP_ARGUMENT_AFTER) flags |= DEBUG_AFTER;
    }
    return flags;
}

static enum err put_operator(struct drain *d, struct drain_lane *l, const struct drain_call *c)
{
    struct drain_texts texts;
    TRY(drain_texts(d, l, c, &texts));
    struct row_call row = {
        .event = c->number,
        .source = l->source,
        .position = c->position,
        .depth = c->depth,
        .args = texts.args,
        .kwargs = texts.kwargs,
        .output = texts.output,
        .log = texts.log,
        .stack = drain_stack(d, c->stack),
        .flags = c->kind == CAP_KERNEL ? kernel_flags(d, l, c) : 0,
    };
    TRY(store_call_add(d->batch, &row));
    return drain_uses(d, l, c);
}

/* ---- begin and end ---- */

/* What the trace has of a call that was read before. */
static enum err look_up(struct drain *d, int64_t number, bool *there, bool *ended)
{
    sqlite3_stmt *s;
    TRY(store_prepare(d->db, "SELECT dur IS NOT NULL FROM main.event WHERE id = ?1", &s));
    sqlite3_bind_int64(s, 1, number);
    int rc = sqlite3_step(s);
    *there = rc == SQLITE_ROW;
    *ended = *there && sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK
                                                 : store_sql_error(d->db, rc, "reading an event");
}

static enum err begin(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    bool there = false, ended = false;
    struct drain_mark mark = l->mark;
    mark.top = top_number(l);
    if (drain_is_written(l)) TRY(look_up(d, (int64_t)r->b, &there, &ended));
    int64_t parent = mark.top;
    struct drain_call *c = LIST_PUSH(&l->open);
    if (!c) FAIL(ERR_NOMEM, "out of memory for open calls");
    *c = (struct drain_call){.number = (int64_t)r->b,
                             .ts = time_of(d, l, r->c),
                             .kind = (enum cap_kind)r->sub,
                             .name = r->a,
                             .header = (uint32_t)(r->d >> 32),
                             .stack = r->sub == CAP_LAUNCH ? 0 : (uint32_t)r->d,
                             .generation = there ? 0 : d->generation,
                             .event = d->events.n,
                             .items = l->items.n,
                             .uses = l->uses.n,
                             .digests = l->digests.n,
                             .remarks = l->remarks.n,
                             .known = ended,
                             .begin = mark};
    if (has_line(c->kind)) {
        c->position = l->mark.calls++;
        c->depth = l->raised + (c->kind != CAP_ANNOTATE);
    }
    l->raised += raises(d, c);
    if (there) return ERR_OK;
    struct row_event row = {.id = c->number,
                            .ts = c->ts,
                            .dur = STORE_NULL,
                            .track = l->track,
                            .kind = event_kind(d, r),
                            .name = name_of(d, r),
                            .parent = parent,
                            .flags = CAP_EVENT_FLAG_UNCLOSED};
    TRY(put_event(d, &row));
    return has_line(c->kind) && !drain_is_whole(c->kind) ? put_scope(d, l, c) : ERR_OK;
}

static enum err close_event(struct drain *d, const struct drain_call *c, int64_t dur)
{
    if (c->generation == d->generation) {
        d->events.p[c->event].dur = dur;
        d->events.p[c->event].flags = 0;
        return ERR_OK;
    }
    struct store_cell values[] = {{.kind = STORE_CELL_INT, .i = c->number},
                                  {.kind = STORE_CELL_INT, .i = dur}};
    return store_batch_add_sql(
        d->batch, "UPDATE event SET dur = ?2, flags = flags & ~1 WHERE id = ?1", values, 2);
}

static void forget_items(struct drain_lane *l, const struct drain_call *c)
{
    l->items.n = c->items;
    l->uses.n = c->uses;
    l->digests.n = c->digests;
    l->remarks.n = c->remarks;
}

static enum err pop(struct drain *d, struct drain_lane *l)
{
    struct drain_call *c = top(l);
    enum err err = ERR_OK;
    if (drain_is_whole(c->kind) && !c->known) err = put_operator(d, l, c);
    l->raised -= raises(d, c);
    forget_items(l, c);
    l->open.n--;
    return err;
}

static enum err end(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    int64_t ts = time_of(d, l, r->c);
    struct drain_call *c = top(l);
    if (!c) return ERR_OK;
    if (!c->known) TRY(close_event(d, c, (c->done ? c->done : ts) - c->ts));
    return pop(d, l);
}

/* ---- items ---- */

static enum err put_item(struct drain_lane *l, const struct drain_item *item)
{
    struct drain_item *to = LIST_PUSH(&l->items);
    if (!to) FAIL(ERR_NOMEM, "out of memory for arguments");
    *to = *item;
    return ERR_OK;
}

static enum err tensor(struct drain_lane *l, const struct ring_record *r)
{
    struct drain_item item = {.what = ITEM_TENSOR,
                              .sub = r->sub,
                              .keyword = (uint32_t)(r->c >> 32),
                              .form = r->a,
                              .version = (uint32_t)r->c,
                              .value = r->b};
    size_t *use = LIST_PUSH(&l->uses);
    if (!use) FAIL(ERR_NOMEM, "out of memory for arguments");
    *use = l->items.n;
    return put_item(l, &item);
}

static enum err scalar(struct drain_lane *l, const struct ring_record *r)
{
    struct drain_item item = {.what = ITEM_SCALAR,
                              .sub = r->sub,
                              .is_result = r->type == RING_RESULT,
                              .keyword = r->type == RING_RESULT ? 0 : r->a,
                              .value = r->b};
    return put_item(l, &item);
}

static enum err mark(struct drain_lane *l, const struct ring_record *r)
{
    struct drain_item item = {.what = r->type == RING_LIST ? ITEM_LIST : ITEM_LIST_END,
                              .keyword = r->a};
    return put_item(l, &item);
}

static enum err remark(struct drain_lane *l, const struct ring_record *r)
{
    struct drain_remark *to = LIST_PUSH(&l->remarks);
    if (!to) FAIL(ERR_NOMEM, "out of memory for remarks");
    *to = (struct drain_remark){.key = r->a,
                                .value = {.kind = (enum cap_scalar)r->sub, .i = (int64_t)r->b}};
    return ERR_OK;
}

/* ---- machine ---- */

/* Records that one takes, with those behind it that have no type. */
static uint64_t length(const struct ring_record *r)
{
    if (r->type == RING_DIGEST) return r->more & 256 ? 3 : 1;
    if (r->type == RING_LAUNCH) return r->sub ? 2 : 1;
    return r->type == RING_COPY ? 2 : 1;
}

static int64_t or_null(uint64_t v)
{
    return v ? (int64_t)v : STORE_NULL;
}

/* What is launched, once for all launches alike. */
static enum err launch(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    const struct drain_call *c = top(l);
    if (!c || c->generation != d->generation) return ERR_OK;
    bool added;
    uint64_t items = (uint64_t)r->more << 32 | r->a,
             threads = l->records[(l->mark.at - 1) & l->mask].d;
    uint32_t site = r->sub ? drain_behind(l, 1)->a : 0;
    uint64_t key[] = {(uint64_t)c->header << 32 | c->name,
                      items,
                      (uint64_t)site << 32 | (uint32_t)threads,
                      r->b,
                      r->c,
                      r->d};
    int64_t *id = map_put(&d->launches, map_key((struct span){(char *)key, sizeof key}), 0, &added);
    if (!id) FAIL(ERR_NOMEM, "out of memory for launches");
    if (added) *id = store_next_id(d->writer, STORE_LAUNCH);
    d->events.p[c->event].launch = *id;
    if (!added) return ERR_OK;
    struct row_launch row = {.id = *id,
                             .kernel = drain_word(d, c->name),
                             .variant = drain_word(d, c->header),
                             .site = drain_word(d, site),
                             .items = or_null(items),
                             .threads = or_null((uint32_t)threads),
                             .grid_x = STORE_NULL,
                             .grid_y = STORE_NULL,
                             .grid_z = STORE_NULL,
                             .block_x = STORE_NULL,
                             .block_y = STORE_NULL,
                             .block_z = STORE_NULL,
                             .registers = STORE_NULL,
                             .shared = STORE_NULL,
                             .bytes_read = or_null(r->b),
                             .bytes_written = or_null(r->c),
                             .flops = or_null(r->d)};
    return store_launch_add(d->batch, &row);
}

/* An event that is over when it is recorded. */
static enum err instant(struct drain *d, struct drain_lane *l, const struct ring_record *r,
                        struct row_event row)
{
    row.id = (int64_t)r->b;
    row.ts = time_of(d, l, r->c) - row.dur;
    row.track = l->track;
    row.parent = top_number(l);
    return put_event(d, &row);
}

static enum err copy(struct drain *d, struct drain_lane *l, const struct ring_record *r,
                     int64_t dur)
{
    static const char *const names[] = {"host to device", "device to host", "device to device"};
    int kind = r->sub < 3 ? r->sub : 2;
    struct row_event event = {
        .dur = dur, .kind = CAP_EVENT_COPY, .name = store_word(d->writer, span_of(names[kind]))};
    TRY(instant(d, l, r, event));
    struct row_copy row = {(int64_t)r->b, kind + 1, (int64_t)r->d};
    return store_copy_add(d->batch, &row);
}

static enum err synchronise(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    struct row_event event = {
        .dur = (int64_t)r->d, .kind = CAP_EVENT_SYNC, .name = store_word(d->writer, SPAN("sync"))};
    TRY(instant(d, l, r, event));
    struct row_sync row = {(int64_t)r->b, CAP_SYNC_DEVICE, 0};
    return store_sync_add(d->batch, &row);
}

static enum err error(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    struct row_event event = {.kind = CAP_EVENT_ERROR, .name = drain_word(d, r->a)};
    return instant(d, l, r, event);
}

static enum err allocation(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    struct row_alloc row = {.id = store_next_id(d->writer, STORE_ALLOC),
                            .ts = time_of(d, l, r->c),
                            .track = l->track,
                            .parent = top_number(l),
                            .address = (int64_t)r->b,
                            .bytes = (int64_t)r->d};
    return store_alloc_add(d->batch, &row);
}

static struct drain_counter *counter_named(struct drain *d, struct drain_lane *l, uint32_t name)
{
    for (size_t i = 0; i < l->counters.n; i++)
        if (l->counters.p[i].name == name) return &l->counters.p[i];
    struct drain_counter *c = l->counters.n < COUNTERS ? LIST_PUSH(&l->counters) : NULL;
    if (!c) return NULL;
    *c = (struct drain_counter){.name = name};
    if (d->db && drain_find_counter(d, l, c)) return NULL;
    if (c->track) return c;
    c->track = store_next_id(d->writer, STORE_TRACK);
    struct row_track row = {.id = c->track,
                            .process = d->ring->file->process,
                            .kind = CAP_TRACK_COUNTER,
                            .name = drain_word(d, name),
                            .pid = d->ring->file->pid,
                            .tid = l->head->tid};
    return store_track_add(d->batch, &row) ? NULL : c;
}

static enum err counter(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    int64_t ts = time_of(d, l, r->c);
    struct drain_counter *c = counter_named(d, l, r->a);
    if (!c) FAIL(ERR_LIMIT, "a thread has more than %d counters", COUNTERS);
    c->ts = ts > c->ts ? ts : c->ts + 1;
    struct row_counter row = {c->track, c->ts, drain_real(r->d), top_number(l)};
    return store_counter_add(d->batch, &row);
}

static enum err join(struct drain *d, const struct ring_record *r)
{
    struct row_link row = {.src = (int64_t)r->b, .kind = r->a, .dst = (int64_t)r->c};
    return store_link_add(d->batch, &row);
}

/* ---- all ---- */

/* Records that become rows of their own at once, whatever call is open. */
static enum err read_alone(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    if (drain_is_written(l)) return ERR_OK;
    switch (r->type) {
    case RING_COPY: return copy(d, l, r, (int64_t)drain_behind(l, 1)->b);
    case RING_SYNC: return synchronise(d, l, r);
    case RING_ALLOC: return allocation(d, l, r);
    case RING_COUNTER: return counter(d, l, r);
    case RING_LINK: return join(d, r);
    case RING_ERROR: return error(d, l, r);
    default: return ERR_OK;
    }
}

static enum err read_record(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    bool in_call = l->open.n;
    switch (r->type) {
    case RING_BEGIN: return begin(d, l, r);
    case RING_END: return end(d, l, r);
    case RING_DONE:
        if (in_call) top(l)->done = time_of(d, l, r->c);
        return ERR_OK;
    case RING_TENSOR: return in_call ? tensor(l, r) : ERR_OK;
    case RING_SCALAR:
    case RING_RESULT: return in_call ? scalar(l, r) : ERR_OK;
    case RING_LIST:
    case RING_LIST_END: return in_call ? mark(l, r) : ERR_OK;
    case RING_REMARK: return in_call ? remark(l, r) : ERR_OK;
    case RING_DIGEST: return drain_read_digest(d, l, r);
    case RING_KEEP: return drain_read_keep(d, l, r);
    case RING_LAUNCH: return launch(d, l, r);
    default: return read_alone(d, l, r);
    }
}

enum err drain_read(struct drain *d, struct drain_lane *l)
{
    while (l->mark.at < l->until) {
        const struct ring_record *r = drain_behind(l, 0);
        /* A launch and its event are of one batch. */
        if (drain_waiting(d) >= BATCH_ROWS && r->type != RING_LAUNCH) break;
        uint64_t n = length(r);
        if (l->mark.at + n > l->until) break;
        TRY(read_record(d, l, r));
        l->mark.at += n;
        d->n_records += (int64_t)n;
        l->touched = true;
    }
    return ERR_OK;
}

enum err drain_leave(struct drain *d, struct drain_lane *l)
{
    while (l->open.n) TRY(pop(d, l));
    return ERR_OK;
}

void drain_lane_release(struct drain_lane *l)
{
    LIST_RELEASE(&l->open);
    LIST_RELEASE(&l->items);
    LIST_RELEASE(&l->uses);
    LIST_RELEASE(&l->digests);
    LIST_RELEASE(&l->remarks);
    LIST_RELEASE(&l->counters);
}
