/* judge.h - what the parts of the judgement share: one pair being judged, and who made what.
 *
 * verdict.c walks the pairs and decides, verdict_use.c matches and compares the tensors of a pair,
 * verdict_flow.c knows which call of a side made a tensor and what its content is.
 */
#ifndef STORE_DIFF_JUDGE_H
#define STORE_DIFF_JUDGE_H

#include "store/diff/verdict.h"

/* What is known of the tensors of one side, up to the call that is being judged.
 *
 * With tensor numbers two arrays by number; else a table from digests to calls. A slot of the table
 * holds 32 bits of the key's hash above the number of the call plus one; the place in the table
 * gives more bits of it, so that a wrong hit is rarer than one in 2^50. */
struct flow {
    const struct diff_stream *s;
    uint32_t *known; /* by tensor number: the last use that has a digest, DIFF_NONE */
    uint32_t *maker; /* by tensor number: the last call that made it, DIFF_NONE */
    uint32_t n_numbers;
    uint64_t *slots; /* open addressing; NULL with numbers */
    size_t n_slots, n_used;
    uint32_t done; /* calls below are entered */
};
enum err WARN_UNUSED flow_init(struct flow *f, const struct diff_stream *s);
void flow_release(struct flow *f);
/* Enters what the calls below `call` read and made. */
enum err WARN_UNUSED flow_advance(struct flow *f, uint32_t call);
/* The call that made the tensor of a use, before the call being judged; DIFF_NONE none is known. */
uint32_t flow_maker(const struct flow *f, uint32_t use);
/* The use whose digest is the content of an unhashed use: itself when it has one, else the last
 * one of that tensor number and version; DIFF_NONE not known. */
uint32_t flow_content(const struct flow *f, uint32_t use);

/* A tensor of the pair that is being judged. */
struct match {
    uint32_t a, b; /* uses of the strongest hash in common; DIFF_NONE */
    uint8_t phase; /* 0 before, 1 result, 2 after */
    uint8_t class; /* 0 equal, else enum diff_class */
    uint8_t artefact;
    uint8_t hashed; /* both have a digest of one kind */
    uint32_t path;  /* word */
};
struct judge {
    const struct diff_stream *side[2];
    struct flow flow[2];
    unsigned allowed; /* bits 1 << enum diff_hash that may be compared */
    LIST_OF(struct match) match;
};
/* The tensors of a pair into j->match: matched by phase and path, compared. */
enum err WARN_UNUSED judge_uses(struct judge *j, uint32_t a, uint32_t b);
/* All tensors of both calls are of equal form and digest, one after the other, and all results have
 * a digest: nothing more needs to be looked at. */
bool judge_plainly_equal(const struct judge *j, uint32_t a, uint32_t b);
/* Does the call stand for an operator of a kernel (unfold.h)? */
static inline bool judge_is_unfolded(const struct diff_stream *s, uint32_t call)
{
    return s->kernel && s->kernel[call] != DIFF_NONE;
}
/* Has the use no row in the trace, since its tensor is in a register or a view? */
static inline bool judge_is_unseen(const struct diff_stream *s, uint32_t use)
{
    return use != DIFF_NONE && s->from && s->from[use] == DIFF_NONE;
}
/* The strongest of a set of kinds of hash. */
enum diff_hash diff_strongest(unsigned kinds);

/* Does it only move data, write over what it is given, leave memory as it is? By the name of the
 * operator without its overload. */
bool op_moves(struct span name);
bool op_overwrites(struct span name); /* its first argument */
bool op_leaves_memory(struct span name);
bool op_mutates(struct span name); /* its name ends in _ */

#endif
