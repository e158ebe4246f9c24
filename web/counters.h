/* counters.h - the values over time of a run, as small lines. */
#ifndef WEB_COUNTERS_H
#define WEB_COUNTERS_H

#include "web/web.h"

/* A section with a line per value; nothing when the run has none. */
enum err WARN_UNUSED counters_write(struct web_request *q, struct html *h);

#endif
