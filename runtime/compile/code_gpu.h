/* code_gpu.h - what printed CUDA C and OpenCL C agree on with those who launch them.
 *
 *   pl_..._3(number, fault, arrays of the first member, arrays of the second, ...)
 *
 * `number` is a buffer of int64_t that code_gpu_numbers fills for a call: of each member the blocks
 * it takes, sizes, strides, offsets, scalars, seed and stream. `fault` is 5 of them, zeros before.
 * One dimension of blocks and of work-items. No bit depends on how many there are of either; what a
 * nest needs in logical order runs as one work-item.
 */
#ifndef RUNTIME_COMPILE_CODE_GPU_H
#define RUNTIME_COMPILE_CODE_GPU_H

#include "runtime/compile/code.h"
#include "runtime/print_c.h"
#include "runtime/print_c_node.h"

enum { CODE_GPU_BLOCK = 256, CODE_GPU_BLOCKS = 1 << 16, CODE_GPU_FAULT = 5 };

/* What is built: the prelude, and the text without comments, so that what is cached outlives edits
 * of the source that they tell of. */
WARN_UNUSED enum err code_gpu_text(const struct code_spec *s, bool cuda, struct buf *out);

/* Whether its reductions and scans find room in local memory. */
bool code_gpu_fits(const struct nest *n, const struct nest_plan *p);

struct code_gpu_grid {
    int64_t blocks; /* 0: nothing to do */
    int block;      /* work-items of each */
};
/* block: 0 chooses, else at most so many. */
struct code_gpu_grid code_gpu_grid(const struct code_spec *s, int launch, int block);
/* How many numbers the launch has; filled where out is given. Arrays are at their bases: the
 * plans' offsets are not in the numbers (code_args.base has them). */
size_t code_gpu_numbers(const struct code_spec *s, int launch, const struct code_gpu_grid *grid,
                        const struct code_args *args, int64_t *out);
int code_gpu_arrays(const struct code_spec *s, int launch);
/* ERR_OK where fault[0] is 0. */
WARN_UNUSED enum err code_gpu_fault(const struct code_spec *s, int launch, const int64_t *fault);

/* ---- among code_gpu*.c ---- */

/* One kernel's body under way. */
struct gpu_body {
    struct printer p;
    int room;     /* words of 8 bytes that the pass under way takes of local memory */
    int max_room; /* of all passes */
    /* Columns that a group takes at once, 1 where it takes a row; a work-item's number among those
     * of its column, how many these are, and what a lane's number is multiplied with. */
    int columns;
    const char *me, *many, *scale;
};
/* 16 where what is reduced lies across memory and local memory holds it: neighbours then read
 * neighbouring elements. Else 1. */
int gpu_columns(const struct nest *n, const struct nest_shape *s);
/* Numbers of a member's part of the buffer: after those of print_c_numbers */
int gpu_param_at(const struct nest *n, const struct nest_shape *s);
int gpu_numbers(const struct nest *n, const struct nest_shape *s);
/* The body's function; *room: words of local memory. */
WARN_UNUSED enum err gpu_print_body(const struct code_kernel *k, struct buf *out, int *room);
/* "X_GLOBAL const float *a2" */
void gpu_print_argument(struct buf *out, const struct nest *n, int array, const char *prefix);

/* code_gpu_fold.c: reductions and scans of a pass, marked in `in`. */
void gpu_fold_begin(struct gpu_body *b, const bool *in);
void gpu_fold_lane_begin(struct gpu_body *b, const bool *in); /* in the loop over lanes */
void gpu_fold_term(struct gpu_body *b, int node);
void gpu_fold_lane_end(struct gpu_body *b, const bool *in);
void gpu_fold_chunk_end(struct gpu_body *b, const bool *in);
void gpu_fold_end(struct gpu_body *b, const bool *in);
int gpu_lanes(const struct nest_shape *s); /* of a chunk, that are in use */

#endif
