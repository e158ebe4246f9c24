/* search.c - the scan: frames to workers, results in order, lines across frames joined.
 *
 * Invariants: (1) slots form a ring; the calling thread fills at `head` and delivers at `tail`,
 * so hits come in order; (2) a slot belongs to the calling thread while FREE or DONE, to one
 * worker while BUSY; (3) every byte of a stream is searched once: whole lines of a frame by a
 * worker, the line across a border by the calling thread.
 */
#include "store/search.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <zstd.h>

#include "store/base/buf.h"
#include "store/base/lists.h"
#include "store/db.h"
#include "store/search_place.h"
#include "store/search_word.h"
#include "store/text.h"

enum {
    THREADS_MAX = 16,
    SLOTS_MAX = 3 * THREADS_MAX,
    CARRY_KEEP = 64 << 10,
    CARRY_MAX = 256 << 20,
    EXCERPT = 200
};

enum slot_state { FREE, LOADED, BUSY, DONE };
struct slot {
    enum slot_state state;
    int64_t stream, offset, size;
    int codec;
    struct buf packed, text;
    size_t first, last; /* whole lines are text[first, last) */
    LIST_OF(struct match) matches;
    bool cut; /* more lines matched than the limit wants */
    enum err err;
    char why[256];
};

struct scan {
    const struct search_request *request;
    struct search_result *result;
    sqlite3 *db;
    struct match_pattern *pattern;
    struct place_finder *places;
    struct match_scan own; /* of the calling thread */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    pthread_t threads[THREADS_MAX];
    int n_threads, n_slots;
    struct slot slots[SLOTS_MAX];
    unsigned head, next, tail; /* counts: filled, given to workers, delivered */
    bool stop;
    int64_t n_skipped; /* of workers, under lock */
    /* the line that the frames so far have not ended */
    struct buf carry;
    int64_t carry_stream, carry_offset;
    bool carry_told; /* a hit in this line was given out */
    int64_t total, n_text_hits;
};

static enum err inflate(struct slot *s, ZSTD_DCtx *context)
{
    buf_clear(&s->text);
    char *to = buf_reserve(&s->text, (size_t)s->size);
    if (!to) FAIL(ERR_NOMEM, "out of memory for text");
    size_t n = s->packed.n;
    if (s->codec == 1)
        n = ZSTD_decompressDCtx(context, to, (size_t)s->size, s->packed.p, s->packed.n);
    else if (s->codec == 0 && n == (size_t)s->size) memcpy(to, s->packed.p, n);
    if (n != (size_t)s->size || s->codec < 0 || s->codec > 1)
        FAIL(ERR_FORMAT,
             "the text of stream %lld at byte %lld is damaged; `plumb doctor` says more",
             (long long)s->stream, (long long)s->offset);
    s->text.n = n;
    return ERR_OK;
}

static void note_line(struct slot *s, const struct search_request *request, struct match m)
{
    struct match *to = NULL;
    if (request->limit && !request->kind && (int64_t)s->matches.n > request->limit) s->cut = true;
    else to = LIST_PUSH(&s->matches);
    if (to) *to = m;
    else if (!s->cut) s->err = ERR_NOMEM;
}

/* Finds the matching lines of a frame's whole lines. */
static void search_lines(struct slot *s, struct match_scan *scan,
                         const struct search_request *request)
{
    const char *p = s->text.p;
    const char *nl = memchr(p, '\n', s->text.n);
    s->matches.n = 0;
    s->cut = false;
    s->first = nl ? (size_t)(nl - p) + 1 : s->text.n;
    const char *end = memrchr(p, '\n', s->text.n);
    s->last = end ? (size_t)(end - p) + 1 : s->text.n;
    struct span lines = {p + s->first, s->last - s->first};
    struct match m;
    scan->slow = NULL;
    for (size_t at = 0; !s->cut && !s->err && match_next(scan, lines, at, &m);) {
        const char *stop = memchr(lines.p + m.at, '\n', lines.n - m.at);
        at = stop ? (size_t)(stop - lines.p) + 1 : lines.n + 1;
        m.at += s->first;
        note_line(s, request, m);
    }
}

static void *worker(void *context)
{
    struct scan *scan = context;
    struct match_scan match;
    ZSTD_DCtx *inflater = ZSTD_createDCtx();
    enum err ready = match_scan_init(&match, scan->pattern);
    pthread_mutex_lock(&scan->lock);
    while (!scan->stop) {
        if (scan->next == scan->head) {
            pthread_cond_wait(&scan->work, &scan->lock);
            continue;
        }
        struct slot *s = &scan->slots[scan->next++ % (unsigned)scan->n_slots];
        s->state = BUSY;
        pthread_mutex_unlock(&scan->lock);
        s->err = ready ? ready : inflater ? inflate(s, inflater) : ERR_NOMEM;
        if (!s->err) search_lines(s, &match, scan->request);
        if (s->err) snprintf(s->why, sizeof s->why, "%s", err_text());
        pthread_mutex_lock(&scan->lock);
        s->state = DONE;
        pthread_cond_signal(&scan->done);
    }
    scan->n_skipped += match.n_skipped;
    pthread_mutex_unlock(&scan->lock);
    if (!ready) match_scan_release(&match);
    ZSTD_freeDCtx(inflater);
    return NULL;
}

/* Gives one hit out. `line` is what is known of the line; m lies in it; offset is that of line.p
 * in the stream. */
static enum err give(struct scan *scan, int64_t stream, int64_t offset, struct span line,
                     struct match m)
{
    const struct search_request *r = scan->request;
    if (r->limit && scan->n_text_hits >= r->limit) {
        scan->result->limited = true;
        return ERR_OK;
    }
    struct search_hit hit = {.source = stream, .offset = offset + (int64_t)m.at};
    TRY(place_find(scan->places, &hit));
    if (r->kind && !span_is(hit.kind, r->kind) && !span_is(hit.name, r->kind) &&
        !(hit.where == SEARCH_IN_RECORD && !strcmp(r->kind, "record")))
        return ERR_OK;
    if (line.n && line.p[0] == '\t') line = span_from(line, 1), m.at -= m.at > 0;
    while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r')) line.n--;
    size_t from = m.at > EXCERPT / 4 && line.n > EXCERPT ? m.at - EXCERPT / 4 : 0;
    while (from > 0 && from < line.n && ((unsigned char)line.p[from] & 0xc0) == 0x80) from--;
    hit.match_at = m.at - from;
    size_t n = hit.match_at + m.n < EXCERPT ? EXCERPT : hit.match_at + m.n;
    hit.excerpt = span_to(span_from(line, from), n);
    if (hit.match_at > hit.excerpt.n) hit.match_at = hit.excerpt.n; /* in the CR that was cut off */
    hit.match_n = hit.match_at + m.n <= hit.excerpt.n ? m.n : hit.excerpt.n - hit.match_at;
    scan->n_text_hits++;
    scan->result->n_hits++;
    return r->hit(r->context, &hit);
}

static struct span line_around(struct span text, size_t at, size_t *start)
{
    const char *before = memrchr(text.p, '\n', at);
    const char *end = memchr(text.p + at, '\n', text.n - at);
    *start = before ? (size_t)(before - text.p) + 1 : 0;
    return (struct span){text.p + *start, (end ? (size_t)(end - text.p) : text.n) - *start};
}

/* Searches the line kept so far, which `tail` continues (and ends, if `whole`). */
static enum err search_carry(struct scan *scan, struct span tail, bool whole)
{
    buf_span(&scan->carry, tail);
    TRY(buf_ok(&scan->carry));
    struct span text = buf_text(&scan->carry);
    struct match m;
    scan->own.slow = NULL;
    size_t word = match_pattern_size(scan->pattern), keep = word ? 4 * word : CARRY_KEEP;
    if (!whole && !word && text.n < CARRY_MAX)
        return ERR_OK; /* an expression wants the whole line */
    if (!scan->carry_told && text.n && match_next(&scan->own, text, 0, &m)) {
        TRY(give(scan, scan->carry_stream, scan->carry_offset, text, m));
        scan->carry_told = true;
    }
    if (whole) keep = 0;
    if (keep > text.n) keep = text.n;
    memmove(scan->carry.p, text.p + text.n - keep, keep);
    scan->carry_offset += (int64_t)(text.n - keep);
    scan->carry.n = keep;
    return ERR_OK;
}

static enum err end_stream(struct scan *scan)
{
    TRY(search_carry(scan, SPAN_NONE, true));
    buf_clear(&scan->carry);
    return ERR_OK;
}

static enum err deliver(struct scan *scan, struct slot *s)
{
    if (s->err) return err_set(s->err, "%s", s->why);
    if (scan->carry_stream != s->stream ||
        scan->carry_offset + (int64_t)scan->carry.n != s->offset) {
        TRY(end_stream(scan));
        scan->carry_stream = s->stream;
        scan->carry_offset = s->offset;
        scan->carry_told = false;
    }
    struct span text = buf_text(&s->text);
    TRY(search_carry(scan, span_to(text, s->first), s->first > 0 && text.p[s->first - 1] == '\n'));
    for (size_t i = 0; i < s->matches.n && !scan->result->limited; i++) {
        size_t start;
        struct match m = s->matches.p[i];
        struct span line = line_around(text, m.at, &start);
        m.at -= start;
        TRY(give(scan, s->stream, s->offset + (int64_t)start, line, m));
    }
    if (s->last > s->first || (s->first > 0 && text.p[s->first - 1] == '\n')) {
        scan->carry_offset = s->offset + (int64_t)s->last;
        scan->carry_told = false;
        buf_clear(&scan->carry);
        buf_span(&scan->carry, span_from(text, s->last));
    }
    scan->result->n_bytes += s->size;
    struct search_progress progress = {scan->result->n_bytes, scan->total, scan->result->n_hits};
    if (scan->request->progress) TRY(scan->request->progress(scan->request->context, &progress));
    return buf_ok(&scan->carry);
}

/* Reads the next frame into a slot. *more is false at the end. */
static enum err load(struct scan *scan, sqlite3_stmt *frames, struct slot *s, bool *more)
{
    for (;;) {
        int rc = sqlite3_step(frames);
        *more = rc == SQLITE_ROW;
        if (rc == SQLITE_DONE) return ERR_OK;
        if (rc != SQLITE_ROW) return store_sql_error(scan->db, rc, "reading text");
        s->stream = sqlite3_column_int64(frames, 0);
        s->offset = sqlite3_column_int64(frames, 1);
        s->size = sqlite3_column_int64(frames, 2);
        s->codec = sqlite3_column_int(frames, 3);
        if (s->size < 0 || s->size > 16 * TEXT_FRAME_SIZE || s->offset < 0 ||
            s->offset > INT64_MAX / 2)
            FAIL(ERR_FORMAT,
                 "a frame of stream %lld says %lld bytes at %lld; at most %d are written",
                 (long long)s->stream, (long long)s->size, (long long)s->offset, TEXT_FRAME_SIZE);
        bool wanted = s->size > 0;
        const char *kind = scan->request->kind;
        if (wanted && kind && strcmp(kind, "record"))
            TRY(place_has_kind(scan->places, kind, s->stream, s->offset, s->size, &wanted));
        if (wanted) break;
    }
    buf_clear(&s->packed);
    buf_put(&s->packed, sqlite3_column_blob(frames, 4), (size_t)sqlite3_column_bytes(frames, 4));
    return buf_ok(&s->packed);
}

static void publish(struct scan *scan, struct slot *s)
{
    pthread_mutex_lock(&scan->lock);
    s->state = LOADED;
    s->err = ERR_OK;
    scan->head++;
    pthread_cond_signal(&scan->work);
    pthread_mutex_unlock(&scan->lock);
}

static void await(struct scan *scan, struct slot *s)
{
    pthread_mutex_lock(&scan->lock);
    while (s->state != DONE) pthread_cond_wait(&scan->done, &scan->lock);
    s->state = FREE;
    pthread_mutex_unlock(&scan->lock);
}

static enum err scan_frames(struct scan *scan, sqlite3_stmt *frames)
{
    bool more = true;
    while (!scan->result->limited) {
        while (more && scan->head - scan->tail < (unsigned)scan->n_slots) {
            struct slot *s = &scan->slots[scan->head % (unsigned)scan->n_slots];
            TRY(load(scan, frames, s, &more));
            if (more) publish(scan, s);
        }
        if (scan->head == scan->tail) break;
        struct slot *s = &scan->slots[scan->tail % (unsigned)scan->n_slots];
        await(scan, s);
        TRY(deliver(scan, s));
        scan->tail++;
    }
    return scan->result->limited ? ERR_OK : end_stream(scan);
}

static void stop_workers(struct scan *scan)
{
    pthread_mutex_lock(&scan->lock);
    scan->stop = true;
    pthread_cond_broadcast(&scan->work);
    pthread_mutex_unlock(&scan->lock);
    for (int i = 0; i < scan->n_threads; i++) pthread_join(scan->threads[i], NULL);
}

static enum err start_workers(struct scan *scan)
{
    long n =
        scan->request->n_threads > 0 ? scan->request->n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    n = n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
    scan->n_slots = (int)n * 3;
    for (; scan->n_threads < n; scan->n_threads++)
        if (pthread_create(&scan->threads[scan->n_threads], NULL, worker, scan)) break;
    if (!scan->n_threads) FAIL(ERR_LIMIT, "no thread could be started for a search");
    return ERR_OK;
}

static enum err search_text(struct scan *scan)
{
    sqlite3_stmt *frames = NULL;
    enum err err;
    TRY_OUT(store_int(scan->db, "SELECT coalesce(sum(size), 0) FROM text_frame", &scan->total));
    TRY_OUT(store_prepare(scan->db, "SELECT stream, offset, size, codec, data FROM text_frame",
                          &frames));
    TRY_OUT(match_scan_init(&scan->own, scan->pattern));
    TRY_OUT(place_finder_new(scan->db, &scan->places));
    TRY_OUT(start_workers(scan));
    err = scan_frames(scan, frames);
    stop_workers(scan);
out:
    scan->result->n_skipped += scan->n_skipped + scan->own.n_skipped;
    sqlite3_finalize(frames);
    place_finder_free(scan->places);
    match_scan_release(&scan->own);
    return err;
}

static void scan_release(struct scan *scan)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        buf_release(&scan->slots[i].packed);
        buf_release(&scan->slots[i].text);
        LIST_RELEASE(&scan->slots[i].matches);
    }
    buf_release(&scan->carry);
    pthread_mutex_destroy(&scan->lock);
    pthread_cond_destroy(&scan->work);
    pthread_cond_destroy(&scan->done);
    match_pattern_free(scan->pattern);
    free(scan);
}

enum err search_run(sqlite3 *db, const struct search_request *request, struct search_result *out)
{
    *out = (struct search_result){0};
    struct match_pattern *pattern;
    TRY(match_pattern_new(request->pattern, request->flags, &pattern));
    struct scan *scan = calloc(1, sizeof *scan);
    if (!scan) {
        match_pattern_free(pattern);
        FAIL(ERR_NOMEM, "out of memory for a search");
    }
    scan->request = request;
    scan->result = out;
    scan->db = db;
    scan->pattern = pattern;
    pthread_mutex_init(&scan->lock, NULL);
    pthread_cond_init(&scan->work, NULL);
    pthread_cond_init(&scan->done, NULL);
    unsigned scope = request->scope ? request->scope : SEARCH_TEXT | SEARCH_WORDS;
    bool words_only = request->kind && !strcmp(request->kind, "word");
    enum err err = ERR_OK;
    if ((scope & SEARCH_TEXT) && !words_only) err = search_text(scan);
    if (!err && (scope & SEARCH_WORDS) && (!request->kind || words_only))
        err = search_words(db, request, pattern, out);
    scan_release(scan);
    return err;
}
