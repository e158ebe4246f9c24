/* py.c - reading and printing of Python's literals. Source: the Python language reference, 2.4
 * (literals) and float.__repr__
 * (shortest digits that read back equal; exponent form below 1e-4 and from 1e16 on).
 */
#include "capture/py.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    struct span text;
    size_t at;
    struct arena *arena;
};

static enum err bad(const struct reader *r, const char *expected)
{
    FAIL(ERR_FORMAT, "a Python literal has no %s at byte %zu", expected, r->at);
}

static bool sees(const struct reader *r, char c)
{
    return r->at < r->text.n && r->text.p[r->at] == c;
}

static bool takes(struct reader *r, const char *word)
{
    if (!span_starts(span_from(r->text, r->at), word)) return false;
    r->at += strlen(word);
    return true;
}

static void skip_blanks(struct reader *r)
{
    while (sees(r, ' ')) r->at++;
}

/* ---- strings ---- */

static void put_code(struct buf *b, unsigned code)
{
    if (code < 0x80) buf_putc(b, (char)code);
    else if (code < 0x800) {
        buf_putc(b, (char)(0xc0 | code >> 6));
        buf_putc(b, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        buf_putc(b, (char)(0xe0 | code >> 12));
        buf_putc(b, (char)(0x80 | (code >> 6 & 0x3f)));
        buf_putc(b, (char)(0x80 | (code & 0x3f)));
    } else {
        buf_putc(b, (char)(0xf0 | code >> 18));
        buf_putc(b, (char)(0x80 | (code >> 12 & 0x3f)));
        buf_putc(b, (char)(0x80 | (code >> 6 & 0x3f)));
        buf_putc(b, (char)(0x80 | (code & 0x3f)));
    }
}

static bool read_hex(struct reader *r, int digits, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        if (r->at >= r->text.n || !isxdigit((unsigned char)r->text.p[r->at])) return false;
        unsigned char c = (unsigned char)r->text.p[r->at];
        *out = *out * 16 + (unsigned)(isdigit(c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    return *out <= 0x10ffff;
}

/* Behind a backslash. */
static enum err read_escape(struct reader *r, struct buf *b)
{
    static const char plain[] = "\\'\"nrtabfv", meant[] = "\\'\"\n\r\t\a\b\f\v";
    char c = r->at < r->text.n ? r->text.p[r->at++] : 0;
    const char *known = c ? strchr(plain, c) : NULL;
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    unsigned code;
    if (known) buf_putc(b, meant[known - plain]);
    else if (digits && read_hex(r, digits, &code)) put_code(b, code);
    else return bad(r, "escape that is known");
    return ERR_OK;
}

static enum err read_string(struct reader *r, struct py *v)
{
    char quote = r->text.p[r->at++];
    struct buf b = {0};
    enum err err = ERR_OK;
    size_t from = r->at;
    while (!err && r->at < r->text.n && !sees(r, quote)) {
        char c = r->text.p[r->at++];
        if (c != '\\') continue;
        buf_put(&b, r->text.p + from, r->at - 1 - from);
        err = read_escape(r, &b);
        from = r->at;
    }
    if (!err && !sees(r, quote)) err = bad(r, "closing quote");
    if (!err) {
        buf_put(&b, r->text.p + from, r->at++ - from);
        v->text = b.n ? arena_copy(r->arena, buf_text(&b)) : SPAN("");
        err = !v->text.p ? err_set(ERR_NOMEM, "out of memory for a literal") : buf_ok(&b);
    }
    buf_release(&b);
    v->type = PY_STRING;
    return err;
}

/* ---- numbers ---- */

static enum err read_number(struct reader *r, struct py *v)
{
    size_t from = r->at;
    while (r->at < r->text.n && r->text.p[r->at] && strchr("+-.0123456789eE", r->text.p[r->at]))
        r->at++;
    struct span s = {r->text.p + from, r->at - from};
    size_t sign = s.n && s.p[0] == '-', digits = sign;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9') digits++;
    bool whole = digits == s.n && s.n > sign;
    if (whole && s.p[sign] == '0' && s.n > sign + 1) {
        r->at = from;
        return bad(r, "value without leading zeros");
    }
    v->type = whole ? PY_INT : PY_REAL;
    v->text = s;
    if (whole || span_to_f64(s, &v->real)) return ERR_OK;
    r->at = from;
    return bad(r, "value");
}

/* ---- trees ---- */

static enum err read_value(struct reader *r, int depth, struct py **out);

static enum err read_member(struct reader *r, int depth, bool dict, struct py **out)
{
    struct py *key = NULL;
    if (dict) {
        TRY(read_value(r, depth, &key));
        if (!takes(r, ":")) return bad(r, "colon behind a key");
        skip_blanks(r);
    }
    TRY(read_value(r, depth, out));
    (*out)->key = key;
    return ERR_OK;
}

static enum err read_members(struct reader *r, int depth, struct py *v)
{
    char open = r->text.p[r->at++], close = open == '(' ? ')' : open == '[' ? ']' : '}';
    struct py **to = &v->first;
    bool comma = true;
    v->type = open == '(' ? PY_TUPLE : open == '[' ? PY_LIST : PY_DICT;
    for (skip_blanks(r); !sees(r, close); skip_blanks(r)) {
        if (!comma) return bad(r, "comma or end of a collection");
        TRY(read_member(r, depth + 1, v->type == PY_DICT, to));
        to = &(*to)->next;
        v->n++;
        skip_blanks(r);
        comma = takes(r, ",");
    }
    r->at++;
    if (v->type == PY_TUPLE && v->n == 1 && !comma) return bad(r, "comma in a tuple of one");
    return ERR_OK;
}

static enum err read_value(struct reader *r, int depth, struct py **out)
{
    struct py *v = arena_alloc(r->arena, sizeof *v);
    if (!v) FAIL(ERR_NOMEM, "out of memory for a literal");
    *out = v;
    if (depth > PY_DEPTH) return bad(r, "end of nesting within 100 levels");
    if (r->at >= r->text.n) return bad(r, "value");
    char c = r->text.p[r->at];
    if (c == '(' || c == '[' || c == '{') return read_members(r, depth, v);
    if (c == '\'' || c == '"') return read_string(r, v);
    if (takes(r, "None")) v->type = PY_NONE;
    else if (takes(r, "True")) v->type = PY_BOOL, v->truth = true;
    else if (takes(r, "False")) v->type = PY_BOOL;
    else if (takes(r, "?")) v->type = PY_HOLE;
    else if (takes(r, "nan")) v->type = PY_REAL, v->real = NAN;
    else if (takes(r, "inf")) v->type = PY_REAL, v->real = INFINITY;
    else if (takes(r, "-inf")) v->type = PY_REAL, v->real = -INFINITY;
    else return read_number(r, v);
    return ERR_OK;
}

enum err py_parse(struct span text, struct arena *arena, struct py **out)
{
    struct reader r = {.text = text, .arena = arena};
    TRY(read_value(&r, 0, out));
    if (r.at != text.n) return bad(&r, "end");
    return ERR_OK;
}

const struct py *py_get(const struct py *v, const char *name)
{
    if (!v || v->type != PY_DICT) return NULL;
    for (const struct py *m = v->first; m; m = m->next)
        if (m->key && m->key->type == PY_STRING && span_is(m->key->text, name)) return m;
    return NULL;
}

/* ---- type-tagged JSON ---- */

static enum err from_json(const struct json *j, struct arena *arena, int depth, struct py **out);

static enum err from_scalar(const struct json *j, struct py *v)
{
    static const enum py_type types[] = {[JSON_NULL] = PY_NONE,
                                         [JSON_BOOL] = PY_BOOL,
                                         [JSON_INT] = PY_INT,
                                         [JSON_REAL] = PY_REAL,
                                         [JSON_STRING] = PY_STRING};
    if (!j || j->type > JSON_STRING)
        FAIL(ERR_FORMAT, "a tagged scalar has no value that is null, a number, a bool or a string");
    v->type = types[j->type];
    v->truth = j->type == JSON_BOOL && j->i;
    v->text = j->text;
    v->real = j->r;
    bool whole = j->type == JSON_REAL && j->text.n && !memchr(j->text.p, '.', j->text.n) &&
                 isfinite(j->r) && !memchr(j->text.p, 'e', j->text.n) &&
                 !memchr(j->text.p, 'E', j->text.n);
    if (whole) v->type = PY_INT;
    return ERR_OK;
}

static enum err from_members(const struct json *items, struct arena *arena, int depth, struct py *v)
{
    struct py **to = &v->first;
    if (!items || items->type != JSON_LIST) FAIL(ERR_FORMAT, "a tagged collection has no items");
    for (const struct json *m = items->first; m; m = m->next, to = &(*to)->next) {
        struct py *key = NULL;
        if (v->type == PY_DICT) {
            if (m->type != JSON_LIST || m->n != 2)
                FAIL(ERR_FORMAT, "a member of a tagged dict is not [key, value]");
            key = arena_alloc(arena, sizeof *key);
            if (!key) FAIL(ERR_NOMEM, "out of memory for a literal");
            TRY(from_scalar(m->first, key));
        }
        TRY(from_json(key ? m->first->next : m, arena, depth + 1, to));
        (*to)->key = key;
        v->n++;
    }
    return ERR_OK;
}

static enum err from_json(const struct json *j, struct arena *arena, int depth, struct py **out)
{
    struct span type = json_string(json_get(j, "type"));
    struct py *v = arena_alloc(arena, sizeof *v);
    if (!v) FAIL(ERR_NOMEM, "out of memory for a literal");
    *out = v;
    if (depth > PY_DEPTH) FAIL(ERR_FORMAT, "a tagged value is nested deeper than %d", PY_DEPTH);
    if (span_is(type, "scalar")) return from_scalar(json_get(j, "value"), v);
    v->type = PY_REAL;
    if (span_is(type, "nonfinite_float")) {
        struct span value = json_string(json_get(j, "value"));
        if (span_is(value, "nan")) v->real = NAN;
        else if (span_is(value, "inf")) v->real = INFINITY;
        else if (span_is(value, "-inf")) v->real = -INFINITY;
        else FAIL(ERR_FORMAT, "a nonfinite_float is neither nan nor inf nor -inf");
        return ERR_OK;
    }
    if (span_is(type, "tuple")) v->type = PY_TUPLE;
    else if (span_is(type, "list")) v->type = PY_LIST;
    else if (span_is(type, "dict")) v->type = PY_DICT;
    else
        FAIL(ERR_FORMAT,
             "a value has the tag '%.*s': expected scalar, nonfinite_float, tuple, list or dict",
             (int)(type.n < 40 ? type.n : 40), type.p ? type.p : "");
    return from_members(json_get(j, "items"), arena, depth, v);
}

enum err py_from_json(const struct json *j, struct arena *arena, struct py **out)
{
    return from_json(j, arena, 0, out);
}

static void put_scalar_json(struct buf *b, const struct py *v)
{
    if (v->type == PY_NONE) buf_puts(b, "null");
    else if (v->type == PY_BOOL) buf_puts(b, v->truth ? "true" : "false");
    else if (v->type == PY_INT) buf_span(b, v->text);
    else if (v->type == PY_REAL) py_print_real(b, v->real);
    else if (v->type == PY_STRING) buf_json(b, v->text);
    else buf_puts(b, "null");
}

void py_print_json(struct buf *b, const struct py *v)
{
    static const char *const names[] = {
        [PY_TUPLE] = "tuple", [PY_LIST] = "list", [PY_DICT] = "dict"};
    if (v->type == PY_REAL && !isfinite(v->real)) {
        buf_puts(b, "{\"type\": \"nonfinite_float\", \"value\": \"");
        py_print_real(b, v->real);
        buf_puts(b, "\"}");
        return;
    }
    if (v->type < PY_TUPLE || v->type == PY_HOLE) {
        buf_puts(b, "{\"type\": \"scalar\", \"value\": ");
        put_scalar_json(b, v);
        buf_putc(b, '}');
        return;
    }
    buf_printf(b, "{\"type\": \"%s\", \"items\": [", names[v->type]);
    for (const struct py *m = v->first; m; m = m->next) {
        if (m != v->first) buf_puts(b, ", ");
        if (m->key) {
            buf_putc(b, '[');
            put_scalar_json(b, m->key);
            buf_puts(b, ", ");
        }
        py_print_json(b, m);
        if (m->key) buf_putc(b, ']');
    }
    buf_puts(b, "]}");
}
