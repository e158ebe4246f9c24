/* nest_run.c - rules of arithmetic, faults, and sizes of spaces. */
#include "runtime/nest_run.h"

#ifdef __SSE2__
#include <xmmintrin.h>

/* Exceptions masked, nearest even, neither FTZ nor DAZ. The flags say nothing to anybody. */
enum { MXCSR_RULES = 0x1f80, MXCSR_FLAGS = 0x3f };

struct nest_float nest_float_begin(void)
{
    unsigned was = _mm_getcsr();
    if ((was & ~(unsigned)MXCSR_FLAGS) != MXCSR_RULES) _mm_setcsr(MXCSR_RULES);
    return (struct nest_float){was};
}

void nest_float_end(struct nest_float f)
{
    if ((f.was & ~(unsigned)MXCSR_FLAGS) != MXCSR_RULES) _mm_setcsr(f.was);
}
#else
#include <fenv.h>

struct nest_float nest_float_begin(void)
{
    int was = fegetround();
    if (was != FE_TONEAREST) fesetround(FE_TONEAREST);
    return (struct nest_float){(unsigned)was};
}

void nest_float_end(struct nest_float f)
{
    if (f.was != FE_TONEAREST) fesetround((int)f.was);
}
#endif

enum err nest_out_of_bounds(const struct nest *n, const struct nest_fault *f)
{
    FAIL(ERR_USAGE, "index %lld is out of bounds for computed position %d of \"%s\" with size %lld",
         (long long)f->index, f->position, n->array[f->array].name, (long long)f->size);
}

int64_t nest_points(const struct nest_plan *p, bool inner)
{
    int64_t n = 1;
    int first = inner ? p->n_outer : 0, end = inner ? p->n_outer + p->n_inner : p->n_outer;
    for (int d = first; d < end; d++) n *= p->size[d];
    return n;
}
