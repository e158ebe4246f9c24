/* page_help.c - keys, marks, words and number formats: what a reader may want to look up. */
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
    {"\xe2\x86\x91 \xe2\x86\x93 \xe2\x86\x90 \xe2\x86\x92",
     "from the selected kernel to one that feeds it, that reads it, that stands beside it "
     "(Fusion)"},
    {"1 2 3 0", "so many steps around the selected kernel; 0: all (Fusion)"},
    {"Space", "fold and unfold members (Fusion)"},
    {"w s a d", "nearer, farther, earlier, later (Timeline); also the wheel with Ctrl, with Shift"},
    {". ,", "next, previous event of the row (Timeline)"},
    {"m f", "measure what is selected, fit it into the view (Timeline)"},
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

static const struct {
    const char *word, *means;
} words[] = {
    {"kernel", "what is launched as one: a loop over the points of its results, or a library's "
               "function (`extern`)"},
    {"fusion", "operators become one kernel, so that what one makes the next takes from a register "
               "instead of memory"},
    {"combo kernel", "independent kernels become one launch; each member keeps its own blocks, "
                     "and no data flows between them"},
    {"lane", "one member of a combo kernel in the fusion graph, with the blocks that it has"},
    {"value, input", "what one kernel makes and others read; what no kernel of the program makes: "
                     "a parameter, a constant, a tensor that the forward kept"},
    {"pointwise, reduction, persistent",
     "a kernel without inner loop; one that reduces rows piece by piece; one whose rows are held "
     "whole"},
    {"prologue, epilogue", "operators that feed a kernel's reduction or product; that take its "
                           "result"},
    {"recomputed", "computed a second time where it is needed instead of being kept in memory"},
    {"partition", "which values the forward keeps for the backward, and which that computes again"},
    {"guard", "what must hold for compiled code to be used; one that fails makes a recompile"},
    {"graph break", "a place at which tracing ends, and the program runs as it is"},
    {"memory plan", "where a compile's temporaries lie in one block of memory"},
    {"self", "of a time what nothing within took"},
    {"hatched, \xc3\x97N", "on the timeline: N events that are too short to be told apart there; "
                           "nearer they part"},
    {"spill", "values for which the processor had no register, kept in memory by its compiler"},
};

static void put_words(struct html *h)
{
    html(h, "<dl class=\"kv\">");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        html(h, "<dt>%s</dt><dd>", words[i].word);
        web_prose(h, span_of(words[i].means));
        html(h, "</dd>");
    }
    html(h, "</dl>\n");
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
    web_section(q, h, "words", "Words", "of the compiler and its kernels", NULL);
    put_words(h);
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
