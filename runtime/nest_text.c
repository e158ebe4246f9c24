/* nest_text.c - a nest written as text, and checked.
 *
 *   nest outer 1 inner 1 passes 2
 *   array 0 f32 self
 *   array 1 f32 out written
 *   scalar 0 f32
 *   %0 f32 inner 0 load 0
 *   %1 f32 outer 0 reduce sum %0
 *   %2 f32 inner 1 call sub %0 %1
 *   %3 f32 inner 1 store 1 %2
 */
#include "runtime/nest_fn.h"
#include "runtime/nest_make.h"

#include <string.h>

static const struct {
    const char *name;
    int least, most; /* arguments; -1: as the node says */
} kinds[] = {
    [NEST_CONST] = {"const", 0, 0},
    [NEST_PARAM] = {"scalar", 0, 0},
    [NEST_COORD] = {"at", 0, 0},
    [NEST_SIZE] = {"size", 0, 0},
    [NEST_EXTENT] = {"extent", 0, 0},
    [NEST_COUNT] = {"n", 0, 0},
    [NEST_LINEAR] = {"linear", 0, 0},
    [NEST_LOAD] = {"load", 0, NEST_INDICES},
    [NEST_CALL] = {"call", 1, 3},
    [NEST_ROUND] = {"round", 1, 1},
    [NEST_CAST] = {"cast", 1, 1},
    [NEST_REDUCE] = {"reduce", 1, 1},
    [NEST_SCAN] = {"scan", 1, 1},
    [NEST_RANDOM] = {"random", 1, 1},
    [NEST_STORE] = {"store", 1, 1 + NEST_INDICES},
};
static const char *const folds[] = {"sum", "prod", "max", "min", "any", "all", "argmax", "argmin"};
static const char *const randoms[] = {"uniform", "normal", "word0", "word1", "word2", "word3"};
enum { KINDS = sizeof kinds / sizeof *kinds, FOLDS = sizeof folds / sizeof *folds };
enum { RANDOMS = sizeof randoms / sizeof *randoms };

static void node_text(const struct nest_node *n, struct buf *out)
{
    bool whole = n->type == NEST_I64 || n->type == NEST_U64 || n->type == NEST_B;
    buf_printf(out, " %s", kinds[n->kind].name);
    switch (n->kind) {
    case NEST_CONST:
        if (whole) buf_printf(out, " %lld", (long long)n->value.i);
        else buf_printf(out, " %a", n->value.r);
        break;
    case NEST_PARAM:
    case NEST_COORD:
    case NEST_SIZE:
    case NEST_LOAD: buf_printf(out, " %d", n->index); break;
    case NEST_STORE: buf_printf(out, " %d%s", n->index, n->value.i ? "" : " keeps"); break;
    case NEST_EXTENT: buf_printf(out, " %d %lld", n->index, (long long)n->value.i); break;
    case NEST_CALL: buf_printf(out, " %s", nest_fn_row(n->index)->name); break;
    case NEST_ROUND: buf_printf(out, " %s", dtype_name(n->dtype)); break;
    case NEST_REDUCE:
    case NEST_SCAN: buf_printf(out, " %s", folds[n->index]); break;
    case NEST_RANDOM: buf_printf(out, " %s", randoms[n->index]); break;
    default: break;
    }
}

void nest_text(const struct nest *n, struct buf *out)
{
    buf_printf(out, "nest outer %d inner %d passes %d%s\n", n->n_outer, n->n_inner, n->n_passes,
               n->serial ? " serial" : "");
    for (int i = 0; i < n->n_arrays; i++) {
        const struct nest_array *a = &n->array[i];
        buf_printf(out, "array %d %s %s%s%s", i, dtype_name(a->dtype), a->name,
                   a->written ? " written" : "", a->moves ? " moves" : "");
        if (a->n_indexed) buf_printf(out, " indexed %d", a->n_indexed);
        buf_putc(out, '\n');
    }
    for (int i = 0; i < n->n_params; i++)
        buf_printf(out, "scalar %d %s\n", i, nest_type_name(n->param_type[i]));
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        buf_printf(out, "%%%d %s %s %d", i, nest_type_name(node->type),
                   node->level == NEST_INNER ? "inner" : "outer", node->pass);
        node_text(node, out);
        for (int k = 0; k < node->n_args; k++) buf_printf(out, " %%%d", node->arg[k]);
        buf_putc(out, '\n');
    }
}

/* ---- checking ---- */

#define BAD(...) return err_set(ERR_FORMAT, __VA_ARGS__)

static bool in(int i, int n)
{
    return i >= 0 && i < n;
}

/* The index names something that there is. */
static bool names_something(const struct nest *n, const struct nest_node *node)
{
    switch (node->kind) {
    case NEST_PARAM: return in(node->index, n->n_params);
    case NEST_COORD:
    case NEST_SIZE: return in(node->index, n->n_outer + n->n_inner);
    case NEST_LOAD: return in(node->index, n->n_arrays);
    case NEST_STORE: return in(node->index, n->n_arrays) && n->array[node->index].written;
    case NEST_EXTENT:
        return in(node->index, n->n_arrays) && node->value.i >= 0 &&
               node->value.i < n->array[node->index].n_indexed;
    case NEST_CALL: return in(node->index, NEST_FNS);
    case NEST_REDUCE: return in(node->index, FOLDS);
    case NEST_SCAN: return node->index == NEST_SUM || node->index == NEST_PROD;
    case NEST_RANDOM: return in(node->index, RANDOMS);
    case NEST_ROUND: return node->dtype > DTYPE_NONE && node->dtype < DTYPE_END;
    default: return true;
    }
}

static enum nest_type arg_type(const struct nest *n, const struct nest_node *node, int k)
{
    return n->node[node->arg[k]].type;
}

static bool call_types(const struct nest *n, const struct nest_node *node)
{
    int first = node->index == NEST_FN_where;
    enum nest_type type = arg_type(n, node, first), result;
    if (first && arg_type(n, node, 0) != NEST_B) return false;
    for (int k = first; k < node->n_args; k++)
        if (arg_type(n, node, k) != type) return false;
    return nest_fn_type(node->index, type, &result) && result == node->type &&
           node->n_args == nest_fn_row(node->index)->n_args;
}

static bool fold_types(const struct nest *n, const struct nest_node *node)
{
    enum nest_type type = arg_type(n, node, 0);
    bool is_complex = type == NEST_C64 || type == NEST_C128;
    switch (node->index) {
    case NEST_ARGMAX:
    case NEST_ARGMIN: return node->type == NEST_I64 && !is_complex;
    case NEST_ANY:
    case NEST_ALL: return node->type == NEST_B && type == NEST_B;
    case NEST_MAX:
    case NEST_MIN: return node->type == type && !is_complex;
    default: return node->type == type && type != NEST_B;
    }
}

static bool types_fit(const struct nest *n, const struct nest_node *node)
{
    int first = node->kind == NEST_STORE;
    switch (node->kind) {
    case NEST_PARAM: return node->type == n->param_type[node->index];
    case NEST_COORD:
    case NEST_SIZE:
    case NEST_EXTENT:
    case NEST_COUNT:
    case NEST_LINEAR: return node->type == NEST_I64;
    case NEST_CALL: return call_types(n, node);
    case NEST_ROUND:
        return node->type == arg_type(n, node, 0) || node->type == nest_type_of(node->dtype);
    case NEST_REDUCE:
    case NEST_SCAN: return fold_types(n, node);
    case NEST_LOAD:
    case NEST_STORE:
        if (first && node->type != arg_type(n, node, 0)) return false;
        for (int k = first; k < node->n_args; k++)
            if (arg_type(n, node, k) != NEST_I64) return false;
        return node->n_args - first == n->array[node->index].n_indexed;
    case NEST_RANDOM:
        return arg_type(n, node, 0) == NEST_I64 &&
               (node->index >= NEST_WORD ? node->type == NEST_I64
                                         : node->type == NEST_F32 || node->type == NEST_F64);
    default: return true;
    }
}

/* The level is that of the deepest argument or deeper, and the pass comes late enough. */
static bool placed_well(const struct nest *n, const struct nest_node *node)
{
    bool reduces = node->kind == NEST_REDUCE, scans = node->kind == NEST_SCAN;
    if (node->level == NEST_INNER && !n->n_inner) return false;
    if (reduces && (node->level != NEST_OUTER || !n->n_inner)) return false;
    if (scans && node->level != NEST_INNER) return false;
    if ((reduces || (node->kind == NEST_STORE && node->level == NEST_INNER)) &&
        node->pass >= n->n_passes)
        return false;
    for (int k = 0; k < node->n_args; k++) {
        const struct nest_node *a = &n->node[node->arg[k]];
        if (a->level > node->level && !reduces) return false;
        if (node->pass < a->pass + (a->kind == NEST_REDUCE)) return false;
    }
    return node->pass >= 0 && node->pass <= n->n_passes;
}

static enum err check_node(const struct nest *n, int i)
{
    const struct nest_node *node = &n->node[i];
    if (!in((int)node->kind, KINDS) || !in((int)node->type, NEST_TYPES))
        BAD("node %%%d of a nest has no kind or type", i);
    if (node->n_args < kinds[node->kind].least || node->n_args > kinds[node->kind].most)
        BAD("node %%%d of a nest (%s) has %d arguments", i, kinds[node->kind].name, node->n_args);
    for (int k = 0; k < node->n_args; k++)
        if (!in(node->arg[k], i) || n->node[node->arg[k]].kind == NEST_STORE)
            BAD("node %%%d of a nest takes node %%%d, which is not an earlier value", i,
                node->arg[k]);
    if (!names_something(n, node))
        BAD("node %%%d of a nest (%s) names number %d, which is not there", i,
            kinds[node->kind].name, node->index);
    if (!types_fit(n, node))
        BAD("node %%%d of a nest (%s) has arguments or a result of the wrong type", i,
            kinds[node->kind].name);
    if (!placed_well(n, node))
        BAD("node %%%d of a nest (%s) stands at a level or in a pass too early", i,
            kinds[node->kind].name);
    return ERR_OK;
}

enum err nest_verify(const struct nest *n)
{
    bool stores = false;
    if (n->n_outer < 0 || n->n_inner < 0 || n->n_outer + n->n_inner > NEST_LOOPS)
        BAD("a nest has %d and %d loops", n->n_outer, n->n_inner);
    if (!in(n->n_arrays, NEST_ARRAYS + 1) || !in(n->n_params, NEST_PARAMS + 1))
        BAD("a nest has %d arrays and %d scalars", n->n_arrays, n->n_params);
    for (int i = 0; i < n->n_nodes; i++) {
        TRY(check_node(n, i));
        if (stores && n->node[i].kind != NEST_STORE)
            BAD("node %%%d of a nest comes after a store", i);
        stores |= n->node[i].kind == NEST_STORE;
    }
    if (!stores) BAD("a nest stores nothing");
    return ERR_OK;
}
