/* exact_c.h - all shared kernel texts, for our own C files, in the order of prelude_c_text. */
#ifndef KERNELS_EXACT_C_H
#define KERNELS_EXACT_C_H

#include "kernels/prelude_c.h"

#include "kernels/exact_coef.h"
#include "kernels/exact.h"
#include "kernels/exact_act.h"
#include "kernels/exact64.h"
#include "kernels/exact_num.h"
#include "kernels/exact_int.h"
#include "kernels/exact_half.h"
#include "kernels/exact_complex.h"
#include "kernels/exact_cast.h"
#include "kernels/exact_move.h"
#include "kernels/philox.h"
#include "kernels/exact_reduce.h"
#include "kernels/exact_scan.h"

#endif
