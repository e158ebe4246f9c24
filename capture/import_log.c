/* import_log.c - two threads per log: one reads, cuts, checks and packs; one turns records into
 * rows.
 *
 *   file ─ feeder: read, cut, md5, zstd ─► pieces (QUEUED wait) ─► reader: JSON, handlers ─► writer
 *             ▲                                                       │
 *             └────────────────── emptied pieces ◄────────────────────┘
 *
 * The split is where the work is about equal: hashing and packing here, understanding there.
 */
#include "capture/import_debug.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/text.h"

enum { QUEUED = 3, SPARE = 4, FRAMES_AHEAD = 4 };

struct feed {
    struct import_shared *shared;
    struct import_input input;
    struct torch_cutter cutter;
    int64_t stream;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t moved;
    struct torch_held queue[QUEUED];
    int n_queued;
    struct torch_piece *spare[SPARE];
    int n_spare;
    bool ended, given_up; /* by the feeder, by the reader */
    enum err err;         /* the feeder's */
    char why[512];
    char damaged[256]; /* reading failed: what came before is good */
};

/* ---- pieces go round ---- */

static struct torch_piece *take_spare(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    struct torch_piece *p = f->n_spare ? f->spare[--f->n_spare] : NULL;
    pthread_mutex_unlock(&f->lock);
    return p ? p : torch_piece_new();
}

static void give_spare(void *context, struct torch_piece *piece_take)
{
    struct feed *f = context;
    torch_piece_clear(piece_take);
    pthread_mutex_lock(&f->lock);
    if (f->n_spare < SPARE) f->spare[f->n_spare++] = piece_take, piece_take = NULL;
    pthread_mutex_unlock(&f->lock);
    torch_piece_free(piece_take);
}

/* False when the reader has given up. Takes both. */
static bool put(struct feed *f, struct torch_piece *piece, struct store_batch *batch)
{
    pthread_mutex_lock(&f->lock);
    while (f->n_queued == QUEUED && !f->given_up) pthread_cond_wait(&f->moved, &f->lock);
    bool wanted = !f->given_up;
    if (wanted) f->queue[f->n_queued++] = (struct torch_held){piece, batch};
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
    if (wanted) return true;
    torch_piece_free(piece);
    store_batch_free(batch);
    return false;
}

/* False when there is none and none will come. */
static bool get(struct feed *f, struct torch_held *out)
{
    pthread_mutex_lock(&f->lock);
    while (!f->n_queued && !f->ended) pthread_cond_wait(&f->moved, &f->lock);
    bool any = f->n_queued > 0;
    if (any) {
        *out = f->queue[0];
        f->n_queued--;
        memmove(f->queue, f->queue + 1, (size_t)f->n_queued * sizeof *f->queue);
        pthread_cond_broadcast(&f->moved);
    }
    pthread_mutex_unlock(&f->lock);
    return any;
}

/* ---- the feeder ---- */

enum err import_pack(struct store_batch *batch, int64_t stream, int64_t offset, struct span bytes)
{
    while (bytes.n) {
        struct span frame = span_to(bytes, TEXT_FRAME_SIZE);
        TRY(text_pack(batch, stream, offset, frame));
        offset += (int64_t)frame.n;
        bytes = span_from(bytes, frame.n);
    }
    return ERR_OK;
}

/* The frames of a record that is much longer than a piece go ahead in batches of their own, so that
 * they do not all wait in memory; what is left over goes with its rows. */
static enum err pack_ahead(struct feed *f, int64_t *offset, struct span *bytes)
{
    const size_t portion = (size_t)FRAMES_AHEAD * TEXT_FRAME_SIZE;
    while (bytes->n > portion) {
        struct store_batch *batch = store_batch_new();
        if (!batch) FAIL(ERR_NOMEM, "out of memory for a batch");
        enum err err = import_pack(batch, f->stream, *offset, span_to(*bytes, portion));
        if (err) store_batch_free(batch);
        TRY(err ? err : store_submit(f->shared->writer, batch));
        *offset += (int64_t)portion;
        *bytes = span_from(*bytes, portion);
    }
    return ERR_OK;
}

static enum err send(struct feed *f, enum torch_take what, bool *wanted)
{
    struct torch_piece *empty = take_spare(f), *piece = NULL;
    if (!empty) FAIL(ERR_NOMEM, "out of memory for a piece of log");
    enum err err = torch_cutter_take(&f->cutter, what, empty, &piece);
    if (err) {
        torch_piece_free(empty);
        return err;
    }
    struct store_batch *batch = store_batch_new();
    int64_t offset = piece->offset;
    struct span bytes = buf_text(&piece->bytes);
    err = batch ? pack_ahead(f, &offset, &bytes) : err_set(ERR_NOMEM, "out of memory for a batch");
    if (!err) err = import_pack(batch, f->stream, offset, bytes);
    if (!err) {
        atomic_fetch_add(&f->shared->text, (int64_t)piece->bytes.n);
        *wanted = put(f, piece, batch);
        return ERR_OK;
    }
    torch_piece_free(piece);
    store_batch_free(batch);
    return err;
}

/* Reads about a piece; *more is false at the end of the input. */
static enum err read_some(struct feed *f, bool *more)
{
    size_t waiting = torch_cutter_waiting(&f->cutter), got = 0;
    size_t want = waiting < TORCH_PIECE_SIZE ? TORCH_PIECE_SIZE - waiting : TORCH_PIECE_SIZE;
    char *to = torch_cutter_room(&f->cutter, want);
    if (!to) FAIL(ERR_NOMEM, "out of memory for a record of more than %zu bytes", waiting);
    int64_t before = f->input.disk;
    struct import_wait wait = {.stop = &f->shared->stop, .end = f->shared->request->stop};
    enum err err = import_input_read(&f->input, &wait, to, want, &got);
    if (err == ERR_NOMEM) return err;
    if (err) snprintf(f->damaged, sizeof f->damaged, "%s", err_text());
    atomic_fetch_add(&f->shared->disk, f->input.disk - before);
    *more = !err && got > 0;
    return torch_cutter_fill(&f->cutter, got);
}

static enum err feed_all(struct feed *f)
{
    bool more = true, wanted = true;
    while (more && wanted && !import_stopped(f->shared)) {
        TRY(read_some(f, &more));
        size_t waiting = torch_cutter_waiting(&f->cutter);
        if (waiting >= TORCH_RECORD_MAX) TRY(send(f, TORCH_TAKE_ALL, &wanted));
        else if (waiting >= TORCH_PIECE_SIZE && torch_cutter_ready(&f->cutter))
            TRY(send(f, TORCH_TAKE_COMPLETE, &wanted));
    }
    if (!wanted) return ERR_OK;
    if (atomic_load(&f->shared->stop)) FAIL(ERR_CANCELLED, "another log failed");
    if (import_stopped(f->shared) && (more || (f->input.is_pipe && !f->input.ended)))
        snprintf(f->damaged, sizeof f->damaged, "the import was interrupted");
    return send(f, TORCH_TAKE_ALL, &wanted);
}

static void *feeder_main(void *context)
{
    struct feed *f = context;
    enum err err = feed_all(f);
    pthread_mutex_lock(&f->lock);
    f->err = err;
    if (err) snprintf(f->why, sizeof f->why, "%s", err_text());
    f->ended = true;
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- the reader ---- */

struct row_source_file import_source_row(const struct import_shared *s,
                                         const struct import_log *log)
{
    struct span name = span_of(strcmp(log->path, "-") ? log->name : "stdin.log");
    struct span path = span_of(log->path);
    if (s->list->common < path.n && strcmp(log->path, "-")) path = span_from(path, s->list->common);
    if (span_ends(name, ".gz")) name.n -= 3;
    struct row_source_file row = {.path = path, .name = name, .rank = log->rank};
    row.year = row.zone_ns = STORE_NULL;
    if (log->rank != STORE_NULL) row.rank_from = SPAN("name");
    return row;
}

enum err import_reader_new(struct import_shared *s, const struct import_log *log,
                           struct torch_reader **out)
{
    struct torch_reader_options o = {
        .writer = s->writer,
        .run = s->list->runs.p[log->run].run,
        .row = import_source_row(s, log),
        .file_ts = log->mtime,
    };
    return torch_reader_new(&o, out);
}

void import_count(struct import_shared *s, const struct torch_reader *r)
{
    pthread_mutex_lock(&s->lock);
    s->counts.logs++;
    s->counts.records += r->source.row.n_records;
    s->counts.payloads += r->source.row.n_payloads;
    s->counts.bytes += r->source.row.size;
    for (int k = 0; k < TORCH_N_LOSSES; k++) s->counts.losses[k] += r->losses[k];
    pthread_mutex_unlock(&s->lock);
}

static enum err read_pieces(struct feed *f, struct torch_reader *r)
{
    struct torch_held next;
    enum err err = ERR_OK;
    while (get(f, &next)) {
        if (!err) err = torch_reader_piece(r, next.piece, next.batch);
        else {
            torch_piece_free(next.piece);
            store_batch_free(next.batch);
        }
        if (!err) continue;
        pthread_mutex_lock(&f->lock);
        f->given_up = true;
        pthread_cond_broadcast(&f->moved);
        pthread_mutex_unlock(&f->lock);
    }
    return err;
}

static enum err read_with_feeder(struct feed *f, struct torch_reader *r)
{
    pthread_t feeder;
    if (pthread_create(&feeder, NULL, feeder_main, f))
        FAIL(ERR_NOMEM, "no thread for reading a log");
    enum err err = read_pieces(f, r);
    char why[512];
    snprintf(why, sizeof why, "%s", err ? err_text() : "");
    pthread_join(feeder, NULL);
    if (err) return err_set(err, "%s", why);
    if (f->err) return err_set(f->err, "%s", f->why);
    r->source.row.compressed = f->input.gz != NULL;
    return torch_reader_finish(r, f->damaged[0] ? "interrupted" : "complete", f->damaged);
}

static void feed_release(struct feed *f)
{
    torch_cutter_release(&f->cutter);
    import_input_close(&f->input);
    for (int i = 0; i < f->n_spare; i++) torch_piece_free(f->spare[i]);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->moved);
}

/* A TORCH_TRACE log, of which the first bytes are read. */
static enum err read_torch(struct feed *f, const struct import_log *log, struct span head)
{
    struct torch_reader *r = NULL;
    char *to = torch_cutter_room(&f->cutter, head.n);
    if (!to) FAIL(ERR_NOMEM, "out of memory for the first bytes of a log");
    memcpy(to, head.p, head.n);
    enum err err = torch_cutter_fill(&f->cutter, head.n);
    if (!err) err = import_reader_new(f->shared, log, &r);
    if (!err) {
        r->recycle = give_spare;
        r->recycle_context = f;
        f->stream = r->source.row.id;
        err = read_with_feeder(f, r);
    }
    if (!err) import_count(f->shared, r);
    torch_reader_free(r);
    return err;
}

/* One of several logs that cannot be opened is a loss; the others are read. */
static enum err lose_log(struct import_shared *s, const struct import_log *log, const char *why)
{
    struct torch_reader *r;
    TRY(import_reader_new(s, log, &r));
    enum err err = torch_reader_finish(r, "interrupted", why);
    if (!err) import_count(s, r);
    torch_reader_free(r);
    return err;
}

/* The first bytes, by which a log is known; a failure to read shows again when the rest is read. */
static enum err read_head(struct feed *f, struct buf *head, bool *whole)
{
    struct import_wait wait = {.stop = &f->shared->stop, .end = f->shared->request->stop};
    *whole = false;
    while (head->n < DEBUG_HEAD_SIZE && !*whole) {
        size_t got = 0;
        char *to = buf_reserve(head, DEBUG_HEAD_SIZE + 16);
        if (!to) FAIL(ERR_NOMEM, "out of memory for the first bytes of a log");
        enum err err =
            import_input_read(&f->input, &wait, to, DEBUG_HEAD_SIZE - head->n + 16, &got);
        if (err == ERR_NOMEM) return err;
        if (err) break;
        head->n += got;
        *whole = got == 0;
    }
    atomic_fetch_add(&f->shared->disk, f->input.disk);
    return ERR_OK;
}

enum err import_log_read(struct import_shared *s, const struct import_log *log)
{
    struct feed f = {.shared = s};
    struct buf head = {0};
    bool whole;
    enum err err = import_input_open(&f.input, log->path);
    if (err && err != ERR_NOMEM && s->list->logs.n > 1) {
        char why[400];
        snprintf(why, sizeof why, "%s", err_text());
        return lose_log(s, log, why);
    }
    if (err) return err;
    pthread_mutex_init(&f.lock, NULL);
    pthread_cond_init(&f.moved, NULL);
    err = torch_cutter_init(&f.cutter);
    if (!err) err = read_head(&f, &head, &whole);
    if (!err && debug_recognise(buf_text(&head), whole))
        err = import_debug_read(s, log, &f.input, &head);
    else if (!err && s->request->digests)
        err = err_set(ERR_USAGE, "--digests goes with a DebugMode log, which this is not");
    else if (!err) err = read_torch(&f, log, buf_text(&head));
    buf_release(&head);
    feed_release(&f);
    atomic_fetch_add(&s->logs_done, 1);
    return err ? err_wrap(err, "%s: ", log->path) : ERR_OK;
}
