/* tape.c - gradients: calls kept in order, and walked back by the gradient rules of ops.def.
 *
 * The tape of a frame is a list, newest call first. A call is kept when gradients are wanted for
 * one of its
 * tensors and its operator has a rule. Walking back, a call's gradients are complete when it is
 * met, as all that used its results
 * is newer. Where a tensor came from is noted with the call: written in place later, it comes
 * from elsewhere. A tensor whose storage was written since, or by the call itself, stands as a
 * stale one: rules that
 * look only at its shape go on, an operator that would read it fails and says so.
 */
#include "runtime/api.h"
#include "runtime/session.h"

#include <stddef.h>

static int n_slots(const struct op_call *c)
{
    return op_slot(c, c->op->s.n_params);
}

static struct plumb_tensor **slot_of(struct op_call *c, int slot)
{
    for (int i = 0, s = 0; i < c->op->s.n_params; i++) {
        struct op_value *v = &c->arg[i];
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        if (slot < s + n)
            return v->kind == OP_TENSOR ? &v->t : (struct plumb_tensor **)&v->ts[slot - s];
        s += n;
    }
    return NULL;
}

bool tape_wants(const struct thread *t, const struct op_call *c)
{
    if (t->no_grad || !c->op->grad) return false;
    for (int i = 0; i < c->op->s.n_params; i++) {
        const struct op_value *v = &c->arg[i];
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        for (int k = 0; k < n; k++) {
            const struct plumb_tensor *x = v->kind == OP_TENSOR ? v->t : v->ts[k];
            if (x && x->requires_grad) return true;
        }
    }
    return false;
}

/* ---- keeping a call ---- */

static uint32_t version_of(const struct plumb_tensor *t)
{
    return t ? atomic_load_explicit(&t->storage->version, memory_order_relaxed) : 0;
}

/* A call's arguments, with lists of their own: the caller's may end before the tape is walked. */
static enum err copy_call(struct arena *a, const struct op_call *c, struct op_call **out)
{
    struct op_call *to = arena_alloc(a, offsetof(struct op_call, plan));
    if (!to) FAIL(ERR_NOMEM, "out of memory for the tape");
    memcpy(to, c, offsetof(struct op_call, plan));
    for (int i = 0; i < c->op->s.n_params; i++) {
        struct op_value *v = &to->arg[i];
        size_t item = v->kind == OP_TENSORS ? sizeof *v->ts : sizeof *v->is;
        if (v->kind == OP_TEXT && !(v->s = arena_copy(a, span_of(v->s)).p))
            FAIL(ERR_NOMEM, "out of memory for the tape");
        if ((v->kind != OP_TENSORS && v->kind != OP_INTS) || !v->n) continue;
        void *p = arena_array(a, (size_t)v->n, item);
        if (!p) FAIL(ERR_NOMEM, "out of memory for the tape");
        memcpy(p, v->kind == OP_TENSORS ? (const void *)v->ts : v->is, (size_t)v->n * item);
        if (v->kind == OP_TENSORS) v->ts = p;
        else v->is = p;
    }
    *out = to;
    return ERR_OK;
}

/* The argument that result r is, written; NULL when it is none. */
static struct plumb_tensor *written(const struct op_call *c, int r)
{
    int arg = c->op->s.result_list ? -1 : c->op->s.result_arg[r];
    return arg < 0 ? NULL : c->arg[arg].t;
}

bool thread_has_frame(const struct thread *t, const struct frame *f)
{
    const struct frame *own = t->frame;
    while (own && own != f) own = own->outer;
    return own;
}

#define TAPE_WAY_OUT "; do it between plumb_no_grad_begin and plumb_no_grad_end"

/* Whether argument `i` may be written through y while calls are kept for gradients. */
static enum err check_write(const struct thread *t, const struct op_call *c, int i,
                            const struct plumb_tensor *y, bool taped)
{
    if (y->requires_grad && !y->made_by)
        return op_fail(c, i, "a leaf that wants gradients was to be written in place" TAPE_WAY_OUT);
    if (y->requires_grad && !c->op->grad)
        return op_fail(c, i,
                       "the operator has no gradient rule, and gradients are wanted for what it "
                       "writes" TAPE_WAY_OUT);
    if (!taped) return ERR_OK;
    /* gradients would go on from the tensor itself, which only the caller has */
    if (t->trace && trace_is_given(t->trace, y))
        return trace_break(t->trace,
                           "%s writes a tensor that was given, and gradients go back through what "
                           "it writes",
                           c->op->s.name);
    if (y->is_view)
        return op_fail(c, i, "gradients do not follow what is written through a view" TAPE_WAY_OUT);
    if (y->frame != t->frame)
        return op_fail(c, i,
                       "it outlives the frame that keeps this call for gradients; write it in "
                       "its own frame, or between plumb_no_grad_begin and plumb_no_grad_end");
    return ERR_OK;
}

/* Whether the written argument is what the call gives. Beside results it is state, such as running
 * statistics, which has no gradient. */
static bool is_given(const struct op_call *c, int arg)
{
    for (int r = 0; r < c->op->s.n_results && !c->op->s.result_list; r++)
        if (c->op->s.result_arg[r] == arg) return true;
    return !c->op->s.n_results;
}

enum err tape_check(const struct thread *t, const struct op_call *c)
{
    bool taped = tape_wants(t, c);
    for (int i = 0; i < c->op->s.n_params && !t->no_grad; i++) {
        const struct op_value *v = &c->arg[i];
        if (!c->op->s.param[i].written || !is_given(c, i)) continue;
        int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
        for (int k = 0; k < n; k++) {
            const struct plumb_tensor *y = v->kind == OP_TENSOR ? v->t : v->ts[k];
            if (y) TRY(check_write(t, c, i, y, taped));
        }
    }
    return ERR_OK;
}

static bool writes(const struct op_call *c, const struct storage *s)
{
    for (int r = 0; r < c->n_results && !c->writes_nothing; r++) {
        const struct plumb_tensor *y = written(c, r);
        if (y && y->storage == s) return true;
    }
    return false;
}

/* As the tensor was before the call; the call has raised the version of what it wrote. */
static struct tape_slot slot_now(const struct op_call *c, struct plumb_tensor *t)
{
    if (!t) return (struct tape_slot){0};
    return (struct tape_slot){.tensor = t,
                              .made_by = t->made_by,
                              .result = t->result,
                              .wants = t->requires_grad,
                              .version = version_of(t) - writes(c, t->storage)};
}

/* A result's gradient comes to the call from now on. One that a hook kept is a leaf. */
static void take_result(struct tape_node *n, int r)
{
    struct plumb_tensor *y = n->call->result[r];
    n->version[r] = version_of(y);
    if (!y || !y->frame) return;
    enum dtype_kind kind = dtype_kind(y->view.dtype);
    if (kind != DTYPE_FLOAT && kind != DTYPE_COMPLEX) return;
    y->requires_grad = true;
    y->made_by = n;
    y->result = r;
}

enum err tape_add(struct thread *t, const struct op_call *c)
{
    struct arena *a = &t->frame->arena;
    struct tape_node *n = arena_alloc(a, sizeof *n);
    int slots = n_slots(c);
    if (!n) FAIL(ERR_NOMEM, "out of memory for the tape");
    TRY(copy_call(a, c, &n->call));
    n->grad = arena_array(a, (size_t)c->n_results + 1, sizeof *n->grad);
    n->slot = arena_array(a, (size_t)slots + 1, sizeof *n->slot);
    n->version = arena_array(a, (size_t)c->n_results + 1, sizeof *n->version);
    if (!n->grad || !n->slot || !n->version) FAIL(ERR_NOMEM, "out of memory for the tape");
    for (int i = 0; i < slots; i++) n->slot[i] = slot_now(c, *slot_of(n->call, i));
    for (int r = 0; r < c->n_results; r++) take_result(n, r);
    n->frame = t->frame;
    n->traced = t->trace ? (int)t->trace->graph->node.n - 1 : GRAPH_NONE;
    n->older = t->frame->tape;
    t->frame->tape = n;
    return ERR_OK;
}

enum err tape_add_walked(struct thread *t, const struct op *op, struct plumb_tensor *y)
{
    struct arena *a = &t->frame->arena;
    struct tape_node *n = arena_alloc(a, sizeof *n);
    struct op_call *c = arena_alloc(a, offsetof(struct op_call, plan));
    if (!n || !c) FAIL(ERR_NOMEM, "out of memory for the tape");
    c->op = op;
    *n = (struct tape_node){.frame = t->frame, .call = c, .done = true, .traced = GRAPH_NONE};
    y->made_by = n;
    y->requires_grad = true;
    return ERR_OK;
}

/* ---- walking back ---- */

static enum err accumulate(struct plumb_tensor **into, struct plumb_tensor *g)
{
    struct plumb_tensor *sum = *into ? plumb_add(*into, g) : g;
    if (!sum) return ERR_USAGE;
    sum->sole = false; /* a rule may give it to several */
    *into = sum;
    return ERR_OK;
}

/* A gradient that is replaced may stand on a tape, as any tensor: it then ends with that. */
static void retire(struct plumb_tensor *grad)
{
    struct frame *holds = NULL;
    for (struct frame *f = thread_self.frame; f; f = f->outer)
        if (f->tape) holds = f;
    if (holds && grad) tensor_give(grad, holds);
    else tensor_free(grad);
}

/* A leaf's gradient lives as long as the leaf. The first one is cloned where it may be shared. */
static enum err accumulate_leaf(struct plumb_tensor *leaf, struct plumb_tensor *g)
{
    struct trace *trace = thread_self.trace;
    if (trace) TRY(trace_leaf(trace, leaf));
    struct plumb_tensor *old = leaf->grad;
    struct plumb_tensor *sum = old ? plumb_add(old, g) : g->sole ? g : plumb_clone(g);
    if (!sum) return ERR_USAGE;
    leaf->grad = sum;
    sum->sole = false;
    tensor_keep(sum);
    if (trace) tensor_give(sum, trace->frame); /* with which the leaf, a twin, ends */
    else retire(old);
    return ERR_OK;
}

static enum err list_gift(struct tape_gifts *to, struct plumb_tensor *leaf, struct plumb_tensor *g)
{
    struct tape_gift *gift = LIST_PUSH(&to->gift);
    if (!gift) FAIL(ERR_NOMEM, "out of memory for gradients");
    *gift = (struct tape_gift){.leaf = leaf, .grad = g};
    return ERR_OK;
}

static enum err walked(const struct tape_node *n)
{
    FAIL(ERR_USAGE, "the result of %s was walked back already; a loss is walked once",
         n->call->op->s.name);
}

/* A call that this thread can walk back, and did not yet. */
static enum err check_walk(const struct tape_node *n)
{
    if (!thread_has_frame(&thread_self, n->frame))
        FAIL(ERR_USAGE, "gradients are walked back by the thread that called the operators; "
                        "this tensor comes from another's");
    return n->done ? walked(n) : ERR_OK;
}

void tape_set_grad(struct plumb_tensor *leaf, struct plumb_tensor *g)
{
    struct plumb_tensor *old = leaf->grad;
    if (g) tensor_keep(g);
    retire(old);
    leaf->grad = g;
}

static enum err give(const struct tape_node *n, int slot, struct plumb_tensor *g,
                     struct tape_gifts *gifts)
{
    const struct op_call *c = n->call;
    const struct tape_slot *to = &n->slot[slot];
    char want[TENSOR_TEXT], got[TENSOR_TEXT];
    const struct plumb_tensor *t = to->tensor;
    if (!view_same_shape(&t->view, &g->view) || t->view.dtype != g->view.dtype)
        FAIL(ERR_USAGE, "the gradient rule of %s gave %s for tensor %d, which is %s", c->op->s.name,
             tensor_text(g, got), slot, tensor_text(t, want));
    if (!to->made_by)
        return gifts ? list_gift(gifts, to->tensor, g) : accumulate_leaf(to->tensor, g);
    TRY(check_walk(to->made_by));
    return accumulate(&to->made_by->grad[to->result], g);
}

/* The tensor as the call saw it: overwritten since, it is one that no operator reads; kept since,
 * it still wants its gradient. */
static enum err as_it_was(struct plumb_tensor **t, uint32_t version, bool wants)
{
    struct plumb_tensor *copy;
    if (!*t) return ERR_OK;
    bool stale = version_of(*t) != version;
    if (!stale && (*t)->requires_grad == wants) return ERR_OK;
    TRY(tensor_view(*t, &(*t)->view, &copy));
    copy->requires_grad = wants;
    copy->stale = stale;
    *t = copy;
    return ERR_OK;
}

static enum err step_back(struct tape_node *n, struct tape_gifts *gifts)
{
    struct op_call *c = n->call;
    int slots = n_slots(c);
    struct plumb_tensor **grad = arena_array(c->arena, (size_t)slots + 1, sizeof *grad);
    if (!grad) FAIL(ERR_NOMEM, "out of memory for gradients");
    for (int i = 0; i < slots; i++)
        TRY(as_it_was(slot_of(c, i), n->slot[i].version, n->slot[i].wants));
    for (int r = 0; r < c->n_results; r++)
        if (c->result[r]) TRY(as_it_was(&c->result[r], n->version[r], c->result[r]->requires_grad));
    enum err err = c->op->grad(c, n->grad, grad);
    if (err) return err_wrap(err, "gradient of %s: ", c->op->s.name);
    for (int i = 0; i < slots; i++)
        if (n->slot[i].wants && grad[i]) TRY(give(n, i, grad[i], gifts));
    return ERR_OK;
}

/* What a trace notes of calls that are made on behalf of one that is walked back. */
static enum err traced_step(struct tape_node *n, struct tape_gifts *gifts)
{
    struct trace *t = thread_self.trace;
    if (t) t->forward = n->traced;
    enum err err = step_back(n, gifts);
    if (t) t->forward = GRAPH_NONE;
    return err;
}

static bool has_gradient(const struct tape_node *n)
{
    for (int r = 0; r < n->call->n_results; r++)
        if (n->grad[r]) return true;
    return false;
}

/* Calls that were walked leave the tape, so that another loss can be walked from what is left;
 * after a
 * failure nothing stays behind of the gradients on their way. */
static enum err walk_frame(struct frame *f, struct tape_gifts *gifts, enum err err)
{
    struct tape_node **at = &f->tape, *n;
    while ((n = *at)) {
        if (!has_gradient(n)) {
            at = &n->older;
            continue;
        }
        n->done = true;
        if (!err) err = traced_step(n, gifts);
        *at = n->older;
    }
    return err;
}

/* From the innermost frame outwards: what was made in a frame uses no younger one's. */
static enum err walk_back(const struct frame *last, struct tape_gifts *gifts, enum err err)
{
    for (struct frame *f = thread_self.frame; f; f = f == last ? NULL : f->outer)
        err = walk_frame(f, gifts, err);
    return err;
}

static enum err begin_at(struct plumb_tensor *y, struct plumb_tensor *g)
{
    return g ? accumulate(&y->made_by->grad[y->result], g) : ERR_USAGE;
}

/* Calls of gradient rules, and the additions between them, are not kept on the tape. */
static void begin_walk(void)
{
    thread_self.no_grad++;
    if (thread_self.trace) thread_self.trace->phase = GRAPH_BACKWARD;
}
static void end_walk(void)
{
    thread_self.no_grad--;
    if (thread_self.trace) thread_self.trace->phase = GRAPH_FORWARD;
}

enum err tape_gradients(struct plumb_tensor *const *y, struct plumb_tensor *const *tangent, int n,
                        const struct frame *last, struct tape_gifts *out)
{
    enum err err = ERR_OK;
    for (int i = 0; i < n; i++)
        if (tangent[i]) TRY(check_walk(y[i]->made_by));
    begin_walk();
    for (int i = 0; i < n && !err; i++)
        if (tangent[i]) err = begin_at(y[i], tangent[i]);
    err = walk_back(last, out, err);
    end_walk();
    return err;
}

static enum err backward(struct plumb_tensor *loss)
{
    char text[TENSOR_TEXT];
    struct trace *trace = thread_self.trace;
    TRY(thread_check("plumb_backward"));
    if (trace && !loss->storage->fake)
        return trace_break(trace, "gradients were asked for of what another function computed");
    if (view_count(&loss->view) != 1)
        FAIL(ERR_USAGE, "plumb_backward: %s was given; a tensor of one element is accepted",
             tensor_text(loss, text));
    if (!loss->made_by)
        FAIL(ERR_USAGE, "plumb_backward: nothing that wants gradients led to this tensor");
    TRY(check_walk(loss->made_by));
    begin_walk();
    enum err err = begin_at(loss, plumb_ones_like(loss, (enum plumb_dtype)0));
    err = walk_back(NULL, NULL, err);
    end_walk();
    return err;
}

int plumb_backward(struct plumb_tensor *loss)
{
    if (!loss) return -1;
    return api_ok(backward(loss)) ? 0 : -1;
}

struct plumb_tensor *plumb_grad(const struct plumb_tensor *t)
{
    if (t && thread_self.trace) return trace_grad(thread_self.trace, t);
    return t ? t->grad : NULL;
}

void plumb_zero_grad(struct plumb_tensor *t)
{
    if (!t) return;
    if (thread_self.trace) {
        trace_zero_grad(thread_self.trace, t);
        return;
    }
    retire(t->grad);
    t->grad = NULL;
}

void plumb_no_grad_begin(void)
{
    thread_self.no_grad++;
}
void plumb_no_grad_end(void)
{
    if (thread_self.no_grad) thread_self.no_grad--;
}
