/* cap.h - what a program that plumb runs writes while it runs: calls, tensors, digests, memory.
 *
 *   thread ─ cap_begin, cap_tensor, ... ─► its ring (file map) ─┐
 *   thread ─ ...                        ─► its ring            ─┴─► drain ─► writer ─► trace
 *
 * A ring is written by one thread and read by the drain; neither waits for the other. A full ring
 * drops whole calls (never part of one), counts them, and the drain writes a `loss` row; with
 * cap_options.wait the thread waits instead. The rings lie in a file beside the trace (FILE-ring),
 * so that after a kill `plumb doctor` reads what the drain had not; it is removed at close.
 *
 * Words, forms and stacks are registered once and then used by number; callers keep the numbers.
 * Threads: cap_open and cap_close by the owner; everything else by any thread on its own
 * cap_thread. Functions that take a cap_thread take NULL too and do nothing then.
 * Cost: begin and end at most 60 ns, a tensor 40 ns (make bench).
 */
#ifndef CAPTURE_CAP_H
#define CAPTURE_CAP_H

#include "store/base/err.h"
#include "store/base/view.h"

struct cap;
struct cap_thread;

struct cap_options {
    const char *path; /* the trace */
    bool overwrite;
    const char *command; /* of the run, as one shell-quoted text; may be NULL */
    const char *run;     /* name of the run; NULL: base name of path */
    int64_t seed;
    const char *determinism; /* "run" */
    const char *device;      /* as tensors are printed: "cpu" */
    int64_t ring_size;       /* bytes per thread; 0: 8 MiB */
    bool wait;               /* a full ring makes the thread wait */
    bool ids;                /* texts of calls name tensors: t$3: f32[2] */
    bool input_hashes;       /* texts show digests of arguments too */
};
/* Makes the trace (live, readable at once), its run, host, process and clock rows, and starts the
 * drain. */
WARN_UNUSED enum err cap_open(const struct cap_options *o, struct cap **out);
/* Drains, writes the run's end and how it ended, closes the trace and frees, also on failure. No
 * thread may record any more. */
WARN_UNUSED enum err cap_close(struct cap *c, int exit_code);
/* Waits until what was recorded before is committed; an operator that is open may not be there yet.
 * ERR when the drain failed (disk full): recording goes on, counting losses. */
WARN_UNUSED enum err cap_flush(struct cap *c);
/* The calling thread's ring, made on first use; NULL when it cannot be had (a loss is counted). A
 * thread that ends gives it back, by cap_thread_end or by itself. After fork the child records
 * nothing. Rings are smaller the more threads there are. */
struct cap_thread *cap_thread(struct cap *c, const char *name);
void cap_thread_end(struct cap_thread *t);

/* ---- registered once ---- */
uint32_t cap_word(struct cap *c, struct span text);        /* 0: absent */
uint32_t cap_form(struct cap *c, const struct view *v);    /* dtype, shape, strides of a tensor */
uint32_t cap_stack(struct cap *c, void *const *pc, int n); /* return addresses, innermost first */

/* ---- what happens; all nest properly per thread ---- */
enum cap_kind { CAP_OP, CAP_MODULE, CAP_ANNOTATE, CAP_SPAN, CAP_LAUNCH, CAP_KERNEL, CAP_N_KINDS };
/* An operator ("aten::mm"), module scope (header "nn.Mod", name "Mlp.fc1"), annotation (header,
 * name: the tag), a plain span (compile, ...; named "step" or headed so: a step), or a launch of a
 * kernel. CAP_KERNEL: a compiled kernel as a call, with its arguments by keyword (event kind 6, as
 * DebugMode's Triton kernels: "[plumb] pl_poi_fused_add_0(in_ptr0=t: f32[128], out_ptr0=...)");
 * digests of ARGUMENT uses are its hashes before, of ARGUMENT_AFTER uses those after. Returns the
 * call's number, which is its event's id; 0 when it was dropped. stack 0: none. */
uint64_t cap_begin_call(struct cap_thread *t, enum cap_kind kind, uint32_t name, uint32_t header,
                        uint32_t stack);
void cap_end_call(struct cap_thread *t);
/* Not to record costs a look at the pointer. */
static inline uint64_t cap_begin(struct cap_thread *t, enum cap_kind kind, uint32_t name,
                                 uint32_t header, uint32_t stack)
{
    return t ? cap_begin_call(t, kind, name, header, stack) : 0;
}
static inline void cap_end(struct cap_thread *t)
{
    if (t) cap_end_call(t);
}
/* The work of the newest open call is done: its time ends here; digests may follow before
 * cap_end. */
void cap_done(struct cap_thread *t);

/* Arguments of the newest open call in order, then its results. A keyword argument names its
 * keyword; else 0. */
enum cap_scalar { CAP_NONE, CAP_BOOL, CAP_INT, CAP_REAL, CAP_WORD, CAP_DTYPE, CAP_DEVICE };
struct cap_value {
    enum cap_scalar kind;
    uint32_t keyword;
    union {
        int64_t i; /* BOOL, INT, DTYPE (enum dtype), WORD and DEVICE (words) */
        double r;
    };
};
void cap_scalar(struct cap_thread *t, const struct cap_value *v);
void cap_list_begin(struct cap_thread *t, uint32_t keyword); /* of scalars or tensors, [1, 2] */
void cap_list_end(struct cap_thread *t);
enum cap_phase { CAP_ARGUMENT, CAP_RESULT, CAP_ARGUMENT_AFTER };
struct cap_use {
    uint64_t tensor; /* its number in the process, from 1 and below 2^32; 0: none. The log numbers
                      * from 0 in order of appearance. */
    uint32_t form;
    uint32_t keyword;
    uint32_t version; /* of its storage */
    enum cap_phase phase;
};
/* Returns a slot for digests of this use, 0 when the call was dropped. The text of arguments comes
 * from phase ARGUMENT, that of results from RESULT; ARGUMENT_AFTER comes last and is for digests
 * alone. */
uint32_t cap_tensor(struct cap_thread *t, const struct cap_use *u);
void cap_result_number(struct cap_thread *t,
                       const struct cap_value *v); /* a result that is no tensor */

/* ---- values ---- */
/* tensor_use.hash_kind; 3 is taken by old logs */
enum cap_hash { CAP_NORM = 1, CAP_HASH_TENSOR = 2, CAP_PKM64 = 4 };
struct cap_digest {
    enum cap_hash kind;
    uint64_t bits; /* NORM: of the double */
    bool stats;    /* the next fields were computed */
    int64_t n_nan, n_inf;
    double min, max, sum, sum_abs, sum_squares;
};
/* From the same thread; digests of one use in the order of `part`. Before the call's end a digest
 * is in the call's text too; later (within the next 32768 uses) it is in tensor_use alone. */
void cap_digest(struct cap_thread *t, uint32_t slot, int part, const struct cap_digest *d);
/* Rises when something of the thread is not recorded: a call that ends at another count than it
 * began at may be without its digests. */
uint64_t cap_lost(const struct cap_thread *t);

/* ---- machine ---- */
struct cap_launch {
    uint32_t kernel;  /* word */
    uint32_t variant; /* word: instruction set, interpreter, provider */
    uint32_t site;    /* word: kernel.site of a compiled kernel; 0 of all others */
    int64_t items;    /* points of the outer space, or elements; below 2^48 */
    int threads;
    int64_t bytes_read, bytes_written; /* by the rule of the operator; 0 unknown */
    int64_t flops;
};
uint64_t cap_launch_begin(struct cap_thread *t,
                          const struct cap_launch *l); /* a CAP_LAUNCH; ended by cap_end */
enum cap_copy { CAP_HOST_TO_DEVICE, CAP_DEVICE_TO_HOST, CAP_DEVICE_TO_DEVICE };
/* Both just ended. */
void cap_copied(struct cap_thread *t, enum cap_copy kind, int64_t bytes, int64_t dur_ns);
void cap_sync(struct cap_thread *t, int64_t dur_ns);
void cap_alloc(struct cap_thread *t, uint64_t address, int64_t bytes); /* bytes < 0: freed */
/* Loss, learning rate, memory in use. */
void cap_counter(struct cap_thread *t, uint32_t name, double value);
/* Calls by number; kind is a CAP_LINK_... of capture/events.def: backward of forward, ... */
void cap_link(struct cap_thread *t, uint64_t from, uint64_t to, uint32_t kind);
void cap_error(struct cap_thread *t, struct span message); /* of the newest open call */
/* Hooks' annotations: the call's log dict. */
void cap_remark(struct cap_thread *t, uint32_t key, const struct cap_value *v);
/* A value kept on request: its elements in logical order become an artifact of the call's use. */
WARN_UNUSED enum err cap_keep(struct cap_thread *t, uint32_t slot, const struct view *v,
                              const void *storage);

/* A sentence about recording or running itself, not about one call: severity 1 note, 2 warning, 3
 * error. */
WARN_UNUSED enum err cap_note(struct cap *c, int severity, const char *origin, struct span message);

/* ---- what a compiler tells ---- */
/* A record of PyTorch's structured trace, as its emitter writes them: the whole envelope as JSON
 * text without has_payload and rank ({"dynamo_start": {...}, "frame_id": 0, "frame_compile_id": 0,
 * "attempt": 0}), and its payload (none: .p NULL). They become one log of the trace, which its
 * importer reads as it reads PyTorch's; `plumb export --torch-trace` gives it back. Copied; from
 * any thread, in order; in the trace at the next flush. file, line: of the emitting source
 * ("compile/log.c"). ERR_USAGE: the envelope is no JSON object on one line. */
WARN_UNUSED enum err cap_structured(struct cap *c, struct span envelope, struct span payload,
                                    const char *file, int line);

/* ---- after a kill (used by plumb doctor) ---- */
/* Reads FILE-ring into the trace it belongs to and removes it. Every record that was whole is
 * written, open calls with their flag, losses counted. *n: events recovered. ERR_NOT_FOUND when
 * there is no ring file, ERR_REFUSED when its program is running. */
WARN_UNUSED enum err cap_recover(const char *trace, int64_t *n);

#endif
