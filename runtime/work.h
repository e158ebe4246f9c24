/* work.h - small real models that `plumb run` trains: programs of the public interface, like any
 * user's.
 *
 * Each returns 0, or -1 with plumb_error() set. Losses go to the counter "loss" and to `progress`.
 */
#ifndef RUNTIME_WORK_H
#define RUNTIME_WORK_H

#include <stdio.h>

#include "plumb.h"

struct work {
    int64_t steps, batch;
    bool vary; /* steps have different numbers of examples, the batch at most */
    uint64_t seed;
    enum plumb_dtype dtype; /* of parameters and activations */
    bool compile;           /* functions of a step are compiled, as `compiling` says */
    struct plumb_compile_options compiling;
    FILE *progress;     /* NULL: silent */
    double first, last; /* out: losses of the first and the last step; NaN without steps */
};
/* 8 -> 16 -> 4 with relu: classes of points by the nearest of four centres. */
int work_mlp(struct work *w);
/* A transformer of two blocks that learns the characters of sentences from a small grammar, then
 * writes some. */
int work_gpt(struct work *w);
/* Twelve tensors of odd shapes, pulled to targets: AdamW by lists of operators, fused AdamW and
 * SGD side by side. */
int work_optimizer(struct work *w);

/* ---- shared ---- */
/* splitmix64: data of the workloads comes from the seed alone, on every machine. */
uint64_t work_random(uint64_t *state);
double work_uniform(uint64_t *state); /* [0, 1), multiples of 2^-24 */
/* A kept parameter of that shape: uniform in (-bound, bound), as PyTorch initialises nn.Linear. */
struct plumb_tensor *work_parameter(const struct work *w, const char *name, double bound, int n,
                                    const int64_t *size);
struct plumb_tensor *work_constant(const struct work *w, const char *name, double value, int n,
                                   const int64_t *size);
/* Numbers as a tensor of the workload's dtype. */
struct plumb_tensor *work_numbers(const struct work *w, int n, const int64_t *size,
                                  const double *values);
/* A function of a step: compiled when the run compiles, else called as it is. */
struct work_function {
    plumb_function fn;
    void *context;
    bool compile;
    struct plumb_compiled *compiled; /* NULL where it could not be made: calls fail */
};
void work_function(const struct work *w, struct work_function *f, const char *name,
                   plumb_function fn, void *context);
int work_call(const struct work_function *f, struct plumb_tensor *const *in, int n_in,
              struct plumb_tensor **out, int n_out); /* 0, or -1 */
/* A number that differs from step to step, as a tensor without dimensions. */
struct plumb_tensor *work_number(const struct work *w, double v);
/* Examples of a step. */
int64_t work_batch(const struct work *w, int64_t step);
/* Notes a step's loss. */
void work_loss(struct work *w, int64_t step, double loss);

/* AdamW over parameters, all at once: PyTorch's _fused_adamw_. */
enum { WORK_PARAMETERS = 64 };
struct work_adamw {
    struct plumb_tensor *p[WORK_PARAMETERS], *m[WORK_PARAMETERS], *v[WORK_PARAMETERS];
    struct plumb_tensor *step[WORK_PARAMETERS];
    int n;
    double lr, decay;
    struct work_function step_all;
};
/* Empty, before parameters are added. */
void work_adamw_begin(const struct work *w, struct work_adamw *a, double lr, double decay);
/* Takes part from the next step on; NULL (a parameter that could not be made) makes
 * work_adamw_step fail. */
void work_adamw_add(struct work_adamw *a, struct plumb_tensor *p);
int work_adamw_step(struct work_adamw *a); /* gradients are used and forgotten. 0, or -1 */

/* Sentences of a small grammar, lower case, separated by ". ". */
void work_text(uint64_t seed, char *out, size_t size);

#endif
