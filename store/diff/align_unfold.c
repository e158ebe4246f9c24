/* align_unfold.c - operators of kernels and calls of operators (unfold.h), by name and result.
 *
 * The graph of a program is in the order in which an eager run calls its operators. What it lacks
 * are views, copies and what a pass took out; what it has beside are values that are computed a
 * second time. Both are explained, not looked for in the other run.
 */
#include "store/diff/align_parts.h"
#include "store/diff/judge.h"

static bool is_unfolded(const struct aligner *al, int side, uint32_t i)
{
    const struct diff_stream *s = al->s[side];
    return s->kernel && s->kernel[call_of(al, i)] != DIFF_NONE;
}

/* Modules and phases are not of a program that runs forward and backward as a whole. */
static bool name_in_step(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    const struct diff_text *t = text_of(al, side, i);
    if (t->kind != 3) return false;
    *out = mix(mix(t->name, 3), scope_of(al, side, i)->step);
    return true;
}

static bool name_alone(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    const struct diff_text *t = text_of(al, side, i);
    *out = mix(t->name, 3);
    return t->kind == 3;
}

/* With the dtype and shape of the first result, where both sides would know it. */
static bool result_in_step(const struct aligner *al, int side, uint32_t i, uint64_t *out)
{
    const struct diff_stream *s = al->s[side];
    uint32_t c = call_of(al, i);
    if (!name_in_step(al, side, i, out)) return false;
    if (op_mutates(diff_span(s->words, text_of(al, side, i)->name))) return true;
    for (uint32_t u = s->first_use[c]; u < s->first_use[c + 1]; u++) {
        const struct diff_form *f = diff_use_form(s, u);
        if (f->phase != 1 || f->shape == DIFF_NONE) continue;
        *out = mix(mix(*out, f->dtype), f->shape);
        break;
    }
    return true;
}

/* A call that the other run does without. */
static bool is_explained(const struct aligner *al, int side, uint32_t i)
{
    const struct diff_stream *s = al->s[side];
    struct span name = diff_span(s->words, text_of(al, side, i)->name);
    if (is_unfolded(al, side, i)) return true;
    return al->s[1 - side]->kernel && text_of(al, side, i)->kind == 3 && op_moves(name);
}

static void explain(struct aligner *al, int side)
{
    for (uint32_t i = 0; i < al->n[side]; i++)
        if (al->match[side][i] == DIFF_NONE && is_explained(al, side, i))
            al->method[side][i] = DIFF_BY_FUSION;
}

/* Calls that both runs made as they are: nothing about them was guessed from a graph. */
static void name_methods(struct aligner *al)
{
    for (uint32_t i = 0; i < al->n[0]; i++) {
        uint32_t j = al->match[0][i];
        if (j == DIFF_NONE || is_unfolded(al, 0, i) || is_unfolded(al, 1, j)) continue;
        al->method[0][i] = al->method[1][j] = DIFF_BY_TEXT;
    }
}

enum err align_unfolded(struct aligner *al)
{
    if (!al->s[0]->kernel && !al->s[1]->kernel) return ERR_OK;
    TRY(align_by(al, (struct align_stage){result_in_step, DIFF_BY_FUSION, false}));
    TRY(align_by(al, (struct align_stage){name_in_step, DIFF_BY_FUSION, false}));
    TRY(align_by(al, (struct align_stage){name_alone, DIFF_BY_FUSION, false}));
    name_methods(al);
    for (int side = 0; side < 2; side++) explain(al, side);
    return ERR_OK;
}
