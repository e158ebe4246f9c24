/* bench_align.c - how long the alignment of two runs takes, by what was edited.
 *
 *     bench_align [CALLS]
 *
 * Runs of so many operators (a million) in steps of 1200, of which each has twelve layers; without
 * modules all keys repeat, the worst case. The last lines are 200000 operators of which in every
 * layer 40 % went and 20 % have another name.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/base/clock.h"
#include "store/diff/align.h"

enum { STEP = 1200, LAYER = 100, N_TEXTS = 60, FUSED = 200000 };

static uint64_t state = 1;

static uint32_t dice(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

static void must(enum err err)
{
    if (!err) return;
    fprintf(stderr, "bench_align: %s\n", err_text());
    exit(1);
}

static uint32_t text(struct diff_stream *s, uint32_t op, uint32_t argument)
{
    char name[32], args[32];
    snprintf(name, sizeof name, "aten::op%u", op);
    snprintf(args, sizeof args, "t: f32[128], %u", argument);
    struct diff_text t = {.kind = 3,
                          .name = diff_word(s->words, span_of(name)),
                          .args = diff_word(s->words, span_of(args)),
                          .kwargs = DIFF_NONE,
                          .output = DIFF_NONE};
    return diff_text(s->words, &t);
}

struct run {
    struct diff_stream s;
    uint32_t text[3][N_TEXTS]; /* as in A, with another argument, of another name */
    uint32_t step, layer, position;
};

static void begin(struct run *r)
{
    must(diff_stream_init(&r->s));
    r->step = r->layer = r->position = 0;
    for (uint32_t k = 0; k < N_TEXTS; k++) {
        r->text[0][k] = text(&r->s, k, 0);
        r->text[1][k] = text(&r->s, k, 1);
        r->text[2][k] = text(&r->s, k + 1000, 0);
    }
}

/* Scopes of call i, where it begins some. */
static void enter(struct run *r, uint32_t i)
{
    char name[32];
    if (i % STEP == 0) {
        snprintf(name, sizeof name, "step %u", i / STEP);
        must(diff_add_scope(&r->s, 0, DIFF_STEP, span_of(name), &r->step));
    }
    if (i % LAYER == 0) {
        snprintf(name, sizeof name, "Net.h.%u", i / LAYER % (STEP / LAYER));
        must(diff_add_scope(&r->s, r->step, DIFF_MODULE, span_of(name), &r->layer));
    }
}

static void add(struct run *r, uint32_t kind, uint32_t op)
{
    must(diff_add_call(&r->s, r->position, r->position, r->layer, r->text[kind][op]));
    r->position++;
}

/* One call in `rare` (0: none) is removed, inserted or changed in B; or layers are fused. */
struct edits {
    const char *what;
    uint32_t n, rare;
    bool modules, fused;
};

static void make(struct run *a, struct run *b, struct edits e)
{
    begin(a);
    begin(b);
    for (uint32_t i = 0; i < e.n; i++) {
        uint32_t op = i % LAYER % N_TEXTS, kind = e.rare && !dice(e.rare) ? dice(3) : 3;
        if (e.modules) {
            enter(a, i);
            enter(b, i);
        }
        add(a, 0, op);
        if (e.fused && i % 5 < 2) continue;
        if (kind == 0) continue;
        if (kind == 1) add(b, 0, dice(N_TEXTS));
        add(b, e.fused && i % 5 == 2 ? 2 : kind == 2, op);
    }
}

static void measure(struct edits e)
{
    static struct run a, b;
    struct diff_pairs pairs;
    make(&a, &b, e);
    must(diff_join(&a.s, &b.s));
    int64_t start = clock_mono();
    must(diff_align(&a.s, &b.s, NULL, &pairs));
    double seconds = (double)(clock_mono() - start) / 1e9;
    size_t n = 0, lost = 0;
    for (size_t k = 0; k < pairs.pair.n; k++) {
        n += pairs.pair.p[k].a != DIFF_NONE && pairs.pair.p[k].b != DIFF_NONE;
        lost += pairs.pair.p[k].method == DIFF_GIVEN_UP;
    }
    printf("  %-34s %-15s %8.3f s  %u and %u calls, %zu pairs, %zu given up\n", e.what,
           e.modules ? "modules" : "no modules", seconds, a.s.n_calls, b.s.n_calls, n, lost);
    diff_pairs_release(&pairs);
    diff_stream_release(&b.s);
    diff_stream_release(&a.s);
}

int main(int argc, char **argv)
{
    uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    printf("alignment\n");
    for (int modules = 1; modules >= 0; modules--) {
        measure((struct edits){"equal", n, 0, modules, false});
        measure((struct edits){"0.01 % of the calls edited", n, 10000, modules, false});
        measure((struct edits){"1 % of the calls edited", n, 100, modules, false});
        measure((struct edits){"10 % of the calls edited", n, 10, modules, false});
        measure((struct edits){"layers fused", FUSED, 0, modules, true});
    }
    return 0;
}
