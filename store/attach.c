/* attach.c - opening several traces in one connection. A packed one is inflated into a private copy with its derived parts, whose
 * name goes as soon as the connection has it open.
 */
#include "store/attach.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/base/buf.h"

static bool is_gzip(const char *path)
{
    unsigned char head[2] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, head, 2) == 2 && head[0] == 0x1f && head[1] == 0x8b;
    if (fd >= 0) close(fd);
    return is;
}

/* Checks the trace; *copy is the malloc'd path of a private copy, or NULL when the file itself is to be used. */
static enum err prepare_file(const char *path, unsigned flags, char **copy)
{
    sqlite3 *db = NULL;
    *copy = NULL;
    if (!is_gzip(path)) {
        enum err err = store_open_read(path, flags, &db);
        store_close(db);
        return err;
    }
    enum err err = store_inflate_copy(path, copy);
    if (!err) err = store_open_read(*copy, STORE_OPEN_WRITE | STORE_OPEN_NO_VIEWS | flags, &db);
    if (!err) err = store_exec(db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;");
    if (!err) err = store_rebuild(db);
    store_close(db);
    return err ? err_wrap(err, "%s: ", path) : ERR_OK;
}

static enum err attach(sqlite3 *db, const char *path, int number)
{
    sqlite3_stmt *s;
    struct buf sql = {0};
    buf_printf(&sql, "ATTACH ?1 AS t%d", number);
    enum err err = buf_ok(&sql);
    if (!err) err = store_prepare(db, sql.p, &s);
    buf_release(&sql);
    if (err) return err;
    sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_DONE) err = store_sql_error(db, rc, path);
    sqlite3_finalize(s);
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
        FAIL(ERR_LIMIT, "%d files are too many; at most %d traces are read together", n, STORE_MOST_FILES);
    if (flags & STORE_OPEN_WRITE) FAIL(ERR_USAGE, "only one file can be opened for writing");
    for (int i = 0; i < n; i++) TRY_OUT(prepare_file(paths[i], flags, &copies[i]));
    unsigned checked = STORE_OPEN_UNCHECKED;
    TRY_OUT(store_open_read(copies[0] ? copies[0] : paths[0], flags | checked, out));
    for (int i = 0; i < n; i++) TRY_OUT(attach(*out, copies[i] ? copies[i] : paths[i], i + 1));
    /* Each schema is read now, so that the files are open before their names go. */
    for (int i = 0; i < n; i++) {
        static const char ask[][48] = {
            "SELECT count(*) FROM t1.meta", "SELECT count(*) FROM t2.meta", "SELECT count(*) FROM t3.meta",
            "SELECT count(*) FROM t4.meta", "SELECT count(*) FROM t5.meta", "SELECT count(*) FROM t6.meta",
            "SELECT count(*) FROM t7.meta", "SELECT count(*) FROM t8.meta", "SELECT count(*) FROM t9.meta",
        };
        int64_t rows;
        TRY_OUT(store_int(*out, ask[i], &rows));
    }
out:
    for (int i = 0; i < n; i++) {
        if (copies[i]) unlink(copies[i]);
        free(copies[i]);
    }
    if (err) {
        store_close(*out);
        *out = NULL;
    }
    return err;
}
