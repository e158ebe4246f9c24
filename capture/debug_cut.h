/* debug_cut.h - a long JSON text taken apart by its brackets, so that its values are parsed one by
 * one.
 *
 * What is cut out need not be JSON: whoever takes a value parses it. What breaks off is found where
 * it breaks off, and all before it is whole.
 */
#ifndef CAPTURE_DEBUG_CUT_H
#define CAPTURE_DEBUG_CUT_H

#include <stdbool.h>

#include "store/base/span.h"

struct debug_cut {
    struct span text; /* borrowed */
    size_t at;        /* byte that is next */
};

void debug_cut_blanks(struct debug_cut *c);
/* Takes this byte behind blanks when it is there. */
bool debug_cut_takes(struct debug_cut *c, char what);
/* The next value, taken off; absent when it does not end. */
struct span debug_cut_value(struct debug_cut *c);

#endif
