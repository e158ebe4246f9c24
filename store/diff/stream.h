/* stream.h - the calls of one log as arrays, made to be compared: what was called, where, on what.
 *
 * A stream is filled from a trace (load.h) or by hand (tests), then joined to another one so that
 * both speak of words, texts and forms by the same numbers. Hot arrays hold 4 or 8 bytes per call
 * or tensor: ten million calls of three tensors take about 900 MB.
 *
 *   call i ─ text[i] ─► diff_text   operator, arguments, result as printed, tensor numbers left out
 *          ─ scope[i] ─► diff_scope  step, modules, annotations around it
 *          ─ first_use[i] .. first_use[i+1] ─► digest[], form[] ─► diff_form   its tensors
 *
 * Invariants: (1) first_use has n_calls + 1 entries and rises; (2) a scope's parent has a smaller
 * number, scope 0 is the log itself; (3) after diff_join both streams have the same `words`.
 * Threads: a stream belongs to one thread until it is joined; read-only streams may be shared.
 */
#ifndef STORE_DIFF_STREAM_H
#define STORE_DIFF_STREAM_H

#include "store/base/arena.h"
#include "store/base/err.h"
#include "store/base/lists.h"
#include "store/base/map.h"
#include "store/base/span.h"

enum { DIFF_NONE = UINT32_MAX }; /* no call, no word, no tensor number, no version */

/* Kinds of hash, as tensor_use.hash_kind has them. Different kinds, and versions of one, are
 * different numbers: they are never compared. */
enum diff_hash {
    DIFF_NO_HASH = 0,
    DIFF_NORM = 1, /* a double: norm, or a function of the program; NaN equals NaN */
    DIFF_HASH_TENSOR = 2,
    DIFF_NEGATIVE = 3,
    DIFF_PKM64 = 4,
    DIFF_SHA256 = 5, /* first 64 bits of SHA-256 */
};

/* What is called: equal texts are one row. Words are numbers of diff_words.word. */
struct diff_text {
    uint8_t kind;                        /* of the event: 3 operator, 4 redistribute, 5 output
                                            placement, 6 Triton kernel */
    uint32_t name, args, kwargs, output; /* as printed, t$3 as t; DIFF_NONE absent */
    uint32_t part_of; /* 1 + word: the kernel that it is an operator of, "" a view (unfold.h); 0 it
                         is a call as recorded */
    uint64_t strict;  /* hash of kind, name, args, kwargs */
    uint64_t loose;   /* hash of kind, name, and dtypes and shapes of the arguments */
    uint64_t base;    /* hash of the name without overload ("aten::addmm.out" is
                                            "aten::addmm"; also without a trailing _) and of the
                                            shapes of the positional tensors */
};

/* Where a tensor stands and how its digest was made; few per run. */
struct diff_form {
    uint32_t path;         /* word: [0][1], [1]['out'], '' the only result; a Triton parameter */
    uint32_t dtype, shape; /* words */
    uint32_t stride;       /* word, DIFF_NONE not recorded */
    uint8_t phase;         /* 0 before, 1 result, 2 after */
    uint8_t hash;          /* enum diff_hash */
    int8_t part;           /* of several hashes, -1 single */
    int64_t elements;      /* product of shape; -1 unknown */
};

enum diff_scope_kind { DIFF_LOG, DIFF_STEP, DIFF_MODULE, DIFF_ANNOTATION, DIFF_CALL };
struct diff_scope {
    uint32_t parent;  /* of scope 0: 0 */
    uint32_t name;    /* word as recorded: "step 3", "Gpt.h.0.attn", "Optimizer.step#SGD.step" */
    uint32_t key;     /* word that two runs share: a module without its root ("h.0.attn", of
                        "L['self'].h.0.attn" too), else the name */
    uint32_t step;    /* word, from the nearest step or derived; DIFF_NONE none */
    uint32_t module;  /* word: nearest module as recorded; DIFF_NONE none */
    uint8_t kind;     /* enum diff_scope_kind */
    uint8_t phase;    /* enum diff_phase */
    uint8_t inferred; /* 1 step or phase was derived from the order of calls */
    uint32_t call;    /* DIFF_CALL: number of the enclosing call in the stream; else DIFF_NONE */
    uint32_t
        key_id; /* set by the alignment: equal in both streams for scopes that belong together */
};
enum diff_phase { DIFF_PHASE_NONE, DIFF_FORWARD, DIFF_BACKWARD, DIFF_OPTIMIZER };

/* The dictionaries. */
struct diff_words {
    struct arena arena;
    LIST_OF(struct span) word;
    LIST_OF(struct diff_text) text;
    LIST_OF(struct diff_form) form;
    struct map words, texts, forms;
    bool failed; /* out of memory happened: the next diff_add_* says so */
};
/* Number of an equal word, text or form, added when new (hashes of a text are computed here: the
 * caller leaves them 0; tensor numbers and addresses go, see diff_plain_word). DIFF_NONE for
 * an absent span, or when out of memory: the next diff_add_* or diff_join returns ERR_NOMEM. */
uint32_t diff_word(struct diff_words *w, struct span s);
uint32_t diff_text(struct diff_words *w, const struct diff_text *t);
uint32_t diff_form(struct diff_words *w, const struct diff_form *f);
/* The word; absent for DIFF_NONE. Borrowed. */
struct span diff_span(const struct diff_words *w, uint32_t word);
/* The number of s without numbers of tensors and addresses of objects: t$3: f32[2] is t: f32[2],
 * `<Generator at 0x7f00>` is `<Generator at 0x>`. */
uint32_t diff_plain_word(struct diff_words *w, struct span s);

struct diff_stream {
    struct diff_words *words; /* owned until diff_join, then A's serves both */
    bool owns_words;
    /* identity, all borrowed from the arena below; absent when not known */
    struct arena arena;
    struct span file, run, log;
    int64_t rank;   /* -1 unknown */
    int64_t source; /* source_file.id */

    uint32_t n_calls, size_calls;
    uint32_t *event;     /* event.id */
    uint32_t *position;  /* call.position */
    uint32_t *text;      /* number of a diff_text */
    uint32_t *scope;     /* number of a diff_scope */
    uint32_t *first_use; /* n_calls + 1 */

    uint32_t n_uses, size_uses;
    int64_t *digest;
    uint32_t *form;
    uint32_t *tensor;  /* number of the tensor in its log; NULL when the log has none */
    uint32_t *version; /* writes to its storage before; NULL when the log has none */

    /* of an unfolded log (unfold.h), else NULL */
    uint32_t *from;     /* by use: the event that has its row; DIFF_NONE none */
    uint32_t *from_use; /* by use: which of that event's, from 0 */

    LIST_OF(struct diff_scope) scopes;
    unsigned hashes;      /* bits 1 << enum diff_hash of those that occur */
    uint32_t n_lines;     /* recorded lines that are no calls: modules, annotations, other text */
    uint32_t n_hashed;    /* calls with a digest of a result (or an argument after the call) */
    uint32_t n_arguments; /* calls with a digest of an argument before the call */
    unsigned counted;     /* bits of the last call: 1 it is in n_hashed, 2 in n_arguments */
};

/* An empty stream with words of its own and scope 0. */
enum err WARN_UNUSED diff_stream_init(struct diff_stream *s);
void diff_stream_release(struct diff_stream *s);

/* Room for so many calls and tensors in all, where a reader knows; else arrays double. */
enum err WARN_UNUSED diff_reserve(struct diff_stream *s, uint32_t calls, uint32_t uses);
/* Adds a scope; parent must exist. key, step, module and phase follow from kind, name and parent.
 * *out its number. Of a
 * DIFF_CALL the caller sets scopes.p[*out].call. */
enum err WARN_UNUSED diff_add_scope(struct diff_stream *s, uint32_t parent,
                                    enum diff_scope_kind kind, struct span name, uint32_t *out);
/* Adds a call. Its uses follow by diff_add_use before the next call. */
enum err WARN_UNUSED diff_add_call(struct diff_stream *s, uint32_t event, uint32_t position,
                                   uint32_t scope, uint32_t text);
/* tensor, version: DIFF_NONE when not recorded. */
enum err WARN_UNUSED diff_add_use(struct diff_stream *s, uint32_t form, int64_t digest,
                                  uint32_t tensor, uint32_t version);

/* Puts B's words, texts and forms into A's dictionaries and renumbers B. Then B borrows A's words:
 * release B first. */
enum err WARN_UNUSED diff_join(struct diff_stream *a, struct diff_stream *b);

/* The call of that event; DIFF_NONE when there is none. Events rise. */
uint32_t diff_find_call(const struct diff_stream *s, int64_t event);
static inline const struct diff_text *diff_call_text(const struct diff_stream *s, uint32_t call)
{
    return &s->words->text.p[s->text[call]];
}
/* Does the call stand for an operator of a kernel, or for a view of its program? */
static inline bool diff_is_unfolded(const struct diff_stream *s, uint32_t call)
{
    return diff_call_text(s, call)->part_of != 0;
}
/* The kernel of an unfolded call; "" of a view, absent of a call as recorded. Borrowed. */
static inline struct span diff_kernel_of(const struct diff_stream *s, uint32_t call)
{
    uint32_t part_of = diff_call_text(s, call)->part_of;
    return part_of ? diff_span(s->words, part_of - 1) : SPAN_NONE;
}
static inline const struct diff_form *diff_use_form(const struct diff_stream *s, uint32_t use)
{
    return &s->words->form.p[s->form[use]];
}

/* One argument of a printed call: path as in DebugMode ([0][1], [1]['alpha']) and its text. */
struct diff_argument {
    char path[64];
    struct span text; /* borrowed */
    bool tensor;      /* begins as a printed tensor: t: f32[3] */
};
/* What is left of a call's arguments. Begin with {args, kwargs}. */
struct diff_arguments {
    struct span args, kwargs;
    int positional, keyword; /* taken so far */
};
/* Takes the next argument, lists taken whole. False after the last. */
bool diff_next_argument(struct diff_arguments *rest, struct diff_argument *out);

#endif
