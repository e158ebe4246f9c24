/* test_security.c - who may ask what: every rule, and the combinations an attacker would try. */
#include "tests/unit/unit.h"

#include "web/security.h"

#define TOKEN "00112233445566778899aabbccddeeff"
static const struct web_policy policy = {.port = 7433, .token = TOKEN};
static const struct web_policy open_policy = {.port = 7433, .token = ""};

/* A request as our own page sends it. */
static struct web_head ours(void)
{
    return (struct web_head){.method = SPAN("GET"),
                             .host = SPAN("127.0.0.1:7433"),
                             .fetch_site = SPAN("same-origin"),
                             .cookie = SPAN("plumb-7433=" TOKEN)};
}

static void expect(const struct web_policy *p, struct web_head h, enum web_verdict verdict,
                   int status)
{
    struct web_decision d = web_decide(p, &h);
    assert_int_equal(d.verdict, verdict);
    if (verdict == WEB_REFUSE) {
        assert_int_equal(d.status, status);
        assert_non_null(d.why);
    }
}

static void lets_own_pages_through(void **state)
{
    (void)state;
    struct web_head h = ours();
    expect(&policy, h, WEB_PASS, 0);
    h.method = SPAN("HEAD");
    expect(&policy, h, WEB_PASS, 0);
    h.host = SPAN("localhost:7433");
    expect(&policy, h, WEB_PASS, 0);
    h.host = SPAN("[::1]:7433");
    expect(&policy, h, WEB_PASS, 0);
    h.origin = SPAN("http://localhost:7433");
    expect(&policy, h, WEB_PASS, 0);
    h.fetch_site = SPAN("none");
    expect(&policy, h, WEB_PASS, 0);
    h.fetch_site = SPAN_NONE;
    expect(&policy, h, WEB_PASS, 0);
}

static void refuses_other_hosts(void **state)
{
    (void)state;
    static const char *const hosts[] = {"evil.example:7433",
                                        "127.0.0.1",
                                        "127.0.0.1:7434",
                                        "127.0.0.1:74330",
                                        "127.0.0.1.evil.example:7433",
                                        "localhost",
                                        "0.0.0.0:7433",
                                        "127.0.0.2:7433",
                                        "::1:7433",
                                        "localhost:7433 ",
                                        "",
                                        "user@127.0.0.1:7433"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct web_head h = ours();
        h.host = span_of(hosts[i]);
        expect(&policy, h, WEB_REFUSE, 421);
        expect(&open_policy, h, WEB_REFUSE, 421);
    }
    struct web_head h = ours();
    h.host = SPAN_NONE;
    expect(&policy, h, WEB_REFUSE, 421);
}

static void refuses_other_sites(void **state)
{
    (void)state;
    static const char *const sites[] = {"cross-site", "same-site", "", "SAME-ORIGIN", "none "};
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        struct web_head h = ours();
        h.fetch_site = span_of(sites[i]);
        expect(&policy, h, WEB_REFUSE, 403);
        expect(&open_policy, h, WEB_REFUSE, 403);
        h.fetch_mode = SPAN("navigate");
        h.fetch_dest = SPAN("iframe");
        expect(&policy, h, WEB_REFUSE, 403);
        h.fetch_dest = SPAN("document");
        h.fetch_mode = SPAN("no-cors");
        expect(&policy, h, WEB_REFUSE, 403);
    }
}

static void a_link_elsewhere_gets_the_shell(void **state)
{
    (void)state;
    struct web_head h = ours();
    h.fetch_site = SPAN("cross-site");
    h.fetch_mode = SPAN("navigate");
    h.fetch_dest = SPAN("document");
    h.cookie = SPAN_NONE;
    expect(&policy, h, WEB_SHELL, 0);
    expect(&open_policy, h, WEB_SHELL, 0);
    h.token = SPAN(TOKEN);
    expect(&policy, h, WEB_SHELL, 0);
    h.method = SPAN("POST");
    h.may_post = true;
    expect(&policy, h, WEB_REFUSE, 403);
}

static void refuses_other_origins(void **state)
{
    (void)state;
    static const char *const origins[] = {"null",
                                          "http://evil.example",
                                          "https://127.0.0.1:7433",
                                          "http://127.0.0.1:7434",
                                          "http://127.0.0.1",
                                          ""};
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        struct web_head h = ours();
        h.origin = span_of(origins[i]);
        if (i) expect(&policy, h, WEB_REFUSE, 403);
        else expect(&policy, h, WEB_PASS, 0); /* a form of ours: "null", but same-origin */
        h.fetch_site = SPAN("none");
        expect(&policy, h, WEB_REFUSE, 403);
        h.fetch_site = SPAN_NONE;
        expect(&policy, h, WEB_REFUSE, 403);
    }
}

static void refuses_other_methods(void **state)
{
    (void)state;
    static const char *const methods[] = {"PUT",     "DELETE", "OPTIONS", "TRACE",
                                          "CONNECT", "PATCH",  "get",     ""};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct web_head h = ours();
        h.method = span_of(methods[i]);
        h.may_post = true;
        expect(&policy, h, WEB_REFUSE, 405);
    }
    struct web_head h = ours();
    h.method = SPAN("POST");
    expect(&policy, h, WEB_REFUSE, 405);
    h.may_post = true;
    expect(&policy, h, WEB_PASS, 0);
    h.cookie = SPAN_NONE;
    expect(&policy, h, WEB_REFUSE, 403);
}

static void asks_for_the_token(void **state)
{
    (void)state;
    static const char *const cookies[] = {"",
                                          "plumb-7433=",
                                          "plumb-7433=00112233445566778899aabbccddeefe",
                                          "plumb-7434=" TOKEN,
                                          "x=plumb-7433=" TOKEN,
                                          "plumb-7433=" TOKEN "0",
                                          "Plumb-7433=" TOKEN};
    for (size_t i = 0; i < sizeof cookies / sizeof *cookies; i++) {
        struct web_head h = ours();
        h.cookie = span_of(cookies[i]);
        expect(&policy, h, WEB_REFUSE, 403);
        expect(&open_policy, h, WEB_PASS, 0);
    }
    struct web_head h = ours();
    h.cookie = SPAN("a=b;  plumb-7433=" TOKEN " ; c=d");
    expect(&policy, h, WEB_PASS, 0);
}

static void exchanges_the_token(void **state)
{
    (void)state;
    struct web_head h = ours();
    h.cookie = SPAN_NONE;
    h.fetch_site = SPAN("none");
    h.token = SPAN(TOKEN);
    expect(&policy, h, WEB_EXCHANGE, 0);
    h.token = SPAN("00112233445566778899aabbccddeefe");
    expect(&policy, h, WEB_REFUSE, 403);
    expect(&open_policy, h, WEB_EXCHANGE, 0); /* the address is cleaned, nothing is checked */
    h.token = SPAN("");
    expect(&policy, h, WEB_REFUSE, 403);
    h.token = SPAN(TOKEN);
    h.method = SPAN("POST"), h.may_post = true;
    expect(&policy, h, WEB_REFUSE, 403); /* a token is never taken from a posted address */
}

static void assets_need_no_token(void **state)
{
    (void)state;
    struct web_head h = ours();
    h.cookie = SPAN_NONE;
    h.is_public = true;
    expect(&policy, h, WEB_PASS, 0);
    h.fetch_site = SPAN("cross-site");
    expect(&policy, h, WEB_REFUSE, 403);
    h.host = SPAN("evil.example");
    expect(&policy, h, WEB_REFUSE, 421);
}

static void makes_tokens(void **state)
{
    (void)state;
    char a[WEB_TOKEN_SIZE + 1], b[WEB_TOKEN_SIZE + 1];
    assert_true(web_token_make(a) && web_token_make(b));
    assert_int_equal(strlen(a), WEB_TOKEN_SIZE);
    assert_int_equal(strspn(a, "0123456789abcdef"), WEB_TOKEN_SIZE);
    assert_string_not_equal(a, b);
}

static void every_answer_has_the_policy(void **state)
{
    (void)state;
    bool csp = false;
    for (const struct web_header *h = web_headers; h->name; h++) {
        if (strcmp(h->name, "Content-Security-Policy")) continue;
        csp = true;
        assert_non_null(strstr(h->value, "default-src 'none'"));
        assert_non_null(strstr(h->value, "frame-ancestors 'none'"));
        assert_null(strstr(h->value, "unsafe"));
    }
    assert_true(csp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_own_pages_through),
        cmocka_unit_test(refuses_other_hosts),
        cmocka_unit_test(refuses_other_sites),
        cmocka_unit_test(a_link_elsewhere_gets_the_shell),
        cmocka_unit_test(refuses_other_origins),
        cmocka_unit_test(refuses_other_methods),
        cmocka_unit_test(asks_for_the_token),
        cmocka_unit_test(exchanges_the_token),
        cmocka_unit_test(assets_need_no_token),
        cmocka_unit_test(makes_tokens),
        cmocka_unit_test(every_answer_has_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
