/* timeline_load.c - one scan of a file's events into lanes, in a thread of its own.
 *
 * Rows come in the order of their ids, which is that of recording. A track whose rows come by time
 * goes into its lanes at once; any other is put together again, sorted and laid out when the scan
 * ends, which costs that track's memory twice for a moment.
 */
#include "web/timeline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/db.h"
#include "store/base/map.h"
#include "store/query.h"
#include "store/row.h"

enum { KNOWN = 1 << 14, BATCH = 4096, KIND_ERROR = 14, KIND_INSTANT = 2, EVENT_UNCLOSED = 3 };

struct loading {
    struct timeline *t;
    sqlite3 *db;
    struct map track, name; /* row id -> index */
    struct timeline_special special;
    size_t next_special;
    bool full; /* no memory for a name */
    /* What was found last at a row id modulo KNOWN: most events have one of few names. */
    struct known {
        int64_t id;
        int kind, index; /* kind 0: nothing */
    } known_name[KNOWN], known_track[KNOWN];
};

/* ---- coarse ---- */

static void halve(struct timeline_coarse *c)
{
    for (int i = 0; i < TIMELINE_COLUMNS; i++) {
        bool kept = 2 * i < TIMELINE_COLUMNS;
        c->n[i] = kept ? c->n[2 * i] + c->n[2 * i + 1] : 0;
        c->busy[i] = kept ? c->busy[2 * i] + c->busy[2 * i + 1] : 0;
    }
    c->column *= 2;
}

/* Makes room before t0: the columns move up by half the range. */
static void extend_down(struct timeline_coarse *c)
{
    int half = TIMELINE_COLUMNS / 2;
    halve(c);
    memmove(c->n + half, c->n, (size_t)half * sizeof *c->n);
    memmove(c->busy + half, c->busy, (size_t)half * sizeof *c->busy);
    memset(c->n, 0, (size_t)half * sizeof *c->n);
    memset(c->busy, 0, (size_t)half * sizeof *c->busy);
    if (__builtin_sub_overflow(c->t0, c->column * half, &c->t0)) c->t0 = INT64_MIN;
}

void timeline_coarse_add(struct timeline_coarse *c, int64_t ts, int64_t dur)
{
    if (!c->column) *c = (struct timeline_coarse){.t0 = ts, .column = 1024};
    while (ts < c->t0 && c->column < INT64_MAX / TIMELINE_COLUMNS / 4) extend_down(c);
    uint64_t into = (uint64_t)ts - (uint64_t)c->t0;
    if (ts < c->t0) into = 0;
    while (into / (uint64_t)c->column >= TIMELINE_COLUMNS && c->column < INT64_MAX / 4) halve(c);
    uint64_t at = into / (uint64_t)c->column;
    if (at >= TIMELINE_COLUMNS) at = TIMELINE_COLUMNS - 1;
    c->n[at]++;
    c->busy[at] += (double)dur;
}

/* ---- names ---- */

static struct known *known_at(struct known *known, int64_t id)
{
    return &known[(uint64_t)id % KNOWN];
}

/* Index of a track, -1 none. */
static int track_index(struct loading *l, int64_t id)
{
    struct known *known = known_at(l->known_track, id);
    if (known->kind && known->id == id) return known->index;
    int64_t *at = map_get(&l->track, map_key_int(1, id));
    *known = (struct known){id, 1, at ? (int)*at : -1};
    return known->index;
}

/* Index of a name. When there are more than can be told apart, one stands for the rest. */
static uint16_t find_name(struct loading *l, int kind, int64_t string)
{
    struct timeline *t = l->t;
    int64_t *known = map_get(&l->name, map_key_int(kind, string));
    if (known) return (uint16_t)*known;
    if (t->name.n >= TIMELINE_NAMES - 1) kind = 0, string = 0;
    bool added;
    int64_t *at = map_put(&l->name, map_key_int(kind, string), (int64_t)t->name.n, &added);
    struct timeline_name *name = at && added ? LIST_PUSH(&t->name) : NULL;
    l->full |= !at || (added && !name);
    if (name) *name = (struct timeline_name){.kind = kind, .n = 0, .text = SPAN_NONE};
    if (name) name->text.n = (size_t)string; /* its row id until the scan ends */
    return l->full ? 0 : (uint16_t)*at;
}

static uint16_t name_index(struct loading *l, int kind, int64_t string)
{
    struct known *known = known_at(l->known_name, string);
    if (!kind || known->kind != kind || known->id != string)
        *known = (struct known){string, kind, find_name(l, kind, string)};
    return (uint16_t)known->index;
}

static enum err read_names(struct loading *l)
{
    sqlite3_stmt *s;
    struct timeline *t = l->t;
    TRY(store_prepare(l->db, "SELECT text FROM string WHERE id = :id", &s));
    for (size_t i = 0; i < t->name.n; i++) {
        struct timeline_name *n = &t->name.p[i];
        sqlite3_reset(s);
        sqlite3_bind_int64(s, 1, (int64_t)n->text.n);
        bool found = sqlite3_step(s) == SQLITE_ROW;
        n->text = found     ? arena_copy(&t->arena, store_column_text(s, 0))
                  : n->kind ? SPAN("(no name)")
                            : SPAN("(other names)");
        if (!n->text.p) n->text = SPAN("(no name)");
        n->colour = timeline_colour(n->kind, n->text);
    }
    sqlite3_finalize(s);
    return ERR_OK;
}

/* ---- tracks ---- */

static const char *track_key(struct timeline *t, const struct timeline_track *k, int64_t pid)
{
    static const char letters[] = "xctsvm";
    char who[32];
    if (k->rank != STORE_NULL) snprintf(who, sizeof who, "r%lld", (long long)k->rank);
    else snprintf(who, sizeof who, "p%lld", (long long)pid);
    char kind = letters[k->kind >= 1 && k->kind <= 5 ? k->kind : 0];
    long long number = k->kind >= TIMELINE_COUNTER ? (long long)k->id : (long long)k->tid;
    const char *key = arena_printf(&t->arena, "%s.%c%lld", who, kind, number);
    for (size_t i = 0; key && i + 1 < t->track.n; i++)
        if (!strcmp(t->track.p[i].key, key))
            key = arena_printf(&t->arena, "%s.%c%lld.%lld", who, kind, number, (long long)k->id);
    return key ? key : "";
}

static int64_t column_or(sqlite3_stmt *s, int i, int64_t otherwise)
{
    return sqlite3_column_type(s, i) == SQLITE_NULL ? otherwise : sqlite3_column_int64(s, i);
}

static enum err add_track(struct loading *l, struct timeline_track track, int64_t pid)
{
    struct timeline *t = l->t;
    struct timeline_track *k = LIST_PUSH(&t->track);
    if (!k) FAIL(ERR_NOMEM, "out of memory for the tracks of a timeline");
    *k = track;
    k->first = INT64_MAX, k->last = INT64_MIN;
    k->high = -INFINITY, k->low = INFINITY;
    k->last_ts = INT64_MIN;
    k->key = track_key(t, k, pid);
    return ERR_OK;
}

static enum err read_tracks(struct loading *l)
{
    sqlite3_stmt *s;
    struct timeline *t = l->t;
    enum err err = ERR_OK;
    TRY(store_prepare(
        l->db,
        "SELECT t.id, t.process, p.run, t.kind, t.pid, t.tid, p.rank, "
        "(SELECT text FROM string WHERE id = t.name), p.pid FROM track t LEFT JOIN process p ON "
        "p.id = t.process ORDER BY p.rank IS NULL, p.rank, p.id, t.kind = 4, t.kind = 1, "
        "t.kind = 3, t.id LIMIT 4096",
        &s));
    while (!err && sqlite3_step(s) == SQLITE_ROW) {
        struct timeline_track k = {.id = sqlite3_column_int64(s, 0),
                                   .process = sqlite3_column_int64(s, 1),
                                   .run = sqlite3_column_int64(s, 2),
                                   .kind = sqlite3_column_int(s, 3),
                                   .pid = column_or(s, 4, STORE_NULL),
                                   .tid = column_or(s, 5, 0),
                                   .rank = column_or(s, 6, STORE_NULL),
                                   .name = arena_copy(&t->arena, store_column_text(s, 7))};
        err = add_track(l, k, sqlite3_column_int64(s, 8));
        if (!err && !map_put(&l->track, map_key_int(1, k.id), (int64_t)t->track.n - 1, NULL))
            err = err_set(ERR_NOMEM, "out of memory for the tracks of a timeline");
    }
    sqlite3_finalize(s);
    return err;
}

/* ---- what must be seen ---- */

/* Flags of the event that is read; ids rise. */
static uint8_t special_flags(struct loading *l, uint32_t id)
{
    uint8_t flags = 0;
    const struct timeline_special *k = &l->special;
    while (l->next_special < k->list.n && k->list.p[l->next_special].at < id) l->next_special++;
    for (size_t i = l->next_special; i < k->list.n && k->list.p[i].at == id; i++)
        flags |= k->list.p[i].flags;
    return flags;
}

/* ---- events ---- */

static enum err place_row(struct timeline_track *k, const struct lane_row *row)
{
    bool overlaps;
    int at = lane_nest_place(&k->nest, row->ts, row->dur, &overlaps);
    if (at >= k->n_lanes) {
        struct timeline_lane *more = realloc(k->lane, (size_t)(at + 1) * sizeof *more);
        if (!more) FAIL(ERR_NOMEM, "out of memory for a timeline");
        k->lane = more;
        while (k->n_lanes <= at) k->lane[k->n_lanes++] = (struct timeline_lane){0};
    }
    k->lane[at].overlaps |= overlaps;
    return lane_push(&k->lane[at], row);
}

static enum err add_event(struct loading *l, struct timeline_track *k, const struct lane_row *row)
{
    if (row->ts < k->last_ts || (row->ts == k->last_ts && row->dur > k->last_dur))
        k->unordered = true;
    k->last_ts = row->ts, k->last_dur = row->dur;
    enum err err = place_row(k, row);
    if (err == ERR_LIMIT) {
        err_clear();
        l->t->n_outside++;
        return ERR_OK;
    }
    timeline_coarse_add(&k->coarse, row->ts, row->dur);
    return err;
}

/* Times that can be added up without a thought of overflow: until the year 2116. */
static const int64_t LATEST = (int64_t)1 << 62;

static bool in_reach(int64_t ts)
{
    return ts >= 0 && ts < LATEST;
}

static enum err read_event(struct loading *l, sqlite3_stmt *s)
{
    struct timeline *t = l->t;
    int64_t id = sqlite3_column_int64(s, 0);
    int track = track_index(l, sqlite3_column_int64(s, 3));
    if (sqlite3_column_type(s, 1) == SQLITE_NULL) t->n_untimed++;
    else if (track < 0) t->n_trackless++;
    else if (id < 0 || id >= UINT32_MAX || !in_reach(sqlite3_column_int64(s, 1))) t->n_outside++;
    else {
        int kind = sqlite3_column_int(s, 4);
        bool closed = sqlite3_column_type(s, 2) != SQLITE_NULL;
        struct lane_row row = {.ts = sqlite3_column_int64(s, 1),
                               .dur = sqlite3_column_int64(s, 2),
                               .id = (uint32_t)id,
                               .name = name_index(l, kind, sqlite3_column_int64(s, 5)),
                               .flags = special_flags(l, (uint32_t)id)};
        if (row.dur < 0) row.dur = 0;
        if (row.dur > LATEST) row.dur = LATEST;
        if (kind == KIND_ERROR) row.flags |= LANE_ERROR | LANE_INSTANT;
        if (kind == KIND_INSTANT) row.flags |= LANE_INSTANT;
        if (!closed || (sqlite3_column_int(s, 6) & EVENT_UNCLOSED)) row.flags |= LANE_UNCLOSED;
        return add_event(l, &t->track.p[track], &row);
    }
    return ERR_OK;
}

static enum err read_events(struct loading *l)
{
    sqlite3_stmt *s;
    struct timeline *t = l->t;
    enum err err = ERR_OK;
    int rc = SQLITE_ROW;
    TRY(store_prepare(l->db, "SELECT id, ts, dur, track, kind, name, flags FROM event ORDER BY id",
                      &s));
    while (!err && rc == SQLITE_ROW && !t->stop && !l->full) {
        pthread_mutex_lock(&t->lock);
        int n = 0;
        for (; n < BATCH && !err && (rc = sqlite3_step(s)) == SQLITE_ROW; n++)
            err = read_event(l, s);
        pthread_mutex_unlock(&t->lock);
        t->n_read += n;
        if (t->readers) nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
    if (!err && l->full) err = err_set(ERR_NOMEM, "out of memory for the names of a timeline");
    if (!err && rc != SQLITE_DONE && rc != SQLITE_ROW)
        err = err_set(ERR_IO, "the events cannot be read: %s", sqlite3_errmsg(l->db));
    sqlite3_finalize(s);
    return err;
}

/* ---- after the scan ---- */

static int by_time(const void *a, const void *b)
{
    const struct lane_row *x = a, *y = b;
    if (x->ts != y->ts) return x->ts < y->ts ? -1 : 1;
    if (x->dur != y->dur) return x->dur > y->dur ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static enum err lay_out_again(struct timeline_track *k)
{
    size_t n = 0, at = 0;
    for (int d = 0; d < k->n_lanes; d++) n += k->lane[d].n;
    struct lane_row *rows = malloc((n ? n : 1) * sizeof *rows);
    if (!rows) FAIL(ERR_NOMEM, "out of memory for sorting %zu events", n);
    for (int d = 0; d < k->n_lanes; d++) {
        for (size_t i = 0; i < k->lane[d].n; i++) rows[at++] = lane_row_at(&k->lane[d], i);
        lane_release(&k->lane[d]);
    }
    qsort(rows, n, sizeof *rows, by_time);
    k->nest = (struct lane_nest){0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < n && !err; i++) err = place_row(k, &rows[i]);
    free(rows);
    return err;
}

static void sum_track(struct timeline *t, struct timeline_track *k)
{
    for (int d = 0; d < k->n_lanes; d++) {
        const struct timeline_lane *lane = &k->lane[d];
        for (size_t i = 0; i < lane->n; i++) {
            struct lane_row r = lane_row_at(lane, i);
            if (r.ts < k->first) k->first = r.ts;
            if (r.ts + r.dur > k->last) k->last = r.ts + r.dur;
            t->name.p[r.name].n++;
            t->name.p[r.name].busy += (double)r.dur;
            if (d == 0 && __builtin_add_overflow(k->busy, r.dur, &k->busy)) k->busy = INT64_MAX;
        }
        k->n += (int64_t)lane->n;
    }
}

static enum err finish_tracks(struct timeline *t)
{
    for (size_t i = 0; i < t->track.n; i++) {
        struct timeline_track *k = &t->track.p[i];
        if (k->unordered) TRY(lay_out_again(k));
        for (int d = 0; d < k->n_lanes; d++) TRY(lane_build(&k->lane[d]));
        sum_track(t, k);
    }
    return ERR_OK;
}

/* ---- values and losses ---- */

static enum err add_point(struct timeline_track *k, int64_t ts, double value)
{
    struct timeline_point *p = LIST_PUSH(&k->point);
    if (!p) FAIL(ERR_NOMEM, "out of memory for the values of a timeline");
    *p = (struct timeline_point){ts, value};
    if (ts < k->first) k->first = ts;
    if (ts > k->last) k->last = ts;
    if (value > k->high) k->high = value;
    if (value < k->low) k->low = value;
    return ERR_OK;
}

static enum err read_counters(struct loading *l)
{
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    TRY(store_prepare(l->db, "SELECT track, ts, value FROM counter ORDER BY track, ts", &s));
    while (!err && sqlite3_step(s) == SQLITE_ROW) {
        int at = track_index(l, sqlite3_column_int64(s, 0));
        bool number = sqlite3_column_type(s, 2) != SQLITE_NULL;
        if (at >= 0 && in_reach(sqlite3_column_int64(s, 1)))
            err = add_point(&l->t->track.p[at], sqlite3_column_int64(s, 1),
                            number ? sqlite3_column_double(s, 2) : NAN);
    }
    sqlite3_finalize(s);
    return err;
}

/* Memory in use of each process, as a track of its own. */
static enum err read_memory(struct loading *l)
{
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    struct timeline *t = l->t;
    int64_t process = -1, in_use = 0;
    size_t at = 0;
    TRY(store_prepare(
        l->db,
        "SELECT t.process, a.ts, a.bytes, p.run, p.rank, p.pid FROM alloc a JOIN track "
        "t ON t.id = a.track LEFT JOIN process p ON p.id = t.process WHERE a.ts IS "
        "NOT NULL ORDER BY t.process, a.ts, a.id",
        &s));
    while (!err && sqlite3_step(s) == SQLITE_ROW) {
        if (process != sqlite3_column_int64(s, 0)) {
            process = sqlite3_column_int64(s, 0), in_use = 0;
            struct timeline_track k = {.id = -process,
                                       .process = process,
                                       .run = sqlite3_column_int64(s, 3),
                                       .kind = TIMELINE_MEMORY,
                                       .pid = STORE_NULL,
                                       .rank = column_or(s, 4, STORE_NULL),
                                       .name = SPAN("memory in use")};
            at = t->track.n;
            err = add_track(l, k, sqlite3_column_int64(s, 5));
        }
        if (__builtin_add_overflow(in_use, sqlite3_column_int64(s, 2), &in_use)) in_use = 0;
        if (!err && in_reach(sqlite3_column_int64(s, 1)))
            err = add_point(&t->track.p[at], sqlite3_column_int64(s, 1), (double)in_use);
    }
    sqlite3_finalize(s);
    return err;
}

static enum err read_losses(struct loading *l)
{
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    struct timeline *t = l->t;
    TRY(store_prepare(l->db,
                      "SELECT l.ts, f.run, l.count, l.kind, l.message FROM loss l LEFT JOIN "
                      "source_file f ON f.id = l.source ORDER BY l.ts, l.id LIMIT 10000",
                      &s));
    while (!err && sqlite3_step(s) == SQLITE_ROW) {
        struct timeline_loss *loss = LIST_PUSH(&t->loss);
        if (!loss) err = err_set(ERR_NOMEM, "out of memory for the losses of a timeline");
        else
            *loss =
                (struct timeline_loss){.ts = column_or(s, 0, STORE_NULL),
                                       .run = sqlite3_column_int64(s, 1),
                                       .count = column_or(s, 2, 1),
                                       .kind = arena_copy(&t->arena, store_column_text(s, 3)),
                                       .message = arena_copy(&t->arena, store_column_text(s, 4))};
    }
    sqlite3_finalize(s);
    return err;
}

/* Tracks stand by process; those of a process as read_tracks orders them, memory last. */
static int by_process(const void *a, const void *b)
{
    const struct timeline_track *x = a, *y = b;
    bool xr = x->rank == STORE_NULL, yr = y->rank == STORE_NULL;
    if (xr != yr) return xr - yr;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->process != y->process) return x->process < y->process ? -1 : 1;
    static const int order[] = {9, 2, 1, 3, 5, 4}; /* threads, chromium, streams, memory, values */
    int xo = order[x->kind >= 1 && x->kind <= 5 ? x->kind : 0],
        yo = order[y->kind >= 1 && y->kind <= 5 ? y->kind : 0];
    if (xo != yo) return xo - yo;
    return x->id < y->id ? -1 : x->id > y->id;
}

static enum err load(struct loading *l)
{
    struct timeline *t = l->t;
    int64_t n = 0;
    TRY(store_open_read(t->path, STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS, &l->db));
    TRY(store_int(l->db, "SELECT coalesce(max(id), 0) FROM event", &n));
    t->n_total = n;
    pthread_mutex_lock(&t->lock);
    enum err err = read_tracks(l);
    pthread_mutex_unlock(&t->lock);
    TRY(err);
    TRY(timeline_read_special(t, l->db, &l->special));
    TRY(read_events(l));
    pthread_mutex_lock(&t->lock); /* nobody looks at lanes yet, but at the list of tracks */
    err = read_names(l);
    if (!err) err = finish_tracks(t);
    if (!err) err = read_counters(l);
    if (!err) err = read_memory(l);
    if (!err) err = read_losses(l);
    if (!err && t->track.n) qsort(t->track.p, t->track.n, sizeof *t->track.p, by_process);
    pthread_mutex_unlock(&t->lock);
    return err;
}

void *timeline_load(void *context)
{
    struct timeline *t = context;
    struct loading l = {.t = t};
    enum err err = load(&l);
    if (err) snprintf(t->error, sizeof t->error, "%s", err_text());
    err_clear();
    if (l.db) store_close(l.db);
    map_release(&l.track);
    map_release(&l.name);
    LIST_RELEASE(&l.special.list);
    pthread_mutex_lock(&t->lock);
    t->state = err ? TIMELINE_FAILED : TIMELINE_READY;
    pthread_cond_broadcast(&t->done);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

void timeline_release(struct timeline *t)
{
    for (size_t i = 0; i < t->track.n; i++) {
        struct timeline_track *k = &t->track.p[i];
        for (int d = 0; d < k->n_lanes; d++) lane_release(&k->lane[d]);
        free(k->lane);
        LIST_RELEASE(&k->point);
    }
    LIST_RELEASE(&t->track);
    LIST_RELEASE(&t->name);
    LIST_RELEASE(&t->loss);
    arena_release(&t->arena);
    for (int i = 0; i < TIMELINE_COMPARISONS; i++) free(t->comparison[i]);
    free(t->shown);
    free(t->path);
    t->path = t->shown = NULL;
}
