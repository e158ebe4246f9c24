/* attach.c - opening several traces in one connection. A packed one is inflated into a private
 * copy with its derived parts, whose name goes as soon as the connection has it open.
 */
#include "store/attach.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/buf.h"

/* Checks the trace; *copy is the malloc'd path of a private copy, or NULL when the file itself is
 * to be used. */
static enum err prepare_file(const char *path, unsigned flags, char **copy)
{
    sqlite3 *db = NULL;
    unsigned char head[2];
    *copy = NULL;
    enum err err = store_read_head(path, head, sizeof head);
    if (!err && (head[0] != 0x1f || head[1] != 0x8b)) {
        err = store_open_read(path, flags, &db);
        store_close(db);
        return err;
    }
    if (!err) err = store_inflate_copy(path, copy);
    if (!err) err = store_open_read(*copy, STORE_OPEN_WRITE | STORE_OPEN_NO_VIEWS | flags, &db);
    if (!err) err = store_exec(db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;");
    if (!err && !(flags & STORE_OPEN_NO_VIEWS)) err = store_rebuild(db);
    store_close(db);
    return err ? err_wrap(err, "%s: ", path) : ERR_OK;
}

/* schema is a name of the program's own. The schema is read at once, so that the file is open
 * before its name may go. */
static enum err attach(sqlite3 *db, const char *path, const char *schema)
{
    sqlite3_stmt *s;
    struct buf sql = {0};
    buf_printf(&sql, "ATTACH ?1 AS %s", schema);
    enum err err = buf_ok(&sql);
    if (!err) err = store_prepare(db, sql.p, &s);
    if (err) goto out;
    sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_DONE) err = store_sql_error(db, rc, path);
    sqlite3_finalize(s);
    if (err) goto out;
    int64_t rows;
    buf_clear(&sql);
    buf_printf(&sql, "SELECT count(*) FROM %s.meta", schema);
    err = buf_ok(&sql);
    if (!err) err = store_int(db, sql.p, &rows);
out:
    buf_release(&sql);
    return err;
}

static void forget_copy(char *copy)
{
    if (copy) unlink(copy);
    free(copy);
}

enum err store_attach(sqlite3 *db, const char *path, unsigned flags, const char *schema)
{
    char *copy;
    enum err err = prepare_file(path, flags, &copy);
    if (!err) err = attach(db, copy ? copy : path, schema);
    forget_copy(copy);
    return err;
}

enum err store_open_several(char *const *paths, int n, unsigned flags, sqlite3 **out)
{
    char *copies[STORE_MOST_FILES] = {0};
    enum err err = ERR_OK;
    *out = NULL;
    REQUIRE("attach:n", n > 0);
    if (n == 1) return store_open_read(paths[0], flags, out);
    if (n > STORE_MOST_FILES)
        FAIL(ERR_LIMIT, "%d files are too many; at most %d traces are read together", n,
             STORE_MOST_FILES);
    if (flags & STORE_OPEN_WRITE) FAIL(ERR_USAGE, "only one file can be opened for writing");
    for (int i = 0; i < n; i++) TRY_OUT(prepare_file(paths[i], flags, &copies[i]));
    TRY_OUT(store_open_read(copies[0] ? copies[0] : paths[0], flags | STORE_OPEN_UNCHECKED, out));
    for (int i = 0; i < n; i++) {
        char schema[8];
        snprintf(schema, sizeof schema, "t%d", i + 1);
        TRY_OUT(attach(*out, copies[i] ? copies[i] : paths[i], schema));
    }
out:
    for (int i = 0; i < n; i++) forget_copy(copies[i]);
    if (err) {
        store_close(*out);
        *out = NULL;
    }
    return err;
}
