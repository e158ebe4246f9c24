/* suite_check.h - a back end that compares whatever runs on it with the oracles.
 *
 * A right value lies within
 *     tolerance * roundoff of the compute dtype * mag  +  one rounding to the result's dtype
 * of the oracle's (oracle.h). For results among the denormals of the compute type, where a roundoff
 * is absolute, `tolerance` times half the smallest one is added. With tolerance 0 the value is the
 * oracle's, rounded once, the sign of zero included.
 */
#ifndef TESTS_SUITE_CHECK_H
#define TESTS_SUITE_CHECK_H

#include "runtime/backend_host.h"
#include "tests/unit/suite_make.h"

static struct {
    int64_t calls, values;
    int failures;
    const struct op *complained; /* one message per operator and back end */
    const char *complained_how;
    const struct suite_case *at;
    const char *how; /* the back end, for messages */
    double worst;    /* error / bound */
    char worst_op[64];
} suite;

enum { SUITE_MESSAGES = 40 };

static bool suite_may_complain(const struct op *op)
{
    bool again = suite.complained == op && suite.complained_how == suite.how;
    suite.failures++;
    suite.complained = op;
    suite.complained_how = suite.how;
    return !again && suite.failures <= SUITE_MESSAGES;
}

/* Distance of neighbours at v, halved: what one rounding may do. */
static long double suite_half_ulp(enum dtype t, long double v)
{
    static const struct {
        enum dtype dtype;
        int bits, low;
    } forms[] = {{DTYPE_F64, 53, -1022},  {DTYPE_C128, 53, -1022}, {DTYPE_F32, 24, -126},
                 {DTYPE_C64, 24, -126},   {DTYPE_F16, 11, -14},    {DTYPE_BF16, 8, -126},
                 {DTYPE_F8E4M3FN, 4, -6}, {DTYPE_F8E5M2, 3, -14}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].dtype != t) continue;
        int e = v > 0 && v < INFINITY ? ilogbl(v) : forms[i].low;
        return scalbnl(1, (e > forms[i].low ? e : forms[i].low) - forms[i].bits);
    }
    return 0;
}

static bool suite_is_exact(enum dtype t)
{
    return dtype_is_integer(t) || t == DTYPE_B8;
}
static enum dtype suite_part(enum dtype t)
{
    return t == DTYPE_C64 ? DTYPE_F32 : t == DTYPE_C128 ? DTYPE_F64 : t;
}

/* What is beyond the largest value counts as the next one would. */
static long double suite_finite(enum dtype t, long double v)
{
    long double top = suite_end(suite_part(t), false);
    long double next = top + 2 * suite_half_ulp(t, top);
    return v > top ? next : v < -top ? -next : v;
}

static bool suite_fits(const struct op_call *c, enum dtype t, long double got, long double v,
                       long double mag)
{
    /* operators on lists compute each member in its own dtype */
    long double u = oracle_roundoff(c->compute ? c->compute : t), tol = c->op->tolerance;
    bool wide = u < 0x1p-40L;
    if (isnan(v)) return isnan(got);
    if (suite_is_exact(t)) return got == v;
    if (tol == 0) {
        v = oracle_round(t, v);
        return got == v && signbit(got) == signbit(v);
    }
    if (got == v) return true;
    if (mag < 0) mag = fabsl(v);
    if (!isfinite(got) && mag * 2 > suite_end(wide ? DTYPE_F64 : DTYPE_F32, false)) return true;
    if (isnan(got)) return false;
    long double e = tol * u * mag + tol * (wide ? 0x1p-1075L : 0x1p-150L),
                want = suite_finite(t, v);
    e += suite_half_ulp(t, fabsl(want) + e);
    long double off = fabsl(suite_finite(t, got) - want);
    if (e > 0 && (double)(off / e) > suite.worst && off <= e) {
        suite.worst = (double)(off / e);
        snprintf(suite.worst_op, sizeof suite.worst_op, "%s", c->op->s.name);
    }
    return off <= e;
}

static void suite_complain(const struct op_call *c, const struct plumb_tensor *t, int64_t i,
                           long double got, long double v, long double mag)
{
    char text[TENSOR_TEXT];
    if (!suite_may_complain(c->op)) return;
    print_error("%s on %s, sample %s(%s) in %s: element %lld of %s is %.17Lg; the oracle says "
                "%.17Lg, mag %.3Lg\n",
                c->op->s.name, suite.how, suite.at ? suite.at->op : "",
                suite.at ? suite.at->args : "", suite.at ? dtype_name(suite.at->dtype) : "",
                (long long)i, tensor_text(t, text), got, v, mag);
}

static void suite_compare(const struct op_call *c, const struct plumb_tensor *t,
                          const struct oracle_array *want)
{
    struct oracle_array got;
    int64_t n = want->n * (dtype_kind(want->dtype) == DTYPE_COMPLEX ? 2 : 1);
    if (!oracle_array_init(&got, t->view.dtype, &t->view.shape)) fail_msg("out of memory");
    oracle_load(&got, &t->view, t->storage->p);
    suite.values += n;
    for (int64_t i = 0; i < n; i++)
        if (!suite_fits(c, t->view.dtype, got.v[i], want->v[i], want->mag[i])) {
            suite_complain(c, t, i, got.v[i], want->v[i], want->mag[i]);
            break;
        }
    oracle_array_release(&got);
}

static void suite_compare_written(const struct op_call *c, int arg, const struct oracle_value *want)
{
    const struct op_value *v = &c->arg[arg];
    int n = v->kind == OP_TENSORS ? v->n : v->kind == OP_TENSOR;
    for (int i = 0; i < n; i++)
        suite_compare(c, v->kind == OP_TENSOR ? v->t : v->ts[i], &want->a[i]);
}

/* What the oracle refuses, nests and kernels are to refuse by themselves. */
static enum err suite_run_refused(struct op_call *c)
{
    err_clear();
    enum err err = op_compute(c);
    if (!err && suite_may_complain(c->op))
        print_error("%s on %s: only the oracle refuses %s(%s)\n", c->op->s.name, suite.how,
                    suite.at ? suite.at->op : "", suite.at ? suite.at->args : "");
    return err;
}

/* The slot run_oracle of the back end: the oracle first, as operators may write their arguments. */
static enum err suite_run_call(struct op_call *c)
{
    struct ref_values want;
    enum err err = ref_evaluate(c, &want);
    if (err == ERR_USAGE) return ref_values_release(&want), suite_run_refused(c);
    if (!err) err = op_compute(c);
    if (!err && !(c->op->flags & OP_NO_VALUES)) {
        suite.calls++;
        for (int i = 0; i < c->n_results; i++)
            if (c->result[i]) suite_compare(c, c->result[i], &want.out[i]);
        for (int i = 0; i < c->op->s.n_params; i++)
            if (ref_is_written_only(c, i)) suite_compare_written(c, i, &want.value[i]);
    }
    ref_values_release(&want);
    return err;
}

#endif
