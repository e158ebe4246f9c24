/* combo_place.h - how the blocks of a combined kernel are cut and handed to its members.
 *
 * A block size is a matter of speed alone: members keep the order of their reductions, so no bit
 * depends on what is chosen here.
 */
#ifndef RUNTIME_COMPILE_COMBO_PLACE_H
#define RUNTIME_COMPILE_COMBO_PLACE_H

#include "runtime/compile/combo.h"

/* Blocks that a multiprocessor holds at once; 0: unknown. */
int combo_occupancy(const struct combo_device *d, int registers, int shared_bytes, int threads);
/* Block of a kernel that is launched by itself, and its threads. */
struct combo_block combo_own_block(const struct combo_kernel *k);
int combo_threads(struct combo_block b);
/* Whether a block takes one whole row, so that the kernel has no x dimension. */
bool combo_by_rows(const struct combo_kernel *k);
/* Points that it looks at: what "largest first" goes by. */
double combo_points(const struct combo_kernel *k);
/* Whether kernels of different sizes may be dispatched in one launch as the options say. */
bool combo_mixes(const struct combo_kernel *k, const struct combo_options *o);
/* Puts the members, of which `kernel` is set, into order and fills all else of the group. */
void combo_place(const struct combo_kernel *kernel, const struct combo_options *o,
                 struct combo_group *g);

#endif
