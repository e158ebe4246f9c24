/* code.c - writes code.h's list. */
#include "web/code.h"

static void write_token(void *context, enum hl_class class, struct span text)
{
    struct html *h = context;
    const char *css = hl_class_css(class);
    if (*css) html(h, "<span class=\"%s\">%s</span>", css, text);
    else html_text(h, text);
}

void code_line(struct html *h, struct hl_state *state, struct span line)
{
    hl_line(state, line, write_token, h);
}

/* Names of a line; one that repeats its left neighbour is left out. */
static size_t write_remarks(struct html *h, const struct code_view *view, size_t i, int64_t line)
{
    enum { MANY = 6 };
    struct span last = SPAN_NONE;
    for (int n = 0; i < view->n_remarks && view->remarks[i].line == line; i++) {
        const struct code_remark *r = &view->remarks[i];
        if (span_eq(r->text, last) || ++n > MANY) continue;
        html(h, "<a class=\"from\" href=\"%s\">%s</a>", r->href, r->text);
        last = r->text;
    }
    return i;
}

void code_write(struct html *h, const struct code_view *view)
{
    struct hl_state state = view->window->state;
    struct span rest = buf_text(&view->window->text), line;
    int64_t number = view->window->first;
    size_t remark = 0;
    html(h, "<div class=\"code\"><ol>");
    for (; span_next_line(&rest, &line); number++) {
        while (remark < view->n_remarks && view->remarks[remark].line < number) remark++;
        bool named = remark < view->n_remarks && view->remarks[remark].line == number;
        const char *class = number == view->hit ? " class=\"hit\"" : named ? " class=\"near\"" : "";
        html(h, "<li id=\"L%d\"", number);
        buf_puts(&h->out, class);
        html(h, "><a href=\"#L%d\">%d</a><span>", number, number);
        code_line(h, &state, line);
        html(h, "</span>");
        remark = write_remarks(h, view, remark, number);
        html(h, "</li>\n");
    }
    html(h, "</ol></div>");
}
