/* joint_plan.h - what splitting a joint graph decides, before the graphs are made (joint.c). */
#ifndef RUNTIME_COMPILE_JOINT_PLAN_H
#define RUNTIME_COMPILE_JOINT_PLAN_H

#include "runtime/compile/joint.h"

/* A node is *late* when it can run only once gradients come: it depends on tangents, or makes a
 * storage that such a node writes. All others the forward may run, those of gradient rules too (a
 * mask is smaller than what it is made of). */
struct joint_plan {
    const struct graph *g; /* borrowed, as the arena */
    struct arena *arena;
    const struct joint_options *options;
    /* per node */
    bool *late, *forward, *backward; /* backward: it is in that graph, late or computed again */
    bool *needed;                    /* of late ones: gradients depend on it */
    /* per storage */
    bool *late_storage;
    int *last; /* version when the forward has ended */
    /* per value that is not late */
    int *root;              /* what it is a view of, of its storage and version; itself */
    bool *wanted;           /* late nodes or gradients take it */
    bool *result;           /* of roots: in a storage that results lie in */
    bool *direct;           /* of roots: gradient rules take it, so that eager would keep it */
    enum joint_reason *ban; /* why it is not computed again; JOINT_CHEAP: it may be */
    enum joint_fate *fate;
    int64_t saved_bytes, all_bytes;
};

static inline bool joint_is_given(const struct graph_value *v)
{
    return v->origin != GRAPH_MADE && v->origin != GRAPH_TANGENT;
}
/* Given to the backward as well. The gradient that a tensor had at the call is not: by then it may
 * have another. */
static inline bool joint_is_lasting(const struct joint_plan *p, int value)
{
    const struct graph_value *v = &p->g->value.p[value];
    return joint_is_given(v) && !(v->origin == GRAPH_CAPTURED && p->g->captured.p[v->index].grad);
}
/* Whether nothing but late nodes can make it. */
static inline bool joint_is_late(const struct joint_plan *p, int value)
{
    const struct graph_value *v = &p->g->value.p[value];
    return v->origin == GRAPH_TANGENT || (v->maker >= 0 && p->late[v->maker]);
}

/* Decides everything; arrays lie in the arena. */
WARN_UNUSED enum err joint_plan(const struct graph *g, const struct joint_options *o,
                                struct arena *arena, struct joint_plan *out);
/* What is saved of roots with fate SAVED or RECOMPUTED (joint_plan.fate). For joint_plan. */
WARN_UNUSED enum err joint_choose(struct joint_plan *p);
/* The graphs of a plan (joint_copy.c). */
WARN_UNUSED enum err joint_forward(const struct joint_plan *p, struct graph *out);
WARN_UNUSED enum err joint_backward(const struct joint_plan *p, struct graph *out);

#endif
