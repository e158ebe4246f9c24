/* plumb.h - the public interface of libplumb. Everything else in the library is hidden.
 *
 * Tensors, operators with gradients, and a trace of all that was computed. A program opens a
 * session, makes tensors, calls
 * operators (plumb_ops.h, made from the table of operators), and closes:
 *
 *     plumb_open(&(struct plumb_options){.trace = "xor.db", .seed = 1});
 *     struct plumb_tensor *w = plumb_parameter("w", plumb_randn(...));
 *     plumb_frame_begin();
 *     struct plumb_tensor *loss = plumb_mse_loss(plumb_mm(x, w), y, PLUMB_MEAN);
 *     plumb_backward(loss);
 *     plumb_frame_end();
 *     return plumb_close();
 *
 * Errors: a function that gives a tensor gives NULL, one that gives an int gives -1;
 * plumb_error() says why. An operator with a NULL
 * argument gives NULL and keeps the first error, so a chain of calls needs one check at its end.
 * Ownership: tensors belong to the frame in which they were made and end with it; what plumb_keep
 * and plumb_parameter
 * get lives until plumb_close. Strings and arrays given are copied.
 * Threads: a session is entered by each thread (plumb_open enters the calling one). A tensor may
 * be read by any thread.
 */
#ifndef PLUMB_H
#define PLUMB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PLUMB_API __attribute__((visibility("default")))

/* "0.1.0"; static. */
PLUMB_API const char *plumb_version(void);

/* Runs a verb as the command line does: argv[0] is the verb ("import", "sql", ...). Prints as
 * the program does. Returns the exit status: 0 fine, 1 found what was asked about, 2 trouble. */
PLUMB_API int plumb_main(int argc, char **argv);

/* ---- sessions ---- */

struct plumb;
struct plumb_tensor;

enum plumb_dtype {
    PLUMB_F64 = 1,
    PLUMB_F32,
    PLUMB_F16,
    PLUMB_BF16,
    PLUMB_F8E4M3FN,
    PLUMB_F8E5M2,
    PLUMB_C64,
    PLUMB_C128,
    PLUMB_I8,
    PLUMB_I16,
    PLUMB_I32,
    PLUMB_I64,
    PLUMB_U8,
    PLUMB_U16,
    PLUMB_U32,
    PLUMB_U64,
    PLUMB_B8
};
/* docs/exact.md: RUN (0, the default) gives the same bits on one machine for any number of
 * threads, EXACT the same
 * bits everywhere, OFF promises nothing. */
enum plumb_determinism { PLUMB_RUN, PLUMB_EXACT, PLUMB_OFF };
/* What is recorded of the values of tensors: bits of plumb_options.hashes. */
enum plumb_hash {
    PLUMB_HASH_BITS = 4,   /* PKM64 with statistics; the default */
    PLUMB_HASH_NORM = 1,   /* as PyTorch's DebugMode */
    PLUMB_HASH_TENSOR = 2, /* torch.hash_tensor */
    PLUMB_HASH_NONE = 8
};
enum plumb_reduction { PLUMB_NONE, PLUMB_MEAN, PLUMB_SUM };

struct plumb_options {
    const char *trace;   /* file to write; NULL: nothing is recorded */
    bool overwrite;      /* an existing file is replaced */
    const char *command; /* kept in the trace; NULL: the process's own command line */
    const char *backend; /* "cpu" (default), "cuda", "ref", "null" */
    uint64_t seed;
    enum plumb_determinism determinism;
    unsigned hashes; /* 0: PLUMB_HASH_BITS */
    /* Results are digested, and arguments where the log has no digest yet of what they hold: a
     * weight, a batch at its first use. hash_inputs: all arguments, before each call. */
    bool hash_inputs;
    bool stacks; /* where in the program each call was made */
    bool ids;    /* calls are printed with numbers of tensors: t$3: f32[2] */
    /* When the recorder falls behind, whole calls are dropped and counted (table loss); unless set,
     * the thread waits and nothing is lost. */
    bool drop;
    bool no_modules; /* module scopes are not recorded */
    int threads;     /* at most so many for one call; 0: all processors */
    /* Values to keep: "aten::mm:3" the fourth call of it, "aten::mm:*" all; NULL ends the list. */
    const char *const *keep;
    /* Faults to put in, for what is to find them; NULL ends the list. "aten::mm:3:0" flips bit 0 of
     * the first result of the third call, "reorder:aten::mm:3" sums it in another order,
     * "call:aten::mm:3" makes one call more after it, "weight:NAME:0" flips a bit of a parameter.
     * The trace says so; what did not occur is an error of plumb_close. */
    const char *const *inject;
};
/* Opens a session and enters it; NULL: plumb_error(). Options NULL: all defaults. */
PLUMB_API struct plumb *plumb_open(const struct plumb_options *options);
/* Ends the calling thread's session: frames, kept tensors, trace. Other threads have left. 0, or
 * -1. */
PLUMB_API int plumb_close(void);
/* The exit status that the trace will show for the run; 0 unless set. */
PLUMB_API void plumb_set_exit(int code);
/* Another thread takes part, and ends taking part. 0, or -1. */
PLUMB_API int plumb_enter(struct plumb *session);
PLUMB_API void plumb_leave(void);
/* The calling thread's newest error as one sentence; "" when there was none. Borrowed until the
 * next. */
PLUMB_API const char *plumb_error(void);

/* ---- tensors ---- */

PLUMB_API int plumb_frame_begin(void); /* 0, or -1 */
PLUMB_API void plumb_frame_end(void);
/* Dense, row-major, n dimensions; data is copied (NULL: zeros). */
PLUMB_API struct plumb_tensor *plumb_tensor(enum plumb_dtype dtype, int n, const int64_t *size,
                                            const void *data);
/* t, moved out of its frame: it lives until plumb_close. Gradients do not go back beyond it. By the
 * thread that made it; NULL otherwise. */
PLUMB_API struct plumb_tensor *plumb_keep(struct plumb_tensor *t);
/* The same, and gradients are wanted for it; floating or complex. The name is for messages. */
PLUMB_API struct plumb_tensor *plumb_parameter(const char *name, struct plumb_tensor *t);
PLUMB_API enum plumb_dtype plumb_dtype(const struct plumb_tensor *t);
PLUMB_API int plumb_dims(const struct plumb_tensor *t);
/* dim may count from the end */
PLUMB_API int64_t plumb_size(const struct plumb_tensor *t, int dim);
PLUMB_API int64_t plumb_count(const struct plumb_tensor *t); /* elements */
/* All elements in logical order into data of that many bytes, which is to be what they take. 0, or
 * -1. */
PLUMB_API int plumb_read(const struct plumb_tensor *t, void *data, int64_t size);
/* The only element as a number; NaN with an error when there is not exactly one. */
PLUMB_API double plumb_item(const struct plumb_tensor *t);
/* PKM64 of the values (docs/decisions/0015); 0 with an error on a back end without values. */
PLUMB_API uint64_t plumb_digest(const struct plumb_tensor *t);

/* ---- gradients ----
 * Writing in place is seen by gradients where the tensor itself is written. Through a view it is
 * refused; a view taken before its tensor is written keeps the gradient of what it showed then. */

/* d loss / d t for every leaf that wants it is added to plumb_grad(t). loss has one element. 0, or
 * -1. */
PLUMB_API int plumb_backward(struct plumb_tensor *loss);
/* borrowed; NULL none yet */
PLUMB_API struct plumb_tensor *plumb_grad(const struct plumb_tensor *t);
PLUMB_API void plumb_zero_grad(struct plumb_tensor *t); /* forgets it */
PLUMB_API void plumb_no_grad_begin(void); /* until the end no operator is kept for gradients */
PLUMB_API void plumb_no_grad_end(void);

/* ---- compiling ----
 * A function of tensors is traced, fused into few kernels, and run so. At determinism exact and run
 * the results have the bits of the function run as it is.
 * What is fixed when it is traced: numbers that it takes from elsewhere, tensors that it makes of
 * host data, kept tensors that it touches. What differs between calls is to be an input. What it
 * does beside calling operators is done when it is traced only. Where it calls plumb_backward
 * itself, its results give no gradients back. */

/* Calls operators on in[0..n_in) and sets out[0..n_out). 0, or -1 when an operator failed. */
typedef int (*plumb_function)(void *context, struct plumb_tensor *const *in, int n_in,
                              struct plumb_tensor **out, int n_out);
struct plumb_compile_options {
    bool no_fusion, no_combos;
    /* Sizes of inputs that are 2 or more may differ from call to call: one compile serves them all,
     * for as long as those that were equal when it was made stay so. A size that is new is traced
     * (the function is called then, again where it turns out to do something else), but no kernel
     * is built for it. */
    bool dynamic;
};
struct plumb_compiled;
/* Nothing runs yet. It lives until plumb_close. Options NULL: all defaults. */
PLUMB_API struct plumb_compiled *plumb_compile(const char *name, plumb_function fn, void *context,
                                               const struct plumb_compile_options *options);
/* The same of one dimension of one input (below 0: counted from the last), for compiles from now
 * on. 0, or -1. */
PLUMB_API int plumb_mark_dynamic(struct plumb_compiled *c, int input, int dim);
/* Runs it, compiled when it is new for inputs of these dtypes, shapes and strides. The results
 * belong to the frame; gradients go back through them. It is run as it is where it reads values of
 * tensors or does else what is to happen at each call, while hooks are pushed, and from its ninth
 * compile on; the trace says so. What cannot be traced to its end has been called once more then.
 * By any number of threads. 0, or -1. */
PLUMB_API int plumb_compiled_call(struct plumb_compiled *c, struct plumb_tensor *const *in,
                                  int n_in, struct plumb_tensor **out, int n_out);

/* ---- what the trace shows ---- */

PLUMB_API void plumb_module_begin(const char *name); /* [nn.Mod] Mlp.fc1 */
PLUMB_API void plumb_module_end(void);
PLUMB_API void plumb_annotate_begin(const char *tag); /* [annotate] tag */
PLUMB_API void plumb_annotate_end(void);
PLUMB_API void plumb_step_begin(int64_t step); /* a step of a training run, on the timeline */
PLUMB_API void plumb_step_end(void);
PLUMB_API void plumb_counter(const char *name, double value); /* loss, learning rate, ... */

/* A hook of the calling thread, called for each operator, innermost last pushed. before may veto:
 * what it
 * returns is the error of the call; NULL goes on. after: of calls that did not fail. Within either,
 * plumb_remark adds to the call's
 * record, and operators that are called are not shown to hooks. */
struct plumb_hook {
    const char *(*before)(void *context, const char *op);
    void (*after)(void *context, const char *op, struct plumb_tensor *const *result, int n_results);
    void *context;
};
PLUMB_API int plumb_hook_push(const struct plumb_hook *hook); /* borrowed until popped. 0, or -1 */
PLUMB_API void plumb_hook_pop(void);
PLUMB_API void plumb_remark(const char *key, double value);

/* ---- calls as PyTorch's DebugMode shows them ---- */

/* What lines of text show beside the operators; stacks and hashes only where they were recorded. */
enum plumb_debug { PLUMB_DEBUG_MODULES = 1, PLUMB_DEBUG_STACKS = 2, PLUMB_DEBUG_HASHES = 4 };
/* The calls of a closed trace, all threads one after the other, as debug_string() prints them. 0,
 * or -1. */
PLUMB_API int plumb_debug_print(const char *trace, unsigned what, FILE *out);
/* The calls of one thread (its name; NULL: the first) in the layout of PyTorch's save_logs,
 * version 1. 0, or -1. */
PLUMB_API int plumb_debug_save(const char *trace, const char *thread, FILE *out);

/* Any operator by its name ("aten::add.Tensor"), arguments in the order of its schema. */
struct plumb_value {
    enum {
        PLUMB_V_NONE,
        PLUMB_V_TENSOR,
        PLUMB_V_TENSORS,
        PLUMB_V_INT,
        PLUMB_V_INTS,
        PLUMB_V_REAL,
        PLUMB_V_BOOL,
        PLUMB_V_DTYPE,
        PLUMB_V_TEXT
    } kind;
    struct plumb_tensor *tensor;
    struct plumb_tensor *const *tensors;
    const int64_t *ints;
    int n; /* of tensors or ints */
    int64_t i;
    double r;
    const char *text;
};
/* The results, up to n of them, into out; returns how many there are, or -1. */
PLUMB_API int plumb_call(const char *op, const struct plumb_value *arg, int n_args,
                         struct plumb_tensor **out, int n);

#include "plumb_ops.h"

#ifdef __cplusplus
}
#endif

#endif
