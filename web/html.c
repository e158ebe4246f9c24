/* html.c - the escaping writer.
 *
 * A verb is looked up once per argument; text goes through html_text, which copies runs of plain
 * bytes and stops only at bytes that need care, so that the cost is that of memchr-like scanning.
 *
 */
#include "web/html.h"
#include "web/param.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static const char dash[] = "\xe2\x80\x93";        /* en dash */
static const char thin[] = "\xe2\x80\xaf";        /* narrow no-break space */
static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Characters that reorder or hide text: U+200E/F, U+202A..E, U+2066..9, U+061C. */
static bool reorders(const unsigned char *p, size_t n)
{
    if (n == 2) return p[0] == 0xd8 && p[1] == 0x9c;
    if (n != 3 || p[0] != 0xe2) return false;
    if (p[1] == 0x80) return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xaa && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    case '\n': return "\n";
    case '\t': return "\t";
    case '\r': return "";
    default: return replacement; /* other controls */
    }
}

static void escape(struct buf *out, struct span s)
{
    size_t i = 0;
    while (i < s.n) {
        size_t start = i;
        while (i < s.n && plain((unsigned char)s.p[i])) i++;
        if (i > start) buf_put(out, s.p + start, i - start);
        if (i >= s.n) break;
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x80) {
            buf_puts(out, entity(c));
            i++;
            continue;
        }
        size_t n = utf8_length(span_from(s, i));
        if (n == 0 || reorders((const unsigned char *)s.p + i, n) ||
            (n == 2 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0))
            buf_puts(out, replacement);
        else buf_put(out, s.p + i, n);
        i += n ? n : 1;
    }
}

void html_text(struct html *h, struct span s)
{
    escape(&h->out, s);
}

/* Digits of text with a thin space every three, counted from the end of the integer part. */
static void group(struct buf *out, const char *digits)
{
    if (*digits == '-') {
        buf_puts(out, "\xe2\x88\x92"); /* minus sign */
        digits++;
    }
    size_t whole = strspn(digits, "0123456789");
    for (size_t i = 0; i < whole; i++) {
        if (i && (whole - i) % 3 == 0) buf_puts(out, thin);
        buf_putc(out, digits[i]);
    }
    buf_puts(out, digits + whole);
}

static void count(struct buf *out, int64_t v)
{
    char text[32];
    if (v >= 10000000) {
        bool giga = v >= 1000000000;
        snprintf(text, sizeof text, "%.1f", (double)v / (giga ? 1e9 : 1e6));
        group(out, text);
        buf_puts(out, giga ? " G" : " M");
        return;
    }
    snprintf(text, sizeof text, "%lld", (long long)v);
    group(out, text);
}

/* Three significant digits, plain notation. */
static void three(struct buf *out, double v)
{
    char text[32];
    double a = fabs(v);
    int decimals = a >= 99.95 || v == 0 ? 0 : a >= 9.995 ? 1 : 2;
    snprintf(text, sizeof text, "%.*f", decimals, v);
    group(out, text);
}

static void duration(struct buf *out, double ns)
{
    double a = fabs(ns);
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "\xc2\xb5s"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (a < units[i].unit * 0.9995) continue;
        three(out, ns / units[i].unit);
        buf_printf(out, " %s", units[i].name);
        return;
    }
    buf_printf(out, "%.0f ns", ns);
}

static void milliseconds(struct buf *out, double ns)
{
    char text[64];
    snprintf(text, sizeof text, "%.1f", ns / 1e6);
    if (ns == 0) snprintf(text, sizeof text, "0");
    group(out, text);
}

static void bytes(struct buf *out, double n)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
    if (fabs(n) < 1024) {
        buf_printf(out, "%.0f B", n);
        return;
    }
    size_t i = 0;
    for (n /= 1024; fabs(n) >= 1023.95 && i + 1 < sizeof names / sizeof *names; i++) n /= 1024;
    buf_printf(out, "%.1f %s", n, names[i]);
}

static void share(struct buf *out, double v)
{
    double percent = v * 100;
    buf_printf(out, percent >= 9.95 || percent == 0 ? "%.0f %%" : "%.1f %%", percent);
}

static void clock_text(struct buf *out, int64_t ns, bool date)
{
    int64_t s = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) rest += 1000000000, s--;
    time_t t = (time_t)s;
    struct tm tm;
    char text[64];
    if (!gmtime_r(&t, &tm) ||
        !strftime(text, sizeof text, date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm)) {
        buf_puts(out, dash);
        return;
    }
    buf_printf(out, "%s.%03d", text, (int)(rest / 1000000));
}

static bool missing(const struct html_arg *a)
{
    return a->kind == HTML_TEXT  ? a->s.p == NULL
           : a->kind == HTML_INT ? a->i == STORE_NULL
                                 : isnan(a->r);
}

void html_number(struct buf *out, char verb, struct html_arg a)
{
    if (a.kind == HTML_TEXT || missing(&a)) {
        if (a.kind == HTML_TEXT && a.s.p) escape(out, a.s);
        else buf_puts(out, dash);
        return;
    }
    double r = a.kind == HTML_INT ? (double)a.i : a.r;
    int64_t i = a.kind == HTML_INT ? a.i : r >= -9e18 && r <= 9e18 ? (int64_t)r : STORE_NULL;
    switch (verb) {
    case 'n': count(out, i); break;
    case 't': duration(out, r); break;
    case 'm': milliseconds(out, r); break;
    case 'b': bytes(out, r); break;
    case 'p': share(out, r); break;
    case 'c': clock_text(out, i, false); break;
    case 'C': clock_text(out, i, true); break;
    default:
        if (a.kind == HTML_INT) buf_printf(out, "%lld", (long long)i);
        else buf_printf(out, "%.10g", r);
    }
}

enum { NAME_TAIL = 12, NAME_SHORT = 28 };

/* Cut at a character boundary at or before `at`. */
static size_t boundary(struct span s, size_t at)
{
    while (at > 0 && ((unsigned char)s.p[at] & 0xc0) == 0x80) at--;
    return at;
}

static void long_name(struct buf *out, struct span s)
{
    if (s.n <= NAME_SHORT) {
        escape(out, s);
        return;
    }
    size_t cut = boundary(s, s.n - NAME_TAIL);
    buf_puts(out, "<span class=\"mid\" title=\"");
    escape(out, s);
    buf_puts(out, "\"><span>");
    escape(out, span_to(s, cut));
    buf_puts(out, "</span><span>");
    escape(out, span_from(s, cut));
    buf_puts(out, "</span></span>");
}

/* torch_dynamo_resume_in_f_at_16: the rest of f, continued at line 16. */
static void function_name(struct buf *out, struct span s)
{
    struct span rest = s, line;
    while (span_starts(rest, "torch_dynamo_resume_in_"))
        rest = span_from(rest, strlen("torch_dynamo_resume_in_"));
    size_t at = SIZE_MAX;
    for (size_t i = span_find(rest, SPAN("_at_"), 0); i != SIZE_MAX;
         i = span_find(rest, SPAN("_at_"), i + 1))
        at = i;
    int64_t number;
    if (rest.p == s.p || at == SIZE_MAX || !span_to_i64(line = span_from(rest, at + 4), &number)) {
        buf_puts(out, "<code>");
        escape(out, s);
        buf_puts(out, "</code>");
        return;
    }
    buf_puts(out, "<span title=\"");
    escape(out, s);
    buf_puts(out, "\"><code>");
    escape(out, span_to(rest, at));
    buf_printf(out, "</code> <span class=\"dim\">resumed at %lld</span></span>", (long long)number);
}

static void argument(struct buf *out, char verb, const struct html_arg *a)
{
    if (verb == 's' && missing(a)) return;
    switch (verb) {
    case 'u':
        if (a->kind == HTML_TEXT) web_encode(out, a->s);
        else html_number(out, 'd', *a);
        break;
    case 'l':
    case 'f':
        if (a->kind != HTML_TEXT || !a->s.p) buf_puts(out, dash);
        else if (verb == 'l') long_name(out, a->s);
        else function_name(out, a->s);
        break;
    default: html_number(out, verb, *a);
    }
}

void html_write(struct html *h, const char *fmt, const struct html_arg *args, int n_args)
{
    int next = 0;
    for (const char *p = fmt; *p;) {
        const char *end = strchrnul(p, '%');
        if (end > p) buf_put(&h->out, p, (size_t)(end - p));
        if (!*end) break;
        char verb = end[1];
        if (verb == '%') {
            buf_putc(&h->out, '%');
        } else {
            REQUIRE("html:verb", verb && strchr("sdntmbpcCulf", verb));
            REQUIRE("html:arguments", next < n_args);
            argument(&h->out, verb, &args[next++]);
        }
        p = end + 2;
    }
    REQUIRE("html:arguments", next == n_args);
}

void html_release(struct html *h)
{
    buf_release(&h->out);
}

enum err html_ok(const struct html *h)
{
    return buf_ok(&h->out);
}
