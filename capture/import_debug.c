/* import_debug.c - tells DebugMode logs from others, and takes one in as a whole.
 *
 * A saved log is one JSON value and a text says nothing about its end, so neither is followed
 * while it grows.
 */
#include "capture/import_debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "capture/debug_import.h"

enum { PORTION = 1 << 20, FRAMES_PER_BATCH = 4 << 20 };
#define LARGEST (INT64_C(2) << 30) /* bytes; parsed in memory */

/* Lines that other programs' texts hardly begin with. */
static bool is_first_line(struct span line)
{
    static const char *const begins[] = {"# File: ",           "[nn.Mod",   "[annotate] ",
                                         "[record function] ", "[triton] ", "[plumb] ",
                                         "redistribute_input("};
    size_t n = 0;
    while (n < line.n && line.p[n] == ' ') n++;
    struct span s = span_from(line, n);
    if (n < 2 || n % 2) return false;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (span_starts(s, begins[i])) return true;
    size_t open = span_find(s, SPAN("("), 0), colons = span_find(s, SPAN("::"), 0);
    if (open == SIZE_MAX) return span_find(s, SPAN(" region (compile)] "), 0) != SIZE_MAX;
    return colons < open || span_find(s, SPAN(")  ->  "), open) != SIZE_MAX ||
           span_starts(s, "torch.") || span_find(s, SPAN(" region (compile)] "), 0) != SIZE_MAX;
}

enum debug_format debug_recognise(struct span head, bool whole)
{
    struct span line, rest = head;
    if (whole && span_is(head, "\n")) return DEBUG_TEXT_LOG; /* a log without calls */
    if (span_starts(span_trim(head), "{"))
        return span_find(head, SPAN("\"" DEBUG_FORMAT "\""), 0) == SIZE_MAX ? DEBUG_NO_LOG
                                                                            : DEBUG_JSON_LOG;
    bool any = span_next_line(&rest, &line) && is_first_line(line);
    return any ? DEBUG_TEXT_LOG : DEBUG_NO_LOG;
}

enum err debug_import_read(struct debug_import *d, struct span text, enum debug_format format)
{
    size_t bad = 0;
    for (struct span s = text; s.n; bad++) {
        size_t n = utf8_length(s);
        while (n && s.n) s = span_from(s, n), n = s.n ? utf8_length(s) : 0;
        if (!s.n) break;
        s = span_from(s, 1);
    }
    if (bad)
        TRY(debug_lose(d, TORCH_LOSS_encoding, STORE_NULL,
                       "%zu bytes of the log are not UTF-8; only its own text keeps them", bad));
    return format == DEBUG_JSON_LOG ? debug_read_json(d, text) : debug_read_text(d, text);
}

bool import_is_calls(const char *path)
{
    char *head = malloc(DEBUG_HEAD_SIZE);
    gzFile in = head ? gzopen(path, "rb") : NULL;
    int n = in ? gzread(in, head, DEBUG_HEAD_SIZE) : 0;
    if (in) gzclose(in);
    bool calls = n > 1 && debug_recognise((struct span){head, (size_t)n}, false);
    free(head);
    return calls;
}

/* ---- one log of an import ---- */

/* Behind the head, to the end. *why: reading failed, what came is good. */
static enum err read_whole(struct import_shared *s, struct import_input *in, struct buf *text,
                           char *why, size_t n_why)
{
    struct import_wait wait = {.stop = &s->stop, .end = s->request->stop};
    for (size_t got = 1; got;) {
        if (import_stopped(s)) FAIL(ERR_CANCELLED, "the import was interrupted");
        if ((int64_t)text->n > LARGEST)
            FAIL(ERR_LIMIT,
                 "the DebugMode log has more than 2 GiB; logs of up to that size are taken");
        char *to = buf_reserve(text, PORTION);
        if (!to) FAIL(ERR_NOMEM, "out of memory for a log of more than %zu bytes", text->n);
        int64_t before = in->disk;
        enum err err = import_input_read(in, &wait, to, PORTION, &got);
        if (err == ERR_NOMEM) return err;
        if (err) snprintf(why, n_why, "%s", err_text());
        text->n += got;
        atomic_fetch_add(&s->disk, in->disk - before);
        if (err) break;
    }
    return ERR_OK;
}

static enum err put_frames(struct debug_import *d, struct span text)
{
    for (size_t at = 0; at < text.n; at += FRAMES_PER_BATCH) {
        struct store_batch *batch = store_batch_new();
        if (!batch) FAIL(ERR_NOMEM, "out of memory for a batch");
        enum err err = import_pack(batch, d->row.id, (int64_t)at,
                                   span_to(span_from(text, at), FRAMES_PER_BATCH));
        if (err) store_batch_free(batch);
        TRY(err ? err : store_submit(d->writer, batch));
    }
    return ERR_OK;
}

static enum err put_identity(struct debug_import *d, struct torch_run *run)
{
    struct row_process process = {.id = d->row.process, .run = d->row.run, .rank = d->row.rank};
    process.pid = process.world = process.start_ts = process.end_ts = STORE_NULL;
    TRY(torch_run_write(run, d->batch));
    TRY(store_process_add(d->batch, &process));
    return store_source_file_add(d->batch, &d->row);
}

static void count(struct import_shared *s, const struct debug_import *d)
{
    pthread_mutex_lock(&s->lock);
    s->counts.logs++;
    s->counts.call_logs++;
    s->counts.records += d->log.calls;
    s->counts.bytes += d->row.size;
    for (int k = 0; k < TORCH_N_LOSSES; k++) s->counts.losses[k] += d->losses[k];
    pthread_mutex_unlock(&s->lock);
}

/* All of a file, plain or gzip. */
static enum err read_digests(const char *path, struct buf *out)
{
    gzFile in = gzopen(path, "rb");
    int got = 1;
    if (!in) FAIL(ERR_NOT_FOUND, "%s cannot be opened: %s", path, strerror(errno));
    while (got > 0 && (int64_t)out->n <= LARGEST) {
        char *to = buf_reserve(out, PORTION);
        got = to ? gzread(in, to, PORTION) : -1;
        if (got > 0) out->n += (size_t)got;
    }
    gzclose(in);
    TRY(buf_ok(out));
    if (got < 0)
        FAIL(ERR_FORMAT, "it cannot be read to its end"); /* a folder, a broken gzip file */
    if (got) FAIL(ERR_LIMIT, "%s has more than 2 GiB; digests of up to that size are taken", path);
    return ERR_OK;
}

/* Reads the calls, with what others say of them. */
static enum err read_calls(struct import_shared *s, struct debug_import *d, struct span text,
                           enum debug_format format)
{
    const char *path = s->request->digests;
    struct buf file = {0};
    struct debug_digests digests = {0};
    if (!path) return debug_import_read(d, text, format);
    enum err err = read_digests(path, &file);
    if (!err) err = debug_digests_init(&digests, buf_text(&file));
    d->digests = &digests;
    if (!err) err = debug_import_read(d, text, format);
    if (!err) err = debug_digests_end(&digests);
    if (err == ERR_FORMAT) err = err_wrap(err, "%s: ", path);
    pthread_mutex_lock(&s->lock);
    s->counts.digests += digests.n;
    pthread_mutex_unlock(&s->lock);
    d->digests = NULL;
    debug_digests_release(&digests);
    buf_release(&file);
    return err;
}

static enum err take_in(struct import_shared *s, struct debug_import *d, struct torch_run *run,
                        struct span text, const char *why)
{
    struct span first = span_to(text, DEBUG_HEAD_SIZE);
    enum debug_format format = debug_recognise(first, first.n == text.n);
    d->row.size = (int64_t)text.n;
    d->row.state = SPAN("reading");
    TRY(put_identity(d, run));
    TRY(put_frames(d, text));
    if (*why) TRY(debug_lose(d, TORCH_LOSS_read, (int64_t)text.n, "%s", why));
    TRY(read_calls(s, d, text, format));
    d->row.n_records = d->log.calls;
    d->row.state = *why || d->damaged ? SPAN("interrupted") : SPAN("complete");
    TRY(store_source_file_add(d->batch, &d->row));
    TRY(debug_import_finish(d));
    atomic_fetch_add(&s->text, (int64_t)text.n);
    count(s, d);
    return ERR_OK;
}

enum err import_debug_read(struct import_shared *s, const struct import_log *log,
                           struct import_input *in, struct buf *head)
{
    char why[256] = "";
    struct debug_import d = {.writer = s->writer, .row = import_source_row(s, log)};
    d.row.id = store_next_id(s->writer, STORE_SOURCE_FILE);
    d.row.run = s->list->runs.p[log->run].run->row.id;
    d.row.process = store_next_id(s->writer, STORE_PROCESS);
    d.row.compressed = in->gz != NULL;
    enum err err = debug_import_init(&d);
    if (!err) err = read_whole(s, in, head, why, sizeof why);
    if (!err) err = take_in(s, &d, s->list->runs.p[log->run].run, buf_text(head), why);
    debug_import_release(&d);
    return err;
}
