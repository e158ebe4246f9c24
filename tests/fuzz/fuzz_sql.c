/* fuzz_sql.c - any text as SQL on the console of a small trace: nothing may be written, run past
 * its limits, or break memory.
 *
 * The first byte chooses the result format; the rest is the statement text. Statements run one
 * after the other as in plumb sql.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/db.h"
#include "store/guard_sql.h"
#include "store/query.h"
#include "store/table.h"

enum { LONGEST_INPUT = 8192, STATEMENTS = 8 };

static sqlite3 *db;
static struct store_console console = {.max_length = 1 << 20};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A few rows of what views join; the file loses its name at once. */
static const char rows[] =
    "INSERT INTO run(id, name) VALUES (1, 'r');"
    "INSERT INTO string(id, text) VALUES (1, 'x'), (2, 'artifact'), (3, 'relu');"
    "INSERT INTO source_file(id, run, name, size, state) VALUES (1, 1, 'l', 12, 'complete');"
    "INSERT INTO text_frame(stream, offset, size, codec, data)"
    " VALUES (1, 0, 12, 0, x'68656c6c6f2072656c750a0a');"
    "INSERT INTO compile(id, source, compile_id, occurrence, outcome, name)"
    " VALUES (1, 1, '0/0', 1, 'ok', 1), (2, 1, '0/1', 1, 'failed', 1);"
    "INSERT INTO artifact(id, source, offset, stored, indented, size, key, name, compile)"
    " VALUES (1, 1, 0, 11, 0, 11, 2, 3, 1);"
    "INSERT INTO stack(id, parent, file, line, name, loc)"
    " VALUES (1, NULL, 1, 5, 3, NULL), (2, 1, 1, 6, 3, 1);"
    "INSERT INTO recompile(compile, position, previous, reason) VALUES (2, 0, '0/0', 'x == 1');"
    "INSERT INTO event(id, ts, dur, track, kind, name, parent, corr, flags)"
    " VALUES (1, 1, 5, 1, 1, 3, NULL, 1, 0), (2, 2, 2, 1, 1, 1, 1, 1, 0);";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[64];
    (void)argc, (void)argv;
    snprintf(path, sizeof path, "/tmp/plumb-fuzz-%d.db", getpid());
    if (store_create(path, &db) || store_exec(db, rows) || store_finish(db, "closed") ||
        store_open_read(path, STORE_OPEN_DEFAULT, &db) || store_console_limits(db, &console)) {
        fprintf(stderr, "%s\n", err_text());
        unlink(path);
        exit(2);
    }
    sqlite3_hard_heap_limit64(256 << 20);
    unlink(path);
    return 0;
}

static enum err count(void *context, struct span piece)
{
    *(size_t *)context += piece.n;
    return store_console_check(&console);
}

/* Runs the first statement of the text and gives what follows it. */
static const char *run_statement(const char *text, enum table_format format)
{
    sqlite3_stmt *s = NULL;
    const char *rest = NULL;
    struct table_result result;
    size_t n = 0;
    const struct table_style style = {
        .format = format, .max_width = 40, .max_rows = 200, .terminal = true};
    const struct table_sink sink = {count, &n};
    store_console_start(&console, 50000000);
    if (sqlite3_prepare_v3(db, text, -1, 0, &s, &rest) != SQLITE_OK) rest = NULL;
    if (s) {
        (void)store_bind_word(s, "word", "relu");
        enum err err = table_write(s, &style, &sink, &result);
        if (err) (void)store_console_error(&console, err);
    }
    sqlite3_finalize(s);
    return rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[LONGEST_INPUT + 1];
    if (size < 1 || size > LONGEST_INPUT) return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    const char *at = text;
    for (int i = 0; i < STATEMENTS && at && *at; i++)
        at = run_statement(at, (enum table_format)(data[0] % (TABLE_MARKDOWN + 1)));
    if (sqlite3_total_changes(db) || !sqlite3_get_autocommit(db)) abort();
    return 0;
}
