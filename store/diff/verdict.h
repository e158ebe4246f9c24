/* verdict.h - what became of each pair: who made the difference, who only received it.
 *
 * Pure: two aligned streams in, verdicts and the tensors that differ out. For a pair, its tensors
 * are matched by phase and path and compared by the strongest kind of hash that both have:
 *
 *   same       arguments, tensors in and tensors out are equal
 *   artefact   only uninitialised memory differs: results of empty*, old values of what is
 *              overwritten (out=, fill_, copy_, ...)
 *   masked     an argument tensor differs, no result does
 *   unknown    a hash that would decide is missing, or cannot tell (the norm of 32768 elements and
 *              more depends on the number of threads)
 *   receiver   an argument tensor differs that an earlier call made (or that was seen to differ)
 *   structure  only in one run, or other shapes, dtypes or strides
 *   argument   a scalar argument differs, all tensors are equal
 *   origin     equal tensors in, different tensor out (a scalar argument may differ: then flagged)
 *   input      an argument tensor differs that no earlier call made, at its first use
 *
 * A call that contains others (a composite) whose inside already differs is a receiver of that.
 */
#ifndef STORE_DIFF_VERDICT_H
#define STORE_DIFF_VERDICT_H

#include "store/diff/align.h"

/* enumerator, number in pair.verdict (larger is worse), letter, name, sentence */
#define DIFF_VERDICTS(X)                                                                           \
    X(SAME, 0, "=", "same", "equal arguments, equal tensors in and out")                           \
    X(ARTEFACT, 1, "A", "artefact", "only memory that nothing was written to differs")             \
    X(MASKED, 2, "M", "masked", "a tensor it reads differs, what it makes is equal")               \
    X(UNKNOWN, 3, "U", "unknown", "a digest that would tell is missing or cannot tell")            \
    X(RECEIVER, 4, "R", "receiver", "a tensor it reads differs already")                           \
    X(STRUCTURE, 5, "S", "structure", "only one run has it, or shapes, dtypes or strides differ")  \
    X(ARGUMENT, 6, "P", "argument",                                                                \
      "an argument that is no tensor differs, what it makes is equal")                             \
    X(ORIGIN, 7, "O", "origin", "equal tensors in, a different tensor out")                        \
    X(INPUT, 8, "I", "input", "a tensor from outside differs where it is first used")
enum diff_verdict {
#define X(code, number, letter, name, sentence) DIFF_##code = number,
    DIFF_VERDICTS(X)
#undef X
        DIFF_N_VERDICTS
};
const char *diff_verdict_name(enum diff_verdict v);
const char *diff_verdict_letter(enum diff_verdict v);

enum diff_pair_flag {
    DIFF_ARGUMENT_DIFFERS = 1, /* beside the verdict */
    DIFF_UNHASHED = 2,         /* a result has no digest that both runs have */
    DIFF_INPUTS_UNHASHED = 4,  /* arguments have none: origin or receiver is inferred */
    DIFF_VIEW = 8,      /* an origin that only moves data: whoever made it was not recorded */
    DIFF_CONTAINS = 16, /* it contains calls that are compared themselves */
    DIFF_INSIDE = 32,   /* an operator of a kernel whose results were not stored, or a view: what it
                           reads agrees */
};

/* How a tensor of a pair differs (pair_tensor.class). */
enum diff_class {
    DIFF_VALUES = 1,  /* digests differ */
    DIFF_SHAPE,       /* dtype, shape or stride differs */
    DIFF_ONE_SIDE,    /* only one run has this tensor at this place */
    DIFF_NOT_HASHED,  /* a digest is missing on a side */
    DIFF_OTHER_HASH,  /* hashed by different kinds */
    DIFF_CANNOT_TELL, /* hashes differ by less than their own rounding */
};
struct diff_tensor {
    uint32_t pair;     /* number in diff_pairs */
    uint32_t a, b;     /* numbers of uses; of an argument without digest, of the use that has its
                          content; DIFF_NONE */
    uint32_t path;     /* word: where it stands in the call */
    uint32_t producer; /* number of the pair that made it, DIFF_NONE from outside or unknown */
    uint8_t phase;     /* 0 before, 1 result, 2 after */
    uint8_t class;     /* enum diff_class */
    uint8_t artefact;  /* 1 by rule: of no account */
    uint8_t external;  /* 1 an argument that no earlier call of either run made */
};
struct diff_argument_pair {
    uint32_t pair;
    uint32_t path; /* word */
    uint32_t a, b; /* words; DIFF_NONE absent */
};

struct diff_verdicts {
    LIST_OF(struct diff_tensor) tensor; /* those of a class, in order of pairs */
    LIST_OF(struct diff_argument_pair) argument;
    uint64_t n[DIFF_N_VERDICTS];     /* pairs of each verdict */
    uint32_t n_argument, n_unhashed; /* pairs flagged so */
    uint64_t n_compared;             /* pairs of which a digest was compared */
    uint64_t n_cannot_tell;          /* tensors whose hashes differ by less than their rounding */
    uint32_t alone[2];               /* calls of A and B without partner */
    uint32_t
        first; /* pair: the answer: earliest of input, argument, origin, structure; DIFF_NONE */
    uint32_t origin;     /* pair: earliest origin, DIFF_NONE */
    uint32_t before;     /* pairs before `first`, all same */
    unsigned common;     /* bits 1 << enum diff_hash that both streams have and that may decide */
    enum diff_hash hash; /* the strongest of them */
};

struct diff_verdict_options {
    enum diff_hash hash; /* compare by this kind only; 0: the strongest common */
    bool all;            /* keep tensors and arguments of every pair, for a file; else of those that
                            may be the answer: ten million receivers have a gigabyte of them */
};
/* Sets the verdict of every pair. options may be NULL. */
enum err WARN_UNUSED diff_judge(const struct diff_stream *a, const struct diff_stream *b,
                                struct diff_pairs *pairs,
                                const struct diff_verdict_options *options,
                                struct diff_verdicts *out);
void diff_verdicts_release(struct diff_verdicts *v);

#endif
