/* fuzz_debug.c - any bytes as a DebugMode log: a text must print itself, and nothing may break.
 *
 * The first byte says whether the rest is taken as a saved log or as a text (1), and whether what
 * follows the first byte 0xff is a list of digests of its calls (2). Rows go to a trace in /tmp
 * that is made anew now and then.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/debug_import.h"
#include "capture/debug_rows.h"
#include "store/db.h"

enum { LONGEST_INPUT = 1 << 15, INPUTS_PER_TRACE = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store_writer *writer;
static sqlite3 *reader;
static char path[64];
static int n_inputs;

static void must(enum err err)
{
    if (!err) return;
    fprintf(stderr, "%s\n", err_text());
    abort();
}

static void new_trace(void)
{
    sqlite3 *db;
    if (reader) store_close(reader);
    if (writer) must(store_writer_close(writer, NULL));
    snprintf(path, sizeof path, "/tmp/plumb-fuzz-debug-%d.db", getpid());
    unlink(path);
    must(store_create(path, &db));
    must(store_exec(db, "PRAGMA synchronous=OFF"));
    must(store_writer_new(db, &writer));
    must(store_open_read(path, STORE_OPEN_UNCHECKED | STORE_OPEN_NO_VIEWS, &reader));
    n_inputs = 0;
}

static enum err keep(void *context, struct span text)
{
    buf_span(context, text);
    return buf_ok(context);
}

static bool is_text(struct span s)
{
    while (s.n) {
        size_t n = s.p[0] ? utf8_length(s) : 0;
        if (!n) return false;
        s = span_from(s, n);
    }
    return true;
}

static void print_again(int64_t source, struct span input, bool text)
{
    struct debug_rows rows;
    struct debug_log log;
    struct arena arena = {0};
    struct buf out = {0};
    struct debug_source from = {debug_rows_next, &rows};
    struct debug_sink to = {keep, &out};
    must(debug_log_read(reader, source, &arena, &log));
    for (int json = 0; json < 2; json++) {
        struct debug_text_style style = {.without_newline = log.without_newline};
        buf_clear(&out);
        must(debug_rows_open(&rows, reader, source));
        must(json ? debug_write_json(&from, log.rest, &to) : debug_write_text(&from, style, &to));
        debug_rows_close(&rows);
        if (!json && text && is_text(input) && !span_eq(buf_text(&out), input)) abort();
    }
    buf_release(&out);
    arena_release(&arena);
}

static enum err read_with_digests(struct debug_import *d, struct span input,
                                  enum debug_format format)
{
    size_t end = span_find(input, SPAN("\xff"), 0);
    struct debug_digests digests;
    if (end == SIZE_MAX) return debug_import_read(d, input, format);
    enum err err = debug_digests_init(&digests, span_from(input, end + 1));
    d->digests = &digests;
    if (!err) err = debug_import_read(d, span_to(input, end), format);
    if (!err) err = debug_digests_end(&digests);
    debug_digests_release(&digests);
    d->digests = NULL;
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > LONGEST_INPUT) return 0;
    if (!writer || ++n_inputs > INPUTS_PER_TRACE) new_trace();
    bool text = data[0] & 1, digests = data[0] & 2;
    enum debug_format format = text ? DEBUG_TEXT_LOG : DEBUG_JSON_LOG;
    struct span input = {(const char *)data + 1, size - 1};
    struct debug_import d = {.writer = writer};
    d.row.id = store_next_id(writer, STORE_SOURCE_FILE);
    must(debug_import_init(&d));
    enum err err =
        digests ? read_with_digests(&d, input, format) : debug_import_read(&d, input, format);
    bool refused = err == ERR_VERSION || (digests && (err == ERR_FORMAT || err == ERR_LIMIT));
    if (err && !refused) must(err);
    if (!err) must(debug_import_finish(&d));
    debug_import_release(&d);
    must(store_flush(writer));
    if (!err)
        print_again(d.row.id, digests ? span_to(input, span_find(input, SPAN("\xff"), 0)) : input,
                    text);
    return 0;
}
