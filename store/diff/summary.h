/* summary.h - counts the pairs of a comparison, so that a page need not read millions of them. */
#ifndef STORE_DIFF_SUMMARY_H
#define STORE_DIFF_SUMMARY_H

#include "store/writer.h"

/* Fills pair_kind and pair_place from pair. Called once, when all pairs are submitted. */
enum err WARN_UNUSED diff_summarise(struct store_writer *w);

#endif
