/* compiles_graphs.c - texts of two compiles that belong together: graphs, generated code and other
 * artifacts, line by line.
 *
 * Two graphs that differ in nothing but names of values are the same. */
#include "store/base/line_diff.h"
#include "store/base/map.h"
#include "store/diff/compiles_parts.h"
#include "store/query.h"
#include "store/text.h"

#include <ctype.h>

enum { CALL_FUNCTION = 3, CALL_METHOD = 4, CALL_MODULE = 5 };

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the graphs of a compile");
}

/* ---- nodes ---- */

struct graph_node {
    int op;
    int64_t line, source_line;
    struct span name, target, source, file;
};
struct graph_nodes {
    LIST_OF(struct graph_node) node;
};

static const char nodes_sql[] =
    "SELECT n.op, n.line, (SELECT text FROM string WHERE id = n.name),"
    " (SELECT text FROM string WHERE id = n.target), k.line,"
    " (SELECT text FROM string WHERE id = k.loc), (SELECT text FROM string WHERE id = k.file)"
    " FROM graph g JOIN node n ON n.id BETWEEN g.first_node AND g.first_node + g.n_nodes - 1"
    " LEFT JOIN stack k ON k.id = n.stack WHERE g.artifact = :artifact ORDER BY g.id, n.id";

static enum err read_nodes(struct compile_comparison *c, int k, int64_t artifact,
                           struct graph_nodes *out)
{
    sqlite3_stmt *q;
    int rc = SQLITE_DONE;
    *out = (struct graph_nodes){0};
    TRY(store_prepare(c->side[k].db, nodes_sql, &q));
    enum err err = store_bind_int(q, ":artifact", artifact);
    while (!err && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct graph_node *n = LIST_PUSH(&out->node);
        if (!n) err = no_memory();
        else
            *n = (struct graph_node){.op = sqlite3_column_int(q, 0),
                                     .line = sqlite3_column_int64(q, 1),
                                     .name = arena_copy(&c->scratch, store_column_text(q, 2)),
                                     .target = arena_copy(&c->scratch, store_column_text(q, 3)),
                                     .source_line = sqlite3_column_int64(q, 4),
                                     .source = arena_copy(&c->scratch, store_column_text(q, 5)),
                                     .file = arena_copy(&c->scratch, store_column_text(q, 6))};
    }
    if (!err && rc != SQLITE_DONE) err = store_sql_error(c->side[k].db, rc, "reading nodes");
    sqlite3_finalize(q);
    return err;
}

/* The text with each value named by the place of its definition. */
static enum err rename_values(struct arena *arena, struct span text, const struct graph_nodes *g,
                              struct span *out)
{
    struct map names = {0};
    struct buf b = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < g->node.n && !err; i++)
        if (!map_put(&names, map_key(g->node.p[i].name), (int64_t)i, NULL)) err = no_memory();
    for (size_t at = 0; at < text.n && !err;) {
        size_t n = 0;
        while (at + n < text.n && (isalnum((unsigned char)text.p[at + n]) || text.p[at + n] == '_'))
            n++;
        bool member = at && text.p[at - 1] == '.';
        const int64_t *i =
            n && !member ? map_get(&names, map_key((struct span){text.p + at, n})) : NULL;
        if (i) buf_printf(&b, "%%%lld", (long long)*i);
        else buf_put(&b, text.p + at, n ? n : 1);
        at += n ? n : 1;
    }
    if (!err) err = buf_ok(&b);
    if (!err && !(*out = arena_copy(arena, buf_text(&b))).p) err = no_memory();
    map_release(&names);
    buf_release(&b);
    return err;
}

/* ---- operators ---- */

static bool is_operator(const struct graph_node *n)
{
    return n->op >= CALL_FUNCTION && n->op <= CALL_MODULE && n->target.n;
}

struct tally {
    struct map at; /* number in list by name */
    LIST_OF(struct compile_operator) list;
};

static enum err count_operators(struct tally *t, const struct graph_nodes *g, int64_t step)
{
    for (size_t i = 0; i < g->node.n; i++) {
        const struct graph_node *n = &g->node.p[i];
        bool added;
        if (!is_operator(n)) continue;
        int64_t *at = map_put(&t->at, map_key(n->target), (int64_t)t->list.n, &added);
        if (!at) return no_memory();
        if (added) {
            struct compile_operator *o = LIST_PUSH(&t->list);
            if (!o) return no_memory();
            *o = (struct compile_operator){n->target, 0};
        }
        t->list.p[*at].more += step;
    }
    return ERR_OK;
}

/* Those of which one graph has more, in order of the graphs. */
static enum err keep_operators(struct arena *arena, const struct tally *t,
                               struct compile_graph_change *out)
{
    struct compile_operator *kept = arena_array(arena, t->list.n + 1, sizeof *kept);
    if (!kept) return no_memory();
    for (size_t i = 0; i < t->list.n; i++)
        if (t->list.p[i].more)
            kept[out->n_operators++] =
                (struct compile_operator){arena_copy(arena, t->list.p[i].name), t->list.p[i].more};
    out->operators = kept;
    return ERR_OK;
}

static bool is_more(const struct compile_graph_change *g, struct span name)
{
    for (size_t i = 0; i < g->n_operators; i++)
        if (span_eq(g->operators[i].name, name)) return g->operators[i].more > 0;
    return false;
}

/* Where the first operator that B has more of comes from; else what stands on the line that
 * differs first. */
static void find_source(struct arena *arena, struct compile_graph_change *g,
                        const struct graph_nodes *b, int64_t line)
{
    const struct graph_node *found = NULL;
    for (size_t i = 0; i < b->node.n; i++) {
        const struct graph_node *n = &b->node.p[i];
        if (is_operator(n) && is_more(g, n->target)) {
            found = n;
            g->operator_line = n->line;
            break;
        }
        if (n->line == line) found = n;
    }
    if (!found) return;
    g->source_line = found->source_line;
    g->source = arena_copy(arena, found->source);
    g->file = arena_copy(arena, found->file);
}

static enum err compare_operators(struct arena *arena, const struct graph_nodes *a,
                                  const struct graph_nodes *b, struct compile_graph_change *out)
{
    struct tally t = {0};
    enum err err = count_operators(&t, a, -1);
    if (!err) err = count_operators(&t, b, 1);
    if (!err) err = keep_operators(arena, &t, out);
    map_release(&t.at);
    LIST_RELEASE(&t.list);
    out->parsed = a->node.n && b->node.n;
    out->n_nodes[0] = (int64_t)a->node.n;
    out->n_nodes[1] = (int64_t)b->node.n;
    return err;
}

/* ---- lines ---- */

static struct span line_at(struct span text, size_t i)
{
    struct span line = SPAN_NONE;
    do
        if (!span_next_line(&text, &line)) return SPAN_NONE;
    while (i--);
    return line;
}

/* The first place where two texts differ, by walking along both. */
static void first_line(const struct compile_lines *a, const struct compile_lines *b, size_t *at)
{
    struct span x = a->text, y = b->text, p, q;
    *at = 0;
    while (span_next_line(&x, &p) && span_next_line(&y, &q) && span_eq(p, q)) ++*at;
}

static void set_line(struct compile_comparison *c, struct compile_change *d, int k,
                     const struct compile_lines *l, size_t i)
{
    if (i >= l->n) return;
    d->text[k] = arena_copy(&c->arena, span_trim(line_at(l->text, i)));
    d->line[k] = l->number[i];
}

/* The first hunk: its first line in A and in B. */
static void first_hunk(struct compile_comparison *c, struct compile_change *d,
                       const struct line_diff *diff, const struct compile_lines *a,
                       const struct compile_lines *b)
{
    size_t i = 0;
    while (i < diff->n && diff->lines[i].kind == LINE_SAME) i++;
    for (; i < diff->n && diff->lines[i].kind != LINE_SAME; i++) {
        const struct line_edit *e = &diff->lines[i];
        if (e->kind == LINE_GONE && !d->line[0]) set_line(c, d, 0, a, (size_t)e->a - 1);
        if (e->kind == LINE_NEW && !d->line[1]) set_line(c, d, 1, b, (size_t)e->b - 1);
    }
}

static enum err compare_lines(struct compile_comparison *c, struct compile_change *d,
                              struct compile_graph_change *g, const struct compile_lines *a,
                              const struct compile_lines *b)
{
    struct line_diff diff;
    size_t at;
    enum err err = line_diff(&c->scratch, a->text, b->text, &diff);
    if (err && err != ERR_LIMIT) return err;
    if (!err) {
        g->n_lines[0] = diff.n_gone;
        g->n_lines[1] = diff.n_new;
        first_hunk(c, d, &diff, a, b);
        return ERR_OK;
    }
    err_clear();
    g->n_lines[0] = g->n_lines[1] = -1;
    first_line(a, b, &at);
    set_line(c, d, 0, a, at);
    set_line(c, d, 1, b, at);
    return ERR_OK;
}

/* ---- pairs of texts ---- */

struct both {
    const struct compile_text *text[2];
    struct compile_lines lines[2];
    struct graph_nodes nodes[2];
};

static enum err read_text(struct compile_comparison *c, int k, const struct compile_text *t,
                          struct compile_lines *out)
{
    struct buf b = {0};
    enum err err = text_artifact(c->reader[k], t->id, &b);
    struct span whole = arena_copy(&c->scratch, buf_text(&b));
    if (!err) err = buf_ok(&b);
    buf_release(&b);
    if (!err && !whole.p) err = no_memory();
    return err ? err : compiles_lines(&c->scratch, whole, out);
}

static enum err is_renamed(struct compile_comparison *c, const struct both *t, bool *out)
{
    struct span x, y;
    TRY(rename_values(&c->scratch, t->lines[0].text, &t->nodes[0], &x));
    TRY(rename_values(&c->scratch, t->lines[1].text, &t->nodes[1], &y));
    *out = span_eq(x, y);
    return ERR_OK;
}

static struct compile_change *begin(struct compile_comparison *c, struct compile_pair *p,
                                    const struct compile_text *a, const struct compile_text *b)
{
    const struct compile_text *any = a ? a : b;
    struct compile_change *d = compiles_add(
        c, p, any->aspect, a && b ? COMPILE_CHANGED : (a ? COMPILE_REMOVED : COMPILE_ADDED));
    if (!d) return NULL;
    d->name = any->name;
    d->counts = a && b && any->aspect != COMPILE_ARTIFACT;
    if (any->subgraph.n) {
        const char *name =
            arena_printf(&c->arena, "%.*s of %.*s", SPAN_ARG(any->name), SPAN_ARG(any->subgraph));
        if (name) d->name = span_of(name);
    }
    d->artifact[0] = a ? a->id : 0;
    d->artifact[1] = b ? b->id : 0;
    return d;
}

static enum err compare_read(struct compile_comparison *c, struct compile_pair *p,
                             const struct both *t)
{
    bool renamed = false;
    if (span_eq(t->lines[0].text, t->lines[1].text)) return ERR_OK;
    if (t->text[0]->aspect == COMPILE_GRAPH) TRY(is_renamed(c, t, &renamed));
    if (renamed) return ERR_OK;
    struct compile_change *d = begin(c, p, t->text[0], t->text[1]);
    struct compile_graph_change *g = arena_alloc(&c->arena, sizeof *g);
    if (!d || !g) return no_memory();
    d->graph = g;
    TRY(compare_lines(c, d, g, &t->lines[0], &t->lines[1]));
    TRY(compare_operators(&c->arena, &t->nodes[0], &t->nodes[1], g));
    find_source(&c->arena, g, &t->nodes[1], d->line[1]);
    return ERR_OK;
}

static enum err compare_both(struct compile_comparison *c, struct compile_pair *p,
                             const struct compile_text *a, const struct compile_text *b)
{
    struct both t = {.text = {a, b}};
    enum err err = ERR_OK;
    if (span_eq(a->md5, b->md5) && a->md5.n) return ERR_OK;
    if (a->cut || b->cut) return begin(c, p, a, b) ? ERR_OK : no_memory();
    for (int k = 0; k < 2 && !err; k++) {
        err = read_text(c, k, t.text[k], &t.lines[k]);
        if (!err && a->aspect == COMPILE_GRAPH) err = read_nodes(c, k, t.text[k]->id, &t.nodes[k]);
    }
    if (!err) err = compare_read(c, p, &t);
    LIST_RELEASE(&t.nodes[0].node);
    LIST_RELEASE(&t.nodes[1].node);
    arena_clear(&c->scratch);
    return err;
}

static bool is_same_name(const struct compile_text *a, const struct compile_text *b)
{
    return span_eq(a->name, b->name) && span_eq(a->subgraph, b->subgraph);
}

/* Texts of one name belong together in order. */
enum err compiles_compare_texts(struct compile_comparison *c, struct compile_pair *p)
{
    const struct compile_row *a = &c->side[0].compile.p[p->a], *b = &c->side[1].compile.p[p->b];
    const struct compile_text *x = c->side[0].text.p + a->text, *y = c->side[1].text.p + b->text;
    bool *taken = arena_array(&c->arena, b->n_texts + 1, sizeof *taken);
    if (!taken) return no_memory();
    for (size_t i = 0; i < a->n_texts; i++) {
        size_t k = 0;
        while (k < b->n_texts && (taken[k] || !is_same_name(&x[i], &y[k]))) k++;
        if (k < b->n_texts) {
            taken[k] = true;
            TRY(compare_both(c, p, &x[i], &y[k]));
        } else if (!begin(c, p, &x[i], NULL)) return no_memory();
    }
    for (size_t k = 0; k < b->n_texts; k++)
        if (!taken[k] && !begin(c, p, NULL, &y[k])) return no_memory();
    return ERR_OK;
}
