/* interim.c - equal beginnings and ends only; whoever merges align.c, origins.c or compiles.c removes
 * the parts of this file that those define, and the file with the last of them. */
#include "store/diff/align.h"
#include "store/diff/origins.h"
static enum err put(struct diff_pairs *o, uint32_t a, uint32_t b, int m)
{
    struct diff_pair *p = LIST_PUSH(&o->pair);
    *p = (struct diff_pair){.a = a, .b = b, .method = m};
    return 0;
}
enum err diff_align(struct diff_stream *a, struct diff_stream *b,
                    const struct diff_align_options *op, struct diff_pairs *o)
{
    (void)op;
    uint32_t n = a->n_calls < b->n_calls ? a->n_calls : b->n_calls, i = 0, e = 0;
    *o = (struct diff_pairs){0};
#define L(s, i) (s->words->text.p[s->text[i]].loose)
    while (i < n && L(a, i) == L(b, i)) {
        put(o, i, i, 1);
        i++;
    }
    while (e < n - i && L(a, a->n_calls - 1 - e) == L(b, b->n_calls - 1 - e)) e++;
    for (uint32_t k = i; k < a->n_calls - e; k++) put(o, k, DIFF_NONE, 0);
    for (uint32_t k = i; k < b->n_calls - e; k++) put(o, DIFF_NONE, k, 0);
    for (uint32_t k = 0; k < e; k++) put(o, a->n_calls - e + k, b->n_calls - e + k, 1);
    return 0;
}
void diff_pairs_release(struct diff_pairs *p)
{
    LIST_RELEASE(&p->pair);
}
const char *diff_method_name(enum diff_method m)
{
    (void)m;
    return "x";
}
int diff_method_confidence(enum diff_method m)
{
    (void)m;
    return 100;
}
enum err diff_origins_load(sqlite3 *db, const struct diff_stream *s, struct diff_origins *o)
{
    (void)db;
    (void)s;
    (void)o;
    return 0;
}
