/* drain_clock.c - ticks of records in ns of CLOCK_REALTIME, by interpolation between readings. */
#include "capture/cap_state.h"
#include "capture/drain_state.h"
#include "store/base/clock.h"

enum { KNOT_NS = 5 * 1000 * 1000, CLOCK_ROW_NS = 1000 * 1000 * 1000, KNOTS = 4096 };

static struct ring_knot read_clock(const struct drain *d)
{
    uint64_t before = cap_ticks();
    int64_t ns = clock_mono();
    uint64_t after = cap_ticks();
    return (struct ring_knot){before + (after - before) / 2, ns + d->real_offset};
}

enum err drain_clock_read(struct drain *d)
{
    struct ring_knot k = read_clock(d);
    struct ring_file *f = d->ring->file;
    size_t n = d->knots.n;
    /* Close ones are one, which moves: all that is read lies before it. */
    if (n > 1 && k.ns - d->knots.p[n - 2].ns < KNOT_NS) {
        d->knots.p[n - 1] = k;
        f->knots[(f->n_knots - 1) % RING_KNOTS] = k;
        return ERR_OK;
    }
    if (d->knots.n == KNOTS) {
        memmove(d->knots.p, d->knots.p + KNOTS / 2, KNOTS / 2 * sizeof *d->knots.p);
        d->knots.n = KNOTS / 2;
    }
    struct ring_knot *to = LIST_PUSH(&d->knots);
    if (!to) FAIL(ERR_NOMEM, "out of memory for times");
    *to = k;
    f->knots[f->n_knots % RING_KNOTS] = k;
    atomic_fetch_add(&f->n_knots, 1);
    return ERR_OK;
}

int64_t drain_ns(struct drain *d, uint64_t ticks)
{
    size_t i = d->knots.n - 1;
    while (i > 1 && d->knots.p[i - 1].ticks > ticks) i--;
    const struct ring_knot *b = &d->knots.p[i], *a = i ? b - 1 : b;
    if (b->ticks == a->ticks) return b->ns;
    double rate = (double)(b->ns - a->ns) / (double)(b->ticks - a->ticks);
    return a->ns + (int64_t)((double)(int64_t)(ticks - a->ticks) * rate);
}

enum err drain_clock_put(struct drain *d)
{
    struct ring_knot k = read_clock(d);
    int64_t now = clock_real();
    if (now - d->clock_row < CLOCK_ROW_NS) return ERR_OK;
    d->clock_row = now;
    struct row_clock row = {.ts = now, .local_ts = (int64_t)k.ticks, .kind = SPAN("ticks")};
    return store_clock_add(d->batch, &row);
}
