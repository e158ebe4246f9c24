/* guard_tree.c - the depth of a line is the number of "| " before its "+- ". */
#include "capture/guard_tree.h"

/* What follows "+- ", or an absent span; *depth is the number of bars. */
static struct span branch(struct span line, size_t *depth)
{
    size_t at = 0;
    for (*depth = 0; at + 1 < line.n && line.p[at] == '|' && line.p[at + 1] == ' '; at += 2)
        ++*depth;
    struct span rest = span_from(line, at);
    return span_starts(rest, "+- ") ? span_trim(span_from(rest, 3)) : SPAN_NONE;
}

static size_t label_length(struct span text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] != ':' && text.p[n] != ',' && text.p[n] != '=') n++;
    return n;
}

static bool is_manager(struct span label)
{
    return span_find(label, SPAN("Manager"), 0) != SIZE_MAX;
}

/* The source a manager holds; managers without one pass on that of the manager above. */
static void enter_manager(struct guard_tree *t, struct span text, size_t depth)
{
    struct span above = depth ? t->sources[depth - 1] : SPAN_NONE;
    size_t at = span_find(text, SPAN("source="), 0);
    if (at == SIZE_MAX) {
        t->sources[depth] = above;
        return;
    }
    struct span source = span_from(text, at + strlen("source="));
    size_t stop = span_find(source, SPAN(", accessed_by="), 0);
    if (stop == SIZE_MAX) stop = span_find(source, SPAN(", type="), 0);
    t->sources[depth] = span_to(source, stop);
}

static void read_leaf(struct span text, size_t label, struct guard_leaf *out)
{
    out->kind = span_trim(span_to(text, label));
    out->code = out->origin = SPAN_NONE;
    if (label + 1 >= text.n || text.p[label] != ':') return;
    struct span code = span_from(text, label + 1);
    size_t comment = span_find(code, SPAN("  # "), 0);
    if (comment != SIZE_MAX) out->origin = span_trim(span_from(code, comment + strlen("  # ")));
    out->code = span_trim(span_to(code, comment));
}

bool guard_tree_next(struct guard_tree *t, struct guard_leaf *out)
{
    struct span line;
    while (span_next_line(&t->rest, &line)) {
        t->line++;
        size_t depth, label;
        struct span text = branch(line, &depth);
        if (!text.n) continue;
        if (depth >= GUARD_TREE_DEPTH) depth = GUARD_TREE_DEPTH - 1;
        label = label_length(text);
        if (is_manager(span_to(text, label))) {
            enter_manager(t, text, depth);
            continue;
        }
        out->parent = depth ? t->sources[depth - 1] : SPAN_NONE;
        out->line = t->line;
        read_leaf(text, label, out);
        return true;
    }
    return false;
}
