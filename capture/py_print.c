/* py_print.c - Python's literals as repr prints them, and hashes as numbers. */
#include "capture/py.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Digits d.ddd and exponent as %e gives them, laid out by Python's rule. */
static void put_digits(struct buf *b, const char *digits, int n, int exponent)
{
    if (exponent < -4 || exponent >= 16) {
        buf_putc(b, digits[0]);
        if (n > 1) buf_putc(b, '.');
        buf_put(b, digits + 1, (size_t)(n - 1));
        buf_printf(b, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        buf_puts(b, "0.");
        for (int i = -1; i > exponent; i--) buf_putc(b, '0');
        buf_put(b, digits, (size_t)n);
    } else {
        for (int i = 0; i <= exponent; i++) buf_putc(b, i < n ? digits[i] : '0');
        buf_putc(b, '.');
        if (n > exponent + 1) buf_put(b, digits + exponent + 1, (size_t)(n - exponent - 1));
        else buf_putc(b, '0');
    }
}

void py_print_real(struct buf *b, double v)
{
    char text[40], digits[24];
    int n = 0;
    if (!isfinite(v)) {
        buf_puts(b, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
        return;
    }
    /* Up to 15 digits survive being printed with 15, and zeros go below; subnormal numbers have
     * fewer. */
    for (int precision = fabs(v) < 2.3e-308 ? 0 : 14; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v) break;
    }
    const char *p = text;
    if (*p == '-') buf_putc(b, *p++);
    for (; *p && *p != 'e'; p++)
        if (*p != '.') digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0') n--;
    put_digits(b, digits, n, (int)strtol(p + 1, NULL, 10));
}

/* What str.isprintable refuses, as far as logs have it: controls, separators, format characters,
 * surrogates, private use. */
static bool prints(unsigned code)
{
    static const unsigned ranges[][2] = {
        {0x00, 0x1f},     {0x7f, 0xa0},        {0xad, 0xad},     {0x600, 0x605},   {0x61c, 0x61c},
        {0x6dd, 0x6dd},   {0x180e, 0x180e},    {0x1680, 0x1680}, {0x2000, 0x200f}, {0x2028, 0x202f},
        {0x205f, 0x206f}, {0x3000, 0x3000},    {0xd800, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0xe0000, 0x10ffff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1]) return false;
    return true;
}

static unsigned decode(const unsigned char *p, size_t n)
{
    if (n == 1) return p[0];
    unsigned code = p[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) code = code << 6 | (p[i] & 0x3f);
    return code;
}

static void put_escaped(struct buf *b, unsigned code)
{
    if (code == '\n') buf_puts(b, "\\n");
    else if (code == '\r') buf_puts(b, "\\r");
    else if (code == '\t') buf_puts(b, "\\t");
    else if (code < 0x100) buf_printf(b, "\\x%02x", code);
    else if (code < 0x10000) buf_printf(b, "\\u%04x", code);
    else buf_printf(b, "\\U%08x", code);
}

void py_print_string(struct buf *b, struct span s)
{
    bool single = s.n && memchr(s.p, '\'', s.n), twofold = s.n && memchr(s.p, '"', s.n);
    char quote = single && !twofold ? '"' : '\'';
    buf_putc(b, quote);
    while (s.n) {
        size_t n = utf8_length(s);
        unsigned code = n ? decode((const unsigned char *)s.p, n) : 0xfffd;
        if (code == (unsigned char)quote || code == '\\') buf_printf(b, "\\%c", (char)code);
        else if (!n) buf_puts(b, "\xef\xbf\xbd");
        else if (prints(code)) buf_put(b, s.p, n);
        else put_escaped(b, code);
        s = span_from(s, n ? n : 1);
    }
    buf_putc(b, quote);
}

static void put_members(struct buf *b, const struct py *v, enum py_style style)
{
    static const char ends[][2] = {[PY_TUPLE] = "()", [PY_LIST] = "[]", [PY_DICT] = "{}"};
    buf_putc(b, ends[v->type][0]);
    for (const struct py *m = v->first; m; m = m->next) {
        if (m != v->first) buf_puts(b, ", ");
        if (m->key) {
            py_print(b, m->key, PY_PLAIN);
            buf_puts(b, ": ");
        }
        py_print(b, m, style);
    }
    if (v->type == PY_TUPLE && v->n == 1) buf_putc(b, ',');
    buf_putc(b, ends[v->type][1]);
}

void py_print(struct buf *b, const struct py *v, enum py_style style)
{
    switch (v->is_hash && style == PY_HOLES ? PY_HOLE : v->type) {
    case PY_NONE: buf_puts(b, "None"); break;
    case PY_BOOL: buf_puts(b, v->truth ? "True" : "False"); break;
    case PY_INT: buf_span(b, v->text); break;
    case PY_REAL: py_print_real(b, v->real); break;
    case PY_STRING: py_print_string(b, v->text); break;
    case PY_HOLE: buf_putc(b, '?'); break;
    default: put_members(b, v, style);
    }
}

/* ---- hashes ---- */

static const char hex_digits[] = "0123456789abcdef";

static bool unsigned_of(struct span digits, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') return false;
        if (__builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(digits.p[i] - '0'), out))
            return false;
    }
    return digits.n > 0;
}

static bool is_pkm64(struct span s, uint64_t *out)
{
    *out = 0;
    if (s.n != 18 || !span_starts(s, "0x")) return false;
    for (size_t i = 2; i < s.n; i++) {
        const char *at = memchr(hex_digits, s.p[i], 16);
        if (!at) return false;
        *out = *out << 4 | (uint64_t)(at - hex_digits);
    }
    return true;
}

bool py_to_hash(const struct py *v, struct py_hash *out)
{
    uint64_t bits;
    if (v->type == PY_REAL) {
        out->kind = PY_HASH_REAL;
        memcpy(&out->digest, &v->real, sizeof out->digest);
        return true;
    }
    if (v->type == PY_STRING && is_pkm64(v->text, &bits)) {
        *out = (struct py_hash){PY_HASH_PKM64, (int64_t)bits};
        return true;
    }
    if (v->type != PY_INT) return false;
    out->kind = PY_HASH_UNSIGNED;
    if (unsigned_of(v->text, &bits)) {
        out->digest = (int64_t)bits;
        return true;
    }
    out->kind = PY_HASH_NEGATIVE;
    return span_to_i64(v->text, &out->digest) && out->digest < 0;
}

enum err py_set_hash(struct py *v, struct py_hash hash, struct arena *arena)
{
    const char *digits = "";
    v->type = PY_INT;
    if (hash.kind == PY_HASH_REAL) {
        v->type = PY_REAL;
        memcpy(&v->real, &hash.digest, sizeof v->real);
    } else if (hash.kind == PY_HASH_UNSIGNED) {
        digits = arena_printf(arena, "%llu", (unsigned long long)hash.digest);
    } else if (hash.kind == PY_HASH_NEGATIVE) {
        digits = arena_printf(arena, "%lld", (long long)hash.digest);
    } else if (hash.kind == PY_HASH_PKM64) {
        v->type = PY_STRING;
        digits = arena_printf(arena, "0x%016llx", (unsigned long long)hash.digest);
    } else {
        FAIL(ERR_FORMAT, "a hash is of the unknown kind %lld", (long long)hash.kind);
    }
    if (!digits) FAIL(ERR_NOMEM, "out of memory for a hash");
    v->text = span_of(digits);
    return ERR_OK;
}
