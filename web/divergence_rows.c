/* divergence_rows.c - the calls of A and of B side by side: around the cursor, or what a filter
 * leaves.
 *
 * Around the cursor runs of one kind are folded: calls of the same name that differ by the same
 * arguments, or calls that are all the same. The first few of a run and those near the cursor
 * stay; ?open= unfolds the stretch that begins with that pair.
 */
#include "web/calls.h"
#include "web/divergence.h"

#include <stdio.h>
#include <string.h>

enum {
    READ = 240,
    PAGE = 50,
    BEFORE = 3,
    LINES = 14,
    HEAD = 5,
    HEAD_SAME = 3,
    NEAR = 2,
    LEAST_FOLD = 3,
    PIECES = 64,
    PIECE_SHOWN = 120
};

/* ---- one call ---- */

/* Length of the first argument of printed arguments: to a comma outside of brackets and quotes. */
static size_t piece_length(struct span s)
{
    int depth = 0;
    char quote = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (quote) {
            if (c == '\\') i++;
            else if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') quote = c;
        else if (c == '(' || c == '[' || c == '{') depth++;
        else if (c == ')' || c == ']' || c == '}') depth--;
        else if (c == ',' && depth <= 0) return i;
    }
    return s.n;
}

static int split_into(struct span s, struct span *out, int n)
{
    while (s.n && (s.p[0] == ',' || s.p[0] == ' ')) s = span_from(s, 1);
    while (s.n && n < PIECES) {
        size_t length = piece_length(s);
        out[n++] = span_to(s, length);
        s = span_from(s, length);
        while (s.n && (s.p[0] == ',' || s.p[0] == ' ')) s = span_from(s, 1);
    }
    return n;
}

static int split(struct span args, struct span kwargs, struct span *out)
{
    return split_into(kwargs, out, split_into(args, out, 0));
}

/* "t: f32[16]" as "[16]", "t: bf16[16]" as "bf16[16]": the whole text is in the title. */
static struct span short_piece(struct span s)
{
    if (span_starts(s, "t: ")) s = span_from(s, 3);
    if (span_starts(s, "f32[")) s = span_from(s, 3);
    if (s.n <= PIECE_SHOWN) return s;
    size_t n = PIECE_SHOWN;
    while (n && (s.p[n] & 0xc0) == 0x80) n--;
    return span_to(s, n);
}

static struct span short_name(struct span name)
{
    return span_starts(name, "aten::") ? span_from(name, 6) : name;
}

static void put_piece(struct html *h, struct span piece, bool differs)
{
    struct span shown = short_piece(piece);
    bool cut = shown.p + shown.n < piece.p + piece.n;
    if (differs) html(h, "<mark>");
    html(h, "%s", shown);
    if (cut) html(h, "\xe2\x80\xa6");
    if (differs) html(h, "</mark>");
}

struct side {
    struct span name, args, kwargs, output;
    struct span piece[PIECES];
    int n;
};

static void read_side(const struct divergence_row *r, bool b, struct side *out)
{
    out->name = b ? r->b_name : r->a_name;
    out->args = b ? r->b_args : r->a_args;
    out->kwargs = b ? r->b_kwargs : r->a_kwargs;
    out->output = b ? r->b_output : r->a_output;
    out->n = split(out->args, out->kwargs, out->piece);
}

static bool piece_differs(const struct side *s, const struct side *other, int i)
{
    return i >= other->n || !span_eq(s->piece[i], other->piece[i]);
}

/* What differs is never cut: what stands before it gives way. */
static void put_pieces(struct html *h, const struct side *s, const struct side *other)
{
    int first = 0, last = s->n - 1;
    while (first < s->n && !piece_differs(s, other, first)) first++;
    while (last > first && !piece_differs(s, other, last)) last--;
    bool marked = first < s->n;
    if (!marked) last = s->n - 1;
    if (marked) html(h, "<span class=\"mid\"><span>");
    if (span_eq(s->name, other->name)) html(h, "%s(", short_name(s->name));
    else html(h, "<mark>%s</mark>(", short_name(s->name));
    for (int i = 0; i <= last; i++) {
        if (i) html(h, ", ");
        if (marked && i == first) html(h, "</span><span>");
        put_piece(h, s->piece[i], piece_differs(s, other, i));
    }
    if (last < s->n - 1) html(h, ", \xe2\x80\xa6");
    html(h, ")");
    if (marked) html(h, "</span></span>");
}

static void put_call(struct web_request *q, struct html *h, const struct divergence_row *r, bool b)
{
    struct side mine, other;
    read_side(r, b, &mine);
    read_side(r, !b, &other);
    if ((b ? r->b : r->a) == STORE_NULL) {
        bool inside = r->flags != STORE_NULL && r->flags & DIFF_INSIDE;
        if (inside) html(h, "<td class=\"w40 gap\">not needed in %s</td>", b ? "B" : "A");
        else html(h, "<td class=\"w40 gap\">only in %s</td>", b ? "A" : "B");
        return;
    }
    struct span kernel = b ? r->b_kernel : r->a_kernel;
    /* Nothing to differ from: it is alone, or a kernel's operator, whose arguments are no text. */
    if (!other.name.p || r->a_kernel.p || r->b_kernel.p) other = mine;
    html(h, "<td class=\"w40\"><a class=\"k name\" href=\"%s\" title=\"%s(%s%s)%s\">",
         web_here(q, "at", divergence_number(q, r->id), "sel", divergence_number(q, r->id), NULL),
         mine.name, mine.args, mine.kwargs, mine.output);
    if (kernel.p) html(h, "%s", short_name(mine.name));
    else put_pieces(h, &mine, &other);
    if (kernel.n) html(h, " <span class=\"dim\">in %s</span>", kernel);
    else if (kernel.p) html(h, " <span class=\"dim\">no launch</span>");
    html(h, "</a></td>");
}

/* ---- one row ---- */

/* Of norms or sums, which may be equal though bits differ: then it tells nothing. */
static void put_relative(struct html *h, double v, bool differs)
{
    char text[24];
    snprintf(text, sizeof text, "%.1e", v);
    if (v == 0 && differs)
        html(h, "<span class=\"dim\" title=\"bits differ, norms do not\">&lt; norm</span>");
    else if (v != v) html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else if (v == 0) html(h, "<span class=\"dim\">0</span>");
    else html(h, "%s", text);
}

static void put_place(struct web_request *q, struct html *h, const struct divergence_row *r,
                      int64_t place)
{
    html(h, "<td class=\"num\">");
    if (place == STORE_NULL) html(h, "<span class=\"dim\">\xe2\x80\x93</span>");
    else html(h, "<a class=\"dim\" href=\"%s\">%d</a>", divergence_link(q, r->id), place);
    html(h, "</td>");
}

static bool digests_differ(const struct divergence_row *r)
{
    return r->a_hash.n && r->b_hash.n && !span_eq(r->a_hash, r->b_hash);
}

static void put_row(struct web_request *q, struct html *h, const struct divergence_row *r,
                    bool selected, bool places)
{
    html(h, "<tr id=\"p%d\"%s>", r->id, selected ? SPAN(" aria-selected=true") : SPAN(""));
    put_place(q, h, r, places ? r->a : divergence_place(r));
    put_call(q, h, r, false);
    html(h, "<td class=\"fit\">");
    calls_hash(h, r->a_hash, false);
    html(h, "</td><td class=\"fit\">");
    divergence_mark(h, divergence_row_look(r->verdict, r->flags));
    html(h, "</td><td class=\"fit\">");
    calls_hash(h, r->b_hash, digests_differ(r));
    html(h, "</td>");
    if (places) put_place(q, h, r, r->b);
    put_call(q, h, r, true);
    html(h, "<td class=\"num\">");
    put_relative(h, r->relative, digests_differ(r));
    html(h, "</td></tr>\n");
}

static void put_head(struct html *h, bool places)
{
    html(h, "<div class=\"tw\"><table class=\"calls sides\"><thead><tr><th class=\"num\">#</th>"
            "<th class=\"w40\">A</th><th class=\"fit\">Result</th><th class=\"fit\"></th>"
            "<th class=\"fit\">Result</th>");
    if (places) html(h, "<th class=\"num\">#</th>");
    html(h, "<th class=\"w40\">B</th><th class=\"num\">Relative</th></tr></thead><tbody>\n");
}

/* Is a call not at the same place in both? Then both are shown. */
static bool places_differ(const struct divergence_row *r, int n)
{
    for (int i = 0; i < n; i++)
        if (r[i].a != STORE_NULL && r[i].b != STORE_NULL && r[i].a != r[i].b) return true;
    return false;
}

/* ---- folding ---- */

static bool same_kind(const struct divergence_row *x, const struct divergence_row *y)
{
    bool x_same = x->verdict == DIFF_SAME, y_same = y->verdict == DIFF_SAME;
    if (x_same || y_same) return x_same && y_same;
    return span_eq(x->name, y->name) && (x->flags & 1) == (y->flags & 1) &&
           (x->a == STORE_NULL) == (y->a == STORE_NULL) &&
           (x->b == STORE_NULL) == (y->b == STORE_NULL);
}

/* hidden[i]: row i is folded away. */
static void fold(const struct divergence_row *r, int n, int cursor, int64_t open, bool *hidden)
{
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && same_kind(&r[from], &r[to]);) to++;
        int head = r[from].verdict == DIFF_SAME ? HEAD_SAME : HEAD;
        for (int i = from; i < to; i++)
            hidden[i] = i - from >= head && (i < cursor - NEAR || i > cursor + NEAR);
    }
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && hidden[from] == hidden[to] && same_kind(&r[from], &r[to]);)
            to++;
        if (hidden[from] && (to - from < LEAST_FOLD || r[from].id == open))
            memset(hidden + from, 0, (size_t)(to - from));
    }
}

static int put_folded(struct web_request *q, struct html *h, const struct divergence_row *r, int n,
                      const bool *hidden, bool places, bool more)
{
    int64_t of[DIFF_N_VERDICTS] = {0};
    int end = 0;
    while (end < n && hidden[end] && same_kind(&r[0], &r[end])) {
        int64_t v = r[end++].verdict;
        of[v >= 0 && v < DIFF_N_VERDICTS ? v : DIFF_UNKNOWN]++;
    }
    html(h, "<tr class=\"at\"><td></td><td class=\"dim\" colspan=\"%d\">%n%s more of this kind:",
         places ? 7 : 6, end, end == n && more ? SPAN(" or") : SPAN(""));
    bool any = false;
    for (int v = DIFF_N_VERDICTS - 1; v >= 0; v--)
        if (of[v]) {
            html(h, "%s %n %s", any ? SPAN(",") : SPAN(""), of[v], divergence_look(v)->word);
            any = true;
        }
    html(h, " \xc2\xb7 <a href=\"%s#p%d\">open</a></td></tr>\n",
         web_here(q, "open", divergence_number(q, r[0].id), NULL), r[0].id);
    return end;
}

/* Rows from a cursor on; *last: place of the last that is shown. */
static void put_rows(struct web_request *q, struct html *h, const struct divergence_row *r, int n,
                     int cursor, int64_t *last)
{
    bool hidden[READ] = {false}, places = places_differ(r, n);
    int64_t open = web_param_int(q, "open", -1);
    int limit = open >= 0 ? READ : LINES, shown = 0;
    fold(r, n, cursor, open, hidden);
    put_head(h, places);
    for (int i = 0; i < n && shown < limit; shown++) {
        *last = divergence_place(&r[i]);
        if (hidden[i]) {
            i += put_folded(q, h, &r[i], n - i, hidden + i, places, n == READ);
            *last = divergence_place(&r[i - 1]);
        } else {
            put_row(q, h, &r[i], i == cursor, places);
            i++;
        }
    }
    html(h, "</tbody></table>");
}

/* ---- around the cursor ---- */

static void put_step(struct web_request *q, struct html *h, const char *name, int64_t pair,
                     const char *rel, const char *label)
{
    if (pair == STORE_NULL) return;
    html(h, "<a data-step=\"%s\"%s href=\"%s#rows\"><kbd>%s</kbd> %s</a>", name,
         rel ? span_of(rel) : SPAN(""),
         web_here(q, "at", divergence_number(q, pair), "from", "", "open", "", NULL), name, label);
}

static enum err put_steps(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "divergence_next", &s));
    if (!web_step(q, s, &err)) return err;
    html(h, "<span class=\"pg\">");
    put_step(q, h, "u", web_int(s, "producer"), NULL, "producer");
    put_step(q, h, "e", web_int(s, "consumer"), NULL, "first consumer");
    put_step(q, h, "P", web_int(s, "previous"), " rel=prev", "previous difference");
    put_step(q, h, "N", web_int(s, "next"), " rel=next", "next difference");
    put_step(q, h, "p", web_int(s, "previous_origin"), NULL, "previous origin");
    put_step(q, h, "n", web_int(s, "next_origin"), NULL, "next origin");
    html(h, "</span>");
    sqlite3_reset(s);
    return err;
}

/* ---- a filter ---- */

static bool is_filtered(const struct web_request *q)
{
    return web_param(q, "verdict") || web_param(q, "step") || web_param(q, "phase") ||
           web_param(q, "module");
}

static void put_filter(struct web_request *q, struct html *h)
{
    static const char *const names[] = {"verdict", "step", "phase", "module"};
    html(h, "<div class=\"filter\">");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = web_param(q, names[i]);
        if (!value) continue;
        html(h, "<a class=\"chip\" aria-pressed=\"true\" href=\"%s#rows\">%s: %s</a>",
             web_here(q, names[i], "", "after", "", NULL), names[i],
             strcmp(value, "-") ? value : "none");
    }
    html(h, "<a href=\"%s#rows\">Show the calls around the cursor</a></div>\n",
         web_here(q, "verdict", "", "step", "", "phase", "", "module", "", "after", "", NULL));
}

static enum err write_list(struct web_request *q, struct html *h, const struct divergence *d,
                           struct divergence_row *r)
{
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    int n = 0;
    TRY(web_query(q, "divergence_pairs", &s));
    while (n <= PAGE && web_step(q, s, &err)) divergence_read_row(q, s, &r[n++]);
    sqlite3_reset(s);
    TRY(err);
    web_section(q, h, "rows", "Calls chosen", "left A, right B; what differs is marked",
                "divergence_pairs");
    put_filter(q, h);
    if (!n) web_state(h, WEB_NO_MATCH, "No call is left.", "Take a part of the filter away.");
    int shown = n > PAGE ? PAGE : n;
    bool places = places_differ(r, shown);
    if (n) put_head(h, places);
    for (int i = 0; i < shown; i++) put_row(q, h, &r[i], r[i].id == d->at, places);
    if (n) html(h, "</tbody></table>");
    if (n > PAGE)
        html(h,
             "<div class=\"cut\">%n shown<span class=\"pg\"><a rel=\"next\" "
             "href=\"%s#rows\">Next %n</a></span></div>",
             shown, web_here(q, "after", divergence_number(q, r[shown - 1].id), NULL), PAGE);
    if (n) html(h, "</div>");
    web_section_end(h);
    return ERR_OK;
}

enum err divergence_write_rows(struct web_request *q, struct html *h, const struct divergence *d)
{
    struct divergence_row *r = arena_array(&q->arena, READ, sizeof *r);
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    int n = 0, cursor = 0;
    int64_t last = 0;
    if (!r) FAIL(ERR_NOMEM, "out of memory for the calls of a page");
    if (is_filtered(q)) return write_list(q, h, d, r);
    TRY(web_query(q, "divergence_pairs", &s));
    TRY(store_bind_int(s, ":before", BEFORE));
    TRY(store_bind_int(s, ":count", READ));
    while (n < READ && web_step(q, s, &err)) {
        divergence_read_row(q, s, &r[n]);
        if (r[n].id == d->at) cursor = n;
        n++;
    }
    sqlite3_reset(s);
    if (err || !n) return err;
    web_section(q, h, "rows",
                d->at == d->first ? "Around the first difference" : "Around the call chosen",
                "left A, right B; what differs is marked; results as digests", "divergence_pairs");
    put_rows(q, h, r, n, cursor, &last);
    html(h, "<div class=\"cut\">calls %d to %d", divergence_place(&r[0]), last);
    TRY(put_steps(q, h));
    html(h, "</div></div>");
    web_section_end(h);
    return ERR_OK;
}
