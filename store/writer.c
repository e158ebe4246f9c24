/* writer.c - the inserting thread, and the words shared by all producers.
 *
 * Words are remembered in two generations of a map: a full young map becomes the old one, what is
 * still used moves back to the young. So memory is bounded and the words in use stay known.
 */
#include "store/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/base/buf.h"
#include "store/base/clock.h"
#include "store/base/map.h"
#include "store/db.h"
#include "store/row_table.h"

enum {
    WORDS_PER_GENERATION = 390000, /* fits 2^19 slots, 12 MiB a generation */
    COMMIT_ROWS = 16384,
    COMMIT_NS = 200 * 1000 * 1000, /* leaves 50 ms of the promised 250 for the commit itself */
};

/* A batch to write, in order. */
struct job {
    struct job *next;
    struct store_batch *batch; /* owned */
    size_t size;               /* bytes counted against STORE_QUEUE_BYTES */
};

struct words {
    pthread_mutex_t lock;
    struct map young[2], old[2]; /* [0] texts, [1] frames */
    struct store_batch *pending; /* rows not yet taken by the writer */
    bool failed;                 /* out of memory */
};

struct store_writer {
    sqlite3 *db; /* owned */
    uint64_t
        /* counts writers of this program, so that a thread's memory of words is of this one */
        instance;
    sqlite3_stmt *insert[STORE_N_TABLES]; /* of the rows of `source` */
    struct row_source source;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, done;
    struct job *head, *tail;
    size_t queued;                /* bytes */
    uint64_t taken_in, committed; /* jobs */
    bool closing;
    enum err err; /* first failure, for all later calls */
    char why[1024];
    /* the writer thread's own */
    bool in_transaction;
    int64_t uncommitted_rows, transaction_start;
    struct job *applied, **last_applied; /* waiting for the commit, in order of submission */
    _Atomic int64_t rows;
    _Atomic int64_t ids[STORE_N_TABLES];
    struct words words;
};

/* ---- inserting ---- */

/* "INSERT ... SELECT * FROM temp.rows_event" from "INSERT ... VALUES (?1, ...)". */
static enum err prepare_insert(struct store_writer *w, int table)
{
    struct buf sql = {0};
    const struct store_layout *layout = &store_layouts[table];
    const char *values = strstr(layout->insert, "VALUES");
    REQUIRE("writer:insert-text", values != NULL);
    TRY(row_table_make(w->db, table));
    buf_put(&sql, layout->insert, (size_t)(values - layout->insert));
    buf_printf(&sql, "SELECT * FROM temp.rows_%s", layout->name);
    enum err err = buf_ok(&sql);
    if (!err) err = store_prepare(w->db, sql.p, &w->insert[table]);
    buf_release(&sql);
    return err;
}

static enum err insert_rows(struct store_writer *w, int table)
{
    if (!w->insert[table]) TRY(prepare_insert(w, table));
    int rc = sqlite3_step(w->insert[table]);
    sqlite3_reset(w->insert[table]);
    if (rc == SQLITE_DONE) return ERR_OK;
    char doing[96];
    snprintf(doing, sizeof doing, "writing rows of %s", store_layouts[table].name);
    return store_sql_error(w->db, rc, doing);
}

static enum err run_statement(struct store_writer *w, const struct store_statement *of)
{
    sqlite3_stmt *s;
    TRY(store_prepare(w->db, of->sql, &s));
    for (int i = 0; i < of->n_values; i++) row_bind(s, i + 1, &of->values[i]);
    int rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
    }
    enum err err = rc == SQLITE_DONE ? ERR_OK : store_sql_error(w->db, rc, of->sql);
    sqlite3_finalize(s);
    return err;
}

static enum err insert_batch(struct store_writer *w, const struct store_batch *batch)
{
    w->source.batch = batch;
    for (int t = 0; t < STORE_N_TABLES && batch->n_rows; t++) {
        struct store_batch_place first = {0};
        if (store_batch_next(batch, t, &first)) TRY(insert_rows(w, t));
    }
    for (const struct store_statement *s = batch->first; s; s = s->next) TRY(run_statement(w, s));
    w->uncommitted_rows += (int64_t)batch->n_rows;
    return ERR_OK;
}

/* The rows of words that were interned up to now. */
static enum err insert_words(struct store_writer *w)
{
    struct store_batch *fresh = store_batch_new();
    if (!fresh) FAIL(ERR_NOMEM, "out of memory for words");
    pthread_mutex_lock(&w->words.lock);
    struct store_batch *words = w->words.pending;
    w->words.pending = fresh;
    bool failed = w->words.failed;
    pthread_mutex_unlock(&w->words.lock);
    enum err err = failed ? err_set(ERR_NOMEM, "out of memory for words") : insert_batch(w, words);
    store_batch_free(words);
    return err;
}

/* ---- transactions ---- */

static void job_free(struct job *job)
{
    if (job->batch->on_written) job->batch->on_written(job->batch->context);
    store_batch_free(job->batch);
    free(job);
}

static uint64_t free_applied(struct store_writer *w)
{
    uint64_t n = 0;
    for (struct job *j = w->applied, *next; j; j = next, n++) {
        next = j->next;
        job_free(j);
    }
    w->applied = NULL;
    w->last_applied = &w->applied;
    return n;
}

static enum err begin(struct store_writer *w)
{
    if (w->in_transaction) return ERR_OK;
    TRY(store_exec(w->db, "BEGIN"));
    w->in_transaction = true;
    w->transaction_start = clock_mono();
    return ERR_OK;
}

static enum err apply(struct store_writer *w, struct job *job)
{
    TRY(begin(w));
    TRY(insert_words(w));
    return insert_batch(w, job->batch);
}

static void fail(struct store_writer *w, enum err err)
{
    if (w->in_transaction) (void)sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
    w->in_transaction = false;
    w->uncommitted_rows = 0;
    pthread_mutex_lock(&w->lock);
    if (!w->err) {
        w->err = err;
        snprintf(w->why, sizeof w->why, "%s", err_text());
    }
    pthread_mutex_unlock(&w->lock);
}

static enum err commit(struct store_writer *w)
{
    if (!w->in_transaction) return ERR_OK;
    TRY(store_exec(w->db, "COMMIT"));
    w->in_transaction = false;
    atomic_fetch_add(&w->rows, w->uncommitted_rows);
    w->uncommitted_rows = 0;
    return ERR_OK;
}

/* Next job, or NULL with *idle set when the queue is empty now. Waits when nothing is
 * uncommitted. */
static struct job *take(struct store_writer *w, bool *closing)
{
    pthread_mutex_lock(&w->lock);
    while (!w->head && !w->closing && !w->in_transaction) pthread_cond_wait(&w->work, &w->lock);
    struct job *job = w->head;
    if (job) {
        w->head = job->next;
        if (!w->head) w->tail = NULL;
        w->queued -= job->size;
    }
    *closing = w->closing;
    pthread_cond_broadcast(&w->done);
    pthread_mutex_unlock(&w->lock);
    if (job) job->next = NULL;
    return job;
}

static void step(struct store_writer *w, struct job *job)
{
    enum err err = ERR_OK;
    if (job) {
        if (!w->err) err = apply(w, job);
        *w->last_applied = job;
        w->last_applied = &job->next;
    }
    bool due = !job || w->uncommitted_rows >= COMMIT_ROWS ||
               clock_mono() - w->transaction_start > COMMIT_NS;
    if (!err && !w->err && due) err = commit(w);
    if (err) fail(w, err);
    if (!due && !w->err) return;
    uint64_t n = free_applied(w);
    pthread_mutex_lock(&w->lock);
    w->committed += n;
    pthread_cond_broadcast(&w->done);
    pthread_mutex_unlock(&w->lock);
}

static void *writer_main(void *context)
{
    struct store_writer *w = context;
    for (bool closing = false;;) {
        struct job *job = take(w, &closing);
        step(w, job);
        if (!job && closing) return NULL;
    }
}

/* ---- the producers' side ---- */

enum err store_writer_new(sqlite3 *db_take, struct store_writer **out)
{
    struct store_writer *w = calloc(1, sizeof *w);
    struct store_batch *pending = store_batch_new();
    *out = NULL;
    if (!w || !pending) goto nomem;
    w->db = db_take;
    w->last_applied = &w->applied;
    if (row_tables_init(w->db, &w->source)) goto nomem;
    static _Atomic uint64_t instances;
    w->instance = atomic_fetch_add(&instances, 1) + 1;
    w->words.pending = pending;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->words.lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->done, NULL);
    if (pthread_create(&w->thread, NULL, writer_main, w)) goto nomem;
    *out = w;
    return ERR_OK;
nomem:
    store_batch_free(pending);
    free(w);
    store_close(db_take);
    FAIL(ERR_NOMEM, "no memory or no thread for a writer");
}

static enum err largest_id(sqlite3 *db, int table, int64_t *out)
{
    struct buf sql = {0};
    *out = 0;
    if (strcmp(store_layouts[table].columns[0].name, "id")) return ERR_OK;
    buf_printf(&sql, "SELECT coalesce(max(id), 0) FROM main.%s", store_layouts[table].name);
    enum err err = buf_ok(&sql);
    if (!err) err = store_int(db, sql.p, out);
    buf_release(&sql);
    return err;
}

enum err store_writer_resume(sqlite3 *db_take, struct store_writer **out)
{
    int64_t largest[STORE_N_TABLES];
    enum err err = ERR_OK;
    *out = NULL;
    for (int t = 0; !err && t < STORE_N_TABLES; t++) err = largest_id(db_take, t, &largest[t]);
    if (err) {
        store_close(db_take);
        return err;
    }
    TRY(store_writer_new(db_take, out));
    for (int t = 0; t < STORE_N_TABLES; t++) atomic_store(&(*out)->ids[t], largest[t]);
    return ERR_OK;
}

static enum err writer_error(struct store_writer *w)
{
    return err_set(w->err, "%s", w->why);
}

static enum err submit(struct store_writer *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    while (!w->err && w->queued && w->queued + job->size > STORE_QUEUE_BYTES)
        pthread_cond_wait(&w->done, &w->lock);
    enum err err = w->err ? writer_error(w) : ERR_OK;
    if (!err) {
        if (w->tail) w->tail->next = job;
        else w->head = job;
        w->tail = job;
        w->queued += job->size;
        w->taken_in++;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (err) job_free(job);
    return err;
}

enum err store_submit(struct store_writer *w, struct store_batch *batch_take)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        store_batch_free(batch_take);
        FAIL(ERR_NOMEM, "out of memory for a batch");
    }
    job->batch = batch_take;
    job->size = batch_take->arena.used + sizeof *job;
    return submit(w, job);
}

enum err store_submit_sql(struct store_writer *w, const char *sql, const struct store_cell *values,
                          int n_values)
{
    struct store_batch *batch = store_batch_new();
    if (!batch) FAIL(ERR_NOMEM, "out of memory for a statement");
    enum err err = store_batch_add_sql(batch, sql, values, n_values);
    if (!err) return store_submit(w, batch);
    store_batch_free(batch);
    return err;
}

enum err store_flush(struct store_writer *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t until = w->taken_in;
    while (!w->err && w->committed < until) pthread_cond_wait(&w->done, &w->lock);
    enum err err = w->err ? writer_error(w) : ERR_OK;
    pthread_mutex_unlock(&w->lock);
    return err;
}

enum err store_writer_close(struct store_writer *w, const char *state)
{
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    enum err err = w->err ? writer_error(w) : ERR_OK;
    if (!err && w->words.pending->n_rows) { /* words interned after the last batch */
        err = begin(w);
        if (!err) err = insert_words(w);
        if (!err) err = commit(w);
    }
    for (int t = 0; t < STORE_N_TABLES; t++) sqlite3_finalize(w->insert[t]);
    if (!err && state) err = store_finish(w->db, state);
    else store_close(w->db);
    for (int k = 0; k < 2; k++) {
        map_release(&w->words.young[k]);
        map_release(&w->words.old[k]);
    }
    store_batch_free(w->words.pending);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->words.lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->done);
    free(w);
    return err;
}

int64_t store_writer_rows(const struct store_writer *w)
{
    return atomic_load(&w->rows);
}

int64_t store_next_id(struct store_writer *w, enum store_table table)
{
    return store_next_ids(w, table, 1);
}

int64_t store_next_ids(struct store_writer *w, enum store_table table, int64_t n)
{
    return atomic_fetch_add_explicit(&w->ids[table], n, memory_order_relaxed) + 1;
}

/* ---- words ---- */

/* The id remembered for key, or 0 after making room for it: then *slot is where to put the new
 * id. Lock held. */
static int64_t recall(struct words *words, int kind, struct map_key key, int64_t **slot)
{
    struct map *young = &words->young[kind], *old = &words->old[kind];
    int64_t *known = map_get(young, key);
    if (known) return *known;
    if (young->n >= WORDS_PER_GENERATION) {
        struct map emptied = *old;
        map_clear(&emptied);
        *old = *young;
        *young = emptied;
    }
    known = map_get(old, key);
    *slot = map_put(young, key, known ? *known : 0, NULL);
    if (!*slot) words->failed = true;
    return known ? *known : 0;
}

static bool is_ascii(struct span s)
{
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t v;
        memcpy(&v, s.p + i, 8);
        if (v & 0x8080808080808080u) return false;
    }
    for (; i < s.n; i++)
        if (s.p[i] & 0x80) return false;
    return true;
}

static int64_t add_word(struct store_writer *w, struct span text)
{
    int64_t id = store_next_id(w, STORE_STRING);
    struct buf clean = {0};
    struct row_string row = {id, text};
    if (!is_ascii(text)) {
        buf_utf8(&clean, text);
        row.text = buf_text(&clean);
    }
    if (clean.failed || store_string_add(w->words.pending, &row)) w->words.failed = true;
    buf_release(&clean);
    return id;
}

/* The words a thread used last: most are names that come again and again, and need no lock then. */
enum { RECENT = 1024 };
static _Thread_local struct recent {
    struct map_key key;
    uint64_t writer; /* instance */
    int64_t id;
} recent[RECENT];

int64_t store_word(struct store_writer *w, struct span text)
{
    if (!text.p) return 0;
    struct map_key key = map_key(text);
    struct recent *last = &recent[key.lo % RECENT];
    if (last->writer == w->instance && last->key.lo == key.lo && last->key.hi == key.hi)
        return last->id;
    int64_t *slot = NULL;
    pthread_mutex_lock(&w->words.lock);
    int64_t id = recall(&w->words, 0, key, &slot);
    if (!id && slot) id = *slot = add_word(w, text);
    pthread_mutex_unlock(&w->words.lock);
    if (id) *last = (struct recent){key, w->instance, id};
    return id;
}

int64_t store_frame(struct store_writer *w, int64_t parent, int64_t file_word, int64_t line,
                    int64_t name_word, int64_t loc_word)
{
    struct row_stack row = {0, parent, file_word, line, name_word, loc_word};
    struct map_key key = map_key((struct span){(const char *)&row, sizeof row});
    int64_t *slot = NULL;
    pthread_mutex_lock(&w->words.lock);
    int64_t id = recall(&w->words, 1, key, &slot);
    if (!id && slot) {
        id = row.id = *slot = store_next_id(w, STORE_STACK);
        if (store_stack_add(w->words.pending, &row)) w->words.failed = true;
    }
    pthread_mutex_unlock(&w->words.lock);
    return id;
}
