/* compiles_write.c - the comparison of compiles as text: the answer, then what differs. */
#include "store/diff/compiles_parts.h"

enum { SHOWN = 150, MOST_PER_ASPECT = 6, MOST_ALONE = 20, MOST_PARTS = 8 };

static void put_version(struct buf *out, const char *name, struct span version)
{
    if (!version.n) return;
    buf_printf(out, ", %s ", name);
    compiles_excerpt(out, version, SPAN_NONE, 40);
}

static void put_side(const struct compile_comparison *c, int k, struct buf *out)
{
    const struct compile_side *s = &c->side[k];
    int64_t total = 0;
    for (size_t i = 0; i < s->compile.n; i++)
        if (s->compile.p[i].total_ns > 0) total += s->compile.p[i].total_ns;
    buf_printf(out, "  %c  %s", "AB"[k], s -> side -> file);
    if (s->run.n) {
        buf_puts(out, "#");
        buf_span(out, s->run);
    }
    if (s->side->rank >= 0) buf_printf(out, "@%lld", (long long)s->side->rank);
    buf_printf(out, ": %zu %s", s->compile.n, s->compile.n == 1 ? "compile" : "compiles");
    if (total) buf_printf(out, " in %.2f s", (double)total / 1e9);
    put_version(out, "torch", s->torch_version);
    put_version(out, "commit", s->torch_commit);
    if (s->losses)
        buf_printf(out, "\n     its logs were not read in full: %lld %s, listed by plumb info",
                   (long long)s->losses, s->losses == 1 ? "finding" : "findings");
    buf_puts(out, "\n");
}

static void put_line(struct buf *out, const struct compile_change *d, int k)
{
    if (!d->text[k].p) return;
    buf_printf(out, "      %c  ", "AB"[k]);
    if (d->line[k]) buf_printf(out, "%lld: ", (long long)d->line[k]);
    if (d->text[k].n) compiles_excerpt(out, d->text[k], d->text[!k], SHOWN);
    else buf_puts(out, "(empty)");
    if (d->place[k].n) {
        buf_puts(out, "  # ");
        compiles_excerpt(out, d->place[k], SPAN_NONE, SHOWN);
    }
    buf_puts(out, "\n");
}

static void put_operators(struct buf *out, const struct compile_graph_change *g)
{
    struct buf more = {0}, less = {0};
    if (g->parsed)
        buf_printf(out, ", %lld nodes in A, %lld in B", (long long)g->n_nodes[0],
                   (long long)g->n_nodes[1]);
    if (g->n_lines[0] >= 0)
        buf_printf(out, ", lines -%lld +%lld", (long long)g->n_lines[0], (long long)g->n_lines[1]);
    if (compiles_operators(g, 1, &more, false))
        buf_puts(out, "; more: "), buf_span(out, buf_text(&more));
    if (compiles_operators(g, -1, &less, false))
        buf_puts(out, "; fewer: "), buf_span(out, buf_text(&less));
    out->failed |= more.failed || less.failed;
    buf_release(&more);
    buf_release(&less);
}

static void put_change(struct buf *out, const struct compile_change *d, bool brief)
{
    static const char *const signs[] = {"", " only in B", " only in A"};
    buf_printf(out, "    %s", compiles_aspect_noun(d->aspect, 1));
    if (d->name.n && d->aspect != COMPILE_OUTCOME) {
        buf_puts(out, " ");
        compiles_excerpt(out, d->name, SPAN_NONE, SHOWN);
    }
    buf_puts(out, signs[d->kind]);
    if (d->graph) put_operators(out, d->graph);
    buf_puts(out, "\n");
    if (brief) return;
    put_line(out, d, 0);
    put_line(out, d, 1);
}

static void put_keys(const struct compile_comparison *c, const struct compile_pair *p,
                     struct buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct compile_change *d = &c->change.p[p->first + i];
        if (!d->n_parts) continue;
        buf_puts(out, "    the key of cache ");
        buf_span(out, d->name);
        buf_puts(out, " differs in ");
        for (size_t k = 0; k < d->n_parts && k < MOST_PARTS; k++) {
            if (k) buf_puts(out, ", ");
            compiles_excerpt(out, d->parts[k], SPAN_NONE, SHOWN);
        }
        if (d->n_parts > MOST_PARTS) buf_printf(out, " and %zu more", d->n_parts - MOST_PARTS);
        buf_puts(out, "\n");
    }
}

/* Differences that do not count, as one line each aspect. */
static void put_notes(const struct compile_comparison *c, const struct compile_pair *p,
                      struct buf *out)
{
    size_t n[COMPILE_N_ASPECTS][3] = {{0}};
    for (size_t i = 0; i < p->n; i++) {
        const struct compile_change *d = &c->change.p[p->first + i];
        if (!d->counts) n[d->aspect][d->kind]++;
    }
    static const char *const kinds[] = {"with another text", "only in B", "only in A"};
    bool any = false;
    for (int aspect = 0; aspect < COMPILE_N_ASPECTS; aspect++)
        for (int kind = 0; kind < 3; kind++) {
            size_t many = n[aspect][kind];
            if (!many) continue;
            buf_printf(out, "%s%zu %s %s", any ? ", " : "    beside that: ", many,
                       compiles_aspect_noun((enum compile_aspect)aspect, many), kinds[kind]);
            any = true;
        }
    if (any) buf_puts(out, "\n");
}

/* The first graph is shown with its lines, of the others what came and went. */
static void put_pair(const struct compile_comparison *c, const struct compile_pair *p,
                     struct buf *out)
{
    size_t shown[COMPILE_N_ASPECTS] = {0};
    const struct compile_row *b = &c->side[1].compile.p[p->b];
    buf_puts(out, "\n  ");
    compiles_name(c, p, out, false);
    if (p->moved) {
        buf_puts(out, ", in B");
        compiles_place(b, out, false);
    }
    buf_puts(out, "\n");
    for (size_t i = 0; i < p->n; i++) {
        const struct compile_change *d = &c->change.p[p->first + i];
        size_t *n = &shown[d->aspect];
        if (!d->counts) continue;
        if (++*n > MOST_PER_ASPECT) continue;
        put_change(out, d, d->aspect == COMPILE_GRAPH && *n > 1);
    }
    for (int aspect = 0; aspect < COMPILE_N_ASPECTS; aspect++)
        if (shown[aspect] > MOST_PER_ASPECT)
            buf_printf(out, "    and %zu more %s (--json has all)\n",
                       shown[aspect] - MOST_PER_ASPECT,
                       compiles_aspect_noun((enum compile_aspect)aspect, 2));
    put_keys(c, p, out);
    put_notes(c, p, out);
}

static void put_alone(const struct compile_comparison *c, int k, struct buf *out)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->pair.n; i++) {
        const struct compile_pair *p = &c->pair.p[i];
        if ((k ? p->a : p->b) != DIFF_NONE || ++n > MOST_ALONE) continue;
        const struct compile_row *r = &c->side[k].compile.p[k ? p->b : p->a];
        buf_printf(out, "%s  only in %c: ", n == 1 ? "\n" : "", "AB"[k]);
        compiles_name(c, p, out, false);
        buf_puts(out, ", ");
        buf_span(out, r->outcome);
        buf_puts(out, "\n");
    }
    if (n > MOST_ALONE)
        buf_printf(out, "  and %lld more only in %c (--json has all)\n", (long long)n - MOST_ALONE,
                   "AB"[k]);
}

void compiles_write_text(const struct compile_comparison *c, struct buf *out)
{
    compiles_sentence(c, out, false);
    buf_puts(out, "\n\n");
    for (int k = 0; k < 2; k++) put_side(c, k, out);
    for (size_t i = 0; i < c->pair.n; i++)
        if (c->pair.p[i].different) put_pair(c, &c->pair.p[i], out);
    for (int k = 0; k < 2; k++) put_alone(c, k, out);
}
