/* graph.h - a traced program: calls of operators in order, on tensors without memory.
 *
 *   value     a tensor as a call sees it: dtype, shape, strides, a place in a storage, and the
 *             version of that storage (how often it was written before)
 *   node      one call: an operator, its values and numbers, the values it makes
 *   storage   memory that values share: an input's, a constant's, or made by a node
 *
 * Values are never changed. A call that writes in place makes new values of the same storage, one
 * version higher; another view of that storage that is read later is a value of its own then.
 *
 *   1. nodes stand in an order that respects data and storage: a reader of version v comes after
 *      the writer that made v and before the one that makes v + 1
 *   2. every value a node takes is an input, a constant, or made by an earlier node
 *   3. a value made by a call of class OP_VIEW has its argument's storage and version
 *   4. dtypes and shapes of results are those that the operator's shape function gives
 *   5. numbers in arg[] are complete: defaults are filled in
 * graph_check proves all of them.
 *
 * Memory: all of a graph lies in its arena; passes make new nodes there and free nothing singly.
 */
#ifndef RUNTIME_COMPILE_GRAPH_H
#define RUNTIME_COMPILE_GRAPH_H

#include "runtime/op.h"
#include "store/base/buf.h"
#include "store/base/lists.h"
#include "store/base/map.h"

enum { GRAPH_NONE = -1 };

enum graph_origin {
    GRAPH_INPUT,    /* argument `index` of the compiled function */
    GRAPH_CAPTURED, /* a kept tensor that the function touched, or its gradient; index: in
                     * graph.captured */
    GRAPH_CONSTANT, /* made of host data while tracing; index: in graph.constant */
    GRAPH_TANGENT,  /* of a joint or backward graph: gradient of output `index` */
    GRAPH_SAVED,    /* of a backward graph: what the forward graph gave it; index: its number */
    GRAPH_MADE,     /* by node `maker` */
};
struct graph_value {
    enum graph_origin origin;
    int index;
    int maker;  /* node that made it, or wrote this version of its storage; GRAPH_NONE */
    int result; /* of the maker; GRAPH_NONE: another view of what the maker wrote */
    int storage, version;
    struct view view;   /* offset: elements from the storage's first */
    const char *name;   /* as in the text of the graph: "add_3", "primals_1"; unique */
    bool requires_grad; /* inputs: of the tensor given */
    bool asked;         /* inputs: whether it has a gradient, or was computed, made a difference */
    bool itself;        /* inputs: the function reached this very tensor by another way too */
    int64_t real;       /* number of the tensor it was while tracing, from 1 */
};
struct graph_storage {
    enum graph_origin origin; /* of the value that brought it; MADE: temporary, or an output's */
    int value;                /* that value */
    int64_t low, high;        /* bytes [low, high) from the first element that values lie in */
    int n_versions;
};
enum graph_phase { GRAPH_FORWARD, GRAPH_BACKWARD };
struct graph_node {
    const struct op *op;
    struct op_value *arg; /* op->s.n_params; of tensors and lists only kind and n count */
    int *in;              /* per tensor slot (op_slot): value, GRAPH_NONE absent */
    int n_in;
    int *after; /* per tensor slot: the value after the call wrote it; GRAPH_NONE */
    int *out;   /* per result: value; GRAPH_NONE absent. A result that is a written
                           * argument is that slot's `after` */
    int n_out;
    int64_t stream; /* OP_RANDOM: number of the call's stream, counted from 0 in the trace */
    bool writes_nothing;
    enum graph_phase phase;
    bool recomputed;    /* backward graph: computed a second time instead of saved */
    const char *name;   /* of its value; of several, or of none, its own */
    const char *module; /* innermost module scope when traced, "" none */
    int forward;        /* backward nodes: the forward node whose gradient rule called it, by
                           * its `origin`; GRAPH_NONE */
    int origin;         /* number in the traced graph, kept by passes: provenance */
    uint32_t stack;     /* cap_stack id; 0 */
};
enum graph_gives {
    GRAPH_RESULT,    /* result `index` of the function */
    GRAPH_GRADIENT,  /* joint, backward: gradient of value `index` (an input or captured one) of
                      * the joint graph; value GRAPH_NONE: none came. Several of one value are to
                      * be added to it in their order */
    GRAPH_SAVE,      /* forward: number `index` of what the backward graph is given */
    GRAPH_LEAF_GRAD, /* becomes plumb_grad of the tensor that value `index` (an input or captured)
                      * stands for; value GRAPH_NONE: that is forgotten */
};
struct graph_output {
    int value;
    enum graph_gives gives;
    int index;
};
struct graph_captured {
    struct plumb_tensor *tensor; /* borrowed: kept by the session */
    bool grad;                   /* its gradient at the time of the call, not itself */
    bool asked;                  /* whether it has a gradient made a difference */
};
struct graph {
    struct arena *arena; /* borrowed */
    const char *name;    /* of the function */
    LIST_OF(struct graph_value) value;
    LIST_OF(struct graph_node) node;
    LIST_OF(struct graph_storage) storage;
    LIST_OF(struct graph_output) output;
    LIST_OF(struct graph_captured) captured;
    LIST_OF(struct plumb_tensor *) constant; /* kept by the session */
    int n_inputs, n_tangents, n_saved;
    int64_t n_streams; /* random calls of the trace */
    struct map names;  /* base of a name -> how many begin so */
    bool exact;
};
void graph_init(struct graph *g, struct arena *arena, const char *name);
void graph_release(struct graph *g); /* lists; not the arena, not tensors */

/* New values and nodes; the number, GRAPH_NONE when out of memory. */
int graph_add_input(struct graph *g, enum graph_origin origin, int index, const struct view *v);
int graph_add_storage(struct graph *g, const struct graph_storage *s);
int graph_add_value(struct graph *g, const struct graph_value *v);
int graph_add_node(struct graph *g, const struct graph_node *n);
/* A name that no value has yet: base, base_1, ...; NULL out of memory. Lies in the arena. */
/* The next placeholder of its kind: primals_1, tangents_1, _tensor_constant0, ... */
const char *graph_input_name(struct graph *g, enum graph_origin origin);
const char *graph_new_name(struct graph *g, const char *base);
/* "add" of aten::add.Tensor, as FX names what a call makes. */
const char *graph_base_name(const struct graph *g, const struct op *op);
/* A new name for a result: of one result that of the call, of several they are getitem, ... */
const char *graph_result_name(struct graph *g, const struct op *op);
/* Appends a call of `op` on values: types and shapes by its rules; results are new values, dense.
 * The operator writes nothing and is no view of class LIST. For passes that rewrite. */
WARN_UNUSED enum err graph_call(struct graph *g, const struct op *op, const struct op_value *arg,
                                const int *in, int n_in, int *node);

/* A call as the dispatcher sees it, on tensors without memory that lie in `arena`: for shape
 * functions and lowering. Results are made. */
WARN_UNUSED enum err graph_op_call(const struct graph *g, int node, struct arena *arena,
                                   struct op_call *out);
/* Bytes by which graph_op_call moves tensors of a storage up, so that no offset is below 0. */
int64_t graph_shift(const struct graph *g, int storage);
/* Whether values a and b, of one storage, may share an element. */
bool graph_overlap(const struct graph *g, int a, int b);
/* Number of uses by nodes and outputs, per value; in the arena given. NULL: out of memory. */
int *graph_uses(const struct graph *g, struct arena *arena);

/* Every invariant; ERR_FORMAT names node and rule. Run after tracing and after each pass. */
WARN_UNUSED enum err graph_check(const struct graph *g);
/* The graph in FX form, as PyTorch's print_readable(print_output=False) writes it: class header,
 * typed placeholders, "# File:" comments, one line per node, return. `stage` is the class name
 * ("GraphModule"). line[i]: 1-based line of node i (inputs first: see graph_text_lines). */
struct graph_text {
    struct buf text;
    int *node_line;  /* per node; owned */
    int *input_line; /* per value that is no result; owned */
};
WARN_UNUSED enum err graph_print(const struct graph *g, const char *stage, struct graph_text *out);
void graph_text_release(struct graph_text *t);

#endif
