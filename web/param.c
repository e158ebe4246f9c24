/* param.c - the address of a request and posted forms, taken apart. RFC 3986 and the URL
 * standard's form encoding. */
#include "web/param.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static enum err decode(struct span s, bool form, struct arena *arena, const char **out)
{
    char *text = arena_alloc(arena, s.n + 1);
    if (!text) FAIL(ERR_NOMEM, "out of memory for an address of %zu bytes", s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = s.n - i > 2 ? hex(s.p[i + 1]) : -1;
            int low = high >= 0 ? hex(s.p[i + 2]) : -1;
            if (low < 0)
                FAIL(ERR_FORMAT,
                     "the address has a '%%' at byte %zu that two hex digits do not follow", i);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        if (c == 0) FAIL(ERR_FORMAT, "the address has a NUL byte");
        text[n++] = c;
    }
    text[n] = 0;
    *out = text;
    return ERR_OK;
}

static enum err add_pair(struct span pair, struct arena *arena, struct web_address *out)
{
    if (out->n_params == WEB_MAX_PARAMS) FAIL(ERR_LIMIT, "more than %d parameters", WEB_MAX_PARAMS);
    size_t equals = span_find(pair, SPAN("="), 0);
    struct web_param *p = &out->params[out->n_params];
    TRY(decode(span_to(pair, equals == SIZE_MAX ? pair.n : equals), true, arena, &p->name));
    TRY(decode(equals == SIZE_MAX ? SPAN("") : span_from(pair, equals + 1), true, arena,
               &p->value));
    out->n_params++;
    return ERR_OK;
}

enum err web_form_parse(struct span body, struct arena *arena, struct web_address *out)
{
    while (body.n) {
        size_t end = span_find(body, SPAN("&"), 0);
        struct span pair = span_to(body, end == SIZE_MAX ? body.n : end);
        body = end == SIZE_MAX ? SPAN("") : span_from(body, end + 1);
        if (pair.n) TRY(add_pair(pair, arena, out));
    }
    return ERR_OK;
}

enum err web_address_parse(struct span target, struct arena *arena, struct web_address *out)
{
    out->n_params = 0;
    if (target.n > WEB_MAX_ADDRESS)
        FAIL(ERR_LIMIT, "the address is longer than %d bytes", WEB_MAX_ADDRESS);
    size_t fragment = span_find(target, SPAN("#"), 0);
    if (fragment != SIZE_MAX) target = span_to(target, fragment);
    size_t question = span_find(target, SPAN("?"), 0);
    struct span path = span_to(target, question == SIZE_MAX ? target.n : question);
    TRY(decode(path, false, arena, &out->path));
    if (out->path[0] != '/' || out->path[1] == '/' || strchr(out->path, '\\'))
        FAIL(ERR_FORMAT, "the address is no path of this server");
    if (question == SIZE_MAX) return ERR_OK;
    return web_form_parse(span_from(target, question + 1), arena, out);
}

const char *web_address_param(const struct web_address *a, const char *name)
{
    for (int i = 0; i < a->n_params; i++)
        if (!strcmp(a->params[i].name, name)) return a->params[i].value;
    return NULL;
}

void web_encode(struct buf *out, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("-_.~/:!", c));
        if (safe) buf_putc(out, (char)c);
        else buf_printf(out, "%%%02X", c);
    }
}

void web_address_print(const struct web_address *a, const char *without, struct buf *out)
{
    web_encode(out, span_of(a->path));
    char before = '?';
    for (int i = 0; i < a->n_params; i++) {
        if (without && !strcmp(a->params[i].name, without)) continue;
        buf_putc(out, before);
        before = '&';
        web_encode(out, span_of(a->params[i].name));
        buf_putc(out, '=');
        web_encode(out, span_of(a->params[i].value));
    }
}

void web_safe_name(struct span name, struct buf *out)
{
    size_t start = out->n;
    for (size_t i = 0; i < name.n && out->n - start < 80; i++) {
        char c = name.p[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
        buf_putc(out, ok && !(c == '.' && out->n == start) ? c : '_');
    }
    if (out->n == start) buf_puts(out, "plumb");
}
