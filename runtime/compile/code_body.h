/* code_body.h - kernels of equal text: a body is printed once, whoever shares it.
 */
#ifndef RUNTIME_COMPILE_CODE_BODY_H
#define RUNTIME_COMPILE_CODE_BODY_H

#include "runtime/compile/code.h"

/* Kernels are of one body when their nests' texts and their classes (nest_class) are equal. */
struct code_bodies {
    int *of;    /* per kernel: its body; owned */
    int *first; /* per body: the first kernel that is of it; owned, with `of` */
    int n;
};
WARN_UNUSED enum err code_bodies_find(const struct code_spec *s, struct code_bodies *out);
void code_bodies_release(struct code_bodies *b);

#endif
