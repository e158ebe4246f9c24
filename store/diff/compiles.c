/* compiles.c - two runs' compiles: read, matched, compared, told. */
#include "store/diff/compiles_parts.h"

#include <stdlib.h>

#include "store/text.h"

/* Changes of a pair in the order in which they are worth naming. */
static int change_order(const void *x, const void *y)
{
    const struct compile_change *a = x, *b = y;
    if (a->counts != b->counts) return a->counts ? -1 : 1;
    if (a->aspect != b->aspect) return a->aspect < b->aspect ? -1 : 1;
    if (a->kind != b->kind && a->aspect != COMPILE_GRAPH) return a->kind < b->kind ? -1 : 1;
    int64_t i = a->artifact[1] ? a->artifact[1] : a->artifact[0];
    int64_t k = b->artifact[1] ? b->artifact[1] : b->artifact[0];
    if (i != k) return i < k ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static enum err compare_pairs(struct compile_comparison *c)
{
    for (size_t i = 0; i < c->pair.n; i++) {
        struct compile_pair *p = &c->pair.p[i];
        p->first = c->change.n;
        if (p->a == DIFF_NONE || p->b == DIFF_NONE) continue;
        TRY(compiles_compare_facts(c, p));
        TRY(compiles_compare_texts(c, p));
        if (!p->n) continue;
        qsort(&c->change.p[p->first], p->n, sizeof *c->change.p, change_order);
        p->different = c->change.p[p->first].counts;
        c->result.n_different += p->different;
    }
    return ERR_OK;
}

static enum err compare(struct compile_comparison *c)
{
    for (int k = 0; k < 2; k++) {
        TRY(compiles_load(&c->side[k]));
        TRY(text_reader_new(c->side[k].db, &c->reader[k]));
    }
    TRY(compiles_match(c));
    TRY(compare_pairs(c));
    struct diff_compiles *r = &c->result;
    r->different = r->n_different || r->n_alone[0] || r->n_alone[1];
    return ERR_OK;
}

static void release(struct compile_comparison *c)
{
    for (int k = 0; k < 2; k++) {
        struct compile_side *s = &c->side[k];
        if (c->reader[k]) text_reader_free(c->reader[k]);
        LIST_RELEASE(&s->compile);
        LIST_RELEASE(&s->fact);
        LIST_RELEASE(&s->text);
        LIST_RELEASE(&s->frame);
        LIST_RELEASE(&s->log);
    }
    LIST_RELEASE(&c->pair);
    LIST_RELEASE(&c->change);
    arena_release(&c->arena);
    arena_release(&c->scratch);
}

enum err diff_compiles(sqlite3 *a, const struct diff_side *side_a, sqlite3 *b,
                       const struct diff_side *side_b, bool json, struct buf *out,
                       struct diff_compiles *result)
{
    struct compile_comparison c = {0};
    c.side[0] = (struct compile_side){.db = a, .side = side_a, .arena = &c.arena};
    c.side[1] = (struct compile_side){.db = b, .side = side_b, .arena = &c.arena};
    enum err err = compare(&c);
    if (!err) {
        if (json) compiles_write_json(&c, out);
        else compiles_write_text(&c, out);
        err = buf_ok(out);
    }
    *result = c.result;
    release(&c);
    return err;
}
