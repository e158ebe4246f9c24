/* suite_make.h - arguments of a sample made from its text (suite.h says the language). */
#ifndef TESTS_SUITE_MAKE_H
#define TESTS_SUITE_MAKE_H

#include "tests/unit/unit.h"

#include <ctype.h>
#include <math.h>

#include "runtime/session.h"
#include "tests/unit/suite.h"

enum { SUITE_TENSORS = 64, SUITE_INTS = 256, SUITE_TEXTS = 8 };
/* A sample with one dtype, and what was made for it; tensors live in the frame. */
struct suite_case {
    const char *op, *args;
    enum dtype dtype;
    uint64_t random;
    const char *p; /* where in args */
    struct op_value v[OP_ARGS];
    int n;
    struct plumb_tensor *tensor[SUITE_TENSORS];
    bool varied[SUITE_TENSORS]; /* of the dtype under test, with ordinary values */
    int n_tensors;
    int64_t ints[SUITE_INTS];
    int n_ints;
    char text[SUITE_TEXTS][24];
    int n_texts;
    bool hostile; /* a letter x was met */
};

static void suite_bad(const struct suite_case *k, const char *what)
{
    fail_msg("%s: sample \"%s\": %s at byte %d", k->op, k->args, what, (int)(k->p - k->args));
}

static uint64_t suite_random(struct suite_case *k)
{
    uint64_t z = k->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- values ---- */

static long double suite_end(enum dtype t, bool smallest)
{
    static const struct {
        enum dtype dtype;
        long double largest, smallest;
    } ends[] = {{DTYPE_F64, 0x1.fffffffffffffp1023L, 0x1p-1074L},
                {DTYPE_F32, 0x1.fffffep127L, 0x1p-149L},
                {DTYPE_F16, 65504, 0x1p-24L},
                {DTYPE_BF16, 0x1.fep127L, 0x1p-133L},
                {DTYPE_F8E4M3FN, 448, 0x1p-9L},
                {DTYPE_F8E5M2, 57344, 0x1p-16L}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i].dtype == t) return smallest ? ends[i].smallest : ends[i].largest;
    return 1;
}

static long double suite_integer_end(enum dtype t, bool low)
{
    bool is_signed = dtype_kind(t) == DTYPE_SIGNED;
    long double half = scalbnl(1, 8 * (int)dtype_size(t) - 1);
    return low ? is_signed ? -half : 0 : is_signed ? half - 1 : 2 * half - 1;
}

static long double suite_hostile(struct suite_case *k, enum dtype t)
{
    unsigned pick = (unsigned)(suite_random(k) % 12);
    long double sign = pick & 1 ? -1 : 1;
    if (dtype_is_integer(t))
        return pick < 8 ? suite_integer_end(t, pick & 1) : (long double)(pick & 1);
    switch (pick / 2) {
    case 0: return NAN;
    case 1: return sign * (long double)INFINITY;
    case 2: return sign * 0.0L;
    case 3: return sign * suite_end(t, true) * (long double)(1 + suite_random(k) % 3);
    case 4: return sign * suite_end(t, false);
    default: return sign;
    }
}

/* Of kind x n u c d. */
static long double suite_value(struct suite_case *k, char kind, enum dtype t, int64_t at)
{
    uint64_t r = suite_random(k);
    bool complex = dtype_kind(t) == DTYPE_COMPLEX;
    long double unit = (long double)(r >> 11) * 0x1p-53L;
    if (t == DTYPE_B8) return r & 1;
    if (kind == 'x' && r % 2 && !complex) return suite_hostile(k, t);
    if (kind == 'c') kind = 'u';
    if (dtype_is_integer(t)) {
        int64_t low = dtype_kind(t) == DTYPE_UNSIGNED ? 0 : -9;
        return kind == 'u'   ? (long double)(1 + r % 9)
               : kind == 'd' ? (long double)((at * 37 + 11) % 101)
                             : (long double)((int64_t)(r % (uint64_t)(10 - low)) + low);
    }
    if (kind == 'u') return 0.25L + 1.75L * unit;
    if (kind == 'd') return (long double)((at * 37 + 11) % 101 - 50) / 16;
    return 4 * unit - 2;
}

/* ---- tensors ---- */

/* How it lies: a parent that is dense, and the view of it. */
static void suite_lay(const struct view_shape *shape, enum dtype dtype, const char *how,
                      struct view_shape *parent, struct view *v)
{
    struct view_shape s = *shape;
    bool e = strchr(how, 'e'), f = strchr(how, 'f'), t = strchr(how, 't');
    int64_t step = strchr(how, 's') ? 2 : 1, stride = step, count = 1;
    int order[VIEW_DIMS], n = s.n;
    for (int i = 0; i < n; i++) order[i] = f ? n - 1 - i : i;
    if (t && n > 1) order[n - 1] = n - 2, order[n - 2] = n - 1;
    *v = (struct view){.dtype = dtype, .shape = s, .offset = strchr(how, 'o') ? 3 : 0};
    for (int i = n - 1; i >= 0; i--) {
        int d = order[i];
        if (e && d == 0) continue;
        v->stride[d] = stride;
        stride *= s.size[d] ? s.size[d] : 1;
        count *= s.size[d];
    }
    *parent = (struct view_shape){1, {count ? v->offset + stride * step : v->offset}};
}

static void suite_fill(struct suite_case *k, char kind, int64_t low, int64_t high,
                       const struct view *v, struct plumb_tensor *parent)
{
    struct oracle_array a;
    const struct backend *b = thread_self.session->backend;
    int64_t bytes = parent->storage->size;
    int parts = dtype_kind(v->dtype) == DTYPE_COMPLEX ? 2 : 1;
    char *host = calloc(1, (size_t)bytes + 1);
    if (!host || !oracle_array_init(&a, v->dtype, &v->shape)) fail_msg("out of memory");
    memset(host, 0x5a, (size_t)bytes);
    for (int64_t i = 0; i < a.n * parts; i++)
        a.v[i] = low < high
                     ? (long double)(low + (int64_t)(suite_random(k) % (uint64_t)(high - low)))
                     : oracle_round(v->dtype, suite_value(k, kind, v->dtype, i));
    oracle_store(&a, v, host);
    if (bytes && b->computes) assert_int_equal(b->from_host(parent->storage->p, host, bytes), 0);
    oracle_array_release(&a);
    free(host);
}

static bool suite_take(struct suite_case *k, char c)
{
    while (*k->p == ' ') k->p++;
    if (*k->p != c) return false;
    k->p++;
    return true;
}

static int64_t suite_int(struct suite_case *k)
{
    char *end;
    int64_t i = strtoll(k->p, &end, 10);
    if (end == k->p) suite_bad(k, "an integer is missing");
    k->p = end;
    return i;
}

static void suite_shape(struct suite_case *k, struct view_shape *s)
{
    s->n = 0;
    if (!suite_take(k, '[')) suite_bad(k, "[ is missing");
    while (!suite_take(k, ']')) {
        s->size[s->n++] = suite_int(k);
        suite_take(k, ',');
    }
}

/* After the word that says what values: <7>[2, 3]ts */
static struct plumb_tensor *suite_tensor(struct suite_case *k, char kind, enum dtype dtype)
{
    struct view_shape shape, parent_shape;
    struct plumb_tensor *parent, *t;
    struct view v;
    int64_t low = 0, high = 0;
    char how[8] = "";
    if (suite_take(k, '<')) {
        high = suite_int(k);
        if (high < 0) low = high, high = -high;
        if (!suite_take(k, '>')) suite_bad(k, "> is missing");
    }
    suite_shape(k, &shape);
    for (size_t i = 0; i < 7 && *k->p && strchr("tsoef", *k->p); i++) how[i] = *k->p++;
    suite_lay(&shape, dtype, how, &parent_shape, &v);
    if (tensor_new(dtype, &parent_shape, &parent)) fail_msg("%s", err_text());
    suite_fill(k, kind, low, high, &v, parent);
    if (tensor_view(parent, &v, &t)) fail_msg("%s", err_text());
    if (kind == 'x') k->hostile = true;
    k->varied[k->n_tensors] = kind && kind != 'x' && kind != 'c';
    k->tensor[k->n_tensors++] = t;
    return t;
}

/* ---- arguments ---- */

static void suite_word(struct suite_case *k, struct op_value *out)
{
    char word[16] = "";
    enum dtype dtype;
    for (size_t i = 0; i < 15 && isalnum((unsigned char)*k->p); i++) word[i] = *k->p++;
    bool tensor = *k->p == '[' || *k->p == '<';
    if (!strcmp(word, "None")) *out = (struct op_value){0};
    else if (!strcmp(word, "true") || !strcmp(word, "false"))
        *out = (struct op_value){.kind = OP_BOOL, .i = word[0] == 't'};
    else if (!strcmp(word, "dtype")) *out = (struct op_value){.kind = OP_DTYPE, .i = k->dtype};
    else if (!strcmp(word, "inf") || !strcmp(word, "nan"))
        *out = (struct op_value){.kind = OP_SCALAR, .r = word[0] == 'i' ? INFINITY : NAN};
    else if (!word[1] && strchr("xnucd", word[0]) && tensor)
        *out = (struct op_value){.kind = OP_TENSOR, .t = suite_tensor(k, word[0], k->dtype)};
    else if (dtype_find((struct span){word, strlen(word)}, &dtype))
        suite_bad(k, "an unknown word stands before");
    else if (tensor) *out = (struct op_value){.kind = OP_TENSOR, .t = suite_tensor(k, 0, dtype)};
    else *out = (struct op_value){.kind = OP_DTYPE, .i = dtype};
}

static void suite_number(struct suite_case *k, struct op_value *out)
{
    char *end, *end_int;
    *out = (struct op_value){.r = strtod(k->p, &end), .i = strtoll(k->p, &end_int, 10)};
    if (end == k->p) suite_bad(k, "an argument is missing");
    if (*k->p == '-' && !strncmp(k->p, "-inf", 4)) end_int = NULL;
    out->is_int = end == end_int;
    out->kind = out->is_int ? OP_INT : OP_SCALAR;
    k->p = end;
}

static void suite_ints(struct suite_case *k, struct op_value *out)
{
    *out = (struct op_value){.kind = OP_INTS, .is = k->ints + k->n_ints};
    while (!suite_take(k, ']')) {
        bool word = isalpha((unsigned char)*k->p);
        k->ints[k->n_ints] = word ? *k->p == 't' : suite_int(k);
        while (isalpha((unsigned char)*k->p)) k->p++;
        if (++k->n_ints == SUITE_INTS) suite_bad(k, "too many integers");
        out->n++;
        suite_take(k, ',');
    }
}

static void suite_text(struct suite_case *k, struct op_value *out)
{
    char *to = k->text[k->n_texts++];
    for (int i = 0; *k->p && *k->p != '"' && i < 23; i++) to[i] = *k->p++;
    if (!suite_take(k, '"') || k->n_texts == SUITE_TEXTS) suite_bad(k, "a text without end");
    *out = (struct op_value){.kind = OP_TEXT, .s = to};
}

static void suite_list(struct suite_case *k, struct op_value *out)
{
    int first = k->n_tensors;
    while (!suite_take(k, '}')) {
        struct op_value one;
        while (*k->p == ' ') k->p++;
        suite_word(k, &one);
        if (!one.kind) k->tensor[k->n_tensors++] = NULL;
        if (k->n_tensors == SUITE_TENSORS) suite_bad(k, "too many tensors");
        suite_take(k, ',');
    }
    *out =
        (struct op_value){.kind = OP_TENSORS, .ts = k->tensor + first, .n = k->n_tensors - first};
}

static void suite_argument(struct suite_case *k, struct op_value *out)
{
    while (*k->p == ' ') k->p++;
    if (suite_take(k, '[')) suite_ints(k, out);
    else if (suite_take(k, '{')) suite_list(k, out);
    else if (suite_take(k, '"')) suite_text(k, out);
    else if (suite_take(k, '=')) *out = k->v[suite_int(k)];
    else if (isalpha((unsigned char)*k->p)) suite_word(k, out);
    else suite_number(k, out);
}

/* Makes all arguments, in the frame of the thread. */
static inline void suite_arguments(struct suite_case *k)
{
    k->p = k->args;
    while (*k->p) {
        suite_argument(k, &k->v[k->n++]);
        while (*k->p == ' ') k->p++;
        if (*k->p && !suite_take(k, ',')) suite_bad(k, "a comma is missing");
    }
}

#endif
