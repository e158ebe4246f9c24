/* align_slide.c - where in a row of equal calls the one stands that only one run has.
 *
 *     A  add  add  ·  mul          A  ·  add  add  mul
 *     B  add  add add mul    or    B  add add add  mul
 *
 * Keys cannot tell these apart; results can: the stretch of calls without partner moves to where
 * most pairs have equal results. Without a gain it stays.
 */
#include "store/diff/align_parts.h"

enum { FARTHEST = 1000 };

struct stretch {
    const struct aligner *al;
    struct diff_pair *p;
    size_t n, first, end; /* entries first .. end are alone on `side` */
    int side;
};

/* On the side of the stretch an entry keeps its call; the partners move past it. */
static uint32_t own(const struct stretch *s, size_t k)
{
    return s->side ? s->p[k].b : s->p[k].a;
}
static uint32_t other(const struct stretch *s, size_t k)
{
    return s->side ? s->p[k].a : s->p[k].b;
}

static bool may_move(const struct stretch *s, size_t from, size_t to)
{
    struct diff_pair p = s->p[from];
    if (p.a == DIFF_NONE || p.b == DIFF_NONE) return false;
    if (p.method != DIFF_BY_POSITION && p.method != DIFF_BY_KEY) return false;
    return align_same_call(s->al->s[s->side], own(s, to), s->al->s[1 - s->side], other(s, from));
}

static int equal_result(const struct stretch *s, size_t mine, size_t partner)
{
    const struct diff_stream *x = s->al->s[s->side], *y = s->al->s[1 - s->side];
    uint32_t u = align_first_result(x, own(s, mine)), v = align_first_result(y, other(s, partner));
    if (u == DIFF_NONE || v == DIFF_NONE) return 0;
    return x->digest[u] == y->digest[v] && diff_use_form(x, u)->hash == diff_use_form(y, v)->hash;
}

/* How far the stretch goes up (or down) for the most equal results; *gain them. */
static size_t best_shift(const struct stretch *s, bool up, int *gain)
{
    size_t most = up ? s->first : s->n - s->end, best = 0;
    int sum = 0;
    *gain = 0;
    for (size_t t = 0; t < most && t < FARTHEST; t++) {
        size_t from = up ? s->first - 1 - t : s->end + t, to = up ? s->end - 1 - t : s->first + t;
        if (!may_move(s, from, to)) break;
        sum += equal_result(s, to, from) - equal_result(s, from, from);
        if (sum <= *gain) continue;
        *gain = sum;
        best = t + 1;
    }
    return best;
}

static void set(const struct stretch *s, size_t k, uint32_t partner)
{
    if (s->side) s->p[k].a = partner;
    else s->p[k].b = partner;
    s->p[k].method = partner == DIFF_NONE ? DIFF_ALONE : DIFF_BY_KEY;
}

static void shift(const struct stretch *s, bool up, size_t far)
{
    for (size_t t = 0; t < far; t++) {
        size_t from = up ? s->first - 1 - t : s->end + t, to = up ? s->end - 1 - t : s->first + t;
        uint32_t partner = other(s, from);
        set(s, from, DIFF_NONE);
        set(s, to, partner);
    }
}

static bool is_alone(const struct diff_pair *p, int side)
{
    return (side ? p->a : p->b) == DIFF_NONE && p->method == DIFF_ALONE;
}

void align_slide(const struct aligner *al, struct diff_pairs *pairs)
{
    struct stretch s = {.al = al, .p = pairs->pair.p, .n = pairs->pair.n};
    for (size_t k = al->lo; k < s.n; k = s.end) {
        s.first = k;
        s.end = k + 1;
        s.side = s.p[k].a == DIFF_NONE;
        if (!is_alone(&s.p[k], s.side)) continue;
        while (s.end < s.n && is_alone(&s.p[s.end], s.side)) s.end++;
        int gain_up, gain_down;
        size_t up = best_shift(&s, true, &gain_up), down = best_shift(&s, false, &gain_down);
        if (up && gain_up >= gain_down) shift(&s, true, up);
        else if (down) {
            shift(&s, false, down);
            s.end += down;
        }
    }
}
