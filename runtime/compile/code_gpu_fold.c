/* code_gpu_fold.c - reductions and scans of a pass in work-groups: lanes in local memory.
 *
 *   ordered    sums and products of floats: lanes of a chunk, folded when it ends; the partials of
 *              chunks go to h<node> where there is more than one
 *   free       all else: lanes go on through all chunks and are folded at the end of the pass
 *
 * Where a group takes several columns at once their numbers lie side by side: lane l of a column is
 * at l * 16 from the column's first.
 */
#include "runtime/compile/code_gpu.h"

#include "runtime/print_c_loop.h"

#include <stdio.h>

static bool is_complex(enum nest_type t)
{
    return t == NEST_C64 || t == NEST_C128;
}
static bool is_float(enum nest_type t)
{
    return t == NEST_F32 || t == NEST_F64;
}

static enum nest_type type_of(const struct gpu_body *b, int i)
{
    return b->p.n->node[b->p.n->node[i].arg[0]].type;
}
static bool finds_place(const struct nest_node *node)
{
    return node->index == NEST_ARGMAX || node->index == NEST_ARGMIN;
}
static bool ordered(const struct gpu_body *b, int i)
{
    const struct nest_node *node = &b->p.n->node[i];
    enum nest_type t = type_of(b, i);
    return (node->index == NEST_SUM || node->index == NEST_PROD) && (is_float(t) || is_complex(t));
}
static bool is_long(const struct gpu_body *b)
{
    return b->p.s->length == SHAPE_LONG;
}
/* A group has lanes of two chunks at once. */
static bool by_twos(const struct gpu_body *b)
{
    return is_long(b) && b->columns == 1;
}
static bool is_fold(const struct gpu_body *b, const bool *in, int i)
{
    return in[i] && b->p.n->node[i].kind == NEST_REDUCE;
}

/* What lanes hold: numbers of one type, of places keys (e) and places (g). */
static enum nest_type lane_type(const struct gpu_body *b, int i)
{
    return finds_place(&b->p.n->node[i]) ? NEST_I64 : type_of(b, i);
}

/* A part of local memory of n numbers, under a name. */
static void take(struct gpu_body *b, enum nest_type type, char name, int i, int n)
{
    int size = type == NEST_F32 || type == NEST_B ? 4 : type == NEST_C128 ? 16 : 8;
    const char *t = type == NEST_I64 && name == 'y' ? "u64" : print_type(type);
    print_line(&b->p, "X_LP %s *%c%d = (X_LP %s *)(room + %d)%s;", t, name, i, t, b->room,
               b->columns > 1 ? " + column" : "");
    b->room += (n * b->columns * size + 7) / 8;
}

static void begin_scan(struct gpu_body *b, int i)
{
    enum nest_type type = b->p.n->node[i].type;
    if (type == NEST_I64) type = NEST_U64; /* sums and products wrap alike */
    take(b, type, 'y', i, SHAPE_CHUNK_POINTS);
    take(b, type, 'z', i, 199 + 64 + 1); /* X_SCAN_STATE */
}

static const char *first_of(const struct gpu_body *b, int i)
{
    const struct nest_node *node = &b->p.n->node[i];
    enum nest_type t = type_of(b, i);
    bool f = is_float(t) || is_complex(t);
    switch (node->index) {
    case NEST_SUM: return f ? "-0.0f" : "0";
    case NEST_PROD:
    case NEST_ALL: return "1";
    case NEST_MAX:
        if (f) return t == NEST_F32 ? "-X_INF" : "-X_INF64";
        return t == NEST_I64 ? "-9223372036854775807l - 1" : "0";
    case NEST_MIN:
        if (f) return t == NEST_F32 ? "X_INF" : "X_INF64";
        return t == NEST_B     ? "1"
               : t == NEST_U64 ? "18446744073709551615ul"
                               : "9223372036854775807l";
    default: return "0";
    }
}

/* Lanes of a chunk, or of the two that a group may take at once. */
static int lane_room(const struct gpu_body *b)
{
    return by_twos(b) ? 256 : gpu_lanes(b->p.s);
}

/* Free lanes are begun by those who go on with them. */
static void begin_free(struct gpu_body *b, int i)
{
    if (finds_place(&b->p.n->node[i]))
        print_line(&b->p, "    e%d[t] = -9223372036854775807l - 1, g%d[t] = 9223372036854775807l;",
                   i, i);
    else print_line(&b->p, "    e%d[t%s] = %s;", i, b->scale, first_of(b, i));
}

void gpu_fold_begin(struct gpu_body *b, const bool *in)
{
    bool any = false;
    for (int i = 0; i < b->p.n->n_nodes; i++) {
        if (in[i] && b->p.n->node[i].kind == NEST_SCAN) begin_scan(b, i);
        if (!is_fold(b, in, i)) continue;
        take(b, lane_type(b, i), 'e', i, lane_room(b));
        if (finds_place(&b->p.n->node[i])) take(b, NEST_I64, 'g', i, lane_room(b));
        if (ordered(b, i) && is_long(b))
            take(b, lane_type(b, i), 'h', i, b->columns == 1 ? 4 * 128 : 128);
        any |= !ordered(b, i);
    }
    if (!any) return;
    print_line(&b->p, "for (i64 t = %s; t < %d; t += %s) {", b->me, lane_room(b), b->many);
    for (int i = 0; i < b->p.n->n_nodes; i++)
        if (is_fold(b, in, i) && !ordered(b, i)) begin_free(b, i);
    print_line(&b->p, "}");
}

void gpu_fold_lane_begin(struct gpu_body *b, const bool *in)
{
    for (int i = 0; i < b->p.n->n_nodes; i++) {
        if (!is_fold(b, in, i)) continue;
        if (finds_place(&b->p.n->node[i])) {
            print_line(&b->p, "x_arg t%d;", i);
            print_line(&b->p, "t%d.key = e%d[t], t%d.at = g%d[t];", i, i, i, i);
        } else if (!ordered(b, i))
            print_line(&b->p, "%s t%d = e%d[t%s];", print_type(lane_type(b, i)), i, i, b->scale);
        else if (is_complex(type_of(b, i))) /* lanes start with their terms */
            print_line(&b->p, "%s t%d = x_make%s(0, 0);", print_type(type_of(b, i)), i,
                       print_ending(type_of(b, i)));
        else print_line(&b->p, "%s t%d = %s;", print_type(lane_type(b, i)), i, first_of(b, i));
    }
}

/* The key of a value of argmax, by the order of signed integers; argmin takes that of the opposite
 * value. */
static void place_term(struct gpu_body *b, int i)
{
    bool least = b->p.n->node[i].index == NEST_ARGMIN;
    int v = b->p.n->node[i].arg[0];
    switch (type_of(b, i)) {
    case NEST_F32:
        print_line(&b->p, "x_arg_value(&t%d, x_max_key(%sv%d + 0.0f), i);", i, least ? "-" : "", v);
        break;
    case NEST_F64:
        print_line(&b->p, "x_arg_value(&t%d, x_max_key64(%sv%d + 0.0), i);", i, least ? "-" : "",
                   v);
        break;
    case NEST_U64:
        print_line(&b->p, "x_arg_value(&t%d, (i64)(%sv%d ^ 0x8000000000000000ul), i);", i,
                   least ? "~" : "", v);
        break;
    default: print_line(&b->p, "x_arg_value(&t%d, %s(i64)v%d, i);", i, least ? "~" : "", v);
    }
}

static const char *const joins[] = {"add", "mul", "max", "min", "or", "and"};

/* "t7 = ...", of two values. */
static void join(struct gpu_body *b, int i, const char *to, const char *x, const char *y)
{
    const struct nest_node *node = &b->p.n->node[i];
    enum nest_type t = lane_type(b, i);
    bool by_sign =
        (is_float(t) || t == NEST_U64) && (node->index == NEST_SUM || node->index == NEST_PROD);
    if (by_sign) print_line(&b->p, "%s = %s %c %s;", to, x, node->index == NEST_SUM ? '+' : '*', y);
    else print_line(&b->p, "%s = x_%s%s(%s, %s);", to, joins[node->index], print_ending(t), x, y);
}

void gpu_fold_term(struct gpu_body *b, int i)
{
    int v = b->p.n->node[i].arg[0];
    char t[16], x[16];
    if (finds_place(&b->p.n->node[i])) {
        place_term(b, i);
        return;
    }
    snprintf(t, sizeof t, "t%d", i);
    snprintf(x, sizeof x, "v%d", v);
    if (is_complex(type_of(b, i)))
        print_line(&b->p, "t%d = i - from < 128 ? v%d : x_%s%s(t%d, v%d);", i, v,
                   joins[b->p.n->node[i].index], print_ending(type_of(b, i)), i, v);
    else join(b, i, t, t, x);
}

void gpu_fold_lane_end(struct gpu_body *b, const bool *in)
{
    for (int i = 0; i < b->p.n->n_nodes; i++) {
        if (!is_fold(b, in, i)) continue;
        if (finds_place(&b->p.n->node[i]))
            print_line(&b->p, "e%d[t] = t%d.key, g%d[t] = t%d.at;", i, i, i, i);
        else print_line(&b->p, "e%d[t%s] = t%d;", i, b->scale, i);
    }
}

/* Lane l takes lane l + s. */
static void join_lanes(struct gpu_body *b, int i)
{
    char x[32], y[40];
    if (finds_place(&b->p.n->node[i])) {
        print_line(&b->p,
                   "if (e%d[l + s] > e%d[l] || (e%d[l + s] == e%d[l] && g%d[l + s] < g%d[l]))", i,
                   i, i, i, i, i);
        print_line(&b->p, "    e%d[l] = e%d[l + s], g%d[l] = g%d[l + s];", i, i, i, i);
        return;
    }
    snprintf(x, sizeof x, "e%d[l%s]", i, b->scale);
    snprintf(y, sizeof y, *b->scale ? "e%d[(l + s)%s]" : "e%d[l + s]%s", i, b->scale);
    if (is_complex(type_of(b, i))) /* beyond the points there is no identity */
        print_line(&b->p, is_long(b) ? "if (l %% 128 + s < count - c - l / 128 * 1024)"
                                     : "if (l + s < count)");
    join(b, i, x, x, y);
}

/* A tree over the lanes of reductions that are (not) ordered, or of all. */
enum which { FREE, ORDERED, ALL };
static bool is_which(const struct gpu_body *b, const bool *in, int i, enum which which)
{
    return is_fold(b, in, i) && (which == ALL || ordered(b, i) == (which == ORDERED));
}

static void fold_lanes(struct gpu_body *b, const bool *in, enum which which)
{
    bool any = false, two = by_twos(b);
    for (int i = 0; i < b->p.n->n_nodes; i++) any |= is_which(b, in, i, which);
    if (!any) return;
    print_line(&b->p, "X_BARRIER();");
    if (two && which == FREE) print_line(&b->p, "for (i64 s = 128; s; s /= 2) {");
    else print_line(&b->p, "for (i64 s = %d; s; s /= 2) {", gpu_lanes(b->p.s) / 2);
    b->p.indent++;
    if (two && which == ORDERED) {
        print_line(&b->p, "for (i64 t = X_LID; t < 2 * s; t += X_LSIZE) {");
        print_line(&b->p, "    const i64 l = t / s * 128 + t %% s;");
    } else print_line(&b->p, "for (i64 l = %s; l < s; l += %s) {", b->me, b->many);
    b->p.indent++;
    for (int i = 0; i < b->p.n->n_nodes; i++)
        if (is_which(b, in, i, which)) join_lanes(b, i);
    print_close(&b->p);
    print_line(&b->p, "X_BARRIER();");
    print_close(&b->p);
}

static const char *part_name(const struct gpu_body *b, int i)
{
    return b->p.n->node[i].index == NEST_SUM ? "sum" : "prod";
}

/* Rows of a nest that takes columns have at most 256 chunks (nest_shape.h): one level above. */
static void push_column(struct gpu_body *b, int i)
{
    char to[48], from[16];
    snprintf(to, sizeof to, "h%d[c / 1024 %% 128%s]", i, b->scale);
    snprintf(from, sizeof from, "e%d[0]", i);
    print_line(&b->p, "if (c < 131072) %s = %s;", to, from);
    print_line(&b->p, "else");
    b->p.indent++;
    join(b, i, to, to, from);
    b->p.indent--;
}

/* Partials of the chunks that just ended; one work-item joins them to those before. */
void gpu_fold_chunk_end(struct gpu_body *b, const bool *in)
{
    bool any = false;
    for (int i = 0; i < b->p.n->n_nodes; i++) any |= is_which(b, in, i, ORDERED);
    if (!any || !is_long(b)) return;
    fold_lanes(b, in, ORDERED);
    if (by_twos(b))
        print_line(&b->p,
                   "for (i64 k = 0; X_LID == 0 && k < chunks && c + k * 1024 < count; k++) {");
    else print_line(&b->p, "if (%s == 0) {", b->me);
    b->p.indent++;
    for (int i = 0; i < b->p.n->n_nodes; i++) {
        if (!is_which(b, in, i, ORDERED)) continue;
        if (by_twos(b))
            print_line(&b->p, "x_%s_push%s(h%d, c / 1024 + k, e%d[k * 128]);", part_name(b, i),
                       print_ending(lane_type(b, i)), i, i);
        else push_column(b, i);
    }
    print_close(&b->p);
    print_line(&b->p, "X_BARRIER();");
}

/* The value of no points at all. */
static const char *empty_of(const struct gpu_body *b, int i)
{
    const struct nest_node *node = &b->p.n->node[i];
    if (finds_place(node) || node->index == NEST_SUM) return "0";
    return first_of(b, i);
}

static void end_column(struct gpu_body *b, int i)
{
    char x[32], y[40];
    snprintf(x, sizeof x, "h%d[l%s]", i, b->scale);
    snprintf(y, sizeof y, "h%d[(l + s)%s]", i, b->scale);
    print_line(&b->p, "for (i64 s = 64; s; s /= 2)");
    print_line(&b->p, "    for (i64 l = 0; l < s && l + s < (count + 1023) / 1024; l++)");
    b->p.indent += 2;
    join(b, i, x, x, y);
    b->p.indent -= 2;
    print_line(&b->p, "e%d[0] = h%d[0];", i, i);
}

static void end_of_long(struct gpu_body *b, const bool *in)
{
    bool any = false;
    for (int i = 0; i < b->p.n->n_nodes; i++) any |= is_which(b, in, i, ORDERED);
    if (!any) return;
    print_line(&b->p, "if (%s == 0) {", b->me);
    b->p.indent++;
    for (int i = 0; i < b->p.n->n_nodes; i++) {
        if (!is_which(b, in, i, ORDERED)) continue;
        if (b->columns > 1) end_column(b, i);
        else
            print_line(&b->p, "e%d[0] = x_%s_end%s(h%d, (count + 1023) / 1024);", i,
                       part_name(b, i), print_ending(lane_type(b, i)), i);
    }
    print_close(&b->p);
    print_line(&b->p, "X_BARRIER();");
}

void gpu_fold_end(struct gpu_body *b, const bool *in)
{
    fold_lanes(b, in, is_long(b) ? FREE : ALL);
    if (is_long(b)) end_of_long(b, in);
    for (int i = 0; i < b->p.n->n_nodes; i++) {
        if (!is_fold(b, in, i)) continue;
        if (is_complex(type_of(b, i)))
            print_line(&b->p, "v%d = count ? e%d[0] : x_make%s(%s, 0);", i, i,
                       print_ending(type_of(b, i)), first_of(b, i)[0] == '1' ? "1" : "0");
        else
            print_line(&b->p, "v%d = count ? %c%d[0] : %s;", i,
                       finds_place(&b->p.n->node[i]) ? 'g' : 'e', i, empty_of(b, i));
    }
}
