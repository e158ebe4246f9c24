/* gemm_blas.c - products by OpenBLAS, so that any number of threads gives the same bits.
 *
 * A BLAS that shares a product among its own threads cuts it by their number, and where it cuts k
 * the bits follow. Here each call is single-threaded and makes one tile of the result, cut by the
 * shape alone; our threads share the tiles. The order within a tile is the library's, and its
 * kernel is chosen by processor: the same bits on one machine, not everywhere (gemm_exact's job).
 *
 * What the library cannot read - 16-bit and float8 numbers, strides of which none is 1, the
 * conjugate - is copied into dense f32, f64 or complex panels of 1024 in k, one piece at a time.
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gemm_tiles.h"
#include "kernels/run.h"

enum { PANEL_K = 1024 };
/* Of cblas.h: the layout, and how an operand is read. */
enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 };

/* ---- the library ---- */

typedef void sgemm_fn(int, int, int, int, int, int, float, const void *, int, const void *, int,
                      float, void *, int);
typedef void dgemm_fn(int, int, int, int, int, int, double, const void *, int, const void *, int,
                      double, void *, int);
typedef void zgemm_fn(int, int, int, int, int, int, const void *, const void *, int, const void *,
                      int, const void *, void *, int);

static struct {
    pthread_once_t once;
    sgemm_fn *sgemm;
    dgemm_fn *dgemm;
    zgemm_fn *cgemm, *zgemm;
    char name[64]; /* empty: there is none */
    char why[200];
} blas = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        snprintf(blas.why, sizeof blas.why, "%s", dlerror());
        return;
    }
    void (*set_threads)(int) = (void (*)(int))dlsym(lib, "openblas_set_num_threads");
    const char *(*config)(void) = (const char *(*)(void))dlsym(lib, "openblas_get_config");
    const char *(*core)(void) = (const char *(*)(void))dlsym(lib, "openblas_get_corename");
    blas.sgemm = (sgemm_fn *)dlsym(lib, "cblas_sgemm");
    blas.dgemm = (dgemm_fn *)dlsym(lib, "cblas_dgemm");
    blas.cgemm = (zgemm_fn *)dlsym(lib, "cblas_cgemm");
    blas.zgemm = (zgemm_fn *)dlsym(lib, "cblas_zgemm");
    if (!set_threads || !config || !core || !blas.sgemm || !blas.dgemm || !blas.cgemm ||
        !blas.zgemm) {
        snprintf(blas.why, sizeof blas.why, "it lacks functions of OpenBLAS's C interface");
        dlclose(lib);
        return;
    }
    set_threads(1);
    const char *text = config(), *version = strchr(text, ' ');
    int length = version ? (int)strcspn(version + 1, " ") : 0;
    snprintf(blas.name, sizeof blas.name, "OpenBLAS %.*s (%s)", length, version ? version + 1 : "",
             core());
}

const char *gemm_blas_name(void)
{
    pthread_once(&blas.once, load);
    return blas.name[0] ? blas.name : NULL;
}

/* ---- operands ---- */

struct operand {
    const void *p;
    int how, step; /* AS_IT_IS or TRANSPOSED, and elements from one row or column to the next */
};
struct product {
    const struct gemm *g;
    const struct gemm_how *how;
    enum gemm_acc acc;
    enum dtype type; /* of the accumulators */
    struct gemm_tiles tiles;
    int a_how, b_how; /* 0: it is packed */
    int64_t piece;    /* of k, for one call */
    size_t a_size, b_size, c_size;
    atomic_bool failed;
};

/* How the library can read rows x columns where they lie; 0 when it cannot. */
static int readable(const struct product *p, const struct gemm_matrix *x, int64_t rows,
                    int64_t columns)
{
    if (p->g->in != p->type || x->conj || x->row > INT_MAX || x->column > INT_MAX) return 0;
    if (x->column == 1 && x->row >= columns && x->row > 0) return AS_IT_IS;
    return x->row == 1 && x->column >= rows && x->column > 0 ? TRANSPOSED : 0;
}

#define CONJUGATE(type)                                                                            \
    static void conjugate_##type(type *v, int64_t n)                                               \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) v[2 * i + 1] = -v[2 * i + 1];                              \
    }
CONJUGATE(float)
CONJUGATE(double)

/* Rows x columns from `from` on, dense and row-major. */
static void pack(const struct product *p, const struct gemm_matrix *x, const char *from,
                 int64_t rows, int64_t columns, char *out)
{
    union run room;
    int64_t in = (int64_t)dtype_size(p->g->in), size = (int64_t)dtype_size(p->type);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += RUN) {
            int64_t n = gemm_min(RUN, columns - j);
            char *to = out + (i * columns + j) * size;
            const void *v = run_load(p->g->in, from + (i * x->row + j * x->column) * in, x->column,
                                     n, p->type, &room);
            memcpy(to, v, (size_t)(n * size));
            if (x->conj && p->acc == GEMM_C64) conjugate_float((float *)to, n);
            if (x->conj && p->acc == GEMM_C128) conjugate_double((double *)to, n);
        }
}

static struct operand operand(const struct product *p, const struct gemm_matrix *x, int how,
                              int64_t at, int64_t rows, int64_t columns, char *room)
{
    const char *from = (const char *)x->p + at * (int64_t)dtype_size(p->g->in);
    if (how) return (struct operand){from, how, (int)(how == AS_IT_IS ? x->row : x->column)};
    pack(p, x, from, rows, columns, room);
    return (struct operand){room, AS_IT_IS, (int)columns};
}

/* ---- tiles ---- */

static void multiply(const struct product *p, const struct gemm_part *t, int k,
                     const struct operand *a, const struct operand *b, bool go_on, void *c)
{
    int m = (int)t->rows, n = (int)t->columns, row = (int)p->tiles.columns;
    float one = 1, add = go_on, one_c[2] = {1, 0}, add_c[2] = {add, 0};
    double one_z[2] = {1, 0}, add_z[2] = {add, 0};
    switch (p->acc) {
    case GEMM_F32:
        blas.sgemm(ROW_MAJOR, a->how, b->how, m, n, k, one, a->p, a->step, b->p, b->step, add, c,
                   row);
        return;
    case GEMM_F64:
        blas.dgemm(ROW_MAJOR, a->how, b->how, m, n, k, 1, a->p, a->step, b->p, b->step, add, c,
                   row);
        return;
    case GEMM_C64:
        blas.cgemm(ROW_MAJOR, a->how, b->how, m, n, k, one_c, a->p, a->step, b->p, b->step, add_c,
                   c, row);
        return;
    default:
        blas.zgemm(ROW_MAJOR, a->how, b->how, m, n, k, one_z, a->p, a->step, b->p, b->step, add_z,
                   c, row);
    }
}

static void make_tile(const struct product *p, const struct gemm_part *t, char *room_a,
                      char *room_b, char *c)
{
    const struct gemm *g = p->g;
    for (int64_t k = 0; k < g->k; k += p->piece) {
        int64_t n_k = gemm_min(p->piece, g->k - k);
        int64_t at_a = t->batch * g->a.batch + t->row * g->a.row + k * g->a.column;
        int64_t at_b = t->batch * g->b.batch + k * g->b.row + t->column * g->b.column;
        struct operand a = operand(p, &g->a, p->a_how, at_a, t->rows, n_k, room_a);
        struct operand b = operand(p, &g->b, p->b_how, at_b, n_k, t->columns, room_b);
        multiply(p, t, (int)n_k, &a, &b, k > 0, c);
    }
}

static void tiles_part(void *context, int64_t i)
{
    struct product *p = context;
    int64_t end = gemm_min((i + 1) * p->tiles.per_part, p->tiles.n);
    char *a = aligned_alloc(64, p->a_size + p->b_size + p->c_size);
    if (!a) {
        atomic_store(&p->failed, true);
        return;
    }
    char *b = a + p->a_size, *c = b + p->b_size;
    int64_t row = p->tiles.columns * gemm_acc_parts(p->acc);
    for (int64_t at = i * p->tiles.per_part; at < end; at++) {
        struct gemm_part t = gemm_tile(p->g, &p->tiles, at);
        if (p->g->k == 0 || p->g->alpha == 0) memset(c, 0, p->c_size);
        else make_tile(p, &t, a, b, c);
        gemm_finish(p->g, p->how, &t, c, row, 0);
    }
    free(a);
}

/* ---- the whole ---- */

static void product_init(struct product *p, const struct gemm *g, const struct gemm_how *how)
{
    enum gemm_acc acc = gemm_acc_of(g->in);
    *p = (struct product){.g = g, .how = how, .acc = acc, .type = gemm_acc_dtype(acc)};
    p->tiles = gemm_tiles_of(g, 32, 64);
    p->a_how = readable(p, &g->a, g->m, g->k);
    p->b_how = readable(p, &g->b, g->k, g->n);
    p->piece = p->a_how && p->b_how ? GEMM_SPAN : PANEL_K;
    int64_t size = (int64_t)dtype_size(p->type), k = gemm_min(p->piece, g->k);
    p->a_size = p->a_how ? 0 : (size_t)gemm_round_up(p->tiles.rows * k * size, 64);
    p->b_size = p->b_how ? 0 : (size_t)gemm_round_up(p->tiles.columns * k * size, 64);
    p->c_size = (size_t)gemm_round_up(p->tiles.rows * p->tiles.columns * size, 64);
}

enum err gemm_blas(const struct gemm *g, const struct gemm_how *how)
{
    struct product p;
    if (!gemm_blas_name())
        FAIL(ERR_UNSUPPORTED,
             "no BLAS can be loaded (%s): install the package libopenblas0-pthread, or ask for "
             "determinism exact, which needs none",
             blas.why);
    if (g->m == 0 || g->n == 0 || g->n_batch == 0) return ERR_OK;
    product_init(&p, g, how);
    gemm_share(how, tiles_part, &p, gemm_ceil(p.tiles.n, p.tiles.per_part));
    if (atomic_load(&p.failed))
        FAIL(ERR_NOMEM, "no memory for a product of matrices [%lld, %lld] and [%lld, %lld]",
             (long long)g->m, (long long)g->k, (long long)g->k, (long long)g->n);
    return ERR_OK;
}
