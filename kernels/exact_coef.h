/* exact_coef.h - minimax coefficients and split constants of the exact functions.
 *
 * Own fits: Remez exchange in 320-bit arithmetic; coefficients are rounded to the target format
 * one at a time, lowest order first, and the others fitted again after each, so that rounding
 * errors are absorbed upwards. NAME_k multiplies the k-th power (of what the function says);
 * a constant in several parts has them as NAME_0, NAME_1, ... from the largest down.
 */
#ifndef KERNELS_EXACT_COEF_H
#define KERNELS_EXACT_COEF_H

#define LN2F_0    0x1.62e4p-1f
#define LN2F_1    0x1.7f7d1cp-20f
#define L2EF_0    0x1.715476p+0f
#define L2EF_1    0x1.4ae0cp-26f
#define PIO2F_0   0x1.921fb6p+0f
#define PIO2F_1   -0x1.777a5cp-25f
#define PIO2F_2   -0x1.ee59dap-50f
#define IPIO2F_0  0x1.45f306p-1f
#define GELU_AF_0 0x1.988454p+0f
#define GELU_AF_1 -0x1.857936p-25f
#define GELU_BF_0 0x1.2444f2p-4f
#define GELU_BF_1 0x1.49b16ap-29f
/* EXPF: max weighted error 2^-28.20 on [-0.347, 0.347] */
#define EXPF_2 0x1.fffffcp-2f
#define EXPF_3 0x1.55548ap-3f
#define EXPF_4 0x1.55584ep-5f
#define EXPF_5 0x1.123f34p-7f
#define EXPF_6 0x1.6ad172p-10f
/* EXPM1F: max weighted error 2^-28.16 on [-0.347, 0.347] */
#define EXPM1F_2 0x1.0p-1f
#define EXPM1F_3 0x1.55552cp-3f
#define EXPM1F_4 0x1.555502p-5f
#define EXPM1F_5 0x1.1155a6p-7f
#define EXPM1F_6 0x1.6d2e4ep-10f
#define EXPM1F_7 0x1.3b8e0ap-13f
/* EXP2F: max weighted error 2^-27.50 on [-0.5, 0.5] */
#define EXP2F_1 0x1.62e432p-1f
#define EXP2F_2 0x1.ebfbe6p-3f
#define EXP2F_3 0x1.c6ada8p-5f
#define EXP2F_4 0x1.3b21c8p-7f
#define EXP2F_5 0x1.5fbcc6p-10f
#define EXP2F_6 0x1.4be06ap-13f
/* LOGF: max weighted error 2^-27.58 on [-0.3334, 0.3334] */
#define LOGF_3  0x1.5554fap-2f
#define LOGF_4  -0x1.ffff94p-3f
#define LOGF_5  0x1.99d59p-3f
#define LOGF_6  -0x1.557e14p-3f
#define LOGF_7  0x1.1e81ccp-3f
#define LOGF_8  -0x1.f6bad4p-4f
#define LOGF_9  0x1.1ff8f6p-3f
#define LOGF_10 -0x1.ff780cp-4f
/* LOG2F: max weighted error 2^-26.68 on [-0.3334, 0.3334] */
#define LOG2F_2  -0x1.715476p-1f
#define LOG2F_3  0x1.ec7014p-2f
#define LOG2F_4  -0x1.715492p-2f
#define LOG2F_5  0x1.27a394p-2f
#define LOG2F_6  -0x1.ec8b3ap-3f
#define LOG2F_7  0x1.9d1d5cp-3f
#define LOG2F_8  -0x1.6c6596p-3f
#define LOG2F_9  0x1.a0b15cp-3f
#define LOG2F_10 -0x1.68ffp-3f
/* SINF: max weighted error 2^-32.52 on [0, 0.786] */
#define SINF_3 -0x1.555556p-3f
#define SINF_5 0x1.111174p-7f
#define SINF_7 -0x1.a05954p-13f
#define SINF_9 0x1.7c2c4ep-19f
/* COSF: max weighted error 2^-33.13 on [0, 0.786] */
#define COSF_4 0x1.55554ap-5f
#define COSF_6 -0x1.6c0c1ap-10f
#define COSF_8 0x1.99e0e4p-16f
/* TANHF: max weighted error 2^-28.41 on [0, 0.6] */
#define TANHF_3  -0x1.55553ep-2f
#define TANHF_5  0x1.1109bep-3f
#define TANHF_7  -0x1.b89abap-5f
#define TANHF_9  0x1.54c3c2p-6f
#define TANHF_11 -0x1.828774p-8f
/* ERFF: max weighted error 2^-29.97 on [0, 1] */
#define ERFF_1  0x1.06eba8p-3f
#define ERFF_3  -0x1.81274p-2f
#define ERFF_5  0x1.ce2d74p-4f
#define ERFF_7  -0x1.b8045p-6f
#define ERFF_9  0x1.548346p-8f
#define ERFF_11 -0x1.a99f46p-11f
#define ERFF_13 0x1.69eb4ep-14f
#define ERFF_15 -0x1.266bap-19f
/* ERFCF: max weighted error 2^-35.75 on [0.999, 4] */
#define ERFCF_0 -0x1.ab76e6p-13f
#define ERFCF_1 0x1.21314cp+0f
#define ERFCF_2 0x1.441e8cp-1f
#define ERFCF_3 0x1.bcf47ep-4f
#define ERFCF_4 -0x1.9fa08ep-6f
#define ERFCF_5 0x1.187804p-8f
#define ERFCF_6 -0x1.e5718cp-12f
#define ERFCF_7 0x1.a655fep-16f
#define ERFCF_8 -0x1.02ae18p-22f
/* PHIF: max weighted error 2^-28.22 on [-1, 0.657143] */
#define PHIF_LO -0x1.c7418ep-26f
#define PHIF_0  0x1.754a76p-1f
#define PHIF_1  -0x1.04c72ap-1f
#define PHIF_2  0x1.d71386p-3f
#define PHIF_3  -0x1.832c8ep-5f
#define PHIF_4  -0x1.56d596p-7f
#define PHIF_5  0x1.c8a23ap-8f
#define PHIF_6  0x1.0c6bbep-10f
#define PHIF_7  -0x1.0d8ce2p-10f
#define PHIF_8  -0x1.fb404p-13f
#define PHIF_9  0x1.0b6374p-13f
#define PHIF_10 0x1.afd4bp-15f
/* ATANHF: max weighted error 2^-34.54 on [0, 0.2001] */
#define ATANHF_5   0x1.999aap-3f
#define ATANHF_7   0x1.241a3ep-3f
#define ATANHF_9   0x1.e8e87cp-4f
#define THIRDF_0   0x1.555556p-2f
#define THIRDF_1   -0x1.555556p-27f
#define TWO_L2EF_0 0x1.715476p+1f
#define TWO_L2EF_1 0x1.4ae0cp-25f
#define TWO_OVER_PI_WORDS                                                                          \
    0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu
#define LN2D_0 0x1.62e42ffp-1
#define LN2D_1 -0x1.718432a1b0e26p-35
/* 2 sqrt(2/pi), and 0.044715 times that */
#define GELU_AD_0 0x1.9884533d43651p+0
#define GELU_AD_1 -0x1.cbc0d30ebfd15p-54
#define GELU_BD_0 0x1.2444f2a4d8b4bp-4
#define GELU_BD_1 -0x1.6c843a29d1c70p-61
/* ln 2 in one number */
#define LN2D_F 0x1.62e42fefa39efp-1
#define L2ED_0 0x1.71547652b82fep+0
/* EXPD: max weighted error 2^-63.15 on [-0.347, 0.347] */
#define EXPD_2  0x1.0p-1
#define EXPD_3  0x1.555555555555dp-3
#define EXPD_4  0x1.555555555556bp-5
#define EXPD_5  0x1.111111110e58cp-7
#define EXPD_6  0x1.6c16c16c0b5ebp-10
#define EXPD_7  0x1.a01a01b5c4512p-13
#define EXPD_8  0x1.a01a01df00b85p-16
#define EXPD_9  0x1.71ddeb4b921abp-19
#define EXPD_10 0x1.27e4675263ebfp-22
#define EXPD_11 0x1.af73085cfe95ap-26
#define EXPD_12 0x1.2019499c8ee1p-29
/* LOGD: max weighted error 2^-61.66 on [0, 0.2001] */
#define LOGD_3  0x1.555555555554fp-1
#define LOGD_5  0x1.999999999c176p-2
#define LOGD_7  0x1.24924921e4a82p-2
#define LOGD_9  0x1.c71c748f5136ep-3
#define LOGD_11 0x1.745c4afac0ff4p-3
#define LOGD_13 0x1.3b35bc4ef3ce4p-3
#define LOGD_15 0x1.0dcbe7d21cf7p-3
#define LOGD_17 0x1.1b7f44666b2cbp-3

#endif
