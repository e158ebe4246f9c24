/* security.c - who may ask what. Sources of the rules: OWASP on DNS rebinding, Fetch Metadata
 * (W3C), RFC 6265. */
#include "web/security.h"

#include <stdio.h>
#include <sys/random.h>

const struct web_header web_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
     "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {NULL, NULL},
};

bool web_equal(struct span a, struct span b)
{
    if (a.n != b.n || !a.p || !b.p) return false;
    unsigned char different = 0;
    for (size_t i = 0; i < a.n; i++) different |= (unsigned char)(a.p[i] ^ b.p[i]);
    return different == 0;
}

static bool same_word(struct span a, const char *lower)
{
    size_t n = strlen(lower);
    if (a.n != n) return false;
    for (size_t i = 0; i < n; i++) {
        char c = a.p[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
        if (c != lower[i]) return false;
    }
    return true;
}

bool web_host_is_ours(struct span host, int port)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    if (!host.p) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char full[32];
        snprintf(full, sizeof full, "%s:%d", names[i], port);
        if (same_word(host, full) || (port == 80 && same_word(host, names[i]))) return true;
    }
    return false;
}

bool web_origin_is_ours(struct span origin, int port)
{
    return span_starts(origin, "http://") &&
           web_host_is_ours(span_from(origin, strlen("http://")), port);
}

struct span web_cookie(struct span header, const char *name)
{
    struct span rest = header;
    while (rest.n) {
        size_t semicolon = span_find(rest, SPAN(";"), 0);
        struct span pair = span_trim(span_to(rest, semicolon == SIZE_MAX ? rest.n : semicolon));
        rest = semicolon == SIZE_MAX ? SPAN("") : span_from(rest, semicolon + 1);
        size_t equals = span_find(pair, SPAN("="), 0);
        if (equals != SIZE_MAX && span_is(span_to(pair, equals), name))
            return span_from(pair, equals + 1);
    }
    return SPAN_NONE;
}

void web_cookie_name(char out[WEB_COOKIE_NAME_SIZE], int port)
{
    snprintf(out, WEB_COOKIE_NAME_SIZE, "plumb-%d", port);
}

bool web_token_make(char out[WEB_TOKEN_SIZE + 1])
{
    unsigned char raw[WEB_TOKEN_SIZE / 2];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw) return false;
    for (size_t i = 0; i < sizeof raw; i++) snprintf(out + 2 * i, 3, "%02x", raw[i]);
    return true;
}

static struct web_decision refuse(int status, const char *why)
{
    return (struct web_decision){WEB_REFUSE, status, why};
}

static struct web_decision verdict(enum web_verdict v)
{
    return (struct web_decision){v, 200, NULL};
}

static bool is_read(struct span method)
{
    return span_is(method, "GET") || span_is(method, "HEAD");
}

/* Started by a page of another site (or of another port of ours, which browsers call same-site)? */
static bool cross_site(const struct web_head *h)
{
    return h->fetch_site.p && !span_is(h->fetch_site, "same-origin") &&
           !span_is(h->fetch_site, "none");
}

/* A page of ours that sends a form says "null", since our own Referrer-Policy hides where it comes
 * from (Fetch standard, "append a request Origin header"). Sec-Fetch-Site, which no page can
 * forge, then tells. */
static bool foreign_origin(const struct web_policy *p, const struct web_head *h)
{
    if (!h->origin.p || web_origin_is_ours(h->origin, p->port)) return false;
    return !(span_is(h->origin, "null") && span_is(h->fetch_site, "same-origin"));
}

static bool top_navigation(const struct web_head *h)
{
    return is_read(h->method) && span_is(h->fetch_mode, "navigate") &&
           span_is(h->fetch_dest, "document");
}

static bool token_known(const struct web_policy *p, const struct web_head *h)
{
    char name[WEB_COOKIE_NAME_SIZE];
    web_cookie_name(name, p->port);
    return web_equal(web_cookie(h->cookie, name), span_of(p->token));
}

struct web_decision web_decide(const struct web_policy *p, const struct web_head *h)
{
    if (!web_host_is_ours(h->host, p->port))
        return refuse(
            421,
            "The Host header names another server. Open the address that plumb serve printed.");
    if (!is_read(h->method) && !(h->may_post && span_is(h->method, "POST")))
        return refuse(405, "This address is only read: GET and HEAD.");
    if (cross_site(h)) {
        if (top_navigation(h) && !h->is_public) return verdict(WEB_SHELL);
        return refuse(403, "The request was started by a page of another site.");
    }
    if (foreign_origin(p, h))
        return refuse(403, "The request was started by a page of another origin.");
    if (h->is_public) return verdict(WEB_PASS);
    if (h->token.p && is_read(h->method)) {
        if (!p->token[0] || web_equal(h->token, span_of(p->token))) return verdict(WEB_EXCHANGE);
        return refuse(403, "The token in the address is not the one of this run of plumb serve.");
    }
    if (p->token[0] && !token_known(p, h))
        return refuse(
            403,
            "This browser has not shown the token. Open the address that plumb serve printed.");
    return verdict(WEB_PASS);
}
