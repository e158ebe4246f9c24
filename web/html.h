/* html.h - the one way markup is written: a small format whose arguments are escaped by their
 * verb.
 *
 *   html(h, "<td class=\"num\">%n</td><td><code>%s</code></td>", count, name);
 *
 * The format must be a string literal, so markup comes only from the program. Arguments may be
 * const char *, struct span, any integer, or double; their type is taken from the argument (never
 * from the verb, so a wrong pair cannot read a wrong word), and the verb says how it is shown:
 *
 *   %s  text, escaped for content and quoted attributes; numbers in plain digits
 *   %d  integer in plain digits
 *   %n  count: narrow no-break space every 3 digits; from 10 million "12.3 M"
 *   %t  duration in ns with 3 significant digits: 6.65 s, 25.2 ms, 84 ns
 *   %m  duration in ns as a column of milliseconds: 5 132.8
 *   %b  bytes: 16.0 MiB
 *   %p  share 0..1: 77 %, 1.6 %
 *   %c  time of day, UTC: 04:21:57.541          %C  date and time: 2026-11-23 04:21:57.541
 *   %u  part of an address, percent-encoded
 *   %l  long name cut in the middle by the style sheet, the whole text as title
 *   %f  function name: torch_dynamo_resume_in_f_at_16 becomes "f resumed at 16"
 *   %%  a per cent sign
 *
 * %l and %f bring markup of their own: not for attributes.
 *
 * STORE_NULL, NaN and absent spans show as an en dash (%s: nothing). Text that is not UTF-8,
 * control characters and the invisible characters that reorder text become U+FFFD.
 *
 * Memory: a struct html owns its buffer; out of memory is noted there and reported once by
 * html_ok.
 */
#ifndef WEB_HTML_H
#define WEB_HTML_H

#include "store/base/buf.h"
#include "store/row.h"

struct html {
    struct buf out; /* zero-initialise the struct */
};

enum html_arg_kind { HTML_TEXT, HTML_INT, HTML_REAL };
struct html_arg {
    enum html_arg_kind kind;
    struct span s;
    int64_t i;
    double r;
};

static inline struct html_arg html_of_text(const char *s)
{
    return (struct html_arg){.kind = HTML_TEXT, .s = span_of(s)};
}
static inline struct html_arg html_of_span(struct span s)
{
    return (struct html_arg){.kind = HTML_TEXT, .s = s};
}
static inline struct html_arg html_of_int(int64_t i)
{
    return (struct html_arg){.kind = HTML_INT, .i = i};
}
static inline struct html_arg html_of_real(double r)
{
    return (struct html_arg){.kind = HTML_REAL, .r = r};
}
#define HTML_ARG(x)                                                                                \
    _Generic((x), char *: html_of_text, const char *: html_of_text, struct span: html_of_span,     \
             double: html_of_real, float: html_of_real, default: html_of_int)(x)

/* Number of arguments, and each of them through HTML_ARG. */
#define HTML_12TH(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, n, ...) n

#define HTML_COUNT(...) HTML_12TH(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)

#define HTML_EACH_1(a)       HTML_ARG(a)
#define HTML_EACH_2(a, ...)  HTML_ARG(a), HTML_EACH_1(__VA_ARGS__)
#define HTML_EACH_3(a, ...)  HTML_ARG(a), HTML_EACH_2(__VA_ARGS__)
#define HTML_EACH_4(a, ...)  HTML_ARG(a), HTML_EACH_3(__VA_ARGS__)
#define HTML_EACH_5(a, ...)  HTML_ARG(a), HTML_EACH_4(__VA_ARGS__)
#define HTML_EACH_6(a, ...)  HTML_ARG(a), HTML_EACH_5(__VA_ARGS__)
#define HTML_EACH_7(a, ...)  HTML_ARG(a), HTML_EACH_6(__VA_ARGS__)
#define HTML_EACH_8(a, ...)  HTML_ARG(a), HTML_EACH_7(__VA_ARGS__)
#define HTML_EACH_9(a, ...)  HTML_ARG(a), HTML_EACH_8(__VA_ARGS__)
#define HTML_EACH_10(a, ...) HTML_ARG(a), HTML_EACH_9(__VA_ARGS__)
#define HTML_EACH_11(a, ...) HTML_ARG(a), HTML_EACH_10(__VA_ARGS__)
#define HTML_EACH_12(a, ...) HTML_ARG(a), HTML_EACH_11(__VA_ARGS__)
#define HTML_GLUE_(a, b)     a##b
#define HTML_GLUE(a, b)      HTML_GLUE_(a, b)

#define HTML_EACH(...) HTML_GLUE(HTML_EACH_, HTML_COUNT(__VA_ARGS__))(__VA_ARGS__)

/* html(h, "literal") or html(h, "literal", up to 12 arguments). */
#define html(h, ...) HTML_GLUE(HTML_CALL_, HTML_FORM(__VA_ARGS__))(h, __VA_ARGS__)

/* Without arguments the form is 1, with them M. */
#define HTML_FORM(...) HTML_13TH(__VA_ARGS__, M, M, M, M, M, M, M, M, M, M, M, M, 1, 0)

#define HTML_13TH(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, n, ...) n

#define HTML_CALL_1(h, fmt) html_write((h), "" fmt "", NULL, 0)

#define HTML_CALL_M(h, fmt, ...)                                                                   \
    html_write((h), "" fmt "", (const struct html_arg[]){HTML_EACH(__VA_ARGS__)},                  \
               HTML_COUNT(__VA_ARGS__))

void html_write(struct html *h, const char *fmt, const struct html_arg *args, int n_args);

/* Text escaped for content and quoted attributes. */
void html_text(struct html *h, struct span s);
/* The forms of the verbs for a number held in a variable form, e.g. 't'. */
void html_number(struct buf *out, char verb, struct html_arg value);

void html_release(struct html *h);
enum err WARN_UNUSED html_ok(const struct html *h);

#endif
