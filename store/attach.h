/* attach.h - several traces in one connection. */
#ifndef STORE_ATTACH_H
#define STORE_ATTACH_H

#include "store/db.h"

enum { STORE_MOST_FILES = 9 /* SQLite attaches at most ten */ };

/* Opens n traces (`.db` or `.db.gz`): the first is main; with more than one, all are also
 * attached as t1, t2, ... Each is checked as store_open_read does. flags: as there;
 * STORE_OPEN_WRITE only for one file. *out is owned: store_close. ERR_LIMIT for more than
 * STORE_MOST_FILES. Views of an attached file being written (live) are missing. */
enum err WARN_UNUSED store_open_several(char *const *paths, int n, unsigned flags, sqlite3 **out);

/* Checks a trace and attaches it to a connection under a name of the program's own (an
 * identifier). With STORE_OPEN_NO_VIEWS a packed one comes without its derived parts. */
enum err WARN_UNUSED store_attach(sqlite3 *db, const char *path, unsigned flags,
                                  const char *schema);

#endif
