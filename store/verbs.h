/* verbs.h - the verbs: each is defined as `const struct verb verb_<name>` by the cmd_<name>.c of
 * the layer that owns the work.
 *
 * The list VERBS(X) is made by the Makefile from the names of those files, so that a verb is one
 * file and nothing else.
 */
#ifndef STORE_VERBS_H
#define STORE_VERBS_H

#include "store/base/opt.h"
#include "verb_list.h"

#define X(name) extern const struct verb verb_##name;
VERBS(X)
#undef X

#endif
