/* exact_reduce.h - reductions in the canonical order, for printed C; docs/exact.md, Reduction.
 *
 *   A row of n terms is cut into chunks of X_CHUNK = 1024. In a chunk term i goes to lane i mod
 *   128, lanes start as the identity (-0 of a sum, 1 of a product), and are folded:
 *       for s = 64, 32, ..., 1:   lane[l] = lane[l] op lane[l + s]   for l < s
 *   Lane 0 is the chunk's partial. The partials are a row of their own, reduced the same way, until
 *   one is left. The empty sum is +0, the empty product 1.
 *
 * How a printed kernel uses this. Names below are those of f32; f64 has 64 at the end. `t` is any
 * array that holds terms in logical order: the tensor itself where the term is the element as it
 * is, else a buffer of X_CHUNK numbers that a loop over the points of the chunk fills (this loop
 * computes every other inner value too, and vectorises).
 *
 *   sum, prod    n <= 1024:  v = x_sum_chunk(t, n)          n constant: straight code, no loop
 *                any n:      x_fold f;  x_fold_begin(&f);
 *                            each chunk: x_sum_push(&f, x_sum_chunk(t, m));   in order
 *                            v = x_sum_end(&f);
 *                threads:    part[c] = x_sum_chunk(t, m) for any chunk c;
 *                            v = x_sum_row(part, n_chunks)
 *                contiguous: v = x_sum_row(t, n)            does all of it
 *   max, min     any pieces in any order:  v = x_max(v, x_max_row(t, m)), from x_max_first
 *                (an empty max is refused before)
 *   argmax,      x_arg a;  x_arg_begin(&a);  pieces in any order: x_argmax_push(&a, t, m, base),
 *   argmin       base = index of t[0];  x_arg_join(&a, &b) of threads;  a.at is the first index
 *   any, all, integer sums: plain loops; they have no order. A complex sum is one sum of each part.
 *
 * Columns (the reduced loop is an outer one in memory): `w` columns side by side, rows of numbers
 * `wide` apart. Lanes are visited in the order in which the tree of the fold completes them (0, 64,
 * 32, 96, 16, ...), so that at most 8 rows of sums are kept, which stay in the first cache;
 *
 *   float a[8 * wide];
 *   each chunk of m rows: n = m < 128 ? m : 128;
 *       for (l = 0; l >= 0; l = x_lane_after(l, n)) {
 *           if (l < n) the terms of rows l, l + 128, ... are summed from -0 (the product: from 1)
 *                      into a + x_lane_row(l) * wide
 *           x_sum_up(a, l, n, wide, w);
 *       }
 *       a[0 .. w) is the chunk's partial, a row of part[c * wide]
 *   x_sum_parts(part, n_chunks, wide, w);      leaves the w results in part[0 .. w); at most 1024
 *
 * Scans are in exact_scan.h. Vectors of X_WIDE bytes are GCC's (gcc 12, clang); other languages
 * have texts of their own for work-groups.
 */
#ifndef KERNELS_EXACT_REDUCE_H
#define KERNELS_EXACT_REDUCE_H
#ifdef X_VECTOR

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"        /* vectors are passed inline only */
#pragma GCC diagnostic ignored "-Warray-bounds" /* seen in copies of loops that do not run */

enum { X_LANES = 128, X_CHUNK = 1024 };

#ifdef __AVX512F__
#define X_WIDE 64
#else
#define X_WIDE                                                                                     \
    32 /* gcc splits vectors that the processor has not: well if by two, badly if by four */
#endif
#define X_ROW_FN static __attribute__((noinline, unused))

typedef float x_v __attribute__((vector_size(X_WIDE), aligned(4), may_alias));
typedef double x_v64 __attribute__((vector_size(X_WIDE), aligned(8), may_alias));
typedef i32 x_vi __attribute__((vector_size(X_WIDE), aligned(4), may_alias));
typedef i64 x_vi64 __attribute__((vector_size(X_WIDE), aligned(8), may_alias));
typedef float x_v4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float x_v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef double x_v4_64 __attribute__((vector_size(32), aligned(8), may_alias));
typedef double x_v2_64 __attribute__((vector_size(16), aligned(8), may_alias));

/* The vector of numbers at p. (gcc copies 32 bytes by halves when told memcpy.) */
#define X_GET(V, p)    (*(const V *)(p))
#define X_PUT(V, p, v) (*(V *)(p) = (v))

/* The first n < K numbers at p replace those of `v`. Memory beyond the n is not touched. */
#if defined __AVX__ && X_WIDE == 32
X_CONST i32 x_first[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
X_CONST i64 x_first64[8] = {-1, -1, -1, -1};
typedef float x_hard __attribute__((vector_size(32)));
typedef double x_hard64 __attribute__((vector_size(32)));
typedef i32 x_hardi __attribute__((vector_size(32)));
typedef long long x_hardi64 __attribute__((vector_size(32)));
X_FN void x_tail(const float *p, i64 n, x_v *v)
{
    x_vi in = X_GET(x_vi, x_first + 8 - n);
    x_hard got = __builtin_ia32_maskloadps256((const x_hard *)p, (x_hardi)in);
    *v = (x_v)((x_vi)got | ((x_vi)*v & ~in));
}
X_FN void x_tail64(const double *p, i64 n, x_v64 *v)
{
    x_vi64 in = X_GET(x_vi64, x_first64 + 4 - n);
    x_hard64 got = __builtin_ia32_maskloadpd256((const x_hard64 *)p, (x_hardi64)in);
    *v = (x_v64)((x_vi64)got | ((x_vi64)*v & ~in));
}
#else
X_FN void x_tail(const float *p, i64 n, x_v *v)
{
    __builtin_memcpy(v, p, (u64)n * sizeof(float));
}
X_FN void x_tail64(const double *p, i64 n, x_v64 *v)
{
    __builtin_memcpy(v, p, (u64)n * sizeof(double));
}
#endif

/* The numbers of one vector folded by halves. */
#define X_FOLD_VECTORS(NAME, OP)                                                                   \
    X_FN float NAME##_v8(x_v8 b)                                                                   \
    {                                                                                              \
        x_v4 c = __builtin_shufflevector(b, b, 0, 1, 2, 3)                                         \
            OP __builtin_shufflevector(b, b, 4, 5, 6, 7);                                          \
        return (c[0] OP c[2])OP(c[1] OP c[3]);                                                     \
    }                                                                                              \
    X_FN double NAME##_v4_64(x_v4_64 b)                                                            \
    {                                                                                              \
        return (b[0] OP b[2])OP(b[1] OP b[3]);                                                     \
    }
X_FOLD_VECTORS(x_sum, +)
X_FOLD_VECTORS(x_prod, *)
#if X_WIDE == 64
#define X_FOLD_WIDE(NAME, OP)                                                                      \
    X_FN float NAME##_v(x_v b)                                                                     \
    {                                                                                              \
        return NAME##_v8(__builtin_shufflevector(b, b, 0, 1, 2, 3, 4, 5, 6, 7)                     \
                             OP __builtin_shufflevector(b, b, 8, 9, 10, 11, 12, 13, 14, 15));      \
    }                                                                                              \
    X_FN double NAME##_v64(x_v64 b)                                                                \
    {                                                                                              \
        return NAME##_v4_64(__builtin_shufflevector(b, b, 0, 1, 2, 3)                              \
                                OP __builtin_shufflevector(b, b, 4, 5, 6, 7));                     \
    }
#else
#define X_FOLD_WIDE(NAME, OP)                                                                      \
    X_FN float NAME##_v(x_v b)                                                                     \
    {                                                                                              \
        return NAME##_v8(b);                                                                       \
    }                                                                                              \
    X_FN double NAME##_v64(x_v64 b)                                                                \
    {                                                                                              \
        return NAME##_v4_64(b);                                                                    \
    }
#endif
X_FOLD_WIDE(x_sum, +)
X_FOLD_WIDE(x_prod, *)

/* Partials of higher levels: at most 1024 of each are kept; three levels hold rows to 2^40. */
typedef struct {
    float part[3][X_CHUNK];
    i64 n[3], pushed;
} x_fold;
typedef struct {
    double part[3][X_CHUNK];
    i64 n[3], pushed;
} x_fold64;
X_FN void x_fold_begin(x_fold *f)
{
    f->n[0] = f->n[1] = f->n[2] = f->pushed = 0;
}
X_FN void x_fold_begin64(x_fold64 *f)
{
    f->n[0] = f->n[1] = f->n[2] = f->pushed = 0;
}

/* The largest power of two below n <= 128; 0 where n is 1. */
X_FN i64 x_lane_half(i64 n)
{
    i64 s = X_LANES / 2;
    while (s >= n && s) s /= 2;
    return s;
}
/* Which row of sums lane l has: as many as halves it lies in the upper part of. */
X_FN i64 x_lane_row(i64 l)
{
    return __builtin_popcountl((u64)l);
}
/* The lane visited after l; some are n and beyond. -1: none. */
X_FN i64 x_lane_after(i64 l, i64 n)
{
    i64 s = x_lane_half(n);
    for (; l & s; s /= 2) l ^= s;
    return s ? l | s : -1;
}

/* NAME: x_sum or x_prod; S: what its names end in; T, V: number and vector; OP, IDENTITY, EMPTY. */
#define X_REDUCTION(NAME, S, T, V, OP, IDENTITY, EMPTY)                                            \
    /* n <= 128 vectors' worth of lanes, of which all beyond n hold the identity: halves that */   \
    /* consist of it are left out, for x op identity is x */                                       \
    X_FN T NAME##_lanes##S(V *a, i64 n)                                                            \
    {                                                                                              \
        enum { K = X_WIDE / sizeof(T) };                                                           \
        X_UNROLL for (i64 s = X_LANES / 2 / K; s; s /= 2) if (n > s * K)                           \
            X_UNROLL for (i64 j = 0; j < s; j++) a[j] = a[j] OP a[j + s];                          \
        return NAME##_v##S(a[0]);                                                                  \
    }                                                                                              \
    X_ROW_FN T NAME##_full##S(const T *t)                                                          \
    {                                                                                              \
        enum { K = X_WIDE / sizeof(T), N = X_LANES / K, G = N < 16 ? N : 16 };                     \
        V a[N];                                                                                    \
        for (i64 g = 0; g < N; g += G) {                                                           \
            V b[G];                                                                                \
            X_UNROLL for (i64 j = 0; j < G; j++) b[j] = X_GET(V, t + (g + j) * K);                 \
            X_UNROLL for (i64 i = X_LANES; i < X_CHUNK; i += X_LANES)                              \
            {                                                                                      \
                X_UNROLL for (i64 j = 0; j < G * X_WIDE / 64; j++)                                 \
                    __builtin_prefetch(t + i + X_CHUNK + j * (i64)(64 / sizeof(T)));               \
                X_UNROLL for (i64 j = 0; j < G; j++) b[j] = b[j] OP X_GET(V, t + i + (g + j) * K); \
            }                                                                                      \
            X_UNROLL for (i64 j = 0; j < G; j++) a[g + j] = b[j];                                  \
        }                                                                                          \
        return NAME##_lanes##S(a, X_LANES);                                                        \
    }                                                                                              \
    X_FN T NAME##_some##S(const T *t, i64 n)                                                       \
    {                                                                                              \
        enum { K = X_WIDE / sizeof(T), N = X_LANES / K };                                          \
        V a[N];                                                                                    \
        i64 used = n < X_LANES ? n : X_LANES, at = 0;                                              \
        X_UNROLL for (i64 j = 0; j < N; j++) a[j] = IDENTITY(V);                                   \
        X_UNROLL for (; at + X_LANES <= n; at += X_LANES) X_UNROLL for (i64 j = 0; j < N; j++)     \
            a[j] = a[j] OP X_GET(V, t + at + j * K);                                               \
        i64 j = 0;                                                                                 \
        X_UNROLL for (; at + K <= n; at += K, j++) a[j] = a[j] OP X_GET(V, t + at);                \
        if (at < n) {                                                                              \
            V pad = IDENTITY(V);                                                                   \
            x_tail##S(t + at, n - at, &pad);                                                       \
            a[j] = a[j] OP pad;                                                                    \
        }                                                                                          \
        return NAME##_lanes##S(a, used);                                                           \
    }                                                                                              \
    X_ROW_FN T NAME##_any##S(const T *t, i64 n)                                                    \
    {                                                                                              \
        return NAME##_some##S(t, n);                                                               \
    }                                                                                              \
    /* 0 < n <= 1024 */                                                                            \
    X_FN T NAME##_chunk##S(const T *t, i64 n)                                                      \
    {                                                                                              \
        if (n == X_CHUNK) return NAME##_full##S(t);                                                \
        return __builtin_constant_p(n) ? NAME##_some##S(t, n) : NAME##_any##S(t, n);               \
    }                                                                                              \
    X_FN void NAME##_push##S(x_fold##S *f, T partial)                                              \
    {                                                                                              \
        f->part[0][f->n[0]++] = partial;                                                           \
        f->pushed++;                                                                               \
        for (i32 k = 0; k < 2 && f->n[k] == X_CHUNK; k++) {                                        \
            f->part[k + 1][f->n[k + 1]++] = NAME##_full##S(f->part[k]);                            \
            f->n[k] = 0;                                                                           \
        }                                                                                          \
    }                                                                                              \
    /* levels are closed from below; the one with a single member holds the result */              \
    X_ROW_FN T NAME##_end##S(x_fold##S *f)                                                         \
    {                                                                                              \
        i64 n = f->pushed;                                                                         \
        if (n == 0) return (T)(EMPTY);                                                             \
        for (i32 k = 0; k < 2; k++) {                                                              \
            if (n == 1) return f->part[k][0];                                                      \
            if (f->n[k]) f->part[k + 1][f->n[k + 1]++] = NAME##_any##S(f->part[k], f->n[k]);       \
            n = (n + X_CHUNK - 1) / X_CHUNK;                                                       \
        }                                                                                          \
        return n == 1 ? f->part[2][0] : NAME##_any##S(f->part[2], f->n[2]);                        \
    }                                                                                              \
    X_ROW_FN T NAME##_row##S(const T *t, i64 n)                                                    \
    {                                                                                              \
        if (n == 0) return (T)(EMPTY);                                                             \
        if (n <= X_CHUNK) return NAME##_chunk##S(t, n);                                            \
        x_fold##S f;                                                                               \
        x_fold_begin##S(&f);                                                                       \
        i64 i = 0;                                                                                 \
        for (; i + X_CHUNK <= n; i += X_CHUNK) NAME##_push##S(&f, NAME##_full##S(t + i));          \
        if (i < n) NAME##_push##S(&f, NAME##_any##S(t + i, n - i));                                \
        return NAME##_end##S(&f);                                                                  \
    }                                                                                              \
    /* lane l of n is there: sums that are complete now are added to what they complete */         \
    X_ROW_FN void NAME##_up##S(T *a, i64 l, i64 n, i64 wide, i64 w)                                \
    {                                                                                              \
        for (i64 s = x_lane_half(n); l & s; l ^= s, s /= 2) {                                      \
            T *to = a + x_lane_row(l ^ s) * wide;                                                  \
            for (i64 j = 0; l < n && j < w; j++) to[j] = to[j] OP to[wide + j];                    \
        }                                                                                          \
    }                                                                                              \
    /* 1 <= n <= 1024 rows of partials, w of each `wide`, into part[0 .. w) */                     \
    X_ROW_FN void NAME##_parts##S(T *part, i64 n, i64 wide, i64 w)                                 \
    {                                                                                              \
        for (i64 i = X_LANES; i < n; i++)                                                          \
            for (i64 j = 0; j < w; j++)                                                            \
                part[i % X_LANES * wide + j] = part[i % X_LANES * wide + j] OP part[i * wide + j]; \
        for (i64 s = X_LANES / 2; s; s /= 2)                                                       \
            for (i64 l = 0; l < s && l + s < n; l++)                                               \
                for (i64 j = 0; j < w; j++)                                                        \
                    part[l * wide + j] = part[l * wide + j] OP part[(l + s) * wide + j];           \
    }
/* Of a number or vector type. (0 + -0 would be +0.) */
#define X_MINUS_0(T) (-(T){0})
#define X_ONE(T)     ((T){0} + 1)
#define X_UNROLL     _Pragma("GCC unroll 16")
X_REDUCTION(x_sum, , float, x_v, +, X_MINUS_0, 0.0)
X_REDUCTION(x_sum, 64, double, x_v64, +, X_MINUS_0, 0.0)
X_REDUCTION(x_prod, , float, x_v, *, X_ONE, 1.0)
X_REDUCTION(x_prod, 64, double, x_v64, *, X_ONE, 1.0)

/* x_top_key is the key of the largest of n numbers, each times `sign` and plus `zero`: -0 keeps
 * all, +0 makes -0 into +0. */
#define X_ORDER(S, T, K, V, I, LEAST, GREATEST)                                                    \
    X_FN T x_max_first##S(void)                                                                    \
    {                                                                                              \
        return -X_INF##S;                                                                          \
    }                                                                                              \
    X_FN T x_min_first##S(void)                                                                    \
    {                                                                                              \
        return X_INF##S;                                                                           \
    }                                                                                              \
    X_FN K x_top_key##S(const T *t, i64 n, T sign, T zero)                                         \
    {                                                                                              \
        enum { W = X_WIDE / sizeof(T), J = 4 };                                                    \
        K r = LEAST;                                                                               \
        I m[J];                                                                                    \
        i64 i = 0;                                                                                 \
        X_UNROLL for (i64 j = 0; j < J; j++) m[j] = (I){0} + r;                                    \
        for (; i + J * W <= n; i += J * W) X_UNROLL for (i64 j = 0; j < J; j++)                    \
            {                                                                                      \
                V v = X_GET(V, t + i + j * W) * sign + zero;                                       \
                I b = (I)v, k = b ^ ((b >> (8 * (i32)sizeof(T) - 1)) & GREATEST),                  \
                  bad = (I)(v != v);                                                               \
                k = (k & ~bad) | (bad & GREATEST);                                                 \
                I more = k > m[j];                                                                 \
                m[j] = (k & more) | (m[j] & ~more);                                                \
            }                                                                                      \
        for (i64 l = 0; l < n % (J * W); l++) {                                                    \
            K k = x_max_key##S(t[i + l] * sign + zero);                                            \
            r = k > r ? k : r;                                                                     \
        }                                                                                          \
        for (i64 j = 0; n >= J * W && j < J; j++)                                                  \
            for (i64 l = 0; l < W; l++) r = m[j][l] > r ? m[j][l] : r;                             \
        return r;                                                                                  \
    }                                                                                              \
    X_ROW_FN T x_max_row##S(const T *t, i64 n)                                                     \
    {                                                                                              \
        return x_max_unkey##S(x_top_key##S(t, n, (T)1, (T)-0.0f));                                 \
    }                                                                                              \
    X_ROW_FN T x_min_row##S(const T *t, i64 n)                                                     \
    {                                                                                              \
        T m = x_max_unkey##S(x_top_key##S(t, n, (T)-1, (T)-0.0f));                                 \
        return m != m ? m : -m;                                                                    \
    }                                                                                              \
    /* the chunk's top is found first, its place only where it is a new top */                     \
    X_FN void x_arg_push##S(x_arg *a, const T *t, i64 n, i64 base, T sign)                         \
    {                                                                                              \
        for (i64 c = 0; c < n; c += X_CHUNK) {                                                     \
            i64 m = n - c < X_CHUNK ? n - c : X_CHUNK, i = c;                                      \
            K top = x_top_key##S(t + c, m, sign, (T)0);                                            \
            if (top < a->key || (top == a->key && base + c > a->at)) continue;                     \
            while (x_max_key##S(t[i] * sign + (T)0) != top) i++;                                   \
            if (top == a->key && base + i > a->at) continue;                                       \
            a->key = top;                                                                          \
            a->at = base + i;                                                                      \
        }                                                                                          \
    }                                                                                              \
    X_ROW_FN void x_argmax_push##S(x_arg *a, const T *t, i64 n, i64 base)                          \
    {                                                                                              \
        x_arg_push##S(a, t, n, base, (T)1);                                                        \
    }                                                                                              \
    X_ROW_FN void x_argmin_push##S(x_arg *a, const T *t, i64 n, i64 base)                          \
    {                                                                                              \
        x_arg_push##S(a, t, n, base, (T)-1);                                                       \
    }
X_ORDER(, float, i32, x_v, x_vi, -0x7fffffff - 1, 0x7fffffff)
X_ORDER(64, double, i64, x_v64, x_vi64, -0x7fffffffffffffffl - 1, 0x7fffffffffffffffl)
/* Integers are their own keys; argmin takes the complement. */
X_FN void x_argmax_push_i(x_arg *a, const i64 *t, i64 n, i64 base)
{
    for (i64 i = 0; i < n; i++) x_arg_value(a, t[i], base + i);
}
X_FN void x_argmin_push_i(x_arg *a, const i64 *t, i64 n, i64 base)
{
    for (i64 i = 0; i < n; i++) x_arg_value(a, ~t[i], base + i);
}
X_FN void x_argmax_push_u(x_arg *a, const u64 *t, i64 n, i64 base)
{
    for (i64 i = 0; i < n; i++) x_arg_value(a, (i64)(t[i] ^ 0x8000000000000000ul), base + i);
}
X_FN void x_argmin_push_u(x_arg *a, const u64 *t, i64 n, i64 base)
{
    for (i64 i = 0; i < n; i++) x_arg_value(a, (i64)(~t[i] ^ 0x8000000000000000ul), base + i);
}

#pragma GCC diagnostic pop
#endif
#endif
