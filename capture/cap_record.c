/* cap_record.c - what a thread writes into its ring.
 *
 * Room is asked for before a record is written. A call that has begun keeps room for its end, so
 * that what is recorded always nests. Where there is no room, the private operator is taken back
 * whole; a call that the drain has seen already only loses what comes (`cut`).
 */
#include <string.h>
#include <time.h>

#include "capture/cap_state.h"
#include "store/base/clock.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { WAIT_NS = 50000 };

/* ---- room ---- */

static void see_tail(struct cap_thread *t)
{
    t->limit = atomic_load_explicit(&t->head->tail, memory_order_acquire) + t->mask + 1;
}

/* The ring is full as far as known. With `wait` the drain makes room, unless the private operator
 * takes most of the ring itself. */
static bool make_room(struct cap_thread *t, uint64_t n)
{
    static const struct timespec pause = {0, WAIT_NS};
    for (;;) {
        see_tail(t);
        if (t->at + n + t->reserved <= t->limit) return true;
        bool own = t->private != CAP_NO_LEVEL && t->at - t->private_at > t->mask / 2;
        if (!t->wait || own || t->muted) return false;
        nanosleep(&pause, NULL);
    }
}

static inline bool has_room(struct cap_thread *t, uint64_t n)
{
    return !UNLIKELY(t->at + n + t->reserved > t->limit) || make_room(t, n);
}

static inline struct ring_record *next(struct cap_thread *t)
{
    return &t->records[t->at++ & t->mask];
}

/* What is written may be read: after a kill all of it, by the drain what is whole. */
static inline void publish(struct cap_thread *t)
{
    atomic_store_explicit(&t->head->tip, t->at, memory_order_release);
    if (t->private == CAP_NO_LEVEL)
        atomic_store_explicit(&t->head->head, t->at, memory_order_release);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* ---- dropping ---- */

/* Takes back the private operator with all that it holds. */
static void take_back(struct cap_thread *t)
{
    for (int i = t->private; i < t->depth && i < CAP_LEVELS; i++) {
        t->reserved -= t->level[i].number != 0;
        t->level[i].number = 0;
    }
    t->at = t->private_at;
    t->skipped = t->private;
    t->private = CAP_NO_LEVEL;
    count(&t->head->dropped);
    publish(t);
}

static void overflow(struct cap_thread *t)
{
    if (t->private != CAP_NO_LEVEL) {
        take_back(t);
    } else if (t->depth && t->depth <= CAP_LEVELS && t->level[t->depth - 1].number) {
        struct cap_level *l = &t->level[t->depth - 1];
        if (!l->cut) count(&t->head->cut);
        l->cut = true;
    } else {
        count(&t->head->dropped);
    }
}

/* Nothing is recorded here: the call was dropped, or the thread is not to record. */
static inline bool is_skipped(const struct cap_thread *t)
{
    return !t || t->muted || t->skipped != CAP_NO_LEVEL;
}

static inline bool wants(struct cap_thread *t, uint64_t n)
{
    if (is_skipped(t)) return false;
    if (has_room(t, n)) return true;
    overflow(t);
    return false;
}

/* The newest open call has what is recorded next; false when it was dropped. */
static inline bool in_call(const struct cap_thread *t)
{
    return t->depth && t->depth <= CAP_LEVELS && t->level[t->depth - 1].number;
}

/* ---- calls ---- */

static inline uint64_t take_number(struct cap_thread *t)
{
    if (UNLIKELY(t->number == t->last_number)) {
        t->number = (uint64_t)store_next_ids(t->cap->writer, STORE_EVENT, CAP_NUMBERS);
        t->last_number = t->number + CAP_NUMBERS;
    }
    return t->number++;
}

/* Calls with arguments and results, which are recorded whole or not at all. */
static inline bool is_whole(enum cap_kind kind)
{
    return kind == CAP_OP || kind == CAP_KERNEL;
}

static uint64_t drop_begin(struct cap_thread *t, int level, enum cap_kind kind)
{
    if (level < CAP_LEVELS) t->level[level] = (struct cap_level){0};
    count(&t->head->dropped);
    if (is_whole(kind)) t->skipped = level;
    return 0;
}

/* Writes the record without publishing it; there is room for two more behind it. */
static inline uint64_t begin(struct cap_thread *t, enum cap_kind kind, uint32_t name,
                             uint32_t header, uint32_t stack)
{
    if (UNLIKELY(!t || t->muted)) return 0;
    int level = t->depth++;
    if (UNLIKELY(t->skipped != CAP_NO_LEVEL)) {
        if (level < CAP_LEVELS) t->level[level] = (struct cap_level){0};
        return 0;
    }
    if (t->private != CAP_NO_LEVEL && kind != CAP_LAUNCH) {
        t->private = CAP_NO_LEVEL;
        publish(t);
    }
    if (UNLIKELY(level >= CAP_LEVELS || !has_room(t, 4))) return drop_begin(t, level, kind);
    if (is_whole(kind)) {
        t->private = level;
        t->private_at = t->at;
    }
    uint64_t number = take_number(t);
    t->level[level] = (struct cap_level){.number = number, .is_launch = kind == CAP_LAUNCH};
    t->reserved++;
    *next(t) = (struct ring_record){.type = RING_BEGIN,
                                    .sub = (uint8_t)kind,
                                    .a = name,
                                    .b = number,
                                    .c = cap_ticks(),
                                    .d = (uint64_t)header << 32 | stack};
    return number;
}

uint64_t cap_begin_call(struct cap_thread *t, enum cap_kind kind, uint32_t name, uint32_t header,
                        uint32_t stack)
{
    uint64_t number = begin(t, kind, name, header, stack);
    if (number) publish(t);
    return number;
}

void cap_end_call(struct cap_thread *t)
{
    if (UNLIKELY(!t || t->muted || !t->depth)) return;
    int level = --t->depth;
    if (UNLIKELY(level >= CAP_LEVELS)) return;
    if (t->skipped == level) t->skipped = CAP_NO_LEVEL;
    if (!t->level[level].number) return;
    t->reserved--;
    *next(t) = (struct ring_record){.type = RING_END, .sub = t->level[level].cut, .c = cap_ticks()};
    if (t->private == level) t->private = CAP_NO_LEVEL;
    publish(t);
}

void cap_done(struct cap_thread *t)
{
    if (!wants(t, 1) || !in_call(t)) return;
    *next(t) = (struct ring_record){.type = RING_DONE, .c = cap_ticks()};
    publish(t);
}

/* ---- arguments and results ---- */

static void put_scalar(struct cap_thread *t, enum ring_type type, const struct cap_value *v,
                       uint32_t key)
{
    if (!wants(t, 1) || !in_call(t)) return;
    *next(t) = (struct ring_record){
        .type = (uint8_t)type, .sub = (uint8_t)v->kind, .a = key, .b = (uint64_t)v->i};
    publish(t);
}

void cap_scalar(struct cap_thread *t, const struct cap_value *v)
{
    put_scalar(t, RING_SCALAR, v, v->keyword);
}

void cap_result_number(struct cap_thread *t, const struct cap_value *v)
{
    put_scalar(t, RING_RESULT, v, 0);
}

void cap_remark(struct cap_thread *t, uint32_t key, const struct cap_value *v)
{
    put_scalar(t, RING_REMARK, v, key);
}

static void put_mark(struct cap_thread *t, enum ring_type type, uint32_t keyword)
{
    if (!wants(t, 1) || !in_call(t)) return;
    *next(t) = (struct ring_record){.type = (uint8_t)type, .a = keyword};
    publish(t);
}

void cap_list_begin(struct cap_thread *t, uint32_t keyword)
{
    put_mark(t, RING_LIST, keyword);
}

void cap_list_end(struct cap_thread *t)
{
    put_mark(t, RING_LIST_END, 0);
}

static uint32_t *new_page(struct cap_thread *t, uint64_t page)
{
    return t->pages[page] = calloc((size_t)1 << CAP_PAGE_BITS, sizeof(uint32_t));
}

/* Number in the log, from 1 in order of appearance; 0: it has none. */
static inline uint32_t log_number(struct cap_thread *t, uint64_t tensor)
{
    uint64_t page = tensor >> CAP_PAGE_BITS;
    if (UNLIKELY(!tensor || page >= CAP_PAGES)) return 0;
    uint32_t *numbers = t->pages[page];
    if (UNLIKELY(!numbers) && !(numbers = new_page(t, page))) return 0;
    uint32_t *number = &numbers[tensor & ((1u << CAP_PAGE_BITS) - 1)];
    if (!*number) *number = ++t->n_tensors;
    return *number;
}

uint32_t cap_tensor(struct cap_thread *t, const struct cap_use *u)
{
    if (UNLIKELY(!wants(t, 1) || !in_call(t))) return 0;
    struct cap_level *l = &t->level[t->depth - 1];
    *next(t) = (struct ring_record){.type = RING_TENSOR,
                                    .sub = (uint8_t)u->phase,
                                    .a = u->form,
                                    .b = log_number(t, u->tensor),
                                    .c = (uint64_t)u->keyword << 32 | u->version};
    publish(t);
    if (UNLIKELY(!++t->slot)) t->slot = 1;
    t->slots[t->slot % CAP_SLOTS] = l->number << CAP_INDEX_BITS | l->n_uses++;
    return t->slot;
}

/* ---- values ---- */

/* Call and index of a use; false when its slot was given to a later one. */
static bool find_slot(struct cap_thread *t, uint32_t slot, uint64_t *call, uint32_t *index)
{
    if (t->slot - slot >= CAP_SLOTS) {
        count(&t->head->dropped);
        return false;
    }
    uint64_t s = t->slots[slot % CAP_SLOTS];
    *call = s >> CAP_INDEX_BITS;
    *index = (uint32_t)s & ((1u << CAP_INDEX_BITS) - 1);
    return true;
}

static inline uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Statistics are whole records of their own, without a type. */
static void put_statistics(struct cap_thread *t, const struct cap_digest *d)
{
    const uint64_t words[8] = {(uint64_t)d->n_nan, (uint64_t)d->n_inf, bits_of(d->min),
                               bits_of(d->max),    bits_of(d->sum),    bits_of(d->sum_abs)};
    memcpy(next(t), words, sizeof *t->records);
    memcpy(next(t), words + 4, sizeof *t->records);
}

void cap_digest(struct cap_thread *t, uint32_t slot, int part, const struct cap_digest *d)
{
    uint64_t call;
    uint32_t index;
    if (!slot || !wants(t, 3) || !find_slot(t, slot, &call, &index)) return;
    *next(t) = (struct ring_record){.type = RING_DIGEST,
                                    .sub = (uint8_t)d->kind,
                                    .more = (uint16_t)((part & 255) | (d->stats ? 256 : 0)),
                                    .a = index,
                                    .b = call,
                                    .c = d->bits,
                                    .d = bits_of(d->sum_squares)};
    if (d->stats) put_statistics(t, d);
    publish(t);
}

uint64_t cap_lost(const struct cap_thread *t)
{
    return atomic_load_explicit(&t->head->dropped, memory_order_relaxed) +
           atomic_load_explicit(&t->head->cut, memory_order_relaxed);
}

void cap_kept(struct cap_thread *t, uint32_t slot, int64_t artifact)
{
    uint64_t call;
    uint32_t index;
    if (!slot || !wants(t, 1) || !find_slot(t, slot, &call, &index)) return;
    *next(t) =
        (struct ring_record){.type = RING_KEEP, .a = index, .b = call, .c = (uint64_t)artifact};
    publish(t);
}

/* ---- machine ---- */

uint64_t cap_launch_begin(struct cap_thread *t, const struct cap_launch *l)
{
    /* The threads of the host stand where other calls have their stack. */
    uint64_t number = begin(t, CAP_LAUNCH, l->kernel, l->variant, (uint32_t)l->threads);
    if (!number) return 0;
    struct ring_record *r = next(t);
    *r = (struct ring_record){.type = RING_LAUNCH,
                              .b = (uint64_t)l->bytes_read,
                              .c = (uint64_t)l->bytes_written,
                              .d = (uint64_t)l->flops};
    r->a = (uint32_t)l->items;
    r->more = (uint16_t)((uint64_t)l->items >> 32);
    r->sub = l->site != 0;
    if (l->site) *next(t) = (struct ring_record){.a = l->site};
    publish(t);
    return number;
}

void cap_copied(struct cap_thread *t, enum cap_copy kind, int64_t bytes, int64_t dur_ns)
{
    if (!wants(t, 2)) return;
    *next(t) = (struct ring_record){.type = RING_COPY,
                                    .sub = (uint8_t)kind,
                                    .b = take_number(t),
                                    .c = cap_ticks(),
                                    .d = (uint64_t)bytes};
    *next(t) = (struct ring_record){.b = (uint64_t)dur_ns};
    publish(t);
}

void cap_sync(struct cap_thread *t, int64_t dur_ns)
{
    if (!wants(t, 1)) return;
    *next(t) = (struct ring_record){
        .type = RING_SYNC, .b = take_number(t), .c = cap_ticks(), .d = (uint64_t)dur_ns};
    publish(t);
}

void cap_alloc(struct cap_thread *t, uint64_t address, int64_t bytes)
{
    if (!wants(t, 1)) return;
    *next(t) = (struct ring_record){
        .type = RING_ALLOC, .b = address, .c = cap_ticks(), .d = (uint64_t)bytes};
    publish(t);
}

void cap_counter(struct cap_thread *t, uint32_t name, double value)
{
    if (!wants(t, 1)) return;
    *next(t) = (struct ring_record){
        .type = RING_COUNTER, .a = name, .c = cap_ticks(), .d = bits_of(value)};
    publish(t);
}

void cap_link(struct cap_thread *t, uint64_t from, uint64_t to, uint32_t kind)
{
    if (!from || !to || !wants(t, 1)) return;
    *next(t) = (struct ring_record){.type = RING_LINK, .a = kind, .b = from, .c = to};
    publish(t);
}

void cap_error(struct cap_thread *t, struct span message)
{
    if (is_skipped(t)) return;
    uint32_t word = cap_word(t->cap, message);
    if (!wants(t, 1)) return;
    *next(t) =
        (struct ring_record){.type = RING_ERROR, .a = word, .b = take_number(t), .c = cap_ticks()};
    publish(t);
}
