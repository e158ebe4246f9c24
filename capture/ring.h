/* ring.h - rings of records in a file beside the trace, and what the numbers in records mean.
 *
 *   FILE-ring   head │ words and forms │ ring │ ring │ words and forms │ ...     (regions)
 *
 *   a ring      ·····│ read, committed │ written, whole │ written │ ·····
 *                    tail              ▲ drain          head      tip
 *
 * One thread writes a ring, the drain reads it; neither waits for the other. Records up to `head`
 * are whole calls; from there to `tip` they belong to an operator that has not ended, which is
 * taken back when the ring is full. `tail` moves when rows are committed, so that after a kill
 * the file holds all that the trace does not.
 *
 * Invariants: (1) tail <= head <= tip <= tail + n_records; (2) what is below tip is written; (3) a
 * region's disk space is there before it is used: a full disk is an error, never a signal;
 * (4) a word or form is written whole before its size is, and before its number is used.
 * Threads: ring_define from any; all else by the owner of the ring, region or file.
 */
#ifndef CAPTURE_RING_H
#define CAPTURE_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "store/base/err.h"
#include "store/base/map.h"
#include "store/base/view.h"

enum {
    RING_VERSION = 2,
    RING_REGIONS = 4096,
    RING_KNOTS = 64,
    RING_PAGE = 4096,
    RING_NO_NUMBER = 0,
};

/* What a record says, and its fields beside `type`: a is 32 bits, b c d are 64. */
#define RING_RECORDS(X)                                                                            \
    X(NOTHING, "")                                                                                 \
    X(BEGIN, "sub cap_kind; a name, b number, c ticks, d header and stack")                        \
    X(END, "sub 1: results or arguments were dropped; c ticks")                                    \
    X(DONE, "c ticks: the work of the call is done, digests follow")                               \
    X(TENSOR, "sub cap_phase; a form, b tensor + 1, c keyword and version")                        \
    X(SCALAR, "sub cap_scalar; a keyword, b value")                                                \
    X(RESULT, "sub cap_scalar; b value")                                                           \
    X(LIST, "a keyword")                                                                           \
    X(LIST_END, "")                                                                                \
    X(DIGEST, "sub cap_hash, more part and 256: two more records hold statistics; a index of the " \
              "use in its call, b call, c bits, d sum of squares")                                 \
    X(LAUNCH,                                                                                      \
      "of the newest BEGIN: a items, b bytes read, c bytes written, d flops; sub 1: another "      \
      "record: a site")                                                                            \
    X(COPY, "sub cap_copy; b number, c ticks of its end, d bytes; another record: b ns")           \
    X(SYNC, "b number, c ticks of its end, d ns")                                                  \
    X(ALLOC, "b address, c ticks, d bytes")                                                        \
    X(COUNTER, "a name, c ticks, d value")                                                         \
    X(LINK, "a kind, b from, c to")                                                                \
    X(ERROR, "a message, b number, c ticks")                                                       \
    X(REMARK, "sub cap_scalar; a key, b value")                                                    \
    X(KEEP, "a index of the use in its call, b call, c artifact")

enum ring_type {
#define X(name, fields) RING_##name,
    RING_RECORDS(X)
#undef X
        RING_N_TYPES
};

struct ring_record {
    uint8_t type, sub;
    uint16_t more;
    uint32_t a;
    uint64_t b, c, d;
};
_Static_assert(sizeof(struct ring_record) == 32, "records are of 32 bytes");

/* One page before the records of a ring. */
struct ring_head {
    _Atomic uint64_t head, tip; /* records, ever rising */
    char pad_[48];
    _Atomic uint64_t tail; /* by the drain */
    char pad2_[56];
    _Atomic uint64_t dropped; /* calls and other records that found no room */
    _Atomic uint64_t cut;     /* calls that lost arguments or results */
    _Atomic uint32_t owner;   /* number of the thread that has it, from 1; 0: free */
    _Atomic uint32_t ended;   /* number of the newest owner that has ended */
    uint32_t tid, name;       /* of the owner: operating system's id, word */
    int64_t source, track;    /* of the owner: rows of the trace */
    uint64_t n_records;       /* a power of two */
};

/* How texts of calls are written: with numbers of tensors, with digests of arguments. */
enum ring_texts { RING_IDS = 1, RING_INPUT_HASHES = 2 };

enum ring_region_kind { RING_FREE, RING_DEFINITIONS, RING_RING };
struct ring_region {
    uint64_t offset, size; /* bytes */
    _Atomic uint32_t kind; /* set last */
    uint32_t pad_;
};
/* A pair of readings: ticks of the thread's clock and CLOCK_REALTIME. */
struct ring_knot {
    uint64_t ticks;
    int64_t ns;
};
/* First bytes of the file. */
struct ring_file {
    char magic[8]; /* RING_MAGIC, set last */
    uint32_t version, pid;
    int64_t run, process; /* rows of the trace */
    uint32_t texts;       /* RING_IDS, RING_INPUT_HASHES */
    uint32_t device;      /* word */
    _Atomic uint64_t size;
    _Atomic uint64_t lost_threads; /* threads that had no ring */
    _Atomic uint64_t n_structured; /* records of the log of compiles (drain_log.h) */
    _Atomic uint32_t n_regions, n_knots, n_owners;
    struct ring_knot knots[RING_KNOTS]; /* the newest; n_knots counts all */
    struct ring_region regions[RING_REGIONS];
};
#define RING_MAGIC "plmbring"

/* ---- what numbers mean ---- */
enum ring_kind { RING_WORD = 1, RING_FORM, RING_STACK, RING_N_KINDS };
struct ring_definition {
    _Atomic uint32_t size; /* bytes with this head, a multiple of 16; 0: the end */
    uint32_t kind;
    uint32_t number; /* from 1 per kind */
    uint32_t n;      /* bytes of payload */
    char payload[];
};
enum { RING_BLOCK = 4096, RING_BLOCKS = 4096 };
struct ring_names {
    const struct ring_definition **block[RING_BLOCKS]; /* owned arrays of RING_BLOCK */
    uint32_t n;
};

/* The mapped file. */
struct ring {
    int fd;
    char *path; /* owned */
    struct ring_file *file;
    size_t mapped; /* bytes of it */
    pthread_mutex_t lock;
    struct ring_names names[RING_N_KINDS];
    struct map known;            /* hash of a definition -> number */
    char *at, *end;              /* room in the newest region of definitions */
    char *regions[RING_REGIONS]; /* where each is mapped, NULL not */
};

/* Makes FILE-ring, held by a lock of this process. ERR_EXISTS: another process has it, or one that
 * was killed has left it (the text says which). */
WARN_UNUSED enum err ring_create(const char *trace, struct ring *out);
/* Opens what a process has left, as a whole. ERR_NOT_FOUND: there is none; ERR_REFUSED: its process
 * lives; ERR_FORMAT, ERR_VERSION. */
WARN_UNUSED enum err ring_open(const char *trace, struct ring *out);
/* Unmaps and closes. */
void ring_close(struct ring *r);
/* Removes the file; before ring_close. */
void ring_remove(struct ring *r);
/* Whether a process that lives has FILE-ring; false when there is no file. */
bool ring_is_held(const char *trace);

/* Who gets a ring. */
struct ring_owner {
    uint32_t tid, name;
    int64_t source, track;
};
/* A ring of about that many bytes for a new owner, a free one if there is one. NULL: no room. */
struct ring_head *ring_take(struct ring *r, int64_t size, const struct ring_owner *owner);
static inline struct ring_record *ring_records(struct ring_head *h)
{
    return (struct ring_record *)((char *)h + RING_PAGE);
}
/* Number of a word, form or stack; 0 when there is no room. */
uint32_t ring_define(struct ring *r, enum ring_kind kind, const void *payload, size_t n);
/* Payload, or NULL for 0 and for what is not defined. */
const struct ring_definition *ring_name(const struct ring *r, enum ring_kind kind, uint32_t number);
struct span ring_word(const struct ring *r, uint32_t number);

/* Payload of RING_FORM. */
struct ring_form {
    uint32_t dtype, n;
    int64_t sizes[]; /* n sizes, n strides */
};

#endif
