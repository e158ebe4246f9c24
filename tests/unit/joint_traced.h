/* joint_traced.h - a function as its joint graph, and that split in two. */
#ifndef TESTS_JOINT_TRACED_H
#define TESTS_JOINT_TRACED_H

#include "runtime/compile/joint.h"

struct traced {
    struct arena arena;
    struct graph joint;
    struct joint_split split;
};

static void traced_release(struct traced *t)
{
    joint_split_release(&t->split);
    for (size_t i = 0; i < t->joint.constant.n; i++) tensor_free(t->joint.constant.p[i]);
    graph_release(&t->joint);
    arena_release(&t->arena);
}

#endif
