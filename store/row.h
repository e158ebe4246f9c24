/* row.h - rows on their way to the file: cells, batches of rows, the layout of a table.
 *
 * A batch is filled by one thread and handed to the writer (store/writer.h), which inserts it in
 * one transaction or several batches in one. The row structs and store_<table>_add functions
 * are generated from schema.sql into store_rows.h.
 *
 * NULL: integers STORE_NULL (in columns NOT NULL every value is itself); reference columns ("->
 * table") 0; reals NaN; spans with p == NULL;
 * cells of kind STORE_CELL_NULL.
 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "store/base/arena.h"
#include "store/base/err.h"

#define STORE_NULL INT64_MIN

enum store_cell_kind { STORE_CELL_NULL, STORE_CELL_INT, STORE_CELL_REAL, STORE_CELL_TEXT };

/* A value of a column without a fixed type. */
struct store_cell {
    enum store_cell_kind kind;
    int64_t i;     /* STORE_CELL_INT */
    double r;      /* STORE_CELL_REAL */
    struct span s; /* STORE_CELL_TEXT, borrowed until the add function returns */
};

struct store_column {
    const char *name;
    /* i integer, w integer that is never NULL, r reference, d real, t text, b blob, a any */
    char kind;
    size_t offset;  /* bytes into the row struct */
    const char *to; /* kind r: the table it refers to; else "" */
};
struct store_layout {
    const char *name;
    size_t size; /* bytes of the row struct */
    int n_columns;
    const struct store_column *columns;
    const char *insert; /* SQL text with one numbered parameter per column */
};
/* Indexed by enum store_table. */
extern const struct store_layout store_layouts[];

struct store_row_list;
/* A statement of the program's own. */
struct store_statement {
    struct store_statement *next;
    const char *sql;
    struct store_cell *values; /* bound as ?1, ?2, ... */
    int n_values;
};
struct store_batch {
    struct arena arena;           /* owns all that follows, and the bytes of spans */
    struct store_row_list *lists; /* one per table, in the arena */
    size_t n_rows, n_statements;
    struct store_statement *first, *last; /* run after the rows, in the same transaction */
    /* Called by the writer's thread after commit, for batches in order of submission, or when the
     * batch was given up after a failure; NULL: nobody waits. */
    void (*on_written)(void *context);
    void *context;
};

struct store_batch *store_batch_new(void); /* NULL when out of memory */
void store_batch_free(struct store_batch *batch);
void store_batch_clear(struct store_batch *batch);
/* Appends a copy of a row of the given table; used by the generated functions. */
enum err WARN_UNUSED store_batch_add(struct store_batch *batch, int table, const void *row);
/* Appends a copy of a statement. */
enum err WARN_UNUSED store_batch_add_sql(struct store_batch *batch, const char *sql,
                                         const struct store_cell *values, int n_values);
/* The rows of a table one after another; begin with a place of zeros. False at the end. */
struct store_batch_place {
    const void *block;
    int i;
    const char *row;
};
bool store_batch_next(const struct store_batch *batch, int table, struct store_batch_place *at);
/* The rows of a table in order of adding: calls visit for each. */
enum err WARN_UNUSED store_batch_each(const struct store_batch *batch, int table,
                                      enum err (*visit)(void *context, const void *row),
                                      void *context);

#endif
