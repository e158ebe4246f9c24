/* exact_scan.h - cumulative sums and products in the canonical order, for printed C.
 *
 *   blocks of 16   v[i] = v[i] op v[i - d]  for d = 1, 2, 4, 8
 *   chunks of 1024 carry = identity; of each block in order: y = carry op v, carry = carry op v[15]
 *   chunk totals   (the last y of each chunk) are scanned by this same rule; out = prefix of the
 *                  chunks before op y; chunk 0 as it is
 * The last value need not equal the reduction of the row.
 *
 * How a printed kernel uses this (f32; f64 has 64 at the end, products cumprod for cumsum); `t`
 * holds the terms of a chunk as for exact_reduce.h, `out` its results and may be `t`:
 *
 *   in order:  x_scan s;  x_scan_begin(&s);
 *              each chunk: x_cumsum_push(&s, t, out, m);          all but the last have m = 1024
 *   threads:   total[c] = x_cumsum_total(t, m)                    of any chunk c
 *              x_cumsum_row(total, before, n_chunks);
 *              x_cumsum_chunk(t, out, m, c ? before[c - 1] : 0, c == 0)
 *   contiguous: x_cumsum_row(t, out, n)
 * Integers wrap and have no order: plain loops.
 */
#ifndef KERNELS_EXACT_SCAN_H
#define KERNELS_EXACT_SCAN_H
#ifdef X_VECTOR

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

/* A block is two vectors of f32 or four of f64: 32 bytes each on every processor. The numbers of
 * (a, b) from place n - d on, n being those of a vector: b moved up by d, filled from a. */
#define X_MOVE1(a, b)    __builtin_shufflevector(a, b, 7, 8, 9, 10, 11, 12, 13, 14)
#define X_MOVE2(a, b)    __builtin_shufflevector(a, b, 6, 7, 8, 9, 10, 11, 12, 13)
#define X_MOVE4(a, b)    __builtin_shufflevector(a, b, 4, 5, 6, 7, 8, 9, 10, 11)
#define X_MOVE1_64(a, b) __builtin_shufflevector(a, b, 3, 4, 5, 6)
#define X_MOVE2_64(a, b) __builtin_shufflevector(a, b, 2, 3, 4, 5)
typedef struct {
    x_v8 v[2];
} x_block;
typedef struct {
    x_v4_64 v[4];
} x_block64;

#define X_SCAN_BLOCK(NAME, OP, IDENTITY)                                                           \
    X_FN x_block NAME##_block(x_block b)                                                           \
    {                                                                                              \
        const x_v8 one = IDENTITY(x_v8);                                                           \
        b.v[1] = b.v[1] OP X_MOVE1(b.v[0], b.v[1]);                                                \
        b.v[0] = b.v[0] OP X_MOVE1(one, b.v[0]);                                                   \
        b.v[1] = b.v[1] OP X_MOVE2(b.v[0], b.v[1]);                                                \
        b.v[0] = b.v[0] OP X_MOVE2(one, b.v[0]);                                                   \
        b.v[1] = b.v[1] OP X_MOVE4(b.v[0], b.v[1]);                                                \
        b.v[0] = b.v[0] OP X_MOVE4(one, b.v[0]);                                                   \
        b.v[1] = b.v[1] OP b.v[0];                                                                 \
        return b;                                                                                  \
    }                                                                                              \
    X_FN x_block64 NAME##_block64(x_block64 b)                                                     \
    {                                                                                              \
        const x_v4_64 one = IDENTITY(x_v4_64);                                                     \
        X_UNROLL for (i32 j = 3; j >= 0; j--) b.v[j] =                                             \
            b.v[j] OP X_MOVE1_64(j ? b.v[j - 1] : one, b.v[j]);                                    \
        X_UNROLL for (i32 j = 3; j >= 0; j--) b.v[j] =                                             \
            b.v[j] OP X_MOVE2_64(j ? b.v[j - 1] : one, b.v[j]);                                    \
        X_UNROLL for (i32 j = 3; j >= 1; j--) b.v[j] = b.v[j] OP b.v[j - 1];                       \
        X_UNROLL for (i32 j = 3; j >= 2; j--) b.v[j] = b.v[j] OP b.v[j - 2];                       \
        return b;                                                                                  \
    }
X_SCAN_BLOCK(x_cumsum, +, X_MINUS_0)
X_SCAN_BLOCK(x_cumprod, *, X_ONE)

/* Totals of chunks so far, at three levels: each level's last blocks, and the prefix that the
 * level above gives for its chunks before. */
typedef struct {
    float v[3][4][16], carry[3], before[3];
    i64 n[3];
    float last; /* prefix up to the chunk before */
} x_scan;
typedef struct {
    double v[3][4][16], carry[3], before[3];
    i64 n[3];
    double last;
} x_scan64;
X_FN void x_scan_begin(x_scan *s)
{
    s->n[0] = s->n[1] = s->n[2] = 0;
    s->last = s->before[0] = s->before[1] = s->before[2] = 0;
}
X_FN void x_scan_begin64(x_scan64 *s)
{
    s->n[0] = s->n[1] = s->n[2] = 0;
    s->last = s->before[0] = s->before[1] = s->before[2] = 0;
}

#define X_SCAN(NAME, S, T, V, OP, IDENTITY)                                                        \
    X_FN T NAME##_walk##S(const T *t, T *out, i64 n, T before, i32 first, i32 store)               \
    {                                                                                              \
        enum { K = 32 / sizeof(T), N = 16 / K };                                                   \
        T carry = IDENTITY(T), total = carry, pad[16];                                             \
        for (i64 i = 0; i < n; i += 16) {                                                          \
            i64 m = n - i < 16 ? n - i : 16;                                                       \
            for (i64 j = 0; m < 16 && j < 16; j++) pad[j] = j < m ? t[i + j] : IDENTITY(T);        \
            const T *p = m < 16 ? pad : t + i;                                                     \
            x_block##S b;                                                                          \
            for (i32 j = 0; j < N; j++) b.v[j] = X_GET(V, p + K * j);                              \
            b = NAME##_block##S(b);                                                                \
            T top = b.v[N - 1][K - 1];                                                             \
            for (i32 j = 0; j < N; j++) b.v[j] = carry OP b.v[j];                                  \
            total = carry OP top;                                                                  \
            carry = total;                                                                         \
            if (!store) continue;                                                                  \
            for (i32 j = 0; !first && j < N; j++) b.v[j] = before OP b.v[j];                       \
            T *to = m == 16 ? out + i : pad;                                                       \
            for (i32 j = 0; j < N; j++) X_PUT(V, to + K * j, b.v[j]);                              \
            for (i64 j = 0; m < 16 && j < m; j++) out[i + j] = pad[j];                             \
        }                                                                                          \
        return total;                                                                              \
    }                                                                                              \
    /* Of one chunk, 0 < n <= 1024: its total; the results with what was before it. */             \
    X_ROW_FN T NAME##_total##S(const T *t, i64 n)                                                  \
    {                                                                                              \
        return NAME##_walk##S(t, (T *)0, n, (T)0, 0, 0);                                           \
    }                                                                                              \
    X_ROW_FN T NAME##_chunk##S(const T *t, T *out, i64 n, T before, i32 first)                     \
    {                                                                                              \
        if (first) return NAME##_walk##S(t, out, n, (T)0, 1, 1);                                   \
        return NAME##_walk##S(t, out, n, before, 0, 1);                                            \
    }                                                                                              \
    /* A total enters level k: its prefix within its own chunk of totals, block by block. */       \
    X_FN T NAME##_step##S(x_scan##S *s, i32 k, T t)                                                \
    {                                                                                              \
        i64 i = s->n[k] % 16;                                                                      \
        if (s->n[k] % X_CHUNK == 0) s->carry[k] = IDENTITY(T);                                     \
        for (i32 d = 0; d < 4; d++) {                                                              \
            s->v[k][d][i] = t;                                                                     \
            if (i >= 1 << d) t = s->v[k][d][i] OP s->v[k][d][i - (1 << d)];                        \
        }                                                                                          \
        T y = s->carry[k] OP t;                                                                    \
        if (i == 15) s->carry[k] = y;                                                              \
        s->n[k]++;                                                                                 \
        return y;                                                                                  \
    }                                                                                              \
    X_ROW_FN void NAME##_advance##S(x_scan##S *s, T t)                                             \
    {                                                                                              \
        T y[3];                                                                                    \
        i32 top = 0;                                                                               \
        for (y[0] = NAME##_step##S(s, 0, t); top < 2 && s->n[top] % X_CHUNK == 0; top++)           \
            y[top + 1] = NAME##_step##S(s, top + 1, y[top]);                                       \
        s->last = s->n[0] <= X_CHUNK ? y[0] : s->before[0] OP y[0];                                \
        for (i32 k = top; k > 0; k--)                                                              \
            s->before[k - 1] = s->n[k] <= X_CHUNK ? y[k] : s->before[k] OP y[k];                   \
    }                                                                                              \
    X_FN void NAME##_push##S(x_scan##S *s, const T *t, T *out, i64 n)                              \
    {                                                                                              \
        NAME##_advance##S(s, NAME##_chunk##S(t, out, n, s->last, s->n[0] == 0));                   \
    }                                                                                              \
    X_ROW_FN void NAME##_row##S(const T *t, T *out, i64 n)                                         \
    {                                                                                              \
        x_scan##S s;                                                                               \
        x_scan_begin##S(&s);                                                                       \
        for (i64 i = 0; i < n; i += X_CHUNK)                                                       \
            NAME##_push##S(&s, t + i, out + i, n - i < X_CHUNK ? n - i : X_CHUNK);                 \
    }
X_SCAN(x_cumsum, , float, x_v8, +, X_MINUS_0)
X_SCAN(x_cumsum, 64, double, x_v4_64, +, X_MINUS_0)
X_SCAN(x_cumprod, , float, x_v8, *, X_ONE)
X_SCAN(x_cumprod, 64, double, x_v4_64, *, X_ONE)

#pragma GCC diagnostic pop
#endif
#endif
