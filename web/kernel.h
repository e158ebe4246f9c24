/* kernel.h - what the pages of kernels share: the kernel that is shown, cells of tables, sections.
 *
 * Words: a *kernel* is one row of the table kernel; a *combo* kernel launches several *members* at
 * once, each with a range of blocks, and a member has no launches of its own.
 */
#ifndef WEB_KERNEL_H
#define WEB_KERNEL_H

#include "web/lines.h"
#include "web/web.h"

/* Row of the named query `kernel`. Spans live as long as the request; numbers that the trace does
 * not have are STORE_NULL. */
struct kernel_shown {
    struct span name, kind, role, phase, info, site, combo_name, code_name, code_log, compile_id,
        outcome, function, log, run;
    int64_t id, position, of, line, last_line, combo, member, combined, companions, first_block,
        blocks, n_ops, recomputed, outer_points, inner_points, bytes_read, bytes_written, flops,
        registers, shared_bytes, spill_bytes, build_ns, launches, ended, total_ns, mean_ns,
        least_ns, longest_ns, launches_recorded, occurrence, rank, code_at,
        sharers; /* other kernels of the compile that are the same lines */
    double bytes_per_ns;
    struct lines_place code;
};
enum err WARN_UNUSED kernel_read(struct web_request *q, struct kernel_shown *k, bool *found);

/* Address of the page of a kernel. */
const char *kernel_link(struct web_request *q, int64_t id);
/* Its name as a link; id STORE_NULL: the name alone. */
void kernel_name(struct web_request *q, struct html *h, int64_t id, struct span name);
/* "pointwise", "C++": what kind of kernel it is, for a sentence: role if known, else who compiles
 * it. */
const char *kernel_role_word(struct span role, struct span kind);
/* "add" of aten::add.Tensor or torch.ops.aten.add.Tensor. */
struct span kernel_op_word(struct span op);

/* A cell of columns name and id: the name as a link. */
void kernel_cell_name(struct web_cell *c);

/* Sections of the page of a kernel. */
enum err WARN_UNUSED kernel_put_answer(struct web_request *q, struct html *h,
                                       const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_around(struct web_request *q, struct html *h,
                                       const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_parts(struct web_request *q, struct html *h,
                                      const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_members(struct web_request *q, struct html *h,
                                        const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_args(struct web_request *q, struct html *h,
                                     const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_code(struct web_request *q, struct html *h,
                                     const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_decisions(struct web_request *q, struct html *h,
                                          const struct kernel_shown *k);
enum err WARN_UNUSED kernel_put_stacks(struct web_request *q, struct html *h);
enum err WARN_UNUSED kernel_put_launches(struct web_request *q, struct html *h,
                                         const struct kernel_shown *k);

#endif
