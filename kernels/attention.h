/* attention.h - softmax(scale q k' + bias) v in one fixed order, and its gradients.
 *
 *   z_k = c * chain over d of q[d] k[k, d]   c = fl(scale * log2 e); then + fl(log2 e) * bias[k];
 *                                            then clamped to +-2^21
 *   n_k = nearest integer of z_k,  f_k = z_k - n_k,  e_k = 2^f_k       knows no maximum yet
 *   M   = running maximum of n_k after each block of 64 keys; when it grows, l and o are
 *         multiplied by 2^(M before - M), which is exact
 *   p_k = e_k 2^(n_k - M), 0 below 2^-126
 *   l   = l + sum of the block's p_k (the row sum of docs/exact.md)
 *   o   = chain over k of p_k v_k
 *   out = o / l
 *
 * A key takes no part where the mask is false or -inf, after the query if causal, and where z is
 * -inf; z of +inf is NaN. A block of 64 keys of which none takes part is passed over; elsewhere
 * such a key has p = 0 (and 0 times an infinite v is NaN). A query without keys gives 0,
 * logsumexp -inf.
 *
 * More than 4096 keys: spans of 4096, each from zero, joined in order by the same rescaling. All
 * in f32 (f64 for f64) with one rounding at the store. The largest score needs no pass of its own
 * and no rounding, so this serves every determinism level.
 *
 * Gradients, by recomputation of M and l (nothing but `out` is kept from the forward pass):
 *   P_k = p_k / l,  D = row sum of out * dout,  dS_k = P_k * (chain of dout v_k - D)
 *   dq = scale * chain over k of dS k
 *   dk = scale * chain over q of dS q
 *   dv = chain over q of P dout
 * chains in spans of 4096 as in gemm.h, where what is hidden counts as above; query heads that
 * share a key head: each by itself, then added in order.
 */
#ifndef KERNELS_ATTENTION_H
#define KERNELS_ATTENTION_H

#include "kernels/gemm.h"

enum { ATTENTION_BLOCK = 64, ATTENTION_SPAN = 4096 };

/* [batch, head, row, column]; strides in elements, 0 where it repeats. */
struct attention_array {
    const void *p;
    int64_t batch, head, row, column;
};
struct attention_result {
    void *p; /* NULL: not wanted */
    int64_t batch, head, row, column;
};
struct attention {
    enum dtype dtype; /* of all but bias and logsumexp: f32, f64, f16, bf16 */
    int64_t n_batch;
    int64_t n_heads; /* of q; a multiple of n_kv_heads: head h uses h / (n_heads / n_kv_heads) */
    int64_t n_kv_heads;
    int64_t n_queries, n_keys;
    int64_t size;       /* columns of q and k */
    int64_t value_size; /* columns of v */
    struct attention_array q, k, v;
    enum dtype bias_dtype;       /* b8: true takes part; a floating dtype: is added */
    struct attention_array bias; /* [.., query, key]; p NULL: none */
    bool causal;                 /* query i sees keys 0 .. i */
    double scale;                /* 1 / sqrt(size) is usual */
    struct attention_result out; /* forward: is written; backward: the forward pass's result */
    void *logsumexp; /* f32 (f64 for f64) [batch, head, query], dense; NULL: not wanted */
};
struct attention_grad {
    struct attention_array out; /* gradient of `out` */
    struct attention_result q, k, v;
};
/* ERR_NOMEM; ERR_UNSUPPORTED for other dtypes. `how` may be NULL. */
WARN_UNUSED enum err attention_forward(const struct attention *a, const struct gemm_how *how);
WARN_UNUSED enum err attention_backward(const struct attention *a, const struct attention_grad *g,
                                        const struct gemm_how *how);

#endif
