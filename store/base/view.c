/* view.c - views made, asked and walked. Overflow is checked where a view is made, never later. */
#include "store/base/view.h"

#include <stdio.h>

static char *list_text(const int64_t *list, int n, char out[VIEW_TEXT])
{
    size_t used = (size_t)snprintf(out, VIEW_TEXT, "[");
    for (int d = 0; d < n && used < VIEW_TEXT - 24; d++)
        used += (size_t)snprintf(out + used, VIEW_TEXT - used, "%s%lld", d ? ", " : "",
                                 (long long)list[d]);
    snprintf(out + used, VIEW_TEXT - used, "]");
    return out;
}
char *view_shape_text(const struct view_shape *shape, char out[VIEW_TEXT])
{
    return list_text(shape->size, shape->n, out);
}

static enum err check_shape(enum dtype dtype, const struct view_shape *shape)
{
    char text[VIEW_TEXT];
    int64_t n = (int64_t)dtype_size(dtype);
    bool empty = false, too_many = false;
    if (shape->n < 0 || shape->n > VIEW_DIMS)
        FAIL(ERR_LIMIT, "%d dimensions; there may be up to %d", shape->n, VIEW_DIMS);
    for (int d = 0; d < shape->n; d++) {
        if (shape->size[d] < 0)
            FAIL(ERR_USAGE, "shape %s has the negative size %lld in dimension %d",
                 view_shape_text(shape, text), (long long)shape->size[d], d);
        empty |= shape->size[d] == 0;
        too_many |= __builtin_mul_overflow(n, shape->size[d] ? shape->size[d] : 1, &n);
    }
    if (too_many && !empty)
        FAIL(ERR_LIMIT, "shape %s of %s has more than 2^63 - 1 bytes", view_shape_text(shape, text),
             dtype_name(dtype));
    return ERR_OK;
}

enum err view_dense(enum dtype dtype, const struct view_shape *shape, struct view *out)
{
    char text[VIEW_TEXT];
    int64_t n = 1;
    TRY(check_shape(dtype, shape));
    struct view v = {.dtype = dtype, .shape = *shape};
    for (int d = shape->n - 1; d >= 0; d--) {
        v.stride[d] = n;
        if (d && __builtin_mul_overflow(n, shape->size[d] ? shape->size[d] : 1, &n))
            FAIL(ERR_LIMIT, "the strides of shape %s exceed 2^63 - 1",
                 view_shape_text(shape, text));
    }
    *out = v;
    return ERR_OK;
}

/* The byte after the last element; false when it is beyond 2^63 - 1. */
static bool end_of(const struct view *v, int64_t *end)
{
    int64_t at = v->offset, reach;
    for (int d = 0; d < v->shape.n; d++)
        if (__builtin_mul_overflow(v->shape.size[d] - 1, v->stride[d], &reach) ||
            __builtin_add_overflow(at, reach, &at))
            return false;
    return !__builtin_add_overflow(at, 1, &at) &&
           !__builtin_mul_overflow(at, (int64_t)dtype_size(v->dtype), end);
}

enum err view_strided(enum dtype dtype, const struct view_shape *shape, const int64_t *stride,
                      int64_t offset, struct view *out)
{
    char sizes[VIEW_TEXT], strides[VIEW_TEXT];
    int64_t end;
    TRY(check_shape(dtype, shape));
    struct view v = {.dtype = dtype, .shape = *shape, .offset = offset};
    if (offset < 0) FAIL(ERR_USAGE, "offset %lld is negative", (long long)offset);
    for (int d = 0; d < shape->n; d++) {
        v.stride[d] = stride[d];
        if (stride[d] < 0)
            FAIL(ERR_USAGE, "strides %s: %lld of dimension %d is negative",
                 list_text(stride, shape->n, strides), (long long)stride[d], d);
    }
    if (view_count(&v) && !end_of(&v, &end))
        FAIL(ERR_LIMIT, "shape %s with strides %s and offset %lld reaches beyond 2^63 - 1 bytes",
             view_shape_text(shape, sizes), list_text(stride, shape->n, strides),
             (long long)offset);
    *out = v;
    return ERR_OK;
}

enum err view_check_storage(const struct view *v, int64_t storage_size)
{
    char sizes[VIEW_TEXT], strides[VIEW_TEXT];
    int64_t first, end;
    view_extent(v, &first, &end);
    if (first != end && end > storage_size)
        FAIL(
            ERR_USAGE,
            "%s of shape %s, strides %s and offset %lld needs %lld bytes, but its storage has %lld",
            dtype_name(v->dtype), view_shape_text(&v->shape, sizes),
            list_text(v->stride, v->shape.n, strides), (long long)v->offset, (long long)end,
            (long long)storage_size);
    return ERR_OK;
}

int64_t view_count(const struct view *v)
{
    int64_t n = 1;
    for (int d = 0; d < v->shape.n; d++)
        if (v->shape.size[d] == 0) return 0;
    for (int d = 0; d < v->shape.n; d++) n *= v->shape.size[d];
    return n;
}
int64_t view_n_bytes(const struct view *v)
{
    return view_count(v) * (int64_t)dtype_size(v->dtype);
}

void view_extent(const struct view *v, int64_t *first, int64_t *end)
{
    *first = *end = 0;
    if (view_count(v) == 0) return;
    *first = v->offset * (int64_t)dtype_size(v->dtype);
    REQUIRE("view:extent", end_of(v, end));
}

bool view_is_contiguous(const struct view *v)
{
    int64_t n = 1;
    if (view_count(v) == 0) return true;
    for (int d = v->shape.n - 1; d >= 0; d--) {
        if (v->shape.size[d] != 1 && v->stride[d] != n) return false;
        n *= v->shape.size[d];
    }
    return true;
}

bool view_same_shape(const struct view *a, const struct view *b)
{
    size_t bytes = (size_t)a->shape.n * sizeof *a->shape.size;
    return a->shape.n == b->shape.n && !memcmp(a->shape.size, b->shape.size, bytes);
}

bool view_same_elements(const struct view *a, const struct view *b)
{
    if (!view_same_shape(a, b) || a->dtype != b->dtype) return false;
    if (view_count(a) == 0) return true;
    for (int d = 0; d < a->shape.n; d++)
        if (a->shape.size[d] > 1 && a->stride[d] != b->stride[d]) return false;
    return a->offset == b->offset;
}

int64_t view_at(const struct view *v, int64_t index)
{
    int64_t at = v->offset;
    for (int d = v->shape.n - 1; d >= 0; d--) {
        at += index % v->shape.size[d] * v->stride[d];
        index /= v->shape.size[d];
    }
    return at;
}

/* Appends a dimension, joined to the last one where that one continues it. */
static void walk_add(struct view_walk *w, int64_t size, int64_t stride)
{
    int last = w->n - 1;
    if (size == 1) return;
    if (last >= 0 && w->stride[last] / size == stride && w->stride[last] == size * stride) {
        w->size[last] *= size;
        w->stride[last] = stride;
        return;
    }
    w->size[w->n] = size;
    w->stride[w->n++] = stride;
}

void view_walk_begin(struct view_walk *w, const struct view *v, int64_t first, int64_t n)
{
    int64_t rest = first;
    *w = (struct view_walk){.at = (uint64_t)v->offset, .left = n};
    if (n == 0) return;
    for (int d = 0; d < v->shape.n; d++) walk_add(w, v->shape.size[d], v->stride[d]);
    if (w->n == 0) w->size[w->n++] = 1;
    for (int d = w->n - 1; d >= 0; d--) {
        w->index[d] = rest % w->size[d];
        rest /= w->size[d];
        w->at += (uint64_t)(w->index[d] * w->stride[d]);
    }
}

/* The innermost index reached its end: carry into the outer ones. */
static void walk_carry(struct view_walk *w)
{
    for (int d = w->n - 1; d > 0 && w->index[d] == w->size[d]; d--) {
        w->at += (uint64_t)w->stride[d - 1] - (uint64_t)w->size[d] * (uint64_t)w->stride[d];
        w->index[d] = 0;
        w->index[d - 1]++;
    }
}

bool view_walk_next(struct view_walk *w, int64_t most, struct view_run *out)
{
    int last = w->n - 1;
    if (w->left == 0) return false;
    int64_t n = w->size[last] - w->index[last];
    if (n > w->left) n = w->left;
    if (n > most) n = most;
    *out = (struct view_run){(int64_t)w->at, n, w->stride[last]};
    w->left -= n;
    w->at += (uint64_t)n * (uint64_t)w->stride[last]; /* may be beyond the last element */
    w->index[last] += n;
    walk_carry(w);
    return true;
}
