/* compiles_json.c - the comparison of compiles as one JSON object. */
#include "store/diff/compiles_parts.h"

static void put_key(struct buf *out, const char *key)
{
    buf_printf(out, ", \"%s\": ", key);
}

static void put_text(struct buf *out, const char *key, struct span text)
{
    put_key(out, key);
    if (text.p) buf_json(out, text);
    else buf_puts(out, "null");
}

/* Below `least`: null. */
static void put_int(struct buf *out, const char *key, int64_t value, int64_t least)
{
    put_key(out, key);
    if (value < least) buf_puts(out, "null");
    else buf_printf(out, "%lld", (long long)value);
}

static void put_side(const struct compile_comparison *c, int k, struct buf *out)
{
    const struct compile_side *s = &c->side[k];
    buf_printf(out, ",\n \"%c\": {\"file\": ", "ab"[k]);
    buf_json(out, span_of(s->side->file));
    put_text(out, "run", s->run);
    put_int(out, "rank", s->side->rank, 0);
    put_int(out, "compiles", (int64_t)s->compile.n, 0);
    put_int(out, "losses", s->losses, 0);
    put_text(out, "torch_version", s->torch_version);
    put_text(out, "torch_commit", s->torch_commit);
    put_text(out, "python_version", s->python_version);
    put_text(out, "cuda_version", s->cuda_version);
    put_text(out, "triton_version", s->triton_version);
    buf_puts(out, "}");
}

static void put_row(const struct compile_row *r, struct buf *out)
{
    buf_puts(out, "{\"compile_id\": ");
    buf_json(out, r->compile_id);
    put_int(out, "occurrence", r->occurrence, 0);
    put_int(out, "rank", r->rank, 0);
    put_text(out, "function", r->function);
    put_text(out, "file", r->file);
    put_int(out, "line", r->line, 0);
    put_text(out, "outcome", r->outcome);
    put_int(out, "total_ns", r->total_ns, 0);
    put_int(out, "compile", r->id, 0);
    buf_puts(out, "}");
}

static void put_operators(const struct compile_graph_change *g, const char *key, int sign,
                          struct buf *out)
{
    bool any = false;
    put_key(out, key);
    buf_puts(out, "{");
    for (size_t i = 0; i < g->n_operators; i++) {
        int64_t n = g->operators[i].more * sign;
        if (n <= 0) continue;
        if (any) buf_puts(out, ", ");
        buf_json(out, g->operators[i].name);
        buf_printf(out, ": %lld", (long long)n);
        any = true;
    }
    buf_puts(out, "}");
}

static void put_graph(const struct compile_graph_change *g, struct buf *out)
{
    if (g->parsed) {
        put_int(out, "a_nodes", g->n_nodes[0], 0);
        put_int(out, "b_nodes", g->n_nodes[1], 0);
        put_operators(g, "operators_added", 1, out);
        put_operators(g, "operators_removed", -1, out);
    }
    put_int(out, "lines_removed", g->n_lines[0], 0);
    put_int(out, "lines_added", g->n_lines[1], 0);
    put_int(out, "operator_line", g->operator_line, 1);
    put_text(out, "source_file", g->file);
    put_int(out, "source_line", g->source_line, 1);
    put_text(out, "source", g->source);
}

static void put_parts(const struct compile_change *d, struct buf *out)
{
    put_key(out, "components");
    buf_puts(out, "[");
    for (size_t i = 0; i < d->n_parts; i++) {
        if (i) buf_puts(out, ", ");
        buf_json(out, d->parts[i]);
    }
    buf_puts(out, "]");
}

static void put_change(const struct compile_change *d, struct buf *out)
{
    static const char *const kinds[] = {"changed", "added", "removed"};
    struct buf clause = {0};
    buf_printf(out, "{\"aspect\": \"%s\", \"change\": \"%s\", \"counts\": %s",
               compiles_aspect_name(d->aspect), kinds[d->kind], d->counts ? "true" : "false");
    put_text(out, "name", d->name);
    put_text(out, "a", d->text[0]);
    put_text(out, "b", d->text[1]);
    put_text(out, "a_place", d->place[0]);
    put_text(out, "b_place", d->place[1]);
    put_int(out, "a_line", d->line[0], 1);
    put_int(out, "b_line", d->line[1], 1);
    put_int(out, "a_artifact", d->artifact[0], 1);
    put_int(out, "b_artifact", d->artifact[1], 1);
    if (d->graph) put_graph(d->graph, out);
    if (d->aspect == COMPILE_CACHE_KEY) put_parts(d, out);
    compiles_clause(d, &clause, true);
    put_text(out, "says", buf_text(&clause));
    out->failed |= clause.failed;
    buf_release(&clause);
    buf_puts(out, "}");
}

static void put_pair(const struct compile_comparison *c, const struct compile_pair *p,
                     struct buf *out)
{
    buf_puts(out, "{\"a\": ");
    put_row(&c->side[0].compile.p[p->a], out);
    buf_puts(out, ", \"b\": ");
    put_row(&c->side[1].compile.p[p->b], out);
    buf_printf(out, ", \"different\": %s, \"moved\": %s, \"changes\": [",
               p->different ? "true" : "false", p->moved ? "true" : "false");
    for (size_t i = 0; i < p->n; i++) {
        buf_puts(out, i ? ",\n    " : "\n    ");
        put_change(&c->change.p[p->first + i], out);
    }
    buf_puts(out, "]}");
}

static void put_pairs(const struct compile_comparison *c, struct buf *out)
{
    bool any = false;
    buf_puts(out, ",\n \"compiles\": [");
    for (size_t i = 0; i < c->pair.n; i++) {
        const struct compile_pair *p = &c->pair.p[i];
        if (p->a == DIFF_NONE || p->b == DIFF_NONE) continue;
        buf_puts(out, any ? ",\n  " : "\n  ");
        put_pair(c, p, out);
        any = true;
    }
    buf_puts(out, "]");
}

static void put_alone(const struct compile_comparison *c, int k, struct buf *out)
{
    bool any = false;
    buf_printf(out, ",\n \"only_%c\": [", "ab"[k]);
    for (size_t i = 0; i < c->pair.n; i++) {
        const struct compile_pair *p = &c->pair.p[i];
        if ((k ? p->a : p->b) != DIFF_NONE) continue;
        buf_puts(out, any ? ",\n  " : "\n  ");
        put_row(&c->side[k].compile.p[k ? p->b : p->a], out);
        any = true;
    }
    buf_puts(out, "]");
}

/* The compile, and of its differences the one that the sentence tells. */
static void put_first(const struct compile_comparison *c, struct buf *out)
{
    const struct compile_pair *p = compiles_first(c);
    buf_puts(out, ",\n \"first_difference\": ");
    if (!p) {
        buf_puts(out, "null");
        return;
    }
    int k = p->a == DIFF_NONE;
    bool both = p->a != DIFF_NONE && p->b != DIFF_NONE;
    buf_printf(out, "{\"kind\": \"%s\", \"compile\": ",
               both ? compiles_aspect_name(c->change.p[p->first].aspect)
               : k  ? "only_b"
                    : "only_a");
    put_row(&c->side[k].compile.p[k ? p->b : p->a], out);
    put_key(out, "change");
    if (both) put_change(&c->change.p[p->first], out);
    else buf_puts(out, "null");
    buf_puts(out, "}");
}

void compiles_write_json(const struct compile_comparison *c, struct buf *out)
{
    const struct diff_compiles *r = &c->result;
    struct buf sentence = {0};
    compiles_sentence(c, &sentence, true);
    buf_printf(out, "{\"verdict\": \"%s\"", r->different ? "different" : "same");
    put_text(out, "sentence", buf_text(&sentence));
    out->failed |= sentence.failed;
    buf_release(&sentence);
    put_first(c, out);
    buf_printf(out,
               ",\n \"counts\": {\"a\": %lld, \"b\": %lld, \"matched\": %lld, \"different\": %lld,"
               " \"only_a\": %lld, \"only_b\": %lld}",
               (long long)r->n_compiles[0], (long long)r->n_compiles[1], (long long)r->n_matched,
               (long long)r->n_different, (long long)r->n_alone[0], (long long)r->n_alone[1]);
    for (int k = 0; k < 2; k++) put_side(c, k, out);
    put_pairs(c, out);
    for (int k = 0; k < 2; k++) put_alone(c, k, out);
    buf_puts(out, "}\n");
}
