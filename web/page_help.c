/* page_help.c - keys, marks and number formats: what a reader may want to look up. */
#include "web/web.h"

static const struct {
    const char *keys, *does;
} keys[] = {
    {"/", "search"},
    {"j k", "next row, previous row"},
    {"Enter", "open the row"},
    {"[ ]", "previous, next of this kind"},
    {"Esc", "close the drawer, leave a field"},
    {"n p", "next, previous origin (Divergence)"},
    {"N P", "next, previous difference (Divergence)"},
    {"u e", "producer, first consumer of what differs (Divergence)"},
    {"t", "light or dark"},
    {"?", "this page"},
};

static void put_keys(struct html *h)
{
    html(h, "<div class=\"tw\"><table id=\"keys-table\"><thead><tr><th class=\"fit\">Keys</th>"
            "<th>Does</th></tr></thead><tbody>");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        html(h, "<tr><td class=\"fit\"><kbd>%s</kbd></td><td>%s</td></tr>", keys[i].keys,
             keys[i].does);
    for (const struct web_page *p = web_pages; p->path; p++) {
        const char key[2] = {p->key, 0};
        if (p->key)
            html(h, "<tr><td class=\"fit\"><kbd>g</kbd> <kbd>%s</kbd></td><td>%s</td></tr>",
                 &key[0], p->title);
    }
    html(h, "</tbody></table></div>");
}

static void put_marks(struct html *h)
{
    static const char *const outcomes[] = {"ok", "restarted", "empty", "failed", "unknown"};
    html(h, "<p class=\"key\">");
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        html(h, "<span>");
        web_outcome(h, span_of(outcomes[i]));
        web_outcome_word(h, span_of(outcomes[i]));
        html(h, "</span>");
    }
    html(h, "</p>");
}

enum err page_help(struct web_request *q, struct html *h)
{
    html(h, "<p class=\"note\">Every key has a link or a control beside it; no page needs "
            "JavaScript.</p>");
    web_section(q, h, "keys", "Keys", NULL, NULL);
    put_keys(h);
    web_section_end(h);
    web_section(q, h, "marks", "Marks of a compile", NULL, NULL);
    put_marks(h);
    web_section_end(h);
    web_section(q, h, "numbers", "Numbers", NULL, NULL);
    html(h, "<dl class=\"kv\"><dt>times of day</dt><dd>UTC</dd><dt>durations</dt><dd>3 digits in "
            "text (25.2 ms), fixed "
            "decimals in columns</dd><dt>bytes</dt><dd>binary units: 1 MiB is 1 048 576 "
            "bytes</dd><dt>0, \xe2\x80\x93, not "
            "recorded</dt><dd>three different things: counted and none; does not apply or unset; "
            "was never written down</dd></dl>");
    web_section_end(h);
    return ERR_OK;
}
