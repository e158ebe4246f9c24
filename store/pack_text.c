/* pack_text.c - rewrites streams record by record: payloads left out, words replaced, md5s and
 * places renewed.
 *
 * A record is a line and the lines behind it that begin with a tab. The stream is read frame by
 * frame; memory is bounded by the longest record. Artifacts are expected to be whole payloads,
 * as the importer makes them; one that is not cannot be placed after rewriting and is cut, which
 * its row says.
 */
#include "store/pack_copy.h"

#include <md5.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/lists.h"
#include "store/db.h"
#include "store/text.h"

struct old_place {
    int64_t source, offset, stored, id;
    unsigned char md5[16];
};
struct old_places {
    struct old_place *p;
    size_t n, size;
};
struct rewriter {
    sqlite3 *from, *to;
    const struct pack_plan *plan;
    struct pack_places *places;
    struct pack_copied *copied;
    struct old_places artifacts, marks; /* by source, offset; marks: other remembered offsets */
    size_t artifact, mark;              /* cursors */
    sqlite3_stmt *put_frame;
    bool crlf;
    int64_t stream, old_at, new_at; /* bytes of the stream consumed and produced */
    struct buf in, out;             /* not consumed, not yet in a frame */
    struct buf header, payload, plain, done;
};

void pack_places_release(struct pack_places *places)
{
    map_release(&places->artifacts);
    map_release(&places->offsets);
    map_release(&places->sizes);
    free(places->p);
    *places = (struct pack_places){0};
}

static int by_place(const void *a, const void *b)
{
    const struct old_place *x = a, *y = b;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum err read_places(sqlite3 *db, const char *sql, struct old_places *list)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, sql, &s));
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct old_place *p = LIST_PUSH(list);
        if (!p) break;
        *p = (struct old_place){sqlite3_column_int64(s, 0),
                                sqlite3_column_int64(s, 1),
                                sqlite3_column_int64(s, 2),
                                sqlite3_column_int64(s, 3),
                                {0}};
        if (sqlite3_column_bytes(s, 4) == 16) memcpy(p->md5, sqlite3_column_blob(s, 4), 16);
    }
    sqlite3_finalize(s);
    if (rc == SQLITE_ROW) FAIL(ERR_NOMEM, "out of memory for the places of artifacts");
    if (rc != SQLITE_DONE) return store_sql_error(db, rc, "reading the places of artifacts");
    if (list->n) qsort(list->p, list->n, sizeof *list->p, by_place);
    return ERR_OK;
}

static enum err put_place(struct rewriter *w, int64_t id, struct pack_place place)
{
    struct pack_places *all = w->places;
    if (all->n == all->size && !list_grow((void **)&all->p, &all->size, sizeof *all->p))
        FAIL(ERR_NOMEM, "out of memory for the places of artifacts");
    all->p[all->n] = place;
    if (!map_put(&all->artifacts, map_key_int(id, 0), (int64_t)all->n++, NULL))
        FAIL(ERR_NOMEM, "out of memory for the places of artifacts");
    return ERR_OK;
}

static enum err cut_artifact(struct rewriter *w, const struct old_place *a, int64_t at)
{
    w->copied->n_cut++;
    w->copied->cut_bytes += a->stored;
    return put_place(w, a->id, (struct pack_place){.offset = at, .cut = true});
}

/* ---- output ---- */

static enum err insert_frame(void *context, const void *row)
{
    struct rewriter *w = context;
    const struct row_text_frame *f = row;
    sqlite3_bind_int64(w->put_frame, 1, f->stream);
    sqlite3_bind_int64(w->put_frame, 2, f->offset);
    sqlite3_bind_int64(w->put_frame, 3, f->size);
    sqlite3_bind_int64(w->put_frame, 4, f->codec);
    sqlite3_bind_int64(w->put_frame, 5, f->packed);
    sqlite3_bind_blob64(w->put_frame, 6, f->data.p, f->data.n, SQLITE_STATIC);
    int rc = sqlite3_step(w->put_frame);
    sqlite3_reset(w->put_frame);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(w->to, rc, "writing text");
}

static enum err flush(struct rewriter *w, bool all)
{
    size_t done = 0;
    enum err err = buf_ok(&w->out);
    while (!err && (w->out.n - done >= TEXT_FRAME_SIZE || (all && done < w->out.n))) {
        size_t n = w->out.n - done < TEXT_FRAME_SIZE ? w->out.n - done : TEXT_FRAME_SIZE;
        struct store_batch *batch = store_batch_new();
        if (!batch) FAIL(ERR_NOMEM, "out of memory for text");
        err = text_pack(batch, w->stream, w->new_at, (struct span){w->out.p + done, n});
        if (!err) err = store_batch_each(batch, STORE_TEXT_FRAME, insert_frame, w);
        store_batch_free(batch);
        done += n;
        w->new_at += (int64_t)n;
    }
    if (done) {
        memmove(w->out.p, w->out.p + done, w->out.n - done);
        w->out.n -= done;
    }
    return err;
}

/* ---- one record ---- */

static struct span record_key(struct span header)
{
    size_t at = span_find(header, SPAN("] {\""), 0);
    if (at == SIZE_MAX) return SPAN_NONE;
    struct span rest = span_from(header, at + 4);
    const char *quote = memchr(rest.p, '"', rest.n);
    return quote ? span_to(rest, (size_t)(quote - rest.p)) : SPAN_NONE;
}

static void md5_of(struct span text, unsigned char out[16])
{
    MD5_CTX context;
    MD5Init(&context);
    MD5Update(&context, (const unsigned char *)text.p, text.n);
    MD5Final(out, &context);
}

static void hex_of(const unsigned char md5[16], char out[33])
{
    for (int i = 0; i < 16; i++) snprintf(out + 2 * i, 3, "%02x", md5[i]);
}

/* Where the header says the md5 of this payload, the new one takes its place. */
static void replace_md5(struct buf *header, const unsigned char before[16],
                        const unsigned char after[16])
{
    char old[33], fresh[33];
    hex_of(before, old);
    hex_of(after, fresh);
    char *at = header->n >= 32 ? memmem(header->p, header->n, old, 32) : NULL;
    if (at) memcpy(at, fresh, 32);
}

/* Writes lines with a tab each, as they are in a log. */
static void indent(struct span text, bool crlf, bool final_newline, struct buf *out)
{
    for (bool more = true; more;) {
        const char *nl = text.n ? memchr(text.p, '\n', text.n) : NULL;
        struct span line = {text.p, nl ? (size_t)(nl - text.p) : text.n};
        more = nl != NULL;
        text = span_from(text, line.n + more);
        buf_putc(out, '\t');
        buf_span(out, line);
        if (more || final_newline) buf_puts(out, crlf ? "\r\n" : "\n");
    }
}

static void redact_record(struct rewriter *w, struct span header, struct span payload,
                          unsigned char md5[16])
{
    struct redactor *r = w->plan->redactor;
    unsigned char before[16];
    buf_clear(&w->header);
    buf_clear(&w->plain);
    buf_clear(&w->done);
    bool crlf = header.n > 1 && header.p[header.n - 2] == '\r';
    bool newline = header.n && header.p[header.n - 1] == '\n';
    struct span line = span_to(header, header.n - newline - crlf);
    redact_header(r, line, &w->header);
    if (payload.n) {
        text_unindent(payload, crlf, &w->plain);
        md5_of(buf_text(&w->plain), before);
        redact_payload(r, record_key(line), buf_text(&w->plain), &w->done);
        md5_of(buf_text(&w->done), md5);
        replace_md5(&w->header, before, md5);
    }
    if (newline) buf_puts(&w->header, crlf ? "\r\n" : "\n");
    buf_clear(&w->payload);
    if (payload.n) indent(buf_text(&w->done), crlf, payload.p[payload.n - 1] == '\n', &w->payload);
}

/* Remembered offsets within the record: its start in the new stream, plus the distance where the
 * text stayed the same. */
static enum err place_marks(struct rewriter *w, int64_t old_end, int64_t new_start, bool same)
{
    while (w->mark < w->marks.n) {
        struct old_place *m = &w->marks.p[w->mark];
        if (m->source > w->stream || (m->source == w->stream && m->offset >= old_end)) break;
        int64_t at = new_start + (same && m->source == w->stream ? m->offset - w->old_at : 0);
        if (m->source == w->stream &&
            !map_put(&w->places->offsets, map_key_int(m->source, m->offset), at, NULL))
            FAIL(ERR_NOMEM, "out of memory for places");
        w->mark++;
    }
    return ERR_OK;
}

struct record {
    struct span header, payload;
    int64_t payload_at, end; /* in the old stream */
};

/* Is the artifact the payload of the record, empty lines around it aside? */
static bool is_whole_payload(const struct record *r, const struct old_place *a)
{
    int64_t before = a->offset - r->payload_at, end = before + a->stored;
    if (before < 0 || end > (int64_t)r->payload.n) return false;
    for (int64_t i = 0; i < (int64_t)r->payload.n; i++) {
        if (i == before) i = end;
        if (i < (int64_t)r->payload.n && r->payload.p[i] != '\n' && r->payload.p[i] != '\r')
            return false;
    }
    return true;
}

/* The artifacts that lie in the record; the first that is its whole payload is *whole, others
 * are cut. */
static enum err take_artifacts(struct rewriter *w, const struct record *r, int64_t new_at,
                               const struct old_place **whole)
{
    *whole = NULL;
    for (; w->artifact < w->artifacts.n; w->artifact++) {
        const struct old_place *a = &w->artifacts.p[w->artifact];
        if (a->source > w->stream || (a->source == w->stream && a->offset >= r->end)) break;
        bool fits = a->source == w->stream && !*whole && is_whole_payload(r, a);
        if (fits) *whole = a;
        else TRY(cut_artifact(w, a, new_at));
    }
    return ERR_OK;
}

static enum err write_record(struct rewriter *w, struct record r)
{
    const struct old_place *artifact;
    int64_t start = w->new_at + (int64_t)w->out.n;
    TRY(take_artifacts(w, &r, start, &artifact));
    if (w->plan->cut_events && span_is(record_key(r.header), "chromium_event")) {
        w->copied->event_bytes += (int64_t)(r.header.n + r.payload.n);
        TRY(place_marks(w, r.end, start, false));
        return artifact ? cut_artifact(w, artifact, start) : ERR_OK;
    }
    bool cut = artifact && map_get(&w->plan->cut, map_key_int(artifact->id, 0));
    unsigned char md5[16] = {0};
    if (w->plan->redactor) {
        redact_record(w, r.header, r.payload, md5);
        TRY(buf_ok(&w->header));
        TRY(buf_ok(&w->payload));
        r.header = buf_text(&w->header);
        r.payload = r.payload.n ? buf_text(&w->payload) : SPAN_NONE;
    }
    buf_span(&w->out, r.header);
    TRY(place_marks(w, r.end, start, !w->plan->redactor && !cut));
    int64_t at = w->new_at + (int64_t)w->out.n;
    if (cut) return cut_artifact(w, artifact, at);
    buf_span(&w->out, r.payload);
    if (!artifact) return ERR_OK;
    struct pack_place place = {
        .offset = at, .stored = (int64_t)r.payload.n, .has_md5 = w->plan->redactor != NULL};
    place.size = (int64_t)w->done.n;
    memcpy(place.md5, md5, 16);
    return put_place(w, artifact->id, place);
}

/* ---- a stream ---- */

/* Lines that belong to the record before: those of a payload have a tab, empty ones are skipped. */
static bool is_payload_byte(char c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

/* End of the record that begins at `from`, or SIZE_MAX if more text is needed. *header is the
 * size of its line. */
static size_t record_end(struct span text, size_t from, bool last, size_t *header)
{
    const char *nl = from < text.n ? memchr(text.p + from, '\n', text.n - from) : NULL;
    if (!nl) {
        *header = text.n - from;
        return last ? text.n : SIZE_MAX;
    }
    size_t at = (size_t)(nl - text.p) + 1;
    *header = at - from;
    while (at < text.n && is_payload_byte(text.p[at])) {
        nl = memchr(text.p + at, '\n', text.n - at);
        if (!nl) return last ? text.n : SIZE_MAX;
        at = (size_t)(nl - text.p) + 1;
    }
    return at < text.n || last ? at : SIZE_MAX;
}

static enum err consume(struct rewriter *w, bool last)
{
    struct span text = buf_text(&w->in);
    size_t at = 0, end, header;
    while (at < text.n && (end = record_end(text, at, last, &header)) != SIZE_MAX) {
        struct record r = {.header = {text.p + at, header},
                           .payload = {text.p + at + header, end - at - header},
                           .payload_at = w->old_at + (int64_t)header,
                           .end = w->old_at + (int64_t)(end - at)};
        TRY(write_record(w, r));
        w->old_at = r.end;
        at = end;
        if (w->out.n >= TEXT_FRAME_SIZE) TRY(flush(w, false));
    }
    memmove(w->in.p, text.p + at, text.n - at);
    w->in.n = text.n - at;
    return ERR_OK;
}

static enum err end_stream(struct rewriter *w)
{
    if (!w->stream) return ERR_OK;
    TRY(consume(w, true));
    TRY(flush(w, true));
    if (!map_put(&w->places->sizes, map_key_int(w->stream, 0), w->new_at, NULL))
        FAIL(ERR_NOMEM, "out of memory for places");
    w->old_at = w->new_at = 0;
    return ERR_OK;
}

static enum err rewrite_frames(struct rewriter *w, struct text_reader *text, sqlite3_stmt *frames)
{
    int rc;
    while ((rc = sqlite3_step(frames)) == SQLITE_ROW) {
        TRY(pack_go_on(w->plan->stop));
        int64_t stream = sqlite3_column_int64(frames, 0);
        if (stream != w->stream) {
            TRY(end_stream(w));
            w->stream = stream;
        }
        int64_t before = w->old_at + (int64_t)w->in.n;
        if (sqlite3_column_int64(frames, 1) != before)
            FAIL(ERR_FORMAT, "stream %lld has no text at byte %lld; plumb doctor says more",
                 (long long)stream, (long long)before);
        size_t old_n = w->in.n;
        TRY(text_read(text, stream, before, sqlite3_column_int64(frames, 2), &w->in));
        TRY(buf_ok(&w->in));
        /* Only a frame with a line end can complete a record: no search through a long line
         * again and again. */
        if (memchr(w->in.p + old_n, '\n', w->in.n - old_n)) TRY(consume(w, false));
    }
    if (rc != SQLITE_DONE) return store_sql_error(w->from, rc, "reading text");
    return end_stream(w);
}

static enum err cut_the_rest(struct rewriter *w)
{
    for (; w->artifact < w->artifacts.n; w->artifact++)
        TRY(cut_artifact(w, &w->artifacts.p[w->artifact], 0));
    return ERR_OK;
}

static void rewriter_release(struct rewriter *w)
{
    LIST_RELEASE(&w->artifacts);
    LIST_RELEASE(&w->marks);
    sqlite3_finalize(w->put_frame);
    struct buf *bufs[] = {&w->in, &w->out, &w->header, &w->payload, &w->plain, &w->done};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_release(bufs[i]);
}

enum err pack_text(sqlite3 *from, sqlite3 *to, const struct pack_plan *plan,
                   struct pack_places *places, struct pack_copied *out)
{
    struct rewriter w = {.from = from, .to = to, .plan = plan, .places = places, .copied = out};
    struct text_reader *text = NULL;
    sqlite3_stmt *frames = NULL;
    enum err err;
    TRY_OUT(read_places(from,
                        "SELECT source, offset, stored, id, md5 FROM artifact "
                        "WHERE stored > 0 AND stored < 1 << 60 AND offset BETWEEN 0 AND 1 << 60",
                        &w.artifacts));
    TRY_OUT(read_places(
        from,
        "SELECT source, offset, 0, 0, NULL FROM unknown_record WHERE offset IS NOT NULL UNION "
        "SELECT source, offset, 0, 0, NULL FROM loss WHERE offset IS NOT NULL",
        &w.marks));
    TRY_OUT(
        store_prepare(to, "INSERT INTO text_frame VALUES (?1, ?2, ?3, ?4, ?5, ?6)", &w.put_frame));
    TRY_OUT(store_prepare(
        from, "SELECT stream, offset, size FROM text_frame ORDER BY stream, offset", &frames));
    TRY_OUT(text_reader_new(from, &text));
    TRY_OUT(rewrite_frames(&w, text, frames));
    TRY_OUT(cut_the_rest(&w));
out:
    text_reader_free(text);
    sqlite3_finalize(frames);
    rewriter_release(&w);
    return err;
}
