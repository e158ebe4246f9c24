/* philox.h - random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011).
 *
 *   key      seed (64 bits)
 *   counter  index (low 64 bits: logical index of an element), stream (high: number of the call)
 *
 * So any element's number is computed by itself, in any order. Of the four words of an index
 *   uniform    in [0, 1): the upper 24 bits of word 0 times 2^-24;
 *              f64: the upper 53 bits of word 0 (high) and word 1 times 2^-53
 *   normal     sqrt(-2 log u) cos(2 pi v) (Box and Muller), u in (0, 1] from word 0, v from word 1;
 *              f64: u from words 0 and 1, v from words 2 and 3
 */
#ifndef KERNELS_PHILOX_H
#define KERNELS_PHILOX_H

typedef struct {
    u32 w0, w1, w2, w3;
} x_words;

X_FN x_words x_philox(u64 seed, u64 stream, u64 index)
{
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
    x_words c;
    c.w0 = (u32)index;
    c.w1 = (u32)(index >> 32);
    c.w2 = (u32)stream;
    c.w3 = (u32)(stream >> 32);
    for (i32 r = 0; r < 10; r++) {
        u64 p = (u64)0xd2511f53u * c.w0, q = (u64)0xcd9e8d57u * c.w2;
        u32 w0 = (u32)(q >> 32) ^ c.w1 ^ k0, w2 = (u32)(p >> 32) ^ c.w3 ^ k1;
        c.w1 = (u32)q;
        c.w3 = (u32)p;
        c.w0 = w0;
        c.w2 = w2;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return c;
}
/* Word 0 to 3. */
X_FN u32 x_word(u64 seed, u64 stream, u64 index, i32 word)
{
    x_words c = x_philox(seed, stream, index);
    return word == 0 ? c.w0 : word == 1 ? c.w1 : word == 2 ? c.w2 : c.w3;
}
X_FN float x_uniform(u64 seed, u64 stream, u64 index)
{
    return (float)(i32)(x_philox(seed, stream, index).w0 >> 8) * 0x1p-24f;
}
X_FN float x_normal(u64 seed, u64 stream, u64 index)
{
    x_words c = x_philox(seed, stream, index);
    float u = (float)(i32)((c.w0 >> 8) + 1u) * 0x1p-24f, v = (float)(i32)(c.w1 >> 8) * 0x1p-24f;
    return x_sqrt(-2.0f * x_log(u)) * x_cos_near(v * 0x1.921fb6p+2f);
}
#ifdef X_F64
X_FN double x_uniform64(u64 seed, u64 stream, u64 index)
{
    x_words c = x_philox(seed, stream, index);
    return (double)(i64)(((u64)c.w0 << 32 | c.w1) >> 11) * 0x1p-53;
}
X_FN double x_normal64(u64 seed, u64 stream, u64 index)
{
    x_words c = x_philox(seed, stream, index);
    double u = (double)(i64)((((u64)c.w0 << 32 | c.w1) >> 11) + 1ul) * 0x1p-53;
    double v = (double)(i64)(((u64)c.w2 << 32 | c.w3) >> 11) * 0x1p-53;
    return x_sqrt64(-2.0 * x_log64(u)) * x_cos64(v * 0x1.921fb54442d18p+2);
}
#endif

#endif
