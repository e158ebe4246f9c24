/* console.h - connections on which a visitor's SQL runs: guarded, timed, few, and stoppable from
 * another request.
 *
 *   page_sql ─ console_open ─► slot: own connection + store/guard_sql.h ─ statement ─ console_close
 *                                ▲
 *              watchdog thread ──┘ every 50 ms: client gone? asked to stop?
 *
 * At most CONSOLE_SLOTS statements run at once, so that a worker is always left for the other
 * pages. A connection stays open in its slot for the next statement on the same state of the same
 * file. Threads: console_list and console_cancel from any; the rest from the worker that opened.
 */
#ifndef WEB_CONSOLE_H
#define WEB_CONSOLE_H

#include "store/guard_sql.h"
#include "web/web.h"

enum { CONSOLE_SLOTS = 2 };

struct console; /* one slot, in use */

/* What runs now. */
struct console_info {
    int64_t id;         /* for console_cancel */
    int64_t running_ns; /* since it began */
    char sql[120];      /* its beginning */
};

/* Takes a slot and its connection. ERR_LIMIT when all are in use. sql is what console_list
 * shows. */
enum err WARN_UNUSED console_open(struct web_request *q, const char *sql, int64_t limit_ns,
                                  struct console **out);
/* Ends the time of the statement and gives the slot back. All statements must be finalized. */
void console_close(struct console *c);
sqlite3 *console_db(const struct console *c);
/* Rewords an error of a statement: time limit, refusal, stopped. */
enum err console_error(struct console *c, enum err err);
bool console_timed_out(const struct console *c);

int console_list(struct console_info out[CONSOLE_SLOTS]);
/* Asks a statement to stop. False when it has ended already. */
bool console_cancel(int64_t id);
/* Closes idle connections, at the server's end. */
void console_release(void);

#endif
