/* artifact_diff.c - an artifact beside the one of its name that the same function wrote before. */
#include "store/base/line_diff.h"
#include "web/artifact.h"
#include "web/code.h"

enum { DIFF_SIZE = 2 << 20, CONTEXT = 3 };

struct other {
    bool found;
    int64_t id, size, occurrence, attempt, offset;
    struct span log, compile_id;
};

static enum err find_other(struct web_request *q, struct other *o)
{
    sqlite3_stmt *s;
    enum err err;
    *o = (struct other){0};
    TRY(web_query(q, "artifact_previous", &s));
    if (!web_step(q, s, &err)) return err;
    *o = (struct other){true,
                        web_int(s, "id"),
                        web_int(s, "size"),
                        web_int(s, "occurrence"),
                        web_int(s, "attempt"),
                        web_int(s, "offset"),
                        web_keep(q, web_text(s, "log")),
                        web_keep(q, web_text(s, "compile_id"))};
    sqlite3_reset(s);
    return ERR_OK;
}

/* Lines that are equal and far from a difference are not shown. */
static bool is_near(const struct line_diff *d, size_t i)
{
    size_t from = i > CONTEXT ? i - CONTEXT : 0, to = i + CONTEXT < d->n ? i + CONTEXT + 1 : d->n;
    for (size_t k = from; k < to; k++)
        if (d->lines[k].kind != LINE_SAME) return true;
    return false;
}

static void write_number(struct html *h, int64_t n)
{
    if (n) html(h, "<i class=\"no\">%d</i>", n);
    else html(h, "<i class=\"no\"></i>");
}

static void write_line(struct html *h, const struct line_edit *l, enum hl_language language)
{
    static const char *const CLASSES[] = {"", "gone", "new"};
    static const char *const SIGNS[] = {" ", "\xe2\x88\x92", "+"};
    struct hl_state state = hl_begin(language);
    html(h, "<li class=\"%s\">", CLASSES[l->kind]);
    write_number(h, l->a);
    write_number(h, l->b);
    html(h, "<span>%s ", SIGNS[l->kind]);
    code_line(h, &state, span_to(l->text, LINES_LONGEST));
    html(h, "</span></li>\n");
}

static void write_lines(struct html *h, const struct line_diff *d, enum hl_language language)
{
    size_t hidden = 0;
    html(h, "<div class=\"code diff\"><ol>");
    for (size_t i = 0; i <= d->n; i++) {
        bool shown = i < d->n && is_near(d, i);
        if (hidden && (shown || i == d->n))
            html(h, "<li class=\"fold\">%n equal lines</li>\n", hidden), hidden = 0;
        if (shown) write_line(h, &d->lines[i], language);
        else hidden++;
    }
    html(h, "</ol></div>");
}

static enum err write_texts(struct web_request *q, struct html *h, const struct artifact_shown *a,
                            struct span old, struct span new)
{
    struct line_diff d;
    enum err err = line_diff(&q->arena, old, new, &d);
    if (err == ERR_LIMIT) {
        web_state(h, WEB_TRUNCATED, "The texts are not compared.",
                  arena_printf(&q->arena, "%s.", err_text()));
        err_clear();
        return ERR_OK;
    }
    if (err) return err;
    if (!(d.n_gone + d.n_new)) {
        web_state(h, WEB_EMPTY, "The texts are equal.", NULL);
        return ERR_OK;
    }
    html(h, "<p class=\"answer\"><b>%n line%s came, %n went</b>, %n stayed.</p>", d.n_new,
         d.n_new == 1 ? "" : "s", d.n_gone, (int64_t)d.n - d.n_new - d.n_gone);
    write_lines(h, &d, a->language == HL_PYTHON ? HL_FX : a->language); /* without carried quotes */
    return ERR_OK;
}

enum err artifact_difference(struct web_request *q, struct html *h, const struct artifact_shown *a)
{
    struct buf old = {0}, new = {0};
    struct other o;
    TRY(find_other(q, &o));
    web_section(q, h, "difference", "Difference to the one before", NULL, "artifact_previous");
    if (!o.found) {
        web_state(h, WEB_EMPTY, "There is no earlier one.",
                  "This function wrote no artifact of this name before this one.");
        web_section_end(h);
        return ERR_OK;
    }
    html(h, "<p class=\"note\">From <a href=\"%s\">that of [%s]</a> to this one.</p>",
         web_link_artifact(q, o.log, o.offset), o.compile_id);
    enum err err = ERR_OK;
    if (a->size > DIFF_SIZE || o.size > DIFF_SIZE) {
        web_state(h, WEB_TRUNCATED, "The texts are not compared.",
                  "Texts of up to 2.0 MiB are. Download both instead.");
    } else {
        err = text_artifact(q->text, o.id, &old);
        if (!err) err = text_artifact(q->text, a->id, &new);
        if (!err) err = write_texts(q, h, a, buf_text(&old), buf_text(&new));
    }
    web_section_end(h);
    buf_release(&old);
    buf_release(&new);
    return err;
}
