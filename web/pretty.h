/* pretty.h - JSON text laid out for reading: one member a line, short lists of plain values on one
 * line. */
#ifndef WEB_PRETTY_H
#define WEB_PRETTY_H

#include "store/base/buf.h"

enum { PRETTY_WIDTH = 88 }; /* a list or object of plain values that fits stays on one line */

/* text must be valid JSON (json_parse accepts it). Strings and numbers keep their spelling. Linear
 * time. */
void pretty_json(struct span text, struct buf *out);

#endif
