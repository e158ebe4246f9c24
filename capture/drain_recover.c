/* drain_recover.c - the rings of a killed program, from where its trace ends.
 *
 * Each ring is read from the mark that the last committed batch left, up to the last record that
 * was written, whole call or not. The mark lies before an operator that was open: what the batch
 * had read behind it makes the operator's texts, but its own rows are in the trace already.
 */
#include <stdio.h>

#include "capture/drain_log.h"
#include "capture/drain_state.h"
#include "capture/events.h"
#include "store/db.h"

static enum err read_knots(struct drain *d)
{
    const struct ring_file *f = d->ring->file;
    uint32_t n = f->n_knots, first = n > RING_KNOTS ? n - RING_KNOTS : 0;
    for (uint32_t i = first; i < n; i++) {
        struct ring_knot *to = LIST_PUSH(&d->knots);
        if (!to) FAIL(ERR_NOMEM, "out of memory for times");
        *to = f->knots[i % RING_KNOTS];
    }
    return ERR_OK;
}

/* Scopes that were open at the mark, outermost first. */
static enum err reopen(struct drain *d, struct drain_lane *l)
{
    sqlite3_stmt *s;
    static const char sql[] =
        "WITH RECURSIVE up(id, n) AS (SELECT ?1, 0 UNION ALL SELECT e.parent, n + 1 FROM up JOIN "
        "main.event e ON e.id = up.id WHERE e.parent IS NOT NULL AND n < 10000) "
        "SELECT e.id, e.ts, e.kind, (SELECT text FROM main.string WHERE id = c.args) FROM up "
        "JOIN main.event e ON e.id = up.id LEFT JOIN main.call c ON c.event = e.id ORDER BY up.n "
        "DESC";
    TRY(store_prepare(d->db, sql, &s));
    sqlite3_bind_int64(s, 1, l->mark.top);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct drain_call *c = LIST_PUSH(&l->open);
        if (!c) break;
        int kind = sqlite3_column_int(s, 2);
        *c = (struct drain_call){.number = sqlite3_column_int64(s, 0),
                                 .ts = sqlite3_column_int64(s, 1),
                                 .kind = kind == 8 ? CAP_MODULE : CAP_SPAN};
        l->raised += kind == 8 || (kind == 7 && !span_is(store_column_text(s, 3), "annotate"));
        /* What it raises it lowers at its end. */
        if (kind == 7 && !span_is(store_column_text(s, 3), "annotate")) c->kind = CAP_MODULE;
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(d->db, rc, "reading open calls");
}

enum err drain_find_counter(struct drain *d, const struct drain_lane *l, struct drain_counter *out)
{
    sqlite3_stmt *s;
    static const char sql[] =
        "SELECT t.id, (SELECT max(ts) FROM main.counter WHERE track = t.id) FROM main.track t "
        "JOIN main.string n ON n.id = t.name WHERE t.kind = ?1 AND t.process = ?2 AND t.tid = ?3 "
        "AND n.text = ?4 AND t.id > ?5 ORDER BY t.id LIMIT 1";
    struct span name = ring_word(d->ring, out->name);
    TRY(store_prepare(d->db, sql, &s));
    sqlite3_bind_int64(s, 1, CAP_TRACK_COUNTER);
    sqlite3_bind_int64(s, 2, d->ring->file->process);
    sqlite3_bind_int64(s, 3, l->head->tid);
    sqlite3_bind_text64(s, 4, name.p, name.n, SQLITE_STATIC, SQLITE_UTF8);
    sqlite3_bind_int64(s, 5, l->track); /* those of an older thread of this number lie before */
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        out->track = sqlite3_column_int64(s, 0);
        out->ts = sqlite3_column_int64(s, 1);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_ROW || rc == SQLITE_DONE
               ? ERR_OK
               : store_sql_error(d->db, rc, "reading the tracks of counters");
}

/* What the last committed batch said of a ring. */
struct said {
    unsigned owner;
    unsigned long long at, dropped, cut, read;
    long long calls, top;
    bool any;
};

static enum err read_mark(struct drain *d, const struct drain_lane *l, struct said *out)
{
    char key[32], value[192] = "";
    snprintf(key, sizeof key, "ring.%d", l->region);
    TRY(store_meta_get(d->db, key, value, sizeof value));
    out->any = sscanf(value, "%u %llu %lld %lld %llu %llu %llu", &out->owner, &out->at, &out->calls,
                      &out->top, &out->dropped, &out->cut, &out->read) == 7;
    return ERR_OK;
}

/* Whether the trace knows the ring's owner. */
static enum err is_known(struct drain *d, const struct drain_lane *l, bool *out)
{
    sqlite3_stmt *s;
    TRY(store_prepare(d->db, "SELECT 1 FROM main.source_file WHERE id = ?1", &s));
    sqlite3_bind_int64(s, 1, l->head->source);
    *out = sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    return ERR_OK;
}

/* From the mark, or where there is none from the beginning. */
static enum err resume(struct drain *d, struct drain_lane *l)
{
    struct said said = {0};
    bool known;
    TRY(read_mark(d, l, &said));
    TRY(is_known(d, l, &known));
    uint64_t tip = l->head->tip, tail = l->head->tail;
    if (tip - tail > l->head->n_records)
        return drain_lose(d, 0, "torn", 1,
                          "the ring of a thread does not say where its records are");
    l->dropped = said.dropped;
    l->cut = said.cut;
    l->written = said.read;
    l->mark.at = said.any && said.at >= tail && said.at <= tip ? said.at : tail;
    l->until = l->head->owner ? tip : l->mark.at;
    if (!l->head->owner) return ERR_OK;
    if (!known) return drain_meet(d, l);
    l->owner = l->head->owner;
    l->source = l->head->source;
    l->track = l->head->track;
    l->touched = true;
    if (!said.any || said.owner != l->owner) return ERR_OK;
    l->mark.calls = said.calls;
    l->mark.top = said.top;
    return reopen(d, l);
}

/* A thread has its track's number before its row is written: what recovery numbers anew (counters)
 * begins behind all of these. */
static void keep_numbers(struct drain *d)
{
    int64_t last = 0;
    for (size_t i = 0; i < d->lanes.n; i++)
        if (d->lanes.p[i].head->track > last) last = d->lanes.p[i].head->track;
    int64_t next = store_next_id(d->writer, STORE_TRACK);
    if (last >= next) store_next_ids(d->writer, STORE_TRACK, last - next);
}

/* Records of compiles wait in memory: what was committed is whole, the rest is only counted. */
static enum err count_structured(struct drain *d)
{
    int64_t there = 0, told = (int64_t)atomic_load(&d->ring->file->n_structured);
    TRY(store_int(d->db,
                  "SELECT coalesce(sum(n_records), 0) FROM main.source_file WHERE name = "
                  "'" DRAIN_LOG_NAME "'",
                  &there));
    return told > there ? drain_lose(d, 0, "log", told - there,
                                     "the program ended before these records of compiles were "
                                     "written")
                        : ERR_OK;
}

static enum err read_all(struct drain *d)
{
    TRY(drain_find_lanes(d));
    keep_numbers(d);
    /* Killed while it began, a program has neither; no thread records before the clock is read. */
    if (d->lanes.n && !d->knots.n)
        FAIL(ERR_FORMAT, "%s has no reading of the clock", d->ring->path);
    for (size_t i = 0; i < d->lanes.n; i++) {
        struct drain_lane *l = &d->lanes.p[i];
        TRY(resume(d, l));
        TRY(drain_read_lane(d, l));
        TRY(drain_count_losses(d, l));
        TRY(drain_leave(d, l));
    }
    TRY(drain_count_threads(d));
    TRY(count_structured(d));
    TRY(drain_send(d));
    return store_submit_sql(d->writer, "DELETE FROM meta WHERE key GLOB 'ring.*'", NULL, 0);
}

enum err drain_recover(struct ring *ring, struct store_writer *writer, sqlite3 *db, int64_t *n)
{
    struct drain *d = drain_alloc(ring, writer);
    *n = 0;
    if (!d || !d->batch) FAIL(ERR_NOMEM, "out of memory for a recovery");
    d->db = db;
    enum err err = read_knots(d);
    if (!err) err = read_all(d);
    if (!err) err = store_flush(writer);
    *n = d->seen;
    drain_free(d);
    return err;
}
