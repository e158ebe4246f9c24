/* print_c_fold.c - reductions in C text: buffers, folds of a chunk, ends.
 *
 * Names: t7 (u7) the terms of node 7 in a chunk (imaginary parts), f7 (g7) the fold of its chunks.
 */
#include "runtime/print_c_fold.h"

#include <stdio.h>

static bool is_float(enum nest_type t)
{
    return t == NEST_F32 || t == NEST_F64;
}
static bool is_complex(enum nest_type t)
{
    return t == NEST_C64 || t == NEST_C128;
}

static const struct nest_node *arg_of(const struct printer *p, int i)
{
    return &p->n->node[p->n->node[i].arg[0]];
}

/* Terms that lie in memory as floats, one after another. */
bool print_fold_is_direct(const struct printer *p, int i)
{
    const struct nest_node *x = arg_of(p, i);
    if (!is_float(x->type) || x->kind != NEST_LOAD || x->n_args || x->level != NEST_INNER)
        return false;
    return nest_type_dtype(x->type) == p->n->array[x->index].dtype && p->s->n_inner == 1 &&
           p->s->stride[x->index][p->s->n_outer] == 1;
}

static bool finds_place(const struct nest_node *node)
{
    return node->index == NEST_ARGMAX || node->index == NEST_ARGMIN;
}

/* Reductions without an order are made in the loop itself. */
static bool in_loop(const struct printer *p, int i)
{
    enum nest_type t = arg_of(p, i)->type;
    return !finds_place(&p->n->node[i]) && !is_float(t) && !is_complex(t);
}

static const char *const fold_names[] = {"sum", "prod", "max",    "min",
                                         "or",  "and",  "argmax", "argmin"};

/* What a fold that is made in the loop starts from. */
static const char *start_of(const struct nest_node *node)
{
    bool is_b = node->type == NEST_B, is_u = node->type == NEST_U64;
    switch (node->index) {
    case NEST_PROD:
    case NEST_ALL: return "1";
    case NEST_MAX: return is_b || is_u ? "0" : "-9223372036854775807l - 1";
    case NEST_MIN: return is_b ? "1" : is_u ? "18446744073709551615ul" : "9223372036854775807l";
    default: return "0";
    }
}

void print_fold_declare(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    enum nest_type type = arg_of(p, i)->type;
    enum nest_type part = type == NEST_C64 ? NEST_F32 : type == NEST_C128 ? NEST_F64 : type;
    bool ordered = node->index == NEST_SUM || node->index == NEST_PROD;
    bool as_i64 = finds_place(node) && type == NEST_B;
    if (in_loop(p, i)) {
        print_line(p, "%s v%d = %s;", print_type(node->type), i, start_of(node));
        return;
    }
    if (!print_fold_is_direct(p, i))
        print_line(p, "%s t%d[1024] __attribute__((aligned(64)));",
                   print_type(as_i64 ? NEST_I64 : part), i);
    if (is_complex(type))
        print_line(p, "%s u%d[1024] __attribute__((aligned(64)));", print_type(part), i);
    if (ordered && p->s->length == SHAPE_LONG) {
        print_line(p, "x_fold%s f%d;", print_ending(part), i);
        print_line(p, "x_fold_begin%s(&f%d);", print_ending(part), i);
        if (is_complex(type)) {
            print_line(p, "x_fold%s g%d;", print_ending(part), i);
            print_line(p, "x_fold_begin%s(&g%d);", print_ending(part), i);
        }
    }
    if (finds_place(node)) {
        print_line(p, "x_arg f%d;", i);
        print_line(p, "x_arg_begin(&f%d);", i);
    }
    if (node->index == NEST_MAX || node->index == NEST_MIN)
        print_line(p, "%s v%d = x_%s_first%s();", print_type(type), i, fold_names[node->index],
                   print_ending(type));
    else print_line(p, "%s v%d;", print_type(node->type), i);
}

static const char *const joins[] = {"add", "mul", "max", "min", "or", "and"};

/* In the loop: the term goes to its buffer or is folded at once. */
void print_fold_term(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    int v = node->arg[0];
    enum nest_type type = arg_of(p, i)->type;
    if (in_loop(p, i))
        print_line(p, "v%d = x_%s%s(v%d, v%d);", i, joins[node->index], print_ending(type), i, v);
    else if (is_complex(type))
        print_line(p, "t%d[at + i] = v%d.re, u%d[at + i] = v%d.im;", i, v, i, v);
    else print_line(p, "t%d[at + i] = v%d;", i, v);
}

/* After a chunk's terms are there. */
void print_fold_push(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    enum nest_type type = arg_of(p, i)->type;
    const char *e = print_ending(type), *f = fold_names[node->index];
    const char *part = type == NEST_C64 ? "" : type == NEST_C128 ? "64" : e;
    char t[32];
    if (in_loop(p, i)) return;
    if (print_fold_is_direct(p, i)) snprintf(t, sizeof t, "p%d + c", arg_of(p, i)->index);
    else snprintf(t, sizeof t, "t%d", i);
    if (finds_place(node))
        print_line(p, "x_%s_push%s(&f%d, %s, m, c);", f, type == NEST_B ? "_i" : e, i, t);
    else if (node->index == NEST_MAX || node->index == NEST_MIN)
        print_line(p, "v%d = x_%s%s(v%d, x_%s_row%s(%s, m));", i, f, e, i, f, e, t);
    else if (p->s->length == SHAPE_LONG) {
        print_line(p, "x_%s_push%s(&f%d, x_%s_chunk%s(%s, m));", f, part, i, f, part, t);
        if (is_complex(type))
            print_line(p, "x_sum_push%s(&g%d, x_sum_chunk%s(u%d, m));", part, i, part, i);
    } else if (is_complex(type))
        print_line(p, "v%d = x_make%s(x_sum_chunk%s(t%d, m), x_sum_chunk%s(u%d, m));", i, e, part,
                   i, part, i);
    else print_line(p, "v%d = x_%s_chunk%s(%s, m);", i, f, e, t);
}

void print_fold_end(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    enum nest_type type = arg_of(p, i)->type;
    const char *e = print_ending(type), *f = fold_names[node->index];
    const char *part = type == NEST_C64 ? "" : "64";
    bool ordered = node->index == NEST_SUM || node->index == NEST_PROD;
    if (finds_place(node)) print_line(p, "v%d = f%d.at;", i, i);
    if (!ordered || in_loop(p, i) || p->s->length != SHAPE_LONG) return;
    if (is_complex(type))
        print_line(p, "v%d = x_make%s(x_sum_end%s(&f%d), x_sum_end%s(&g%d));", i, e, part, i, part,
                   i);
    else print_line(p, "v%d = x_%s_end%s(&f%d);", i, f, e, i);
}
