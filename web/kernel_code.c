/* kernel_code.c - the generated code of a kernel, with the names of the graph nodes that its lines
 * compute. */
#include "store/base/lists.h"
#include "web/artifact.h"
#include "web/code.h"
#include "web/kernel.h"
#include "web/say.h"

enum { MOST = 600, AROUND = 3 };

struct remarks {
    LIST_OF(struct code_remark) list;
};

static enum err read_remarks(struct web_request *q, struct remarks *out)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "kernel_nodes", &s));
    while (web_step(q, s, &err)) {
        struct code_remark *r = LIST_PUSH(&out->list);
        if (!r) FAIL(ERR_NOMEM, "out of memory for the names of lines");
        int64_t line = web_int(s, "to_line");
        const char *href = web_link_artifact(q, web_text(s, "log"), web_int(s, "offset"));
        *r = (struct code_remark){
            web_int(s, "line"),
            arena_printf(&q->arena, "%s&line=%lld#L%lld", href, (long long)line, (long long)line),
            web_kept(q, s, "node")};
    }
    return err;
}

static enum hl_language language(const struct kernel_shown *k)
{
    bool printed = span_is(k->kind, "c") || span_is(k->kind, "cuda") || span_is(k->kind, "opencl");
    return printed ? HL_CPP : HL_PYTHON;
}

/* A kernel in Python is a literal: it ends with the line that closes it. */
static void cut_literal(struct lines_window *w)
{
    struct span rest = buf_text(&w->text), line;
    int64_t n = 0;
    while (span_next_line(&rest, &line)) {
        n++;
        if (n > 1 && (span_starts(line, "'''") || span_starts(line, "\"\"\""))) {
            w->text.n = (size_t)(rest.p - w->text.p);
            w->n = n;
            return;
        }
    }
}

/* Whether its last line is known: a library's kernel has code where it hands its result to some. */
static bool has_lines(const struct kernel_shown *k)
{
    return k->last_line != STORE_NULL && k->last_line >= k->line;
}

/* Of a library's kernel the code has the call alone. */
static bool is_call(const struct kernel_shown *k)
{
    return !has_lines(k) && span_is(k->kind, "extern");
}

/* The lines of the kernel; of a library's call those around it. */
static enum err read_window(struct web_request *q, const struct kernel_shown *k,
                            struct lines_window *w)
{
    bool known = has_lines(k), call = is_call(k);
    int64_t first = call && k->line > AROUND ? k->line - AROUND : call ? 1 : k->line;
    int64_t many = known ? k->last_line - first + 1 : call ? k->line - first + AROUND + 1 : MOST;
    lines_begin(w, first, language(k));
    w->many = many < MOST ? many : MOST;
    TRY(lines_each(q->text, &k->code, lines_add, w));
    TRY(lines_end(w));
    if (!known && !call) cut_literal(w);
    return ERR_OK;
}

static void put_lines(struct web_request *q, struct html *h, const struct kernel_shown *k,
                      const struct lines_window *w, const struct remarks *r)
{
    size_t skip = 0;
    while (skip < r->list.n && r->list.p[skip].line < w->first) skip++;
    struct code_view view = {.window = w,
                             .hit = is_call(k) ? k->line : 0,
                             .remarks = r->list.p ? r->list.p + skip : NULL,
                             .n_remarks = r->list.n - skip};
    if (k->sharers > 0 && !is_call(k))
        html(h, "<p class=\"note\">The same code serves %n other %s, with other arrays.</p>\n",
             k->sharers, k->sharers == 1 ? SPAN("kernel") : SPAN("kernels"));
    code_write(h, &view);
    int64_t end = w->first + w->n;
    if (k->last_line != STORE_NULL && end <= k->last_line)
        html(h,
             "<p class=\"cut\">Shown to line %d of %d.<span class=\"pg\"><a "
             "href=\"%s&line=%d#L%d\">The rest in the output code</a></span></p>",
             end - 1, k->last_line, web_link_artifact(q, k->code_log, k->code_at), end, end);
}

static void put_none(struct html *h, const struct kernel_shown *k)
{
    if (span_is(k->role.p ? k->role : k->kind, "extern"))
        web_state(h, WEB_EMPTY, "No code of its own.",
                  "A library's kernel is called as it is; nothing was generated for it.");
    else if (k->combined > 0)
        web_state(h, WEB_EMPTY, "No code of its own.",
                  "A combo kernel calls the code of its members; their pages, above, show it.");
    else
        web_state(h, WEB_NOT_RECORDED, "Not recorded.",
                  "No output code in this file has a line for this kernel.");
}

enum err kernel_put_code(struct web_request *q, struct html *h, const struct kernel_shown *k)
{
    struct lines_window w = {0};
    struct remarks r = {0};
    bool has = k->code_at != STORE_NULL && k->line != STORE_NULL && k->line > 0;
    enum err err = has ? read_remarks(q, &r) : ERR_OK;
    if (!err && has) err = read_window(q, k, &w);
    if (!err) {
        web_section(q, h, "code", "Generated code",
                    r.list.n ? "a name at the line\xe2\x80\x99s end is the graph node it computes"
                             : "line numbers are those of the whole output code",
                    "kernel_code");
        if (w.n) put_lines(q, h, k, &w, &r);
        else put_none(h, k);
        web_section_end(h);
    }
    LIST_RELEASE(&r.list);
    lines_release(&w);
    return err;
}

enum err kernel_put_stacks(struct web_request *q, struct html *h)
{
    sqlite3_stmt *s;
    enum err err;
    struct html body = {0};
    TRY(web_query(q, "kernel_stacks", &s));
    while (web_step(q, s, &err)) say_stack(&body, web_kept(q, s, "handle").p, web_text(s, "stack"));
    if (!err && body.out.n) {
        web_section(q, h, "stacks", "Where its operators come from",
                    "stacks of the program, as recorded per call of the kernel", "kernel_stacks");
        buf_span(&h->out, buf_text(&body.out));
        web_section_end(h);
    }
    html_release(&body);
    return err;
}
