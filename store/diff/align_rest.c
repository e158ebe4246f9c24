/* align_rest.c - what equal keys left over: variants, kernels, tensors, moves, results (align.h).
 */
#include "store/diff/align_parts.h"

static bool base_in_scope(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = mix(text_of(al, side, i)->base, scope_of(al, side, i)->key_id);
    return true;
}

static bool base(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    *out = text_of(al, side, i)->base;
    return true;
}

enum err align_rest(struct aligner *al)
{
    TRY(align_by(al, (struct align_stage){base_in_scope, DIFF_BY_VARIANT, false}));
    return align_by(al, (struct align_stage){base, DIFF_BY_VARIANT, false});
}
