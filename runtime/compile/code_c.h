/* code_c.h - the kernels of a compile as C: the whole text, and parts of it that are built apart.
 */
#ifndef RUNTIME_COMPILE_CODE_C_H
#define RUNTIME_COMPILE_CODE_C_H

#include "runtime/compile/code_body.h"

/* A text to build: of the bodies b with part[b] equal to `number`, none of them bare of what it
 * calls. plumb_kernel is a table of their functions, in order. It holds no comments, so that what
 * is cached outlives edits of the source that they tell of. */
struct code_part {
    const struct code_spec *spec;
    const struct code_bodies *bodies;
    const int *part; /* per body; -1: the interpreter's */
    int number;
};
WARN_UNUSED enum err code_print_part(const struct code_part *p, struct buf *out);
/* Why a kernel is left to the interpreter; ERR_OK: it is printed. */
WARN_UNUSED enum err code_check_c(const struct code_kernel *k);
/* What the text says of launches. */
void code_comment_launches(const struct code_spec *s, struct buf *out);

#endif
