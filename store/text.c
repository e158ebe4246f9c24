/* text.c - zstd frames of streams: packing, and reading ranges with a small cache of inflated
 * frames. */
#include "store/text.h"

#include <stdlib.h>
#include <pthread.h>
#include <zstd.h>

#include "store/db.h"

enum { CACHE_FRAMES = 4, CODEC_STORED = 0, CODEC_ZSTD = 1 };

static _Thread_local ZSTD_CCtx
    *compressor; /* one per thread that packs; kept until the thread ends */
static pthread_key_t compressor_key;
static pthread_once_t compressor_once = PTHREAD_ONCE_INIT;

static void free_compressor(void *p)
{
    ZSTD_freeCCtx(p);
}
static void make_key(void)
{
    (void)pthread_key_create(&compressor_key, free_compressor);
}

static ZSTD_CCtx *thread_compressor(void)
{
    if (compressor) return compressor;
    pthread_once(&compressor_once, make_key);
    compressor = ZSTD_createCCtx();
    (void)pthread_setspecific(compressor_key, compressor);
    return compressor;
}

enum err text_pack(struct store_batch *batch, int64_t stream, int64_t offset, struct span bytes)
{
    REQUIRE("text:frame-size", bytes.n <= TEXT_FRAME_SIZE);
    size_t bound = ZSTD_compressBound(bytes.n);
    char *data = malloc(bound);
    ZSTD_CCtx *cctx = thread_compressor();
    if (!data || !cctx) {
        free(data);
        FAIL(ERR_NOMEM, "out of memory for compressing %zu bytes", bytes.n);
    }
    size_t n = ZSTD_compressCCtx(cctx, data, bound, bytes.p, bytes.n, TEXT_LEVEL);
    bool stored = ZSTD_isError(n) || n >= bytes.n;
    struct row_text_frame row = {
        .stream = stream,
        .offset = offset,
        .size = (int64_t)bytes.n,
        .codec = stored ? CODEC_STORED : CODEC_ZSTD,
        .packed = (int64_t)(stored ? bytes.n : n),
        .data = stored ? bytes : (struct span){data, n},
    };
    enum err err = store_text_frame_add(batch, &row);
    free(data);
    return err;
}

/* ---- reading ---- */

struct frame {
    int64_t stream, offset;
    uint64_t used; /* tick of last use */
    struct buf text;
};
struct text_frames {
    ZSTD_DCtx *inflater;
    struct frame cache[CACHE_FRAMES];
    uint64_t tick;
};
struct text_reader {
    sqlite3 *db; /* borrowed */
    sqlite3_stmt *find, *artifact;
    struct text_frames *frames;
    bool owns_frames;
};

struct text_frames *text_frames_new(void)
{
    struct text_frames *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    f->inflater = ZSTD_createDCtx();
    for (int i = 0; i < CACHE_FRAMES; i++) f->cache[i].stream = -1;
    if (f->inflater) return f;
    free(f);
    return NULL;
}

void text_frames_free(struct text_frames *f)
{
    if (!f) return;
    ZSTD_freeDCtx(f->inflater);
    for (int i = 0; i < CACHE_FRAMES; i++) buf_release(&f->cache[i].text);
    free(f);
}

enum err text_reader_new(sqlite3 *db, struct text_reader **out)
{
    struct text_frames *frames = text_frames_new();
    *out = NULL;
    if (!frames) FAIL(ERR_NOMEM, "out of memory for a text reader");
    enum err err = text_reader_new_over(db, frames, out);
    if (err) text_frames_free(frames);
    else (*out)->owns_frames = true;
    return err;
}

enum err text_reader_new_over(sqlite3 *db, struct text_frames *frames, struct text_reader **out)
{
    struct text_reader *r = calloc(1, sizeof *r);
    enum err err = ERR_OK;
    *out = NULL;
    if (!r) FAIL(ERR_NOMEM, "out of memory for a text reader");
    r->db = db;
    r->frames = frames;
    TRY_OUT(store_prepare(db,
                          "SELECT a.source, a.offset, a.stored, a.indented, s.crlf FROM artifact a "
                          "LEFT JOIN source_file s ON s.id = a.source WHERE a.id = ?1",
                          &r->artifact));
    *out = r;
    return ERR_OK;
out:
    text_reader_free(r);
    return err;
}

void text_reader_free(struct text_reader *r)
{
    if (!r) return;
    sqlite3_finalize(r->find);
    sqlite3_finalize(r->artifact);
    if (r->owns_frames) text_frames_free(r->frames);
    free(r);
}

static enum err inflate_frame(struct text_reader *r, int64_t size, int64_t codec, struct span data,
                              struct buf *out)
{
    buf_clear(out);
    if (size < 0 || size > TEXT_FRAME_SIZE)
        FAIL(ERR_FORMAT, "it says %lld bytes; at most 1 MiB is allowed", (long long)size);
    char *to = buf_reserve(out, (size_t)size);
    if (!to) return buf_ok(out);
    size_t n = data.n;
    if (codec == CODEC_ZSTD)
        n = ZSTD_decompressDCtx(r->frames->inflater, to, (size_t)size, data.p, data.n);
    else if (codec == CODEC_STORED && n <= (size_t)size) memcpy(to, data.p, n);
    else FAIL(ERR_FORMAT, "codec %lld is not known (0 stored, 1 zstd)", (long long)codec);
    if (n != (size_t)size) FAIL(ERR_FORMAT, "its compressed bytes are damaged");
    out->n = n;
    out->p[n] = 0;
    return ERR_OK;
}

/* Prepared at the first miss: a reader over kept frames may need none. */
static const char find_sql[] =
    "SELECT offset, size, codec, data FROM text_frame WHERE stream = ?1 AND offset <= ?2 "
    "ORDER BY offset DESC LIMIT 1";

/* The cached frame that holds `at`, read when it is not there yet. */
static enum err frame_at(struct text_reader *r, int64_t stream, int64_t at, struct frame **out)
{
    struct frame *oldest = &r->frames->cache[0];
    for (int i = 0; i < CACHE_FRAMES; i++) {
        struct frame *f = &r->frames->cache[i];
        if (f->stream == stream && at >= f->offset && at < f->offset + (int64_t)f->text.n) {
            f->used = ++r->frames->tick;
            *out = f;
            return ERR_OK;
        }
        if (f->used < oldest->used) oldest = f;
    }
    if (!r->find) TRY(store_prepare(r->db, find_sql, &r->find));
    sqlite3_bind_int64(r->find, 1, stream);
    sqlite3_bind_int64(r->find, 2, at);
    int rc = sqlite3_step(r->find);
    enum err err = ERR_OK;
    oldest->stream = -1;
    if (rc == SQLITE_ROW) {
        const char *p = sqlite3_column_blob(r->find, 3);
        struct span data = {p ? p : "", (size_t)sqlite3_column_bytes(r->find, 3)};
        err = inflate_frame(r, sqlite3_column_int64(r->find, 1), sqlite3_column_int64(r->find, 2),
                            data, &oldest->text);
        oldest->offset = sqlite3_column_int64(r->find, 0);
        if (err == ERR_FORMAT)
            err = err_wrap(err, "the text frame at byte %lld of stream %lld: ",
                           (long long)oldest->offset, (long long)stream);
        if (!err && at >= oldest->offset + (int64_t)oldest->text.n) rc = SQLITE_DONE;
    }
    sqlite3_reset(r->find);
    if (err) return err;
    if (rc == SQLITE_DONE)
        FAIL(ERR_FORMAT, "byte %lld of stream %lld is in no text frame: it was cut or not written",
             (long long)at, (long long)stream);
    if (rc != SQLITE_ROW) return store_sql_error(r->db, rc, "reading a text frame");
    oldest->stream = stream;
    oldest->used = ++r->frames->tick;
    *out = oldest;
    return ERR_OK;
}

enum err text_read(struct text_reader *r, int64_t stream, int64_t offset, int64_t size,
                   struct buf *out)
{
    if (offset < 0 || size < 0 || offset > INT64_MAX - size)
        FAIL(ERR_FORMAT, "a text range of %lld bytes at %lld makes no sense", (long long)size,
             (long long)offset);
    for (int64_t at = offset, end = offset + size; at < end;) {
        struct frame *f = NULL;
        TRY(frame_at(r, stream, at, &f));
        int64_t n = f->offset + (int64_t)f->text.n - at;
        if (n > end - at) n = end - at;
        buf_put(out, f->text.p + (at - f->offset), (size_t)n);
        if (out->failed) return buf_ok(out);
        at += n;
    }
    return ERR_OK;
}

void text_unindent(struct span stored, bool crlf, struct buf *out)
{
    struct span line;
    bool first = true;
    buf_reserve(out, stored.n);
    while (span_next_line(&stored, &line)) {
        if (crlf && line.n && line.p[line.n - 1] == '\r') line.n--;
        if (!line.n)
            continue; /* an empty line of a log is no part of a payload: that has a tab at least */
        if (line.p[0] == '\t') line = span_from(line, 1);
        if (!first) buf_putc(out, '\n');
        first = false;
        buf_span(out, line);
    }
}

enum err text_artifact(struct text_reader *r, int64_t artifact, struct buf *out)
{
    sqlite3_bind_int64(r->artifact, 1, artifact);
    int rc = sqlite3_step(r->artifact);
    int64_t v[5] = {0};
    for (int i = 0; rc == SQLITE_ROW && i < 5; i++) v[i] = sqlite3_column_int64(r->artifact, i);
    sqlite3_reset(r->artifact);
    if (rc == SQLITE_DONE) FAIL(ERR_NOT_FOUND, "there is no artifact %lld", (long long)artifact);
    if (rc != SQLITE_ROW) return store_sql_error(r->db, rc, "reading an artifact");
    if (!v[3]) return text_read(r, v[0], v[1], v[2], out);
    struct buf stored = {0};
    enum err err = text_read(r, v[0], v[1], v[2], &stored);
    if (!err) text_unindent(buf_text(&stored), v[4], out);
    buf_release(&stored);
    return err ? err : buf_ok(out);
}
