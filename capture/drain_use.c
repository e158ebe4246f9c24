/* drain_use.c - the tensors of a call as rows: first those whose digests its texts show, in their
 * order, then the others.
 */
#include <math.h>

#include "capture/drain_state.h"

struct walk {
    struct drain *d;
    const struct drain_lane *l;
    const struct drain_call *c;
    bool shown; /* this time those that the texts show, else the others */
    bool input_hashes;
    int results; /* of the call: one alone has no path */
    int64_t position;
    int64_t index, keyword; /* of the item at the top: where it stands, and its name's word */
    bool result;
    size_t item;
};

/* [0][i], [1]['out'], [i] of several results, "" of the only one; inside a list [k] follows. */
static int64_t path_word(struct walk *w, int64_t k)
{
    struct drain *d = w->d;
    bool kernel = w->c->kind == CAP_KERNEL;
    bool simple = !kernel && !w->result && !w->keyword && k < 0 && w->index < DRAIN_INDICES;
    if (simple && d->index[w->index]) return d->index[w->index];
    if (w->result && w->results == 1 && k < 0) return d->word_empty;
    struct buf *b = &d->scratch;
    buf_clear(b);
    if (kernel) buf_span(b, ring_word(d->ring, (uint32_t)w->keyword));
    else if (w->keyword)
        buf_printf(b, "[1]['%.*s']", SPAN_ARG(ring_word(d->ring, (uint32_t)w->keyword)));
    else if (!w->result) buf_printf(b, "[0][%lld]", (long long)w->index);
    else if (w->results > 1) buf_printf(b, "[%lld]", (long long)w->index);
    if (k >= 0) buf_printf(b, "[%lld]", (long long)k);
    int64_t id = store_word(d->writer, buf_text(b));
    if (simple) d->index[w->index] = id;
    return id;
}

static bool is_shown(const struct walk *w, const struct drain_item *m)
{
    bool after = w->c->kind == CAP_KERNEL && m->sub == CAP_ARGUMENT_AFTER;
    return m->n_digests &&
           (after || m->sub == CAP_RESULT || (m->sub == CAP_ARGUMENT && w->input_hashes));
}

static void fill_digest(struct row_tensor_use *row, const struct drain_digest *g, bool several)
{
    row->hash_kind = g->kind;
    row->digest = g->bits;
    row->part = several ? g->part : STORE_NULL;
    if (!g->stats) return;
    row->nans = g->nans;
    row->infs = g->infs;
    row->low = g->low;
    row->high = g->high;
    row->total = g->total;
    row->magnitude = g->magnitude;
    row->squares = g->squares;
}

static enum err put_use(struct walk *w, const struct drain_item *m, int64_t path)
{
    const struct drain_form *f = drain_form(w->d, m->form);
    struct row_tensor_use row = {
        .event = w->c->number,
        .phase = m->sub,
        .arg = path,
        .tensor = m->value ? (int64_t)m->value - 1 : STORE_NULL,
        .form = w->d->word_t,
        .dtype = f->dtype,
        .shape = f->shape,
        .stride = f->stride,
        .device = w->d->device,
        .hash_kind = STORE_NULL,
        .part = STORE_NULL,
        .nans = STORE_NULL,
        .infs = STORE_NULL,
        .low = NAN,
        .high = NAN,
        .total = NAN,
        .magnitude = NAN,
        .squares = NAN,
        .version = m->version,
        .artifact = m->artifact,
    };
    uint32_t at = m->digest;
    do {
        const struct drain_digest *g = at ? &w->l->digests.p[at - 1] : NULL;
        row.position = w->position++;
        if (g) fill_digest(&row, g, m->n_digests > 1);
        at = g ? g->next : 0;
        TRY(store_tensor_use_add(w->d->batch, &row));
    } while (at);
    return ERR_OK;
}

/* Path of the argument that a digest after the call is of. */
static int64_t path_after(struct walk *w, const struct drain_item *after)
{
    int64_t index = 0;
    if (after->keyword) {
        struct walk own = *w;
        own.keyword = after->keyword, own.result = false;
        return path_word(&own, -1);
    }
    if (!after->value) return w->d->word_empty;
    for (size_t i = w->c->items; i < w->l->items.n; i++) {
        const struct drain_item *m = &w->l->items.p[i];
        if (m->what == ITEM_LIST) {
            int64_t k = 0;
            struct walk inner = *w;
            inner.index = index, inner.keyword = m->keyword, inner.result = false;
            for (i++; i < w->l->items.n && w->l->items.p[i].what != ITEM_LIST_END; i++, k++) {
                const struct drain_item *e = &w->l->items.p[i];
                if (e->what == ITEM_TENSOR && e->value == after->value && e->sub == CAP_ARGUMENT)
                    return path_word(&inner, k);
            }
        } else if (m->what == ITEM_TENSOR && m->value == after->value && m->sub == CAP_ARGUMENT) {
            struct walk own = *w;
            own.index = index, own.keyword = m->keyword, own.result = false;
            return path_word(&own, -1);
        }
        index++;
    }
    return w->d->word_empty;
}

static enum err visit(struct walk *w, const struct drain_item *m, int64_t k)
{
    if (m->what != ITEM_TENSOR || is_shown(w, m) != w->shown) return ERR_OK;
    return put_use(w, m, m->sub == CAP_ARGUMENT_AFTER ? path_after(w, m) : path_word(w, k));
}

static enum err visit_list(struct walk *w, size_t *i)
{
    int64_t k = 0;
    int depth = 1;
    for (++*i; *i < w->l->items.n && depth; ++*i) {
        const struct drain_item *m = &w->l->items.p[*i];
        depth += m->what == ITEM_LIST;
        depth -= m->what == ITEM_LIST_END;
        if (depth) TRY(visit(w, m, k++));
    }
    return ERR_OK;
}

static enum err visit_all(struct walk *w)
{
    int64_t arguments = 0, results = 0;
    for (size_t i = w->c->items; i < w->l->items.n;) {
        const struct drain_item *m = &w->l->items.p[i];
        w->result = drain_is_result(w->l, i);
        w->keyword = m->keyword;
        w->index = w->result ? results++ : arguments;
        arguments += !w->result && !w->keyword;
        if (m->what == ITEM_LIST) {
            TRY(visit_list(w, &i));
        } else {
            TRY(visit(w, m, -1));
            i++;
        }
    }
    return ERR_OK;
}

/* Results at the top of the call; digests after it are none. */
static int count_results(const struct drain_lane *l, const struct drain_call *c)
{
    int n = 0, depth = 0;
    for (size_t i = c->items; i < l->items.n; i++) {
        const struct drain_item *m = &l->items.p[i];
        bool top = !depth && m->what != ITEM_LIST_END;
        depth += (m->what == ITEM_LIST) - (m->what == ITEM_LIST_END);
        n += top && drain_is_result(l, i) &&
             !(m->what == ITEM_TENSOR && m->sub == CAP_ARGUMENT_AFTER);
    }
    return n;
}

enum err drain_uses(struct drain *d, const struct drain_lane *l, const struct drain_call *c)
{
    struct walk w = {.d = d, .l = l, .c = c};
    if (l->uses.n == c->uses) return ERR_OK;
    w.results = count_results(l, c);
    w.input_hashes = d->ring->file->texts & RING_INPUT_HASHES;
    if (l->digests.n > c->digests) {
        w.shown = true;
        TRY(visit_all(&w));
        w.shown = false;
    }
    return visit_all(&w);
}
