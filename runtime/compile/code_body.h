/* code_body.h - kernels of equal text: a body is printed once, whoever shares it.
 */
#ifndef RUNTIME_COMPILE_CODE_BODY_H
#define RUNTIME_COMPILE_CODE_BODY_H

#include "runtime/compile/code.h"

/* Kernels are of one body when their nests' texts and their classes (nest_class) are equal. */
struct code_bodies {
    int *of;             /* per kernel: its body; owned */
    int *first;          /* per body: the first kernel that is of it; owned, with `of` */
    struct map_key *key; /* per body: the digest of all that its text depends on; owned */
    int n;
};
WARN_UNUSED enum err code_bodies_find(const struct code_spec *s, struct code_bodies *out);
void code_bodies_release(struct code_bodies *b);
/* Whether functions[] has one of the kernel's text. */
WARN_UNUSED enum err code_body_is_known(const struct map *functions, const struct code_kernel *k,
                                        bool *out);

#endif
