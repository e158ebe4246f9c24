/* tape.c - gradients: calls kept in order, and walked back by the gradient rules of ops.def.
 *
 * The tape of a frame is a list, newest call first. A call is kept when gradients are wanted for
 * one of its
 * tensors and its operator has a rule. Walking back, a call's gradients are complete when it is
 * met, as all that used its results
 * is newer. A tensor whose storage was written since it was saved stands on the tape as a stale
 * one: rules that
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
        if (v->kind == OP_TEXT) v->s = arena_copy(a, span_of(v->s)).p;
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

/* Written in place, a tensor becomes the result of the newest call; on the tape stands what it
 * was. */
static enum err rebase_written(struct op_call *c, int r)
{
    int arg = c->op->s.result_list ? -1 : c->op->s.result_arg[r];
    if (arg < 0) return ERR_OK;
    struct plumb_tensor *now = c->arg[arg].t, *before;
    if (now->requires_grad && !now->made_by)
        return op_fail(c, arg,
                       "a leaf that wants gradients was written in place; do it between "
                       "plumb_no_grad_begin and plumb_no_grad_end");
    TRY(tensor_view(now, &now->view, &before));
    before->requires_grad = now->requires_grad;
    before->made_by = now->made_by;
    before->result = now->result;
    c->arg[arg].t = before;
    return ERR_OK;
}

enum err tape_add(struct thread *t, const struct op_call *c, uint64_t number)
{
    struct arena *a = &t->frame->arena;
    struct tape_node *n = arena_alloc(a, sizeof *n);
    int slots = n_slots(c);
    if (!n) FAIL(ERR_NOMEM, "out of memory for the tape");
    TRY(copy_call(a, c, &n->call));
    for (int r = 0; r < c->n_results; r++) TRY(rebase_written(n->call, r));
    n->grad = arena_array(a, (size_t)c->n_results, sizeof *n->grad);
    n->version = arena_array(a, (size_t)(slots + c->n_results), sizeof *n->version);
    if (!n->grad || !n->version) FAIL(ERR_NOMEM, "out of memory for the tape");
    for (int i = 0; i < slots; i++) n->version[i] = version_of(*slot_of(n->call, i));
    for (int r = 0; r < c->n_results; r++) {
        struct plumb_tensor *y = c->result[r];
        n->version[slots + r] = version_of(y);
        if (!y) continue;
        enum dtype_kind kind = dtype_kind(y->view.dtype);
        if (kind != DTYPE_FLOAT && kind != DTYPE_COMPLEX) continue;
        y->requires_grad = true;
        y->made_by = n;
        y->result = r;
    }
    n->number = number;
    n->older = t->frame->tape;
    t->frame->tape = n;
    return ERR_OK;
}

/* ---- walking back ---- */

static enum err accumulate(struct plumb_tensor **into, struct plumb_tensor *g)
{
    struct plumb_tensor *sum = *into ? plumb_add(*into, g) : g;
    if (!sum) return ERR_USAGE;
    *into = sum;
    return ERR_OK;
}

/* A leaf's gradient lives as long as the leaf. The first one is cloned: it may be shared. */
static enum err accumulate_leaf(struct plumb_tensor *leaf, struct plumb_tensor *g)
{
    struct plumb_tensor *old = leaf->grad, *sum = old ? plumb_add(old, g) : plumb_clone(g);
    if (!sum) return ERR_USAGE;
    tensor_keep(sum);
    if (old) tensor_free(old);
    leaf->grad = sum;
    return ERR_OK;
}

static enum err walked(const struct tape_node *n)
{
    FAIL(ERR_USAGE, "the result of %s was walked back already; a loss is walked once",
         n->call->op->s.name);
}

static enum err give(const struct op_call *c, int slot, struct plumb_tensor *t,
                     struct plumb_tensor *g)
{
    char want[TENSOR_TEXT], got[TENSOR_TEXT];
    if (!view_same_shape(&t->view, &g->view) || t->view.dtype != g->view.dtype)
        FAIL(ERR_USAGE, "the gradient rule of %s gave %s for tensor %d, which is %s", c->op->s.name,
             tensor_text(g, got), slot, tensor_text(t, want));
    if (t->made_by && t->made_by->done) return walked(t->made_by);
    if (t->made_by) return accumulate(&t->made_by->grad[t->result], g);
    return accumulate_leaf(t, g);
}

/* What was overwritten since stands as a tensor that no operator reads. */
static enum err mark_stale(struct plumb_tensor **t, uint32_t version)
{
    struct plumb_tensor *copy;
    if (!*t || version_of(*t) == version) return ERR_OK;
    TRY(tensor_view(*t, &(*t)->view, &copy));
    copy->requires_grad = (*t)->requires_grad;
    copy->made_by = (*t)->made_by;
    copy->result = (*t)->result;
    copy->stale = true;
    *t = copy;
    return ERR_OK;
}

static enum err step_back(struct tape_node *n)
{
    struct op_call *c = n->call;
    int slots = n_slots(c);
    struct plumb_tensor **grad = arena_array(c->arena, (size_t)slots + 1, sizeof *grad);
    if (!grad) FAIL(ERR_NOMEM, "out of memory for gradients");
    for (int i = 0; i < slots; i++) TRY(mark_stale(slot_of(c, i), n->version[i]));
    for (int r = 0; r < c->n_results; r++) TRY(mark_stale(&c->result[r], n->version[slots + r]));
    enum err err = c->op->grad(c, n->grad, grad);
    if (err) return err_wrap(err, "gradient of %s: ", c->op->s.name);
    for (int i = 0; i < slots; i++) {
        struct plumb_tensor *t = *slot_of(c, i);
        if (t && t->requires_grad && grad[i]) TRY(give(c, i, t, grad[i]));
    }
    return ERR_OK;
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
static enum err walk_frame(struct frame *f, enum err err)
{
    struct tape_node **at = &f->tape, *n;
    while ((n = *at)) {
        if (!has_gradient(n)) {
            at = &n->older;
            continue;
        }
        *at = n->older;
        n->done = true;
        if (!err) err = step_back(n);
    }
    return err;
}

/* From the innermost frame outwards: what was made in a frame uses no younger one's. */
static enum err walk_back(struct plumb_tensor *loss, struct plumb_tensor *one)
{
    enum err err = ERR_OK;
    loss->made_by->grad[loss->result] = one;
    for (struct frame *f = thread_self.frame; f; f = f->outer) err = walk_frame(f, err);
    return err;
}

static enum err backward(struct plumb_tensor *loss)
{
    char text[TENSOR_TEXT];
    TRY(thread_check("plumb_backward"));
    if (view_count(&loss->view) != 1)
        FAIL(ERR_USAGE, "plumb_backward: %s was given; a tensor of one element is accepted",
             tensor_text(loss, text));
    if (!loss->made_by)
        FAIL(ERR_USAGE, "plumb_backward: nothing that wants gradients led to this tensor");
    if (loss->made_by->done) return walked(loss->made_by);
    thread_self.no_grad++;
    struct plumb_tensor *one = plumb_ones_like(loss, (enum plumb_dtype)0);
    enum err err = one ? walk_back(loss, one) : ERR_USAGE;
    thread_self.no_grad--;
    return err;
}

int plumb_backward(struct plumb_tensor *loss)
{
    if (!loss) return -1;
    return api_ok(backward(loss)) ? 0 : -1;
}

struct plumb_tensor *plumb_grad(const struct plumb_tensor *t)
{
    return t ? t->grad : NULL;
}

void plumb_zero_grad(struct plumb_tensor *t)
{
    if (!t) return;
    tensor_free(t->grad);
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
