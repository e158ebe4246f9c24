/* nest_cases.h - loop nests of every construct of nest.h on hostile values and layouts, and random
 * ones: what compiled, printed and interpreted nests are compared on.
 */
#ifndef TESTS_NEST_CASES_H
#define TESTS_NEST_CASES_H

#include "runtime/nest_run.h"
#include "unit.h"

static struct arena arena;

enum { CASE_ROOM = 1 << 21 }; /* bytes of an array */

static void must(enum err err)
{
    if (err) print_error("%s\n", err_text());
    assert_int_equal(err, ERR_OK);
}

/* ---- values ---- */

static uint64_t seed = 1;
static uint64_t next(void)
{
    seed += 0x9e3779b97f4a7c15u;
    uint64_t z = seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
static int64_t below(int64_t n)
{
    return (int64_t)(next() % (uint64_t)n);
}

/* Mostly numbers near 1, some of each special kind, some of any bits. */
static double hostile(void)
{
    static const double special[] = {0.0,
                                     -0.0,
                                     __builtin_inf(),
                                     -__builtin_inf(),
                                     1e-40,
                                     -1e-310,
                                     3e38,
                                     -1e300,
                                     1.0,
                                     -1.0,
                                     0.5,
                                     65504,
                                     448,
                                     1e-7};
    if (below(8) == 0) return special[below(sizeof special / sizeof *special)];
    if (below(200) == 0) return __builtin_nan("");
    return (double)(below(20001) - 10000) / 1024;
}

static void fill(enum dtype dtype, void *p, size_t n)
{
    bool any_bits = below(3) == 0 && dtype != DTYPE_B8;
    size_t size = dtype_size(dtype);
    int parts = dtype_kind(dtype) == DTYPE_COMPLEX ? 2 : 1;
    for (size_t i = 0; any_bits && i < n * size; i++) ((char *)p)[i] = (char)next();
    for (size_t i = 0; !any_bits && i < n; i++) {
        double v[2] = {hostile(), hostile()};
        dtype_cast(parts == 2 ? DTYPE_C128 : DTYPE_F64, v, dtype, (char *)p + i * size, 1);
    }
}

/* ---- a case ---- */

struct test_case {
    const char *body;
    enum dtype compute, dtype[NEST_ARRAYS]; /* of x, y, z, out, out1 */
    int n_outer, n_inner;
    int64_t size[NEST_LOOPS];
    bool transposed; /* x and y lie the other way round */
    bool gaps;       /* rows lie apart */
    bool moves;
    bool in_place;     /* out is x */
    int64_t broadcast; /* bit d: y does not vary along loop d */
};
enum { X, Y, Z, OUT, OUT1, ARRAYS };
static const char *const names[ARRAYS] = {"x", "y", "z", "out", "out1"};

static void lie_dense(const struct test_case *t, bool backwards, struct nest_lie *lie)
{
    int n = t->n_outer + t->n_inner;
    int64_t stride = 1;
    for (int k = 0; k < n; k++) {
        int d = backwards ? k : n - 1 - k;
        lie->stride[d] = stride;
        stride *= t->size[d];
        if (t->gaps && k == 0) stride += 3;
    }
}

/* out1 is one value per outer point where there are inner loops. z holds positions in x's first
 * rows when the body takes x at computed ones. */
static void make(const struct test_case *t, struct nest *nest, struct nest_plan *plan)
{
    struct nest_spec s = {.body = t->body, .compute = t->compute, .n_arrays = ARRAYS};
    int n = t->n_outer + t->n_inner;
    s.n_outer = plan->n_outer = t->n_outer;
    s.n_inner = plan->n_inner = t->n_inner;
    plan->n_arrays = ARRAYS;
    memcpy(plan->size, t->size, sizeof plan->size);
    for (int i = 0; i < ARRAYS; i++) {
        struct nest_lie *lie = &plan->lie[i];
        s.array[i] = (struct nest_array){.name = names[i],
                                         .dtype = t->dtype[i] ? t->dtype[i] : t->compute,
                                         .written = i >= OUT,
                                         .moves = t->moves};
        lie_dense(t, t->transposed && i < Z && !(i == X && t->in_place), lie);
        for (int d = 0; d < n; d++)
            if (i == Y && (t->broadcast >> d & 1)) lie->stride[d] = 0;
    }
    if (strstr(t->body, "load(x")) {
        s.array[X].n_indexed = 1;
        memset(plan->lie[X].stride, 0, sizeof plan->lie[X].stride);
        plan->lie[X].index_stride[0] = 2;
        plan->lie[X].index_size[0] = 50;
    }
    if (t->n_inner) {
        int64_t stride = 1;
        memset(plan->lie[OUT1].stride, 0, sizeof plan->lie[OUT1].stride);
        for (int d = t->n_outer - 1; d >= 0; d--) {
            plan->lie[OUT1].stride[d] = stride;
            stride *= t->size[d];
        }
    }
    s.own[Z] = true;
    s.own[OUT1] = t->dtype[OUT1] == DTYPE_I64;
    for (int i = 0; i < ARRAYS; i++) {
        s.outer[i] = t->n_inner > 0;
        for (int d = t->n_outer; d < n; d++)
            if (plan->lie[i].stride[d]) s.outer[i] = false;
    }
    s.n_params = 2;
    s.param[0] = "s";
    s.param[1] = "k";
    s.param_type[0] = nest_type_of(t->compute);
    s.param_type[1] = NEST_I64;
    must(nest_build(&s, &arena, nest));
    must(nest_verify(nest));
}

/* ---- cases ---- */

static const struct test_case flat_cases[] = {
    {"out = x + s * y", DTYPE_F32, .n_outer = 1, .size = {1000}},
    {"out = x + s * y", DTYPE_BF16, .n_outer = 2, .size = {30, 40}, .broadcast = 1},
    {"out = x * y; out1 = x - y", DTYPE_I8, .n_outer = 2, .size = {30, 40}, .broadcast = 2},
    {"out = x / y", DTYPE_F64, .n_outer = 3, .size = {3, 20, 11}, .transposed = true},
    {"out = where(isnan(x), x, where(x > 0, x, 0))", DTYPE_F16, .n_outer = 1, .size = {2000}},
    {"out = x; out1 = y", DTYPE_F16, .n_outer = 1, .size = {3000}, .moves = true},
    {"out = where(k > 1, x, y)", DTYPE_F8E5M2, .n_outer = 2, .size = {50, 60}, .moves = true,
     .gaps = true},
    {"out = exp(x) + gelu(y) * tanh(x); out1 = log(x)", DTYPE_F32, .n_outer = 1, .size = {5000}},
    {"out = pow(x, y) + sin(x)", DTYPE_F32, .n_outer = 1, .size = {500}},
    {"out = floordiv(x, y) + remainder(x, y) * k; out1 = shl(x, y)", DTYPE_I64, .n_outer = 1,
     .size = {1000}},
    {"out = floordiv(x, y) * x; out1 = max(x, y)", DTYPE_U64, .n_outer = 1, .size = {1000}},
    {"out = x + y; out1 = x * y != x", DTYPE_B8, .n_outer = 1, .size = {1000}},
    {"out = x * y + exp(x); out1 = x / y", DTYPE_C64, .n_outer = 1, .size = {1000}},
    {"out = x * y - s; out1 = conj(x) / y", DTYPE_C128, .n_outer = 1, .size = {1000}},
    {"out = to_f16(x) + to_bf16(y) + to_f8e4m3fn(x); out1 = to_compute(to_i8(x))", DTYPE_F32,
     .n_outer = 1, .size = {1000}},
    {"out = x", DTYPE_F32, {[OUT] = DTYPE_F8E4M3FN}, .n_outer = 1, .size = {2000}},
    {"out = x; out1 = x",
     DTYPE_F64,
     {[OUT] = DTYPE_U64, [OUT1] = DTYPE_F32},
     .n_outer = 1,
     .size = {2000}},
    {"out = uniform(linear) + s; out1 = normal(linear)", DTYPE_F32, .n_outer = 2, .size = {30, 40},
     .transposed = true},
    {"out = to_compute(at(0) * size(1) + at(1)); out1 = to_compute(word(linear, 2))", DTYPE_F64,
     .n_outer = 2, .size = {30, 40}},
    {"out = load(x, z) + y", DTYPE_F32, {[Z] = DTYPE_I64}, .n_outer = 1, .size = {1000}},
    {"out = x * s + y", DTYPE_F32, .n_outer = 1, .size = {100000}, .in_place = true},
    {"out = x + y", DTYPE_F32, .n_outer = 2, .size = {3, 32000}, .broadcast = 1},
    {"out = x + 1", DTYPE_F32, .n_outer = 0},
};
static const struct test_case nested_cases[] = {
    {"out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {40, 16}},
    {"out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {40, 200}},
    {"out1 = sum(x) / to_compute(n)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {5, 1000}},
    {"out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {5, 5000}},
    {"out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {40, 70}, .transposed = true},
    {"out1 = sum(x * x)", DTYPE_F64, .n_outer = 1, .n_inner = 2, .size = {7, 33, 47}, .gaps = true},
    {"out1 = prod(x)", DTYPE_F64, .n_outer = 2, .n_inner = 1, .size = {4, 5, 1500}},
    {"m = amax(x); e = exp(x - m); out = e / sum(e); out1 = m", DTYPE_F32, .n_outer = 1,
     .n_inner = 1, .size = {13, 1500}},
    {"m = amax(x); e = exp(x - m); out = e / sum(e); out1 = m", DTYPE_BF16, .n_outer = 1,
     .n_inner = 1, .size = {40, 64}, .in_place = true},
    {"m = sum(x) / to_compute(n); d = x - m; r = rsqrt(sum(d * d) / to_compute(n) + s); "
     "out = fma(d * r, y, y); out1 = r",
     DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {20, 300}, .broadcast = 1},
    {"out1 = sum(x) * prod(y); out = x - sum(x)", DTYPE_I32, .n_outer = 1, .n_inner = 1,
     .size = {20, 300}},
    {"out1 = amin(x) + amax(y)", DTYPE_F64, .n_outer = 1, .n_inner = 2, .size = {20, 30, 41},
     .gaps = true},
    {"out1 = amin(x) + amax(y)", DTYPE_U64, .n_outer = 1, .n_inner = 1, .size = {20, 300}},
    {"out1 = argmax(x)",
     DTYPE_F32,
     {[OUT1] = DTYPE_I64},
     .n_outer = 1,
     .n_inner = 1,
     .size = {20, 3000}},
    {"out1 = argmin(x) + argmax(y)",
     DTYPE_I16,
     {[OUT1] = DTYPE_I64},
     .n_outer = 1,
     .n_inner = 1,
     .size = {20, 300}},
    {"out1 = argmax(x)",
     DTYPE_B8,
     {[OUT1] = DTYPE_I64},
     .n_outer = 1,
     .n_inner = 1,
     .size = {20, 30}},
    {"out1 = where(any(x > 3), to_compute(1), 0) + where(all(y < 9), to_compute(1), 0)", DTYPE_F32,
     .n_outer = 1, .n_inner = 1, .size = {200, 30}},
    {"out1 = sum(x)", DTYPE_C64, .n_outer = 1, .n_inner = 1, .size = {3, 3000}},
    {"out1 = sum(x * y)", DTYPE_C128, .n_outer = 1, .n_inner = 1, .size = {3, 500}},
    {"out = cumsum(x); out1 = sum(cumsum(x))", DTYPE_I64, .n_outer = 1, .n_inner = 1,
     .size = {20, 3000}},
    {"out1 = sum(y)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {5, 3000}, .broadcast = 2},
    {"out1 = sum(to_compute(at(1) * linear))", DTYPE_F64, .n_outer = 1, .n_inner = 2,
     .size = {5, 30, 70}},
    {"out = x - sum(x); out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {40, 1}},
    {"out1 = sum(x)", DTYPE_F32, .n_outer = 0, .n_inner = 1, .size = {100000}},
    {"out = cumsum(x); out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {3, 5000},
     .in_place = true},
    {"c = cumsum(x); out = cumsum(c * y) + x; out1 = sum(c)", DTYPE_F32, .n_outer = 1, .n_inner = 1,
     .size = {20, 100}, .in_place = true},
    {"out = cumprod(x)", DTYPE_F64, .n_outer = 1, .n_inner = 2, .size = {3, 40, 50}, .gaps = true},
    {"out = cumsum(x) / sum(cumsum(x))", DTYPE_F16, .n_outer = 1, .n_inner = 1, .size = {9, 1030}},
    {"out1 = sum(x) + amax(y)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {70, 3000},
     .transposed = true},
    {"m = sum(x) / to_compute(n); d = x - m; out = d * s; out1 = sum(d * d)", DTYPE_F64,
     .n_outer = 2, .n_inner = 1, .size = {3, 100, 40}, .transposed = true},
    {"m = sum(x) / to_compute(n); d = x - m; out = d * rsqrt(sum(d * d) + s); out1 = prod(x)",
     DTYPE_BF16, .n_outer = 1, .n_inner = 1, .size = {33, 700}, .transposed = true, .gaps = true},
    {"out1 = sum(x)", DTYPE_F32, .n_outer = 1, .n_inner = 1, .size = {520, 200},
     .transposed = true},
    {"out1 = sum(x) - prod(y) + amin(x)", DTYPE_I32, .n_outer = 1, .n_inner = 1, .size = {20, 100},
     .transposed = true},
    {"out1 = where(any(x > y), to_compute(at(0)), sum(to_compute(linear)))", DTYPE_F32,
     .n_outer = 1, .n_inner = 1, .size = {20, 100}, .transposed = true},
    {"out1 = sum(load(x, z) * y)",
     DTYPE_F32,
     {[Z] = DTYPE_I64},
     .n_outer = 1,
     .n_inner = 1,
     .size = {30, 100}},
};

/* ---- random nests ---- */

/* An expression of numbers of the compute type. `folds`: reductions may stand in it. */
static void random_expression(struct buf *b, int depth, bool folds)
{
    static const char *const leaves[] = {"x", "y", "s", "2", "x", "y"};
    static const char *const ones[] = {
        "-",
        "abs",
        "sign",
    };
    static const char *const twos[] = {"+", "-", "*"}, *const calls[] = {"max", "min"};
    static const char *const reductions[] = {"sum", "amax", "amin", "prod", "sum"};
    if (depth == 0 || below(6) == 0) {
        buf_puts(b, leaves[below(6)]);
        return;
    }
    int kind = (int)below(folds ? 6 : 5);
    if (kind == 5) buf_puts(b, reductions[below(5)]);
    else if (kind == 4) buf_puts(b, calls[below(2)]);
    else if (kind == 3) buf_puts(b, ones[below(3)]);
    else if (kind == 2) buf_puts(b, "where");
    buf_putc(b, '(');
    random_expression(b, depth - 1, folds && kind != 5);
    if (kind == 2) {
        buf_puts(b, below(2) ? " > " : " != ");
        random_expression(b, 0, false);
        buf_puts(b, ", ");
        random_expression(b, depth - 1, folds);
    }
    if (kind < 2) buf_printf(b, " %s ", twos[below(3)]);
    else if (kind == 2 || kind == 4) buf_puts(b, ", ");
    if (kind < 3 || kind == 4) random_expression(b, depth - 1, folds);
    buf_putc(b, ')');
}

/* A case of its own each time; its body is in *body. */
static struct test_case random_case(struct buf *body)
{
    static const enum dtype dtypes[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F64,
                                        DTYPE_I32, DTYPE_F16,  DTYPE_I64};
    struct test_case t = {.compute = dtypes[below(6)]};
    t.n_inner = (int)below(3);
    t.n_outer = (int)below(3);
    for (int d = 0; d < t.n_outer + t.n_inner; d++) t.size[d] = 1 + below(t.n_inner ? 11 : 40);
    if (t.n_inner == 1) t.size[t.n_outer] = 1 + below(1500);
    t.transposed = below(2);
    t.gaps = below(2);
    t.in_place = !t.transposed && below(2);
    t.broadcast = below(8);
    buf_puts(body, "out = ");
    random_expression(body, 4, t.n_inner > 0);
    buf_puts(body, t.n_inner ? "; out1 = sum(" : "; out1 = (");
    random_expression(body, 2, false);
    buf_puts(body, ")");
    t.body = body->p;
    return t;
}

/* Arguments of the call, and values of its arrays; positions are inside. */
static void fill_case(const struct nest *nest, char **room, struct nest_run *run)
{
    if (nest->param_type[0] == NEST_I64 || nest->param_type[0] == NEST_U64) run->param[0].i = 3;
    else if (nest->param_type[0] == NEST_B) run->param[0].i = 1;
    else run->param[0].r = 0.7;
    run->param[1].i = 2;
    for (int i = 0; i < ARRAYS; i++) {
        fill(nest->array[i].dtype, room[i], CASE_ROOM / 16);
        if (i == Z && nest->array[X].n_indexed)
            for (int64_t k = 0; k < CASE_ROOM / 16; k++) ((int64_t *)room[Z])[k] = below(50);
    }
}

#endif
