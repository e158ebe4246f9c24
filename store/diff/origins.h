/* origins.h - of which operators the kernels of a run were made, as its compiles recorded it. */
#ifndef STORE_DIFF_ORIGINS_H
#define STORE_DIFF_ORIGINS_H

#include "store/diff/align.h"
#include "store/sqlite.h"

struct diff_origins {
    struct diff_origin *p; /* owned (LIST_RELEASE); sorted by kernel, position */
    size_t n, size;
};
/* Origins of the kernels that the stream calls, in its words; none when the trace has no compiles.
 * The stream is already joined. */
enum err WARN_UNUSED diff_origins_load(sqlite3 *db, const struct diff_stream *s,
                                       struct diff_origins *out);

/* The word aten::add.Tensor of torch.ops.aten.add.Tensor, aten::relu of
 * torch.ops.aten.relu.default. */
uint32_t diff_operator_word(struct diff_words *w, struct span target);

#endif
