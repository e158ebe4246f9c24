/* unfold_plan.h - compiled programs as unfolding needs them: operators, and where their tensors are
 * among the arguments of launches.
 */
#ifndef STORE_DIFF_UNFOLD_PLAN_H
#define STORE_DIFF_UNFOLD_PLAN_H

#include "store/diff/stream.h"
#include "store/sqlite.h"

/* An argument of a launch. */
struct plan_arg {
    uint32_t name;            /* word: in_ptr0 */
    uint32_t node;            /* that has this value, before a write; DIFF_NONE none, a part */
    uint32_t maker;           /* node that made what is in it afterwards; DIFF_NONE */
    int32_t result, argument; /* of the maker; -1 none */
};
struct plan_kernel {
    int64_t id;
    uint32_t name; /* word */
    uint32_t op;   /* word: operator that a kernel of a library is, whose launch is a call of it;
                      DIFF_NONE: a fused kernel, or one of a library that does more than that */
    uint32_t first_arg, n_args;
};
/* A tensor argument of an operator. */
struct plan_in {
    uint32_t node;        /* that has the value */
    uint32_t kernel, arg; /* the launch's argument that holds it; DIFF_NONE: looked up on the way */
};
struct plan_out {
    uint32_t kernel, arg;
};
/* A node of the graph: a value, and an operator when op is a word. */
struct plan_node {
    uint32_t op;           /* word; DIFF_NONE: an input or a result of another node */
    uint32_t dtype, shape; /* words; DIFF_NONE not known */
    uint32_t kernel;       /* the first that computes it; DIFF_NONE: a view, or nothing does */
    uint32_t first_in, n_in, first_out, n_out;
    bool picks;      /* operator.getitem: a result by its own name */
    bool several;    /* results have names of their own */
    bool recomputed; /* its kernel computes it a second time */
};
struct plan {
    int64_t compile;
    char phase[16];
    uint32_t first_kernel, n_kernels; /* of plans.kernel, in order of launches */
    bool read, unknown;               /* unknown: no graph has its operators */
    LIST_OF(struct plan_node) node;
    LIST_OF(struct plan_in) in;
    LIST_OF(struct plan_out) out;
};
struct plans {
    sqlite3 *db;              /* borrowed */
    struct diff_words *words; /* borrowed */
    LIST_OF(struct plan) plan;
    LIST_OF(struct plan_kernel) kernel;
    LIST_OF(struct plan_arg) arg;
    struct map sites; /* string.id of a site -> kernel */
    sqlite3_stmt *ops, *args, *graphs, *nodes, *edges;
};
/* The kernels of all compiles; programs are read by plan_read. */
enum err WARN_UNUSED plans_init(struct plans *p, sqlite3 *db, struct diff_words *words);
void plans_release(struct plans *p);
/* The program of a kernel, read; NULL when its operators are not known. */
enum err WARN_UNUSED plan_read(struct plans *p, uint32_t kernel, struct plan **out);

#endif
