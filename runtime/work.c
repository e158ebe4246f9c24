/* work.c - what the workloads share: numbers from a seed, parameters, AdamW, text. */
#include "runtime/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/dtype.h"

uint64_t work_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

double work_uniform(uint64_t *state)
{
    return (double)(work_random(state) >> 40) * 0x1p-24;
}

/* 1 is a shape of its own: down to 2, then from the whole batch again. */
int64_t work_batch(const struct work *w, int64_t step)
{
    int64_t least = w->batch < 2 ? w->batch : 2;
    return w->vary ? w->batch - step % (w->batch - least + 1) : w->batch;
}

static int64_t count_of(int n, const int64_t *size)
{
    int64_t count = 1;
    for (int i = 0; i < n; i++) count *= size[i];
    return count;
}

/* Cast here, not by an operator: data is not part of what the trace is about. */
struct plumb_tensor *work_numbers(const struct work *w, int n, const int64_t *size,
                                  const double *values)
{
    int64_t count = count_of(n, size);
    void *cast = malloc((size_t)(count ? count : 1) * dtype_size((enum dtype)w->dtype));
    if (!cast) return NULL;
    dtype_cast(DTYPE_F64, values, (enum dtype)w->dtype, cast, (size_t)count);
    struct plumb_tensor *t = plumb_tensor(w->dtype, n, size, cast);
    free(cast);
    return t;
}

/* Parameters are made outside any step; their seed is the name's and the run's. */
static struct plumb_tensor *make(const struct work *w, const char *name, double bound, double add,
                                 int n, const int64_t *size)
{
    int64_t count = count_of(n, size);
    uint64_t state = w->seed;
    double *values = malloc((size_t)(count ? count : 1) * sizeof *values);
    if (!values) return NULL;
    for (const char *p = name; *p; p++) state = work_random(&state) ^ (uint64_t)(unsigned char)*p;
    for (int64_t i = 0; i < count; i++) values[i] = add + bound * (2 * work_uniform(&state) - 1);
    struct plumb_tensor *t = plumb_parameter(name, work_numbers(w, n, size, values));
    free(values);
    return t;
}

struct plumb_tensor *work_parameter(const struct work *w, const char *name, double bound, int n,
                                    const int64_t *size)
{
    return make(w, name, bound, 0, n, size);
}

struct plumb_tensor *work_constant(const struct work *w, const char *name, double value, int n,
                                   const int64_t *size)
{
    return make(w, name, 0, value, n, size);
}

struct plumb_tensor *work_number(const struct work *w, double v)
{
    return work_numbers(w, 0, NULL, &v);
}

void work_function(const struct work *w, struct work_function *f, const char *name,
                   plumb_function fn, void *context)
{
    *f = (struct work_function){.fn = fn, .context = context, .compile = w->compile};
    if (w->compile) f->compiled = plumb_compile(name, fn, context, &w->compiling);
}

int work_call(const struct work_function *f, struct plumb_tensor *const *in, int n_in,
              struct plumb_tensor **out, int n_out)
{
    if (f->compile) return plumb_compiled_call(f->compiled, in, n_in, out, n_out);
    return f->fn(f->context, in, n_in, out, n_out);
}

void work_loss(struct work *w, int64_t step, double loss)
{
    if (step == 0) w->first = loss;
    w->last = loss;
    plumb_counter("loss", loss);
    if (w->progress && (step == 0 || (step + 1) % 10 == 0 || step + 1 == w->steps))
        fprintf(w->progress, "  step %4lld  loss %.6f\n", (long long)step + 1, loss);
}

/* ---- AdamW ---- */

static struct plumb_tensor *zeros_like(const struct plumb_tensor *p)
{
    int64_t size[16];
    for (int i = 0; p && i < plumb_dims(p); i++) size[i] = plumb_size(p, i);
    return p ? plumb_keep(plumb_tensor(plumb_dtype(p), plumb_dims(p), size, NULL)) : NULL;
}

void work_adamw_add(struct work_adamw *a, struct plumb_tensor *p)
{
    int i = a->n++;
    if (i >= WORK_PARAMETERS) return;
    float zero = 0;
    a->p[i] = p;
    a->m[i] = zeros_like(p);
    a->v[i] = zeros_like(p);
    a->step[i] = plumb_keep(plumb_tensor(PLUMB_F32, 0, NULL, &zero));
}

static int adamw_step(void *context, struct plumb_tensor *const *in, int n_in,
                      struct plumb_tensor **out, int n_out)
{
    struct work_adamw *a = context;
    struct plumb_tensor *grad[WORK_PARAMETERS];
    (void)in, (void)n_in, (void)out, (void)n_out;
    if (a->n > WORK_PARAMETERS) return -1;
    for (int i = 0; i < a->n; i++) {
        if (!a->p[i] || !a->m[i] || !a->v[i] || !a->step[i]) return -1;
        grad[i] = plumb_grad(a->p[i]);
    }
    plumb_no_grad_begin();
    int rc = plumb__foreach_add__scalar(a->step, a->n, 1);
    if (rc >= 0)
        rc = plumb__fused_adamw_(a->p, a->n, grad, a->n, a->m, a->n, a->v, a->n, NULL, 0, a->step,
                                 a->n, a->lr, 0.9, 0.999, a->decay, 1e-8, false, false);
    plumb_no_grad_end();
    for (int i = 0; i < a->n; i++) plumb_zero_grad(a->p[i]);
    return rc < 0 ? -1 : 0;
}

void work_adamw_begin(const struct work *w, struct work_adamw *a, double lr, double decay)
{
    *a = (struct work_adamw){.lr = lr, .decay = decay};
    work_function(w, &a->step_all, "adamw_step", adamw_step, a);
}

int work_adamw_step(struct work_adamw *a)
{
    return work_call(&a->step_all, NULL, 0, NULL, 0);
}

/* ---- text ---- */

static const char *pick(uint64_t *state, const char *const *words, int n)
{
    return words[work_random(state) % (uint64_t)n];
}

#define PICK(state, words) pick((state), (words), (int)(sizeof(words) / sizeof *(words)))

void work_text(uint64_t seed, char *out, size_t size)
{
    static const char *const who[] = {"the plumber", "a kernel", "the stream", "my tensor",
                                      "a ring"};
    static const char *const does[] = {"measures", "fuses", "follows", "copies", "mends"};
    static const char *const what[] = {"a long pipe", "the gradient", "every launch", "two rows",
                                       "the old graph"};
    static const char *const how[] = {"slowly", "twice", "in order", "at night"};
    size_t n = 0;
    uint64_t state = seed;
    while (n + 1 < size) {
        int k = snprintf(out + n, size - n, "%s %s %s %s. ", PICK(&state, who), PICK(&state, does),
                         PICK(&state, what), PICK(&state, how));
        n += (size_t)k < size - n ? (size_t)k : size - n - 1;
    }
}
