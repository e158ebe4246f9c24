/* search_place.c - from a byte of a stream to the artifact or record that holds it.
 *
 * Artifact ranges are read once, at the first question, into an array sorted by place: a trace
 * without indices (live, packed) answers as fast as a closed one. Line numbers are counted on
 * from the hit before when it is of the same artifact, so that many hits in one large artifact
 * cost one pass over it.
 */
#include "store/search_place.h"

#include <stdio.h>

#include "store/base/clock.h"
#include "store/base/json.h"
#include "store/base/lists.h"
#include "store/db.h"
#include "store/text.h"

enum { WINDOW = 16 << 10, HEADER_MAX = 1 << 20, BACK_MAX = 256 << 20 };

struct range {
    int64_t source, offset, stored, id;
    bool wanted;
};
struct place_finder {
    sqlite3 *db; /* borrowed */
    struct text_reader *text;
    LIST_OF(struct range) ranges;
    bool loaded, marked;
    sqlite3_stmt *artifact, *compile, *occurrence;
    struct buf header, bytes, key, name, id;
    struct arena arena;
    /* the last place asked for */
    int64_t source, start, offset, line, compile_row;
};

enum err place_finder_new(sqlite3 *db, struct place_finder **out)
{
    struct place_finder *f = calloc(1, sizeof *f);
    if (!f) FAIL(ERR_NOMEM, "out of memory for a search");
    f->db = db;
    enum err err = text_reader_new(db, &f->text);
    if (err) {
        free(f);
        return err;
    }
    *out = f;
    return ERR_OK;
}

void place_finder_free(struct place_finder *f)
{
    if (!f) return;
    text_reader_free(f->text);
    LIST_RELEASE(&f->ranges);
    sqlite3_finalize(f->artifact);
    sqlite3_finalize(f->compile);
    sqlite3_finalize(f->occurrence);
    buf_release(&f->header);
    buf_release(&f->bytes);
    buf_release(&f->key);
    buf_release(&f->name);
    buf_release(&f->id);
    arena_release(&f->arena);
    free(f);
}

static int by_place(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum err load(struct place_finder *f)
{
    if (f->loaded) return ERR_OK;
    sqlite3_stmt *s;
    TRY(store_prepare(
        f->db,
        "SELECT id, source, offset, stored FROM artifact WHERE stored BETWEEN 1 AND 1 << 60 "
        "AND offset BETWEEN 0 AND 1 << 60",
        &s));
    int rc;
    bool sorted = true;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct range *r = LIST_PUSH(&f->ranges);
        if (!r) break;
        *r = (struct range){.id = sqlite3_column_int64(s, 0),
                            .source = sqlite3_column_int64(s, 1),
                            .offset = sqlite3_column_int64(s, 2),
                            .stored = sqlite3_column_int64(s, 3)};
        if (f->ranges.n > 1 && by_place(r - 1, r) > 0) sorted = false;
    }
    sqlite3_finalize(s);
    if (rc == SQLITE_ROW) FAIL(ERR_NOMEM, "out of memory for the places of artifacts");
    if (rc != SQLITE_DONE) return store_sql_error(f->db, rc, "reading the places of artifacts");
    if (!sorted) qsort(f->ranges.p, f->ranges.n, sizeof *f->ranges.p, by_place);
    f->loaded = true;
    return ERR_OK;
}

/* Number of ranges that begin at or before a place. */
static size_t count_before(const struct place_finder *f, int64_t source, int64_t offset)
{
    size_t low = 0, high = f->ranges.n;
    struct range at = {.source = source, .offset = offset};
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (by_place(&f->ranges.p[mid], &at) <= 0) low = mid + 1;
        else high = mid;
    }
    return low;
}

static const struct range *range_at(const struct place_finder *f, int64_t source, int64_t offset)
{
    size_t n = count_before(f, source, offset);
    if (!n) return NULL;
    const struct range *r = &f->ranges.p[n - 1];
    return r->source == source && offset - r->offset <= r->stored
               ? r
               : NULL; /* its last line end lies behind it */
}

static enum err mark(struct place_finder *f, const char *kind)
{
    if (f->marked) return ERR_OK;
    sqlite3_stmt *s;
    TRY(store_prepare(
        f->db,
        "SELECT source, offset FROM artifact WHERE stored > 0 AND (key IN (SELECT id FROM string "
        "WHERE text = ?1) OR name IN (SELECT id FROM string WHERE text = ?1))",
        &s));
    sqlite3_bind_text(s, 1, kind, -1, SQLITE_STATIC);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        size_t n = count_before(f, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
        if (n) f->ranges.p[n - 1].wanted = true;
    }
    sqlite3_finalize(s);
    if (rc != SQLITE_DONE) return store_sql_error(f->db, rc, "looking for artifacts of a kind");
    f->marked = true;
    return ERR_OK;
}

enum err place_has_kind(struct place_finder *f, const char *kind, int64_t source, int64_t offset,
                        int64_t size, bool *out)
{
    TRY(load(f));
    TRY(mark(f, kind));
    *out = false;
    size_t i = count_before(f, source, offset);
    if (i) i--;
    for (; i < f->ranges.n && !*out; i++) {
        const struct range *r = &f->ranges.p[i];
        if (r->source > source || (r->source == source && r->offset >= offset + size)) break;
        *out = r->wanted && r->source == source && r->offset + r->stored > offset;
    }
    return ERR_OK;
}

/* Adds the lines that end in a range of the stream to *line. Empty lines (not even a tab) are no
 * lines of a payload. within: the range begins inside a line. */
static enum err count_lines(struct place_finder *f, int64_t source, int64_t from, int64_t to,
                            bool within, int64_t *line)
{
    size_t open = within ? 2 : 0; /* bytes of a line that began before the piece */
    while (from < to) {
        int64_t n = to - from < TEXT_FRAME_SIZE ? to - from : TEXT_FRAME_SIZE;
        buf_clear(&f->bytes);
        TRY(text_read(f->text, source, from, n, &f->bytes));
        const char *p = f->bytes.p, *end = p + f->bytes.n, *nl;
        while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
            size_t size = open + (size_t)(nl - p);
            *line += size > 1 || (size == 1 && nl[-1] != '\r');
            open = 0;
            p = nl + 1;
        }
        open += (size_t)(end - p);
        from += n;
    }
    return ERR_OK;
}

/* Line of an offset in the text that begins at `start`, counted from `first`. */
static enum err line_at(struct place_finder *f, int64_t source, int64_t start, int64_t offset,
                        int64_t first, int64_t *out)
{
    bool onward = f->source == source && f->start == start && f->offset <= offset && f->line > 0;
    int64_t line = onward ? f->line : first;
    TRY(count_lines(f, source, onward ? f->offset : start, offset, onward, &line));
    f->source = source;
    f->start = start;
    f->offset = offset;
    *out = f->line = line;
    return ERR_OK;
}

static void keep_text(struct buf *b, sqlite3_stmt *s, int column)
{
    buf_clear(b);
    buf_span(b, store_column_text(s, column));
}

static enum err describe_artifact(struct place_finder *f, struct search_hit *hit)
{
    if (!f->artifact)
        TRY(store_prepare(f->db,
                          "SELECT k.text, n.text, a.compile, c.compile_id FROM artifact a "
                          "LEFT JOIN string k ON k.id = a.key LEFT JOIN string n ON n.id = a.name "
                          "LEFT JOIN compile c ON c.id = a.compile WHERE a.id = ?1",
                          &f->artifact));
    sqlite3_bind_int64(f->artifact, 1, hit->artifact);
    int rc = sqlite3_step(f->artifact);
    if (rc == SQLITE_ROW) {
        keep_text(&f->key, f->artifact, 0);
        keep_text(&f->name, f->artifact, 1);
        hit->compile = sqlite3_column_int64(f->artifact, 2);
        keep_text(&f->id, f->artifact, 3);
    }
    sqlite3_reset(f->artifact);
    if (rc != SQLITE_ROW) return store_sql_error(f->db, rc, "reading an artifact's row");
    return ERR_OK;
}

/* Lines that begin so belong to the record before: payload lines have a tab, empty lines are
 * skipped. */
static bool is_payload_byte(char c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

/* Start of the record around an offset: the nearest line start at or before it that is no
 * payload line. */
static enum err record_start(struct place_finder *f, int64_t source, int64_t offset, int64_t *out)
{
    int64_t end = offset + 1, window = WINDOW;
    bool behind_payload =
        true; /* does the byte after the window begin a line that is no record's? */
    while (end > 0 && offset - end < BACK_MAX) {
        int64_t begin = end > window ? end - window : 0;
        buf_clear(&f->bytes);
        TRY(text_read(f->text, source, begin, end - begin, &f->bytes));
        for (size_t n = f->bytes.n; n;) {
            const char *nl = memrchr(f->bytes.p, '\n', n);
            if (!nl) break;
            size_t at = (size_t)(nl - f->bytes.p);
            bool payload = at + 1 < f->bytes.n ? is_payload_byte(nl[1]) : behind_payload;
            if (!payload && begin + (int64_t)at + 1 <= offset) {
                *out = begin + (int64_t)at + 1;
                return ERR_OK;
            }
            n = at;
        }
        behind_payload = f->bytes.n && is_payload_byte(f->bytes.p[0]);
        end = begin;
        if (window < TEXT_FRAME_SIZE) window *= 4;
    }
    *out = end;
    return ERR_OK;
}

static enum err stream_end(struct place_finder *f, int64_t source, int64_t *out)
{
    sqlite3_stmt *s;
    TRY(store_prepare(
        f->db,
        "SELECT offset + size FROM text_frame WHERE stream = ?1 ORDER BY offset DESC LIMIT 1", &s));
    sqlite3_bind_int64(s, 1, source);
    *out = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return ERR_OK;
}

/* Reads the line at `start` into f->header, at most HEADER_MAX bytes of it. */
static enum err read_header(struct place_finder *f, int64_t source, int64_t start)
{
    buf_clear(&f->header);
    int64_t at = start, window = 1 << 10, stream_size;
    TRY(stream_end(f, source, &stream_size));
    while (at < stream_size && at - start < HEADER_MAX) {
        int64_t n = stream_size - at < window ? stream_size - at : window;
        TRY(text_read(f->text, source, at, n, &f->header));
        const char *nl = memchr(f->header.p + (at - start), '\n', (size_t)n);
        if (nl) {
            f->header.n = (size_t)(nl - f->header.p);
            break;
        }
        at += n;
        window *= 4;
    }
    return buf_ok(&f->header);
}

static void compile_id_text(const struct json *envelope, struct buf *out)
{
    int64_t autograd = json_int(json_get(envelope, "compiled_autograd_id"), -1);
    int64_t frame = json_int(json_get(envelope, "frame_id"), -1);
    int64_t count = json_int(json_get(envelope, "frame_compile_id"), -1);
    if (autograd >= 0) buf_printf(out, "!%lld", (long long)autograd);
    if (frame >= 0 && count >= 0)
        buf_printf(out, "%s%lld/%lld", autograd >= 0 ? "/" : "", (long long)frame,
                   (long long)count);
}

/* Time of the record in f->header by its prefix, ns UTC; its log's year and zone are those of
 * source_file. */
static int64_t header_time(const struct place_finder *f, int64_t year, int64_t zone_ns)
{
    struct span text = span_to(buf_text(&f->header), 64);
    char copy[65];
    int month, day, hour, minute, second, micro;
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    if (sscanf(copy, "%*c%2d%2d %2d:%2d:%2d.%6d", &month, &day, &hour, &minute, &second, &micro) !=
        6)
        return INT64_MAX;
    int64_t seconds = clock_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return seconds * 1000000000 + micro * INT64_C(1000) - zone_ns;
}

/* Of several occurrences of an id, the one that had begun when the record was written. */
static enum err pick_occurrence(struct place_finder *f, int64_t source, int64_t *out)
{
    sqlite3_stmt *s;
    TRY(store_prepare(f->db, "SELECT year, coalesce(zone_ns, 0) FROM source_file WHERE id = ?1",
                      &s));
    sqlite3_bind_int64(s, 1, source);
    int64_t ts = INT64_MAX;
    if (sqlite3_step(s) == SQLITE_ROW)
        ts = header_time(f, sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1));
    sqlite3_finalize(s);
    if (!f->occurrence)
        TRY(store_prepare(
            f->db,
            "SELECT id FROM compile WHERE source = ?1 AND compile_id = ?2 AND start_ts <= ?3 "
            "ORDER BY start_ts DESC, id DESC LIMIT 1",
            &f->occurrence));
    sqlite3_bind_int64(f->occurrence, 1, source);
    sqlite3_bind_text(f->occurrence, 2, f->id.p, (int)f->id.n, SQLITE_STATIC);
    sqlite3_bind_int64(f->occurrence, 3, ts);
    if (sqlite3_step(f->occurrence) == SQLITE_ROW) *out = sqlite3_column_int64(f->occurrence, 0);
    sqlite3_reset(f->occurrence);
    return ERR_OK;
}

static enum err find_compile(struct place_finder *f, int64_t source, int64_t *out)
{
    *out = 0;
    if (!f->id.n) return ERR_OK;
    if (!f->compile)
        TRY(store_prepare(
            f->db, "SELECT min(id), count(*) FROM compile WHERE source = ?1 AND compile_id = ?2",
            &f->compile));
    sqlite3_bind_int64(f->compile, 1, source);
    sqlite3_bind_text(f->compile, 2, f->id.p, (int)f->id.n, SQLITE_STATIC);
    int64_t n = 0;
    if (sqlite3_step(f->compile) == SQLITE_ROW) {
        *out = sqlite3_column_int64(f->compile, 0);
        n = sqlite3_column_int64(f->compile, 1);
    }
    sqlite3_reset(f->compile);
    return n > 1 ? pick_occurrence(f, source, out) : ERR_OK;
}

/* Fills key, name and id from f->header. The key is the first member's name: the emitter writes
 * it first. */
static void read_envelope(struct place_finder *f)
{
    struct span text = buf_text(&f->header);
    size_t at = span_find(text, SPAN("] {\""), 0);
    buf_clear(&f->key);
    buf_clear(&f->name);
    buf_clear(&f->id);
    if (at == SIZE_MAX) {
        buf_puts(&f->key, "(none)");
    } else {
        struct span rest = span_from(text, at + 4);
        const char *quote = memchr(rest.p, '"', rest.n);
        buf_put(&f->key, rest.p, quote ? (size_t)(quote - rest.p) : rest.n);
        struct json *envelope;
        arena_clear(&f->arena);
        if (json_parse(span_from(text, at + 2), &f->arena, &envelope) == ERR_OK) {
            compile_id_text(envelope, &f->id);
            const struct json *name = json_get(envelope->first, "name");
            if (json_string(name).p) buf_span(&f->name, json_string(name));
        } else {
            err_clear();
        }
    }
    if (!f->name.n) buf_span(&f->name, buf_text(&f->key));
}

static enum err describe_record(struct place_finder *f, struct search_hit *hit)
{
    int64_t start;
    TRY(record_start(f, hit->source, hit->offset, &start));
    bool same = f->source == hit->source && f->start == start && f->line > 0;
    if (!same) {
        TRY(read_header(f, hit->source, start));
        read_envelope(f);
        TRY(find_compile(f, hit->source, &f->compile_row));
    }
    hit->compile = f->compile_row;
    TRY(line_at(f, hit->source, start, hit->offset, 1, &hit->line));
    hit->line--;
    return ERR_OK;
}

enum err place_find(struct place_finder *f, struct search_hit *hit)
{
    TRY(load(f));
    const struct range *r = range_at(f, hit->source, hit->offset);
    if (r) {
        hit->where = SEARCH_IN_ARTIFACT;
        hit->artifact = r->id;
        TRY(describe_artifact(f, hit));
        TRY(line_at(f, hit->source, r->offset, hit->offset, 1, &hit->line));
    } else {
        hit->where = SEARCH_IN_RECORD;
        hit->artifact = 0;
        TRY(describe_record(f, hit));
    }
    hit->kind = buf_text(&f->key);
    hit->name = buf_text(&f->name);
    hit->compile_id = buf_text(&f->id);
    return ERR_OK;
}
