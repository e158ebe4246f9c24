/* joint_split.c - splitting a joint graph, and what was decided of each value. */
#include "runtime/compile/joint_plan.h"

const char *joint_reason_text(enum joint_reason r)
{
    static const char *const text[] = {
#define X(id, text) text,
        JOINT_REASONS(X)
#undef X
    };
    return text[r];
}

static enum joint_reason reason_of(const struct joint_plan *p, int value)
{
    switch (p->fate[value]) {
    case JOINT_INPUT: return JOINT_GIVEN;
    case JOINT_NOT_NEEDED: return JOINT_UNUSED;
    case JOINT_RECOMPUTED: return JOINT_CHEAP;
    case JOINT_SAVED: break;
    }
    if (p->result[value]) return JOINT_RESULT;
    if (joint_is_given(&p->g->value.p[value])) return JOINT_GIVEN;
    if (p->options->save_all) return JOINT_ALL;
    if (p->g->value.p[value].result == GRAPH_NONE) return JOINT_WRITTEN;
    return p->ban[value] == JOINT_CHEAP ? JOINT_CUT : p->ban[value];
}

static enum err decide(const struct joint_plan *p, struct joint_split *out)
{
    out->decision = arena_array(p->arena, p->g->value.n + 1, sizeof *out->decision);
    if (!out->decision) FAIL(ERR_NOMEM, "out of memory for splitting a graph");
    for (int v = 0; v < (int)p->g->value.n; v++)
        if (!joint_is_late(p, v))
            out->decision[out->n_decisions++] =
                (struct joint_decision){.value = v,
                                        .fate = p->fate[v],
                                        .reason = reason_of(p, v),
                                        .bytes = view_n_bytes(&p->g->value.p[v].view)};
    out->saved_bytes = p->saved_bytes;
    out->all_bytes = p->all_bytes;
    return ERR_OK;
}

enum err joint_split(const struct graph *joint, const struct joint_options *o, struct arena *arena,
                     struct joint_split *out)
{
    struct joint_plan p;
    *out = (struct joint_split){0};
    TRY(joint_plan(joint, o, arena, &p));
    TRY(decide(&p, out));
    TRY(joint_forward(&p, &out->forward));
    return joint_backward(&p, &out->backward);
}

void joint_split_release(struct joint_split *s)
{
    graph_release(&s->forward);
    graph_release(&s->backward);
}
