/* symbols.c - finding symbols in the inputs of a call, and strides as products of them. */
#include "runtime/compile/symbols.h"

#include <string.h>

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for symbols");
}

int64_t symbol_at(const struct symbol_source *from, struct plumb_tensor *const *in)
{
    const struct view *v = &in[from->place]->view;
    return from->stride ? v->stride[from->dim] : v->shape.size[from->dim];
}

/* ---- products ---- */

static struct symbol_product number(int64_t n)
{
    return (struct symbol_product){.factor = n};
}

/* The product of both; false: of too many. */
static bool multiply(const struct symbol_product *a, const struct symbol_product *b,
                     struct symbol_product *out)
{
    struct symbol_product p = {.factor = a->factor * b->factor};
    if (a->n + b->n > VIEW_DIMS) return false;
    for (int i = 0, k = 0; i < a->n || k < b->n;) {
        bool first = k == b->n || (i < a->n && a->symbol[i] <= b->symbol[k]);
        p.symbol[p.n++] = first ? a->symbol[i++] : b->symbol[k++];
    }
    *out = p;
    return true;
}

static int find(const struct symbols *s, int64_t hint)
{
    for (size_t i = 0; i < s->symbol.n; i++)
        if (!s->symbol.p[i].from.stride && s->symbol.p[i].hint == hint) return (int)i;
    return -1;
}

static int find_source(const struct symbols *s, int place, int dim)
{
    for (size_t i = 0; i < s->symbol.n; i++) {
        const struct symbol_source *from = &s->symbol.p[i].from;
        if (from->stride && from->place == place && from->dim == dim) return (int)i;
    }
    return -1;
}

static struct symbol_product one(int symbol)
{
    return (struct symbol_product){.factor = 1, .n = 1, .symbol = {(int16_t)symbol}};
}

/* ---- sizes ---- */

static bool is_asked(const struct symbols *s, int place, int dim, int n_dims)
{
    for (size_t i = 0; i < s->mark.n; i++) {
        const struct symbol_mark *m = &s->mark.p[i];
        if (m->input == place && (m->dim == dim || m->dim == dim - n_dims)) return true;
    }
    return s->all;
}

static enum err add(struct symbols *s, struct symbol_source from, int64_t hint)
{
    struct symbol *to = LIST_PUSH(&s->symbol);
    if (!to || s->symbol.n > INT16_MAX) return no_memory();
    *to = (struct symbol){from, hint};
    return ERR_OK;
}

static enum err add_size(struct symbols *s, const struct view *v, int place, int d)
{
    int64_t size = v->shape.size[d];
    struct symbol_source from = {place, d, false};
    if (!is_asked(s, place, d, v->shape.n)) return ERR_OK;
    if (size >= 2) return find(s, size) < 0 ? add(s, from, size) : ERR_OK;
    struct symbol_fixed *to = LIST_PUSH(&s->fixed);
    if (!to) return no_memory();
    *to = (struct symbol_fixed){from, size};
    return ERR_OK;
}

static struct symbol_product size_of(const struct symbols *s, const struct view *v, int place,
                                     int d)
{
    int64_t size = v->shape.size[d];
    int symbol = size >= 2 && is_asked(s, place, d, v->shape.n) ? find(s, size) : -1;
    return symbol < 0 ? number(size) : one(symbol);
}

/* ---- strides ---- */

/* Dimensions by rising stride; of equal ones the last first, as dense tensors have them. */
static void sort_dims(const struct view *v, int *dim)
{
    for (int i = 0; i < v->shape.n; i++) {
        int d = v->shape.n - 1 - i, at = i;
        while (at > 0 && v->stride[dim[at - 1]] > v->stride[d]) dim[at] = dim[at - 1], at--;
        dim[at] = d;
    }
}

/* Stride times size of a dimension that lies further in, the last of those that give it. */
static bool explain_stride(const struct view *v, const int *dim, int n, int64_t stride,
                           struct symbol_view *out, struct symbol_product *to)
{
    for (int i = n - 1; i >= 0; i--) {
        int d = dim[i];
        if (v->stride[d] * v->shape.size[d] == stride &&
            multiply(&out->stride[d], &out->size[d], to))
            return true;
    }
    return false;
}

/* Strides up to 1 are themselves, of dimensions of one point and of nothing too: they do not
 * matter. */
static bool is_number(const struct view *v, int d)
{
    return v->stride[d] <= 1 || v->shape.size[d] <= 1 || !view_count(v);
}

void symbols_view(const struct symbols *s, const struct view *v, int place, struct symbol_view *out)
{
    int dim[VIEW_DIMS];
    for (int d = 0; d < v->shape.n; d++) out->size[d] = size_of(s, v, place, d);
    sort_dims(v, dim);
    for (int i = 0; i < v->shape.n; i++) {
        int d = dim[i], symbol = find_source(s, place, d);
        out->stride[d] = symbol < 0 ? number(v->stride[d]) : one(symbol);
        if (symbol < 0 && !is_number(v, d))
            explain_stride(v, dim, i, v->stride[d], out, &out->stride[d]);
    }
}

/* What is no product of the tensor's own sizes gets a symbol, where a size has one. */
static enum err add_strides(struct symbols *s, const struct view *v, int place)
{
    struct symbol_view of;
    struct symbol_product product;
    int dim[VIEW_DIMS];
    bool any = false;
    symbols_view(s, v, place, &of);
    for (int d = 0; d < v->shape.n; d++) any |= of.size[d].n > 0;
    sort_dims(v, dim);
    for (int i = 0; any && i < v->shape.n; i++) {
        int d = dim[i];
        if (is_number(v, d) || explain_stride(v, dim, i, v->stride[d], &of, &product)) continue;
        TRY(add(s, (struct symbol_source){place, d, true}, v->stride[d]));
        symbols_view(s, v, place, &of);
    }
    return ERR_OK;
}

/* ---- all ---- */

enum err symbols_make(struct symbols *s, struct plumb_tensor *const *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        for (int d = 0; d < in[i]->view.shape.n; d++) TRY(add_size(s, &in[i]->view, i, d));
    for (int i = 0; i < n_in; i++) TRY(add_strides(s, &in[i]->view, i));
    return ERR_OK;
}

void symbols_release(struct symbols *s)
{
    LIST_RELEASE(&s->symbol);
    LIST_RELEASE(&s->fixed);
    LIST_RELEASE(&s->mark);
}

bool symbols_fit(const struct symbols *s, struct plumb_tensor *const *in, int n_in)
{
    for (size_t i = 0; i < s->symbol.n; i++) {
        const struct symbol_source *from = &s->symbol.p[i].from;
        if (from->place >= n_in || from->dim >= in[from->place]->view.shape.n) return false;
    }
    return true;
}

void symbols_read(const struct symbols *s, struct plumb_tensor *const *in, int64_t *out)
{
    for (size_t i = 0; i < s->symbol.n; i++) out[i] = symbol_at(&s->symbol.p[i].from, in);
}

bool symbols_explain(const struct symbols *s, int64_t n)
{
    for (size_t i = 0; i < s->symbol.n; i++) {
        int64_t a = s->symbol.p[i].hint;
        if (s->symbol.p[i].from.stride) continue;
        if (a == n) return true;
        for (size_t k = i; n % a == 0 && k < s->symbol.n; k++)
            if (!s->symbol.p[k].from.stride && a * s->symbol.p[k].hint == n) return true;
    }
    return false;
}

/* ---- values and text ---- */

int64_t symbols_product(const struct symbols *s, const struct symbol_product *p,
                        struct plumb_tensor *const *in)
{
    int64_t value = p->factor;
    for (int i = 0; i < p->n; i++)
        if (__builtin_mul_overflow(value, symbol_at(&s->symbol.p[p->symbol[i]].from, in), &value))
            return -1;
    return value;
}

void symbols_values_text(const struct symbols *s, const int64_t *value, struct buf *out)
{
    for (size_t i = 0; i < s->symbol.n; i++)
        buf_printf(out, "%ss%zu = %lld", i ? ", " : "", i, (long long)value[i]);
}

void symbol_source_text(const struct symbol_source *from, struct buf *out)
{
    buf_printf(out, "L['in'][%d].%s()[%d]", from->place, from->stride ? "stride" : "size",
               from->dim);
}

void symbols_product_text(const struct symbols *s, const struct symbol_product *p, struct buf *out)
{
    bool number = p->factor != 1 || !p->n;
    if (number) buf_printf(out, "%lld", (long long)p->factor);
    for (int i = 0; i < p->n; i++) {
        if (i || number) buf_putc(out, '*');
        symbol_source_text(&s->symbol.p[p->symbol[i]].from, out);
    }
}
