/* fuzz_diff.c - any bytes as two runs: whatever they are, each call is in the list once, and pairs
 * rise but for moves.
 *
 * A byte is an item of one of the runs: its high bit says which; the rest opens a scope, closes
 * one, or calls an operator of a few with a tensor of a few. The first byte chooses the edits
 * allowed, origins and pairs by hand.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/diff/align.h"

enum { LONGEST_INPUT = 1 << 12, N_OPS = 8, N_NAMES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(enum err err)
{
    if (!err) return;
    fprintf(stderr, "%s\n", err_text());
    abort();
}

static const char *const ops[N_OPS] = {"x::a",  "x::a_",    "x::mm", "x::mm.out",
                                       "fused", "x::a.Two", "x::b",  "x::c"};

static uint32_t text(struct diff_stream *s, unsigned op, unsigned args)
{
    static const char *const lists[] = {"t: f32[2], 1", "t: f32[2], 2", "t: f32[3]", ""};
    struct diff_text t = {.kind = op == 4 ? 6 : 3,
                          .name = diff_word(s->words, span_of(ops[op])),
                          .args = diff_word(s->words, span_of(lists[args])),
                          .kwargs = DIFF_NONE,
                          .output = DIFF_NONE};
    return diff_text(s->words, &t);
}

static void use(struct diff_stream *s, uint8_t phase, uint32_t tensor)
{
    struct diff_form f = {.path = diff_word(s->words, SPAN("")),
                          .dtype = DIFF_NONE,
                          .shape = diff_word(s->words, SPAN("[2]")),
                          .stride = DIFF_NONE,
                          .phase = phase,
                          .hash = tensor & 1 ? DIFF_PKM64 : DIFF_NO_HASH,
                          .part = -1,
                          .elements = 2};
    must(diff_add_use(s, diff_form(s->words, &f), tensor, tensor & 2 ? tensor : DIFF_NONE,
                      DIFF_NONE));
}

static void scope(struct diff_stream *s, uint32_t *at, unsigned which)
{
    static const char *const names[N_NAMES] = {"M.h.0", "M.h.1", "step 1", "M"};
    if (which >= N_NAMES) *at = s->scopes.p[*at].parent;
    else
        must(diff_add_scope(s, *at, which == 2 ? DIFF_STEP : DIFF_MODULE, span_of(names[which]),
                            at));
}

static void add(struct diff_stream *s, uint32_t *at, unsigned byte)
{
    if (byte >= 120) {
        scope(s, at, byte - 120);
        return;
    }
    must(diff_add_call(s, s->n_calls, s->n_calls, *at, text(s, byte % N_OPS, byte / N_OPS % 4)));
    use(s, 0, byte / 16);
    use(s, 1, byte / 8);
}

static void check(const struct diff_stream *a, const struct diff_stream *b,
                  const struct diff_pairs *pairs)
{
    uint32_t next_a = 0, next_b = 0, n_b = 0;
    uint8_t *seen = calloc(b->n_calls + 1, 1);
    for (size_t k = 0; k < pairs->pair.n; k++) {
        struct diff_pair p = pairs->pair.p[k];
        if (p.a == DIFF_NONE && p.b == DIFF_NONE) abort();
        if (p.a != DIFF_NONE && p.a != next_a++) abort();
        if (p.b == DIFF_NONE) continue;
        if (p.b >= b->n_calls || seen[p.b]++) abort();
        n_b++;
        if (p.method == DIFF_BY_MOVE) continue;
        if (p.b < next_b) abort();
        next_b = p.b + 1;
    }
    if (next_a != a->n_calls || n_b != b->n_calls) abort();
    free(seen);
}

static void align(struct diff_stream *a, struct diff_stream *b, unsigned how)
{
    must(diff_join(a, b));
    uint32_t kernel = diff_word(a->words, SPAN("fused"));
    uint32_t x = diff_word(a->words, SPAN("x::a")), y = diff_word(a->words, SPAN("x::b"));
    struct diff_origin o[] = {{kernel, x, 0}, {kernel, y, 1}, {kernel, x, 2}, {kernel, y, 3}};
    struct diff_manual m[] = {{how / 16, how / 8}, {how / 4, how / 2}};
    struct diff_align_options options = {.origins = {o, o},
                                         .n_origins = {how & 1 ? 4 : 0, how & 2 ? 2 : 0},
                                         .manual = m,
                                         .n_manual = how & 4 ? 2 : 0,
                                         .most_edits = how & 8 ? 1 + how / 16 : 0};
    struct diff_pairs pairs;
    enum err err = diff_align(a, b, &options, &pairs);
    if (err && err != ERR_USAGE) must(err);
    if (!err) check(a, b, &pairs);
    diff_pairs_release(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diff_stream s[2];
    uint32_t at[2] = {0, 0};
    if (size < 1 || size > LONGEST_INPUT) return 0;
    for (int k = 0; k < 2; k++) must(diff_stream_init(&s[k]));
    for (size_t i = 1; i < size; i++) add(&s[data[i] >> 7], &at[data[i] >> 7], data[i] & 127);
    align(&s[0], &s[1], data[0]);
    diff_stream_release(&s[1]);
    diff_stream_release(&s[0]);
    return 0;
}
