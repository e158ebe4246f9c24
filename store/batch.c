/* batch.c - rows grouped by table in arena blocks. Grouping makes one prepared statement run many
 * times. */
#include "store_rows.h"

#include <stdlib.h>

enum { ROWS_PER_BLOCK = 64 };

struct block {
    struct block *next;
    int n;
    _Alignas(16) char rows[]; /* ROWS_PER_BLOCK times the row's size */
};
struct store_row_list {
    struct block *first, *last;
};

struct store_batch *store_batch_new(void)
{
    return calloc(1, sizeof(struct store_batch));
}

void store_batch_free(struct store_batch *batch)
{
    if (!batch) return;
    arena_release(&batch->arena);
    free(batch);
}

void store_batch_clear(struct store_batch *batch)
{
    arena_clear(&batch->arena);
    batch->lists = NULL;
    batch->first = batch->last = NULL;
    batch->n_rows = batch->n_statements = 0;
}

static char *row_slot(struct store_batch *batch, int table)
{
    size_t size = store_layouts[table].size;
    if (!batch->lists)
        batch->lists = arena_array(&batch->arena, STORE_N_TABLES, sizeof *batch->lists);
    if (!batch->lists) return NULL;
    struct store_row_list *list = &batch->lists[table];
    if (!list->last || list->last->n == ROWS_PER_BLOCK) {
        struct block *b = arena_alloc(&batch->arena, sizeof *b + ROWS_PER_BLOCK * size);
        if (!b) return NULL;
        if (list->last) list->last->next = b;
        else list->first = b;
        list->last = b;
    }
    return list->last->rows + (size_t)list->last->n * size;
}

static bool own_span(struct arena *arena, struct span *s)
{
    if (!s->p) return true;
    *s = arena_copy(arena, *s);
    return s->p != NULL;
}

enum err store_batch_add(struct store_batch *batch, int table, const void *row)
{
    const struct store_layout *layout = &store_layouts[table];
    char *slot = row_slot(batch, table);
    if (!slot) goto nomem;
    memcpy(slot, row, layout->size);
    for (int i = 0; i < layout->n_columns; i++) {
        const struct store_column *c = &layout->columns[i];
        bool ok = true;
        if (c->kind == 't' || c->kind == 'b') {
            ok = own_span(&batch->arena, (struct span *)(slot + c->offset));
        } else if (c->kind == 'a') {
            struct store_cell *cell = (struct store_cell *)(slot + c->offset);
            if (cell->kind == STORE_CELL_TEXT) ok = own_span(&batch->arena, &cell->s);
        }
        if (!ok) goto nomem;
    }
    batch->lists[table].last->n++;
    batch->n_rows++;
    return ERR_OK;
nomem:
    FAIL(ERR_NOMEM, "out of memory for a row of %s", layout->name);
}

enum err store_batch_add_sql(struct store_batch *batch, const char *sql,
                             const struct store_cell *values, int n_values)
{
    struct store_statement *s = arena_alloc(&batch->arena, sizeof *s);
    if (!s) goto nomem;
    s->sql = arena_copy(&batch->arena, span_of(sql)).p;
    s->values = arena_array(&batch->arena, (size_t)n_values + 1, sizeof *values);
    if (!s->sql || !s->values) goto nomem;
    for (s->n_values = 0; s->n_values < n_values; s->n_values++) {
        struct store_cell *to = &s->values[s->n_values];
        *to = values[s->n_values];
        if (to->kind == STORE_CELL_TEXT && !own_span(&batch->arena, &to->s)) goto nomem;
    }
    if (batch->last) batch->last->next = s;
    else batch->first = s;
    batch->last = s;
    batch->n_statements++;
    return ERR_OK;
nomem:
    FAIL(ERR_NOMEM, "out of memory for a statement");
}

bool store_batch_next(const struct store_batch *batch, int table, struct store_batch_place *at)
{
    const struct block *b = at->block;
    if (b && ++at->i == b->n) {
        b = b->next;
        at->i = 0;
    } else if (!b) {
        b = batch->lists ? batch->lists[table].first : NULL;
        at->i = 0;
    }
    at->block = b;
    at->row = b ? b->rows + (size_t)at->i * store_layouts[table].size : NULL;
    return b;
}

enum err store_batch_each(const struct store_batch *batch, int table,
                          enum err (*visit)(void *context, const void *row), void *context)
{
    if (!batch->lists) return ERR_OK;
    for (const struct block *b = batch->lists[table].first; b; b = b->next)
        for (int i = 0; i < b->n; i++)
            TRY(visit(context, b->rows + (size_t)i * store_layouts[table].size));
    return ERR_OK;
}
