/* record.c - what the dispatcher tells the recorder of a call: arguments, results, digests, kept
 * values. */
#include <execinfo.h>
#include <string.h>

#include "runtime/ops.h"
#include "runtime/session.h"

enum { STACK_FRAMES = 64, OWN_FRAMES = 2, DIGESTED_MOST = 1 << 16 };

static int members(const struct op_value *v)
{
    return v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
}
static struct plumb_tensor *member(const struct op_value *v, int i)
{
    return v->kind == OP_TENSOR ? v->t : v->ts[i];
}

/* ---- digests ---- */

static void digest_torch(const struct plumb_tensor *t, enum cap_hash kind, struct cap_digest *out)
{
    *out = (struct cap_digest){.kind = kind};
    if (kind == CAP_NORM) {
        double v = digest_norm(&t->view, t->storage->p, 1);
        memcpy(&out->bits, &v, sizeof v);
    } else {
        out->bits = digest_hash_tensor(&t->view, t->storage->p, 0, view_count(&t->view));
    }
}

static enum err digest_bits(const struct thread *th, const struct plumb_tensor *t,
                            struct cap_digest *out)
{
    struct digest_stats s;
    *out = (struct cap_digest){.kind = CAP_PKM64, .stats = true};
    TRY(t->storage->backend->digest(&t->view, t->storage->p, th->session->threads, &s, &out->bits));
    out->n_nan = s.n_nan;
    out->n_inf = s.n_inf;
    out->min = s.min;
    out->max = s.max;
    out->sum = s.sum;
    out->sum_abs = s.sum_abs;
    out->sum_squares = s.sum_squares;
    return ERR_OK;
}

/* Where it is noted which content of a tensor the thread's log has a digest of; NULL when out of
 * memory. Threads have a log each; a tensor's own field is its maker's. */
static int64_t *digested_elsewhere(struct thread *th, const struct plumb_tensor *t)
{
    if (th->digested.n >= DIGESTED_MOST) map_clear(&th->digested);
    return map_put(&th->digested, map_key_int((int64_t)t->number, 0), 0, NULL);
}

static bool is_digested(struct thread *th, const struct plumb_tensor *t)
{
    uint32_t content = storage_content(t->storage) + 1;
    if (t->maker == th->serial) return t->digested == content;
    int64_t *at = digested_elsewhere(th, t);
    return at && *at == content;
}

/* content: 1 + storage_content; 0 none. */
static void note_digested(struct thread *th, struct plumb_tensor *t, uint32_t content)
{
    int64_t *at = t->maker == th->serial ? NULL : digested_elsewhere(th, t);
    if (t->maker == th->serial) t->digested = content;
    else if (at) *at = content;
}

static void digest_use(struct thread *th, struct plumb_tensor *t, uint32_t slot)
{
    static const enum cap_hash kinds[] = {CAP_NORM, CAP_HASH_TENSOR, CAP_PKM64};
    struct cap_digest d;
    int part = 0;
    if (!slot || t->uninitialised || !t->storage->backend->computes) return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!(th->session->hashes & (unsigned)kinds[i])) continue;
        if (kinds[i] != CAP_PKM64) digest_torch(t, kinds[i], &d);
        else if (digest_bits(th, t, &d)) continue;
        cap_digest(th->ring, slot, part++, &d);
    }
    if (part) note_digested(th, t, storage_content(t->storage) + 1);
}

/* ---- arguments ---- */

/* The recorder's number of a tensor's dtype, shape and strides; asked for once per thread. */
static uint32_t form_of(struct thread *th, const struct view *v)
{
    struct view key;
    memset(&key, 0, sizeof key);
    key.dtype = v->dtype;
    key.shape.n = v->shape.n;
    memcpy(key.shape.size, v->shape.size, sizeof(int64_t) * (size_t)v->shape.n);
    memcpy(key.stride, v->stride, sizeof(int64_t) * (size_t)v->shape.n);
    struct map_key k = map_key((struct span){(const char *)&key, sizeof key});
    int64_t *at = map_get(&th->words, k);
    if (at) return (uint32_t)*at;
    uint32_t form = cap_form(th->session->cap, v);
    map_put(&th->words, k, form, NULL);
    return form;
}

static uint32_t use(struct thread *th, const struct plumb_tensor *t, enum cap_phase phase,
                    uint32_t keyword)
{
    struct cap_use u = {.tensor = t->number,
                        .form = form_of(th, &t->view),
                        .keyword = keyword,
                        .version = storage_content(t->storage),
                        .phase = phase};
    return cap_tensor(th->ring, &u);
}

/* Without hash_inputs an argument is digested where the log has no digest of what it holds now: a
 * weight or a batch at its first use, a tensor that was written through another view. */
static void put_tensors(struct thread *th, const struct op_value *v, uint32_t keyword)
{
    if (v->kind == OP_TENSORS) cap_list_begin(th->ring, keyword);
    for (int i = 0; i < members(v); i++) {
        struct plumb_tensor *t = member(v, i);
        if (!t) {
            cap_scalar(th->ring, &(struct cap_value){.kind = CAP_NONE});
            continue;
        }
        uint32_t slot = use(th, t, CAP_ARGUMENT, v->kind == OP_TENSOR ? keyword : 0);
        if (th->session->hash_inputs || !is_digested(th, t)) digest_use(th, t, slot);
    }
    if (v->kind == OP_TENSORS) cap_list_end(th->ring);
}

static void put_scalar(struct thread *th, const struct op_value *v, uint32_t keyword)
{
    struct cap_value x = {.keyword = keyword, .i = v->i};
    switch (v->kind) {
    case OP_BOOL: x.kind = CAP_BOOL; break;
    case OP_INT: x.kind = CAP_INT; break;
    case OP_DTYPE: x.kind = CAP_DTYPE; break;
    case OP_TEXT:
        x.kind = CAP_WORD;
        x.i = thread_word(th, v->s);
        break;
    case OP_SCALAR:
    case OP_REAL:
        x.kind = v->is_int ? CAP_INT : CAP_REAL;
        if (!v->is_int) x.r = v->r;
        break;
    default: x.kind = CAP_NONE; break;
    }
    cap_scalar(th->ring, &x);
}

static void put_ints(struct thread *th, const struct op_value *v, bool truths, uint32_t keyword)
{
    cap_list_begin(th->ring, keyword);
    enum cap_scalar kind = truths ? CAP_BOOL : CAP_INT;
    for (int i = 0; i < v->n; i++)
        cap_scalar(th->ring, &(struct cap_value){.kind = kind, .i = v->is[i]});
    cap_list_end(th->ring);
}

static bool is_default(const struct op_param *p, const struct op_value *v)
{
    if (!p->has_default) return p->optional && v->kind == OP_NONE;
    if (v->kind != p->value.kind) return false;
    switch (v->kind) {
    case OP_INTS:
        return v->n == p->value.n && !memcmp(v->is, p->ints, sizeof(int64_t) * (size_t)v->n);
    case OP_TEXT: return !strcmp(v->s, p->text);
    case OP_SCALAR:
    case OP_REAL: return v->r == p->value.r;
    default: return v->i == p->value.i;
    }
}

/* As PyTorch's dispatcher hands them on: positional arguments end where only defaults follow, and
 * keyword arguments
 * are those that differ from their default. */
static int n_positional(const struct op_call *c)
{
    int n = 0;
    for (int i = 0; i < c->op->s.n_params; i++)
        if (!c->op->s.param[i].keyword && !is_default(&c->op->s.param[i], &c->arg[i])) n = i + 1;
    return n;
}

static void put_arguments(struct thread *th, const struct op_call *c)
{
    int positional = n_positional(c);
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_param *p = &c->op->s.param[i];
        const struct op_value *v = &c->arg[i];
        if (p->keyword ? is_default(p, v) : i >= positional) continue;
        uint32_t keyword = p->keyword ? thread_word(th, p->name) : 0;
        if (v->kind == OP_TENSOR || v->kind == OP_TENSORS) put_tensors(th, v, keyword);
        else if (v->kind == OP_INTS) put_ints(th, v, p->truths, keyword);
        else put_scalar(th, v, keyword);
    }
}

uint32_t record_stack(struct thread *th)
{
    void *pc[STACK_FRAMES];
    if (!th->session->stacks) return 0;
    int n = backtrace(pc, STACK_FRAMES);
    return n > OWN_FRAMES ? cap_stack(th->session->cap, pc + OWN_FRAMES, n - OWN_FRAMES) : 0;
}

void record_begin(struct thread *t, const struct op_call *c, struct call_record *r)
{
    if (!t->ring || t->quiet) return;
    r->on = true;
    r->lost = cap_lost(t->ring);
    cap_begin(t->ring, CAP_OP, thread_word(t, c->op->s.name), 0, record_stack(t));
    put_arguments(t, c);
}

/* ---- results ---- */

static bool is_kept(struct thread *t, const struct op_call *c)
{
    int64_t number = t->counts[c->op - op_at(0)]++;
    for (size_t i = 0; i < t->session->keep.n; i++) {
        const struct keep_rule *k = &t->session->keep.p[i];
        if (!strcmp(k->op, c->op->s.name) && (k->number < 0 || k->number == number)) return true;
    }
    return false;
}

void record_results(struct thread *t, const struct op_call *c, struct call_record *r)
{
    if (!r->on) return;
    bool kept = t->session->keep.n && is_kept(t, c), list = c->op->s.result_list;
    if (list) cap_list_begin(t->ring, 0);
    for (int i = 0; i < c->n_results; i++) {
        struct plumb_tensor *y = c->result[i];
        if (!y) {
            cap_result_number(t->ring, &(struct cap_value){.kind = CAP_NONE});
            continue;
        }
        uint32_t slot = use(t, y, CAP_RESULT, 0);
        digest_use(t, y, slot);
        if (kept && slot && y->storage->p && cap_keep(t->ring, slot, &y->view, y->storage->p))
            cap_error(t->ring, span_of(err_text()));
    }
    if (list) cap_list_end(t->ring);
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_value *v = &c->arg[i];
        if (!c->op->s.param[i].written || c->writes_nothing) continue;
        for (int k = 0; k < members(v); k++)
            digest_use(t, member(v, k), use(t, member(v, k), CAP_ARGUMENT_AFTER, 0));
    }
}

/* The log does not have the call, or not all of it: what it uses is digested at its next use. */
static void forget_digests(struct thread *th, const struct op_call *c)
{
    for (int i = 0; i < c->op->s.n_params; i++)
        for (int k = 0; k < members(&c->arg[i]); k++) {
            struct plumb_tensor *t = member(&c->arg[i], k);
            if (t) note_digested(th, t, 0);
        }
    for (int i = 0; i < c->n_results; i++)
        if (c->result[i]) note_digested(th, c->result[i], 0);
}

void record_end(struct thread *t, const struct op_call *c, struct call_record *r, enum err err)
{
    if (!r->on) return;
    if (err) cap_error(t->ring, span_of(err_text()));
    cap_end(t->ring);
    if (cap_lost(t->ring) != r->lost) forget_digests(t, c);
}

/* ---- compiled kernels ---- */

void record_kernel_begin(struct thread *t, const char *name, const struct record_use *use_of, int n,
                         struct call_record *r)
{
    if (!t->ring || t->quiet) return;
    r->on = true;
    r->lost = cap_lost(t->ring);
    cap_begin(t->ring, CAP_KERNEL, thread_word(t, name), 0, record_stack(t));
    for (int i = 0; i < n; i++) {
        struct plumb_tensor *x = use_of[i].tensor;
        uint32_t slot = use(t, x, CAP_ARGUMENT, thread_word(t, use_of[i].keyword));
        bool wanted = t->session->hash_inputs || !is_digested(t, x);
        if (use_of[i].reads && wanted) digest_use(t, x, slot);
    }
}

void record_kernel_end(struct thread *t, const struct record_use *use_of, int n,
                       struct call_record *r, enum err err)
{
    if (!r->on) return;
    cap_done(t->ring);
    for (int i = 0; !err && i < n; i++)
        if (use_of[i].writes)
            digest_use(t, use_of[i].tensor, use(t, use_of[i].tensor, CAP_ARGUMENT_AFTER, 0));
    if (err) cap_error(t->ring, span_of(err_text()));
    cap_end(t->ring);
    for (int i = 0; i < n && cap_lost(t->ring) != r->lost; i++)
        note_digested(t, use_of[i].tensor, 0);
}
