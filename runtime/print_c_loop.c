/* print_c_loop.c - loops, coordinates and pointers in C text. */
#include "runtime/print_c_loop.h"

#include <stdio.h>

int print_loops(const struct printer *p)
{
    return p->s->n_outer + p->s->n_inner;
}

/* How row r moves in loop d: "1", "s2_1", or NULL where it does not. */
static const char *stride_text(const struct printer *p, int r, int d, char out[32])
{
    int64_t t = p->s->stride[r][d];
    if (!t) return NULL;
    if (t == 1) snprintf(out, 32, "1");
    else snprintf(out, 32, "s%d_%d", r, d);
    return out;
}

void print_numbers(struct printer *p)
{
    int loops = print_loops(p);
    for (int d = 0; d < loops; d++) print_line(p, "const i64 n%d = a->number[%d];", d, d);
    for (int r = 0; r < p->s->n_rows; r++)
        for (int d = 0; d < loops; d++)
            if (p->s->stride[r][d] != 0 && p->s->stride[r][d] != 1)
                print_line(p, "const i64 s%d_%d = a->number[%d];", r, d, loops + r * loops + d);
    for (int i = 0; i < p->n->n_nodes; i++)
        if (print_is_uniform(&p->n->node[i])) print_node(p, i);
}

/* Coordinates d<first> .. of point number `from`. */
void print_coordinates(struct printer *p, int first, int end, const char *from)
{
    if (end > first) print_line(p, "i64 d%d = %s;", first, from);
    for (int d = end - 1; d > first && p->group; d--) {
        print_line(p, "const i64 b%d = x_div(d%d, n%d), d%d = d%d - b%d * n%d;", d, first, d, d,
                   first, d, d);
        print_line(p, "d%d = b%d;", first, d);
    }
    for (int d = end - 1; d > first && !p->group; d--) {
        print_line(p, "i64 d%d = d%d %% n%d;", d, first, d);
        print_line(p, "d%d /= n%d;", first, d);
    }
}

/* To the next point of loops [first, end). */
void print_advance(struct printer *p, int first, int end)
{
    if (end <= first) return;
    print_line(p, "d%d++;", end - 1);
    for (int d = end - 1; d > first; d--)
        print_line(p, "if (d%d == n%d) d%d = 0, d%d++;", d, d, d, d - 1);
}

static void add_offsets(struct printer *p, int row, int first, int end)
{
    char t[32];
    for (int d = first; d < end; d++)
        if (stride_text(p, row, d, t)) buf_printf(p->out, " + d%d * %s", d, t);
}

/* Whether any node reads or writes the row at that level. */
static bool row_used(const struct printer *p, int row, enum nest_level level)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        bool place = node->kind == NEST_LINEAR || node->kind == NEST_COORD;
        if (node->level != level) continue;
        if ((node->kind == NEST_LOAD || node->kind == NEST_STORE) && node->index == row)
            return true;
        if (place &&
            nest_shape_place(p->n, p->s, node->kind == NEST_LINEAR ? -1 : node->index) == row)
            return true;
    }
    return false;
}

bool print_row_is_read(const struct printer *p, int row)
{
    for (int i = 0; i < p->n->n_nodes; i++) {
        const struct nest_node *node = &p->n->node[i];
        if (node->kind == NEST_LOAD && !node->n_args && node->index == row &&
            node->level == NEST_INNER)
            return true;
    }
    return false;
}

static const char *pointer_type(const struct printer *p, int row, char out[32])
{
    const struct nest_array *a = &p->n->array[row];
    snprintf(out, 32, "%s%s *", a->written ? "" : "const ", print_stored(a->dtype));
    return out;
}

/* p<k> and q<k>: where row k is at the outer point. */
void print_rows(struct printer *p, int end, const char *column)
{
    char type[32], t[32];
    for (int r = 0; r < p->s->n_rows; r++) {
        if (!row_used(p, r, NEST_OUTER) && !row_used(p, r, NEST_INNER)) continue;
        for (int k = 0; k < p->indent; k++) buf_puts(p->out, "    ");
        if (r < p->n->n_arrays) {
            pointer_type(p, r, type);
            buf_printf(p->out, "%sp%d = (%s)a->base[%d]", type, r, type, r);
        } else buf_printf(p->out, "const i64 q%d = 0", r);
        add_offsets(p, r, 0, end);
        if (column && stride_text(p, r, end, t)) buf_printf(p->out, " + %s * %s", column, t);
        buf_puts(p->out, ";\n");
    }
}

/* r<k> and w<k>: where it is at the first point of a run. */
void print_run(struct printer *p, const char *from)
{
    int first = p->s->n_outer, end = print_loops(p);
    char type[32], t[32];
    for (int r = 0; r < p->s->n_rows; r++) {
        if (!row_used(p, r, NEST_INNER)) continue;
        for (int k = 0; k < p->indent; k++) buf_puts(p->out, "    ");
        if (r < p->n->n_arrays) buf_printf(p->out, "%sr%d = p%d", pointer_type(p, r, type), r, r);
        else buf_printf(p->out, "const i64 w%d = q%d", r, r);
        if (end - first > 1) add_offsets(p, r, first, end);
        else if (end > first && stride_text(p, r, first, t))
            buf_printf(p->out, " + (%s) * %s", from, t);
        buf_puts(p->out, ";\n");
    }
}

static bool stores_anywhere(const struct nest *n)
{
    for (int i = 0; i < n->n_nodes; i++)
        if (n->node[i].kind == NEST_STORE && n->array[n->node[i].index].n_indexed) return true;
    return false;
}

void print_loop_head(struct printer *p, const char *from, const char *to)
{
    if (!p->n->serial && !stores_anywhere(p->n)) print_line(p, "X_FREE");
    print_line(p, "for (i64 i = %s; i < %s; i++) {", from, to);
    p->indent++;
}

void print_close(struct printer *p)
{
    p->indent--;
    print_line(p, "}");
}

void print_open_chunks(struct printer *p)
{
    int points = (1 + p->s->n_rows) * print_loops(p);
    switch (p->s->length) {
    case SHAPE_KNOWN:
        print_line(p, "{");
        print_line(p, "    const i64 c = 0, m = %lld;", (long long)p->s->points);
        break;
    case SHAPE_CHUNK:
        print_line(p, "{");
        print_line(p, "    const i64 c = 0, m = a->number[%d];", points);
        break;
    default:
        print_line(p, "for (i64 c = 0; c < a->number[%d]; c += 1024) {", points);
        print_line(p, "    const i64 left = a->number[%d] - c, m = left < 1024 ? left : 1024;",
                   points);
    }
    p->indent++;
}
