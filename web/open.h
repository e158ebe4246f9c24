/* open.h - what the user names becomes a trace that can be opened: a trace as it is, a packed one
 * inflated, a log imported. */
#ifndef WEB_OPEN_H
#define WEB_OPEN_H

#include "web/server.h"

/* Fills *out; owned by the caller: web_file_close, also after a failure. Checks the trace once. */
enum err WARN_UNUSED web_file_open(const char *path, struct web_file *out);
void web_file_close(struct web_file *f);

#endif
