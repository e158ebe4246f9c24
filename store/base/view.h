/* view.h - strided views: which elements of a storage, in which logical order.
 *
 *   element (i, j, ...)  lies at  offset + i * stride[0] + j * stride[1] + ...   elements
 *   logical order        row-major: the last index runs fastest, whatever the strides are
 *
 * Invariants of a view made here (every function expects and keeps them):
 *   1. sizes, strides and offset are not negative; at most VIEW_DIMS dimensions
 *   2. the number of elements fits an int64_t, and so does the byte after the last element
 * Overlap within a view (stride 0 of an expanded dimension, windows) is allowed; writers ask first.
 *
 * Threads: pure functions of their arguments. Memory: none is allocated. `out` may be `v`.
 */
#ifndef STORE_BASE_VIEW_H
#define STORE_BASE_VIEW_H

#include "store/base/dtype.h"

enum { VIEW_DIMS = 16, VIEW_TEXT = 24 * VIEW_DIMS };

struct view_shape {
    int n;                   /* dimensions */
    int64_t size[VIEW_DIMS]; /* elements */
};
struct view {
    enum dtype dtype;
    struct view_shape shape;
    int64_t stride[VIEW_DIMS]; /* elements */
    int64_t offset;            /* elements from the start of the storage */
};

/* "[2, 3]", or as much as fits; returns `out`. */
char *view_shape_text(const struct view_shape *shape, char out[VIEW_TEXT]);

/* Row-major and dense, at offset 0. ERR_LIMIT when it has too many dimensions, elements or bytes,
 * ERR_USAGE when a size is negative. */
WARN_UNUSED enum err view_dense(enum dtype dtype, const struct view_shape *shape, struct view *out);
/* Any strides and offset from outside, checked; errors as above. */
WARN_UNUSED enum err view_strided(enum dtype dtype, const struct view_shape *shape,
                                  const int64_t *stride, int64_t offset, struct view *out);
/* ERR_USAGE, with shape, strides and sizes, when the view reaches beyond a storage of that size. */
WARN_UNUSED enum err view_check_storage(const struct view *v, int64_t storage_size);

int64_t view_count(const struct view *v);   /* elements, expanded ones counted each time */
int64_t view_n_bytes(const struct view *v); /* view_count times the size of an element */
/* Bytes [*first, *end) of the storage that hold all elements; an empty view holds none. */
void view_extent(const struct view *v, int64_t *first, int64_t *end);
/* Row-major without gaps. Strides of dimensions of size 1 and of empty views do not matter. */
bool view_is_contiguous(const struct view *v);
bool view_same_shape(const struct view *a, const struct view *b);
/* The same elements in the same order: in-place use is safe. */
bool view_same_elements(const struct view *a, const struct view *b);
/* Where the element with that logical index lies, in elements; 0 <= index < view_count. */
int64_t view_at(const struct view *v, int64_t index);

/* The shape that all broadcast to: dimensions are matched from the last, sizes equal or 1.
 * ERR_USAGE names both shapes. */
WARN_UNUSED enum err view_broadcast(const struct view *const *v, int n, struct view_shape *out);
/* To a shape that v broadcasts to; -1 keeps the size of a dimension that v has. */
WARN_UNUSED enum err view_expand(const struct view *v, const struct view_shape *to,
                                 struct view *out);
/* Dimension i of *out is dimension order[i] of v; n is to equal v's dimensions. */
WARN_UNUSED enum err view_permute(const struct view *v, const int *order, int n, struct view *out);
/* As t[start:end:step] in Python: negative positions count from the end, both are cut to the size;
 * INT64_MAX as end means all. step >= 1. */
WARN_UNUSED enum err view_slice(const struct view *v, int dim, int64_t start, int64_t end,
                                int64_t step, struct view *out);
/* Without dimension dim, at one index of it. */
WARN_UNUSED enum err view_select(const struct view *v, int dim, int64_t index, struct view *out);

/* Walks a view in logical order by runs of equal distance. Dimensions that continue one another
 * are joined first, so a contiguous view is one run. */
struct view_walk {
    int n; /* joined dimensions, at least 1 */
    int64_t size[VIEW_DIMS];
    int64_t stride[VIEW_DIMS];
    int64_t index[VIEW_DIMS];
    uint64_t at;  /* elements: where the next element lies */
    int64_t left; /* elements to come */
};
struct view_run {
    int64_t at;     /* elements: the first one */
    int64_t n;      /* elements */
    int64_t stride; /* elements from one to the next */
};
/* From logical index `first` on, `n` elements; first + n <= view_count. */
void view_walk_begin(struct view_walk *w, const struct view *v, int64_t first, int64_t n);
/* The next run, of at most `most` elements; false at the end. */
bool view_walk_next(struct view_walk *w, int64_t most, struct view_run *out);

/* An answer MAY_OVERLAP is a precaution: the search was given up after VIEW_OVERLAP_STEPS steps. A
 * single view with at most two dimensions above size 1, and all that permute, slice, select and
 * expand make of a dense view, is always decided. */
enum view_overlap { VIEW_APART, VIEW_OVERLAPS, VIEW_MAY_OVERLAP };
enum { VIEW_OVERLAP_STEPS = 2000 };
/* Whether two indices of one view share an element. */
enum view_overlap view_overlap_self(const struct view *v);
/* Whether two views of one storage share a byte; their dtypes may differ. */
enum view_overlap view_overlap(const struct view *a, const struct view *b);

#endif
