/* code_gpu_body.c - one kernel's body in CUDA C and OpenCL C, which spell it alike.
 *
 *   flat nest     point = first work-item of the group + ..., in steps of all work-items
 *   inner loops   row (or 16 columns) = number of the group, in steps of all groups
 *                   outer values, by every work-item
 *                   for each pass, each chunk (or two at once)
 *                     for each lane of mine, for each point of the lane: nodes, terms, stores
 *                     lanes are folded
 *                   outer stores, by one work-item
 *
 * Lane l of a chunk has its points l, l + 128, ...; a work-item has the same lanes in every loop,
 * so that what it wrote for a point it alone reads again. A scan makes a phase: what needs its
 * values runs in a second loop. Barriers stand where all work-items pass: bounds of the loops
 * around them are the same for all.
 *
 * Names as in print_c_node.h; e7 (g7) the lanes of node 7's reduction in local memory, h7 partials
 * of its chunks, t7 a lane's value under way, y7 a chunk of node 7's scan, z7 its state; b2 what is
 * left of a point's number behind loop 2.
 */
#include "runtime/compile/code_gpu.h"

#include "runtime/print_c_loop.h"

#include <stdio.h>
#include <stdlib.h>

/* What runs in the pass under way. */
struct pass {
    int number, n_phases;
    bool *needed, *in; /* per node: of the pass, of the loop under way */
    int *phase;
};

int gpu_param_at(const struct nest *n, const struct nest_shape *s)
{
    return print_index_number(n, s, n->n_arrays);
}

int gpu_numbers(const struct nest *n, const struct nest_shape *s)
{
    return gpu_param_at(n, s) + n->n_params + 2;
}

void gpu_print_argument(struct buf *out, const struct nest *n, int array, const char *prefix)
{
    const struct nest_array *a = &n->array[array];
    buf_printf(out, "X_GLOBAL %s%s *%s%d", a->written ? "" : "const ", print_stored(a->dtype),
               prefix, array);
}

int gpu_lanes(const struct nest_shape *s)
{
    int lanes = 1;
    if (s->length != SHAPE_KNOWN) return 128;
    while (lanes < s->points && lanes < 128) lanes *= 2;
    return lanes;
}

enum { COLUMNS = 16, COLUMN_ROOM = 32768 };
_Static_assert(COLUMNS == 16, "gpu_body.scale says so");

int gpu_columns(const struct nest *n, const struct nest_shape *s)
{
    int size = 0;
    if (!s->tile || s->n_inner != 1) return 1;
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        if (node->kind == NEST_REDUCE) /* lanes, and the partials of long rows */
            size += 128 * COLUMNS * (s->length == SHAPE_LONG ? 2 : 1) *
                    (int)dtype_size(nest_type_dtype(n->node[node->arg[0]].type));
        if (node->kind == NEST_SCAN || (node->kind == NEST_LOAD && node->n_args)) return 1;
    }
    return size <= COLUMN_ROOM ? COLUMNS : 1;
}

static bool is_place(const struct nest_node *node)
{
    return node->kind == NEST_LINEAR || node->kind == NEST_COORD;
}

/* Whether a node of those marked in `in` (NULL: of all) reads or writes the row. */
static bool row_used(const struct printer *p, int row, const bool *in)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (in && (!in[i] || node->level != NEST_INNER)) continue;
        if ((node->kind == NEST_LOAD || node->kind == NEST_STORE) && node->index == row)
            return true;
        if (is_place(node) &&
            nest_shape_place(p->n, p->s, node->kind == NEST_LINEAR ? -1 : node->index) == row)
            return true;
    }
    return false;
}

static void add_offset(struct printer *p, int row, int loop, const char *at)
{
    int64_t stride = p->s->stride[row][loop];
    if (stride == 1) buf_printf(p->out, " + %s", at);
    else if (stride) buf_printf(p->out, " + %s * s%d_%d", at, row, loop);
}

/* Where each row is at coordinates of loops [first, end): pointers and places are named by `to`
 * (pointer, place) and begin at `from`. */
struct rows {
    int first, end;
    const bool *in; /* nodes that want them; NULL: all */
    char from_pointer, from_place, to_pointer, to_place;
    const char *at; /* the coordinate where there is one loop alone; NULL: d<loop> */
};
static void print_pointers(struct printer *p, const struct rows *w)
{
    char at[32];
    for (int r = 0; r < p->s->n_rows; r++) {
        if (!row_used(p, r, w->in)) continue;
        for (int k = 0; k < p->indent; k++) buf_puts(p->out, "    ");
        if (r < p->n->n_arrays) {
            gpu_print_argument(p->out, p->n, r, (char[2]){w->to_pointer, 0});
            buf_printf(p->out, " = %c%d", w->from_pointer, r);
        } else if (w->from_place)
            buf_printf(p->out, "const i64 %c%d = %c%d", w->to_place, r, w->from_place, r);
        else buf_printf(p->out, "const i64 %c%d = 0", w->to_place, r);
        for (int d = w->first; d < w->end; d++) {
            snprintf(at, sizeof at, "d%d", d);
            add_offset(p, r, d, w->at ? w->at : at);
        }
        buf_puts(p->out, ";\n");
    }
}

static void print_product(struct printer *p, const char *name, int first, int end)
{
    for (int k = 0; k < p->indent; k++) buf_puts(p->out, "    ");
    buf_printf(p->out, "const i64 %s = ", name);
    if (first == end) buf_putc(p->out, '1');
    for (int d = first; d < end; d++) buf_printf(p->out, "%sn%d", d > first ? " * " : "", d);
    buf_puts(p->out, ";\n");
}

/* ---- flat nests ---- */

static void print_flat(struct printer *p)
{
    int loops = p->s->n_outer;
    print_numbers(p);
    print_product(p, "points", 0, loops);
    print_line(p, "for (i64 i = group * X_LSIZE + X_LID; i < points; i += groups * X_LSIZE) {");
    p->indent++;
    if (loops > 1) print_coordinates(p, 0, loops, "i");
    print_pointers(p, &(struct rows){0, loops, NULL, 'a', 0, 'p', 'q', loops > 1 ? NULL : "i"});
    for (int i = 0; i < p->n->n_nodes; i++)
        if (!p->printed[i]) print_node(p, i);
    print_close(p);
}

/* ---- passes ---- */

static bool is_target(const struct nest_node *node)
{
    return node->kind == NEST_REDUCE || (node->kind == NEST_STORE && node->level == NEST_INNER);
}

/* Which nodes the pass needs, and in which of its phases they run. */
static void plan_pass(const struct nest *n, struct pass *pass)
{
    pass->n_phases = 1;
    for (int i = 0; i < n->n_nodes; i++)
        pass->needed[i] = is_target(&n->node[i]) && n->node[i].pass == pass->number;
    for (int i = n->n_nodes - 1; i >= 0; i--)
        for (int k = 0; pass->needed[i] && k < n->node[i].n_args; k++)
            if (n->node[n->node[i].arg[k]].level == NEST_INNER)
                pass->needed[n->node[i].arg[k]] = true;
    for (int i = 0; i < n->n_nodes; i++) {
        pass->phase[i] = 0;
        for (int k = 0; pass->needed[i] && k < n->node[i].n_args; k++) {
            int a = n->node[i].arg[k];
            if (n->node[a].level != NEST_INNER) continue;
            int phase = pass->phase[a] + (n->node[a].kind == NEST_SCAN);
            if (phase > pass->phase[i]) pass->phase[i] = phase;
        }
        if (pass->needed[i] && pass->phase[i] >= pass->n_phases)
            pass->n_phases = pass->phase[i] + 1;
    }
    for (int i = 0; i < n->n_nodes; i++) /* a result may lie where an argument is read again */
        if (n->node[i].kind == NEST_STORE) pass->phase[i] = pass->n_phases - 1;
}

/* What the loop of a phase evaluates; false: nothing. Values of earlier phases' scans are there. */
static bool loop_nodes(const struct nest *n, struct pass *pass, int phase)
{
    bool any = false, *in = pass->in;
    for (int i = 0; i < n->n_nodes; i++) {
        bool makes = is_target(&n->node[i]) || n->node[i].kind == NEST_SCAN;
        in[i] = pass->needed[i] && makes && pass->phase[i] == phase;
        any |= in[i];
    }
    for (int i = n->n_nodes - 1; i >= 0; i--) {
        bool scanned = n->node[i].kind == NEST_SCAN && pass->phase[i] < phase;
        for (int k = 0; in[i] && !scanned && k < n->node[i].n_args; k++)
            if (n->node[n->node[i].arg[k]].level == NEST_INNER) in[n->node[i].arg[k]] = true;
    }
    return any;
}

static void loop_body(struct gpu_body *b, const struct pass *pass, int phase)
{
    struct printer *p = &b->p;
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (!pass->in[i] || p->printed[i]) continue;
        if (node->kind == NEST_REDUCE) gpu_fold_term(b, i);
        else if (node->kind == NEST_SCAN && pass->phase[i] == phase)
            print_line(p, "y%d[i - c] = %sv%d;", i, node->type == NEST_I64 ? "(u64)" : "",
                       node->arg[0]);
        else print_node(p, i);
    }
    for (int i = 0; i < p->n->n_nodes; i++)
        if (p->n->node[i].level == NEST_INNER) p->printed[i] = false;
}

/* Chunk number t / lanes of those under way, lane t % lanes of it. */
static void print_lanes(struct gpu_body *b, const struct pass *pass, int phase, bool two)
{
    struct printer *p = &b->p;
    int first = p->s->n_outer, end = print_loops(p);
    print_line(p, "for (i64 t = %s; t < %d%s%s; t += %s) {", b->me, gpu_lanes(p->s),
               two ? " * chunks" : "", b->columns > 1 ? " && inside" : "", b->many);
    p->indent++;
    if (two) {
        print_line(p, "const i64 from = c + t / 128 * 1024;");
        print_line(p, "const i64 to = count - from < 1024 ? count : from + 1024;");
    } else print_line(p, "const i64 from = c, to = c + m;");
    gpu_fold_lane_begin(b, pass->in);
    print_line(p, "for (i64 i = from + t %% %d; i < to; i += %d) {", gpu_lanes(p->s),
               gpu_lanes(p->s));
    p->indent++;
    if (end - first > 1) print_coordinates(p, first, end, "i");
    print_pointers(
        p, &(struct rows){first, end, pass->in, 'p', 'q', 'r', 'w', end - first > 1 ? NULL : "i"});
    loop_body(b, pass, phase);
    print_close(p);
    gpu_fold_lane_end(b, pass->in);
    print_close(p);
}

/* Two chunks at once where a group is large enough and no scan goes from one to the next. */
static void open_chunks(struct printer *p, bool two)
{
    int count = (1 + p->s->n_rows) * print_loops(p);
    if (p->s->length == SHAPE_KNOWN)
        print_line(p, "const i64 count = %lld, c = 0, m = count;", (long long)p->s->points);
    else print_line(p, "const i64 count = a->number[%d];", count);
    if (p->s->length == SHAPE_CHUNK) print_line(p, "const i64 c = 0, m = count;");
    if (p->s->length != SHAPE_LONG) {
        print_line(p, "{");
    } else if (two) {
        print_line(p, "const i64 chunks = X_LSIZE >= 256 ? 2 : 1;");
        print_line(p, "for (i64 c = 0; c < count; c += 1024 * chunks) {");
    } else {
        print_line(p, "for (i64 c = 0; c < count; c += 1024) {");
        print_line(p, "    const i64 chunks = 1, m = count - c < 1024 ? count - c : 1024;");
    }
    p->indent++;
}

static bool has(const struct nest *n, const bool *in, enum nest_node_kind kind)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (in[i] && n->node[i].kind == kind) return true;
    return false;
}

static void scan_chunk(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    bool wraps = node->type == NEST_I64;
    const char *end = wraps ? "_u" : print_ending(node->type);
    print_line(p, "x_%s_group%s(y%d, z%d, c, m);", node->index == NEST_SUM ? "cumsum" : "cumprod",
               end, i, i);
}

static void print_pass(struct gpu_body *b, struct pass *pass)
{
    struct printer *p = &b->p;
    const struct nest *n = p->n;
    plan_pass(n, pass);
    bool scans = has(n, pass->needed, NEST_SCAN), folds = has(n, pass->needed, NEST_REDUCE);
    bool two = p->s->length == SHAPE_LONG && !scans && b->columns == 1;
    print_line(p, "/* pass %d */", pass->number);
    b->room = 0;
    for (int i = 0; i < n->n_nodes; i++) /* their names outlive the pass */
        if (pass->needed[i] && n->node[i].kind == NEST_REDUCE)
            print_line(p, "%s v%d;", print_type(n->node[i].type), i);
    print_line(p, "{");
    p->indent++;
    gpu_fold_begin(b, pass->needed);
    open_chunks(p, two);
    for (int phase = 0; phase < pass->n_phases; phase++) {
        if (loop_nodes(n, pass, phase)) print_lanes(b, pass, phase, two);
        for (int i = 0; i < n->n_nodes; i++)
            if (pass->needed[i] && pass->phase[i] == phase && n->node[i].kind == NEST_SCAN)
                scan_chunk(p, i);
    }
    gpu_fold_chunk_end(b, pass->needed);
    print_close(p);
    gpu_fold_end(b, pass->needed);
    if (folds || scans) print_line(p, "X_BARRIER();");
    print_close(p);
    if (b->room > b->max_room) b->max_room = b->room;
}

static bool stores_outside(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_STORE && n->node[i].level == NEST_OUTER) return true;
    return false;
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

/* The outer point of a work-item: a row of the group, or a column beside its neighbours'. A group's
 * last columns may be outside: these read what the last one reads and write nothing. */
static void print_outer_point(struct gpu_body *b)
{
    struct printer *p = &b->p;
    int outer = p->s->n_outer, last = outer - 1;
    print_product(p, "rows", 0, b->columns > 1 ? last : outer);
    if (b->columns == 1) {
        print_line(p, "for (i64 row = group; row < rows; row += groups) {");
        p->indent++;
        if (outer > 1) print_coordinates(p, 0, outer, "row");
        return;
    }
    print_line(p, "const i64 column = X_LID %% %d, me = X_LID / %d, many = X_LSIZE / %d;", COLUMNS,
               COLUMNS, COLUMNS);
    print_line(p, "const i64 tiles = (n%d + %d) / %d;", last, COLUMNS - 1, COLUMNS);
    print_line(p, "for (i64 tile = group; tile < rows * tiles; tile += groups) {");
    p->indent++;
    print_line(p, "const i64 row = x_div(tile, tiles), j = (tile - row * tiles) * %d + column;",
               COLUMNS);
    print_line(p, "const i32 inside = j < n%d;", last);
    print_coordinates(p, 0, last, "row");
    print_line(p, "const i64 d%d = inside ? j : n%d - 1;", last, last);
}

static void print_nested(struct gpu_body *b, struct pass *pass)
{
    struct printer *p = &b->p;
    int outer = p->s->n_outer;
    bool by_row = b->columns == 1 && outer == 1;
    print_numbers(p);
    print_outer_point(b);
    print_pointers(p, &(struct rows){0, outer, NULL, 'a', 0, 'p', 'q', by_row ? "row" : NULL});
    for (int k = 0; k < p->n->n_passes; k++) {
        print_outer(p, k, false);
        pass->number = k;
        print_pass(b, pass);
    }
    print_outer(p, p->n->n_passes, false);
    if (stores_outside(p->n)) {
        print_line(p, "X_BARRIER();"); /* nobody reads any more what they overwrite */
        print_line(p, "if (%s == 0%s) {", b->me, b->columns > 1 ? " && inside" : "");
        p->indent++;
        print_outer(p, p->n->n_passes, true);
        print_close(p);
    }
    print_close(p);
}

/* ---- the function ---- */

static enum err check(const struct code_kernel *k)
{
    const struct nest *n = k->nest;
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_SCAN && n->node[i].type == NEST_B)
            FAIL(ERR_UNSUPPORTED, "%s: scans of truth values are not printed", k->name);
    return ERR_OK;
}

static void print_head(struct buf *out, const struct code_kernel *k)
{
    buf_printf(out, "X_FN void %s_body(const x_call *a, i64 group, i64 groups, X_LP i64 *room",
               k->name);
    for (int i = 0; i < k->nest->n_arrays; i++) {
        buf_puts(out, ",\n        ");
        gpu_print_argument(out, k->nest, i, "a");
    }
    buf_puts(out, ")\n");
}

enum err gpu_print_body(const struct code_kernel *k, struct buf *out, int *room)
{
    size_t count = (size_t)k->nest->n_nodes;
    enum err err = ERR_OK;
    TRY(check(k));
    bool *flags = calloc(count, 3 * sizeof *flags);
    int *numbers = calloc(count, sizeof *numbers);
    struct gpu_body b = {.p = {.n = k->nest, .s = &k->shape, .out = out, .printed = flags},
                         .columns = gpu_columns(k->nest, &k->shape)};
    if (flags && numbers) {
        struct pass pass = {.needed = flags + count, .in = flags + 2 * count, .phase = numbers};
        b.me = b.columns > 1 ? "me" : "X_LID";
        b.many = b.columns > 1 ? "many" : "X_LSIZE";
        b.scale = b.columns > 1 ? " * 16" : "";
        b.p.group = true;
        b.p.param_at = gpu_param_at(k->nest, &k->shape);
        print_head(out, k);
        print_line(&b.p, "{");
        b.p.indent++;
        if (k->nest->n_inner) print_nested(&b, &pass);
        else print_flat(&b.p);
        print_close(&b.p);
        *room = b.max_room;
    } else err = err_set(ERR_NOMEM, "out of memory for printing a loop nest");
    free(flags);
    free(numbers);
    return err;
}
