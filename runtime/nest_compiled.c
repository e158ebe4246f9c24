/* nest_compiled.c - running a loop nest by a compiled kernel: finds or builds the kernel of its
 * class, and shares its points among threads.
 *
 *   class of the nest and the loops ─► map of this thread ─► map of all ─► print_c ─► build_kernel
 *
 * Kernels are never freed: there are as many as a program has kinds of calls. Any number of
 * threads gives the same bits. Threads: any.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backend.h"
#include "runtime/build.h"
#include "runtime/nest_pieces.h"
#include "runtime/pool.h"
#include "store/base/map.h"

enum { CALL_COST = 64 }; /* nodes times points that a call's own cost is worth */
static const int64_t default_work = 1 << 20; /* about what 100 ms interpret */

struct compiled {
    _Atomic(void *) run; /* NULL: not built */
    atomic_flag building;
    _Atomic bool failed;
    _Atomic int64_t work; /* interpreted so far */
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map all; /* class -> struct compiled *; guarded by `lock` */
static _Thread_local struct map own;
static _Atomic int64_t compile_after = -1; /* not yet asked for */

void nest_compile_after(int64_t work)
{
    compile_after = work;
}

static int64_t work_before_building(void)
{
    int64_t work = compile_after;
    if (work >= 0) return work;
    const char *text = getenv("PLUMB_COMPILE_AFTER");
    if (!text || !span_to_i64(span_of(text), &work) || work < 0) work = default_work;
    compile_after = work;
    return work;
}

/* ---- kernels ---- */

static struct compiled *find_shared(struct map_key key)
{
    struct compiled *c = NULL;
    pthread_mutex_lock(&lock);
    int64_t *at = map_get(&all, key);
    if (at) c = (struct compiled *)(intptr_t)*at;
    else c = calloc(1, sizeof *c);
    if (!at && c && !map_put(&all, key, (int64_t)(intptr_t)c, NULL)) {
        free(c);
        c = NULL;
    }
    pthread_mutex_unlock(&lock);
    return c;
}

/* NULL when out of memory. */
static struct compiled *find(const struct nest *n, const struct nest_shape *s)
{
    struct {
        uint64_t generation;
        struct nest_class class;
    } k;
    k.generation = build_generation();
    size_t size = nest_class(n, s, &k.class) + offsetof(__typeof__(k), class);
    struct map_key key = map_key((struct span){(const char *)&k, size});
    int64_t *at = map_get(&own, key);
    if (at) return (struct compiled *)(intptr_t)*at;
    struct compiled *c = find_shared(key);
    if (c) map_put(&own, key, (int64_t)(intptr_t)c, NULL); /* else it is looked up again */
    return c;
}

static enum err build(const struct nest *n, const struct nest_shape *s, void **out)
{
    struct buf text = {0};
    enum err err = print_c(n, s, &text);
    if (!err) err = build_kernel(buf_text(&text), out);
    buf_release(&text);
    return err;
}

/* The kernel's function, or NULL: interpret. Only one thread builds; others interpret meanwhile. */
static void *function_of(const struct nest *n, const struct nest_shape *s)
{
    struct compiled *c = find(n, s);
    if (!c) return NULL;
    void *run = c->run;
    if (run || c->failed) return run;
    c->work += (s->rows * s->columns * s->points + CALL_COST) * n->n_nodes;
    if (c->work < work_before_building() || atomic_flag_test_and_set(&c->building)) return NULL;
    run = c->run; /* another thread may have built it meanwhile */
    if (!run && !c->failed && build(n, s, &run)) {
        c->failed = true; /* build_note says why */
        err_clear();
    } else if (run) c->run = run;
    atomic_flag_clear(&c->building);
    return run;
}

/* ---- running ---- */

struct job {
    struct print_call call;
    struct print_kernel kernel;
    struct nest_pieces pieces;
};

static void run_piece(void *context, int64_t i)
{
    const struct job *j = context;
    struct nest_float f = nest_float_begin();
    nest_pieces_run(&j->pieces, &j->kernel, &j->call, i);
    nest_float_end(f);
}

static void run_all(const struct job *j)
{
    struct nest_float f = nest_float_begin();
    nest_pieces_run_all(&j->pieces, &j->kernel, &j->call);
    nest_float_end(f);
}

static enum err run_kernel(const struct nest_run *run, const struct nest_shape *s, void *function)
{
    const struct nest *n = run->nest;
    int64_t number[PRINT_NUMBERS], fault[5] = {0};
    struct job j; /* fields in use are set: clearing it all takes as long as a small nest */
    j.call.number = number;
    j.call.param = run->param;
    j.call.seed = run->seed;
    j.call.stream = run->stream;
    j.call.fault = fault;
    memcpy(&j.kernel.run, &function, sizeof function);
    print_c_numbers(n, run->plan, s, number);
    for (int i = 0; i < n->n_arrays; i++)
        j.call.base[i] = (char *)run->base[i] +
                         run->plan->lie[i].offset * (int64_t)dtype_size(n->array[i].dtype);
    nest_pieces(n, s, &j.pieces);
    int64_t pieces = j.pieces.n;
    if (pieces > 1 && run->threads > 1) pool_run(run->threads, run_piece, &j, pieces);
    else run_all(&j);
    if (!fault[0]) return ERR_OK;
    return nest_out_of_bounds(
        n, &(struct nest_fault){(int)fault[1], (int)fault[2], fault[3], fault[4]});
}

enum err nest_compiled(const struct nest_run *run)
{
    struct nest_shape s;
    nest_shape(run->nest, run->plan, &s);
    if (!s.rows || !s.columns) return ERR_OK;
    void *function = s.points ? function_of(run->nest, &s) : NULL;
    if (function) return run_kernel(run, &s, function);
    build_count_interpreted();
    return nest_interpret(run);
}

void nest_thread_end(void)
{
    map_release(&own);
    own = (struct map){0};
}
