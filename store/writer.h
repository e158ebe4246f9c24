/* writer.h - the one thread that inserts, the ids it hands out, and the words everybody shares.
 *
 * Producers (parser threads, later the drain of the rings) fill batches and submit them; the writer
 * applies them in order of submission, several per transaction, and commits at the latest every
 * 16384 rows or 250 ms. Words (strings, stack frames) are interned by the producers at once: a
 * word's row is always committed before or with the first batch that can refer to it.
 *
 *   producer ── store_word ──► pending words ─┐
 *      │                                      ├─► writer thread ─► SQLite
 *      └─────── store_submit ──► queue ───────┘
 *
 * Invariants: (1) a batch is applied whole, with its statements, or not at all; (2) after the first
 * failure every submit returns it; (3) the queue holds at most STORE_QUEUE_BYTES, submit waits.
 * Threads: all functions may be called from any thread, except store_writer_close (once, by the
 * owner).
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "store/sqlite.h"

#include "store_rows.h"

struct store_writer;

enum { STORE_QUEUE_BYTES = 24 << 20 };

/* Takes the connection (store_create) and starts the thread. */
enum err WARN_UNUSED store_writer_new(sqlite3 *db_take, struct store_writer **out);
/* The same with a trace that has rows: ids go on behind its largest. */
enum err WARN_UNUSED store_writer_resume(sqlite3 *db_take, struct store_writer **out);
/* Takes the batch, also on failure. */
enum err WARN_UNUSED store_submit(struct store_writer *w, struct store_batch *batch_take);
/* Waits until all that was submitted is committed. */
enum err WARN_UNUSED store_flush(struct store_writer *w);
/* Drains, stops the thread, runs store_finish(state) and frees, also on failure. With state NULL
 * the file stays live
 * (WAL, no derived objects) as after a kill. */
enum err WARN_UNUSED store_writer_close(struct store_writer *w, const char *state);
/* Rows committed so far. */
int64_t store_writer_rows(const struct store_writer *w);

/* The next id of a table with an id of its own; ids are dense from 1 per table. Wait-free. */
int64_t store_next_id(struct store_writer *w, enum store_table table);
/* The first of n consecutive ids. */
int64_t store_next_ids(struct store_writer *w, enum store_table table, int64_t n);

/* Id of an interned text; 0 (NULL) for an absent span or when out of memory (which then fails
 * the next submit).
 * Invalid UTF-8 is replaced. Remembers the last 2^20 texts by hash: a text may be stored twice
 * in larger files. */
int64_t store_word(struct store_writer *w, struct span text);
/* Id of a stack frame below parent (0: outermost). Same limits. */
int64_t store_frame(struct store_writer *w, int64_t parent, int64_t file_word, int64_t line,
                    int64_t name_word, int64_t loc_word);

/* Submits a batch of one statement (UPDATE at the end of an import, say). */
enum err WARN_UNUSED store_submit_sql(struct store_writer *w, const char *sql,
                                      const struct store_cell *values, int n_values);

#endif
