/* compiles.h - what the compiler did differently: frames and compiles of two runs side by side.
 *
 * Frames are matched by function, file and line, then by less: another line, resumed at another
 * line, another file, another function on the same line; those without a name by number. What
 * nothing joins is left alone. Compiles of a frame are matched by their order. Compared are
 * outcome, graphs (as text without addresses and numbers of objects), guards (sorted), graph
 * breaks (by reason and source, wherever these stand), recompile reasons, kernels, cache outcomes,
 * failures, metrics beyond times. Told, but no difference: times, versions, cache keys (they hash
 * the version), fields and artifacts that only one side records, other artifacts.
 */
#ifndef STORE_DIFF_COMPILES_H
#define STORE_DIFF_COMPILES_H

#include "store/base/buf.h"
#include "store/diff/load.h"

struct diff_compiles {
    int64_t n_compiles[2], n_matched, n_different, n_alone[2];
    bool different;
};
/* Writes the comparison as text (or as one JSON object) to out. ERR_NOT_FOUND: a side has no
 * compiles: says so and how to record them. Both connections are borrowed and may be the same. */
enum err WARN_UNUSED diff_compiles(sqlite3 *a, const struct diff_side *side_a, sqlite3 *b,
                                   const struct diff_side *side_b, bool json, struct buf *out,
                                   struct diff_compiles *result);

#endif
