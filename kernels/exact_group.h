/* exact_group.h - reductions and scans in the canonical order by a work-group, for printed CUDA C
 * and OpenCL C; docs/exact.md, Reduction and Scan.
 *
 * A work-group of any size folds a chunk of 1024 terms: work-item w takes lanes w, w + size, ... of
 * the 128, each in order; the printed text folds the lanes in local memory by halves, so that no
 * value depends on how many work-items there are. What is here comes behind that, done by one
 * work-item, for it is one number of each chunk:
 *
 *   x_sum_push(level, c, v)   the partial v of chunk number c, in order; level: X_LEVELS * 128
 *   x_sum_end(level, n)       the result after n of them
 *   x_cumsum_group(y, s, c, m)   called by all: the m terms of the chunk from point c on, in y,
 *                             become its scan; s: X_SCAN_STATE numbers that live from chunk to
 *                             chunk. Work-item w has terms w, w + size, ... of each 128, before
 *                             and after
 *
 * Names of f32; f64 has 64 at the end, complex numbers _c and _z; scans of
 * integers go as u64, _u.
 */
#ifndef KERNELS_EXACT_GROUP_H
#define KERNELS_EXACT_GROUP_H
#ifdef X_LID

enum { X_LEVELS = 4, X_CARRIES = 199, X_SCAN_STATE = 199 + 64 + 1 };

/* What a kernel is told beside its arrays. */
typedef struct {
    X_GLOBAL const i64 *number;
    X_GLOBAL i64 *fault; /* 5: set, array, position, index, size; the first fault wins */
    u64 seed, stream;
} x_call;
X_FN void x_fault(const x_call *a, i64 array, i64 position, i64 index, i64 size)
{
    if (!X_FIRST(a->fault)) return;
    a->fault[1] = array;
    a->fault[2] = position;
    a->fault[3] = index;
    a->fault[4] = size;
}

/* Of numbers that are not negative; those of a call mostly have 32 bits, whose quotient takes a
 * device a fifth of the time. */
X_FN i64 x_div(i64 a, i64 b)
{
    return ((u64)a | (u64)b) >> 32 ? a / b : (i64)((u32)a / (u32)b);
}

#define X_PLUS(a, b)  ((a) + (b))
#define X_TIMES(a, b) ((a) * (b))

/* Partials of each level's chunk under way are 128 lanes; a full chunk becomes a partial of the
 * next level. The level in which one is alone holds the result. */
#define X_GROUP_FOLD(NAME, S, T, JOIN)                                                             \
    X_FN T NAME##_lanes##S(X_LP T *lane, i64 n)                                                    \
    {                                                                                              \
        for (i64 s = 64; s; s /= 2)                                                                \
            for (i64 l = 0; l < s && l + s < n; l++) lane[l] = JOIN(lane[l], lane[l + s]);         \
        return lane[0];                                                                            \
    }                                                                                              \
    X_FN void NAME##_push##S(X_LP T *level, i64 c, T v)                                            \
    {                                                                                              \
        for (i32 k = 0; k < X_LEVELS; k++) {                                                       \
            i64 i = c % 1024, l = i % 128;                                                         \
            level[l] = i < 128 ? v : JOIN(level[l], v);                                            \
            if (i < 1023) return;                                                                  \
            v = NAME##_lanes##S(level, 128);                                                       \
            level += 128;                                                                          \
            c /= 1024;                                                                             \
        }                                                                                          \
    }                                                                                              \
    X_FN T NAME##_end##S(X_LP T *level, i64 n)                                                     \
    {                                                                                              \
        while (n > 1) {                                                                            \
            i64 m = n % 1024;                                                                      \
            if (m) {                                                                               \
                T v = NAME##_lanes##S(level, m < 128 ? m : 128);                                   \
                NAME##_push##S(level + 128, n / 1024, v);                                          \
            }                                                                                      \
            n = (n + 1023) / 1024;                                                                 \
            level += 128;                                                                          \
        }                                                                                          \
        return level[0];                                                                           \
    }
X_GROUP_FOLD(x_sum, , float, X_PLUS)
X_GROUP_FOLD(x_prod, , float, X_TIMES)
X_GROUP_FOLD(x_sum, _c, x_c64, x_add_c)
X_GROUP_FOLD(x_prod, _c, x_c64, x_mul_c)
#ifdef X_F64
X_GROUP_FOLD(x_sum, 64, double, X_PLUS)
X_GROUP_FOLD(x_prod, 64, double, X_TIMES)
X_GROUP_FOLD(x_sum, _z, x_c128, x_add_z)
X_GROUP_FOLD(x_prod, _z, x_c128, x_mul_z)
#endif

/* State s: of each of three levels of totals the last blocks of 16 by step of doubling (4 x 16), a
 * carry (192 ..), the prefix that the level above gives (195 ..); at 198 the prefix up to the chunk
 * before; carries of the chunk's blocks (199 ..); the prefix that this chunk takes (263). Where the
 * definition starts from an identity, the first term is taken as it is. */
#define X_GROUP_SCAN(NAME, S, T, JOIN)                                                             \
    X_FN T NAME##_step##S(X_LP T *s, i32 k, i64 n, T t)                                            \
    {                                                                                              \
        X_LP T *v = s + 64 * k;                                                                    \
        i64 i = n % 16;                                                                            \
        for (i64 d = 0; d < 4; d++) {                                                              \
            v[16 * d + i] = t;                                                                     \
            if (i >= (1 << d)) t = JOIN(t, v[16 * d + i - (1 << d)]);                              \
        }                                                                                          \
        if (n % 1024 >= 16) t = JOIN(s[192 + k], t);                                               \
        if (i == 15) s[192 + k] = t;                                                               \
        return t;                                                                                  \
    }                                                                                              \
    /* after n chunks one more, of total t */                                                      \
    X_FN void NAME##_advance##S(X_LP T *s, i64 n, T t)                                             \
    {                                                                                              \
        T y[3];                                                                                    \
        i32 top = 0;                                                                               \
        i64 m = n + 1;                                                                             \
        y[0] = NAME##_step##S(s, 0, n, t);                                                         \
        if (m % 1024 == 0) y[1] = NAME##_step##S(s, 1, n >> 10, y[0]), top = 1;                    \
        if (m % 1048576 == 0) y[2] = NAME##_step##S(s, 2, n >> 20, y[1]), top = 2;                 \
        if (m <= 1024) s[198] = y[0];                                                              \
        else s[198] = JOIN(s[195], y[0]);                                                          \
        for (i32 k = top; k > 0; k--) {                                                            \
            if ((m >> (10 * k)) <= 1024) s[194 + k] = y[k];                                        \
            else s[194 + k] = JOIN(s[195 + k], y[k]);                                              \
        }                                                                                          \
    }                                                                                              \
    X_FN void NAME##_group##S(X_LP T *y, X_LP T *s, i64 c, i64 m)                                  \
    {                                                                                              \
        X_BARRIER();                                                                               \
        for (i64 b = 16 * X_LID; b < m; b += 16 * X_LSIZE)                                         \
            for (i64 d = 1; d < 16; d *= 2)                                                        \
                for (i64 i = (m - b < 16 ? m - b : 16) - 1; i >= d; i--)                           \
                    y[b + i] = JOIN(y[b + i], y[b + i - d]);                                       \
        X_BARRIER();                                                                               \
        if (X_LID == 0 && m) {                                                                     \
            T carry = y[(m < 16 ? m : 16) - 1];                                                    \
            for (i64 b = 16; b < m; b += 16) {                                                     \
                s[X_CARRIES + b / 16] = carry;                                                     \
                carry = JOIN(carry, y[b + (m - b < 16 ? m - b : 16) - 1]);                         \
            }                                                                                      \
            s[X_CARRIES + 64] = s[198];                                                            \
            NAME##_advance##S(s, c / 1024, carry);                                                 \
        }                                                                                          \
        X_BARRIER();                                                                               \
        for (i64 l = X_LID; l < 128; l += X_LSIZE)                                                 \
            for (i64 i = l; i < m; i += 128) {                                                     \
                T v = y[i];                                                                        \
                if (i >= 16) v = JOIN(s[X_CARRIES + i / 16], v);                                   \
                if (c) v = JOIN(s[X_CARRIES + 64], v);                                             \
                y[i] = v;                                                                          \
            }                                                                                      \
    }
X_GROUP_SCAN(x_cumsum, , float, X_PLUS)
X_GROUP_SCAN(x_cumprod, , float, X_TIMES)
X_GROUP_SCAN(x_cumsum, _u, u64, X_PLUS)
X_GROUP_SCAN(x_cumprod, _u, u64, X_TIMES)
X_GROUP_SCAN(x_cumsum, _c, x_c64, x_add_c)
X_GROUP_SCAN(x_cumprod, _c, x_c64, x_mul_c)
#ifdef X_F64
X_GROUP_SCAN(x_cumsum, 64, double, X_PLUS)
X_GROUP_SCAN(x_cumprod, 64, double, X_TIMES)
X_GROUP_SCAN(x_cumsum, _z, x_c128, x_add_z)
X_GROUP_SCAN(x_cumprod, _z, x_c128, x_mul_z)
#endif

#endif
#endif
