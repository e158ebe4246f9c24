/* drain_log.c - records become text as PyTorch's emitter writes it, and rows as its importer does.
 *
 *   V1124 21:30:00.123456 4711 plumb/compile/log.c:123] {"artifact": ..., "has_payload": "<md5>"}
 *   <tab>first line of the payload
 */
#include "capture/drain_log.h"

#include <md5.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "capture/torch_tail.h"
#include "store/base/clock.h"

#define WAITING_MAX ((size_t)64 << 20) /* bytes of text; who puts more waits for the drain */

struct drain_log {
    struct drain_log_options o;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t taken;
    struct buf waiting; /* whole records */
    bool given_up;
    /* the drain's own */
    struct torch_run run;
    struct torch_tail tail; /* reader NULL: nothing has come yet */
    struct buf reading;
};

enum err drain_log_new(const struct drain_log_options *o, struct drain_log **out)
{
    struct drain_log *l = *out = calloc(1, sizeof *l);
    if (!l) FAIL(ERR_NOMEM, "out of memory for a log");
    l->o = *o;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->taken, NULL);
    pthread_mutex_init(&l->run.lock, NULL);
    return ERR_OK;
}

void drain_log_free(struct drain_log *l)
{
    if (!l) return;
    torch_tail_release(&l->tail);
    torch_run_release(&l->run);
    buf_release(&l->waiting);
    buf_release(&l->reading);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->taken);
    free(l);
}

/* ---- a record as text ---- */

static void put_md5(struct buf *b, struct span payload)
{
    uint8_t md5[MD5_DIGEST_LENGTH];
    MD5_CTX sum;
    MD5Init(&sum);
    MD5Update(&sum, (const uint8_t *)payload.p, payload.n);
    MD5Final(md5, &sum);
    for (size_t i = 0; i < sizeof md5; i++) {
        buf_putc(b, "0123456789abcdef"[md5[i] >> 4]);
        buf_putc(b, "0123456789abcdef"[md5[i] & 15]);
    }
}

/* Each line of the payload behind a tab. */
static void put_lines(struct buf *b, struct span payload)
{
    for (;;) {
        const char *lf = payload.n ? memchr(payload.p, '\n', payload.n) : NULL;
        size_t n = lf ? (size_t)(lf - payload.p) : payload.n;
        buf_putc(b, '\t');
        buf_put(b, payload.p, n);
        buf_putc(b, '\n');
        if (!lf) return;
        payload = span_from(payload, n + 1);
    }
}

/* The envelope without its last brace and blanks; an absent span when it is no object on a line. */
static struct span open_object(struct span envelope)
{
    struct span s = span_trim(envelope);
    bool fits = span_starts(s, "{") && span_ends(s, "}") && !memchr(s.p, '\n', s.n);
    if (!fits) return SPAN_NONE;
    s.n--;
    while (s.n && s.p[s.n - 1] == ' ') s.n--;
    return s;
}

/* Without a NUL or a byte beyond ASCII, as nearly all payloads are. */
static bool is_plain(struct span s)
{
    unsigned char any = 0;
    bool zero = false;
    for (size_t i = 0; i < s.n; i++) {
        any |= (unsigned char)s.p[i];
        zero |= !s.p[i];
    }
    return any < 0x80 && !zero;
}

/* A payload is text: bytes that are none become U+FFFD, and NUL a blank. */
static struct span make_text(struct span payload, struct buf *own)
{
    if (!payload.p || is_plain(payload)) return payload;
    buf_utf8(own, payload);
    for (size_t i = 0; i < own->n; i++)
        if (!own->p[i]) own->p[i] = ' ';
    return buf_text(own);
}

/* What follows the prefix. */
static enum err put_record(struct buf *b, struct span envelope, struct span payload)
{
    struct span open = open_object(envelope), text;
    struct buf own = {0};
    if (!open.p)
        FAIL(ERR_USAGE, "an envelope is '%.*s': expected one JSON object on one line",
             (int)(envelope.n < 80 ? envelope.n : 80), envelope.p ? envelope.p : "");
    text = make_text(payload, &own);
    (void)buf_reserve(b, open.n + text.n + 80);
    buf_span(b, open);
    if (text.p) {
        buf_puts(b, open.n > 1 ? ", \"has_payload\": \"" : "\"has_payload\": \"");
        put_md5(b, text);
        buf_putc(b, '"');
    }
    buf_puts(b, "}\n");
    if (text.p) put_lines(b, text);
    b->failed |= own.failed;
    buf_release(&own);
    return buf_ok(b);
}

static void put_prefix(struct buf *b, int64_t pid, const char *file, int line)
{
    int64_t now = clock_real();
    time_t seconds = (time_t)(now / 1000000000);
    struct tm t;
    (void)gmtime_r(&seconds, &t);
    buf_printf(b, "V%02d%02d %02d:%02d:%02d.%06d %lld plumb/%s:%d] ", t.tm_mon + 1, t.tm_mday,
               t.tm_hour, t.tm_min, t.tm_sec, (int)(now % 1000000000 / 1000), (long long)pid, file,
               line);
}

enum err drain_log_put(struct drain_log *l, struct span envelope, struct span payload,
                       const char *file, int line)
{
    struct buf record = {0};
    enum err err = put_record(&record, envelope, payload);
    if (!err) {
        pthread_mutex_lock(&l->lock);
        while (l->waiting.n > WAITING_MAX && !l->given_up) pthread_cond_wait(&l->taken, &l->lock);
        atomic_fetch_add(l->o.n_given, 1);
        size_t before = l->waiting.n;
        if (!l->given_up) {
            put_prefix(&l->waiting, l->o.process->pid, file, line);
            buf_span(&l->waiting, buf_text(&record));
        }
        err = buf_ok(&l->waiting);
        if (err) l->waiting.n = before, l->waiting.failed = false;
        pthread_mutex_unlock(&l->lock);
    }
    buf_release(&record);
    return err;
}

/* ---- text as rows ---- */

static enum err begin(struct drain_log *l)
{
    struct torch_reader_options o = {
        .writer = l->o.writer,
        .run = &l->run,
        .row = {.path = SPAN(DRAIN_LOG_NAME), .name = SPAN(DRAIN_LOG_NAME), .rank = STORE_NULL},
        .process = l->o.process->id,
        .file_ts = l->o.run->start_ts,
        .utc = true,
    };
    struct torch_reader *reader;
    l->run.row = *l->o.run;
    TRY(torch_reader_new(&o, &reader));
    return torch_tail_init(&l->tail, reader);
}

enum err drain_log_read(struct drain_log *l, bool *any)
{
    buf_clear(&l->reading);
    pthread_mutex_lock(&l->lock);
    struct buf now = l->waiting;
    l->waiting = l->reading;
    l->reading = now;
    if (now.n) pthread_cond_broadcast(&l->taken);
    pthread_mutex_unlock(&l->lock);
    if (!now.n) return ERR_OK;
    *any = true;
    if (!l->tail.reader) TRY(begin(l));
    TRY(torch_tail_put(&l->tail, buf_text(&now)));
    return torch_tail_take(&l->tail, TORCH_TAKE_ALL, NULL);
}

void drain_log_give_up(struct drain_log *l)
{
    pthread_mutex_lock(&l->lock);
    l->given_up = true;
    buf_release(&l->waiting);
    pthread_cond_broadcast(&l->taken);
    pthread_mutex_unlock(&l->lock);
}

enum err drain_log_finish(struct drain_log *l)
{
    bool any;
    TRY(drain_log_read(l, &any));
    return l->tail.reader ? torch_reader_finish(l->tail.reader, "complete", "") : ERR_OK;
}
