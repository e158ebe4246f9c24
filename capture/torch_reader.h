/* torch_reader.h - one log being read: what the files of the reader share (handlers: torch.h only).
 *
 *   torch_lines ─ pieces ─► torch_reader ─ records ─► handlers ─ rows ─► batch ─► writer
 *                             │  torch_clock: prefix time to UTC      (imp_torch.c drives)
 *                             │  imp_ids: intern table, stacks, compiles
 *                             └  torch_loss: what was lost, counts per key
 *
 * A batch holds the frames of one piece and the rows of its records, so that what is committed
 * belongs together.
 */
#ifndef CAPTURE_TORCH_READER_H
#define CAPTURE_TORCH_READER_H

#include "capture/import.h"
#include "capture/torch.h"
#include "capture/torch_lines.h"

/* Rows per envelope key of one log. */
struct torch_count {
    struct span key;
    int64_t records, payloads, mismatches;
    bool dirty, known;
};

struct torch_intern {
    struct span path; /* in source.keep */
    int64_t word;     /* string id */
};

struct torch_held {
    struct torch_piece *piece;
    struct store_batch *batch;
};

/* The fields of the newest metrics record, as sorted hashes. */
enum { TORCH_SAID = 256 };
struct torch_said {
    const struct torch_compile *compile;
    int n;
    uint64_t hashes[TORCH_SAID];
};

/* Members of an envelope that are context, NULL where absent. */
struct torch_context {
#define X(key) const struct json *key;
    TORCH_CONTEXT(X)
#undef X
};

struct torch_reader {
    struct torch_source source; /* first: handlers get a pointer to it */
    struct torch_run *run;      /* borrowed */
    struct row_process process;
    int64_t file_ts;      /* ns, date of the file */
    struct arena scratch; /* cleared after each record */
    /* clock */
    bool own_process; /* its row is the log's to write */
    bool has_clock, clock_is_guess;
    int64_t year, zone_ns;     /* what makes UTC of a prefix; zone 0 when unknown */
    int64_t chromium_ts;       /* ns, time in the payload of this record; 0: no chromium event */
    int64_t last_pair[2];      /* newest clock pair seen: UTC and prefix; 0 none */
    int64_t last_local;        /* ns, prefix of the newest record in its year */
    struct torch_held held[8]; /* pieces waiting for a clock */
    int n_held;
    /* ids */
    struct map interned; /* intern id -> index in interns */
    LIST_OF(struct torch_intern) interns;
    struct map compiles; /* ids -> index in compile_list, newest occurrence */
    LIST_OF(struct torch_compile *) compile_list; /* in source.keep */
    LIST_OF(struct torch_compile *) dirty;
    struct torch_compile *last_compile; /* of the record before */
    struct map frames;                  /* stack frames seen -> stack id */
    struct torch_said said;
    /* ranks */
    int64_t record_rank; /* first rank a record named, or STORE_NULL */
    bool rank_is_known;  /* by a record */
    int64_t outputs;     /* tlparse's running number */
    /* counts */
    LIST_OF(struct torch_count) counts;
    int n_unknown_keys;
    int64_t losses[TORCH_N_LOSSES];
    int64_t loss_rows[TORCH_N_LOSSES],
        loss_counted[TORCH_N_LOSSES]; /* findings that have rows of their own */
    const char *damage;               /* why reading ended too early, in source.keep; NULL */
    void (*recycle)(void *context, struct torch_piece *piece_take); /* NULL: freed */
    void *recycle_context;
};

static inline struct torch_reader *torch_reader_of(struct torch_source *s)
{
    return (struct torch_reader *)s;
}

struct torch_reader_options {
    struct store_writer *writer;
    struct torch_run *run;
    struct row_source_file
        row;         /* path, name, rank, rank_from, compressed; id and the rest are set here */
    int64_t process; /* whose row is there already; 0: the log's own */
    int64_t file_ts;
    bool utc; /* prefixes are UTC, file_ts is a time shortly before the first */
    void (*recycle)(void *context, struct torch_piece *piece_take);
    void *recycle_context;
};

/* imp_torch.c. The rows of run, process and source_file are written with the first piece. */
enum err WARN_UNUSED torch_reader_new(const struct torch_reader_options *o,
                                      struct torch_reader **out);
void torch_reader_free(struct torch_reader *r);
/* Reads a piece and submits its batch (which holds its frames already). Takes both, also on
 * failure. */
enum err WARN_UNUSED torch_reader_piece(struct torch_reader *r, struct torch_piece *piece_take,
                                        struct store_batch *batch_take);
/* Reads pieces that wait for a clock with a guessed one. */
enum err WARN_UNUSED torch_reader_settle(struct torch_reader *r);
/* The log ends: what is open is closed, counts are written. state: source_file.state; damage: why
 * reading ended too early, "" when it did not. */
enum err WARN_UNUSED torch_reader_finish(struct torch_reader *r, const char *state,
                                         const char *damage);
/* A loss that belongs to no record. */
enum err WARN_UNUSED torch_reader_loss(struct torch_reader *r, enum torch_loss_kind kind,
                                       const char *message);
/* torch_clock.c */
bool torch_clock_search(const struct torch_piece *p, const struct torch_line **line, int64_t *ts);
enum err WARN_UNUSED torch_clock_set(struct torch_reader *r, const struct torch_line *line,
                                     int64_t ts);
/* Prefixes are UTC, of the year of file_ts at first. */
void torch_clock_utc(struct torch_reader *r);
enum err WARN_UNUSED torch_clock_guess(struct torch_reader *r, const struct torch_line *line);
/* ns UTC of a record. */
int64_t torch_clock_time(struct torch_reader *r, const struct torch_line *line);
/* Compares with the time in a chromium payload: follows a change of the zone. */
enum err WARN_UNUSED torch_clock_check(struct torch_reader *r, const struct torch_line *line,
                                       int64_t ts);
/* The newest pair of readings as a row. */
enum err WARN_UNUSED torch_clock_finish(struct torch_reader *r);

/* imp_ids.c */
enum err WARN_UNUSED torch_resolve(struct torch_record *rec, const struct torch_context *c);
enum err WARN_UNUSED torch_write_compiles(struct torch_reader *r);
void torch_compile_touch(struct torch_source *s, struct torch_compile *c);

/* imp_metrics.c */
uint64_t torch_field_hash(const struct json *field, struct buf *scratch);
/* Did the newest metrics record of this compile have the field? */
bool torch_metrics_said(const struct torch_reader *r, const struct torch_compile *c, uint64_t hash);
/* Sets a text column of the run's row when it has no value yet. */
void torch_run_note(struct torch_run *run, struct span *column, struct span value);

/* torch_loss.c */
enum err WARN_UNUSED torch_loss_add(struct torch_reader *r, enum torch_loss_kind kind,
                                    const struct row_loss *where, const char *message);
struct torch_count *torch_count_of(struct torch_reader *r, struct span key, bool known);
enum err WARN_UNUSED torch_write_counts(struct torch_reader *r);
enum err WARN_UNUSED torch_loss_finish(struct torch_reader *r);

#endif
