/* detail.c - statistics, kept values and source lines of calls that differ, out of the traces. */
#include "store/diff/detail.h"

#include <math.h>
#include <string.h>

#include "store/base/dtype.h"
#include "store/query.h"

enum { USE_NANS, USE_INFS, USE_MAGNITUDE, USE_SQUARES, USE_ARTIFACT };

static const char use_sql[] =
    "SELECT nans, infs, magnitude, squares, artifact FROM tensor_use WHERE event = :event "
    "ORDER BY position";
/* A stack is a trie whose leaf is the innermost frame. */
static const char line_sql[] =
    "SELECT (SELECT text FROM string WHERE id = s.file), s.line FROM call c "
    "JOIN stack s ON s.id = coalesce(c.fwd_stack, c.stack) WHERE c.event = :event";

enum err diff_details_init(struct diff_details *d, struct diff_comparison *c)
{
    *d = (struct diff_details){.c = c, .event = {-1, -1}};
    enum err err = ERR_OK;
    for (int k = 0; k < 2 && !err; k++) {
        err = store_prepare(c->db[k], use_sql, &d->use[k]);
        if (!err) err = store_prepare(c->db[k], line_sql, &d->line[k]);
        if (!err) err = store_prepare(c->db[k], "SELECT 1 FROM sqlite_schema", &d->held[k]);
        if (!err) (void)sqlite3_step(d->held[k]); /* without it reads are slower, not wrong */
        if (!err) err = text_reader_new(c->db[k], &d->text[k]);
    }
    if (err) diff_details_release(d);
    return err;
}

void diff_details_release(struct diff_details *d)
{
    for (int k = 0; k < 2; k++) {
        sqlite3_finalize(d->use[k]);
        sqlite3_finalize(d->line[k]);
        sqlite3_finalize(d->held[k]);
        LIST_RELEASE(&d->row[k]);
        if (d->text[k]) text_reader_free(d->text[k]);
    }
    *d = (struct diff_details){0};
}

uint32_t diff_call_of_use(const struct diff_stream *s, uint32_t use)
{
    uint32_t low = 0, high = s->n_calls;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (s->first_use[mid] <= use) low = mid;
        else high = mid;
    }
    return low;
}

int64_t diff_event_of_use(const struct diff_stream *s, uint32_t use, uint32_t *number)
{
    *number = 0;
    if (use == DIFF_NONE || (s->from && s->from[use] == DIFF_NONE)) return -1;
    if (s->from) {
        *number = s->from_use[use];
        return s->from[use];
    }
    uint32_t call = diff_call_of_use(s, use);
    *number = use - s->first_use[call];
    return s->event[call];
}

static double relative(double a, double b)
{
    double larger = fmax(fabs(a), fabs(b));
    if (a == b || (isnan(a) && isnan(b))) return 0;
    if (!isfinite(a) || !isfinite(b)) return INFINITY;
    return fabs(a - b) / larger;
}

double diff_relative_norm(enum diff_hash hash, int64_t a, int64_t b)
{
    double x, y;
    if (hash != DIFF_NORM) return NAN;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return relative(x, y);
}

/* ---- statistics ---- */

static int64_t int_or_null(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? STORE_NULL
                                                         : sqlite3_column_int64(s, column);
}
static double real_or_nan(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? NAN : sqlite3_column_double(s, column);
}

/* All uses of a call in one go: a call on lists has thousands. */
static enum err read_call(struct diff_details *d, int side, int64_t event)
{
    sqlite3_stmt *q = d->use[side];
    d->row[side].n = 0;
    d->event[side] = -1;
    sqlite3_reset(q);
    TRY(store_bind_int(q, ":event", event));
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct detail_row *row = LIST_PUSH(&d->row[side]);
        if (!row) FAIL(ERR_NOMEM, "out of memory for the statistics of a call");
        *row = (struct detail_row){int_or_null(q, USE_NANS), int_or_null(q, USE_INFS),
                                   int_or_null(q, USE_ARTIFACT), real_or_nan(q, USE_MAGNITUDE),
                                   real_or_nan(q, USE_SQUARES)};
    }
    sqlite3_reset(q);
    if (rc != SQLITE_DONE)
        return store_sql_error(d->c->db[side], rc, "reading the statistics of a call");
    d->event[side] = event;
    return ERR_OK;
}

static enum err read_row(struct diff_details *d, int side, const struct diff_stream *s,
                         uint32_t use, struct detail_row *out)
{
    *out = (struct detail_row){STORE_NULL, STORE_NULL, STORE_NULL, NAN, NAN};
    uint32_t n;
    int64_t event = diff_event_of_use(s, use, &n);
    if (event < 0) return ERR_OK;
    if (d->event[side] != event) TRY(read_call(d, side, event));
    if (n < d->row[side].n) *out = d->row[side].p[n];
    return ERR_OK;
}

/* The norm of the tensor of a use, which may have been hashed in other ways too: rows of one tensor
 * follow one another, but those of digests that were joined later. */
static uint32_t norm_of(const struct diff_stream *s, uint32_t use)
{
    const struct diff_form *like = diff_use_form(s, use);
    if (like->hash == DIFF_NORM) return use;
    if (!(s->hashes >> DIFF_NORM & 1)) return DIFF_NONE;
    uint32_t call = diff_call_of_use(s, use), first = s->first_use[call];
    uint32_t n = s->first_use[call + 1] - first;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t u = first + (use - first + k) % n;
        const struct diff_form *f = diff_use_form(s, u);
        if (f->hash == DIFF_NORM && f->phase == like->phase && f->path == like->path) return u;
    }
    return DIFF_NONE;
}

static double relative_of(const struct diff_lane *lane, const struct diff_tensor *t,
                          const struct detail_row row[2])
{
    if (isnan(row[0].magnitude) || isnan(row[1].magnitude)) {
        uint32_t a = norm_of(lane->a, t->a), b = norm_of(lane->b, t->b);
        if (a == DIFF_NONE || b == DIFF_NONE) return NAN;
        return diff_relative_norm(DIFF_NORM, lane->a->digest[a], lane->b->digest[b]);
    }
    return fmax(relative(row[0].magnitude, row[1].magnitude),
                relative(row[0].squares, row[1].squares));
}

/* ---- kept values ---- */

static uint64_t element(struct span bytes, size_t i, size_t size)
{
    uint64_t v = 0;
    memcpy(&v, bytes.p + i * size, size);
    return v;
}

/* Floats in order as integers: neighbours differ by one, -0 and 0 are one. */
static int64_t ordered(uint64_t bits, size_t size)
{
    uint64_t sign = (uint64_t)1 << (size * 8 - 1);
    return bits & sign ? -(int64_t)(bits & (sign - 1)) : (int64_t)bits;
}

/* Real floats only: other dtypes have no last place. */
static void count_elements(enum dtype dtype, struct span a, struct span b, struct diff_detail *out)
{
    size_t size = (size_t)dtype_size(dtype);
    bool has_ulp = dtype_kind(dtype) == DTYPE_FLOAT;
    out->elements = 0;
    if (has_ulp) out->ulp = 0;
    for (size_t i = 0; i + 1 <= a.n / size; i++) {
        uint64_t x[2] = {0}, y[2] = {0};
        for (size_t k = 0; k < size; k += 8) {
            size_t n = size - k < 8 ? size - k : 8;
            memcpy(&x[k / 8], a.p + i * size + k, n);
            memcpy(&y[k / 8], b.p + i * size + k, n);
        }
        if (x[0] == y[0] && x[1] == y[1]) continue;
        out->elements++;
        if (!has_ulp) continue;
        int64_t p = ordered(element(a, i, size), size), q = ordered(element(b, i, size), size);
        uint64_t far = p > q ? (uint64_t)p - (uint64_t)q : (uint64_t)q - (uint64_t)p;
        if (far > INT64_MAX) far = INT64_MAX;
        if ((int64_t)far > out->ulp) out->ulp = (int64_t)far;
    }
}

static enum err compare_values(struct diff_details *d, const struct diff_lane *lane,
                               const struct diff_tensor *t, const struct detail_row row[2],
                               struct diff_detail *out)
{
    struct buf bytes[2] = {0};
    enum dtype dtype;
    const struct diff_form *f = diff_use_form(lane->a, t->a);
    enum err err = ERR_OK;
    if (dtype_find(diff_span(lane->a->words, f->dtype), &dtype)) {
        err_clear(); /* a dtype that only other programs have: nothing to count */
        return ERR_OK;
    }
    for (int k = 0; k < 2; k++) TRY_OUT(text_artifact(d->text[k], row[k].artifact, &bytes[k]));
    if (bytes[0].n == bytes[1].n)
        count_elements(dtype, buf_text(&bytes[0]), buf_text(&bytes[1]), out);
out:
    for (int k = 0; k < 2; k++) buf_release(&bytes[k]);
    return err;
}

enum err diff_detail_read(struct diff_details *d, const struct diff_lane *lane,
                          const struct diff_tensor *t, struct diff_detail *out)
{
    const struct diff_stream *s[2] = {lane->a, lane->b};
    uint32_t use[2] = {t->a, t->b};
    struct detail_row row[2];
    *out = (struct diff_detail){.relative = NAN, .elements = STORE_NULL, .ulp = STORE_NULL};
    for (int k = 0; k < 2; k++) {
        TRY(read_row(d, k, s[k], use[k], &row[k]));
        out->nans[k] = row[k].nans;
        out->infs[k] = row[k].infs;
    }
    if (t->class != DIFF_VALUES && t->class != DIFF_CANNOT_TELL) return ERR_OK;
    out->relative = relative_of(lane, t, row);
    if (row[0].artifact == STORE_NULL || row[1].artifact == STORE_NULL) return ERR_OK;
    return compare_values(d, lane, t, row, out);
}

/* ---- the program's line ---- */

enum err diff_line_of(struct diff_details *d, const struct diff_lane *lane, int side, uint32_t call,
                      struct buf *out)
{
    sqlite3_stmt *q = d->line[side];
    const struct diff_stream *s = side ? lane->b : lane->a;
    sqlite3_reset(q);
    TRY(store_bind_int(q, ":event", s->event[call]));
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        buf_span(out, store_column_text(q, 0));
        if (sqlite3_column_int64(q, 1) > 0)
            buf_printf(out, ":%lld", (long long)sqlite3_column_int64(q, 1));
    }
    sqlite3_reset(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return store_sql_error(d->c->db[side], rc, "reading the stack of a call");
    return buf_ok(out);
}
