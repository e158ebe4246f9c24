/* row_table.h - the rows of a batch as a table that SQLite reads: INSERT INTO event SELECT ...
 *
 * One statement takes all rows that a batch has of a table, and no value is bound: a statement
 * costs more to begin and end than a row, and binding as much as inserting.
 */
#ifndef STORE_ROW_TABLE_H
#define STORE_ROW_TABLE_H

#include "store/sqlite.h"

#include "store_rows.h"

/* What the next statement reads. */
struct row_source {
    const struct store_batch *batch; /* borrowed */
};
/* Before any row_table_make; source is borrowed as long as the connection lives. */
enum err WARN_UNUSED row_tables_init(sqlite3 *db, struct row_source *source);
/* Makes temp.rows_<table>. */
enum err WARN_UNUSED row_table_make(sqlite3 *db, int table);
/* Binds a cell to a parameter of a statement; a SQLite result code. */
int row_bind(sqlite3_stmt *s, int i, const struct store_cell *c);

#endif
