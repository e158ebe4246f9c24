/* say.c - see say.h. A fold is a <details>: it opens without a script and prints open text only
 * when opened. */
#include "web/say.h"

#include "web/reason.h"

static int64_t count_lines(struct span text)
{
    int64_t n = 0;
    for (struct span line; span_next_line(&text, &line);) n++;
    return n;
}

static void put_hint(struct html *h, struct span hint)
{
    html(h, "<li>");
    web_prose(h, hint);
    html(h, "</li>");
}

void say_complaint(struct html *h, struct span text)
{
    enum { SHORT = 3 };
    struct complaint c = reason_of_complaint(text);
    int64_t rest = count_lines(c.rest);
    bool folded =
        rest > SHORT || c.context.n || c.url.n || c.preface.n || c.n_hints == REASON_HINTS;
    html(h, "<div class=\"say\"><b>");
    web_prose(h, c.headline);
    html(h, "</b>");
    if (c.explanation.n) {
        html(h, "<p>");
        web_prose(h, c.explanation);
        html(h, "</p>");
    }
    if (c.n_hints) html(h, "<ul class=\"hints\">");
    for (int i = 0; i < c.n_hints; i++) put_hint(h, c.hints[i]);
    if (c.n_hints) html(h, "</ul>");
    if (rest && rest <= SHORT) html(h, "<pre class=\"one\">%s</pre>", c.rest);
    if (folded)
        html(h,
             "<details class=\"say-all\"><summary>Whole text, %n lines</summary><pre "
             "class=\"one\">%s</pre></details>",
             count_lines(text), text);
    html(h, "</div>");
}

void say_stack(struct html *h, const char *title, struct span text)
{
    enum { SHORT = 4 };
    if (!text.n) return;
    int64_t n = count_lines(text);
    if (n <= SHORT) html(h, "<pre class=\"one\">%s</pre>", text);
    else
        html(h,
             "<details class=\"say-all\"><summary>%s, %n lines</summary><pre "
             "class=\"one\">%s</pre></details>",
             title, n, text);
}
