/* page_compiles.c - where was compiled, and with what outcome? The stack trie of all compiles,
 * then all as a table. */
#include <stdio.h>

#include "store/base/lists.h"
#include "web/lay_trie.h"
#include "web/web.h"

enum {
    FOLD_AT = 200 /* compiles; above, the trie folds below two branches */,
    MAX_ROWS = 600,
    MAX_IDS = 12,
    LABEL_W = 14
};

/* ---- answer and chips ---- */

struct outcome_count {
    struct span outcome;
    int64_t compiles, functions, total_ns, lost_ns, begun_again;
};
struct outcomes {
    struct outcome_count of[8];
    int n;
    int64_t compiles, total_ns, begun_again;
};

static enum err read_outcomes(struct web_request *q, struct outcomes *o)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "compile_outcomes", &s));
    while (web_step(q, s, &err) && o->n < 8) {
        struct outcome_count *c = &o->of[o->n++];
        *c = (struct outcome_count){web_keep(q, web_text(s, "outcome")),
                                    web_int(s, "compiles"),
                                    web_int(s, "functions"),
                                    web_int(s, "total_ns"),
                                    web_int(s, "lost_ns"),
                                    web_int(s, "begun_again")};
        o->compiles += c->compiles;
        if (c->total_ns != STORE_NULL) o->total_ns += c->total_ns;
        if (c->begun_again != STORE_NULL) o->begun_again += c->begun_again;
    }
    sqlite3_reset(s);
    return err;
}

static int64_t count_of(const struct outcomes *o, const char *outcome)
{
    for (int i = 0; i < o->n; i++)
        if (span_is(o->of[i].outcome, outcome)) return o->of[i].compiles;
    return 0;
}

static void put_answer(struct html *h, const struct outcomes *o)
{
    int64_t failed = count_of(o, "failed"), restarted = count_of(o, "restarted"),
            empty = count_of(o, "empty");
    html(h, "<p class=\"answer\"><b>%n %s", o->compiles, o->compiles == 1 ? "compile" : "compiles");
    if (o->total_ns) html(h, " took %t", o->total_ns);
    if (failed) html(h, "; %n failed and %s uncompiled", failed, failed == 1 ? "runs" : "run");
    else html(h, "; none failed");
    html(h, ".</b>");
    if (restarted)
        html(h, " %n %s after a restart.", restarted,
             restarted == 1 ? "was compiled" : "were compiled");
    if (empty)
        html(h, " %n %s an empty graph: nothing there runs compiled.", empty,
             empty == 1 ? "has" : "have");
    if (count_of(o, "unknown"))
        html(h, " How %n ended is not known: no metrics were recorded.", count_of(o, "unknown"));
    html(h, "</p>\n");
}

static void put_chip(struct web_request *q, struct html *h, const char *name, const char *value,
                     struct span label, int64_t n)
{
    const char *now = web_param(q, name);
    bool on = value ? now && !strcmp(now, value) : !now;
    html(h, "<a class=\"chip\" href=\"%s\"",
         web_here(q, name, value && !on ? value : "", "after", "", NULL));
    if (on) html(h, " aria-pressed=\"true\"");
    html(h, ">");
    if (value && !strcmp(name, "outcome")) {
        web_outcome(h, span_of(value));
        web_outcome_word(h, span_of(value));
    } else {
        html(h, "%s", label);
    }
    html(h, " %n</a>", n);
}

static enum err put_chips(struct web_request *q, struct html *h, const struct outcomes *o)
{
    sqlite3_stmt *s;
    enum err err;
    html(h, "<nav class=\"filter\" aria-label=\"Outcomes\">");
    put_chip(q, h, "outcome", NULL, SPAN("All"), o->compiles);
    for (int i = 0; i < o->n; i++) {
        struct span kept = web_keep(q, o->of[i].outcome);
        if (kept.p) put_chip(q, h, "outcome", kept.p, kept, o->of[i].compiles);
    }
    TRY(web_query(q, "compile_ranks", &s));
    int64_t ranks = 0;
    while (web_step(q, s, &err)) {
        if (ranks++ >= 32) continue;
        const char *rank = arena_printf(&q->arena, "%lld", (long long)web_int(s, "rank"));
        const char *label = arena_printf(&q->arena, "rank %s", rank ? rank : "");
        if (rank) put_chip(q, h, "rank", rank, span_of(label), web_int(s, "compiles"));
    }
    html(h, "</nav>\n");
    return err;
}

/* ---- the trie ---- */

struct compile_ref {
    struct span log, id, outcome, function;
    int64_t occurrence, line;
};
struct tree {
    LIST_OF(struct trie_frame) frames;
    LIST_OF(struct trie_leaf) leaves;
    LIST_OF(struct compile_ref) compiles;
    struct frame_text {
        struct span file, name, loc;
        int64_t line;
    } * texts;
    size_t texts_size;
    struct trie trie;
};

/* Frames of Python, of torch and of other installed packages may be folded. */
static bool in_library(struct span file)
{
    return span_find(file, SPAN("/site-packages/"), 0) != SIZE_MAX ||
           span_find(file, SPAN("/dist-packages/"), 0) != SIZE_MAX ||
           span_find(file, SPAN("/torch/"), 0) != SIZE_MAX ||
           span_find(file, SPAN("/lib/python3"), 0) != SIZE_MAX || span_starts(file, "<frozen");
}

static enum err read_frames(struct web_request *q, struct tree *t)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "compile_stacks", &s));
    while (web_step(q, s, &err)) {
        size_t before = t->texts_size;
        struct trie_frame *f = LIST_PUSH(&t->frames);
        if (!f || (t->frames.n > before &&
                   !list_grow((void **)&t->texts, &t->texts_size, sizeof *t->texts)))
            FAIL(ERR_NOMEM, "out of memory for the stacks");
        struct span file = web_keep(q, web_text(s, "file"));
        *f = (struct trie_frame){web_int(s, "id"),
                                 web_int(s, "parent") == STORE_NULL ? 0 : web_int(s, "parent"),
                                 in_library(file)};
        t->texts[t->frames.n - 1] =
            (struct frame_text){file, web_keep(q, web_text(s, "name")),
                                web_keep(q, web_text(s, "loc")), web_int(s, "line")};
    }
    return err;
}

static enum err read_leaves(struct web_request *q, struct tree *t)
{
    sqlite3_stmt *s;
    enum err err;
    TRY(web_query(q, "compile_places", &s));
    while (web_step(q, s, &err)) {
        struct trie_leaf *leaf = LIST_PUSH(&t->leaves);
        struct compile_ref *c = LIST_PUSH(&t->compiles);
        if (!leaf || !c) FAIL(ERR_NOMEM, "out of memory for the stacks");
        int64_t stack = web_int(s, "stack"), ns = web_int(s, "total_ns");
        *leaf = (struct trie_leaf){stack == STORE_NULL ? 0 : stack, ns == STORE_NULL ? 0 : ns};
        *c = (struct compile_ref){web_keep(q, web_text(s, "log")),
                                  web_keep(q, web_text(s, "compile_id")),
                                  web_keep(q, web_text(s, "outcome")),
                                  web_keep(q, web_text(s, "function")),
                                  web_int(s, "occurrence"),
                                  web_int(s, "line")};
    }
    return err;
}

/* The lines that lead to a row: a column of 14 px per depth. */
static void put_guides(struct html *h, const struct trie_row *r)
{
    int depth = r->depth < 40 ? r->depth : 40;
    if (!depth) return;
    html(h,
         "<svg class=\"g\" width=\"%d\" height=\"24\" aria-hidden=\"true\"><path class=\"l4\" d=\"",
         depth * LABEL_W);
    for (int d = 0; d < depth - 1; d++)
        if (r->guides >> d & 1) html(h, "M%d 0v24", d * LABEL_W + 7);
    int x = (depth - 1) * LABEL_W + 7;
    if (r->branch && r->last) html(h, "M%d 0v12h7", x);
    else if (r->branch) html(h, "M%d 0v24M%d 12h7", x, x);
    else if (!r->last) html(h, "M%d 0v24", x);
    html(h, "\"/></svg>");
}

static void put_ids(struct web_request *q, struct html *h, const struct tree *t,
                    const struct trie_row *r)
{
    html(h, "<span class=\"ids\">");
    for (int i = 0; i < r->n_leaves; i++) {
        if (i == MAX_IDS && r->n_leaves > MAX_IDS + 1) {
            html(h, "<span class=\"dim\">and %n more, in the table below</span>", r->n_leaves - i);
            break;
        }
        const struct compile_ref *c = &t->compiles.p[t->trie.order[r->leaf + i]];
        web_compile_link(q, h, c->log, c->id, c->occurrence, c->outcome);
    }
    html(h, "</span>");
}

/* Library frames that one row stands for: their names, the whole list as title. */
static void put_folded(struct html *h, const struct tree *t, const struct trie_row *r)
{
    int n = 0;
    html(h, "<span class=\"at\" title=\"");
    for (int f = r->frame; f >= 0; f = t->trie.fold_next[f])
        html(h, "%s:%d %s\n", t->texts[f].file, t->texts[f].line, t->texts[f].name);
    html(h, "\">");
    for (int f = r->frame; f >= 0 && n < 4; f = t->trie.fold_next[f], n++) {
        if (n) html(h, " \xe2\x80\xba ");
        html(h, "%s", t->texts[f].name);
    }
    if (r->folded > n) html(h, " \xe2\x80\xba and %d more", r->folded - n);
    html(h, "</span>");
}

static void put_frame(struct web_request *q, struct html *h, const struct tree *t,
                      const struct trie_row *r)
{
    put_guides(h, r);
    if (r->folded) {
        put_folded(h, t, r);
    } else if (r->frame < 0) {
        html(h, "<span class=\"at\">no stack was recorded</span>");
        put_ids(q, h, t, r);
    } else {
        const struct frame_text *f = &t->texts[r->frame];
        html(h, "<span class=\"fn\">%f</span>", f->name);
        if (r->n_leaves) put_ids(q, h, t, r);
        html(h, "<span class=\"at\">");
        web_place(h, f->file, f->line);
        html(h, "</span>");
        if (f->loc.p) html(h, "<span class=\"loc at\">%s</span>", f->loc);
    }
    if (r->below > 1 && r->n_leaves != r->below && r->branch)
        html(h, "<span class=\"tot\">%n compiles</span>", r->below);
    if (r->n_leaves && r->ns) html(h, "<span class=\"tot\">%t</span>", r->ns);
}

/* Row i and what is below it; beyond two branches of a large trie the rest is folded into
 * <details>. */
static void put_rows(struct web_request *q, struct html *h, const struct tree *t, bool large)
{
    int open_until[2] = {0}, depth = 0, next_root = 0;
    int shown = t->trie.n_rows < MAX_ROWS ? t->trie.n_rows : MAX_ROWS;
    html(h, "<ul class=\"tree\" id=\"trie\">");
    for (int i = 0; i < shown; i++) {
        const struct trie_row *r = &t->trie.rows[i];
        while (depth && i >= open_until[depth - 1]) {
            html(h, "</ul></details></li>");
            depth--;
        }
        if (large && !depth && r->branch && r->depth == 2 && r->end > i + 1) {
            html(h, "<li class=\"fold\"><details><summary>");
            put_frame(q, h, t, r);
            html(h, "<span class=\"tot\">%n compiles, %t</span></summary><ul>", r->below, r->ns);
            open_until[depth++] = r->end;
            continue;
        }
        html(h, "<li data-depth=\"%d\"", r->depth);
        if (i == next_root && i) html(h, " class=\"root\"");
        if (i == next_root) next_root = r->end;
        html(h, ">");
        put_frame(q, h, t, r);
        html(h, "</li>\n");
    }
    for (; depth; depth--) html(h, "</ul></details></li>");
    html(h, "</ul>");
    if (shown < t->trie.n_rows)
        html(h,
             "<p class=\"note\">Showing the first %d of %d rows. The page stops there; the export "
             "does not.</p>",
             shown, t->trie.n_rows);
}

static enum err put_trie(struct web_request *q, struct html *h, struct tree *t)
{
    TRY(read_frames(q, t));
    TRY(read_leaves(q, t));
    if (!t->leaves.n) return ERR_OK;
    TRY(lay_trie(t->frames.p, (int)t->frames.n, t->leaves.p, (int)t->leaves.n, &q->arena,
                 &t->trie));
    web_section(
        q, h, "stacks", "Where they were called from",
        "each frame once; an id stands at the frame that was compiled; library frames are folded",
        "compile_stacks");
    put_rows(q, h, t, t->leaves.n > FOLD_AT);
    web_section_end(h);
    return ERR_OK;
}

static enum err put_trie_section(struct web_request *q, struct html *h)
{
    struct tree t = {0};
    enum err err = put_trie(q, h, &t);
    LIST_RELEASE(&t.frames);
    LIST_RELEASE(&t.leaves);
    LIST_RELEASE(&t.compiles);
    free(t.texts);
    return err;
}

/* ---- the table ---- */

static void cell_id(struct web_cell *c)
{
    web_compile_link(c->q, c->h, web_text(c->row, "log"), web_text(c->row, "compile_id"),
                     web_int(c->row, "occurrence"), web_text(c->row, "outcome"));
}

static void cell_function(struct web_cell *c)
{
    html(c->h, "%f <span class=\"dim\">", web_text(c->row, "function"));
    web_place(c->h, web_text(c->row, "file"), web_int(c->row, "line"));
    html(c->h, "</span>");
}

static void cell_outcome(struct web_cell *c)
{
    web_outcome_word(c->h, web_text(c->row, "outcome"));
}

static void cell_reason(struct web_cell *c)
{
    struct span reason = web_text(c->row, "reason");
    int64_t line = web_int(c->row, "reason_line");
    if (!reason.p) {
        html(c->h, "<span class=\"dim\">none</span>");
        return;
    }
    html(c->h, "<a href=\"%s#why\" title=\"%s\">",
         web_link_compile(c->q, web_text(c->row, "log"), web_text(c->row, "compile_id"),
                          web_int(c->row, "occurrence")),
         reason);
    if (line != STORE_NULL) html(c->h, "<code>:%d</code> ", line);
    struct span first;
    if (span_next_line(&reason, &first)) html(c->h, "%s", first);
    html(c->h, "</a>");
}

static const struct web_column columns[] = {
    {.name = "compile_id", .head = "Compile", .class_ = "fit", .cell = cell_id, .filter = true},
    {.name = "function",
     .head = "Function",
     .class_ = "w30",
     .cell = cell_function,
     .filter = true},
    {.name = "file", .kind = WEB_HIDDEN, .filter = true},
    {.name = "outcome", .head = "Outcome", .class_ = "fit", .cell = cell_outcome},
    {.name = "attempts", .head = "Attempts", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "n_ops", .head = "Ops", .kind = WEB_COUNT},
    {.name = "n_guards", .head = "Guards", .class_ = "num opt", .kind = WEB_COUNT},
    {.name = "lost_ns", .head = "Lost to restart", .class_ = "num opt", .kind = WEB_MS},
    {.name = "backend_ns", .head = "Backend", .class_ = "num opt", .kind = WEB_MS},
    {.name = "total_ns", .head = "Total", .kind = WEB_MS},
    {.name = "total_ns", .class_ = "fit opt", .kind = WEB_BAR},
    {.name = "reason",
     .head = "Break or failure",
     .class_ = "w30",
     .cell = cell_reason,
     .filter = true},
    {0},
};

static const struct web_table table = {
    .id = "compiles-table",
    .query = "compiles",
    .columns = columns,
    .filter = true,
    .unit = "compiles",
    .limit = 100,
    .none = WEB_EMPTY,
    .none_what = "No compiles.",
    .none_why = "The run was read; no record in it names a compile id. A program leaves compiles "
                "when it calls `torch.compile` "
                "while `TORCH_TRACE` is set.",
};

enum err page_compiles(struct web_request *q, struct html *h)
{
    struct outcomes o = {.n = 0};
    web_crumb(q, h, "Compiles", NULL);
    html(&q->actions, "<a href=\"%s\">Recompiles</a><a href=\"%s#in-time\">In time</a>",
         web_link(q, "/recompiles", NULL), web_link(q, "/overview", NULL));
    TRY(read_outcomes(q, &o));
    if (o.compiles) {
        put_answer(h, &o);
        TRY(put_chips(q, h, &o));
        TRY(put_trie_section(q, h));
    }
    web_section(q, h, "compiles", "All compiles", "in order of start", "compiles");
    TRY(web_table(q, h, &table, NULL));
    web_section_end(h);
    return ERR_OK;
}
