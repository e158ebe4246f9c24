/* unfold.h - calls of compiled kernels as the operators that they stand for.
 *
 * A kernel that a compiler made of several operators is compared with the calls of an eager run, or
 * with kernels that were fused otherwise, operator by operator. So its calls are replaced: each run
 * of a compiled program becomes a call of each operator of its graph, in the order of the graph,
 * which is that of the program.
 *
 *   launched                     unfolded
 *   pl_poi_fused_add_relu_1      aten::view        a view: no tensor that was recorded
 *     in_ptr0 in_ptr1            aten::add.Tensor  reads what in_ptr0 and in_ptr1 held; its result
 *     out_ptr0                                     stays in a register
 *                                aten::relu        its result is what out_ptr0 held afterwards
 *   aten::mm                     aten::mm          kernels of a library are calls already
 *
 * The arguments of an unfolded call are not printed, so they have no paths: tensors are numbered,
 * #0, #1, ..., until diff_unfold_paths gives them those of the partner.
 *
 * Invariants of an unfolded stream: (1) call i has event and position of the launch that did it, a
 * view those of the one before; (2) a use without row has no digest and a tensor number that no
 * recorded tensor has; (3) events do not rise.
 */
#ifndef STORE_DIFF_UNFOLD_H
#define STORE_DIFF_UNFOLD_H

#include "store/diff/align.h"
#include "store/sqlite.h"

/* Whether the stream calls kernels whose operators the trace tells. */
enum err WARN_UNUSED diff_can_unfold(sqlite3 *db, const struct diff_stream *s, bool *out);
/* Whether two joined streams call the same kernels, so that they are compared as they are. */
bool diff_same_kernels(const struct diff_stream *a, const struct diff_stream *b);
/* Replaces what can be; the stream is joined. */
enum err WARN_UNUSED diff_unfold(sqlite3 *db, struct diff_stream *s);
/* Gives the tensors of unfolded calls the paths of their partners. */
enum err WARN_UNUSED diff_unfold_paths(struct diff_stream *a, struct diff_stream *b,
                                       const struct diff_pairs *pairs);

#endif
