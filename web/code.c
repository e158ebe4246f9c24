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

/* Opens or closes a fold at the line. */
static void write_fold_begin(struct html *h, const struct code_view *view, int64_t number)
{
    for (int i = 0; i < view->n_folds; i++) {
        const struct code_fold *f = &view->folds[i];
        if (f->first != number) continue;
        bool open = view->hit >= f->first && view->hit <= f->last;
        html(h, "<li class=\"fold\"><details%s><summary>%n lines folded, %d to %d</summary><ol>\n",
             open ? SPAN(" open") : SPAN(""), f->last - f->first + 1, f->first, f->last);
    }
}

static void write_fold_end(struct html *h, const struct code_view *view, int64_t number)
{
    for (int i = 0; i < view->n_folds; i++)
        if (view->folds[i].last == number) html(h, "</ol></details></li>\n");
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
        const char *class = number == view->hit ? "hit" : named ? "near" : "";
        write_fold_begin(h, view, number);
        html(h, "<li id=\"L%d\" class=\"%s\"><a href=\"#L%d\">%d</a><span>", number, class, number,
             number);
        code_line(h, &state, line);
        html(h, "</span>");
        remark = write_remarks(h, view, remark, number);
        html(h, "</li>\n");
        write_fold_end(h, view, number);
    }
    html(h, "</ol></div>");
}
