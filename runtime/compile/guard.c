/* guard.c - guards made when a function is traced, checked at each call, worded as PyTorch does. */
#include "runtime/compile/guard.h"

#include <stdio.h>

/* ---- places ---- */

static int64_t address(const struct plumb_tensor *t)
{
    return t->view.offset * (int64_t)dtype_size(t->view.dtype);
}

/* Strides of dimensions of one point, and of empty tensors, do not matter. */
static bool stride_matters(const struct view *v, int d)
{
    return v->shape.size[d] > 1 && view_count(v);
}

/* The tensor that is at a place in this call; NULL: a gradient that is not there. */
static const struct plumb_tensor *tensor_at(const struct guard_set *s,
                                            struct plumb_tensor *const *in, int place)
{
    const struct guard_place *p = &s->place[place];
    if (place < s->n_in) return in[place];
    return p->grad ? p->tensor->grad : p->tensor;
}

/* The inputs of a call by storage: for each the first that has it. */
enum { FEW = 8, TABLE = 2 * GUARD_INPUTS };
struct sharing {
    struct plumb_tensor *const *in;
    int n;
    unsigned mask;
    const struct storage *few[FEW];
    int16_t slot[TABLE]; /* 1 + input; 0 free. Of more than a few inputs */
};

static unsigned slot_of(const struct sharing *s, const struct storage *of)
{
    return (unsigned)((uint64_t)(uintptr_t)of * 0x9e3779b97f4a7c15u >> 40) & s->mask;
}

/* The first of inputs 0 to n - 1 with that storage, n: none; n is put in the table if none has
 * it. */
static int first_with(struct sharing *s, const struct storage *of, int n)
{
    if (s->n <= FEW) {
        int k = 0;
        while (k < n && s->few[k] != of) k++;
        return k;
    }
    unsigned at = slot_of(s, of);
    while (s->slot[at] && s->in[s->slot[at] - 1]->storage != of) at = (at + 1) & s->mask;
    if (s->slot[at]) return s->slot[at] - 1;
    if (n < s->n) s->slot[at] = (int16_t)(n + 1);
    return n;
}

static void begin_sharing(struct sharing *s, struct plumb_tensor *const *in, int n)
{
    unsigned size = 16;
    while (size < 2 * (unsigned)n) size *= 2;
    s->in = in;
    s->n = n;
    s->mask = size - 1;
    for (int i = 0; i < n && n <= FEW; i++) s->few[i] = in[i]->storage;
    if (n > FEW) memset(s->slot, 0, size * sizeof *s->slot);
}

/* ---- making ---- */

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for guards");
}

static void take_place(struct guard_set *s, const struct graph *g, int place,
                       const struct plumb_tensor *t)
{
    struct guard_place *p = &s->place[place];
    p->first = p->same = place;
    p->there = t != NULL;
    if (!t) return;
    p->view = t->view;
    p->requires_grad = t->requires_grad;
    p->own_backend = t->storage->backend == thread_self.session->backend;
    p->has_grad = t->grad != NULL;
    for (size_t i = 0; place < s->n_in && i < g->value.n; i++) {
        const struct graph_value *v = &g->value.p[i];
        if (v->origin != GRAPH_INPUT || v->index != place) continue;
        p->asked = v->asked;
        p->itself = v->itself ? t->number : 0;
    }
}

static void take_sharing(struct guard_set *s, struct plumb_tensor *const *in)
{
    struct sharing sharing;
    begin_sharing(&sharing, in, s->n_in);
    for (int i = 0; i < s->n_places; i++) {
        struct guard_place *p = &s->place[i];
        const struct plumb_tensor *t = tensor_at(s, in, i);
        int n = i < s->n_in ? i : s->n_in, first = t ? first_with(&sharing, t->storage, n) : n;
        if (first == n) continue;
        p->first = first;
        p->apart = address(t) - address(in[first]);
        for (int k = 0; k < n && p->same == i; k++)
            if (in[k] == t) p->same = k;
    }
}

static enum err take_places(struct guard_set *s, const struct graph *g,
                            struct plumb_tensor *const *in)
{
    s->place = calloc((size_t)s->n_places + 1, sizeof *s->place);
    if (!s->place) return no_memory();
    for (int i = 0; i < s->n_in; i++) take_place(s, g, i, in[i]);
    for (size_t k = 0; k < g->captured.n; k++) {
        const struct graph_captured *c = &g->captured.p[k];
        struct guard_place *p = &s->place[s->n_in + (int)k];
        p->tensor = c->tensor;
        p->grad = c->grad;
        p->storage = c->grad ? NULL : c->tensor->storage;
        take_place(s, g, s->n_in + (int)k, tensor_at(s, in, s->n_in + (int)k));
        p->asked = c->asked;
    }
    take_sharing(s, in);
    return ERR_OK;
}

static enum err add(struct guard_set *s, enum guard_kind kind, int place, int dim, int64_t value)
{
    struct guard *g = LIST_PUSH(&s->guard);
    if (!g) return no_memory();
    *g = (struct guard){.kind = kind, .place = place, .dim = dim, .value = value};
    if (place < s->n_in) return ERR_OK;
    g->place -= s->n_in;
    g->captured = true;
    g->grad = s->place[place].grad;
    return ERR_OK;
}

static enum err add_product(struct guard_set *s, struct symbol_source at,
                            const struct symbol_product *p)
{
    const struct symbol_source *from = p->n ? &s->symbols->symbol.p[p->symbol[0]].from : NULL;
    if (from && from->place == at.place && from->dim == at.dim && from->stride == at.stride)
        return add(s, GUARD_SYMBOL, at.place, at.dim, p->symbol[0]);
    TRY(add(s, at.stride ? GUARD_STRIDE : GUARD_SIZE, at.place, at.dim, p->factor));
    s->guard.p[s->guard.n - 1].of = *p;
    return ERR_OK;
}

static enum err add_symbols(struct guard_set *s, int place)
{
    const struct view *v = &s->place[place].view;
    struct symbol_view of;
    symbols_view(s->symbols, v, place, &of);
    for (int d = 0; d < v->shape.n; d++)
        TRY(add_product(s, (struct symbol_source){place, d, false}, &of.size[d]));
    for (int d = 0; d < v->shape.n; d++)
        if (stride_matters(v, d))
            TRY(add_product(s, (struct symbol_source){place, d, true}, &of.stride[d]));
    return ERR_OK;
}

static enum err add_view(struct guard_set *s, int place)
{
    const struct view *v = &s->place[place].view;
    TRY(add(s, GUARD_DTYPE, place, -1, v->dtype));
    TRY(add(s, GUARD_DIMS, place, -1, v->shape.n));
    if (s->symbols && place < s->n_in) return add_symbols(s, place);
    for (int d = 0; d < v->shape.n; d++) TRY(add(s, GUARD_SIZE, place, d, v->shape.size[d]));
    for (int d = 0; d < v->shape.n; d++)
        if (stride_matters(v, d)) TRY(add(s, GUARD_STRIDE, place, d, v->stride[d]));
    return ERR_OK;
}

/* A kept tensor stays what it is; what gradients it has, and whether it wants them, may change. */
static enum err add_place(struct guard_set *s, int place)
{
    const struct guard_place *p = &s->place[place];
    bool input = place < s->n_in;
    if (p->grad) TRY(add(s, GUARD_GRAD, place, -1, p->there));
    if (p->there && (input || p->grad)) TRY(add_view(s, place));
    if (!p->grad) TRY(add(s, GUARD_REQUIRES_GRAD, place, -1, p->requires_grad));
    if (input) TRY(add(s, GUARD_BACKEND, place, -1, p->own_backend));
    if (p->itself) TRY(add(s, GUARD_ITSELF, place, -1, (int64_t)p->itself));
    if (p->asked) TRY(add(s, GUARD_GRAD, place, -1, p->has_grad));
    if (s->n_in) TRY(add(s, GUARD_ALIAS, place, p->first == place ? -1 : p->first, p->apart));
    return p->same != place ? add(s, GUARD_SAME, place, p->same, 0) : ERR_OK;
}

enum err guard_make(const struct graph *g, struct plumb_tensor *const *in, int n_in,
                    const struct symbols *symbols, struct guard_set *out)
{
    const struct thread *t = &thread_self;
    *out = (struct guard_set){.n_in = n_in,
                              .n_places = n_in + (int)g->captured.n,
                              .grad_mode = !t->no_grad,
                              .determinism = t->session->determinism,
                              .symbols = symbols};
    TRY(take_places(out, g, in));
    TRY(add(out, GUARD_COUNT, -1, -1, n_in));
    for (int i = 0; i < out->n_places; i++) TRY(add_place(out, i));
    TRY(add(out, GUARD_GRAD_MODE, -1, -1, out->grad_mode));
    return add(out, GUARD_DETERMINISM, -1, -1, out->determinism);
}

void guard_release(struct guard_set *s)
{
    LIST_RELEASE(&s->guard);
    free(s->place);
    s->place = NULL;
}

/* ---- a hit ---- */

static bool view_holds(const struct view *want, const struct view *got)
{
    if (want->dtype != got->dtype || want->shape.n != got->shape.n) return false;
    bool same = true;
    for (int d = 0; d < want->shape.n; d++)
        same &= want->shape.size[d] == got->shape.size[d] && want->stride[d] == got->stride[d];
    if (same) return true;
    for (int d = 0; d < want->shape.n; d++) {
        if (want->shape.size[d] != got->shape.size[d]) return false;
        if (want->stride[d] != got->stride[d] && stride_matters(want, d)) return false;
    }
    return true;
}

static bool input_holds(const struct guard_place *p, const struct plumb_tensor *t)
{
    if (t->requires_grad != p->requires_grad || !view_holds(&p->view, &t->view)) return false;
    if ((t->storage->backend == thread_self.session->backend) != p->own_backend) return false;
    if (p->itself && t->number != p->itself) return false;
    return !p->asked || ((t->grad != NULL) == p->has_grad && (p->has_grad || !t->made_by));
}

static bool captured_holds(const struct guard_place *p)
{
    const struct plumb_tensor *t = p->tensor;
    if (!p->grad)
        return t->requires_grad == p->requires_grad &&
               (!p->asked || (t->grad != NULL) == p->has_grad);
    return (t->grad != NULL) == p->there && (!t->grad || view_holds(&p->view, &t->grad->view));
}

/* The input `first` has the storage of the tensor at a place; none has when it is n. */
static bool lies_alike(const struct guard_set *s, struct plumb_tensor *const *in, int place,
                       int first, int n)
{
    const struct guard_place *p = &s->place[place];
    const struct plumb_tensor *t = tensor_at(s, in, place);
    int same = 0;
    if (first != p->first || address(t) - address(in[first]) != p->apart) return false;
    while (same < n && in[same] != t) same++;
    return (same == n ? place : same) == p->same;
}

static bool shares_alike(const struct guard_set *s, struct plumb_tensor *const *in, int place,
                         struct sharing *sharing)
{
    const struct guard_place *p = &s->place[place];
    int n = place < s->n_in ? place : s->n_in;
    const struct storage *of = p->storage;
    if (!of) {
        const struct plumb_tensor *t = tensor_at(s, in, place);
        if (!t) return true;
        of = t->storage;
    }
    int first = first_with(sharing, of, n);
    return first == n ? p->first == place : lies_alike(s, in, place, first, n);
}

static bool all_hold(const struct guard_set *s, struct plumb_tensor *const *in, int n_in)
{
    struct sharing sharing;
    if (n_in != s->n_in || s->grad_mode != !thread_self.no_grad ||
        s->determinism != thread_self.session->determinism)
        return false;
    for (int i = 0; i < n_in; i++)
        if (!input_holds(&s->place[i], in[i])) return false;
    for (int i = n_in; i < s->n_places; i++)
        if (!captured_holds(&s->place[i])) return false;
    begin_sharing(&sharing, in, n_in);
    for (int i = 0; n_in && i < s->n_places; i++)
        if (!shares_alike(s, in, i, &sharing)) return false;
    return true;
}

/* ---- a miss ---- */

/* "L['in'][0]", "captured[2].grad" */
static const char *name_of(const struct guard *g, char out[40])
{
    snprintf(out, 40, g->captured ? "captured[%d]%s" : "L['in'][%d]%s", g->place,
             g->grad ? ".grad" : "");
    return out;
}

static bool differs(int64_t want, int64_t got, const struct guard *g, const char *what, char *out,
                    size_t size)
{
    char name[40], at[24] = "";
    if (want == got) return false;
    if (g->dim >= 0) snprintf(at, sizeof at, " at index %d", g->dim);
    snprintf(out, size, "tensor '%s' %s mismatch%s. expected %lld, actual %lld", name_of(g, name),
             what, at, (long long)want, (long long)got);
    return true;
}

/* The reason is the guard itself, as PyTorch has it, and what was there instead. */
static bool symbols_differ(const struct guard_set *s, const struct guard *g,
                           struct plumb_tensor *const *in, char *out, size_t size)
{
    struct symbol_source at = {g->place, g->dim, g->kind == GUARD_STRIDE};
    bool symbol = g->kind == GUARD_SYMBOL;
    if (symbol) at = s->symbols->symbol.p[g->value].from;
    int64_t got = symbol_at(&at, in), want = symbol ? 2 : symbols_product(s->symbols, &g->of, in);
    if (symbol ? got >= want : got == want) return false;
    struct buf b = {0};
    guard_text(s, g, &b);
    snprintf(out, size, "%.*s. expected %s%lld, actual %lld", (int)b.n, b.p ? b.p : "",
             symbol ? "at least " : "", (long long)want, (long long)got);
    buf_release(&b);
    return true;
}

static bool dtype_differs(const struct guard *g, enum dtype got, char *out, size_t size)
{
    char name[40];
    if (got == (enum dtype)g->value) return false;
    snprintf(out, size, "tensor '%s' dtype mismatch. expected %s, actual %s", name_of(g, name),
             dtype_name((enum dtype)g->value), dtype_name(got));
    return true;
}

static bool flag_differs(const struct guard *g, bool got, const char *text, const char *yes,
                         const char *no, char *out, size_t size)
{
    char name[40];
    if (got == (g->value != 0)) return false;
    snprintf(out, size, text, name_of(g, name), g->value ? yes : no);
    return true;
}

static bool alias_differs(const struct guard_set *s, const struct guard *g, int place,
                          struct plumb_tensor *const *in, char *out, size_t size)
{
    char name[40];
    struct sharing sharing;
    begin_sharing(&sharing, in, s->n_in);
    for (int i = 0; i < place && i < s->n_in; i++) first_with(&sharing, in[i]->storage, i);
    if (shares_alike(s, in, place, &sharing)) return false;
    const struct plumb_tensor *t = tensor_at(s, in, place);
    int n = place < s->n_in ? place : s->n_in, first = first_with(&sharing, t->storage, n);
    name_of(g, name);
    if (first == n)
        snprintf(out, size, "%s is not aliased to L['in'][%d] any more", name,
                 s->place[place].first);
    else if (s->place[place].first == place)
        snprintf(out, size, "%s should not alias to anything, but is aliased to L['in'][%d]", name,
                 first);
    else snprintf(out, size, "%s is aliased to L['in'][%d] otherwise than it was", name, first);
    return true;
}

static bool tensor_fails(const struct guard_set *s, const struct guard *g,
                         struct plumb_tensor *const *in, char *out, size_t size)
{
    int place = g->place + (g->captured ? s->n_in : 0);
    const struct plumb_tensor *t = tensor_at(s, in, place);
    if (g->kind == GUARD_GRAD && g->grad)
        return flag_differs(g, t, "'%s' is %s", "None, a gradient was expected",
                            "a gradient, None was expected", out, size);
    if (!t) return false;
    if (guard_is_symbolic(g)) return symbols_differ(s, g, in, out, size);
    switch (g->kind) {
    case GUARD_DTYPE: return dtype_differs(g, t->view.dtype, out, size);
    case GUARD_DIMS: return differs(g->value, t->view.shape.n, g, "rank", out, size);
    case GUARD_SIZE: return differs(g->value, t->view.shape.size[g->dim], g, "size", out, size);
    case GUARD_STRIDE: return differs(g->value, t->view.stride[g->dim], g, "stride", out, size);
    case GUARD_REQUIRES_GRAD:
        return flag_differs(g, t->requires_grad,
                            "tensor '%s' requires_grad mismatch. expected requires_grad=%s", "1",
                            "0", out, size);
    case GUARD_BACKEND:
        return flag_differs(g, t->storage->backend == thread_self.session->backend,
                            "tensor '%s' device mismatch. expected %s", "the session's", "another",
                            out, size);
    case GUARD_ITSELF:
        return flag_differs(g, t->number == (uint64_t)g->value, "%s is not %s", "the same tensor",
                            "", out, size);
    case GUARD_GRAD:
        return flag_differs(g, t->grad || (!g->captured && t->made_by && !g->value),
                            "'%s'.grad is not as expected: %s", "a gradient", "None", out, size);
    default: return alias_differs(s, g, place, in, out, size);
    }
}

static bool fails(const struct guard_set *s, const struct guard *g, struct plumb_tensor *const *in,
                  int n_in, char *out, size_t size)
{
    if (g->place >= 0) return n_in == s->n_in && tensor_fails(s, g, in, out, size);
    if (g->kind == GUARD_COUNT) {
        snprintf(out, size, "len(L['in']) mismatch. expected %d, actual %d", s->n_in, n_in);
        return n_in != s->n_in;
    }
    bool mode = g->kind == GUARD_GRAD_MODE;
    snprintf(out, size, "GLOBAL_STATE changed: %s", mode ? "grad_mode" : "determinism");
    return mode ? s->grad_mode != !thread_self.no_grad
                : s->determinism != thread_self.session->determinism;
}

const struct guard *guard_check(const struct guard_set *s, struct plumb_tensor *const *in, int n_in,
                                char *reason, size_t reason_size)
{
    char text[256];
    if (!s->symbols && all_hold(s, in, n_in)) return NULL;
    for (size_t i = 0; i < s->guard.n; i++) {
        if (!fails(s, &s->guard.p[i], in, n_in, text, sizeof text)) continue;
        if (reason) snprintf(reason, reason_size, "%s", text);
        return &s->guard.p[i];
    }
    /* another thread may just have put right what failed */
    if (s->symbols || all_hold(s, in, n_in)) return NULL;
    if (reason) snprintf(reason, reason_size, "a tensor changes while it is looked at");
    return &s->guard.p[0];
}

/* ---- text ---- */

static const char *const determinism_names[] = {"run", "exact", "off"};

static void text_of_symbols(const struct guard_set *s, const struct guard *g, struct buf *out)
{
    struct symbol_source at = {g->place, g->dim, g->kind == GUARD_STRIDE};
    if (g->kind == GUARD_SYMBOL) {
        buf_puts(out, "2 <= ");
        symbol_source_text(&s->symbols->symbol.p[g->value].from, out);
        return;
    }
    symbol_source_text(&at, out);
    buf_puts(out, " == ");
    symbols_product_text(s->symbols, &g->of, out);
}

static void text_of_tensor(const struct guard *g, const char *name, struct buf *out)
{
    long long v = g->value;
    switch (g->kind) {
    case GUARD_DTYPE: buf_printf(out, "%s.dtype == %s", name, dtype_name((enum dtype)v)); break;
    case GUARD_DIMS: buf_printf(out, "%s.ndim == %lld", name, v); break;
    case GUARD_SIZE: buf_printf(out, "%s.size()[%d] == %lld", name, g->dim, v); break;
    case GUARD_STRIDE: buf_printf(out, "%s.stride()[%d] == %lld", name, g->dim, v); break;
    case GUARD_REQUIRES_GRAD:
        buf_printf(out, "%s.requires_grad == %s", name, v ? "True" : "False");
        break;
    case GUARD_BACKEND:
        buf_printf(out, "%s.device %s session.device", name, v ? "==" : "!=");
        break;
    case GUARD_ITSELF: buf_printf(out, "id(%s) == %lld", name, v); break;
    case GUARD_SAME: buf_printf(out, "%s is L['in'][%d]", name, g->dim); break;
    case GUARD_GRAD:
        buf_printf(out, "%s%s is %s", name, g->grad ? "" : ".grad", v ? "not None" : "None");
        break;
    default:
        if (g->dim < 0) buf_printf(out, "%s shares no memory", name);
        else buf_printf(out, "%s lies %lld bytes behind L['in'][%d]", name, v, g->dim);
    }
}

void guard_text(const struct guard_set *s, const struct guard *g, struct buf *out)
{
    char name[40];
    long long v = g->value;
    if (guard_is_symbolic(g)) text_of_symbols(s, g, out);
    else if (g->place >= 0) text_of_tensor(g, name_of(g, name), out);
    else if (g->kind == GUARD_COUNT) buf_printf(out, "len(L['in']) == %lld", v);
    else if (g->kind == GUARD_GRAD_MODE) buf_printf(out, "grad_mode == %s", v ? "on" : "off");
    else buf_printf(out, "determinism == %s", determinism_names[v]);
}
