/* shape_make.c - shapes of operators that make values: casts, copies, factories, random numbers. */
#include "runtime/shape.h"

#include <math.h>
#include <string.h>

/* ---- casts and copies ---- */

/* The dtype argument, or what stands for none. */
static enum dtype asked_dtype(const struct op_call *c, enum dtype otherwise)
{
    const struct op_value *v = &c->arg[op_arg(c, "dtype")];
    return v->kind == OP_DTYPE ? (enum dtype)v->i : otherwise;
}

/* Values enter in their own dtype and are cast by the store (dtype.h). */
enum err shape_to_copy(struct op_call *c)
{
    c->compute = c->arg[0].t->view.dtype;
    c->dtype[0] = asked_dtype(c, c->compute);
    return shape_broadcast(c);
}

enum err shape_copy_(struct op_call *c)
{
    const struct view *to = &c->arg[0].t->view, *from = &c->arg[1].t->view;
    char a[VIEW_TEXT], b[VIEW_TEXT];
    struct view wide;
    if (view_expand(from, &to->shape, &wide))
        return op_fail(c, 1, "shape %s does not broadcast to %s, which it is copied to",
                       view_shape_text(&from->shape, a), view_shape_text(&to->shape, b));
    c->compute = from->dtype;
    c->dtype[0] = to->dtype;
    c->plan.own[0] = true;
    return shape_pointwise(c, &to->shape);
}

/* ---- factories ---- */

static enum err made(struct op_call *c, enum dtype dtype, const struct view_shape *shape)
{
    TRY(op_check_dtype(c, op_arg(c, "dtype"), dtype, c->op->dtypes));
    c->compute = c->dtype[0] = dtype;
    return shape_pointwise(c, shape);
}

static enum err sizes(const struct op_call *c, int arg, struct view_shape *out)
{
    const struct op_value *v = &c->arg[arg];
    if (v->n > VIEW_DIMS)
        return op_fail(c, arg, "%d dimensions were given; up to %d are accepted", v->n, VIEW_DIMS);
    *out = (struct view_shape){.n = v->n};
    for (int i = 0; i < v->n; i++) {
        if (v->is[i] < 0)
            return op_fail(c, arg, "size %lld is negative; 0 and more are accepted",
                           (long long)v->is[i]);
        out->size[i] = v->is[i];
    }
    return ERR_OK;
}

static enum err make_sized(struct op_call *c, enum dtype otherwise)
{
    struct view_shape shape;
    TRY(sizes(c, op_arg(c, "size"), &shape));
    return made(c, asked_dtype(c, otherwise), &shape);
}

enum err shape_factory(struct op_call *c)
{
    return make_sized(c, DTYPE_F32);
}

enum err shape_full(struct op_call *c)
{
    return make_sized(c, c->arg[1].is_int ? DTYPE_I64 : DTYPE_F32);
}

enum err shape_scalar_tensor(struct op_call *c)
{
    return made(c, asked_dtype(c, DTYPE_F32), &(struct view_shape){0});
}

enum err shape_like(struct op_call *c)
{
    const struct view *v = &c->arg[0].t->view;
    c->plan.own[0] = true;
    return made(c, asked_dtype(c, v->dtype), &v->shape);
}

enum err run_nothing(struct op_call *c)
{
    (void)c;
    return ERR_OK;
}

/* How many steps from start lie before end. */
static enum err count_steps(const struct op_call *c, const struct op_value *start,
                            const struct op_value *end, const struct op_value *step, int64_t *out)
{
    int last = op_arg(c, "end");
    bool whole = start->is_int && end->is_int && step->is_int;
    if (!(step->r != 0) || !isfinite(step->r))
        return op_fail(c, op_arg(c, "step"), "%g was given; a finite step other than 0 is needed",
                       step->r);
    __int128 far = whole ? (__int128)end->i - start->i : 0, by = whole ? step->i : 1;
    bool away = whole ? far && (far < 0) != (by < 0) : (end->r - start->r) / step->r < 0;
    if (!isfinite(start->r) || !isfinite(end->r) || away)
        return op_fail(c, last, "%g does not lie %g steps or more from %g; it is to be reached",
                       end->r, 0.0, start->r);
    double n = ceil((end->r - start->r) / step->r);
    if (n > 0x1p62)
        return op_fail(c, last, "%g elements lie before it; 2^62 are accepted at most", n);
    *out = (int64_t)n;
    if (whole) *out = (int64_t)(by > 0 ? (far + by - 1) / by : (far + by + 1) / by);
    return ERR_OK;
}

enum err shape_arange(struct op_call *c)
{
    struct op_value start = {.is_int = true}, step = {.is_int = true, .i = 1, .r = 1};
    int end = op_arg(c, "end"), dtype = op_arg(c, "dtype");
    struct view_shape shape = {.n = 1};
    if (end > 0) start = c->arg[0];
    if (dtype > end + 1) step = c->arg[end + 1];
    TRY(count_steps(c, &start, &c->arg[end], &step, &shape.size[0]));
    bool whole = start.is_int && step.is_int && c->arg[end].is_int;
    return made(c, asked_dtype(c, whole ? DTYPE_I64 : DTYPE_F32), &shape);
}

/* ---- random numbers ---- */

enum err shape_randint(struct op_call *c)
{
    int high = op_arg(c, "high");
    int64_t low = high ? c->arg[0].i : 0;
    __int128 range = (__int128)c->arg[high].i - low;
    if (range < 1 || range > UINT32_MAX)
        return op_fail(c, high, "%lld after low %lld was given; 1 to 2^32 - 1 more is accepted",
                       (long long)c->arg[high].i, (long long)low);
    return make_sized(c, DTYPE_I64);
}

enum err shape_random_(struct op_call *c)
{
    const struct op_value *a = &c->arg[1], *b = &c->arg[2];
    bool uniform = !strcmp(c->op->s.param[1].name, "from"); /* to; else mean, std */
    if (uniform && !(a->r <= b->r))
        return op_fail(c, 1, "from %g and to %g were given; from is not to be greater", a->r, b->r);
    if (!uniform && !(b->r >= 0))
        return op_fail(c, 2, "%g was given; a deviation of 0 and more is accepted", b->r);
    return shape_broadcast(c);
}

static enum err check_probability(const struct op_call *c, int arg)
{
    double p = c->arg[arg].r;
    if (p >= 0 && p <= 1) return ERR_OK;
    return op_fail(c, arg, "%g was given; a probability from 0 to 1 is accepted", p);
}

enum err shape_bernoulli(struct op_call *c)
{
    TRY(check_probability(c, 1));
    return shape_broadcast(c);
}

enum err shape_native_dropout(struct op_call *c)
{
    bool train = c->arg[2].kind == OP_NONE || c->arg[2].i;
    TRY(check_probability(c, 1));
    c->compute = c->dtype[0] = c->arg[0].t->view.dtype;
    c->dtype[1] = DTYPE_B8;
    TRY(op_check_dtype(c, 0, c->compute, c->op->dtypes));
    c->body = train ? "keep = uniform(linear) < 1 - p;"
                      "out = input * where(keep, 1 / (1 - p), 0); out1 = keep"
                    : "out = input; out1 = linear == linear";
    return shape_broadcast(c);
}
