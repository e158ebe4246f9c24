/* view_make.c - views out of views: broadcast, expand, permute, slice, select. */
#include "store/base/view.h"

#include <stdio.h>

/* Adds a shape to the common one, matched from the last dimension. */
static enum err broadcast_one(struct view_shape *all, const struct view_shape *one)
{
    char a[VIEW_TEXT], b[VIEW_TEXT];
    int more = one->n > all->n ? one->n - all->n : 0;
    struct view_shape joint = {.n = all->n + more};
    for (int d = 0; d < joint.n; d++) joint.size[d] = d < more ? 1 : all->size[d - more];
    for (int d = 1; d <= one->n; d++) {
        int64_t *size = &joint.size[joint.n - d], other = one->size[one->n - d];
        if (*size != other && *size != 1 && other != 1)
            FAIL(ERR_USAGE,
                 "shapes %s and %s do not broadcast: sizes %lld and %lld of dimension %d, counted "
                 "from the end, are to be equal or 1",
                 view_shape_text(all, a), view_shape_text(one, b), (long long)*size,
                 (long long)other, -d);
        if (*size == 1) *size = other;
    }
    *all = joint;
    return ERR_OK;
}

enum err view_broadcast(const struct view *const *v, int n, struct view_shape *out)
{
    struct view_shape all = {0};
    for (int i = 0; i < n; i++) TRY(broadcast_one(&all, &v[i]->shape));
    *out = all;
    return ERR_OK;
}

/* The size that dimension d is expanded to, or an error. */
static enum err expanded_size(const struct view *v, const struct view_shape *to, int d,
                              int64_t *out)
{
    char a[VIEW_TEXT], b[VIEW_TEXT];
    int own = d - (to->n - v->shape.n);
    int64_t size = own < 0 ? 1 : v->shape.size[own], want = to->size[d];
    *out = want == -1 && own >= 0 ? size : want;
    if (*out < 0 || (*out != size && size != 1))
        FAIL(ERR_USAGE,
             "shape %s cannot be expanded to %s: size %lld of dimension %d would be %lld, and only "
             "a size of 1 grows",
             view_shape_text(&v->shape, a), view_shape_text(to, b), (long long)size, d,
             (long long)want);
    return ERR_OK;
}

enum err view_expand(const struct view *v, const struct view_shape *to, struct view *out)
{
    char a[VIEW_TEXT], b[VIEW_TEXT];
    struct view_shape shape = {.n = to->n};
    int64_t stride[VIEW_DIMS] = {0};
    if (to->n > VIEW_DIMS)
        FAIL(ERR_LIMIT, "%d dimensions; there may be up to %d", to->n, VIEW_DIMS);
    if (to->n < v->shape.n)
        FAIL(ERR_USAGE, "shape %s cannot be expanded to %s, which has fewer dimensions",
             view_shape_text(&v->shape, a), view_shape_text(to, b));
    for (int d = 0; d < to->n; d++) {
        int own = d - (to->n - v->shape.n);
        TRY(expanded_size(v, to, d, &shape.size[d]));
        if (own >= 0 && v->shape.size[own] == shape.size[d]) stride[d] = v->stride[own];
    }
    return view_strided(v->dtype, &shape, stride, v->offset, out);
}

enum err view_permute(const struct view *v, const int *order, int n, struct view *out)
{
    char text[VIEW_TEXT];
    struct view made = *v;
    unsigned seen = 0;
    if (n != v->shape.n)
        FAIL(ERR_USAGE, "a permutation of %d dimensions was given for shape %s, which has %d", n,
             view_shape_text(&v->shape, text), v->shape.n);
    for (int i = 0; i < n; i++) {
        int d = order[i] < 0 ? order[i] + n : order[i];
        if (d < 0 || d >= n || seen & 1u << d)
            FAIL(ERR_USAGE,
                 "position %d of a permutation of shape %s is dimension %d; each of 0 to %d is to "
                 "occur once",
                 i, view_shape_text(&v->shape, text), order[i], n - 1);
        seen |= 1u << d;
        made.shape.size[i] = v->shape.size[d];
        made.stride[i] = v->stride[d];
    }
    *out = made;
    return ERR_OK;
}

static enum err check_dim(const struct view *v, int dim, int *out)
{
    char text[VIEW_TEXT];
    int n = v->shape.n;
    if (dim < -n || dim >= n)
        FAIL(ERR_USAGE, "shape %s has no dimension %d; there are %d",
             view_shape_text(&v->shape, text), dim, n);
    *out = dim < 0 ? dim + n : dim;
    return ERR_OK;
}

static int64_t cut(int64_t position, int64_t size)
{
    if (position < 0) position += size;
    return position < 0 ? 0 : position > size ? size : position;
}

enum err view_slice(const struct view *v, int dim, int64_t start, int64_t end, int64_t step,
                    struct view *out)
{
    char text[VIEW_TEXT];
    int64_t move;
    TRY(check_dim(v, dim, &dim));
    if (step < 1)
        FAIL(ERR_USAGE, "step %lld of a slice of dimension %d of shape %s; it is to be 1 or more",
             (long long)step, dim, view_shape_text(&v->shape, text));
    struct view made = *v;
    int64_t size = v->shape.size[dim], from = cut(start, size), to = cut(end, size);
    made.shape.size[dim] = to > from ? (to - from - 1) / step + 1 : 0;
    /* Neither matters, and either may be too large, where no second element is left. */
    if (!__builtin_mul_overflow(v->stride[dim], step, &move)) made.stride[dim] = move;
    if (view_count(&made)) made.offset += from * v->stride[dim];
    *out = made;
    return ERR_OK;
}

enum err view_select(const struct view *v, int dim, int64_t index, struct view *out)
{
    char text[VIEW_TEXT];
    TRY(check_dim(v, dim, &dim));
    struct view made = *v;
    int64_t size = v->shape.size[dim], at = index < 0 ? index + size : index;
    if (at < 0 || at >= size)
        FAIL(ERR_USAGE, "index %lld of dimension %d of shape %s; it has %lld", (long long)index,
             dim, view_shape_text(&v->shape, text), (long long)size);
    if (view_count(v)) made.offset += at * v->stride[dim];
    made.shape.n--;
    for (int d = dim; d < made.shape.n; d++) {
        made.shape.size[d] = v->shape.size[d + 1];
        made.stride[d] = v->stride[d + 1];
    }
    *out = made;
    return ERR_OK;
}
