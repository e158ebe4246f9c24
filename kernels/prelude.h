/* prelude.h - the shared kernel texts as strings that a printer puts in front of what it prints.
 *
 * A text is a language's prelude and behind it the functions of kernels/scalar.def, conversions,
 * random numbers and, in C, reductions and scans, in an order that compiles.
 */
#ifndef KERNELS_PRELUDE_H
#define KERNELS_PRELUDE_H

const char *prelude_c_text(void); /* static */
const char *prelude_opencl_text(void);
const char *prelude_cuda_text(void);
/* Behind it: defines x_test(float *scratch, u64 *out) of 2^19 numbers and SELFTEST_DIGESTS results;
 * static. */
const char *selftest_c_text(void);

#endif
