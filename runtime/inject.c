/* inject.c - reads what faults are asked for, and puts them in where they belong. */
#include "runtime/inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/cap.h"
#include "runtime/ops.h"
#include "runtime/session.h"

enum kind { FLIP, REORDER, CALL, WEIGHT };
struct fault {
    enum kind kind;
    const char *text;    /* as asked for; in the arena */
    const char *name;    /* of the operator or the parameter; in the arena */
    const struct op *op; /* NULL: a parameter, or no such operator */
    int64_t number, bit;
    bool done;
    const char *kernel; /* that the call is part of and that does not store its result; NULL */
};
struct inject {
    struct arena arena;
    LIST_OF(struct fault) fault;
    LIST_OF(const char *) parameter; /* names, as they were made */
    int64_t count[OP_N_IDS];
};

#define INJECT_FORMS                                                                               \
    "OP:N:BIT, reorder:OP:N, call:OP:N (N from 1, BIT from 0) and weight:NAME:BIT are accepted"

/* ---- orders ---- */

/* Which dimensions of which arguments are shuffled so that the same terms are added in another
 * order. */
enum shuffle { NONE, LAST, BEFORE_LAST, ALL, ALL_BUT_LAST, LISTED };
struct order {
    enum op_id op;
    enum shuffle shuffle[3]; /* per argument; LISTED: the dimensions that argument 1 names */
    int reduction;           /* argument that says whether it reduces at all; -1 it always does */
    int dims;                /* of argument 0; -1 any */
};
static const struct order orders[] = {
    {OP_ID_mm, {LAST, BEFORE_LAST}, -1, -1},
    {OP_ID_addmm, {NONE, LAST, BEFORE_LAST}, -1, -1},
    {OP_ID_bmm, {LAST, BEFORE_LAST}, -1, -1},
    {OP_ID_baddbmm, {NONE, LAST, BEFORE_LAST}, -1, -1},
    {OP_ID_mv, {LAST, LAST}, -1, -1},
    {OP_ID_dot, {LAST, LAST}, -1, -1},
    {OP_ID_sum, {ALL}, -1, -1},
    {OP_ID_sum_dim_IntList, {LISTED}, -1, -1},
    {OP_ID_mean, {ALL}, -1, -1},
    {OP_ID_mean_dim, {LISTED}, -1, -1},
    {OP_ID_prod, {ALL}, -1, -1},
    {OP_ID_mse_loss, {ALL, ALL}, 2, -1},
    {OP_ID_nll_loss_forward, {BEFORE_LAST, LAST}, 3, 2},
    {OP_ID_embedding_dense_backward, {ALL_BUT_LAST, ALL}, -1, -1},
};
enum { N_ORDERS = sizeof orders / sizeof *orders };

static const struct order *order_of(const struct op *op)
{
    for (int i = 0; op && i < N_ORDERS; i++)
        if (op_at(orders[i].op) == op) return &orders[i];
    return NULL;
}

static enum err check_order(const struct fault *f)
{
    char names[1024];
    size_t n = 0;
    if (order_of(f->op)) return ERR_OK;
    for (int i = 0; i < N_ORDERS && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
                              op_at(orders[i].op)->s.name);
    FAIL(ERR_USAGE, "inject \"%s\": %s has no order of summation; these have one: %s", f->text,
         f->name, names);
}

/* ---- reading what is asked for ---- */

/* Takes the number behind the last colon off *rest. */
static bool take_number(struct span *rest, int64_t *out)
{
    size_t at = rest->n;
    while (at && rest->p[at - 1] != ':') at--;
    if (!at || !span_to_i64(span_from(*rest, at), out)) return false;
    *rest = span_to(*rest, at - 1);
    return rest->n && *out >= 0;
}

static bool take_word(struct span *rest, const char *word)
{
    size_t n = strlen(word);
    if (rest->n < n || memcmp(rest->p, word, n)) return false;
    *rest = span_from(*rest, n);
    return true;
}

static enum err read_fault(struct inject *in, const char *text, struct fault *f)
{
    struct span rest = span_of(text);
    *f = (struct fault){.kind = FLIP, .bit = -1, .text = arena_copy(&in->arena, rest).p};
    if (take_word(&rest, "reorder:")) f->kind = REORDER;
    else if (take_word(&rest, "call:")) f->kind = CALL;
    else if (take_word(&rest, "weight:")) f->kind = WEIGHT;
    bool fine = (f->kind != FLIP && f->kind != WEIGHT) || take_number(&rest, &f->bit);
    if (fine && f->kind != WEIGHT) fine = take_number(&rest, &f->number) && f->number > 0;
    if (!fine || !rest.n) FAIL(ERR_USAGE, "inject \"%s\": " INJECT_FORMS, text);
    f->name = arena_copy(&in->arena, rest).p;
    if (!f->text || !f->name) FAIL(ERR_NOMEM, "out of memory for faults");
    if (f->kind != WEIGHT) f->op = op_find(f->name);
    return f->kind == REORDER ? check_order(f) : ERR_OK;
}

enum err inject_new(const char *const *what, bool computes, struct inject **out)
{
    *out = NULL;
    if (!what || !*what) return ERR_OK;
    struct inject *in = calloc(1, sizeof *in);
    enum err err = in ? ERR_OK : err_set(ERR_NOMEM, "out of memory for faults");
    for (; !err && *what; what++) {
        struct fault *f = LIST_PUSH(&in->fault);
        err = f ? read_fault(in, *what, f) : err_set(ERR_NOMEM, "out of memory for faults");
        if (!err && !computes && f->kind != CALL)
            err = err_set(ERR_USAGE, "inject \"%s\": this back end computes no values", *what);
    }
    if (err) inject_free(in);
    else *out = in;
    return err;
}

void inject_free(struct inject *in)
{
    if (!in) return;
    LIST_RELEASE(&in->fault);
    LIST_RELEASE(&in->parameter);
    arena_release(&in->arena);
    free(in);
}

/* ---- putting it in ---- */

void inject_count(struct inject *in, struct op_call *c)
{
    c->number = ++in->count[c->op - op_at(0)];
}

/* The next fault of that kind from *i on that this call is to have; NULL when there is none. */
static struct fault *next_fault(struct inject *in, enum kind kind, const struct op_call *c,
                                size_t *i)
{
    while (*i < in->fault.n) {
        struct fault *f = &in->fault.p[(*i)++];
        if (f->kind == kind && f->op == c->op && f->number == c->number && !f->done) return f;
    }
    return NULL;
}

static PRINTF_LIKE(3, 4) enum err note(struct cap *cap, struct fault *f, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    f->done = true;
    if (!cap) return ERR_OK;
    buf_puts(&b, "fault injected: ");
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    enum err err = buf_ok(&b);
    if (!err) err = cap_note(cap, 2, "inject", buf_text(&b));
    buf_release(&b);
    return err;
}

static struct plumb_tensor *first_member(const struct op_value *v)
{
    if (v->kind == OP_TENSOR) return v->t;
    for (int i = 0; v->kind == OP_TENSORS && i < v->n; i++)
        if (v->ts[i]) return v->ts[i];
    return NULL;
}

static struct plumb_tensor *first_result(const struct op_call *c)
{
    struct plumb_tensor *t = NULL;
    for (int i = 0; i < c->n_results && !t; i++) t = c->result[i];
    for (int i = 0; i < c->op->s.n_params && !t; i++)
        if (c->op->s.param[i].written) t = first_member(&c->arg[i]);
    return t;
}

/* whose: what the tensor is, for the error. */
static enum err flip(const struct fault *f, struct plumb_tensor *t, const char *whose)
{
    char text[TENSOR_TEXT];
    int64_t item = (int64_t)dtype_size(t->view.dtype), bits = 8 * view_n_bytes(&t->view);
    if (f->bit >= bits)
        FAIL(ERR_USAGE, "inject \"%s\": %s, %s, has %lld bits; BIT is to be less than that",
             f->text, whose, tensor_text(t, text), (long long)bits);
    int64_t byte = f->bit / 8, element = view_at(&t->view, byte / item);
    unsigned char *p = (unsigned char *)t->storage->p + element * item + byte % item, value;
    const struct backend *b = t->storage->backend;
    TRY(b->to_host(&value, p, 1));
    value ^= (unsigned char)(1u << f->bit % 8);
    TRY(b->from_host(p, &value, 1));
    atomic_fetch_add_explicit(&t->storage->faults, 1, memory_order_relaxed);
    return ERR_OK;
}

static enum err needs_values(const struct fault *f, const struct op_call *c,
                             const struct plumb_tensor *t)
{
    if (t && !t->uninitialised) return ERR_OK;
    FAIL(ERR_USAGE, "inject \"%s\": this call of %s gives no tensor with values", f->text,
         c->op->s.name);
}

enum err inject_flip(struct inject *in, struct cap *cap, struct op_call *c)
{
    struct fault *f;
    char text[TENSOR_TEXT];
    for (size_t i = 0; (f = next_fault(in, FLIP, c, &i));) {
        struct plumb_tensor *t = first_result(c);
        TRY(needs_values(f, c, t));
        TRY(flip(f, t, "the first result of that call"));
        TRY(note(cap, f, "bit %lld of the first result of call %lld of %s, %s, was flipped",
                 (long long)f->bit, (long long)f->number, c->op->s.name, tensor_text(t, text)));
    }
    return ERR_OK;
}

int64_t inject_next(struct inject *in, const struct op *op)
{
    return ++in->count[op - op_at(0)];
}

/* Faults other than flipped bits need a call of its own. */
static enum err note_kernel(struct inject *in, const struct op_call *c, const char *kernel,
                            enum kind kind)
{
    struct fault *f;
    for (size_t i = 0; (f = next_fault(in, kind, c, &i));) {
        f->kernel = arena_copy(&in->arena, span_of(kernel)).p;
        if (!f->kernel) FAIL(ERR_NOMEM, "out of memory for faults");
    }
    return ERR_OK;
}

enum err inject_stored(struct inject *in, struct cap *cap, const struct op_call *c,
                       const char *kernel, struct plumb_tensor *t)
{
    struct fault *f;
    char text[TENSOR_TEXT];
    TRY(note_kernel(in, c, kernel, REORDER));
    TRY(note_kernel(in, c, kernel, CALL));
    if (!t) return note_kernel(in, c, kernel, FLIP);
    for (size_t i = 0; (f = next_fault(in, FLIP, c, &i));) {
        TRY(flip(f, t, "what the kernel stored of that call"));
        TRY(note(cap, f,
                 "bit %lld of the first result of call %lld of %s, %s, was flipped where %s had "
                 "stored it",
                 (long long)f->bit, (long long)f->number, c->op->s.name, tensor_text(t, text),
                 kernel));
    }
    return ERR_OK;
}

enum err inject_parameter(struct inject *in, struct cap *cap, const char *name,
                          struct plumb_tensor *t)
{
    const char **to = LIST_PUSH(&in->parameter);
    if (!name) name = "";
    if (to) *to = arena_copy(&in->arena, span_of(name)).p;
    if (!to || !*to) FAIL(ERR_NOMEM, "out of memory for names of parameters");
    for (size_t i = 0; i < in->fault.n; i++) {
        struct fault *f = &in->fault.p[i];
        char text[TENSOR_TEXT];
        if (f->kind != WEIGHT || f->done || strcmp(f->name, name)) continue;
        TRY(flip(f, t, "the parameter"));
        TRY(note(cap, f, "bit %lld of parameter %s, %s, was flipped", (long long)f->bit, name,
                 tensor_text(t, text)));
    }
    return ERR_OK;
}

/* ---- another order ---- */

static unsigned dims_of(const struct op_call *c, int arg, enum shuffle which)
{
    int n = c->arg[arg].t->view.shape.n;
    if (!n) return 0;
    unsigned all = ~0u >> (32 - n), dims = 0;
    switch (which) {
    case LAST: return 1u << (n - 1);
    case BEFORE_LAST: return n > 1 ? 1u << (n - 2) : 0;
    case ALL: return all;
    case ALL_BUT_LAST: return all >> 1;
    case LISTED: break;
    default: return 0;
    }
    const struct op_value *v = &c->arg[1];
    for (int i = 0; v->kind == OP_INTS && i < v->n; i++)
        dims |= 1u << (v->is[i] < 0 ? v->is[i] + n : v->is[i]);
    return dims ? dims & all : all;
}

/* Indices 0 2 4 ... 1 3 5 ...: another order of a sum whether its terms are taken one by one or by
 * lanes and pairs. Turned round, pairs would be the same. */
static int64_t shuffled(int64_t k, int64_t size)
{
    int64_t half = (size + 1) / 2;
    return k < half ? 2 * k : 2 * (k - half) + 1;
}

/* A dense copy of t, the dimensions of a mask shuffled. */
static enum err shuffle_copy(const struct plumb_tensor *t, unsigned dims, struct plumb_tensor **out)
{
    const struct view *v = &t->view;
    int64_t item = (int64_t)dtype_size(v->dtype), count = view_count(v);
    TRY(tensor_new(v->dtype, &v->shape, out));
    for (int64_t i = 0; i < count; i++) {
        int64_t at = v->offset, rest = i;
        for (int d = v->shape.n - 1; d >= 0; d--) {
            int64_t size = v->shape.size[d], k = rest % size;
            rest /= size;
            at += v->stride[d] * (dims >> d & 1 ? shuffled(k, size) : k);
        }
        memcpy((char *)(*out)->storage->p + i * item, (char *)t->storage->p + at * item,
               (size_t)item);
    }
    return ERR_OK;
}

static enum err check_reduces(const struct fault *f, const struct order *o, const struct op_call *c)
{
    bool reduces = o->reduction < 0 || c->arg[o->reduction].i;
    if (reduces && (o->dims < 0 || c->arg[0].t->view.shape.n == o->dims)) return ERR_OK;
    FAIL(ERR_USAGE, "inject \"%s\": this call of %s does not sum over its examples", f->text,
         c->op->s.name);
}

static enum err digest_of(const struct op_call *c, uint64_t *out)
{
    const struct plumb_tensor *t = c->result[0];
    return t->storage->backend->digest(&t->view, t->storage->p, c->threads, NULL, out);
}

/* The same call once more, of the same terms shuffled, into the same results. */
static enum err reordered(const struct order *o, struct op_call *c,
                          enum err (*compute)(struct op_call *))
{
    struct op_call again = *c;
    for (int i = 0; i < 3; i++) {
        if (!o->shuffle[i]) continue;
        unsigned dims = dims_of(c, i, o->shuffle[i]);
        TRY(shuffle_copy(c->arg[i].t, dims, &again.arg[i].t));
    }
    TRY(again.op->shape(&again));
    return compute(&again);
}

enum err inject_reorder(struct inject *in, struct cap *cap, struct op_call *c,
                        enum err (*compute)(struct op_call *))
{
    struct fault *f;
    uint64_t before, after;
    for (size_t i = 0; (f = next_fault(in, REORDER, c, &i));) {
        const struct order *o = order_of(c->op);
        TRY(check_reduces(f, o, c));
        TRY(digest_of(c, &before));
        TRY(reordered(o, c, compute));
        TRY(digest_of(c, &after));
        TRY(note(cap, f, "call %lld of %s summed in another order%s", (long long)f->number,
                 c->op->s.name, before == after ? "; no bit of its result changed by that" : ""));
    }
    return ERR_OK;
}

/* ---- one call more ---- */

enum err inject_call(struct inject *in, struct cap *cap, struct op_call *c)
{
    struct fault *f;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && (f = next_fault(in, CALL, c, &i));) {
        struct plumb_tensor *t = first_result(c);
        struct op_results r;
        TRY(needs_values(f, c, t));
        TRY(note(cap, f, "one call of aten::clone more after call %lld of %s", (long long)f->number,
                 c->op->s.name));
        thread_self.no_grad++;
        err = op_run(op_at(OP_ID_clone), &(struct op_value){.kind = OP_TENSOR, .t = t}, 1, &r);
        thread_self.no_grad--;
    }
    return err;
}

/* ---- what did not come about ---- */

static void put_missing(struct buf *b, const struct inject *in, const struct fault *f)
{
    buf_printf(b, "%sinject \"%s\" did not come about: ", b->n ? "; " : "", f->text);
    int64_t n = f->op ? in->count[f->op - op_at(0)] : 0;
    if (f->kind == WEIGHT) buf_printf(b, "there is no parameter %s", f->name);
    else if (f->kernel && f->kind == FLIP)
        buf_printf(b, "call %lld of %s is part of %s, which does not store its result",
                   (long long)f->number, f->op->s.name, f->kernel);
    else if (f->kernel)
        buf_printf(b, "call %lld of %s is part of %s and no call of its own", (long long)f->number,
                   f->op->s.name, f->kernel);
    else if (n && n >= f->number)
        buf_printf(b, "call %lld of %s failed", (long long)f->number, f->op->s.name);
    else if (n)
        buf_printf(b, "%s is called %lld time%s", f->op->s.name, (long long)n, n > 1 ? "s" : "");
    else buf_printf(b, "%s is not called", f->op ? f->op->s.name : f->name);
}

static void put_operators(struct buf *b, const struct inject *in)
{
    int n = 0;
    buf_puts(b, "; operators called, and how often: ");
    for (int i = 0; i < OP_N_IDS; i++)
        if (in->count[i])
            buf_printf(b, "%s%s %lld", n++ ? ", " : "", op_at((enum op_id)i)->s.name,
                       (long long)in->count[i]);
    if (!n) buf_puts(b, "none");
}

static void put_parameters(struct buf *b, const struct inject *in)
{
    buf_puts(b, "; parameters: ");
    for (size_t i = 0; i < in->parameter.n; i++)
        buf_printf(b, "%s%s", i ? ", " : "", in->parameter.p[i]);
    if (!in->parameter.n) buf_puts(b, "none");
}

enum err inject_check(const struct inject *in)
{
    struct buf b = {0};
    bool weight = false, call = false;
    for (size_t i = 0; i < in->fault.n; i++) {
        const struct fault *f = &in->fault.p[i];
        if (f->done) continue;
        put_missing(&b, in, f);
        weight |= f->kind == WEIGHT;
        call |= f->kind != WEIGHT;
    }
    if (call) put_operators(&b, in);
    if (weight) put_parameters(&b, in);
    enum err err = buf_ok(&b);
    if (!err && b.n) err = err_set(ERR_NOT_FOUND, "%s", b.p);
    buf_release(&b);
    return err;
}
