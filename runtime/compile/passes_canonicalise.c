/* passes_canonicalise.c - forms that mean the same become one, where every bit stays.
 *
 *   same elements     views that show the same elements of one version are one value: transposes of
 *                     transposes, slices of all, aliases, detached ones. Nothing is computed.
 *   view of a view    taken of the first view's argument where the elements come out the same
 *   cast of a cast    a float widened first (f16 or bf16 to f32 or f64, f32 to f64) is cast at
 *                     once: widening is exact, and casts to 16 bits round through f32 anyway
 *                     (dtype.h). Not back to the first dtype: that keeps NaN payloads, the way
 *                     through the wider one makes NaN canonical.
 *   copy              clone, a cast to the same dtype, repeat by ones, flip of no dimension, cat of
 *                     one: the argument itself, where it lies alike (layout does the others).
 *                     Movement keeps bits.
 *   neutral number    x * 1, x / 1, x - 0, x + -0: x, and for integers x + 0. Floats only where x
 *                     was computed by a nest: a store makes its NaN canonical, as the operator's
 *                     store would. x + 0 is not x: -0 + 0 is +0. Complex is not taken: (inf + 0i)
 *                     * 1 has a NaN.
 */
#include "runtime/compile/passes.h"
#include "runtime/compile/rewrite.h"
#include "runtime/ops.h"

/* ---- views of views, casts of casts ---- */

/* The argument of the call that made node's argument 0, when that call is of `class` or `op`. */
static int argument_before(const struct graph *g, const struct graph_node *n)
{
    if (n->n_in < 1 || n->in[0] < 0) return GRAPH_NONE;
    const struct graph_value *v = &g->value.p[n->in[0]];
    if (v->maker < 0 || v->result != 0) return GRAPH_NONE;
    const struct graph_node *of = &g->node.p[v->maker];
    bool alike = n->op->class == OP_VIEW
                     ? of->op->class == OP_VIEW
                     : of->op == n->op && !of->writes_nothing && of->after[0] < 0;
    return alike && of->n_in == 1 ? of->in[0] : GRAPH_NONE;
}

/* Whether node i, of that argument, gives the views that it gives now. */
static bool gives_same(struct graph *g, int i, int argument)
{
    struct graph_node *n = &g->node.p[i];
    struct arena scratch = {0};
    struct op_call c;
    int old = n->in[0];
    n->in[0] = argument;
    bool same = !graph_op_call(g, i, &scratch, &c) && c.n_results == n->n_out;
    for (int r = 0; same && r < n->n_out; r++) {
        if (n->out[r] < 0) continue;
        const struct graph_value *v = &g->value.p[n->out[r]];
        struct view w = c.view[r];
        w.offset -= graph_shift(g, v->storage) / (int64_t)dtype_size(w.dtype);
        same = graph_same_view(&w, &v->view);
    }
    arena_release(&scratch);
    n->in[0] = old;
    return same;
}

static bool take_earlier_view(struct graph *g, int i)
{
    struct graph_node *n = &g->node.p[i];
    int before = argument_before(g, n);
    if (before < 0 || g->value.p[before].version != g->value.p[n->in[0]].version) return false;
    if (!gives_same(g, i, before)) return false;
    n->in[0] = before;
    return true;
}

static bool holds_exactly(enum dtype wide, enum dtype narrow)
{
    bool half = narrow == DTYPE_F16 || narrow == DTYPE_BF16;
    if (wide == DTYPE_F64) return half || narrow == DTYPE_F32;
    return wide == DTYPE_F32 && half;
}

static bool take_earlier_cast(struct graph *g, int i)
{
    struct graph_node *n = &g->node.p[i];
    int before = argument_before(g, n);
    if (before < 0 || !graph_holds(g, before, i)) return false;
    enum dtype first = g->value.p[before].view.dtype, mid = g->value.p[n->in[0]].view.dtype;
    enum dtype last = n->out[0] >= 0 ? g->value.p[n->out[0]].view.dtype : DTYPE_NONE;
    if (!holds_exactly(mid, first) || last == first || last == DTYPE_NONE) return false;
    n->in[0] = before;
    return true;
}

/* ---- calls that give their argument ---- */

static bool all_are(const struct op_value *v, int64_t what)
{
    for (int i = 0; i < v->n; i++)
        if (v->is[i] != what) return false;
    return true;
}

bool graph_is_copy(const struct graph_node *n)
{
    const struct op *op = n->op;
    if (op == op_at(OP_ID_clone) || op == op_at(OP_ID__to_copy)) return true;
    if (op == op_at(OP_ID_repeat)) return all_are(&n->arg[1], 1);
    if (op == op_at(OP_ID_flip)) return n->arg[1].n == 0;
    return op == op_at(OP_ID_cat) && n->n_in == 1;
}

/* Every NaN of it is the canonical one: computed and stored by a nest, or no float at all. */
static bool is_canonical(const struct graph *g, int value)
{
    const struct graph_value *v = &g->value.p[value];
    enum dtype_kind kind = dtype_kind(v->view.dtype);
    if (kind != DTYPE_FLOAT) return kind == DTYPE_SIGNED || kind == DTYPE_UNSIGNED;
    int maker = v->maker;
    while (maker >= 0 && g->node.p[maker].op->class == OP_VIEW) {
        int of = g->node.p[maker].in[0]; /* views have one tensor */
        if (g->value.p[of].view.dtype != v->view.dtype) return false;
        maker = g->value.p[of].maker;
    }
    if (maker < 0 || g->storage.p[v->storage].n_versions > 1) return false;
    const struct op *op = g->node.p[maker].op;
    return op->class == OP_NEST && !(op->flags & OP_MOVES);
}

enum neutral { NO_NUMBER, PLUS_ZERO, MINUS_ZERO, ONE };

static enum neutral neutral_of(const struct op_value *v)
{
    double r = v->is_int ? (double)v->i : v->r;
    if (v->kind != OP_SCALAR) return NO_NUMBER;
    if (r == 1) return ONE;
    if (r != 0) return NO_NUMBER;
    return __builtin_signbit(r) ? MINUS_ZERO : PLUS_ZERO;
}

/* x op number is x; `alpha`, where the operator has it, is 1. */
static bool is_neutral(const struct graph *g, const struct graph_node *n)
{
    const struct op *op = n->op;
    bool add = op == op_at(OP_ID_add_Scalar), sub = op == op_at(OP_ID_sub_Scalar);
    bool mul = op == op_at(OP_ID_mul_Scalar) || op == op_at(OP_ID_div_Scalar);
    if (!add && !sub && !mul) return false;
    if (!is_canonical(g, n->in[0])) return false;
    enum neutral number = neutral_of(&n->arg[1]);
    bool whole = dtype_kind(g->value.p[n->in[0]].view.dtype) != DTYPE_FLOAT;
    if (mul) return number == ONE;
    if (neutral_of(&n->arg[2]) != ONE) return false;
    if (whole) return number == PLUS_ZERO || number == MINUS_ZERO;
    return number == (add ? MINUS_ZERO : PLUS_ZERO);
}

static enum err give_argument(struct graph *g, struct graph_facts *f, int i, int *changed)
{
    const struct graph_node *n = &g->node.p[i];
    bool done = false;
    if (n->n_out != 1 || n->out[0] < 0 || n->n_in < 1 || n->in[0] < 0 || n->after[0] >= 0)
        return ERR_OK;
    if (!graph_is_copy(n) && !is_neutral(g, n)) return ERR_OK;
    const struct graph_value *x = &g->value.p[n->in[0]], *y = &g->value.p[n->out[0]];
    for (int d = 0; d < y->view.shape.n; d++)
        if (x->view.shape.n != y->view.shape.n || x->view.stride[d] != y->view.stride[d])
            return ERR_OK;
    TRY(graph_replace(g, f, n->out[0], n->in[0], &done));
    *changed += done;
    return ERR_OK;
}

static enum err canonicalise_node(struct graph *g, struct graph_facts *f, int i, int *changed)
{
    const struct op *op = g->node.p[i].op;
    if (op->class == OP_VIEW)
        while (take_earlier_view(g, i)) ++*changed;
    if (op == op_at(OP_ID__to_copy) && take_earlier_cast(g, i)) {
        int *last = &f->last_use[g->value.p[g->node.p[i].in[0]].storage];
        if (*last < i) *last = i;
        ++*changed;
    }
    return give_argument(g, f, i, changed);
}

enum err pass_canonicalise(struct graph *g, struct pass_result *out)
{
    struct arena arena = {0};
    struct graph_facts f;
    struct map seen = {0};
    enum err err = graph_facts_find(g, &arena, &f);
    for (size_t i = 0; !err && i < g->node.n; i++) {
        err = graph_unify(g, &seen, (int)i, &out->changed);
        if (!err) err = canonicalise_node(g, &f, (int)i, &out->changed);
    }
    map_release(&seen);
    arena_release(&arena);
    return err;
}
