/* fx_text.h - reads FX graphs, as GraphModule.print_readable writes them, into nodes and edges.
 *
 * Words: a *text* holds one or more *graphs* (`class ...(torch.nn.Module)` with its `def forward`,
 * submodules nested in it); a graph is a list of *nodes* in order; an *argument* of a node is an
 * earlier node of the same graph; a *frame* is the place of a `# File: path:line in name, code:
 * ...` comment, which holds for the nodes below it.
 *
 *   class GraphModule(torch.nn.Module):
 *       def forward(self, L_x_: "f32[8][1]cpu"):           placeholder, named l_x_ by the next line
 *           l_x_ = L_x_
 *           # File: a.py:15 in branch, code: y = x.sum() * 2
 *           sum_1: "f32[][]cpu" = l_x_.sum();  l_x_ = None  call_method sum; behind `;`: frees
 *           mul: "f32[][]cpu" = sum_1 * 2                   call_function operator.mul
 *           return (mul,)                                   output
 *
 * Format: torch/fx/graph.py (CodeGen._gen_python_code, verbose) and torch/_functorch of PyTorch 2.2
 * to 2.13. Any bytes are accepted: a statement that is none of the known forms is counted in
 * n_unread.
 */
#ifndef CAPTURE_FX_TEXT_H
#define CAPTURE_FX_TEXT_H

#include "store/base/err.h"
#include "store/base/lists.h"
#include "store/base/map.h"
#include "store/base/span.h"

/* The numbers are those of node.op in the file. */
enum fx_op {
    FX_PLACEHOLDER = 1,
    FX_GET_ATTR,
    FX_CALL_FUNCTION,
    FX_CALL_METHOD,
    FX_CALL_MODULE,
    FX_OUTPUT
};

struct fx_frame {
    struct span file;
    int64_t line; /* 0 when it could not be read */
    struct span name, code;
};
struct fx_node {
    struct span name, target;
    struct span type; /* without its quotes; absent when not written */
    enum fx_op op;
    uint32_t line;              /* 1-based in the text */
    uint32_t frame;             /* 1 + index in frames, 0 none */
    uint32_t first_arg, n_args; /* range of args */
};
struct fx_graph {
    struct span module; /* name of the class; absent for a function without a class */
    uint32_t line;      /* of `class` or `def`, 1-based */
    uint32_t first_node, n_nodes;
    uint32_t n_unread; /* statements that could not be read */
};

/* Zero-initialise; reuse for any number of texts; release at the end. Spans borrow the text. */
struct fx_text {
    LIST_OF(struct fx_graph) graphs;
    LIST_OF(struct fx_node) nodes;
    LIST_OF(uint32_t) args; /* indices into nodes */
    LIST_OF(struct fx_frame) frames;
    struct map names; /* (scope, name) -> index of the node, private */
    uint64_t scope;
};

/* Replaces what *out held; a text without a graph gives none. ERR_NOMEM; ERR_LIMIT above 1 GiB. */
enum err WARN_UNUSED fx_text_read(struct span text, struct fx_text *out);
void fx_text_release(struct fx_text *t);

#endif
