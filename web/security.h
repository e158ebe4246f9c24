/* security.h - who may ask what: pure decisions about the head of a request.
 *
 * The server shows files that strangers attach to issues, on a machine where other users and any
 * web page in the browser can reach loopback. So: only our own names as Host (a rebinding
 * attacker brings another), no request that another site started, no foreign Origin, three
 * methods, and a random token per run which the first hit exchanges for a cookie. The one thing
 * another site may start is a top-level navigation (a link in an issue): it gets a page without
 * data whose one link leads on, and that click is then ours.
 *
 * Order of the checks: Host, method, cross-site, Origin, token. Pure functions; no allocation.
 */
#ifndef WEB_SECURITY_H
#define WEB_SECURITY_H

#include "store/base/span.h"

enum { WEB_TOKEN_SIZE = 32 /* hex digits, 128 bits */, WEB_COOKIE_NAME_SIZE = 16 };

struct web_policy {
    int port;
    char token[WEB_TOKEN_SIZE + 1]; /* "" for --no-token */
};

/* The head of a request as far as it is looked at. Absent spans for absent headers. */
struct web_head {
    struct span method;
    struct span host; /* when there are several Host headers: absent */
    struct span origin;
    struct span fetch_site; /* Sec-Fetch-Site, -Mode, -Dest */
    struct span fetch_mode;
    struct span fetch_dest;
    struct span cookie; /* Cookie header */
    struct span token;  /* parameter of the address, absent when none */
    bool may_post;      /* the page takes POST */
    bool is_public;     /* assets: no data, no token needed */
};

enum web_verdict {
    WEB_PASS,
    /* right token in the address: set the cookie, redirect to the address without it */
    WEB_EXCHANGE,
    WEB_SHELL, /* page without data whose link leads on */
    WEB_REFUSE /* with status and sentence */
};
struct web_decision {
    enum web_verdict verdict;
    int status;      /* WEB_REFUSE: 400, 403, 405, 421 */
    const char *why; /* WEB_REFUSE: one sentence for the page; static */
};

struct web_decision web_decide(const struct web_policy *policy, const struct web_head *head);

/* Is `host` (value of Host) one of 127.0.0.1, localhost, [::1] with our port? */
bool web_host_is_ours(struct span host, int port);
/* Is `origin` http:// followed by one of them? */
bool web_origin_is_ours(struct span origin, int port);
/* Compares without telling by time where the first difference is. */
bool web_equal(struct span a, struct span b);
/* Value of a cookie; absent when there is none. */
struct span web_cookie(struct span header, const char *name);
/* "plumb-7433": cookies know no ports, so the name carries it. */
void web_cookie_name(char out[WEB_COOKIE_NAME_SIZE], int port);
/* Fills token from the kernel's random source. False when there is none. */
bool web_token_make(char out[WEB_TOKEN_SIZE + 1]);

/* Headers that every answer carries; ends with name == NULL. */
struct web_header {
    const char *name, *value;
};
extern const struct web_header web_headers[];

#endif
