/* imp_stub.c - weak handlers that do nothing, for keys whose handler is not built. */
#include "capture/torch.h"

#define NOTHING(name)                                                                                                  \
    __attribute__((weak)) enum err name(struct torch_record *r)                                                        \
    {                                                                                                                  \
        (void)r;                                                                                                       \
        return ERR_OK;                                                                                                 \
    }
NOTHING(torch_on_graph)
NOTHING(torch_on_output_graph)
NOTHING(torch_on_output_code)
NOTHING(torch_on_guards)
NOTHING(torch_on_cpp_guards)
NOTHING(torch_on_guard_added)
NOTHING(torch_on_symbol)
NOTHING(torch_on_expression)
NOTHING(torch_on_export)
NOTHING(torch_on_describe)
NOTHING(torch_on_graph_break)
NOTHING(torch_on_graph_dump)
NOTHING(torch_on_cache)
NOTHING(torch_on_recompile)
NOTHING(torch_on_provenance)
NOTHING(torch_on_kernel_stacks)
NOTHING(torch_on_kernel_info)
NOTHING(torch_on_collectives)
NOTHING(torch_on_estimates)
NOTHING(torch_on_execution)
__attribute__((weak)) enum err torch_graph_finish(struct torch_source *s) { return (void)s, ERR_OK; }
__attribute__((weak)) enum err torch_provenance_finish(struct torch_source *s) { return (void)s, ERR_OK; }
