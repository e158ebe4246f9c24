/* sqlerr.c - running SQL and turning SQLite's refusals into errors. Also part of the extension. */
#include <stdio.h>

#include "store/db.h"

enum err store_sql_error(sqlite3 *db, int rc, const char *doing)
{
    enum err code = ERR_SQL;
    switch (rc & 0xff) {
    case SQLITE_FULL: code = ERR_FULL; break;
    case SQLITE_IOERR: code = ERR_IO; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: code = ERR_FORMAT; break;
    case SQLITE_INTERRUPT: code = ERR_CANCELLED; break;
    case SQLITE_READONLY:
    case SQLITE_AUTH: code = ERR_REFUSED; break;
    case SQLITE_NOMEM: code = ERR_NOMEM; break;
    case SQLITE_TOOBIG: code = ERR_LIMIT; break;
    case SQLITE_CANTOPEN: code = ERR_NOT_FOUND; break;
    default: break;
    }
    return err_set(code, "%s: %s", doing, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

enum err store_exec(sqlite3 *db, const char *sql)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK) return ERR_OK;
    char doing[64];
    snprintf(doing, sizeof doing, "running \"%.40s%s\"", sql, strlen(sql) > 40 ? "..." : "");
    return store_sql_error(db, rc, doing);
}

enum err store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (rc == SQLITE_OK) return ERR_OK;
    char doing[128];
    snprintf(doing, sizeof doing, "preparing \"%.100s\"", sql);
    return store_sql_error(db, rc, doing);
}

enum err store_int(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, sql, &s));
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) *out = sqlite3_column_int64(s, 0);
    enum err err = rc == SQLITE_ROW    ? ERR_OK
                   : rc == SQLITE_DONE ? err_set(ERR_NOT_FOUND, "no row from \"%.100s\"", sql)
                                       : store_sql_error(db, rc, sql);
    sqlite3_finalize(s);
    return err;
}
