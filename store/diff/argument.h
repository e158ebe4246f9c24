/* argument.h - what a printed call says: its arguments, tensors, the name without its overload.
 *
 *     aten::add_.Tensor(t$3: f32[16], t: f32[16], alpha=-0.1)
 *                       ^ a printed tensor: t, dt, ft or lt, perhaps a number, dtype[shape]
 *
 * Threads: pure functions.
 */
#ifndef STORE_DIFF_ARGUMENT_H
#define STORE_DIFF_ARGUMENT_H

#include "store/base/buf.h"

/* Bytes of `t$3: f32[16]` or `t: f32[]` at the beginning of s; 0 when there is no tensor. *dtype
 * and *shape ("[16]") are parts of it; each may be NULL. */
size_t diff_tensor_at(struct span s, struct span *dtype, struct span *shape);
/* The text with t$3: as t:, wherever a word begins so, and `at 0x7f00` as `at 0x`: what differs
 * between two runs of one program. */
void diff_strip_numbers(struct span s, struct buf *out);
/* The shapes of all tensors in a list of arguments, with their dtypes if asked for. */
void diff_put_tensors(struct span arguments, bool dtypes, struct buf *out);
/* Is one of them a DTensor (dt: ...)? */
bool diff_has_distributed(struct span arguments);
/* aten::addmm of aten::addmm.out, aten::relu of aten::relu_; else the name. */
struct span diff_base_name(struct span name);
/* layers.0.up of Stack.layers.0.up and of L['self'].layers.0.up; "" of a root. */
struct span diff_module_key(struct span name);

#endif
