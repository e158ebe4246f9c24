/* attention_math.h - the powers of two of attention's definition, in f32 and f64. */
#ifndef KERNELS_ATTENTION_MATH_H
#define KERNELS_ATTENTION_MATH_H

#include <math.h>

#include "kernels/exact_c.h"

/* 2^f for |f| <= 1/2: x_exp2 without its scaling. */
X_FN float attention_fraction_f32(float f)
{
    float p =
        x_fma(x_fma(x_fma(x_fma(x_fma(EXP2F_6, f, EXP2F_5), f, EXP2F_4), f, EXP2F_3), f, EXP2F_2),
              f, EXP2F_1);
    return x_fma(p, f, 1.0f);
}
X_FN double attention_fraction_f64(double f)
{
    double r = f * LN2D_F, lo = x_fma64(f, LN2D_F, -r);
    return 1.0 + (r + x_exp_q64(r, lo));
}
/* 2^d for integral d, a normal number; d + MAGIC holds d in its low bits. */
X_FN float attention_power_f32(float d)
{
    return x_pow2i(x_magic_int(d + X_MAGIC));
}
X_FN double attention_power_f64(double d)
{
    return x_pow2i64(x_magic_int64(d + X_MAGIC64));
}

#endif
