/* guard_sql.h - a connection on which anybody may type SQL, over a file from anywhere.
 *
 * An authorizer lets SELECT, reading, recursion and a list of functions through, and nothing
 * else: no PRAGMA, ATTACH, writing, schema change, transaction, or virtual table but json_each
 * and json_tree. sqlite3_limit bounds what one opcode can do, since the deadline is looked at
 * only between opcodes: a text of 100 MB is refused, not waited for. A progress handler ends the
 * statement at the deadline or when another thread asks.
 *
 * Threads: store_console_cancel from any; the rest from the connection's thread.
 */
#ifndef STORE_GUARD_SQL_H
#define STORE_GUARD_SQL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "store/sqlite.h"

#include "store/base/err.h"

enum { STORE_CONSOLE_LENGTH = 16 << 20 /* bytes of one value, for the web console */ };

/* Owned by the caller, at a fixed address, and alive while its connection is. Zero-initialise. */
struct store_console {
    int64_t max_length;  /* bytes of one value; 0: STORE_CONSOLE_LENGTH */
    int64_t deadline_ns; /* clock_mono; 0: none. Set by store_console_start */
    int64_t limit_ns;    /* for the message */
    atomic_bool cancel;
    bool timed_out; /* the deadline ended the last statement */
    char
        refused[96]; /* what the authorizer refused last: "ATTACH", "the function load_extension" */
};

/* Sets authorizer, limits and progress handler. Attach other files before. */
enum err WARN_UNUSED store_console_limits(sqlite3 *db, struct store_console *console);
/* Only the progress handler: the time limit for statements that are the program's own. */
void store_console_watch(sqlite3 *db, struct store_console *console);
/* Takes them away again (the connection is to be used by the program). */
void store_console_release(sqlite3 *db);
/* Begins the time of a statement: limit_ns 0 means no deadline. Clears what the last one left. */
void store_console_start(struct store_console *console, int64_t limit_ns);
/* ERR_LIMIT or ERR_CANCELLED when the time is over: for what is done with rows between the opcodes,
 * such as writing them. */
enum err WARN_UNUSED store_console_check(struct store_console *console);
/* Ends the running statement soon, with ERR_CANCELLED. */
void store_console_cancel(struct store_console *console);
/* Rewords the error that a statement failed with: what was refused, or which limit ended it. */
enum err store_console_error(struct store_console *console, enum err err);

/* Also for a writable connection: lets everything through but a change of the schema, ATTACH and
 * PRAGMA, which would leave a file that is no trace. */
enum err WARN_UNUSED store_console_write_limits(sqlite3 *db, struct store_console *console);

#endif
