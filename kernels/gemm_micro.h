/* gemm_micro.h - the inner loops of a product of matrices, for one vector type and number type.
 *
 * Included by gemm_scalar.c, gemm_avx2.c and gemm_avx512.c, once for each type, with
 *
 *   NAME(x)            the names of this inclusion
 *   TARGET             attribute that allows the instructions
 *   REAL, VECTOR       the type of a number and of WIDTH of them
 *   LOAD STORE SET     from memory, to memory, one number in all lanes
 *   FMA FNMA           a b + c and -(a b) + c, rounded once
 *   ROWS, VECTORS      the tile of the real kernel: ROWS x VECTORS * WIDTH accumulators
 *   C_ROWS             rows of the complex kernel, whose tile is one vector wide
 *   FEW_K              rows of B that the kernel for few rows takes at a time
 *
 * The idea. The vector runs over columns, the tile over rows and columns, and k is the loop, so
 * each accumulator is one element's chain, in order, and no two lanes are ever added. One turn of
 * the real kernel loads VECTORS vectors of B and ROWS numbers of A for ROWS * VECTORS fma: with 6 x
 * 2 on AVX2 that is 8 loads to 12 fma, of which a core does 2 each a cycle, and 12 chains hide the
 * 4 cycles that an fma takes. Registers: 12 accumulators, 2 of B, 1 of A of 16.
 *
 * Loops over the tile have constant bounds and are unrolled entirely: the accumulators must be
 * registers, or this is a slow memory copy.
 */
#define GEMM_INLINE static inline __attribute__((always_inline))
#define GEMM_UNROLL _Pragma("GCC unroll 16")

TARGET GEMM_INLINE void NAME(tile)(const REAL *a, const REAL *b, REAL *c, int64_t c_row, int64_t k,
                                   bool go_on)
{
    VECTOR acc[ROWS][VECTORS];
    GEMM_UNROLL for (int i = 0; i < ROWS; i++) GEMM_UNROLL for (int j = 0; j < VECTORS; j++)
        acc[i][j] = go_on ? LOAD(c + i * c_row + j * WIDTH) : SET(0);
    for (; k > 0; k--, a += ROWS, b += VECTORS * WIDTH) {
        VECTOR bv[VECTORS];
        GEMM_UNROLL for (int j = 0; j < VECTORS; j++) bv[j] = LOAD(b + j * WIDTH);
        GEMM_UNROLL for (int i = 0; i < ROWS; i++)
        {
            VECTOR av = SET(a[i]);
            GEMM_UNROLL for (int j = 0; j < VECTORS; j++) acc[i][j] = FMA(av, bv[j], acc[i][j]);
        }
    }
    GEMM_UNROLL for (int i = 0; i < ROWS; i++) GEMM_UNROLL for (int j = 0; j < VECTORS; j++)
        STORE(c + i * c_row + j * WIDTH, acc[i][j]);
}

/* A group of B stays in the first cache while the groups of A pass by it. */
TARGET static void NAME(block)(const struct gemm_block *x)
{
    for (int64_t j = 0; j < x->n_b; j++)
        for (int64_t i = 0; i < x->n_a; i++) {
            const REAL *a = (const REAL *)x->a + i * x->k * ROWS;
            const REAL *b = (const REAL *)x->b + j * x->k * VECTORS * WIDTH;
            REAL *c = (REAL *)x->c + i * ROWS * x->c_row + j * VECTORS * WIDTH;
            NAME(tile)(a, b, c, x->c_row, x->k, x->go_on);
        }
}

/*   re = fma(-ai, bi, fma(ar, br, re)),   im = fma(ai, br, fma(ar, bi, im)) */
TARGET GEMM_INLINE void NAME(complex_tile)(const REAL *a, const REAL *b, REAL *c, int64_t c_row,
                                           int64_t k, bool go_on)
{
    VECTOR re[C_ROWS], im[C_ROWS];
    GEMM_UNROLL for (int i = 0; i < C_ROWS; i++)
    {
        re[i] = go_on ? LOAD(c + i * c_row) : SET(0);
        im[i] = go_on ? LOAD(c + i * c_row + WIDTH) : SET(0);
    }
    for (; k > 0; k--, a += 2 * C_ROWS, b += 2 * WIDTH) {
        VECTOR br = LOAD(b), bi = LOAD(b + WIDTH);
        GEMM_UNROLL for (int i = 0; i < C_ROWS; i++)
        {
            VECTOR ar = SET(a[i]), ai = SET(a[C_ROWS + i]);
            re[i] = FNMA(ai, bi, FMA(ar, br, re[i]));
            im[i] = FMA(ai, br, FMA(ar, bi, im[i]));
        }
    }
    GEMM_UNROLL for (int i = 0; i < C_ROWS; i++)
    {
        STORE(c + i * c_row, re[i]);
        STORE(c + i * c_row + WIDTH, im[i]);
    }
}

TARGET static void NAME(complex_block)(const struct gemm_block *x)
{
    for (int64_t j = 0; j < x->n_b; j++)
        for (int64_t i = 0; i < x->n_a; i++) {
            const REAL *a = (const REAL *)x->a + i * x->k * 2 * C_ROWS;
            const REAL *b = (const REAL *)x->b + j * x->k * 2 * WIDTH;
            REAL *c = (REAL *)x->c + i * C_ROWS * x->c_row + j * 2 * WIDTH;
            NAME(complex_tile)(a, b, c, x->c_row, x->k, x->go_on);
        }
}

/* `n_k` rows of B, read where they lie, join the accumulators of one group of A: `rows` rows, two
 * vectors at a time. What the next rows of B hold is asked for early. */
TARGET GEMM_INLINE void NAME(few_k)(int rows, int n_k, const REAL *a, const REAL *b, REAL *c,
                                    const struct gemm_few *x)
{
    for (int64_t j = 0; j < x->n; j += 2 * WIDTH) {
        VECTOR b0[FEW_K], b1[FEW_K];
        GEMM_UNROLL for (int k = 0; k < n_k; k++)
        {
            b0[k] = LOAD(b + k * x->b_row + j);
            b1[k] = LOAD(b + k * x->b_row + j + WIDTH);
            __builtin_prefetch(b + (k + n_k) * x->b_row + j);
        }
        for (int i = 0; i < rows; i++) {
            REAL *at = c + i * x->c_row + j;
            VECTOR acc0 = LOAD(at), acc1 = LOAD(at + WIDTH);
            GEMM_UNROLL for (int k = 0; k < n_k; k++)
            {
                VECTOR av = SET(a[k * ROWS + i]);
                acc0 = FMA(av, b0[k], acc0);
                acc1 = FMA(av, b1[k], acc1);
            }
            STORE(at, acc0);
            STORE(at + WIDTH, acc1);
        }
    }
}

/* All groups of A pass by the same rows of B, which stay in the first cache. */
TARGET static void NAME(few_rows)(const struct gemm_few *x)
{
    for (int64_t i = 0; i < x->rows && !x->go_on; i++)
        for (int64_t j = 0; j < x->n; j++) ((REAL *)x->c)[i * x->c_row + j] = 0;
    for (int64_t k = 0; k < x->k; k += k + FEW_K <= x->k ? FEW_K : 1)
        for (int64_t i = 0; i < x->rows; i += ROWS) {
            int rows = x->rows - i < ROWS ? (int)(x->rows - i) : ROWS;
            const REAL *a = (const REAL *)x->a + i * x->k + k * ROWS;
            const REAL *b = (const REAL *)x->b + k * x->b_row;
            REAL *c = (REAL *)x->c + i * x->c_row;
            if (k + FEW_K > x->k) NAME(few_k)(rows, 1, a, b, c, x);
            else if (rows == 1) NAME(few_k)(1, FEW_K, a, b, c, x);
            else if (rows == ROWS) NAME(few_k)(ROWS, FEW_K, a, b, c, x);
            else NAME(few_k)(rows, FEW_K, a, b, c, x);
        }
}

enum {
    NAME(rows) = ROWS,
    NAME(columns) = VECTORS * WIDTH,
    NAME(complex_rows) = C_ROWS,
    NAME(complex_columns) = WIDTH,
};

#undef GEMM_INLINE
#undef GEMM_UNROLL
#undef NAME
#undef REAL
#undef VECTOR
#undef WIDTH
#undef LOAD
#undef STORE
#undef SET
#undef FMA
#undef FNMA
