/* fusion.h - the program of a compile as kernels and the values between them: what the page of
 * fusion and `plumb graph` draw.
 *
 * Words: a *program* is one compile and one phase of it; its *kernels* are what it launches, in
 * order. A *combo* kernel has *lanes*: independent kernels in one launch. A *value* is made by one
 * kernel and read by others; an *input* is made by none of them. Text lives in the arena of the
 * fusion; numbers that are not known are STORE_NULL.
 */
#ifndef WEB_FUSION_H
#define WEB_FUSION_H

#include "store/base/arena.h"
#include "store/base/map.h"
#include "store/sqlite.h"
#include "store/text.h"

/* Which program: parameters of the named queries fusion_*; NULL where not given. */
struct fusion_of {
    const char *compile_id, *occurrence, *log, *run, *phase;
};

struct fusion_op {
    struct span node, op, role, source, stores; /* stores: a value that it puts into memory */
    int lane;                                   /* index, -1: none */
    int also;                                   /* another kernel that computes it too, -1 none */
    int position;                               /* 0-based in its kernel or lane */
    bool recomputed, stores_read; /* stores_read: a kernel of the program reads that value */
};
struct fusion_lane {
    struct span name;
    int64_t first_block, blocks, reads, writes;
    int first_op, n_ops;
};
struct fusion_input {
    struct span name;
    int64_t bytes;
};
struct fusion_kernel {
    struct span name, kind, role, type;
    const char *key; /* stable: its name, from the second of the same name on with "#2" */
    int64_t id;      /* of table kernel, STORE_NULL none */
    int64_t reads, writes, launches, p50_ns, line;
    double bytes_per_ns;
    int64_t results, digests, nonfinite; /* of its first launch */
    int first_op, n_ops, first_lane, n_lanes, first_input, n_inputs;
    int64_t input_bytes;
    int n_makes, n_kept; /* values it makes; of them without a reader among the kernels */
    uint64_t alike;      /* equal for kernels that do the same */
};
struct fusion_value {
    struct span name;
    int writer; /* kernel */
    int64_t bytes;
};
struct fusion_edge {
    int value, reader;
};
struct fusion {
    struct arena arena;
    bool is_recorded; /* else read from the generated code, as far as that tells */
    bool has_calls;   /* of a program that is not recorded: kernels are calls, not definitions */
    bool has_order;   /* likewise: the code has its members in order */
    int64_t artifact; /* generated code, STORE_NULL none */
    struct span phase;
    struct fusion_kernel *kernels;
    struct fusion_op *ops;
    struct fusion_lane *lanes;
    struct fusion_input *inputs;
    struct fusion_value *values;
    struct fusion_edge *edges;
    int n_kernels, n_ops, n_lanes, n_inputs, n_values, n_edges;
    int n_twice;               /* operators that stand in two kernels */
    struct map by_id, by_name; /* kernels */
    /* What can hold as many at the moment. */
    int s_kernels, s_ops, s_lanes, s_inputs, s_values, s_edges;
};

/* Reads a program; without kernels f->n_kernels is 0. fusion_release also after a failure. */
enum err WARN_UNUSED fusion_read(sqlite3 *db, struct text_reader *text, const struct fusion_of *of,
                                 struct fusion *f);
void fusion_release(struct fusion *f);
/* Kernel of a key, -1 none. */
int fusion_find(const struct fusion *f, const char *key);

/* Gives the last kernel its key and puts it into the maps. */
enum err WARN_UNUSED fusion_name_kernel(struct fusion *f);
/* The next of a list, zero-filled; NULL when out of memory. */
struct fusion_kernel *fusion_add_kernel(struct fusion *f);
struct fusion_op *fusion_add_op(struct fusion *f);
struct fusion_lane *fusion_add_lane(struct fusion *f);
struct fusion_input *fusion_add_input(struct fusion *f);
struct fusion_value *fusion_add_value(struct fusion *f);
struct fusion_edge *fusion_add_edge(struct fusion *f);
#define FUSION_ADD(at, what, f)                                                                    \
    do {                                                                                           \
        (at) = fusion_add_##what(f);                                                               \
        if (!(at)) FAIL(ERR_NOMEM, "out of memory for a fusion graph");                            \
    } while (0)

/* Of a program of PyTorch: makes the calls that the generated code has to kernels, with the buffers
 * between them. The kernels of f are those that the code defines. */
enum err WARN_UNUSED fusion_read_code(struct fusion *f, struct span code);

#endif
