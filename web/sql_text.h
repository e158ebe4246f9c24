/* sql_text.h - what the console must know of an SQL text before SQLite sees it: the names of its
 * parameters. */
#ifndef WEB_SQL_TEXT_H
#define WEB_SQL_TEXT_H

#include "store/base/span.h"

/* The next :name in the text, outside of strings, quoted names and comments; *out is without the
 * colon. False at the end. */
bool sql_parameter_next(struct span *rest, struct span *out);

#endif
