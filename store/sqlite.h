/* sqlite.h - SQLite's interface, linked or, inside build/plumb_sqlite.so, through the loading
 * program's table. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#ifdef PLUMB_EXTENSION
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#else
#include <sqlite3.h>
#endif

#endif
