/* fuzz_http.c - any bytes as the parts of a request that outsiders write: address, form, headers.
 * What is taken apart must be well formed and survive being written back; a decision must never
 * let a stranger through. */
#include <stdint.h>
#include <stdlib.h>

#include "web/html.h"
#include "web/param.h"
#include "web/security.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct web_policy policy = {.port = 7433, .token = "00112233445566778899aabbccddeeff"};

/* Takes the next line off the input. */
static struct span part(struct span *rest)
{
    struct span line = SPAN_NONE;
    return span_next_line(rest, &line) ? line : SPAN_NONE;
}

static void must(bool holds)
{
    if (!holds) abort();
}

static bool same_params(const struct web_address *a, const struct web_address *b)
{
    if (strcmp(a->path, b->path) || a->n_params != b->n_params) return false;
    for (int i = 0; i < a->n_params; i++)
        if (strcmp(a->params[i].name, b->params[i].name) ||
            strcmp(a->params[i].value, b->params[i].value))
            return false;
    return true;
}

/* An address that was accepted is written back to one that means the same and cannot leave this
 * server. */
static void check_address(struct span target, struct span form)
{
    static struct web_address a, again;
    struct arena arena = {0};
    struct buf text = {0};
    if (!web_address_parse(target, &arena, &a) && (!form.p || !web_form_parse(form, &arena, &a))) {
        web_address_print(&a, NULL, &text);
        must(text.p && text.p[0] == '/' && text.p[1] != '/' && !strpbrk(text.p, "\r\n\"<> \\"));
        if (text.n <= WEB_MAX_ADDRESS) {
            must(!web_address_parse(buf_text(&text), &arena, &again));
            must(same_params(&a, &again));
        }
        buf_clear(&text);
        web_address_print(&a, "token", &text);
        must(!web_address_parse(buf_text(&text), &arena, &again) || text.n > WEB_MAX_ADDRESS);
        must(text.n > WEB_MAX_ADDRESS || !web_address_param(&again, "token"));
    }
    buf_release(&text);
    arena_release(&arena);
}

static void check_names(struct span name)
{
    struct buf safe = {0};
    struct html h = {0};
    web_safe_name(name, &safe);
    must(safe.n > 0 && safe.n <= 80 && safe.p[0] != '.' && !strpbrk(safe.p, "/\\\"\r\n;"));
    html(&h, "%s|%l|%f|%u", name, name, name, name);
    must(!memchr(h.out.p, 0x1b, h.out.n) && strlen(h.out.p) == h.out.n);
    buf_release(&safe);
    html_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct span target = part(&rest), form = part(&rest);
    struct web_head head = {.method = part(&rest),
                            .host = part(&rest),
                            .origin = part(&rest),
                            .fetch_site = part(&rest),
                            .fetch_mode = part(&rest),
                            .fetch_dest = part(&rest),
                            .cookie = part(&rest),
                            .token = part(&rest)};
    if (size) head.may_post = data[0] & 1, head.is_public = data[0] & 2;
    struct web_decision d = web_decide(&policy, &head);
    must(d.verdict != WEB_REFUSE || (d.status >= 400 && d.why));
    if (d.verdict == WEB_PASS && !head.is_public) {
        must(web_equal(web_cookie(head.cookie, "plumb-7433"), span_of(policy.token)));
        must(web_host_is_ours(head.host, 7433));
    }
    must(d.verdict != WEB_EXCHANGE || web_equal(head.token, span_of(policy.token)));
    check_address(target, form);
    check_names(target);
    return 0;
}
