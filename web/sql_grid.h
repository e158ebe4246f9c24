/* sql_grid.h - rows of any statement as a table, with links where a column is known to name a
 * compile or an artifact. */
#ifndef WEB_SQL_GRID_H
#define WEB_SQL_GRID_H

#include "web/web.h"

enum { GRID_ROWS = 10000, GRID_CELL = 300 /* bytes of a text that are shown */ };

struct grid_result {
    int64_t n;      /* rows shown */
    bool truncated; /* there were more */
};

/* Steps through the statement. An error of the statement is returned after what was read has been
 * written. */
enum err WARN_UNUSED grid_write(struct web_request *q, struct html *h, sqlite3_stmt *s,
                                struct grid_result *out);

#endif
