/* print_c_tile.c - nests whose rows lie across memory (sums over a first dimension) as C text.
 *
 *   for each row of leading loops, for each tile of columns
 *       for each pass, each chunk, each lane l of 128, each point k of it
 *           for each column i of the tile     nodes; terms join lane l of the column
 *         the lane joins those that it completes, columns side by side (x_sum_up)
 *       for each column of the tile           outer values and stores
 *
 * Names: e7 the reduction of node 7, per column; l7 sums of its lanes, u7 that of lane l; h7 its
 * chunks' partials.
 */
#include <stdlib.h>

#include "runtime/print_c_loop.h"

static bool is_float(enum nest_type t)
{
    return t == NEST_F32 || t == NEST_F64;
}

/* Sums and products of floats go by lanes; all else joins at once. */
static bool by_lanes(const struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    return (node->index == NEST_SUM || node->index == NEST_PROD) && is_float(node->type);
}

static const char *name_of(const struct nest_node *node)
{
    return node->index == NEST_SUM ? "sum" : "prod";
}

static bool made_in(const struct nest_node *node, int pass)
{
    return node->kind == NEST_REDUCE && node->pass == pass;
}

/* All that the marked nodes need, but reductions of earlier passes' own arguments. */
static void mark(const struct printer *p, int pass, bool *in)
{
    for (int i = p->n->n_nodes - 1; i >= 0; i--) {
        const struct nest_node *node = &p->n->node[i];
        bool made = node->kind == NEST_REDUCE && !made_in(node, pass);
        for (int k = 0; in[i] && !made && k < node->n_args; k++) in[node->arg[k]] = true;
    }
}

static void print_join(struct printer *p, int i)
{
    static const char *const joins[] = {"add", "mul", "max", "min", "or", "and"};
    const struct nest_node *node = &p->n->node[i];
    int v = node->arg[0];
    if (by_lanes(p, i))
        print_line(p, "u%d[i] = u%d[i] %c v%d;", i, i, node->index == NEST_SUM ? '+' : '*', v);
    else if (node->index == NEST_SUM && node->type == NEST_U64)
        print_line(p, "e%d[i] += v%d;", i, v);
    else
        print_line(p, "e%d[i] = x_%s%s(e%d[i], v%d);", i, joins[node->index],
                   print_ending(node->type), i, v);
}

/* One column at one point, or at the end (pass = n_passes). */
static void print_body(struct printer *p, int pass, const bool *in)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (!in[i] || print_is_uniform(node)) continue;
        if (made_in(node, pass)) print_join(p, i);
        else if (node->kind == NEST_REDUCE)
            print_line(p, "const %s v%d = e%d[i];", print_type(node->type), i, i);
        else print_node(p, i);
    }
}

static void declare_reductions(struct printer *p)
{
    int tile = p->s->tile, most = tile > SHAPE_WIDE_TILE ? SHAPE_PARTIALS / tile : SHAPE_PARTS;
    int parts = p->s->length == SHAPE_LONG ? most : 1;
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (node->kind != NEST_REDUCE) continue;
        print_line(p, "%s e%d[%d];", print_type(node->type), i, tile);
        if (!by_lanes(p, i)) continue;
        print_line(p, "%s l%d[8 * %d], h%d[%d * %d];", print_type(node->type), i, tile, i, parts,
                   tile);
    }
}

static const char *first_of(const struct nest_node *node)
{
    bool is_b = node->type == NEST_B, is_u = node->type == NEST_U64;
    bool f = is_float(node->type), wide = node->type == NEST_F64;
    switch (node->index) {
    case NEST_PROD:
    case NEST_ALL: return "1";
    case NEST_MAX:
        if (f) return wide ? "x_max_first64()" : "x_max_first()";
        return is_b || is_u ? "0" : "-9223372036854775807l - 1";
    case NEST_MIN:
        if (f) return wide ? "x_min_first64()" : "x_min_first()";
        return is_b ? "1" : is_u ? "18446744073709551615ul" : "9223372036854775807l";
    default: return "0";
    }
}

static void begin_pass(struct printer *p, int pass)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (!made_in(node, pass) || by_lanes(p, i)) continue;
        print_line(p, "for (i64 i = 0; i < w; i++) e%d[i] = %s;", i, first_of(node));
    }
}

static void begin_lane(struct printer *p, int pass)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (!made_in(node, pass) || !by_lanes(p, i)) continue;
        print_line(p, "%s *u%d = l%d + x_lane_row(l) * %d;", print_type(node->type), i, i,
                   p->s->tile);
        print_line(p, "for (i64 i = 0; i < w; i++) u%d[i] = %s;", i,
                   node->index == NEST_SUM ? "-0.0f" : "1");
    }
}

static void end_lane(struct printer *p, int pass)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (made_in(node, pass) && by_lanes(p, i))
            print_line(p, "x_%s_up%s(l%d, l, lanes, %d, w);", name_of(node),
                       print_ending(node->type), i, p->s->tile);
    }
}

static void end_chunk(struct printer *p, int pass)
{
    for (int i = 0; i < p->n->n_nodes; i++)
        if (made_in(&p->n->node[i], pass) && by_lanes(p, i))
            print_line(p, "for (i64 i = 0; i < w; i++) h%d[c / 1024 * %d + i] = l%d[i];", i,
                       p->s->tile, i);
}

static void end_pass(struct printer *p, int pass)
{
    int points = (1 + p->s->n_rows) * print_loops(p);
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (!made_in(node, pass) || !by_lanes(p, i)) continue;
        if (p->s->length == SHAPE_LONG)
            print_line(p, "x_%s_parts%s(h%d, (a->number[%d] + 1023) / 1024, %d, w);", name_of(node),
                       print_ending(node->type), i, points, p->s->tile);
        print_line(p, "for (i64 i = 0; i < w; i++) e%d[i] = h%d[i];", i, i);
    }
}

/* Rows of a lane lie far apart: the processor does not guess the next one. (In a row as long as the
 * widest tile it soon guesses the rest, better than it is told.) */
static void print_prefetch(struct printer *p, const bool *in)
{
    int column = p->s->n_outer - 1, row = p->s->n_outer;
    if (p->s->n_inner > 1 || p->s->tile == SHAPE_WIDEST_TILE) return;
    print_line(p, "const i64 near = k + 128 < m ? 128 : after - k;");
    print_line(p, "const i64 next = k + 512 < m ? 512 : k < 512 ? near : after - l - 512;");
    print_line(p, "for (i64 i = 0; i < w; i += 16) {");
    for (int r = 0; r < p->n->n_arrays; r++) {
        bool used = false;
        for (int i = 0; i < p->n->n_nodes; i++) {
            const struct nest_node *node = &p->n->node[i];
            used |= in[i] && node->kind == NEST_LOAD && !node->n_args && node->index == r &&
                    node->level == NEST_INNER;
        }
        int64_t along = p->s->stride[r][row];
        if (!used || p->s->stride[r][column] != 1 || !along) continue;
        if (along == 1) print_line(p, "    __builtin_prefetch(r%d + next + i);", r);
        else print_line(p, "    __builtin_prefetch(r%d + next * s%d_%d + i);", r, r, row);
    }
    print_line(p, "}");
}

static void print_tile_pass(struct printer *p, int pass, bool *in)
{
    const struct nest *n = p->n;
    for (int i = 0; i < n->n_nodes; i++) {
        const struct nest_node *node = &n->node[i];
        in[i] = made_in(node, pass) ||
                (node->kind == NEST_STORE && node->level == NEST_INNER && node->pass == pass);
    }
    mark(p, pass, in);
    begin_pass(p, pass);
    print_open_chunks(p);
    /* Lane by lane, so that the sums of one stay in the first cache. */
    print_line(p, "const i64 lanes = m < 128 ? m : 128;");
    print_line(p, "for (i64 l = 0, after; l >= 0; l = after) {");
    p->indent++;
    print_line(p, "after = x_lane_after(l, lanes);");
    begin_lane(p, pass);
    print_line(p, "for (i64 k = l; k < m; k += 128) {");
    p->indent++;
    if (p->s->n_inner > 1) print_coordinates(p, p->s->n_outer, print_loops(p), "c + k");
    print_run(p, "c + k");
    print_prefetch(p, in);
    print_loop_head(p, "0", "w");
    print_body(p, pass, in);
    print_close(p);
    print_close(p);
    end_lane(p, pass);
    print_close(p);
    end_chunk(p, pass);
    print_close(p);
    end_pass(p, pass);
}

static void print_end(struct printer *p, bool *in)
{
    const struct nest *n = p->n;
    for (int i = 0; i < n->n_nodes; i++)
        in[i] = n->node[i].kind == NEST_STORE && n->node[i].level == NEST_OUTER;
    mark(p, n->n_passes, in);
    print_loop_head(p, "0", "w");
    print_body(p, n->n_passes, in);
    print_close(p);
}

enum err print_tiled(struct printer *p)
{
    int last = p->s->n_outer - 1, tile = p->s->tile;
    bool *in = calloc((size_t)p->n->n_nodes, sizeof *in);
    if (!in) FAIL(ERR_NOMEM, "out of memory for printing a loop nest");
    print_numbers(p);
    print_coordinates(p, 0, last, "row");
    print_line(p, "for (; row < end; row++) {");
    p->indent++;
    print_line(p, "for (i64 j = low; j < high; j += %d) {", tile);
    p->indent++;
    print_line(p, "const i64 w = high - j < %d ? high - j : %d;", tile, tile);
    print_rows(p, last, "j");
    declare_reductions(p);
    for (int pass = 0; pass < p->n->n_passes; pass++) print_tile_pass(p, pass, in);
    print_end(p, in);
    print_close(p);
    print_advance(p, 0, last);
    print_close(p);
    free(in);
    return ERR_OK;
}
