/* attention_tile.h - the arithmetic on a tile of scores, for one number type and width.
 *
 * Included by attention_scalar.c, attention_avx2.c and attention_avx512.c, for f32 and f64, with
 *
 *   NAME(x), TARGET   names of this inclusion; attribute that allows the instructions
 *   REAL, N           the type of a number; columns of a tile
 *   FRACTION(f)       2^f for |f| <= 1/2
 *   POWER(d)          2^d for integral d in [LEAST, 0];  LEAST: the smallest normal exponent
 *   MAGIC             1.5 times 2^(digits - 1): adding and subtracting it rounds to an integer
 *   LOG, LN2, LOG2E   logarithm; constants rounded once
 *
 * Loops over the N columns have a constant bound and no branch: the compiler makes vectors of
 * them. Integers stay in floating variables, where a NaN loses every comparison and so reaches
 * the sum without touching the maximum.
 */
#define ATTENTION_INLINE static inline __attribute__((always_inline))

/* z, clamped: beyond 2^21 all but the largest score give 0 anyway. +inf has no softmax: NaN. */
TARGET ATTENTION_INLINE REAL NAME(score)(REAL chain, REAL scale, const REAL *shift)
{
    REAL z = scale * chain;
    if (shift) z = *shift == -(REAL)INFINITY ? *shift : z + *shift; /* hides a NaN too */
    REAL low = z < -0x1p21f ? (REAL)-0x1p21f : z;
    REAL high = low > 0x1p21f ? (REAL)0x1p21f : low;
    REAL kept = z == -(REAL)INFINITY ? z : high;
    return z == (REAL)INFINITY ? (REAL)NAN : kept;
}
TARGET ATTENTION_INLINE REAL NAME(nearest)(REAL z)
{
    return (z + MAGIC) - MAGIC;
}
/* e_k 2^(n_k - M) */
TARGET ATTENTION_INLINE REAL NAME(power)(REAL z, REAL top)
{
    REAL n = NAME(nearest)(z), d = n - top, within = d >= LEAST ? d : LEAST;
    REAL p = FRACTION(z - n) * POWER(within);
    return d < LEAST ? 0 : p;
}
TARGET ATTENTION_INLINE REAL NAME(rescaling)(REAL before, REAL after)
{
    REAL d = before - after, within = d >= LEAST ? d : LEAST;
    return d < LEAST ? 0 : POWER(within);
}

/* The sum of 64 rows, by halves: lanes 64 to 127 of the row sum hold nothing. */
TARGET ATTENTION_INLINE void NAME(fold)(const REAL *p, REAL *sum)
{
    REAL t[32][N];
    for (int r = 0; r < 32; r++)
        for (int q = 0; q < N; q++) t[r][q] = p[r * N + q] + p[(r + 32) * N + q];
    for (int s = 16; s > 0; s /= 2)
        for (int r = 0; r < s; r++)
            for (int q = 0; q < N; q++) t[r][q] = t[r][q] + t[r + s][q];
    for (int q = 0; q < N; q++) sum[q] = sum[q] + t[0][q];
}

TARGET static void NAME(forward)(const struct attention_tile *x,
                                 const struct attention_state *state)
{
    REAL *s = x->scores, *factor = x->factor, *seen = x->seen, *top = state->top, *sum = state->sum;
    const REAL *shift = x->shift;
    REAL most[N], zero_for_none[N];
    for (int q = 0; q < N; q++) most[q] = top[q], seen[q] = 0;
    for (int64_t r = 0; r < x->n_rows; r++)
        for (int q = 0; q < N; q++) {
            REAL z = NAME(score)(s[r * N + q], (REAL)x->scale, shift ? shift + r * N + q : NULL);
            REAL n = NAME(nearest)(z);
            s[r * N + q] = z;
            most[q] = n > most[q] ? n : most[q];
            seen[q] = z == -(REAL)INFINITY ? seen[q] : 1;
        }
    for (int q = 0; q < N; q++) {
        zero_for_none[q] = most[q] == -(REAL)INFINITY ? 0 : most[q];
        factor[q] = NAME(rescaling)(top[q], zero_for_none[q]);
        top[q] = most[q];
        sum[q] = sum[q] * factor[q];
    }
    for (int64_t r = 0; r < x->n_rows; r++)
        for (int q = 0; q < N; q++) s[r * N + q] = NAME(power)(s[r * N + q], zero_for_none[q]);
    for (int64_t i = x->n_rows * N; i < 64 * N; i++) s[i] = 0;
    NAME(fold)(s, sum);
}

/* What may overlap for all the compiler knows would keep it from making vectors: rows are promised
 * to be apart, the columns' numbers are copied. */
struct NAME(columns) {
    REAL top[N], sum[N], dot[N], seen[N];
};
TARGET ATTENTION_INLINE void NAME(grad_row)(REAL *restrict s, REAL *restrict g,
                                            const REAL *restrict shift, REAL scale,
                                            struct NAME(columns) *restrict c)
{
    for (int q = 0; q < N; q++) {
        REAL z = NAME(score)(s[q], scale, shift ? shift + q : NULL);
        REAL p = NAME(power)(z, c->top[q]) / c->sum[q];
        REAL d = p * (g[q] - c->dot[q]);
        s[q] = z == -(REAL)INFINITY ? 0 : p;
        g[q] = z == -(REAL)INFINITY ? 0 : d;
        c->seen[q] = z == -(REAL)INFINITY ? c->seen[q] : 1;
    }
}
TARGET static void NAME(backward)(const struct attention_tile *x)
{
    struct NAME(columns) c;
    REAL *s = x->scores, *g = x->grads;
    const REAL *shift = x->shift, *top = x->top, *sum = x->sum, *dot = x->dot;
    for (int q = 0; q < N; q++) c.seen[q] = 0;
    for (int64_t r = 0; r < x->n_rows; r++, s += N, g += N) {
        for (int q = 0; q < N && (x->by_rows || r == 0); q++) {
            int64_t i = x->by_rows ? r : q;
            c.top[q] = top[i], c.sum[q] = sum[i], c.dot[q] = dot[i];
        }
        if (shift) NAME(grad_row)(s, g, shift + r * N, (REAL)x->scale, &c);
        else NAME(grad_row)(s, g, NULL, (REAL)x->scale, &c);
    }
    for (int q = 0; q < N; q++) ((REAL *)x->seen)[q] = c.seen[q];
}

TARGET static void NAME(rescale)(void *o, int64_t n_rows, const void *factor)
{
    REAL *to = o, least = 1;
    const REAL *f = factor;
    for (int q = 0; q < N; q++) least = f[q] < least ? f[q] : least;
    if (least == 1) return;
    for (int64_t r = 0; r < n_rows; r++)
        for (int q = 0; q < N; q++) to[r * N + q] = to[r * N + q] * f[q];
}

TARGET static void NAME(join)(const struct attention_state *to, void *to_o,
                              const struct attention_state *from, const void *from_o,
                              int64_t n_rows)
{
    REAL *top = to->top, *sum = to->sum, *o = to_o, a[N], b[N];
    const REAL *other_top = from->top, *other_sum = from->sum, *other = from_o;
    for (int q = 0; q < N; q++) {
        REAL most = other_top[q] > top[q] ? other_top[q] : top[q];
        REAL zero_for_none = most == -(REAL)INFINITY ? 0 : most;
        a[q] = NAME(rescaling)(top[q], zero_for_none);
        b[q] = NAME(rescaling)(other_top[q], zero_for_none);
        sum[q] = sum[q] * a[q] + other_sum[q] * b[q];
        top[q] = most;
    }
    for (int64_t r = 0; r < n_rows; r++)
        for (int q = 0; q < N; q++) o[r * N + q] = o[r * N + q] * a[q] + other[r * N + q] * b[q];
}

static void NAME(divide)(const void *o, int64_t n, const void *sum, void *out)
{
    const REAL *v = o, l = *(const REAL *)sum;
    REAL *to = out;
    for (int64_t i = 0; i < n; i++) {
        REAL t = l == 0 ? 0 : v[i * N] / l;
        to[i] = t == t ? t : (REAL)NAN;
    }
}
static void NAME(multiply)(const void *v, int64_t n, double scale, void *out)
{
    const REAL *from = v;
    REAL *to = out;
    for (int64_t i = 0; i < n; i++) {
        REAL t = from[i * N] * (REAL)scale;
        to[i] = t == t ? t : (REAL)NAN;
    }
}
static void NAME(logsumexp)(const void *top, const void *sum, void *out)
{
    REAL m = *(const REAL *)top, v = m * LN2 + LOG(*(const REAL *)sum);
    REAL number = v == v ? v : (REAL)NAN;
    *(REAL *)out = m == -(REAL)INFINITY && *(const REAL *)sum == 0 ? m : number;
}
/* Chunks of 1024 in 128 lanes, folded by halves; the partials of rows up to 2^20 likewise. */
static REAL NAME(chunk)(const REAL *v, int64_t n)
{
    REAL lane[128];
    for (int l = 0; l < 128; l++) lane[l] = (REAL)-0.0;
    for (int64_t i = 0; i < n; i++) lane[i % 128] = lane[i % 128] + v[i];
    for (int s = 64; s > 0; s /= 2)
        for (int l = 0; l < s; l++) lane[l] = lane[l] + lane[l + s];
    return lane[0];
}
static void NAME(dot)(const void *a, const void *b, int64_t n, void *out)
{
    const REAL *x = a, *y = b;
    REAL term[1024], partial[1024];
    int64_t n_partials = 0;
    for (int64_t i = 0; i < n; i += 1024) {
        int64_t m = n - i < 1024 ? n - i : 1024;
        for (int64_t j = 0; j < m; j++) term[j] = x[i + j] * y[i + j];
        partial[n_partials++] = NAME(chunk)(term, m);
    }
    *(REAL *)out = n_partials == 0   ? 0
                   : n_partials == 1 ? partial[0]
                                     : NAME(chunk)(partial, n_partials);
}
static void NAME(shift)(void *shift, int64_t n, bool is_bool)
{
    REAL *v = shift;
    for (int64_t i = 0; i < n; i++)
        v[i] = !is_bool ? v[i] * LOG2E : v[i] == 0 ? -(REAL)INFINITY : 0;
}
static void NAME(hide)(void *shift)
{
    *(REAL *)shift = -(REAL)INFINITY;
}
TARGET static void NAME(add)(void *to, const void *from, int64_t n)
{
    REAL *a = to;
    const REAL *b = from;
    for (int64_t i = 0; i < n; i++) a[i] = a[i] + b[i];
}

#undef ATTENTION_INLINE
#undef NAME
#undef REAL
#undef N
#undef FRACTION
#undef POWER
#undef LEAST
#undef MAGIC
#undef LOG
#undef LN2
#undef LOG2E
