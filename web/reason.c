/* reason.c - see reason.h. Lines are told apart by how they begin; what is not recognised is left
 * to the caller's view of the whole text, never dropped. */
#include "web/reason.h"

static bool cut(struct span text, const char *mark, struct span *before, struct span *behind)
{
    size_t at = span_find(text, span_of(mark), 0);
    if (at == SIZE_MAX) return false;
    *before = span_to(text, at);
    *behind = span_from(text, at + strlen(mark));
    return true;
}

/* ---- recompiles ---- */

/* tensor 'x' size mismatch at index 0. expected 4, actual 6 */
static bool read_tensor(struct recompile_reason *r)
{
    struct span rest, values, place;
    if (!span_starts(r->what, "tensor '")) return false;
    rest = span_from(r->what, 8);
    if (!cut(rest, "' ", &r->subject, &rest) || !cut(rest, " mismatch", &r->property, &rest))
        return false;
    if (!cut(rest, ". expected ", &place, &values)) return true;
    r->place = span_trim(place);
    if (!cut(values, ", actual ", &r->expected, &r->actual)) {
        r->expected = values;
        size_t equals = span_find(values, SPAN("="), 0);
        if (equals != SIZE_MAX) r->expected = span_from(values, equals + 1);
    }
    return true;
}

/* L['y'].size()[0] == L['x'].size()[0]. expected 7, actual 8
 * 2 <= L['x'].size()[0]. expected at least 2, actual 1 */
static bool read_symbols(struct recompile_reason *r)
{
    struct span guard, left, right, values;
    if (!cut(r->what, ". expected ", &guard, &values)) return false;
    bool range = cut(guard, " <= ", &left, &right);
    if (!range && !cut(guard, " == ", &left, &right)) return false;
    r->subject = range ? right : left;
    r->property = range ? span_to(guard, left.n + 3) : span_from(guard, left.n + 1);
    if (!cut(values, ", actual ", &r->expected, &r->actual)) r->expected = values;
    return true;
}

/* L['n'] is written as n. */
static struct span local_name(struct span s)
{
    bool is = s.n > 5 && span_starts(s, "L['") && span_ends(s, "']");
    struct span inner = is ? span_to(span_from(s, 3), s.n - 5) : s;
    return span_find(inner, SPAN("'"), 0) == SIZE_MAX ? inner : s;
}

static void read_guard(struct recompile_reason *r)
{
    struct span left, right;
    if (span_starts(r->what, "GLOBAL_STATE changed: ")) {
        r->subject = span_trim(span_from(r->what, 22));
        r->property = SPAN("global state");
    } else if (!read_tensor(r) && !read_symbols(r) && cut(r->what, " == ", &left, &right)) {
        r->subject = local_name(span_trim(left));
        r->property = SPAN("==");
        r->expected = span_trim(right);
    }
}

/* "y = x**power  # me/user/project/a.py:20 in by_scalar": the beginning of the path is cut off. */
static void read_origin(struct recompile_reason *r, struct span origin)
{
    struct span place, function;
    if (!cut(origin, "  # ", &r->loc, &place)) return;
    r->loc = span_trim(r->loc);
    if (!cut(place, " in ", &place, &function)) return;
    size_t colon = place.n;
    while (colon && place.p[colon - 1] != ':') colon--;
    if (!colon || !span_to_i64(span_from(place, colon), &r->line)) return;
    r->file = span_to(place, colon - 1);
}

/* The last frame of "User stack trace:". Its path is whole, that of the comment is shortened. */
static void read_user_stack(struct recompile_reason *r, struct span lines)
{
    struct span line, path, number, rest;
    while (span_next_line(&lines, &line)) {
        line = span_trim(line);
        if (!span_starts(line, "File \"") || !cut(span_from(line, 6), "\", line ", &path, &rest))
            continue;
        if (!cut(rest, ", in ", &number, &rest)) number = rest;
        r->file = path;
        if (!span_to_i64(span_trim(number), &r->line)) r->line = 0;
    }
}

struct recompile_reason reason_of_recompile(struct span text, struct span origin)
{
    struct recompile_reason r = {0};
    struct span rest = text, comment;
    if (!span_next_line(&rest, &r.what)) return r;
    if (cut(r.what, "  # ", &r.what, &comment)) origin = comment;
    read_origin(&r, origin);
    r.what = span_trim(r.what);
    read_guard(&r);
    read_user_stack(&r, rest);
    return r;
}

/* ---- breaks and failures ---- */

/* Takes "  Label: text" off the line. */
static bool labelled(struct span line, const char *label, struct span *out)
{
    line = span_trim(line);
    if (!span_starts(line, label)) return false;
    *out = span_trim(span_from(line, strlen(label)));
    return true;
}

/* Does the line behind the headline belong to the complaint's own part? */
static bool read_line(struct complaint *c, struct span line)
{
    struct span hint, before;
    if (!span_trim(line).n || labelled(line, "Explanation:", &c->explanation) ||
        labelled(line, "Developer debug context:", &c->context))
        return true;
    if (labelled(line, "Hint:", &hint)) {
        if (c->n_hints < REASON_HINTS) c->hints[c->n_hints++] = hint;
        return true;
    }
    if (!labelled(line, "For more details", &hint)) return false;
    if (!cut(hint, "visit: ", &before, &c->url)) c->url = hint;
    return true;
}

/* The line before the explanation, else the first; *rest begins behind it. */
static struct span find_headline(struct span text, struct span *rest)
{
    struct span lines = text, line, first = SPAN_NONE, last = SPAN_NONE, behind_first = text,
                behind_last = text, ignored;
    while (span_next_line(&lines, &line)) {
        if (labelled(line, "Explanation:", &ignored) && last.n) {
            *rest = behind_last;
            return last;
        }
        if (!span_trim(line).n) continue;
        last = span_trim(line), behind_last = lines;
        if (!first.n) first = last, behind_first = lines;
    }
    *rest = behind_first;
    return first;
}

struct complaint reason_of_complaint(struct span text)
{
    static const char LABEL[] = "Graph Break Reason:";
    struct complaint c = {0};
    struct span rest, line, next;
    c.headline = find_headline(text, &rest);
    if (span_starts(c.headline, LABEL))
        c.headline = span_trim(span_from(c.headline, strlen(LABEL)));
    c.preface = c.headline.n ? span_trim((struct span){text.p, (size_t)(c.headline.p - text.p)})
                             : SPAN_NONE;
    for (next = rest; span_next_line(&next, &line); rest = next)
        if (!read_line(&c, line)) break;
    c.rest = span_trim(rest);
    return c;
}
