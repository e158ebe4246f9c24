/* print_c_node.c - expressions of nodes in C. */
#include "runtime/print_c_node.h"

#include <math.h>
#include <string.h>

void print_line(struct printer *p, const char *fmt, ...)
{
    va_list ap;
    for (int i = 0; i < p->indent; i++) buf_puts(p->out, "    ");
    va_start(ap, fmt);
    buf_vprintf(p->out, fmt, ap);
    va_end(ap);
    buf_putc(p->out, '\n');
}

static const struct {
    const char *c, *cast, *ending;
} types[] = {
    [NEST_F32] = {"float", "f32", ""},      [NEST_F64] = {"double", "f64", "64"},
    [NEST_I64] = {"i64", "i64", "_i"},      [NEST_U64] = {"u64", "u64", "_u"},
    [NEST_B] = {"i32", "b8", "_b"},         [NEST_C64] = {"x_c64", "c64", "_c"},
    [NEST_C128] = {"x_c128", "c128", "_z"},
};

const char *print_type(enum nest_type type)
{
    return types[type].c;
}
const char *print_ending(enum nest_type type)
{
    return types[type].ending;
}

const char *print_stored(enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F64: return "double";
    case DTYPE_F32: return "float";
    case DTYPE_F16:
    case DTYPE_BF16: return "u16";
    case DTYPE_F8E4M3FN:
    case DTYPE_F8E5M2:
    case DTYPE_B8: return "u8";
    case DTYPE_C64: return "x_c64";
    case DTYPE_C128: return "x_c128";
    default: return dtype_name(dtype);
    }
}

bool print_is_uniform(const struct nest_node *node)
{
    switch (node->kind) {
    case NEST_CONST:
    case NEST_PARAM:
    case NEST_SIZE:
    case NEST_EXTENT:
    case NEST_COUNT: return true;
    default: return false;
    }
}

int print_last_loop(const struct printer *p, const struct nest_node *node)
{
    if (p->group) return -1;
    if (!p->n->n_inner || p->s->tile) return p->s->n_outer - 1;
    return node->level == NEST_INNER && p->s->n_inner ? p->s->n_outer + p->s->n_inner - 1 : -1;
}

/* ---- numbers ---- */

static void real(struct buf *b, double v, bool single)
{
    const char *end = single ? "" : "64";
    if (v != v) buf_printf(b, "X_NAN%s", end);
    else if (isinf(v)) buf_printf(b, "%sX_INF%s", v < 0 ? "-" : "", end);
    else buf_printf(b, "%a%s", v, single ? "f" : "");
}

static void constant(struct printer *p, const struct nest_node *node)
{
    bool single = node->type == NEST_F32 || node->type == NEST_C64;
    bool is_complex = node->type == NEST_C64 || node->type == NEST_C128;
    switch (node->type) {
    case NEST_I64: /* the smallest has no literal */
        buf_printf(p->out, "(i64)%lluul", (unsigned long long)node->value.i);
        return;
    case NEST_U64: buf_printf(p->out, "%lluul", (unsigned long long)node->value.i); return;
    case NEST_B: buf_puts(p->out, node->value.i ? "1" : "0"); return;
    default: break;
    }
    if (is_complex) buf_printf(p->out, "x_make%s(", types[node->type].ending);
    real(p->out, node->value.r, single);
    if (is_complex) buf_puts(p->out, single ? ", 0.0f)" : ", 0.0)");
}

/* As code_gpu_numbers lays it down: f64 is not asked for where nothing else needs it. */
static void scalar_of_group(struct printer *p, const struct nest_node *node)
{
    int k = p->param_at + node->index;
    switch (node->type) {
    case NEST_F32: buf_printf(p->out, "x_asf((u32)a->number[%d])", k); break;
    case NEST_F64: buf_printf(p->out, "x_asf64((u64)a->number[%d])", k); break;
    case NEST_I64: buf_printf(p->out, "a->number[%d]", k); break;
    case NEST_U64: buf_printf(p->out, "(u64)a->number[%d]", k); break;
    case NEST_B: buf_printf(p->out, "a->number[%d] != 0", k); break;
    case NEST_C64: buf_printf(p->out, "x_make_c(x_asf((u32)a->number[%d]), 0.0f)", k); break;
    case NEST_C128: buf_printf(p->out, "x_make_z(x_asf64((u64)a->number[%d]), 0.0)", k); break;
    }
}

static void scalar(struct printer *p, const struct nest_node *node)
{
    const char *real_of = "((const double *)a->param)", *whole_of = "((const i64 *)a->param)";
    int k = node->index;
    if (p->group) {
        scalar_of_group(p, node);
        return;
    }
    switch (node->type) {
    case NEST_F32: buf_printf(p->out, "(float)%s[%d]", real_of, k); break;
    case NEST_F64: buf_printf(p->out, "%s[%d]", real_of, k); break;
    case NEST_I64: buf_printf(p->out, "%s[%d]", whole_of, k); break;
    case NEST_U64: buf_printf(p->out, "(u64)%s[%d]", whole_of, k); break;
    case NEST_B: buf_printf(p->out, "%s[%d] != 0", whole_of, k); break;
    case NEST_C64: buf_printf(p->out, "x_make_c((float)%s[%d], 0.0f)", real_of, k); break;
    case NEST_C128: buf_printf(p->out, "x_make_z(%s[%d], 0.0)", real_of, k); break;
    }
}

int print_index_number(const struct nest *n, const struct nest_shape *s, int array)
{
    int at = (1 + s->n_rows) * (s->n_outer + s->n_inner) + 1 + n->n_outer + n->n_inner;
    for (int i = 0; i < array; i++) at += 2 * n->array[i].n_indexed;
    return at;
}

/* ---- elements ---- */

/* " + i * s2_1", " + i" or nothing. */
static void in_loop(struct printer *p, int row, int loop)
{
    if (loop < 0) return;
    int64_t stride = p->s->stride[row][loop];
    if (stride == 1) buf_puts(p->out, " + i");
    else if (stride) buf_printf(p->out, " + i * s%d_%d", row, loop);
}

/* Pointers and places at the node's level: those of a run of points, or of the outer point. */
static bool in_run(const struct printer *p, const struct nest_node *node)
{
    return p->n->n_inner && node->level == NEST_INNER;
}

/* "r2[i * s2_1 + v4 * ...]" */
static void element(struct printer *p, const struct nest_node *node, int first)
{
    const struct nest_array *a = &p->n->array[node->index];
    int at = print_index_number(p->n, p->s, node->index);
    buf_printf(p->out, "%c%d[0", in_run(p, node) ? 'r' : 'p', node->index);
    in_loop(p, node->index, print_last_loop(p, node));
    for (int k = 0; k < a->n_indexed; k++)
        buf_printf(p->out, " + v%d * a->number[%d]", node->arg[first + k], at + k);
    buf_putc(p->out, ']');
}

/* Behind it, in a text for a work-group, in<i> says whether all positions are inside. */
static void check_positions(struct printer *p, const struct nest_node *node, int i, int first)
{
    const struct nest_array *a = &p->n->array[node->index];
    int at = print_index_number(p->n, p->s, node->index) + a->n_indexed;
    if (p->group && a->n_indexed) print_line(p, "i32 in%d = 1;", i);
    for (int k = 0; k < a->n_indexed; k++) {
        int v = node->arg[first + k];
        print_line(p, "if ((u64)v%d >= (u64)a->number[%d]) {", v, at + k);
        print_line(p, "    x_fault(a, %d, %d, v%d, a->number[%d]);", node->index, k, v, at + k);
        if (p->group) print_line(p, "    in%d = 0;", i);
        else print_line(p, "    return;");
        print_line(p, "}");
    }
}

static bool moves_by_function(const struct nest_array *a)
{
    return a->moves &&
           (a->dtype == DTYPE_F16 || a->dtype == DTYPE_BF16 || a->dtype == DTYPE_F8E5M2);
}

static void load(struct printer *p, const struct nest_node *node, int i)
{
    const struct nest_array *a = &p->n->array[node->index];
    enum nest_type own = nest_type_of(a->dtype);
    const char *dtype = dtype_name(a->dtype);
    if (p->group && a->n_indexed)
        buf_printf(p->out, "!in%d ? x_cast_b8_%s(0) : ", i, types[node->type].cast);
    if (own != node->type)
        buf_printf(p->out, "x_cast_%s_%s(", types[own].cast, types[node->type].cast);
    buf_printf(p->out, moves_by_function(a) ? "x_move_from_%s(" : "x_load_%s(", dtype);
    element(p, node, 0);
    buf_puts(p->out, own != node->type ? "))" : ")");
}

static void store(struct printer *p, const struct nest_node *node, int i)
{
    const struct nest_array *a = &p->n->array[node->index];
    bool is_float = node->type != NEST_I64 && node->type != NEST_U64 && node->type != NEST_B;
    bool canon = is_float && node->value.i;
    bool is_struct = a->dtype == DTYPE_C64 || a->dtype == DTYPE_C128;
    check_positions(p, node, i, 1);
    for (int k = 0; k < p->indent; k++) buf_puts(p->out, "    ");
    if (p->group && a->n_indexed) buf_printf(p->out, "if (in%d) ", i);
    element(p, node, 1);
    buf_puts(p->out, " = ");
    if (!is_struct) buf_printf(p->out, "(%s)", print_stored(a->dtype));
    if (moves_by_function(a) && node->type == NEST_F32)
        buf_printf(p->out, "x_move_to_%s(", dtype_name(a->dtype));
    else buf_printf(p->out, "x_cast_%s_%s(", types[node->type].cast, dtype_name(a->dtype));
    if (canon) buf_printf(p->out, "x_canon%s(v%d)", types[node->type].ending, node->arg[0]);
    else buf_printf(p->out, "v%d", node->arg[0]);
    buf_puts(p->out, ");\n");
}

/* ---- calls ---- */

/* What a language writes between two values; NULL: a function's name. */
static const char *sign_of(int fn, enum nest_type type)
{
    bool is_float = type == NEST_F32 || type == NEST_F64;
    bool is_complex = type == NEST_C64 || type == NEST_C128;
    switch (fn) {
    case NEST_FN_add: return is_float || type == NEST_U64 ? "+" : type == NEST_B ? "|" : NULL;
    case NEST_FN_mul: return is_float || type == NEST_U64 ? "*" : type == NEST_B ? "&" : NULL;
    case NEST_FN_sub: return is_float || type == NEST_U64 ? "-" : NULL;
    case NEST_FN_div: return is_float ? "/" : NULL;
    case NEST_FN_lt: return "<";
    case NEST_FN_le: return "<=";
    case NEST_FN_gt: return ">";
    case NEST_FN_ge: return ">=";
    case NEST_FN_eq: return is_complex ? NULL : "==";
    case NEST_FN_ne: return is_complex ? NULL : "!=";
    default: return NULL;
    }
}

static void call(struct printer *p, const struct nest_node *node)
{
    enum nest_type type = p->n->node[node->arg[node->n_args - 1]].type;
    const char *sign = sign_of(node->index, type), *name = nest_fn_row(node->index)->name;
    bool is_float = type == NEST_F32 || type == NEST_F64;
    if (sign) {
        buf_printf(p->out, "v%d %s v%d", node->arg[0], sign, node->arg[1]);
        return;
    }
    if (node->index == NEST_FN_neg && is_float) {
        buf_printf(p->out, "-v%d", node->arg[0]);
        return;
    }
    if (node->index == NEST_FN_ne) buf_puts(p->out, "!");
    if (node->index == NEST_FN_ne) name = "eq";
    buf_printf(p->out, "x_%s%s(", name, types[type].ending);
    for (int k = 0; k < node->n_args; k++) buf_printf(p->out, "%sv%d", k ? ", " : "", node->arg[k]);
    buf_putc(p->out, ')');
}

static void random_number(struct printer *p, const struct nest_node *node)
{
    static const char *const names[] = {"x_uniform", "x_normal", "x_word"};
    bool word = node->index >= NEST_WORD;
    buf_printf(p->out, "%s%s%s(a->seed, a->stream, (u64)v%d", word ? "(i64)" : "",
               names[word ? NEST_WORD : node->index], node->type == NEST_F64 ? "64" : "",
               node->arg[0]);
    if (word) buf_printf(p->out, ", %d", node->index - NEST_WORD);
    buf_putc(p->out, ')');
}

static void place(struct printer *p, const struct nest_node *node)
{
    int row = nest_shape_place(p->n, p->s, node->kind == NEST_LINEAR ? -1 : node->index);
    buf_printf(p->out, "%c%d", in_run(p, node) ? 'w' : 'q', row);
    in_loop(p, row, print_last_loop(p, node));
}

static void value(struct printer *p, const struct nest_node *node, int i)
{
    int loops = p->s->n_outer + p->s->n_inner, points = (1 + p->s->n_rows) * loops;
    enum nest_type from = node->n_args ? p->n->node[node->arg[0]].type : node->type;
    switch (node->kind) {
    case NEST_CONST: constant(p, node); break;
    case NEST_PARAM: scalar(p, node); break;
    case NEST_COUNT: buf_printf(p->out, "a->number[%d]", points); break;
    case NEST_SIZE: buf_printf(p->out, "a->number[%d]", points + 1 + node->index); break;
    case NEST_EXTENT:
        buf_printf(p->out, "a->number[%d]",
                   print_index_number(p->n, p->s, node->index) +
                       p->n->array[node->index].n_indexed + (int)node->value.i);
        break;
    case NEST_COORD:
    case NEST_LINEAR: place(p, node); break;
    case NEST_LOAD: load(p, node, i); break;
    case NEST_CALL: call(p, node); break;
    case NEST_ROUND:
        buf_printf(p->out, "x_load_%s((%s)x_cast_%s_%s(v%d))", dtype_name(node->dtype),
                   print_stored(node->dtype), types[from].cast, dtype_name(node->dtype),
                   node->arg[0]);
        break;
    case NEST_CAST:
        buf_printf(p->out, "x_cast_%s_%s(v%d)", types[from].cast, types[node->type].cast,
                   node->arg[0]);
        break;
    case NEST_SCAN: buf_printf(p->out, p->group ? "y%d[i - c]" : "y%d[at + i]", i); break;
    case NEST_RANDOM: random_number(p, node); break;
    case NEST_REDUCE:
    case NEST_STORE: break; /* print_c.c prints them */
    }
}

void print_node(struct printer *p, int i)
{
    const struct nest_node *node = &p->n->node[i];
    p->printed[i] = true;
    if (node->kind == NEST_STORE) {
        store(p, node, i);
        return;
    }
    if (node->kind == NEST_LOAD) check_positions(p, node, i, 0);
    for (int k = 0; k < p->indent; k++) buf_puts(p->out, "    ");
    buf_printf(p->out, "const %s v%d = ", print_type(node->type), i);
    value(p, node, i);
    buf_puts(p->out, ";\n");
}
