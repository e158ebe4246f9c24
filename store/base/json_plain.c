/* json_plain.c - the quick way for the JSON that programs print: one pass, no callbacks.
 *
 * It reads RFC 8259 text of moderate depth and gives up on anything unusual (control bytes in
 * strings, lone surrogates, non-finite numbers, errors of all kinds): json_parse then asks yajl,
 * which also says what is wrong. So the two agree on every text that this one accepts, and it needs
 * no messages.
 */
#include "store/base/json_plain.h"

#include <stdlib.h>

struct plain {
    const char *p, *end;
    struct arena *arena;
    enum err why;
    int n_values;
};

static void skip_blanks(struct plain *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

/* ---- strings ---- */

/* First byte at or after p that is '"', '\\' or below 0x20; end when there is none. */
static const char *plain_end(const char *p, const char *end)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    for (; p + 8 <= end; p += 8) {
        uint64_t v, quote, back, control;
        memcpy(&v, p, 8);
        quote = v ^ (ones * '"');
        back = v ^ (ones * '\\');
        quote = (quote - ones) & ~quote;
        back = (back - ones) & ~back;
        control = (v - ones * 0x20) & ~v;
        uint64_t hit = (quote | back | control) & high;
        if (hit) return p + (__builtin_ctzll(hit) >> 3);
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20) p++;
    return p;
}

static int hex4(const char *p, const char *end)
{
    int v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)p[i], low = c | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    return v;
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* "\uXXXX" with s->p behind the u. NULL for what is better left to yajl. */
static char *unescape_unicode(struct plain *s, char *to)
{
    int c = hex4(s->p, s->end);
    if (c <= 0) return NULL;
    s->p += 4;
    if (c < 0xd800 || c > 0xdfff) return put_utf8(to, (unsigned)c);
    if (c > 0xdbff || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u') return NULL;
    int low = hex4(s->p + 2, s->end);
    if (low < 0xdc00 || low > 0xdfff) return NULL;
    s->p += 6;
    return put_utf8(to, 0x10000u + ((unsigned)(c - 0xd800) << 10) + (unsigned)(low - 0xdc00));
}

static char *unescape_one(struct plain *s, char *to)
{
    static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
    if (s->p == s->end) return NULL;
    char c = *s->p++;
    if (c == 'u') return unescape_unicode(s, to);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) return NULL;
    *to = is[at - from];
    return to + 1;
}

/* The rest of a string that has an escape at s->p; begin is its first byte. An escape is never
 * shorter than what it means. */
static bool read_escaped(struct plain *s, const char *begin, struct span *out)
{
    const char *scan = s->p;
    while (scan < s->end && *scan != '"') scan = plain_end(scan + (*scan == '\\' ? 2 : 1), s->end);
    if (scan >= s->end) return false;
    char *text = arena_alloc(s->arena, (size_t)(scan - begin) + 1), *to = text;
    if (!text) return s->why = ERR_NOMEM, false;
    for (const char *from = begin;;) {
        const char *stop = plain_end(from, s->end);
        memcpy(to, from, (size_t)(stop - from));
        to += stop - from;
        s->p = stop + 1;
        if (stop == s->end) return false;
        if (*stop == '"') break;
        if (*stop != '\\' || !(to = unescape_one(s, to))) return false;
        from = s->p;
    }
    *out = (struct span){text, (size_t)(to - text)};
    return true;
}

/* s->p behind the opening quote. */
static bool read_string(struct plain *s, struct span *out)
{
    const char *begin = s->p, *stop = plain_end(begin, s->end);
    s->p = stop;
    if (stop == s->end) return false;
    if (*stop == '\\') return read_escaped(s, begin, out);
    if (*stop != '"') return false;
    s->p = stop + 1;
    *out = stop == begin ? SPAN("") : (struct span){begin, (size_t)(stop - begin)};
    return true;
}

/* ---- numbers and words ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && is_digit(*p)) p++;
    return p;
}

/* Exact when the digits fit a double's mantissa and the power of ten is one, too: both are then
 * exact, and one division rounds once. Otherwise strtod. */
static double real_of(struct span text, struct span digits, struct span fraction)
{
    static const double tens[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = text.p[0] == '-';
    if (digits.n + fraction.n <= 15 && text.n == negative + digits.n + 1 + fraction.n) {
        int64_t v = 0;
        for (size_t i = 0; i < digits.n; i++) v = v * 10 + (digits.p[i] - '0');
        for (size_t i = 0; i < fraction.n; i++) v = v * 10 + (fraction.p[i] - '0');
        double r = (double)v / tens[fraction.n];
        return negative ? -r : r;
    }
    char copy[400];
    size_t n = text.n < sizeof copy ? text.n : sizeof copy - 1;
    memcpy(copy, text.p, n);
    copy[n] = 0;
    return strtod(copy, NULL);
}

static bool read_number(struct plain *s, struct json *j)
{
    const char *begin = s->p, *p = begin + (*begin == '-');
    const char *digits = p;
    p = skip_digits(p, s->end);
    struct span whole = {digits, (size_t)(p - digits)}, fraction = {p, 0};
    if (!whole.n || (whole.n > 1 && whole.p[0] == '0')) return false;
    bool real = false;
    if (p < s->end && *p == '.') {
        const char *f = ++p;
        p = skip_digits(p, s->end);
        fraction = (struct span){f, (size_t)(p - f)};
        if (!fraction.n) return false;
        real = true;
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < s->end && (*p == '+' || *p == '-')) p++;
        const char *e = p;
        p = skip_digits(p, s->end);
        if (p == e) return false;
        real = true;
    }
    s->p = p;
    j->text = (struct span){begin, (size_t)(p - begin)};
    j->type = JSON_INT;
    if (!real && span_to_i64(j->text, &j->i)) {
        j->r = (double)j->i;
        return true;
    }
    j->type = JSON_REAL;
    if (j->text.n >= 400) return false;
    j->r = real_of(j->text, whole, fraction);
    return true;
}

static bool read_word(struct plain *s, struct json *j)
{
    static const struct {
        const char *text;
        size_t n;
        enum json_type type;
        int i;
    } words[] = {{"null", 4, JSON_NULL, 0}, {"true", 4, JSON_BOOL, 1}, {"false", 5, JSON_BOOL, 0}};
    for (int k = 0; k < 3; k++) {
        if ((size_t)(s->end - s->p) < words[k].n || memcmp(s->p, words[k].text, words[k].n))
            continue;
        s->p += words[k].n;
        j->type = words[k].type;
        j->i = words[k].i;
        j->r = j->i;
        return true;
    }
    return false;
}

/* ---- the tree ---- */

/* A list or object that is open. */
struct level {
    struct json *node, *last;
};

static struct json *add_node(struct plain *s, struct level *top, struct span key)
{
    if (s->n_values++ == JSON_VALUES) return s->why = ERR_LIMIT, NULL;
    struct json *j = arena_alloc(s->arena, sizeof *j);
    if (!j) return s->why = ERR_NOMEM, NULL;
    j->key = key;
    if (!top) return j;
    if (top->last) top->last->next = j;
    else top->node->first = j;
    top->last = j;
    top->node->n++;
    return j;
}

/* "key": with s->p at the quote. */
static bool read_key(struct plain *s, struct span *key)
{
    if (s->p == s->end || *s->p++ != '"' || !read_string(s, key)) return false;
    skip_blanks(s);
    if (s->p == s->end || *s->p++ != ':') return false;
    skip_blanks(s);
    return true;
}

static bool read_scalar(struct plain *s, struct json *j)
{
    char c = *s->p;
    if (c == '"') {
        s->p++;
        j->type = JSON_STRING;
        return read_string(s, &j->text);
    }
    return c == '-' || is_digit(c) ? read_number(s, j) : read_word(s, j);
}

static char closing(const struct json *j)
{
    return j->type == JSON_LIST ? ']' : '}';
}

/* Closes levels while their ends follow; then expects a comma. False: not plain. *depth 0: the text
 * is complete. */
static bool close_levels(struct plain *s, struct level *levels, int *depth)
{
    while (*depth) {
        struct json *j = levels[*depth - 1].node;
        skip_blanks(s);
        if (s->p == s->end) return false;
        char c = *s->p++;
        if (c == ',') {
            skip_blanks(s);
            return s->p < s->end && *s->p != closing(j);
        }
        if (c != closing(j)) return false;
        j->text.n = (size_t)(s->p - j->text.p);
        --*depth;
    }
    return true;
}

static struct json *read_text(struct plain *s)
{
    struct level levels[JSON_PLAIN_DEPTH];
    struct json *root = NULL;
    int depth = 0;
    skip_blanks(s);
    do {
        struct level *top = depth ? &levels[depth - 1] : NULL;
        struct span key = SPAN_NONE;
        if (top && top->node->type == JSON_OBJECT && !read_key(s, &key)) return NULL;
        if (s->p == s->end) return NULL;
        struct json *j = add_node(s, top, key);
        if (!j) return NULL;
        if (!root) root = j;
        char c = *s->p;
        if (c != '{' && c != '[') {
            if (!read_scalar(s, j)) return NULL;
        } else {
            if (depth == JSON_PLAIN_DEPTH) return NULL;
            j->type = c == '{' ? JSON_OBJECT : JSON_LIST;
            j->text = (struct span){s->p++, 0};
            levels[depth++] = (struct level){j, NULL};
            skip_blanks(s);
            if (s->p == s->end) return NULL;
            if (*s->p != closing(j)) continue;
        }
        if (!close_levels(s, levels, &depth)) return NULL;
    } while (depth);
    skip_blanks(s);
    return s->p == s->end ? root : NULL;
}

struct json *json_plain(struct span text, struct arena *arena, enum err *why)
{
    *why = ERR_OK;
    if (!text.n) return NULL;
    struct plain s = {text.p, text.p + text.n, arena, ERR_OK, 0};
    struct json *root = read_text(&s);
    *why = s.why;
    return root;
}
