/* drain_lines.h - where in a source file an address lies, as far as debug information says. */
#ifndef CAPTURE_DRAIN_LINES_H
#define CAPTURE_DRAIN_LINES_H

#include <stdint.h>

#include "store/base/buf.h"

struct drain_place {
    const char *function; /* borrowed; NULL not known */
    const char *file;     /* borrowed; NULL not known */
    int line;
};
/* Of an address of this process. Loads libdw on first use; where that is not installed, or there is
 * no debug information, what the dynamic linker knows is all. One thread only. */
struct drain_place drain_place_of(const void *address);
/* Appends the line's text, trimmed, when the file can be read. */
void drain_line_text(struct buf *out, const char *file, int line);

#endif
