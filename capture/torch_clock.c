/* torch_clock.c - from the prefix of a record, which is local time without a year, to UTC.
 *
 * A chromium payload holds the same moment as microseconds of the epoch: the year is the one that
 * brings the prefix nearest to it, the zone is what remains, rounded to a quarter of an hour.
 * Without such a payload the year is that of the file's date (or the one before, when the prefix
 * would be later than the file), and the zone is not known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "capture/torch_reader.h"
#include "store/base/clock.h"

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)

static int64_t local_ns(int64_t year, const struct torch_line *l)
{
    return clock_days(year, l->month, l->day) * DAY + l->us * 1000;
}

static int64_t year_of(int64_t ns)
{
    time_t seconds = (time_t)(ns / SECOND);
    struct tm t;
    return gmtime_r(&seconds, &t) ? t.tm_year + 1900 : 1970;
}

/* "ts": 1733527095925179.5 in a chromium payload, ns; 0 when there is none or it is no time of this
 * century. */
static int64_t chromium_ts(struct span payload)
{
    size_t at = span_find(payload, SPAN("\"ts\": "), 0);
    if (at == SIZE_MAX) return 0;
    struct span text = span_to(span_from(payload, at + 6), 24);
    size_t n = 0;
    while (n < text.n && (text.p[n] == '.' || (text.p[n] >= '0' && text.p[n] <= '9'))) n++;
    double us;
    if (!span_to_f64(span_to(text, n), &us) || us < 9e14 || us > 4.1e15) return 0;
    return (int64_t)(us * 1000.0);
}

bool torch_clock_search(const struct torch_piece *p, const struct torch_line **line, int64_t *ts)
{
    for (size_t i = 0; i < p->lines.n; i++) {
        const struct torch_line *l = &p->lines.p[i];
        if (l->flags & TORCH_LINE_MALFORMED || !l->payload.p ||
            !span_starts(l->json, "{\"chromium_event\""))
            continue;
        *ts = chromium_ts(l->payload);
        *line = l;
        if (*ts) return true;
    }
    return false;
}

static enum err add_clock(struct torch_reader *r, int64_t ts, int64_t local, const char *kind)
{
    struct row_clock row = {
        .source = r->source.row.id, .ts = ts, .local_ts = local, .kind = span_of(kind)};
    return store_clock_add(r->source.batch, &row);
}

enum err torch_clock_set(struct torch_reader *r, const struct torch_line *l, int64_t ts)
{
    int64_t nearest = year_of(ts), best = INT64_MAX;
    for (int64_t y = nearest - 1, centre = nearest; y <= centre + 1; y++) {
        int64_t apart = llabs(local_ns(y, l) - ts);
        if (apart < best) best = apart, nearest = y;
    }
    if (best > 2 * DAY) return torch_clock_guess(r, l);
    int64_t quarter = HOUR / 4, off = local_ns(nearest, l) - ts;
    r->year = nearest;
    r->zone_ns = (off + (off < 0 ? -quarter / 2 : quarter / 2)) / quarter * quarter;
    r->has_clock = true;
    r->clock_is_guess = false;
    r->last_local = local_ns(nearest, l);
    r->source.row.year = nearest;
    r->source.row.year_from = SPAN("chromium");
    r->source.row.zone_ns = r->zone_ns;
    return add_clock(r, ts, r->last_local, "chromium");
}

enum err torch_clock_guess(struct torch_reader *r, const struct torch_line *l)
{
    r->year = year_of(r->file_ts);
    if (local_ns(r->year, l) > r->file_ts + DAY) r->year--;
    r->zone_ns = 0;
    r->has_clock = r->clock_is_guess = true;
    r->last_local = local_ns(r->year, l);
    r->source.row.year = r->year;
    r->source.row.year_from = SPAN("file");
    r->source.row.zone_ns = STORE_NULL;
    return add_clock(r, r->file_ts, r->last_local, "file");
}

void torch_clock_utc(struct torch_reader *r)
{
    r->source.row.year = r->year = year_of(r->file_ts);
    r->source.row.year_from = SPAN("given");
    r->source.row.zone_ns = r->zone_ns = 0;
    r->last_local = r->file_ts;
    r->has_clock = true;
}

int64_t torch_clock_time(struct torch_reader *r, const struct torch_line *l)
{
    int64_t local = local_ns(r->year, l);
    if (local < r->last_local - 180 * DAY) local = local_ns(++r->year, l); /* over New Year's Eve */
    else if (local > r->last_local + 180 * DAY)
        local = local_ns(r->year - 1, l); /* a late record of the old year */
    else r->last_local = local;
    return local - r->zone_ns;
}

/* Times that were given out before stay as they are. */
static enum err replace_guess(struct torch_reader *r, const struct torch_line *l, int64_t ts)
{
    char message[300];
    TRY(torch_clock_set(r, l, ts));
    if (r->clock_is_guess) return ERR_OK;
    snprintf(message, sizeof message,
             "%.150s: times before line %lld were set by the date of the file, in no known zone",
             r->source.row.name.p, (long long)l->line);
    struct row_diag row = {clock_real(), 1, SPAN("import"), span_of(message)};
    return store_diag_add(r->source.batch, &row);
}

enum err torch_clock_check(struct torch_reader *r, const struct torch_line *l, int64_t ts)
{
    if (r->clock_is_guess) return replace_guess(r, l, ts);
    int64_t local = local_ns(r->year, l), off = local - ts - r->zone_ns;
    int64_t change = off > 0 ? HOUR : -HOUR;
    r->last_pair[0] = ts;
    r->last_pair[1] = local;
    if (llabs(off - change) > 5 * SECOND) return ERR_OK;
    r->zone_ns += change; /* daylight saving began or ended */
    return add_clock(r, ts, local, "chromium");
}

enum err torch_clock_finish(struct torch_reader *r)
{
    return r->last_pair[0] ? add_clock(r, r->last_pair[0], r->last_pair[1], "chromium") : ERR_OK;
}
