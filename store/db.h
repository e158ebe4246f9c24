/* db.h - opening and making trace files.
 *
 * Readers: store_open_read opens a `.db` or `.db.gz` (inflated to an unlinked temporary file)
 * read-only, defensively (trusted_schema off, cell_size_check, no extensions, no triggers, mmap 0)
 * after checking application_id, user_version and the list of schema objects. A file being written
 * (WAL) can be read too. Derived objects that the file lacks (packed file, live file) are made in
 * TEMP.
 *
 * Threads: a connection belongs to one thread at a time.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store/sqlite.h"

#include "store/base/err.h"
#include "store/base/span.h"

enum { STORE_APPLICATION_ID = 0x706c6d62, STORE_USER_VERSION = 4 /* 0.4 */ };

/* Text of store/schema.sql: the recorded part, and the derived part. Static. */
extern const char store_schema_recorded[];
extern const char store_schema_derived[];

/* How to open for reading. */
enum store_open_flags {
    STORE_OPEN_DEFAULT = 0,
    STORE_OPEN_WRITE = 1,     /* read-write (doctor, sql --write) */
    STORE_OPEN_UNCHECKED = 2, /* skip quick_check (file written by this process, or above 100 MB) */
    STORE_OPEN_NO_VIEWS = 4,  /* do not make missing derived objects in TEMP */
    STORE_OPEN_TRUSTED = 8,   /* skip defensive settings (own files while writing) */
};

/* Opens a trace. *out is owned by the caller: store_close. ERR_NOT_FOUND, ERR_FORMAT (no trace:
 * says what the file is instead), ERR_VERSION, ERR_IO. SQL functions of store/sqlfn.h are
 * registered. */
enum err WARN_UNUSED store_open_read(const char *path, unsigned flags, sqlite3 **out);

/* First n bytes of a file that may be a trace, zeros past its end, read without touching this
 * process's locks on it. ERR_NOT_FOUND,
 * ERR_IO; ERR_FORMAT for an empty file or a folder. */
enum err WARN_UNUSED store_read_head(const char *path, unsigned char *head, int n);

/* Inflates a gzip file into a temporary file. *out_path is owned (free), the file is the
 * caller's to unlink. ERR_FORMAT for
 * damaged or truncated gzip, ERR_FULL. */
enum err WARN_UNUSED store_inflate_copy(const char *path, char **out_path);

/* Makes a new trace at path with the recorded schema, WAL, bulk settings, meta rows
 * format/version/state=live.
 * ERR_EXISTS when the path exists. */
enum err WARN_UNUSED store_create(const char *path, sqlite3 **out);

/* Makes indices and views (derived part), limited ANALYZE, sets meta state, checkpoints,
 * journal_mode=DELETE, and closes
 * the connection, also on failure. state: "closed", "recovered", "packed". */
enum err WARN_UNUSED store_finish(sqlite3 *db, const char *state);

/* Drops and makes all derived objects. */
enum err WARN_UNUSED store_rebuild(sqlite3 *db);

void store_close(sqlite3 *db);

/* Runs SQL text that is part of the program (no values printed into it). */
enum err WARN_UNUSED store_exec(sqlite3 *db, const char *sql);
/* Prepares; error text names the SQL. *out is owned: sqlite3_finalize. */
enum err WARN_UNUSED store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
/* One integer; ERR_NOT_FOUND when there is no row. */
enum err WARN_UNUSED store_int(sqlite3 *db, const char *sql, int64_t *out);
/* Turns a SQLite result code and the connection's message into an error: FULL -> ERR_FULL, IOERR
 * -> ERR_IO, CORRUPT and
 * NOTADB -> ERR_FORMAT, INTERRUPT -> ERR_CANCELLED, READONLY -> ERR_REFUSED, else ERR_SQL. */
enum err store_sql_error(sqlite3 *db, int rc, const char *doing);
/* meta row; put replaces. get: *out is arena-free: copied into caller's buffer of size n, "" when
 * absent. */
enum err WARN_UNUSED store_meta_put(sqlite3 *db, const char *key, const char *value);
enum err WARN_UNUSED store_meta_get(sqlite3 *db, const char *key, char *out, size_t n);

/* Text column as a span borrowed until the next step/finalize; p == NULL for SQL NULL. */
static inline struct span store_column_text(sqlite3_stmt *s, int i)
{
    const char *p = (const char *)sqlite3_column_text(s, i);
    return (struct span){p, p ? (size_t)sqlite3_column_bytes(s, i) : 0};
}

#endif
