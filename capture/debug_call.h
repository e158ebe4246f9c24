/* debug_call.h - one call of a DebugMode log, wherever it comes from: saved JSON, printed text,
 * or the rows of a trace.
 *
 *   saved JSON ─ debug_from_json ─┐                   ┌─ debug_put_rows ──► event, call,
 * tensor_use, ...
 *   text ────── debug_read_text ──┼─► struct debug_call ─ debug_print ────► text
 *   rows ────── debug_rows_next ──┘                   └─ debug_print_json ► saved JSON
 *
 * A call borrows its spans from where it was read, or from the arena given. What a call cannot
 * say stays beside it as it was
 * read (`rest`), so that nothing is lost: whoever makes a call checks that printing it gives
 * back what was read.
 *
 * Format: torch.utils._debug_mode of PyTorch 2.13, and version 1 of the saved logs of later
 * versions.
 */
#ifndef CAPTURE_DEBUG_CALL_H
#define CAPTURE_DEBUG_CALL_H

#include "capture/py.h"
#include "store/base/lists.h"

#define DEBUG_FORMAT "torch.utils._debug_mode.DebugMode.logs"

/* Values of event.kind. */
enum debug_kind {
    DEBUG_OP = 3,
    DEBUG_REDISTRIBUTE,
    DEBUG_OUTPUT,
    DEBUG_TRITON,
    DEBUG_ANNOTATE,
    DEBUG_MODULE, /* an annotation whose header begins with nn.Mod */
    DEBUG_TEXT,   /* lines that are no call: `rest` has them */
};
/* Values of call.flags. */
enum debug_flags {
    DEBUG_STACK_SHOWN = 1, /* stack is only the frame that a text shows */
    DEBUG_NO_LEAVES = 2,   /* no tensor_hash_leaves member */
    DEBUG_BEFORE = 4, /* Triton: there is a dict of hashes before the launch, maybe an empty one */
    DEBUG_AFTER = 8,  /* the same after it */
    DEBUG_REST_JSON = 16, /* rest is a JSON object of a saved log */
    DEBUG_PLUMB = 32,     /* a kernel that plumb compiled: its text begins with [plumb] */
};
enum { DEBUG_DEPTH_MAX = 10000 };

/* Values of tensor_use.phase. */
enum debug_phase { DEBUG_ARGUMENT, DEBUG_RESULT, DEBUG_ARGUMENT_AFTER };

/* What a running program tells of a tensor beside the text. */
struct debug_measure {
    struct span stride, device;                  /* absent: not told */
    int64_t version, nans, infs;                 /* or STORE_NULL */
    double low, high, total, magnitude, squares; /* or NaN */
};

/* A tensor in the text of a call, or a hash. */
struct debug_use {
    enum debug_phase phase;
    struct span arg;  /* [0][1], [1]['out'], "" */
    int64_t tensor;   /* t$3: 3, or STORE_NULL */
    struct span form; /* t, dt, ft, lt; absent when only a hash is known */
    struct span dtype, shape, detail;
    struct py_hash hash;                 /* kind 0: none */
    int64_t part;                        /* place among several hashes, or STORE_NULL */
    const struct debug_measure *measure; /* borrowed; NULL: nothing is told */
};
struct debug_uses {
    struct debug_use *p;
    size_t n, size;
};

struct debug_call {
    enum debug_kind kind;
    int64_t depth;
    struct span name; /* operator, kernel, tag; absent for redistribute and output */
    struct span
        /* operator: positional arguments; redistribute: tensor; output: placements; annotations:
         * header */
        args;
    struct span kwargs;              /* operator: with leading ", "; Triton: all arguments */
    struct span from, to, transform; /* redistribute: placements; absent transform: none */
    int64_t is_explicit, is_outer;   /* redistribute: 1, 0, or STORE_NULL */
    struct span output;              /* with its arrow; absent: none */
    struct py *log;                  /* NULL none; its hashes are numbers, not holes */
    struct py *pre, *post;           /* Triton: dicts of hashes, NULL none */
    struct span stack, fwd_stack;    /* as traceback prints them; absent: none */
    unsigned flags;
    struct span rest; /* the call as read where the fields do not say all of it; absent: they do */
    struct debug_uses uses; /* owned: debug_uses_release */
};

/* ---- debug_use.c ---- */
void debug_uses_release(struct debug_uses *uses);
/* Tensors in the texts of a call and the hashes in its log, pre and post, into c->uses, in the
 * order that tensor_use.position has;
 * the numbers that became hashes are marked. *all is false when a kernel's hashes are not all
 * numbers. */
enum err WARN_UNUSED debug_find_uses(struct debug_call *c, struct arena *arena, bool *all);
/* log from its text with holes, pre and post, from c->uses. An absent log: none. */
enum err WARN_UNUSED debug_fill_hashes(struct debug_call *c, struct span log, struct arena *arena);

/* ---- debug_stack.c ---- */
/* A frame of a printed stack, outermost first. */
struct debug_frame {
    struct span file, name,
        loc; /* loc: source text without its indentation, absent when there is none */
    int64_t line;
};
/* Takes the next frame off the text. False at the end or at what is no frame; *rest is empty
 * only at the end. */
bool debug_next_frame(struct span *rest, struct debug_frame *out);
void debug_print_frame(struct buf *b, const struct debug_frame *f);
/* What stands for a stack in a log, without "# ": "File: f.py:3 in g, code: x". Nothing is
 * appended when the stack has no frame
 * outside PyTorch. shown: the frame is taken wherever it is. */
void debug_print_summary(struct buf *b, struct span stack, bool shown);

/* ---- imp_debug_json.c ---- */
/* From one object of "logs". Sets rest when the fields do not say all. ERR_FORMAT: it is no
 * call. */
enum err WARN_UNUSED debug_from_json(const struct json *j, struct arena *arena,
                                     struct debug_call *out);

#endif
