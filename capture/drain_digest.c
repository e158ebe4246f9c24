/* drain_digest.c - digests and kept values find the use that they are of: in an open call, or in
 * its rows when it has ended.
 */
#include <math.h>

#include "capture/drain_state.h"

/* Two records of statistics behind a digest. */
static void read_statistics(struct drain_digest *g, const struct ring_record *first,
                            const struct ring_record *second)
{
    uint64_t words[8];
    memcpy(words, first, sizeof *first);
    memcpy(words + 4, second, sizeof *second);
    g->nans = (int64_t)words[0];
    g->infs = (int64_t)words[1];
    g->low = drain_real(words[2]);
    g->high = drain_real(words[3]);
    g->total = drain_real(words[4]);
    g->magnitude = drain_real(words[5]);
}

/* The use of an open call; NULL: that call has ended, or its uses are not known. */
static struct drain_item *use_of(struct drain_lane *l, const struct ring_record *r)
{
    for (size_t i = l->open.n; i-- > 0;) {
        const struct drain_call *c = &l->open.p[i];
        size_t end = i + 1 < l->open.n ? l->open.p[i + 1].uses : l->uses.n;
        if ((uint64_t)c->number != r->b) continue;
        return c->uses + r->a < end ? &l->items.p[l->uses.p[c->uses + r->a]] : NULL;
    }
    return NULL;
}

static struct store_cell real_cell(double v)
{
    return (struct store_cell){.kind = isnan(v) ? STORE_CELL_NULL : STORE_CELL_REAL, .r = v};
}

/* Its call has ended: the row is there, or is in this batch. Further parts get rows of their
 * own. */
static enum err late_digest(struct drain *d, const struct ring_record *r,
                            const struct drain_digest *g)
{
    static const char first[] =
        "UPDATE tensor_use SET hash_kind = ?3, digest = ?4, nans = ?5, infs = ?6, low = ?7, "
        "high = ?8, total = ?9, magnitude = ?10, squares = ?11 WHERE event = ?1 AND position = ?2";
    static const char more[] =
        "INSERT INTO tensor_use SELECT event, (SELECT max(position) + 1 FROM tensor_use WHERE "
        "event = ?1), phase, arg, tensor, form, dtype, shape, stride, device, detail, ?3, ?4, ?12, "
        "?5, ?6, ?7, ?8, ?9, ?10, ?11, version, artifact FROM tensor_use WHERE event = ?1 AND "
        "position = ?2";
    struct store_cell values[12] = {{.kind = STORE_CELL_INT, .i = (int64_t)r->b},
                                    {.kind = STORE_CELL_INT, .i = r->a},
                                    {.kind = STORE_CELL_INT, .i = g->kind},
                                    {.kind = STORE_CELL_INT, .i = g->bits},
                                    {.kind = STORE_CELL_INT, .i = g->nans},
                                    {.kind = STORE_CELL_INT, .i = g->infs},
                                    real_cell(g->low),
                                    real_cell(g->high),
                                    real_cell(g->total),
                                    real_cell(g->magnitude),
                                    real_cell(g->squares),
                                    {.kind = STORE_CELL_INT, .i = g->part}};
    if (!g->stats)
        for (int i = 4; i < 11; i++) values[i].kind = STORE_CELL_NULL;
    return store_batch_add_sql(d->batch, g->part ? more : first, values, 12);
}

static enum err digest(struct drain *d, struct drain_lane *l, const struct ring_record *r,
                       const struct drain_digest *g)
{
    struct drain_item *m = use_of(l, r);
    if (!m) return drain_is_written(l) ? ERR_OK : late_digest(d, r, g);
    struct drain_digest *to = LIST_PUSH(&l->digests);
    if (!to) FAIL(ERR_NOMEM, "out of memory for digests");
    *to = *g;
    uint32_t *link = &m->digest;
    while (*link) link = &l->digests.p[*link - 1].next;
    *link = (uint32_t)l->digests.n;
    m->n_digests++;
    return ERR_OK;
}

enum err drain_read_digest(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    struct drain_digest g = {.kind = r->sub, .bits = (int64_t)r->c, .part = r->more & 255};
    g.stats = r->more & 256;
    if (g.stats) read_statistics(&g, drain_behind(l, 1), drain_behind(l, 2));
    g.squares = drain_real(r->d);
    return digest(d, l, r, &g);
}

enum err drain_read_keep(struct drain *d, struct drain_lane *l, const struct ring_record *r)
{
    struct drain_item *m = use_of(l, r);
    struct store_cell values[] = {{.kind = STORE_CELL_INT, .i = (int64_t)r->b},
                                  {.kind = STORE_CELL_INT, .i = r->a},
                                  {.kind = STORE_CELL_INT, .i = (int64_t)r->c}};
    if (m) {
        m->artifact = (int64_t)r->c;
        return ERR_OK;
    }
    if (drain_is_written(l)) return ERR_OK;
    return store_batch_add_sql(
        d->batch, "UPDATE tensor_use SET artifact = ?3 WHERE event = ?1 AND position = ?2", values,
        3);
}
