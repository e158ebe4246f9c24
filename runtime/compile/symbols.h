/* symbols.h - sizes of inputs that may differ from call to call, and what is said with them.
 *
 *   f32[8, 16][16, 1]  ─►  f32[s0, s1][s1, 1]
 *
 *   symbol    a size of 2 or more that was asked for; equal sizes are one symbol ("duck shaping"),
 *             so a call in which they differ is another entry
 *   product   a number times symbols: a stride is one of strides and sizes of its own tensor.
 *             A stride that is not (of a slice of columns) is a symbol of its own
 *   fixed     a size that was asked for but is 0 or 1: those mean another program (broadcasting,
 *             nothing to do), as in PyTorch, and stay numbers
 *
 * Memory: lists; nothing else is allocated.
 */
#ifndef RUNTIME_COMPILE_SYMBOLS_H
#define RUNTIME_COMPILE_SYMBOLS_H

#include "runtime/tensor.h"
#include "store/base/buf.h"
#include "store/base/lists.h"

/* Where a number is read: the size, or the stride, of dimension `dim` of input `place`. */
struct symbol_source {
    int place, dim;
    bool stride;
};
struct symbol {
    struct symbol_source from;
    int64_t hint; /* the first call's */
};
struct symbol_product {
    int64_t factor;
    int n;
    int16_t symbol[VIEW_DIMS]; /* numbers, rising; one twice is its square */
};
struct symbol_fixed {
    struct symbol_source from;
    int64_t value;
};
/* A dimension that was asked for. */
struct symbol_mark {
    int input, dim; /* below 0: counted from the end */
};
struct symbols {
    LIST_OF(struct symbol) symbol;
    LIST_OF(struct symbol_fixed) fixed;
    bool all;                         /* sizes are asked for, all of them */
    LIST_OF(struct symbol_mark) mark; /* or these */
};
/* Sizes and strides of one input. */
struct symbol_view {
    struct symbol_product size[VIEW_DIMS], stride[VIEW_DIMS];
};
/* The symbols of a call; `all` or `mark` is set. Release also after a failure. */
WARN_UNUSED enum err symbols_make(struct symbols *s, struct plumb_tensor *const *in, int n_in);
void symbols_release(struct symbols *s);
/* What input `place` of that call is, once they are made. */
void symbols_view(const struct symbols *s, const struct view *v, int place,
                  struct symbol_view *out);
/* Whether another call has the dimensions that symbols are read from; what they are in it. */
bool symbols_fit(const struct symbols *s, struct plumb_tensor *const *in, int n_in);
void symbols_read(const struct symbols *s, struct plumb_tensor *const *in, int64_t *out);
/* s0 = 8, s1 = 16 */
void symbols_values_text(const struct symbols *s, const int64_t *value, struct buf *out);
/* Whether a number is probably another one at other sizes: it is a symbol's hint, or the product of
 * two. */
bool symbols_explain(const struct symbols *s, int64_t n);

int64_t symbol_at(const struct symbol_source *from, struct plumb_tensor *const *in);
/* L['in'][0].size()[1] */
void symbol_source_text(const struct symbol_source *from, struct buf *out);
/* 2*L['in'][0].size()[1]*L['in'][0].size()[0] */
void symbols_product_text(const struct symbols *s, const struct symbol_product *p, struct buf *out);
int64_t symbols_product(const struct symbols *s, const struct symbol_product *p,
                        struct plumb_tensor *const *in);

#endif
