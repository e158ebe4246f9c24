/* print_c.c - a loop nest as C text.
 *
 *   flat nest                          nest with inner loops
 *     for each row                       for each row
 *       for i in [low, high)               outer values
 *         nodes, stores                    for each pass
 *                                            for each chunk of 1024 points
 *                                              phase 0: for each run of points: nodes, stores
 *                                              folds of the chunk, scans of the chunk, phase 1 ...
 *                                            ends of folds, outer values
 *                                          outer stores
 *
 * Terms of a float reduction go to a buffer that kernels/exact_reduce.h folds, unless they lie in
 * memory just so. Sizes and general strides are numbers of the call; stride classes, the number of
 * loops and a short inner length are part of the text. A scan of floats makes a phase: what needs
 * its values runs in a second loop over the chunk.
 */
#include "runtime/print_c.h"

#include "kernels/prelude.h"
#include "runtime/print_c_fold.h"
#include "runtime/print_c_loop.h"

#include <stdio.h>
#include <stdlib.h>

static const char head[] =
    "typedef struct {\n"
    "    void *base[24];\n"
    "    const i64 *number;\n"
    "    const void *param;\n"
    "    u64 seed, stream;\n"
    "    i64 *fault;\n"
    "} x_call;\n"
    "static __attribute__((noinline, cold, unused)) void x_fault(const x_call *a, i64 array,\n"
    "                                                            i64 position, i64 index,\n"
    "                                                            i64 size)\n"
    "{\n"
    "    i64 unset = 0;\n"
    "    if (!__atomic_compare_exchange_n(a->fault, &unset, 1, 0, __ATOMIC_RELAXED,\n"
    "                                     __ATOMIC_RELAXED))\n"
    "        return;\n"
    "    a->fault[1] = array;\n"
    "    a->fault[2] = position;\n"
    "    a->fault[3] = index;\n"
    "    a->fault[4] = size;\n"
    "}\n"
    "#ifdef __clang__\n"
    "#define X_FREE _Pragma(\"clang loop vectorize(assume_safety)\")\n"
    "#else\n"
    "#define X_FREE _Pragma(\"GCC ivdep\")\n"
    "#endif\n";
_Static_assert(NEST_ARRAYS == 24, "the text's x_call has 24 arrays");

/* The state of one pass. */
struct pass {
    int number;
    bool *needed; /* per node */
    int *phase;   /* per node */
    int n_phases;
};

static bool is_float(enum nest_type t)
{
    return t == NEST_F32 || t == NEST_F64;
}
static bool is_complex(enum nest_type t)
{
    return t == NEST_C64 || t == NEST_C128;
}

/* ---- what the interpreter is left with ---- */

enum err print_c_check(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        bool folds = node->kind == NEST_REDUCE || node->kind == NEST_SCAN;
        if (folds && is_complex(node->type) && (node->index != NEST_SUM || node->kind == NEST_SCAN))
            FAIL(ERR_UNSUPPORTED, "products and scans of complex numbers are not printed");
    }
    return ERR_OK;
}

/* ---- flat nests ---- */

/* Loads that do not move with the innermost loop stand before it. */
static void print_fixed_loads(struct printer *p, const bool *needed)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        int last = print_last_loop(p, node);
        if (!needed[i] || node->kind != NEST_LOAD || node->n_args || p->n->serial) continue;
        if (last >= 0 && !p->s->stride[node->index][last]) print_node(p, i);
    }
}

static void print_flat(struct printer *p)
{
    const struct nest *n = p->n;
    int last = p->s->n_outer - 1;
    print_numbers(p);
    print_coordinates(p, 0, last, "row");
    print_line(p, "for (; row < end; row++) {");
    p->indent++;
    print_rows(p, last, NULL);
    bool all[NEST_NODES];
    for (int i = 0; i < n->n_nodes; i++) all[i] = true;
    print_fixed_loads(p, all);
    print_loop_head(p, "low", "high");
    for (int i = 0; i < n->n_nodes; i++)
        if (!p->printed[i]) print_node(p, i);
    print_close(p);
    print_advance(p, 0, last);
    print_close(p);
}

/* ---- passes ---- */

static bool is_scan_of_floats(const struct nest_node *node)
{
    return node->kind == NEST_SCAN && is_float(node->type);
}

static bool is_target(const struct nest_node *node)
{
    return node->kind == NEST_REDUCE || (node->kind == NEST_STORE && node->level == NEST_INNER);
}

/* A reduction of an earlier pass whose buffer of terms still holds values of the node, where rows
 * are one chunk; -1: the node is computed anew. The buffer is a load, the node may be an exp. */
static int kept_in(const struct printer *p, int pass, int node)
{
    if (p->s->length == SHAPE_LONG || p->n->node[node].kind == NEST_SCAN) return -1;
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *fold = &p->n->node[i];
        if (fold->kind == NEST_REDUCE && fold->pass < pass && fold->arg[0] == node &&
            is_float(p->n->node[node].type) && !print_fold_is_direct(p, i))
            return i;
    }
    return -1;
}

/* Which nodes the pass needs, and in which of its phases they run. */
static void plan_pass(const struct printer *p, struct pass *pass)
{
    const struct nest *n = p->n;
    pass->n_phases = 1;
    for (int i = 0; i < n->n_nodes; i++)
        pass->needed[i] = is_target(&n->node[i]) && n->node[i].pass == pass->number;
    for (int i = n->n_nodes - 1; i >= 0; i--) {
        bool kept = pass->needed[i] && kept_in(p, pass->number, i) >= 0;
        for (int k = 0; pass->needed[i] && !kept && k < n->node[i].n_args; k++)
            if (n->node[n->node[i].arg[k]].level == NEST_INNER)
                pass->needed[n->node[i].arg[k]] = true;
    }
    for (int i = 0; i < n->n_nodes; i++) {
        pass->phase[i] = 0;
        for (int k = 0; pass->needed[i] && k < n->node[i].n_args; k++) {
            int a = n->node[i].arg[k];
            if (n->node[a].level != NEST_INNER) continue;
            int phase = pass->phase[a] + is_scan_of_floats(&n->node[a]);
            if (phase > pass->phase[i]) pass->phase[i] = phase;
        }
        if (pass->needed[i] && pass->phase[i] >= pass->n_phases)
            pass->n_phases = pass->phase[i] + 1;
    }
    for (int i = 0; i < n->n_nodes; i++) /* a result may lie where an argument is read again */
        if (n->node[i].kind == NEST_STORE) pass->phase[i] = pass->n_phases - 1;
}

/* What the loop of a phase evaluates; false: nothing. Values of earlier phases' scans are there. */
static bool loop_nodes(const struct printer *p, const struct pass *pass, int phase, bool *in)
{
    const struct nest *n = p->n;
    bool any = false;
    for (int i = 0; i < n->n_nodes; i++) {
        bool makes = is_target(&n->node[i]) || is_scan_of_floats(&n->node[i]);
        bool direct = n->node[i].kind == NEST_REDUCE && print_fold_is_direct(p, i);
        in[i] = pass->needed[i] && makes && !direct && pass->phase[i] == phase;
        any |= in[i];
    }
    for (int i = n->n_nodes - 1; i >= 0; i--) {
        bool there = is_scan_of_floats(&n->node[i]) && pass->phase[i] < phase;
        if (in[i]) there |= kept_in(p, pass->number, i) >= 0;
        for (int k = 0; in[i] && !there && k < n->node[i].n_args; k++)
            if (n->node[n->node[i].arg[k]].level == NEST_INNER) in[n->node[i].arg[k]] = true;
    }
    return any;
}

static void loop_body(struct printer *p, const struct pass *pass, int phase, const bool *in)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (!in[i] || p->printed[i]) continue;
        int kept = kept_in(p, pass->number, i);
        if (kept >= 0)
            print_line(p, "const %s v%d = t%d[at + i];", print_type(node->type), i, kept);
        else if (node->kind == NEST_REDUCE) print_fold_term(p, i);
        else if (is_scan_of_floats(node) && pass->phase[i] == phase)
            print_line(p, "y%d[at + i] = v%d;", i, node->arg[0]);
        else if (node->kind == NEST_SCAN && !is_float(node->type))
            print_line(p, "const %s v%d = k%d = x_%s%s(k%d, v%d);", print_type(node->type), i, i,
                       node->index == NEST_SUM ? "add" : "mul", print_ending(node->type), i,
                       node->arg[0]);
        else print_node(p, i);
    }
}

static void forget_inner(struct printer *p)
{
    for (int i = 0; i < p->n->n_nodes; i++)
        if (p->n->node[i].level == NEST_INNER) p->printed[i] = false;
}

/* Runs of points along the last inner loop, through one chunk. */
static void print_runs(struct printer *p, const struct pass *pass, int phase, const bool *in)
{
    int first = p->s->n_outer, end = print_loops(p);
    bool many = end - first > 1;
    print_line(p, "{");
    p->indent++;
    if (many) {
        print_coordinates(p, first, end, "c");
        print_line(p, "for (i64 at = 0; at < m;) {");
        p->indent++;
        print_line(p, "i64 run = n%d - d%d < m - at ? n%d - d%d : m - at;", end - 1, end - 1,
                   end - 1, end - 1);
    } else print_line(p, "const i64 at = 0;");
    print_run(p, "c");
    print_fixed_loads(p, in);
    print_loop_head(p, "0", many ? "run" : "m");
    loop_body(p, pass, phase, in);
    print_close(p);
    if (many) {
        print_line(p, "at += run, d%d += run - 1;", end - 1);
        print_advance(p, first, end);
        print_close(p);
    }
    print_close(p);
    forget_inner(p);
}

/* Once for all passes: more than one may run it. */
static void declare_scans(struct printer *p)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        const char *type = print_type(node->type);
        if (node->kind != NEST_SCAN) continue;
        if (!is_float(node->type)) {
            print_line(p, "%s k%d;", type, i);
            continue;
        }
        print_line(p, "%s y%d[1024] __attribute__((aligned(64)));", type, i);
        print_line(p, "x_scan%s z%d;", print_ending(node->type), i);
    }
}

static void begin_scan(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    if (is_float(node->type)) print_line(p, "x_scan_begin%s(&z%d);", print_ending(node->type), i);
    else print_line(p, "k%d = %d;", i, node->index == NEST_PROD);
}

static void push_scan(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    print_line(p, "x_%s_push%s(&z%d, y%d, y%d, m);", node->index == NEST_SUM ? "cumsum" : "cumprod",
               print_ending(node->type), i, i, i);
}

static void print_pass(struct printer *p, struct pass *pass, bool *in)
{
    const struct nest *n = p->n;
    plan_pass(p, pass);
    for (int i = 0; i < n->n_nodes; i++) {
        if (!pass->needed[i]) continue;
        if (n->node[i].kind == NEST_REDUCE) print_fold_declare(p, i);
        if (n->node[i].kind == NEST_SCAN) begin_scan(p, i);
    }
    print_open_chunks(p);
    for (int phase = 0; phase < pass->n_phases; phase++) {
        if (loop_nodes(p, pass, phase, in)) print_runs(p, pass, phase, in);
        for (int i = 0; i < n->n_nodes; i++) {
            if (!pass->needed[i] || pass->phase[i] != phase) continue;
            if (n->node[i].kind == NEST_REDUCE) print_fold_push(p, i);
            if (is_scan_of_floats(&n->node[i])) push_scan(p, i);
        }
    }
    print_close(p);
    for (int i = 0; i < n->n_nodes; i++)
        if (pass->needed[i] && n->node[i].kind == NEST_REDUCE) print_fold_end(p, i);
}

static void print_outer(struct printer *p, int pass, bool stores)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (node->level != NEST_OUTER || node->kind == NEST_REDUCE || p->printed[i]) continue;
        if ((node->kind == NEST_STORE) == stores && (stores || node->pass == pass))
            print_node(p, i);
    }
}

static bool runs_along(const struct printer *p, int row)
{
    int last = p->s->n_outer - 1, inner = p->s->n_outer;
    return print_row_is_read(p, row) && p->s->stride[row][inner] == 1 && p->s->stride[row][last];
}

/* Rows of at most a chunk: what the processor guesses of memory ends with the row, or page, so the
 * next one is asked for while this one is worked on. (Of two arrays that is too much at once: it
 * took a sixth off a layer norm and added a tenth to its gradient.) */
static void print_prefetch(struct printer *p)
{
    int last = p->s->n_outer - 1, row = -1, n = 0;
    if (p->s->length != SHAPE_CHUNK || p->s->n_inner > 1 || last < 0) return;
    for (int r = 0; r < p->n->n_arrays; r++)
        if (runs_along(p, r)) row = r, n++;
    if (n != 1) return;
    print_line(p, "for (i64 i = 0; i < n%d; i += %d)", last + 1,
               64 / (int)dtype_size(p->n->array[row].dtype));
    if (p->s->stride[row][last] == 1) print_line(p, "    __builtin_prefetch(p%d + 1 + i);", row);
    else print_line(p, "    __builtin_prefetch(p%d + s%d_%d + i);", row, row, last);
}

static void print_nested(struct printer *p, struct pass *pass, bool *in)
{
    print_numbers(p);
    print_coordinates(p, 0, p->s->n_outer, "row");
    print_line(p, "for (; row < end; row++) {");
    p->indent++;
    print_rows(p, p->s->n_outer, NULL);
    print_prefetch(p);
    declare_scans(p);
    for (int k = 0; k < p->n->n_passes; k++) {
        print_outer(p, k, false);
        pass->number = k;
        print_pass(p, pass, in);
    }
    print_outer(p, p->n->n_passes, false);
    print_outer(p, p->n->n_passes, true);
    print_advance(p, 0, p->s->n_outer);
    print_close(p);
}

/* gcc 12 vectorises a product of complex numbers with vfmaddsub, -ffp-contract=off or not: two
 * roundings become one. So texts with loops of complex numbers stay scalar. */
bool print_c_is_scalar(const struct nest *n)
{
    bool any = false;
    for (int i = 0; i < n->n_nodes; i++) any |= is_complex(n->node[i].type);
    return any;
}

/* gcc 12 keeps more constants in registers than there are when it moves partial redundancies, and
 * spills: a gelu took 2.4 ns so and takes 1.9. */
void print_c_prelude(bool scalar, struct buf *out)
{
    buf_printf(out,
               "#ifndef __clang__\n"
               "#pragma GCC optimize(\"no-tree-pre\", \"live-range-shrinkage\"%s)\n"
               "#endif\n",
               scalar ? ", \"no-tree-vectorize\"" : "");
    buf_puts(out, prelude_c_text());
    buf_puts(out, head);
}

static enum err print_body(struct printer *p)
{
    size_t count = (size_t)p->n->n_nodes;
    enum err err = ERR_OK;
    bool *flags = calloc(count, 3 * sizeof *flags);
    struct pass pass = {.phase = calloc(count, sizeof(int))};
    if (flags && pass.phase) {
        p->printed = flags;
        pass.needed = flags + count;
        if (p->s->tile) err = print_tiled(p);
        else if (p->n->n_inner) print_nested(p, &pass, flags + 2 * count);
        else print_flat(p);
    } else err = err_set(ERR_NOMEM, "out of memory for printing a loop nest");
    free(flags);
    free(pass.phase);
    return err;
}

enum err print_c_function(const struct nest *n, const struct nest_shape *s, const char *storage,
                          const char *name, struct buf *out)
{
    struct printer p = {.n = n, .s = s, .out = out};
    TRY(print_c_check(n));
    print_line(&p, "%svoid %s(const x_call *a, i64 row, i64 end, i64 low, i64 high)", storage,
               name);
    print_line(&p, "{");
    p.indent++;
    enum err err = print_body(&p);
    print_close(&p);
    return err ? err : buf_ok(out);
}

enum err print_c(const struct nest *n, const struct nest_shape *s, struct buf *out)
{
    TRY(print_c_check(n));
    print_c_prelude(print_c_is_scalar(n), out);
    return print_c_function(n, s, "", "plumb_kernel", out);
}

int print_c_numbers(const struct nest *n, const struct nest_plan *p, const struct nest_shape *s,
                    int64_t *number)
{
    const int64_t *begin = number;
    int loops = s->n_outer + s->n_inner;
    for (int d = 0; d < loops; d++) *number++ = s->size[d];
    for (int r = 0; r < s->n_rows; r++)
        for (int d = 0; d < loops; d++) *number++ = s->stride[r][d];
    *number++ = n->n_inner ? s->points : 1;
    for (int d = 0; d < p->n_outer + p->n_inner; d++) *number++ = p->size[d];
    for (int i = 0; i < n->n_arrays; i++) {
        for (int k = 0; k < n->array[i].n_indexed; k++) *number++ = p->lie[i].index_stride[k];
        for (int k = 0; k < n->array[i].n_indexed; k++) *number++ = p->lie[i].index_size[k];
    }
    return (int)(number - begin);
}
