/* db.c - opening with suspicion, making with speed, closing into one file.
 *
 * What a file may contain is decided by comparison: the schema of this program is made in memory,
 * and every table of the file must be one of it, but for comments, and every view and index by its
 * name (SQLite's own sqlite_* tables excepted).
 */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "store/base/buf.h"
#include "store/sqlfn.h"

enum { CHECK_LIMIT = 100 << 20 /* bytes; larger files are not checked at opening */ };

enum err store_meta_put(sqlite3 *db, const char *key, const char *value)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, "INSERT OR REPLACE INTO main.meta VALUES (?1, ?2)", &s));
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "writing to meta");
}

enum err store_meta_get(sqlite3 *db, const char *key, char *out, size_t n)
{
    sqlite3_stmt *s;
    out[0] = 0;
    TRY(store_prepare(db, "SELECT value FROM main.meta WHERE key = ?1", &s));
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) snprintf(out, n, "%.*s", SPAN_ARG(store_column_text(s, 0)));
    enum err err =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK : store_sql_error(db, rc, "reading meta");
    sqlite3_finalize(s);
    return err;
}

void store_close(sqlite3 *db)
{
    sqlite3_close_v2(db);
}

/* ---- what kind of file it is ---- */

/* Through SQLite's own file object: closing a descriptor of our own would drop all locks that
 * this process has on the file
 * (fcntl(2)), and with them the safety of a writer in it. */
enum err store_read_head(const char *path, unsigned char *head, int n)
{
    sqlite3 *db = NULL;
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    struct stat st;
    if (stat(path, &st))
        FAIL(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be opened: %s", path,
             strerror(errno));
    if (!S_ISREG(st.st_mode)) FAIL(ERR_FORMAT, "%s is no file; expected a plumb trace", path);
    errno = 0;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    int why = errno;
    if (rc == SQLITE_OK) rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK)
        rc = file->pMethods ? file->pMethods->xFileSize(file, &size) : SQLITE_CANTOPEN;
    memset(head, 0, (size_t)n);
    if (rc == SQLITE_OK && size > 0)
        rc = file->pMethods->xRead(file, head, n, 0); /* zeros past the end */
    store_close(db);
    if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
        FAIL(ERR_IO, "%s cannot be read: %s", path, why ? strerror(why) : sqlite3_errstr(rc));
    if (size == 0) FAIL(ERR_FORMAT, "%s is empty; expected a plumb trace", path);
    return ERR_OK;
}

static enum err not_a_trace(const char *path, const unsigned char *head)
{
    bool log = head[0] == 'V' && head[1] >= '0' && head[1] <= '9';
    if (log)
        FAIL(ERR_FORMAT, "%s is a log, not a trace; make one with: plumb import %s -o FILE", path,
             path);
    FAIL(ERR_FORMAT, "%s is not a plumb trace: expected a SQLite file or one in gzip", path);
}

enum err store_inflate_copy(const char *path, char **out_path)
{
    const char *folder = getenv("TMPDIR");
    struct buf name = {0};
    buf_printf(&name, "%s/plumb-XXXXXX", folder && *folder ? folder : "/tmp");
    enum err err = buf_ok(&name);
    int fd = err ? -1 : mkostemp(name.p, O_CLOEXEC);
    gzFile in = gzopen(path, "rb");
    char *piece = malloc(1 << 18);
    if (!err && (fd < 0 || !in || !piece))
        err = err_set(ERR_IO, "%s cannot be inflated into %s: %s", path, name.p, strerror(errno));
    int n = 0;
    while (!err && (n = gzread(in, piece, 1 << 18)) > 0)
        if (write(fd, piece, (size_t)n) != n)
            err = err_set(errno == ENOSPC ? ERR_FULL : ERR_IO, "inflating %s to %s: %s", path,
                          name.p, strerror(errno));
    int zerr = Z_OK;
    if (!err && (n < 0 || (gzerror(in, &zerr), zerr == Z_BUF_ERROR)))
        err = err_set(ERR_FORMAT, "%s is a damaged or truncated gzip file", path);
    free(piece);
    if (in) gzclose(in);
    if (fd >= 0) close(fd);
    if (err && fd >= 0) unlink(name.p);
    if (err) buf_release(&name);
    *out_path = err ? NULL : name.p;
    return err;
}

/* ---- checks and settings of a connection ---- */

static void set_defences(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, 2000);
}

static enum err check_identity(sqlite3 *db, const char *path)
{
    int64_t id, version;
    enum err err = store_int(db, "PRAGMA application_id", &id);
    if (err) return err_wrap(err, "%s: ", path);
    TRY(store_int(db, "PRAGMA user_version", &version));
    if (id != STORE_APPLICATION_ID)
        FAIL(ERR_FORMAT, "%s is a SQLite database, but no plumb trace (application_id %lld)", path,
             (long long)id);
    if (version != STORE_USER_VERSION)
        FAIL(ERR_VERSION,
             "%s was written in trace format %lld.%lld; this plumb reads %d.%d. Nothing was "
             "changed in the file; open it with "
             "the plumb that wrote it (plumb export --torch-trace gives the logs back), or import "
             "the logs again",
             path, (long long)version / 1000, (long long)version % 1000, STORE_USER_VERSION / 1000,
             STORE_USER_VERSION % 1000);
    return ERR_OK;
}

static enum err reference_schema(sqlite3 **out)
{
    if (sqlite3_open_v2(":memory:", out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
        FAIL(ERR_NOMEM, "out of memory for a schema");
    TRY(store_functions_register(*out));
    TRY(store_exec(*out, store_schema_recorded));
    return store_exec(*out, store_schema_derived);
}

/* Skips blanks and "--" comments, and says whether there were any. */
static bool skip_blanks(const char **p)
{
    const char *from = *p;
    for (;;) {
        *p += strspn(*p, " \t\r\n");
        if ((*p)[0] != '-' || (*p)[1] != '-') return *p > from;
        *p += strcspn(*p, "\n");
    }
}

/* Equal but for blanks and comments. The reference quotes nothing, so nothing can hide in
 * quotes. */
static bool same_definition(const char *a, const char *b)
{
    for (;; a++, b++) {
        bool blank_a = skip_blanks(&a), blank_b = skip_blanks(&b);
        if (*a != *b || blank_a != blank_b) return false;
        if (!*a) return true;
    }
}

static bool is_known(sqlite3_stmt *know, sqlite3_stmt *have)
{
    for (int i = 0; i < 2; i++) sqlite3_bind_value(know, i + 1, sqlite3_column_value(have, i));
    bool known = sqlite3_step(know) == SQLITE_ROW;
    if (known && span_is(store_column_text(have, 0), "table")) {
        struct span ours = store_column_text(know, 0), theirs = store_column_text(have, 2);
        known = ours.p && theirs.p && same_definition(ours.p, theirs.p);
    }
    sqlite3_reset(know);
    return known;
}

/* Every object of the file must be one of the reference. Views and indices may be those of an
 * earlier plumb: their names must be known; such views are not used (see below). */
static enum err check_objects(sqlite3 *db, sqlite3 *reference, const char *path)
{
    sqlite3_stmt *have = NULL, *know = NULL;
    enum err err = ERR_OK;
    int rc;
    TRY_OUT(store_prepare(db,
                          "SELECT type, name, sql FROM main.sqlite_schema WHERE name NOT LIKE "
                          "'sqlite\\_%' ESCAPE '\\'",
                          &have));
    TRY_OUT(store_prepare(reference, "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2",
                          &know));
    while ((rc = sqlite3_step(have)) == SQLITE_ROW) {
        if (is_known(know, have)) continue;
        err =
            err_set(ERR_REFUSED,
                    "%s holds the %s \"%s\", which is none of the trace format's; it is not opened",
                    path, sqlite3_column_text(have, 0), sqlite3_column_text(have, 1));
        goto out;
    }
    if (rc != SQLITE_DONE) err = store_sql_error(db, rc, path);
out:
    sqlite3_finalize(have);
    sqlite3_finalize(know);
    return err;
}

/* Views that the file lacks (live or packed) or has in another text are made in TEMP, whose
 * names come first. */
static enum err make_temporary_views(sqlite3 *db, sqlite3 *reference)
{
    sqlite3_stmt *views;
    TRY(store_prepare(reference,
                      "SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY rowid",
                      &views));
    enum err err = ERR_OK;
    while (!err && sqlite3_step(views) == SQLITE_ROW) {
        sqlite3_stmt *has = NULL;
        err = store_prepare(
            db, "SELECT 1 FROM main.sqlite_schema WHERE type = 'view' AND name = ?1 AND sql = ?2",
            &has);
        if (err) break;
        sqlite3_bind_value(has, 1, sqlite3_column_value(views, 0));
        sqlite3_bind_value(has, 2, sqlite3_column_value(views, 1));
        bool present = sqlite3_step(has) == SQLITE_ROW;
        sqlite3_finalize(has);
        if (present) continue;
        struct buf text = {0};
        buf_printf(&text, "CREATE TEMP %s",
                   (const char *)sqlite3_column_text(views, 1) + strlen("CREATE "));
        err = buf_ok(&text);
        if (!err) err = store_exec(db, text.p);
        buf_release(&text);
    }
    sqlite3_finalize(views);
    return err;
}

static enum err quick_check(sqlite3 *db, const char *path)
{
    sqlite3_stmt *s;
    TRY(store_prepare(db, "PRAGMA quick_check(1)", &s));
    int rc = sqlite3_step(s);
    bool ok = rc == SQLITE_ROW && span_is(store_column_text(s, 0), "ok");
    enum err err =
        ok ? ERR_OK
           : err_set(ERR_FORMAT, "%s is damaged (%s); plumb doctor %s says what can be read", path,
                     rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0)
                                      : sqlite3_errmsg(db),
                     path);
    sqlite3_finalize(s);
    return err;
}

static enum err check_all(sqlite3 *db, const char *path, unsigned flags)
{
    sqlite3 *reference = NULL;
    enum err err = ERR_OK;
    int64_t pages = 0, page_size = 0;
    err =
        store_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-16384;");
    if (err == ERR_FORMAT || err == ERR_SQL)
        err = err_set(ERR_FORMAT, "%s is damaged (%s); plumb doctor %s says what can be read", path,
                      sqlite3_errmsg(db), path);
    if (err) goto out;
    TRY_OUT(check_identity(db, path));
    TRY_OUT(store_int(db, "PRAGMA page_count", &pages));
    TRY_OUT(store_int(db, "PRAGMA page_size", &page_size));
    if (!(flags & STORE_OPEN_UNCHECKED) && pages * page_size < CHECK_LIMIT)
        TRY_OUT(quick_check(db, path));
    TRY_OUT(store_functions_register(db));
    TRY_OUT(reference_schema(&reference));
    if (!(flags & STORE_OPEN_TRUSTED)) TRY_OUT(check_objects(db, reference, path));
    if (!(flags & STORE_OPEN_NO_VIEWS)) TRY_OUT(make_temporary_views(db, reference));
out:
    store_close(reference);
    if (err && !strstr(err_text(), path)) err_wrap(err, "%s: ", path);
    return err;
}

static enum err open_file(const char *path, int sqlite_flags, sqlite3 **out)
{
    int rc = sqlite3_open_v2(path, out, sqlite_flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) return ERR_OK;
    enum err err = store_sql_error(*out, rc, path);
    store_close(*out);
    *out = NULL;
    return err;
}

/* A packed file: a private copy, whose derived parts are made again. */
static enum err open_packed(const char *path, unsigned flags, sqlite3 **out)
{
    char *copy = NULL;
    enum err err = store_inflate_copy(path, &copy);
    if (err) return err;
    unsigned char head[16];
    TRY_OUT(store_read_head(copy, head, sizeof head));
    if (memcmp(head, "SQLite format 3", 16)) {
        err = not_a_trace(path, head);
        goto out;
    }
    TRY_OUT(open_file(copy, SQLITE_OPEN_READWRITE, out));
    unlink(copy);
    set_defences(*out);
    TRY_OUT(store_exec(*out, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;"));
    TRY_OUT(check_all(*out, path, flags | STORE_OPEN_NO_VIEWS));
    TRY_OUT(store_rebuild(*out));
    TRY_OUT(store_exec(*out, "PRAGMA query_only=1;"));
out:
    if (err) {
        unlink(copy);
        store_close(*out);
        *out = NULL;
    }
    free(copy);
    return err;
}

enum err store_open_read(const char *path, unsigned flags, sqlite3 **out)
{
    unsigned char head[16];
    *out = NULL;
    TRY(store_read_head(path, head, sizeof head));
    if (head[0] == 0x1f && head[1] == 0x8b) {
        if (flags & STORE_OPEN_WRITE)
            FAIL(ERR_REFUSED, "%s is packed and cannot be changed; inflate it first: gunzip -k %s",
                 path, path);
        return open_packed(path, flags, out);
    }
    if (memcmp(head, "SQLite format 3", 16)) return not_a_trace(path, head);
    TRY(open_file(path, flags & STORE_OPEN_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY,
                  out));
    set_defences(*out);
    enum err err = check_all(*out, path, flags);
    if (!err && !(flags & STORE_OPEN_WRITE)) err = store_exec(*out, "PRAGMA query_only=1;");
    if (err) {
        store_close(*out);
        *out = NULL;
    }
    return err;
}

/* ---- making and finishing ---- */

_Static_assert(STORE_APPLICATION_ID == 0x706c6d62 && STORE_USER_VERSION == 4, "as in empty_trace");

/* The bytes of a trace without rows; *out is SQLite's memory. */
static enum err empty_trace(unsigned char **out, sqlite3_int64 *size)
{
    sqlite3 *db = NULL;
    enum err err = open_file(":memory:", SQLITE_OPEN_READWRITE, &db);
    if (!err)
        err = store_exec(
            db, "PRAGMA page_size=4096; PRAGMA application_id=0x706c6d62; PRAGMA user_version=4;");
    if (!err) err = store_exec(db, store_schema_recorded);
    if (!err) err = store_meta_put(db, "format", "plumb trace");
    if (!err) err = store_meta_put(db, "plumb_version", PLUMB_VERSION);
    if (!err) err = store_meta_put(db, "state", "live");
    *out = err ? NULL : sqlite3_serialize(db, "main", size, 0);
    if (!err && !*out) err = err_set(ERR_NOMEM, "out of memory for an empty trace");
    store_close(db);
    return err;
}

static enum err cannot_make(const char *path)
{
    if (errno == EEXIST) FAIL(ERR_EXISTS, "%s exists; --overwrite replaces it", path);
    FAIL(errno == ENOSPC ? ERR_FULL : ERR_IO, "%s cannot be made: %s", path, strerror(errno));
}

/* A file without a name in the folder of path, or -1: not every file system can. */
static int open_nameless(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct buf folder = {0};
    buf_put(&folder, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    int fd = folder.failed ? -1 : open(folder.p, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    buf_release(&folder);
    return fd;
}

/* The name appears with all bytes in place: whoever is killed meanwhile leaves nothing or a
 * trace. */
static enum err put_bytes(const char *path, const unsigned char *bytes, size_t size)
{
    int fd = open_nameless(path);
    bool nameless = fd >= 0;
    if (!nameless) fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0) return cannot_make(path);
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t n = write(fd, bytes, size);
    if (n >= 0 && n < (ssize_t)size) errno = ENOSPC;
    bool ok = n == (ssize_t)size &&
              (!nameless || !linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW));
    enum err err = ok ? ERR_OK : cannot_make(path);
    if (!ok && !nameless) unlink(path);
    close(fd);
    return err;
}

/* WAL so that readers may look while it grows and a kill loses nothing committed. */
static const char live_settings[] =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=2000;"
    "PRAGMA cache_size=-8192;";

enum err store_create(const char *path, sqlite3 **out)
{
    unsigned char *bytes;
    sqlite3_int64 size;
    *out = NULL;
    TRY(empty_trace(&bytes, &size));
    /* WAL from its first moment: to switch takes a journal, and whoever is killed in the switch
     * leaves a file that cannot be opened to read. */
    bytes[18] = bytes[19] = 2;
    enum err err = put_bytes(path, bytes, (size_t)size);
    sqlite3_free(bytes);
    if (err) return err;
    err = open_file(path, SQLITE_OPEN_READWRITE, out);
    if (!err) {
        set_defences(*out);
        sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
        err = store_exec(*out, live_settings);
    }
    if (!err) err = store_functions_register(*out);
    if (!err) return ERR_OK;
    store_close(*out);
    *out = NULL;
    unlink(path);
    return err;
}

/* Drops the file's indices and views (sqlite_stat* stays). */
static enum err drop_derived(sqlite3 *db)
{
    struct buf sql = {0};
    sqlite3_stmt *s;
    TRY(store_prepare(db,
                      "SELECT printf('DROP %s main.\"%w\";', type, name) FROM main.sqlite_schema "
                      "WHERE type IN ('view', 'index') AND sql IS NOT NULL",
                      &s));
    while (sqlite3_step(s) == SQLITE_ROW) buf_span(&sql, store_column_text(s, 0));
    sqlite3_finalize(s);
    enum err err = buf_ok(&sql);
    if (!err && sql.n) err = store_exec(db, sql.p);
    buf_release(&sql);
    return err;
}

enum err store_rebuild(sqlite3 *db)
{
    TRY(store_exec(db, "SAVEPOINT rebuild"));
    enum err err = drop_derived(db);
    if (!err) err = store_exec(db, store_schema_derived);
    if (!err) err = store_exec(db, "PRAGMA analysis_limit=400; ANALYZE main;");
    if (!err) return store_exec(db, "RELEASE rebuild");
    char why[1024];
    snprintf(why, sizeof why, "%s", err_text());
    (void)sqlite3_exec(db, "ROLLBACK TO rebuild; RELEASE rebuild", NULL, NULL, NULL);
    return err_set(err, "%s", why);
}

enum err store_finish(sqlite3 *db, const char *state)
{
    enum err err = store_rebuild(db);
    if (!err) err = store_meta_put(db, "state", state);
    /* Somebody who looks at the trace right now keeps it in WAL mode: complete all the same, and
     * the last to close it tidies up. */
    if (!err &&
        sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;", NULL, NULL,
                     NULL) &&
        (sqlite3_errcode(db) & 0xff) != SQLITE_BUSY &&
        (sqlite3_errcode(db) & 0xff) != SQLITE_LOCKED)
        err = store_sql_error(db, sqlite3_errcode(db), "closing the trace");
    store_close(db);
    return err;
}
