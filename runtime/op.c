/* op.c - the dispatcher: from arguments to results, with all who watch.
 *
 * Everything here is of the calling thread: no lock, no shared list. What a call needs lies in
 * the frame's arena.
 */
#include "runtime/session.h"

#include <math.h>
#include <stdio.h>

enum err op_fail(const struct op_call *c, int arg, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    FAIL(ERR_USAGE, "%s: argument '%s': %s", c->op->s.name, c->op->s.param[arg].name, text);
}

/* ---- arguments ---- */

static const char *const kind_names[] = {
    "None",     "a tensor",      "a list of tensors", "an integer", "a list of integers",
    "a number", "a real number", "a truth value",     "a dtype",    "a text"};

static enum err wrong_kind(const struct op_call *c, int i, const struct op_value *v)
{
    const struct op_param *p = &c->op->s.param[i];
    return op_fail(c, i, "%s was given; %s%s is accepted", kind_names[v->kind], kind_names[p->kind],
                   p->optional && p->kind ? " or None" : "");
}

static enum err check_given(const struct op_call *c, int i)
{
    const struct op_value *v = &c->arg[i];
    bool list = v->kind == OP_TENSORS || v->kind == OP_INTS;
    if (list && (v->n < 0 || (v->n && !v->ts && !v->is)))
        return op_fail(c, i, "a list of %d members%s was given", v->n, v->n < 0 ? "" : " at NULL");
    if (v->kind == OP_DTYPE && (v->i <= DTYPE_NONE || v->i >= DTYPE_END))
        return op_fail(c, i, "%lld is no dtype; enum plumb_dtype lists them", (long long)v->i);
    int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
    for (int k = 0; k < n; k++) {
        const struct plumb_tensor *t = v->kind == OP_TENSOR ? v->t : v->ts[k];
        if (!t && v->kind == OP_TENSORS) continue;
        if (!t) return op_fail(c, i, "no tensor was given; a tensor is needed");
        if (t->stale)
            return op_fail(c, i,
                           "its values are needed for a gradient and were overwritten in place");
        if (t->storage->backend != thread_self.session->backend)
            return op_fail(c, i, "the tensor lies on back end %s; this session runs on %s",
                           t->storage->backend->name, thread_self.session->backend->name);
    }
    return ERR_OK;
}

/* Numbers are accepted where a wider kind of number is asked for. */
static enum err take_value(struct op_call *c, int i, const struct op_value *v)
{
    const struct op_param *p = &c->op->s.param[i];
    struct op_value *to = &c->arg[i];
    *to = *v;
    if (v->kind == p->kind || (v->kind == OP_NONE && p->optional)) return check_given(c, i);
    bool whole = v->kind == OP_INT || v->kind == OP_BOOL;
    if ((p->kind == OP_SCALAR || p->kind == OP_REAL) && whole) {
        to->r = (double)v->i;
        to->is_int = true;
    } else if (p->kind == OP_REAL && v->kind == OP_SCALAR) {
        to->r = v->r;
    } else if (p->kind == OP_SCALAR && v->kind == OP_REAL) {
        to->is_int = false;
    } else if (p->kind == OP_INT && v->kind == OP_BOOL) {
        to->i = v->i;
    } else {
        return wrong_kind(c, i, v);
    }
    to->kind = p->kind;
    return ERR_OK;
}

static void take_default(struct op_call *c, int i)
{
    const struct op_param *p = &c->op->s.param[i];
    c->arg[i] = p->value;
    c->arg[i].is = p->ints;
    c->arg[i].s = p->text;
}

static enum err take_arguments(struct op_call *c, const struct op_value *arg, int n)
{
    const struct op_schema *s = &c->op->s;
    if (n > s->n_params)
        FAIL(ERR_USAGE, "%s: %d arguments were given; it takes %d", s->name, n, s->n_params);
    for (int i = 0; i < s->n_params; i++) {
        const struct op_param *p = &s->param[i];
        bool given = i < n && (arg[i].kind != OP_NONE || !p->has_default);
        if (given) TRY(take_value(c, i, &arg[i]));
        else if (p->has_default) take_default(c, i);
        else if (p->optional) c->arg[i] = (struct op_value){0};
        else return op_fail(c, i, "it is missing; %s is needed", kind_names[p->kind]);
    }
    return ERR_OK;
}

/* While tracing, tensors with memory are replaced by what stands for them in the trace. */
static enum err take_twins(struct op_call *c)
{
    struct trace *t = thread_self.trace;
    if (t->broken) FAIL(ERR_REFUSED, "the trace ended: %s", t->reason);
    for (int i = 0; i < c->op->s.n_params; i++) {
        struct op_value *v = &c->arg[i];
        if (v->kind == OP_TENSOR) TRY(trace_twin(t, v->t, &v->t));
        if (v->kind != OP_TENSORS) continue;
        struct plumb_tensor **to = arena_array(c->arena, (size_t)v->n + 1, sizeof *to);
        if (!to) FAIL(ERR_NOMEM, "out of memory for a call");
        for (int k = 0; k < v->n; k++)
            if (v->ts[k]) TRY(trace_twin(t, v->ts[k], &to[k]));
        v->ts = to;
    }
    return ERR_OK;
}

/* ---- for shape functions ---- */

enum err op_dim(const struct op_call *c, int arg, int64_t dim, int n_dims, int *out)
{
    int n = n_dims ? n_dims : 1;
    if (dim < -n || dim >= n)
        return op_fail(c, arg, "dimension %lld is out of range; %d to %d are accepted",
                       (long long)dim, -n, n - 1);
    *out = (int)(dim < 0 ? dim + n : dim);
    return ERR_OK;
}

void op_result(struct op_call *c, int r, enum dtype dtype, const struct view_shape *shape)
{
    c->dtype[r] = dtype;
    c->shape[r] = *shape;
}

void op_absent(struct op_call *c, int r)
{
    c->dtype[r] = DTYPE_NONE;
}

struct view *op_views(struct op_call *c, int arg, int n)
{
    c->view = arena_array(c->arena, (size_t)n, sizeof *c->view);
    c->view_of = arg;
    c->n_results = n;
    return c->view;
}

struct op_member *op_members(struct op_call *c, int n)
{
    c->member = arena_array(c->arena, (size_t)n + 1, sizeof *c->member);
    c->n_results = n;
    return c->member;
}

static enum err check_pair(const struct op_call *c, int arg, int other,
                           const struct plumb_tensor *w, const struct plumb_tensor *t)
{
    char a[TENSOR_TEXT], b[TENSOR_TEXT];
    if (!t || t == w || t->storage != w->storage || view_same_elements(&t->view, &w->view))
        return ERR_OK;
    if (view_overlap(&t->view, &w->view) == VIEW_APART) return ERR_OK;
    return op_fail(c, arg, "%s is written and shares elements with argument '%s', %s; clone one",
                   tensor_text(w, a), c->op->s.param[other].name, tensor_text(t, b));
}

static enum err check_one_written(const struct op_call *c, int arg, const struct plumb_tensor *w)
{
    char text[TENSOR_TEXT];
    if (view_overlap_self(&w->view) != VIEW_APART)
        return op_fail(c, arg,
                       "%s is written, and several of its indices share one element; clone it",
                       tensor_text(w, text));
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_value *v = &c->arg[i];
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        for (int k = 0; k < n; k++)
            TRY(check_pair(c, arg, i, w, v->kind == OP_TENSOR ? v->t : v->ts[k]));
    }
    return ERR_OK;
}

enum err op_check_written(const struct op_call *c, int arg)
{
    const struct op_value *v = &c->arg[arg];
    if (v->kind == OP_TENSOR) return check_one_written(c, arg, v->t);
    for (int i = 0; v->kind == OP_TENSORS && i < v->n; i++)
        TRY(check_one_written(c, arg, v->ts[i]));
    return ERR_OK;
}

/* ---- for run functions ---- */

enum err op_scratch(struct op_call *c, enum dtype dtype, const struct view_shape *shape,
                    struct plumb_tensor **out)
{
    (void)c;
    return tensor_new(dtype, shape, out);
}

void *op_data(const struct plumb_tensor *t)
{
    if (!t->storage->p) return NULL;
    return (char *)t->storage->p + t->view.offset * (int64_t)dtype_size(t->view.dtype);
}

enum err op_give(struct op_call *c, int r, struct plumb_tensor *t)
{
    if (!t) return ERR_USAGE; /* the operator that failed has said why */
    c->result[r] = t;
    return ERR_OK;
}

int op_slot(const struct op_call *c, int arg)
{
    int slot = 0;
    for (int i = 0; i < arg; i++)
        slot += c->arg[i].kind == OP_TENSORS ? c->arg[i].n : c->arg[i].kind == OP_TENSOR;
    return slot;
}

bool op_needs_grad(const struct op_call *c, int slot)
{
    for (int i = 0, s = 0; i < c->op->s.n_params; i++) {
        const struct op_value *v = &c->arg[i];
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        if (slot < s + n) {
            const struct plumb_tensor *t = v->kind == OP_TENSOR ? v->t : v->ts[slot - s];
            return t && t->requires_grad;
        }
        s += n;
    }
    return false;
}

/* ---- hooks ---- */

/* Operators that a hook calls are not shown to hooks: it would meet its own without end. */
static enum err hooks_before(const struct op_call *c)
{
    struct thread *t = &thread_self;
    const char *veto = NULL;
    if (t->in_hook) return ERR_OK;
    t->in_hook = true;
    for (int i = 0; i < t->n_hooks && !veto; i++)
        if (t->hook[i]->before) veto = t->hook[i]->before(t->hook[i]->context, c->op->s.name);
    t->in_hook = false;
    if (veto) FAIL(ERR_REFUSED, "%s: %s", c->op->s.name, veto);
    return ERR_OK;
}

static void hooks_after(const struct op_call *c)
{
    struct thread *t = &thread_self;
    if (t->in_hook) return;
    t->in_hook = true;
    for (int i = t->n_hooks - 1; i >= 0; i--)
        if (t->hook[i]->after)
            t->hook[i]->after(t->hook[i]->context, c->op->s.name, c->result, c->n_results);
    t->in_hook = false;
}

/* ---- running ---- */

static enum err make_view(struct op_call *c, int r)
{
    struct plumb_tensor *of = c->arg[c->view_of].t;
    TRY(tensor_view(of, &c->view[r], &c->result[r]));
    c->result[r]->is_view = true;
    return ERR_OK;
}

static enum err make_result(struct op_call *c, int r)
{
    const struct op_schema *s = &c->op->s;
    int arg = s->result_list ? -1 : s->result_arg[r];
    if (c->op->class == OP_VIEW) return make_view(c, r);
    if (c->member) return tensor_new(c->member[r].dtype, &c->member[r].shape, &c->result[r]);
    if (arg >= 0) {
        c->result[r] = c->arg[arg].t;
        return ERR_OK;
    }
    if (c->dtype[r] == DTYPE_NONE) return ERR_OK;
    TRY(tensor_new(c->dtype[r], &c->shape[r], &c->result[r]));
    c->result[r]->uninitialised = c->op->flags & OP_NO_VALUES;
    return ERR_OK;
}

static void raise_versions(const struct op_call *c)
{
    const struct op_schema *s = &c->op->s;
    for (int i = 0; i < s->n_params && !c->writes_nothing; i++) {
        const struct op_value *v = &c->arg[i];
        if (!s->param[i].written) continue;
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        for (int k = 0; k < n; k++) {
            struct plumb_tensor *t = v->kind == OP_TENSOR ? v->t : v->ts[k];
            atomic_fetch_add_explicit(&t->storage->version, 1, memory_order_relaxed);
            t->uninitialised = false;
        }
    }
}

static enum err run_nest(struct op_call *c)
{
    struct op_nest n = {.body = c->body, .plan = &c->plan, .serial = c->op->flags & OP_SERIAL};
    const struct op_schema *s = &c->op->s;
    static const char *const outs[] = {"out",  "out1", "out2", "out3",
                                       "out4", "out5", "out6", "out7"};
    for (int i = 0; i < s->n_params; i++) {
        const struct op_value *v = &c->arg[i];
        if (v->kind == OP_TENSOR) {
            n.tensor[n.n_read] = v->t;
            n.name[n.n_read++] = s->param[i].name;
        } else if (v->kind == OP_INT || v->kind == OP_BOOL || v->kind == OP_REAL ||
                   v->kind == OP_SCALAR) {
            if (n.n_params == NEST_PARAMS) return op_fail(c, i, "too many scalars for one nest");
            n.param[n.n_params] = s->param[i].name;
            n.value[n.n_params++] = *v;
        }
    }
    for (int r = 0; r < c->n_results; r++) {
        if (!c->result[r]) continue;
        n.tensor[n.n_read + n.n_written] = c->result[r];
        n.name[n.n_read + n.n_written++] = outs[r];
    }
    return op_nest_run(c, &n);
}

enum err op_compute(struct op_call *c)
{
    const struct backend *b = thread_self.session->backend;
    if (c->op->class == OP_NEST) return run_nest(c);
    return b->run_opaque && !(c->op->flags & OP_BY_NESTS) ? b->run_opaque(c) : c->op->run(c);
}

static enum err compute(struct op_call *c)
{
    const struct backend *b = thread_self.session->backend;
    if (c->op->class == OP_VIEW || !b->computes) return ERR_OK;
    return b->run_oracle ? b->run_oracle(c) : op_compute(c);
}

/* Everything between the record's begin and end. */
static enum err perform(struct op_call *c, struct call_record *r)
{
    struct thread *t = &thread_self;
    for (int i = 0; i < c->n_results; i++) TRY(make_result(c, i));
    if (t->trace) {
        TRY(trace_call(t->trace, c));
        raise_versions(c);
        return ERR_OK;
    }
    TRY(compute(c));
    if (t->inject) TRY(inject_reorder(t->inject, t->session->cap, c, compute));
    raise_versions(c);
    if (t->inject) TRY(inject_flip(t->inject, t->session->cap, c));
    record_results(t, c, r);
    return ERR_OK;
}

static enum err refuse_inexact(const struct op_call *c)
{
    if (c->exact && c->op->flags & OP_NOT_EXACT)
        FAIL(ERR_UNSUPPORTED,
             "%s has no exact form (docs/exact.md); run it at determinism run or off",
             c->op->s.name);
    return ERR_OK;
}

static enum err logged(struct op_call *c)
{
    struct thread *t = &thread_self;
    struct call_record r = {0};
    TRY(op_types_resolve(c));
    TRY(refuse_inexact(c));
    TRY(c->op->shape(c));
    c->result = arena_array(c->arena, (size_t)c->n_results + 1, sizeof *c->result);
    if (!c->result) FAIL(ERR_NOMEM, "out of memory for a call");
    bool taped = tape_wants(t, c);
    TRY(tape_check(t, c));
    if (c->op->flags & OP_RANDOM) c->stream = t->generator++;
    if (t->inject && !t->trace) inject_count(t->inject, c);
    record_begin(t, c, &r);
    enum err err = hooks_before(c);
    if (!err) err = perform(c, &r);
    if (!err) hooks_after(c);
    record_end(t, c, &r, err);
    if (!err && taped) err = tape_add(t, c);
    if (!err && t->inject) err = inject_call(t->inject, t->session->cap, c);
    return err;
}

enum err op_run(const struct op *op, const struct op_value *arg, int n_args, struct op_results *out)
{
    TRY(thread_check(op->s.name));
    struct thread *t = &thread_self;
    struct op_call c = {.op = op,
                        .body = op->body,
                        .n_results = op->s.n_results,
                        .arena = &t->frame->arena,
                        .seed = t->session->seed,
                        .exact = t->session->determinism == PLUMB_EXACT,
                        .threads = t->session->threads};
    TRY(take_arguments(&c, arg, n_args));
    if (t->trace) TRY(take_twins(&c));
    if (op->class == OP_COMPOSITE) {
        c.result = arena_array(c.arena, OP_RESULTS, sizeof *c.result);
        if (!c.result) FAIL(ERR_NOMEM, "out of memory for a call");
        TRY(op->run(&c));
    } else {
        TRY(logged(&c));
    }
    *out = (struct op_results){c.result, c.n_results};
    return ERR_OK;
}
