/* torch_lines.c - one pass: memchr for line ends, payloads copied without tabs, md5 at a record's
 * end. */
#include "capture/torch_lines.h"

#include <md5.h>
#include <stdlib.h>

/* ---- the prefix ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* n digits at p as a number, or -1. */
static int64_t digits(const char *p, int n)
{
    int64_t v = 0;
    for (int i = 0; i < n; i++) {
        if (!is_digit(p[i])) return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

/* Digits from *at on, at least one, at most 20; advances *at. */
static bool number(struct span line, size_t *at, int64_t *out)
{
    size_t begin = *at;
    while (*at < line.n && is_digit(line.p[*at])) ++*at;
    struct span text = {line.p + begin, *at - begin};
    if (text.n && !span_to_i64(text, out)) *out = INT64_MAX;
    return text.n > 0;
}

/* "V1123 04:22:04.458000 3806 torch/utils.py:2350] {" with the level letter at line.p[at]. */
static bool prefix_at(struct span line, size_t at, struct torch_prefix *out)
{
    enum { FIXED = 21, LEAST = FIXED + 8 };
    const char *p = line.p + at;
    if (line.n - at < LEAST || p[5] != ' ' || p[8] != ':' || p[11] != ':') return false;
    int64_t month = digits(p + 1, 2), day = digits(p + 3, 2), hour = digits(p + 6, 2),
            minute = digits(p + 9, 2), second = digits(p + 12, 2), micro = digits(p + 15, 6);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 24 || minute < 0 ||
        minute > 60 || second < 0 || second > 60 || micro < 0 || p[FIXED] != ' ')
        return false;
    size_t i = at + FIXED + 1;
    if (!number(line, &i, &out->thread)) return false;
    const char *colon = memchr(line.p + i, ':', line.n - i);
    if (!colon || colon == line.p + i) return false;
    out->path = span_trim((struct span){line.p + i, (size_t)(colon - line.p) - i});
    i = (size_t)(colon - line.p) + 1;
    if (!number(line, &i, &out->path_line)) return false;
    if (line.n - i < 3 || line.p[i] != ']' || line.p[i + 1] != ' ') return false;
    out->json = span_from(line, i + 2);
    out->month = (uint8_t)month;
    out->day = (uint8_t)day;
    out->us = ((hour * 60 + minute) * 60 + second) * 1000000 + micro;
    return true;
}

/* Each try stops at the next ':', and a prefix has two of them: the search is linear. */
bool torch_prefix_read(struct span line, struct torch_prefix *out)
{
    for (size_t at = 0; at < line.n; at++) {
        char c = line.p[at];
        bool level = c == 'V' || c == 'I' || c == 'W' || c == 'E' || c == 'C';
        if (level && at + 1 < line.n && is_digit(line.p[at + 1]) && prefix_at(line, at, out))
            return true;
    }
    return false;
}

/* ---- pieces ---- */

struct torch_piece *torch_piece_new(void)
{
    return calloc(1, sizeof(struct torch_piece));
}

void torch_piece_free(struct torch_piece *p)
{
    if (!p) return;
    buf_release(&p->bytes);
    buf_release(&p->text);
    LIST_RELEASE(&p->lines);
    free(p);
}

void torch_piece_clear(struct torch_piece *p)
{
    enum { KEEP = 3 * TORCH_PIECE_SIZE };
    if (p->bytes.size > KEEP) buf_release(&p->bytes);
    if (p->text.size > KEEP) buf_release(&p->text);
    if (p->lines.size * sizeof *p->lines.p > KEEP) LIST_RELEASE(&p->lines);
    buf_clear(&p->bytes);
    buf_clear(&p->text);
    p->lines.n = 0;
}

/* ---- cutting ---- */

static bool is_text(struct span s)
{
    size_t i = 0;
    uint64_t zero = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t v;
        memcpy(&v, s.p + i, 8);
        zero |= (v - 0x0101010101010101u) & ~v; /* a byte is 0, or some byte is above 0x80 */
        if ((v | zero) & 0x8080808080808080u) break;
    }
    while (i < s.n) {
        if (!s.p[i]) return false;
        size_t n = (unsigned char)s.p[i] < 0x80 ? 1 : utf8_length(span_from(s, i));
        if (!n) return false;
        i += n;
    }
    return true;
}

enum err torch_cutter_init(struct torch_cutter *c)
{
    *c = (struct torch_cutter){.piece = torch_piece_new()};
    if (!c->piece) FAIL(ERR_NOMEM, "out of memory for a piece of log");
    return ERR_OK;
}

void torch_cutter_release(struct torch_cutter *c)
{
    torch_piece_free(c->piece);
    c->piece = NULL;
}

char *torch_cutter_room(struct torch_cutter *c, size_t n)
{
    return buf_reserve(&c->piece->bytes, n);
}

size_t torch_cutter_waiting(const struct torch_cutter *c)
{
    return c->piece->bytes.n;
}

bool torch_cutter_ready(const struct torch_cutter *c)
{
    return c->piece->lines.n > (c->open ? 1u : 0u);
}

bool torch_cutter_at_line_end(const struct torch_cutter *c)
{
    return c->piece->lines.n && c->scanned == c->piece->bytes.n;
}

static struct torch_line *newest(struct torch_cutter *c)
{
    return c->piece->lines.n ? &c->piece->lines.p[c->piece->lines.n - 1] : NULL;
}

static bool has_payload(const struct torch_line *r)
{
    return r->payload_at != 0;
}

/* The open record is complete: its checks. */
static void close_record(struct torch_cutter *c)
{
    if (!c->open) return;
    c->open = false;
    struct torch_line *r = newest(c);
    const struct buf *text = &c->piece->text;
    if (!is_text((struct span){c->piece->bytes.p + r->json_at, r->json.n}))
        r->flags |= TORCH_LINE_NOT_TEXT;
    if (!has_payload(r)) return;
    struct span content = {(text->p ? text->p : "") + r->text_at, text->n - r->text_at};
    r->payload.n = content.n;
    MD5_CTX md5;
    MD5Init(&md5);
    MD5Update(&md5, (const uint8_t *)content.p, content.n);
    MD5Final(r->md5, &md5);
    if (!is_text(content)) r->flags |= TORCH_LINE_PAYLOAD_NOT_TEXT;
}

static enum err add_malformed(struct torch_cutter *c, struct span line, uint64_t at, uint64_t end)
{
    close_record(c);
    struct torch_line *r = newest(c);
    if (r && r->flags & TORCH_LINE_MALFORMED) {
        r->size = end - r->at;
        r->n_lines++;
        return ERR_OK;
    }
    r = LIST_PUSH(&c->piece->lines);
    if (!r) FAIL(ERR_NOMEM, "out of memory for the lines of a log");
    *r = (struct torch_line){
        .at = at, .size = end - at, .json = line, .json_at = at, .line = c->line, .n_lines = 1};
    r->flags = TORCH_LINE_MALFORMED;
    return ERR_OK;
}

static enum err add_record(struct torch_cutter *c, const struct torch_prefix *p, uint64_t at,
                           uint64_t end)
{
    struct torch_line *r = LIST_PUSH(&c->piece->lines);
    if (!r) FAIL(ERR_NOMEM, "out of memory for the records of a log");
    *r = (struct torch_line){
        .at = at,
        .size = end - at,
        .json = p->json,
        .json_at = (uint64_t)(p->json.p - c->piece->bytes.p),
        .line = c->line,
        .n_lines = 1,
        .us = p->us,
        .thread = p->thread,
        .month = p->month,
        .day = p->day,
    };
    c->open = true;
    return ERR_OK;
}

static void add_payload(struct torch_cutter *c, struct span line, uint64_t at, uint64_t end)
{
    struct torch_line *r = newest(c);
    struct buf *text = &c->piece->text;
    char *to = buf_reserve(text, line.n);
    if (!to) return; /* text->failed tells */
    bool first = !has_payload(r);
    if (first) {
        r->payload_at = at;
        r->text_at = text->n;
    } else {
        *to++ = '\n';
    }
    memcpy(to, line.p + 1, line.n - 1);
    to[line.n - 1] = 0;
    text->n += line.n - first;
    r->payload_size = at + line.n - r->payload_at;
    r->size = end - r->at;
    r->n_lines++;
}

/* One line at byte `at` of the piece, `end` is behind its LF. */
static enum err add_line(struct torch_cutter *c, struct span line, uint64_t at, uint64_t end)
{
    c->line++;
    bool cr = line.n && line.p[line.n - 1] == '\r';
    if (cr && (c->crlf || line.n == 1)) line.n--;
    if (!line.n) return ERR_OK;
    if (line.p[0] == '\t') {
        if (!c->open) return add_malformed(c, line, at, end);
        add_payload(c, line, at, end);
        return buf_ok(&c->piece->text);
    }
    struct torch_prefix prefix;
    if (!torch_prefix_read(line, &prefix)) return add_malformed(c, line, at, end);
    close_record(c);
    if (!c->crlf_known) {
        c->crlf = cr;
        c->crlf_known = true;
        if (cr) prefix.json.n--;
    }
    return add_record(c, &prefix, at, end);
}

enum err torch_cutter_fill(struct torch_cutter *c, size_t n)
{
    struct buf *b = &c->piece->bytes;
    b->n += n;
    while (c->searched < b->n) {
        const char *lf = memchr(b->p + c->searched, '\n', b->n - c->searched);
        if (!lf) break;
        uint64_t at = c->scanned, end = (uint64_t)(lf - b->p) + 1;
        TRY(add_line(c, (struct span){b->p + at, end - 1 - at}, at, end));
        c->scanned = c->searched = end;
    }
    c->searched = b->n;
    return ERR_OK;
}

bool torch_cutter_tail_complete(struct torch_cutter *c)
{
    const struct torch_line *r = newest(c);
    if (!c->open || c->scanned < c->piece->bytes.n) return false;
    struct span json = {c->piece->bytes.p + r->json_at, r->json.n};
    size_t at = span_find(json, SPAN("\"has_payload\": \""), 0);
    if (at == SIZE_MAX) return true;
    if (!has_payload(r)) return false;
    uint8_t md5[16];
    char hex[33];
    MD5_CTX ctx;
    MD5Init(&ctx);
    MD5Update(&ctx, (const uint8_t *)c->piece->text.p + r->text_at, c->piece->text.n - r->text_at);
    MD5Final(md5, &ctx);
    for (int i = 0; i < 16; i++) {
        hex[2 * i] = "0123456789abcdef"[md5[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[md5[i] & 15];
    }
    return span_starts(span_from(json, at + 16), (hex[32] = 0, hex));
}

/* ---- taking ---- */

/* The unfinished record and the bytes not yet scanned go to the next piece. */
static enum err move_tail(struct torch_cutter *c, struct torch_piece *to)
{
    struct torch_piece *from = c->piece;
    uint64_t at = c->open ? newest(c)->at : c->scanned;
    if (at < from->bytes.n) buf_put(&to->bytes, from->bytes.p + at, from->bytes.n - at);
    if (c->open) {
        struct torch_line r = *newest(c), *moved = LIST_PUSH(&to->lines);
        if (!moved) FAIL(ERR_NOMEM, "out of memory for the records of a log");
        if (has_payload(&r)) {
            if (r.text_at < from->text.n)
                buf_put(&to->text, from->text.p + r.text_at, from->text.n - r.text_at);
            from->text.n = r.text_at;
            r.payload_at -= at;
            r.text_at = 0;
        }
        r.json_at -= at;
        r.at = 0;
        *moved = r;
        from->lines.n--;
    }
    TRY(buf_ok(&to->bytes));
    TRY(buf_ok(&to->text));
    c->scanned -= at;
    c->searched -= at;
    from->bytes.n = at;
    to->offset = from->offset + (int64_t)at;
    return ERR_OK;
}

static void point_spans(struct torch_piece *p)
{
    for (size_t i = 0; i < p->lines.n; i++) {
        struct torch_line *r = &p->lines.p[i];
        r->json.p = p->bytes.p + r->json_at;
        if (has_payload(r)) r->payload.p = (p->text.p ? p->text.p : "") + r->text_at;
    }
}

static enum err cut_at_end(struct torch_cutter *c)
{
    struct buf *b = &c->piece->bytes;
    bool cut = c->scanned < b->n;
    if (cut) {
        TRY(add_line(c, (struct span){b->p + c->scanned, b->n - c->scanned}, c->scanned, b->n));
        c->scanned = c->searched = b->n;
    }
    struct torch_line *r = newest(c);
    if (r && cut) r->flags |= TORCH_LINE_CUT;
    close_record(c);
    return ERR_OK;
}

enum err torch_cutter_take(struct torch_cutter *c, enum torch_take what, struct torch_piece *empty,
                           struct torch_piece **out)
{
    if (what == TORCH_TAKE_ALL) TRY(cut_at_end(c));
    TRY(move_tail(c, empty));
    *out = c->piece;
    c->piece = empty;
    (*out)->crlf = c->crlf;
    point_spans(*out);
    return ERR_OK;
}
