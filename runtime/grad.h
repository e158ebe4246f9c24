/* grad.h - what gradient rules share.
 *
 * A rule calls operators by their public functions; where one fails it gives NULL, and the rule
 * ERR_USAGE: the operator has said why.
 */
#ifndef RUNTIME_GRAD_H
#define RUNTIME_GRAD_H

#include "runtime/api.h"

/* Whether tensor argument `arg` was given and wants a gradient. */
bool grad_wants(const struct op_call *c, int arg);
/* g summed over what broadcasting added, in the dtype of argument `arg`. NULL gives NULL. */
struct plumb_tensor *grad_to(const struct op_call *c, int arg, struct plumb_tensor *g);
/* t conjugated when it is complex. */
struct plumb_tensor *grad_conjugate(struct plumb_tensor *t);

/* The gradient of argument `i`, evaluated only when it is wanted. */
#define GRAD_GIVE(i, expr)                                                                         \
    do {                                                                                           \
        if (grad_wants(c, i)) {                                                                    \
            struct plumb_tensor *give_ = grad_to(c, i, (expr));                                    \
            if (!give_) return ERR_USAGE;                                                          \
            grad[op_slot(c, i)] = give_;                                                           \
        }                                                                                          \
    } while (0)

/* A rule: `g` is the gradient of the first result, `y` that result. */
#define GRAD_RULE(name, ...)                                                                       \
    enum err name(struct op_call *c, struct plumb_tensor *const *result_grad,                      \
                  struct plumb_tensor **grad)                                                      \
    {                                                                                              \
        struct plumb_tensor *g = result_grad[0], *y = c->result[0];                                \
        (void)g, (void)y, (void)grad;                                                              \
        __VA_ARGS__;                                                                               \
        return ERR_OK;                                                                             \
    }
/* Tensor and number arguments by place. */
#define GRAD_T(i) (c->arg[i].t)
#define GRAD_N(i) (c->arg[i].r)

#endif
