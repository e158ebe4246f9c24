/* drain_text.c - arguments, results and remarks of a call as DebugMode prints them.
 *
 *   t: f32[3, 8], ['t: f32[2]', 't: f32[2]'], [1, 2], torch.float32, None  │ , alpha=2
 *
 * As PyTorch does it: tensors become texts, then the argument is printed by str: so texts stand in
 * quotes inside lists, and strings stand bare outside. Results become texts one by one. Where
 * texts do not number tensors, calls alike share their words and are printed once.
 */
#include <math.h>
#include <stdio.h>

#include "capture/drain_state.h"
#include "capture/py.h"

enum { KNOWN_TEXTS = 100000 };

/* ---- forms ---- */

static void put_sizes(struct buf *b, const int64_t *sizes, uint32_t n)
{
    buf_putc(b, '[');
    for (uint32_t i = 0; i < n; i++) buf_printf(b, "%s%lld", i ? ", " : "", (long long)sizes[i]);
    buf_putc(b, ']');
}

static void make_form(struct drain *d, const struct ring_form *f, struct drain_form *out)
{
    struct buf *b = &d->scratch;
    const char *dtype =
        f->dtype > DTYPE_NONE && f->dtype < DTYPE_END ? dtype_name((enum dtype)f->dtype) : "?";
    buf_clear(b);
    put_sizes(b, f->sizes + f->n, f->n);
    out->stride = store_word(d->writer, buf_text(b));
    buf_clear(b);
    buf_puts(b, dtype);
    size_t at = b->n;
    put_sizes(b, f->sizes, f->n);
    out->dtype = store_word(d->writer, span_of(dtype));
    out->shape = store_word(d->writer, span_from(buf_text(b), at));
    out->text = arena_copy(&d->keep, buf_text(b));
}

const struct drain_form *drain_form(struct drain *d, uint32_t number)
{
    static const struct drain_form none;
    const struct ring_definition *def = ring_name(d->ring, RING_FORM, number);
    const struct ring_form *f = def ? (const void *)def->payload : NULL;
    if (!f || def->n < sizeof *f || f->n > VIEW_DIMS ||
        def->n < sizeof *f + 2 * f->n * sizeof *f->sizes)
        return &none;
    while (d->forms.n <= number) {
        struct drain_form *fresh = LIST_PUSH(&d->forms);
        if (!fresh) return &none;
        *fresh = none;
    }
    if (!d->forms.p[number].dtype) make_form(d, f, &d->forms.p[number]);
    return &d->forms.p[number];
}

/* ---- items ---- */

/* Item behind a list, or behind the item itself. */
static size_t skip(const struct drain_lane *l, size_t i)
{
    if (l->items.p[i].what != ITEM_LIST) return i + 1;
    int depth = 0;
    for (; i < l->items.n; i++) {
        depth += l->items.p[i].what == ITEM_LIST;
        depth -= l->items.p[i].what == ITEM_LIST_END;
        if (!depth) return i + 1;
    }
    return i;
}

bool drain_is_result(const struct drain_lane *l, size_t i)
{
    while (i < l->items.n && l->items.p[i].what == ITEM_LIST) i++;
    if (i == l->items.n) return false;
    const struct drain_item *m = &l->items.p[i];
    return m->what == ITEM_TENSOR ? m->sub != CAP_ARGUMENT : m->is_result;
}

static bool is_after(const struct drain_item *m)
{
    return m->what == ITEM_TENSOR && m->sub == CAP_ARGUMENT_AFTER;
}

static void put_scalar(struct buf *b, struct drain *d, const struct cap_value *v, bool quoted)
{
    struct span word = v->kind == CAP_WORD || v->kind == CAP_DEVICE
                           ? ring_word(d->ring, (uint32_t)v->i)
                           : SPAN_NONE;
    switch (v->kind) {
    case CAP_NONE: buf_puts(b, "None"); break;
    case CAP_BOOL: buf_puts(b, v->i ? "True" : "False"); break;
    case CAP_INT: buf_printf(b, "%lld", (long long)v->i); break;
    case CAP_REAL: py_print_real(b, v->r); break;
    case CAP_DTYPE:
        buf_puts(b, "torch.");
        buf_puts(b,
                 v->i > DTYPE_NONE && v->i < DTYPE_END ? dtype_torch_name((enum dtype)v->i) : "?");
        break;
    case CAP_DEVICE:
        if (quoted) buf_puts(b, "device(type='");
        buf_span(b, word);
        if (quoted) buf_puts(b, "')");
        break;
    default:
        if (quoted) py_print_string(b, word);
        else buf_span(b, word);
    }
}

static void put_tensor(struct buf *b, struct drain *d, const struct drain_item *m)
{
    buf_putc(b, 't');
    if (d->ring->file->texts & RING_IDS && m->value)
        buf_printf(b, "$%llu", (unsigned long long)m->value - 1);
    buf_puts(b, ": ");
    buf_span(b, drain_form(d, m->form)->text);
}

/* A scalar as a text in a list of results. */
static void put_quoted(struct buf *b, struct drain *d, const struct cap_value *v)
{
    struct buf text = {0};
    put_scalar(&text, d, v, false);
    py_print_string(b, buf_text(&text));
    buf_release(&text);
}

static void put_item(struct buf *b, struct drain *d, const struct drain_lane *l, size_t i,
                     bool inside, bool result)
{
    const struct drain_item *m = &l->items.p[i];
    struct cap_value v = {.kind = (enum cap_scalar)m->sub, .i = (int64_t)m->value};
    if (m->what == ITEM_TENSOR) {
        if (inside) buf_putc(b, '\'');
        put_tensor(b, d, m);
        if (inside) buf_putc(b, '\'');
    } else if (m->what == ITEM_SCALAR) {
        if (result && inside) put_quoted(b, d, &v);
        else put_scalar(b, d, &v, inside);
    } else if (m->what == ITEM_LIST) {
        buf_putc(b, '[');
        size_t end = skip(l, i);
        for (size_t k = i + 1; k < end && l->items.p[k].what != ITEM_LIST_END; k = skip(l, k)) {
            if (k > i + 1) buf_puts(b, ", ");
            put_item(b, d, l, k, true, result);
        }
        buf_putc(b, ']');
    }
}

/* ---- arguments and results ---- */

static void put_arguments(struct buf *b, struct drain *d, const struct drain_lane *l, size_t from,
                          bool keywords)
{
    bool any = keywords; /* each keyword argument has a comma before it */
    for (size_t i = from; i < l->items.n; i = skip(l, i)) {
        const struct drain_item *m = &l->items.p[i];
        if (m->what == ITEM_LIST_END || drain_is_result(l, i) || (m->keyword != 0) != keywords)
            continue;
        if (any) buf_puts(b, ", ");
        any = true;
        if (keywords) {
            buf_span(b, ring_word(d->ring, m->keyword));
            buf_putc(b, '=');
        }
        put_item(b, d, l, i, false, false);
    }
}

static int count_results(const struct drain_lane *l, size_t from)
{
    int n = 0;
    for (size_t i = from; i < l->items.n; i = skip(l, i))
        n += l->items.p[i].what != ITEM_LIST_END && drain_is_result(l, i) &&
             !is_after(&l->items.p[i]);
    return n;
}

static void put_results(struct buf *b, struct drain *d, const struct drain_lane *l, size_t from)
{
    int n = count_results(l, from), k = 0;
    buf_puts(b, n > 1 ? "  ->  (" : "  ->  ");
    for (size_t i = from; i < l->items.n; i = skip(l, i)) {
        const struct drain_item *m = &l->items.p[i];
        if (m->what == ITEM_LIST_END || !drain_is_result(l, i) || is_after(m)) continue;
        if (k++) buf_puts(b, ", ");
        put_item(b, d, l, i, n > 1, true);
    }
    if (n > 1) buf_putc(b, ')');
}

/* ---- hashes and remarks ---- */

struct hashes {
    struct buf *b;
    struct drain *d;
    const struct drain_lane *l;
    const struct drain_call *c;
};

static void put_hash(const struct hashes *h, size_t i)
{
    const struct drain_item *m = &h->l->items.p[i];
    if (m->what == ITEM_LIST) {
        size_t end = skip(h->l, i);
        buf_putc(h->b, '[');
        for (size_t k = i + 1; k < end && h->l->items.p[k].what != ITEM_LIST_END;
             k = skip(h->l, k)) {
            if (k > i + 1) buf_puts(h->b, ", ");
            put_hash(h, k);
        }
        buf_putc(h->b, ']');
        return;
    }
    uint32_t n = m->n_digests;
    if (!n) buf_puts(h->b, "None");
    else if (n == 1) buf_putc(h->b, '?');
    else
        for (uint32_t k = 0; k < n; k++) buf_puts(h->b, k ? k + 1 < n ? ", ?" : ", ?)" : "(?");
}

static void put_input_hashes(const struct hashes *h)
{
    int n = 0;
    buf_puts(h->b, "'input_hash': ((");
    for (size_t i = h->c->items; i < h->l->items.n; i = skip(h->l, i)) {
        const struct drain_item *m = &h->l->items.p[i];
        if (m->what == ITEM_LIST_END || drain_is_result(h->l, i) || m->keyword) continue;
        if (n++) buf_puts(h->b, ", ");
        put_hash(h, i);
    }
    buf_puts(h->b, n == 1 ? ",), {" : "), {");
    n = 0;
    for (size_t i = h->c->items; i < h->l->items.n; i = skip(h->l, i)) {
        const struct drain_item *m = &h->l->items.p[i];
        if (m->what == ITEM_LIST_END || drain_is_result(h->l, i) || !m->keyword) continue;
        if (n++) buf_puts(h->b, ", ");
        py_print_string(h->b, ring_word(h->d->ring, m->keyword));
        buf_puts(h->b, ": ");
        put_hash(h, i);
    }
    buf_puts(h->b, "}), ");
}

static void put_output_hashes(const struct hashes *h)
{
    int n = count_results(h->l, h->c->items), k = 0;
    buf_puts(h->b, n > 1 ? "'hash': (" : "'hash': ");
    for (size_t i = h->c->items; i < h->l->items.n; i = skip(h->l, i)) {
        const struct drain_item *m = &h->l->items.p[i];
        if (m->what == ITEM_LIST_END || !drain_is_result(h->l, i) || is_after(m)) continue;
        if (k++) buf_puts(h->b, ", ");
        put_hash(h, i);
    }
    buf_puts(h->b, n > 1 ? ")" : n ? "" : "None");
}

/* Whether the texts show hashes: those of arguments alone are shown only when asked for. */
static bool has_digests(const struct drain *d, const struct drain_lane *l,
                        const struct drain_call *c)
{
    bool inputs = d->ring->file->texts & RING_INPUT_HASHES;
    if (l->digests.n == c->digests) return false;
    for (size_t i = c->items; i < l->items.n; i++) {
        const struct drain_item *m = &l->items.p[i];
        if (m->what == ITEM_TENSOR && m->n_digests && (inputs || m->sub != CAP_ARGUMENT))
            return true;
    }
    return false;
}

/* The call's dict of remarks, its hashes as holes. */
static void put_log(struct buf *b, struct drain *d, const struct drain_lane *l,
                    const struct drain_call *c)
{
    struct hashes h = {b, d, l, c};
    bool any = has_digests(d, l, c);
    buf_putc(b, '{');
    if (any && d->ring->file->texts & RING_INPUT_HASHES) put_input_hashes(&h);
    if (any) put_output_hashes(&h);
    for (size_t i = c->remarks; i < l->remarks.n; i++, any = true) {
        if (any) buf_puts(b, ", ");
        py_print_string(b, ring_word(d->ring, l->remarks.p[i].key));
        buf_puts(b, ": ");
        put_scalar(b, d, &l->remarks.p[i].value, true);
    }
    buf_putc(b, '}');
}

/* ---- words ---- */

/* A kernel's arguments all have names, and stand without the comma before the first. */
static void put_kernel(struct drain *d, const struct drain_lane *l, const struct drain_call *c)
{
    struct buf all = {0};
    put_arguments(&all, d, l, c->items, true);
    buf_span(&d->line, span_from(buf_text(&all), all.n ? 2 : 0));
    d->line.failed |= all.failed;
    buf_release(&all);
}

static int64_t word_of(struct drain *d)
{
    int64_t id = store_word(d->writer, buf_text(&d->line));
    buf_clear(&d->line);
    return id;
}

static void print(struct drain *d, const struct drain_lane *l, const struct drain_call *c,
                  struct drain_texts *out)
{
    buf_clear(&d->line);
    *out = (struct drain_texts){0};
    if (c->kind == CAP_KERNEL) {
        put_kernel(d, l, c);
        out->kwargs = word_of(d);
        return;
    }
    put_arguments(&d->line, d, l, c->items, false);
    out->args = word_of(d);
    put_arguments(&d->line, d, l, c->items, true);
    out->kwargs = word_of(d);
    if (count_results(l, c->items)) {
        put_results(&d->line, d, l, c->items);
        out->output = word_of(d);
    }
    if (has_digests(d, l, c) || l->remarks.n > c->remarks) {
        put_log(&d->line, d, l, c);
        out->log = word_of(d);
    }
}

/* What the texts are made of. */
static bool make_key(struct drain *d, const struct drain_lane *l, const struct drain_call *c)
{
    d->key.n = 0;
    uint64_t *kind = LIST_PUSH(&d->key);
    if (!kind) return false;
    *kind = c->kind;
    for (size_t i = c->items; i < l->items.n; i++) {
        const struct drain_item *m = &l->items.p[i];
        uint64_t *a = LIST_PUSH(&d->key), *b = LIST_PUSH(&d->key);
        if (!a || !b) return false;
        a = b - 1;
        *a = (uint64_t)m->keyword << 32 | (uint64_t)m->is_result << 16 | (uint64_t)m->sub << 8 |
             m->what;
        *b = m->what == ITEM_TENSOR ? (uint64_t)m->n_digests << 32 | m->form : m->value;
    }
    return true;
}

enum err drain_texts(struct drain *d, const struct drain_lane *l, const struct drain_call *c,
                     struct drain_texts *out)
{
    bool added = true, shared = !(d->ring->file->texts & RING_IDS) && l->remarks.n == c->remarks;
    if (d->known.n >= KNOWN_TEXTS) {
        map_clear(&d->texts);
        d->known.n = 0;
    }
    if (shared && make_key(d, l, c)) {
        struct span key = {(const char *)d->key.p, d->key.n * sizeof *d->key.p};
        int64_t *at = map_put(&d->texts, map_key(key), (int64_t)d->known.n, &added);
        struct drain_texts *to = at && added ? LIST_PUSH(&d->known) : NULL;
        if (!at || (added && !to)) FAIL(ERR_NOMEM, "out of memory for texts of calls");
        if (added) print(d, l, c, to);
        *out = d->known.p[*at];
    } else {
        print(d, l, c, out);
    }
    return buf_ok(&d->line);
}
