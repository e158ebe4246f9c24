/* pack_copy.c - copies table by table; rows that refer to rewritten text get their new places,
 * text columns new words. */
#include "store/pack_copy.h"

#include <stdlib.h>

#include "store/db.h"
#include "store_rows.h"

struct copier {
    sqlite3 *from, *to;
    const struct pack_plan *plan;
    struct pack_copied *copied;
    bool rewritten; /* streams were rewritten: places hold */
    struct pack_places places;
    struct map word_kinds; /* id of a string -> enum redact_kind where it is no free text */
    struct map loc_words; /* id of a string that is source text too -> id of the row for that use */
    int64_t next_word;
    struct buf cell;
    sqlite3_stmt *row, *put; /* of the table being copied */
    const struct store_layout *layout;
};

/* Index of a column of the table being copied. */
static int column(const struct copier *c, const char *name)
{
    for (int i = 0; i < c->layout->n_columns; i++)
        if (!strcmp(c->layout->columns[i].name, name)) return i;
    REQUIRE("pack:column", !"a column of the schema");
    return -1;
}

/* ---- rows that are changed ---- */

static enum err place_artifact(struct copier *c)
{
    int64_t *index = map_get(&c->places.artifacts,
                             map_key_int(sqlite3_column_int64(c->row, column(c, "id")), 0));
    if (!index) return ERR_OK;
    const struct pack_place *p = &c->places.p[*index];
    sqlite3_bind_int64(c->put, column(c, "offset") + 1, p->offset);
    sqlite3_bind_int64(c->put, column(c, "stored") + 1, p->stored);
    int flags = column(c, "flags");
    if (p->cut) {
        sqlite3_bind_int64(c->put, flags + 1,
                           sqlite3_column_int64(c->row, flags) | PACK_ARTIFACT_CUT);
    } else if (p->has_md5) {
        sqlite3_bind_int64(c->put, column(c, "size") + 1, p->size);
        sqlite3_bind_blob(c->put, column(c, "md5") + 1, p->md5, 16, SQLITE_STATIC);
    }
    return ERR_OK;
}

static enum err place_offset(struct copier *c)
{
    int offset = column(c, "offset");
    if (sqlite3_column_type(c->row, offset) == SQLITE_NULL) return ERR_OK;
    int64_t source = sqlite3_column_int64(c->row, column(c, "source"));
    int64_t *at =
        map_get(&c->places.offsets, map_key_int(source, sqlite3_column_int64(c->row, offset)));
    if (at) sqlite3_bind_int64(c->put, offset + 1, *at);
    else sqlite3_bind_null(c->put, offset + 1);
    return ERR_OK;
}

/* What follows the header of an unknown record may be shorter now; its artifact row says by how
 * much. */
static enum err place_unknown(struct copier *c)
{
    TRY(place_offset(c));
    int64_t artifact = sqlite3_column_int64(c->row, column(c, "artifact"));
    int64_t *index = map_get(&c->places.artifacts, map_key_int(artifact, 0));
    int offset = column(c, "offset");
    int64_t source = sqlite3_column_int64(c->row, column(c, "source"));
    int64_t *at =
        map_get(&c->places.offsets, map_key_int(source, sqlite3_column_int64(c->row, offset)));
    if (!index || !at) return ERR_OK;
    const struct pack_place *p = &c->places.p[*index];
    sqlite3_bind_int64(c->put, column(c, "stored") + 1, p->offset + p->stored - *at);
    return ERR_OK;
}

static enum err place_source(struct copier *c)
{
    int64_t *size =
        map_get(&c->places.sizes, map_key_int(sqlite3_column_int64(c->row, column(c, "id")), 0));
    if (size) sqlite3_bind_int64(c->put, column(c, "size") + 1, *size);
    return ERR_OK;
}

static enum err bind_redacted(struct copier *c, int i, enum redact_kind kind)
{
    buf_clear(&c->cell);
    redact_text(c->plan->redactor, kind, store_column_text(c->row, i), &c->cell);
    TRY(buf_ok(&c->cell));
    sqlite3_bind_text64(c->put, i + 1, buf_text(&c->cell).p, c->cell.n, SQLITE_TRANSIENT,
                        SQLITE_UTF8);
    return ERR_OK;
}

static enum err put_row(struct copier *c)
{
    int rc = sqlite3_step(c->put);
    sqlite3_reset(c->put);
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(c->to, rc, "writing a packed row");
}

/* A word is redacted as what it is used as; where it is source text too, that use gets a row of
 * its own. */
static enum err redact_word(struct copier *c)
{
    int64_t id = sqlite3_column_int64(c->row, 0);
    int64_t *loc = map_get(&c->loc_words, map_key_int(id, 0));
    if (loc) {
        sqlite3_bind_int64(c->put, 1, *loc);
        TRY(bind_redacted(c, 1, REDACT_SOURCE));
        TRY(put_row(c));
        sqlite3_bind_int64(c->put, 1, id);
    }
    int64_t *kind = map_get(&c->word_kinds, map_key_int(id, 0));
    return bind_redacted(c, 1, kind ? (enum redact_kind) * kind : REDACT_TEXT);
}

static enum err redact_frame(struct copier *c)
{
    int loc = column(c, "loc");
    int64_t *word = map_get(&c->loc_words, map_key_int(sqlite3_column_int64(c->row, loc), 0));
    if (word) sqlite3_bind_int64(c->put, loc + 1, *word);
    return ERR_OK;
}

static enum err redact_row(struct copier *c)
{
    const char *table = c->layout->name;
    if (!strcmp(table, "string")) return redact_word(c);
    if (!strcmp(table, "stack")) return redact_frame(c);
    if (!strcmp(table, "meta") && strstr((const char *)sqlite3_column_text(c->row, 0), "command"))
        return bind_redacted(c, 1, REDACT_SECRET);
    for (int i = 0; i < c->layout->n_columns; i++) {
        if (sqlite3_column_type(c->row, i) != SQLITE_TEXT) continue;
        TRY(bind_redacted(c, i, redact_column(table, c->layout->columns[i].name)));
    }
    return ERR_OK;
}

/* ---- tables ---- */

static enum err change_row(struct copier *c)
{
    static const struct {
        const char *table;
        enum err (*place)(struct copier *c);
    } places[] = {{"artifact", place_artifact},
                  {"loss", place_offset},
                  {"unknown_record", place_unknown},
                  {"source_file", place_source}};
    if (!c->rewritten) return ERR_OK;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (!strcmp(c->layout->name, places[i].table)) TRY(places[i].place(c));
    return c->plan->redactor ? redact_row(c) : ERR_OK;
}

static enum err copy_rows(struct copier *c)
{
    int rc;
    while ((rc = sqlite3_step(c->row)) == SQLITE_ROW) {
        for (int i = 0; i < c->layout->n_columns; i++)
            sqlite3_bind_value(c->put, i + 1, sqlite3_column_value(c->row, i));
        TRY(pack_go_on(c->plan->stop));
        TRY(change_row(c));
        TRY(put_row(c));
    }
    return rc == SQLITE_DONE ? ERR_OK : store_sql_error(c->from, rc, "reading rows");
}

static enum err copy_table(struct copier *c, const struct store_layout *layout)
{
    struct buf sql = {0};
    c->layout = layout;
    for (int i = 0; i < layout->n_columns; i++)
        buf_printf(&sql, "%s%s", i ? "," : "SELECT ", layout->columns[i].name);
    buf_printf(&sql, " FROM main.%s", layout->name);
    enum err err = buf_ok(&sql);
    if (!err) err = store_prepare(c->from, sql.p, &c->row);
    if (!err) err = store_prepare(c->to, layout->insert, &c->put);
    if (!err) err = copy_rows(c);
    sqlite3_finalize(c->row);
    sqlite3_finalize(c->put);
    c->row = c->put = NULL;
    buf_release(&sql);
    return err;
}

static bool is_left_out(const struct copier *c, const char *table)
{
    if (!strcmp(table, "text_frame")) return c->rewritten;
    static const char *const events[] = {"event",      "arg",      "track",  "call", "redistribute",
                                         "tensor_use", "call_log", "launch", "copy", "sync",
                                         "alloc",      "link",     "counter"};
    for (size_t i = 0; i < sizeof events / sizeof *events && c->plan->cut_events; i++)
        if (!strcmp(table, events[i])) return true;
    return false;
}

/* ---- which words are what ---- */

static enum err learn(struct copier *c, const char *sql, struct map *to, bool own_row)
{
    sqlite3_stmt *s;
    TRY(store_prepare(c->from, sql, &s));
    enum err err = ERR_OK;
    int rc;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        bool added;
        int64_t value = own_row ? c->next_word : REDACT_PATH;
        if (!map_put(to, map_key_int(sqlite3_column_int64(s, 0), 0), value, &added))
            err = err_set(ERR_NOMEM, "out of memory for words");
        else if (own_row && added) c->next_word++;
    }
    sqlite3_finalize(s);
    if (!err && rc != SQLITE_DONE) err = store_sql_error(c->from, rc, "reading the uses of words");
    return err;
}

static enum err learn_words(struct copier *c)
{
    TRY(store_int(c->from, "SELECT coalesce(max(id), 0) + 1 FROM string", &c->next_word));
    TRY(learn(c, "SELECT file FROM stack WHERE file IS NOT NULL", &c->word_kinds, false));
    TRY(learn(c, "SELECT file FROM compile WHERE file IS NOT NULL", &c->word_kinds, false));
    TRY(learn(c, "SELECT file_name FROM artifact WHERE file_name IS NOT NULL", &c->word_kinds,
              false));
    return learn(c, "SELECT loc FROM stack WHERE loc IS NOT NULL", &c->loc_words, true);
}

static enum err copy_all(struct copier *c)
{
    c->rewritten = c->plan->cut.n || c->plan->cut_events || c->plan->redactor;
    TRY(store_exec(c->to,
                   "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN; DELETE FROM meta;"));
    if (c->rewritten) TRY(pack_text(c->from, c->to, c->plan, &c->places, c->copied));
    if (c->plan->redactor) TRY(learn_words(c));
    if (c->plan->cut_events)
        TRY(store_int(c->from, "SELECT count(*) FROM event", &c->copied->n_events));
    for (int i = 0; i < STORE_N_TABLES; i++)
        if (!is_left_out(c, store_layouts[i].name)) TRY(copy_table(c, &store_layouts[i]));
    TRY(store_exec(
        c->to,
        "INSERT OR IGNORE INTO meta SELECT 'packed_from', value FROM meta WHERE key = 'state'"));
    TRY(store_meta_put(c->to, "state", "packed"));
    return store_exec(c->to, "COMMIT");
}

enum err pack_copy(sqlite3 *from, const char *to, const struct pack_plan *plan,
                   struct pack_copied *out)
{
    struct copier c = {.from = from, .plan = plan, .copied = out};
    *out = (struct pack_copied){0};
    TRY(store_create(to, &c.to));
    enum err err = copy_all(&c);
    pack_places_release(&c.places);
    map_release(&c.word_kinds);
    map_release(&c.loc_words);
    buf_release(&c.cell);
    store_close(c.to);
    return err;
}
