/* merge.h - several traces into one: a new file that holds the runs of all.
 *
 * Ids are local to a file, so every table's ids are raised by the largest id the new file has of
 * that table, and every reference column with them. Words are looked up, so that a word of two
 * files is one word afterwards. Runs keep their names as far as they are free; "job" becomes "job
 * (2)". Facts about a file (meta) are kept where they say what is missing in it.
 */
#ifndef STORE_MERGE_H
#define STORE_MERGE_H

#include "store/base/err.h"

/* Makes the trace `out_path` (ERR_EXISTS when it is there) of n traces, packed ones too. On
 * failure there is no new file. */
enum err WARN_UNUSED store_merge(const char *out_path, char *const *paths, int n);

#endif
