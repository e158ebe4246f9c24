/* extension.c - entry point of build/plumb_sqlite.so: plumb's SQL functions in sqlite3, Python,
 * Datasette.
 *
 *   sqlite3 trace.db '.load build/plumb_sqlite' 'SELECT artifact_text(1)'
 */
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

#include "store/sqlfn.h"

/* The name that SQLite derives from the file name plumb_sqlite. https://sqlite.org/loadext.html */
__attribute__((visibility("default"))) int
sqlite3_plumbsqlite_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

int sqlite3_plumbsqlite_init(sqlite3 *db, char **error, const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    if (!store_functions_register(db)) return SQLITE_OK;
    *error = sqlite3_mprintf("%s", err_text());
    return SQLITE_ERROR;
}
