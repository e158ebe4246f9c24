/* program_gate.h - combos measured against their members run apart.
 *
 * Asked only where a choice by time is allowed (determinism off); whatever it says, members keep
 * their order of reduction, so that no bit hangs on it.
 */
#ifndef RUNTIME_COMPILE_PROGRAM_GATE_H
#define RUNTIME_COMPILE_PROGRAM_GATE_H

#include "runtime/compile/program.h"

/* Times in ns, per fused.group; 0: there was no time left to measure them. */
struct program_gate {
    double *alone, *together; /* together: of the combo whose first member it is; in the arena */
    bool measured;            /* false: nothing is compiled, there is nothing to measure */
    int64_t build_ns;         /* what making the code took */
};
/* Measures each of p->combined.group, or takes its times from the cache of built code. Fills the
 * spec's launches and leaves p->code with them: code_relaunch gives it its own. number: per group
 * its kernel in the spec. */
WARN_UNUSED enum err program_gate_measure(struct program *p, struct code_spec *s, const int *number,
                                          struct program_gate *out);
/* combo_clock.ns; context: the gate. */
double program_gate_time(void *context, const int *group, int n);

#endif
