/* prelude.h - the shared kernel texts as strings that a printer puts in front of what it prints.
 *
 * A text is a language's prelude and behind it the functions of kernels/scalar.def, conversions,
 * random numbers and, in C, reductions and scans, in an order that compiles.
 */
#ifndef KERNELS_PRELUDE_H
#define KERNELS_PRELUDE_H

const char *prelude_c_text(void); /* static */

#endif
