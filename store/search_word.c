/* search_word.c - matching rows of `string`, then one pass over each table that uses words to
 * say what for. */
#include "store/search_word.h"

#include "store/base/buf.h"
#include "store/base/lists.h"
#include "store/db.h"

struct use {
    int64_t word, compile, n;
    int kind; /* index in uses, or -1: no use known */
};
struct words {
    sqlite3 *db;
    const struct search_request *request;
    struct search_result *result;
    struct buf ids; /* JSON list of the words that match */
    LIST_OF(struct use) found;
    int64_t n;
};

static const struct {
    const char *what, *sql;
} uses[] = {
#define USE(what, tables, word, compile)                                                           \
    {what, "SELECT " word ", min(" compile "), count(*) FROM " tables " WHERE " word               \
           " IN (SELECT value FROM json_each(?1)) GROUP BY 1"},
#include "store/search_word.def"
#undef USE
};
enum { N_USES = sizeof uses / sizeof *uses };

static enum err add_use(struct words *w, struct use use)
{
    struct use *u = LIST_PUSH(&w->found);
    if (!u) FAIL(ERR_NOMEM, "out of memory for the words found");
    *u = use;
    return ERR_OK;
}

/* Collects the words that match. */
static enum err scan_words(struct words *w, struct match_scan *match)
{
    sqlite3_stmt *s;
    TRY(store_prepare(w->db, "SELECT id, text FROM string", &s));
    enum err err = ERR_OK;
    int rc;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct match m;
        match->slow = NULL;
        if (!match_next(match, store_column_text(s, 1), 0, &m)) continue;
        if (w->request->limit && w->n >= w->request->limit) {
            w->result->limited = true;
            break;
        }
        int64_t id = sqlite3_column_int64(s, 0);
        buf_printf(&w->ids, "%c%lld", w->n++ ? ',' : '[', (long long)id);
        err = add_use(w, (struct use){.word = id, .kind = -1});
    }
    sqlite3_finalize(s);
    if (!err && rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = store_sql_error(w->db, rc, "reading words");
    buf_putc(&w->ids, ']');
    return err ? err : buf_ok(&w->ids);
}

static enum err find_uses(struct words *w, int kind)
{
    sqlite3_stmt *s;
    TRY(store_prepare(w->db, uses[kind].sql, &s));
    sqlite3_bind_text(s, 1, w->ids.p, (int)w->ids.n, SQLITE_STATIC);
    enum err err = ERR_OK;
    int rc;
    while (!err && (rc = sqlite3_step(s)) == SQLITE_ROW)
        err = add_use(w, (struct use){.word = sqlite3_column_int64(s, 0),
                                      .compile = sqlite3_column_int64(s, 1),
                                      .n = sqlite3_column_int64(s, 2),
                                      .kind = kind});
    sqlite3_finalize(s);
    if (!err && rc != SQLITE_DONE) err = store_sql_error(w->db, rc, "reading the uses of words");
    return err;
}

static int by_word(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    if (x->word != y->word) return x->word < y->word ? -1 : 1;
    return x->kind - y->kind;
}

static enum err give_word(struct words *w, sqlite3_stmt *text, struct match_scan *match,
                          const struct use *u)
{
    enum { EXCERPT = 200 };
    sqlite3_bind_int64(text, 1, u->word);
    sqlite3_bind_int64(text, 2, u->compile);
    enum err err = ERR_OK;
    if (sqlite3_step(text) == SQLITE_ROW) {
        struct span whole = store_column_text(text, 0);
        struct match m = {0, 0};
        match->slow = NULL;
        match_next(match, whole, 0, &m);
        const char *before = m.at ? memrchr(whole.p, '\n', m.at) : NULL;
        size_t from = before ? (size_t)(before - whole.p) + 1 : 0;
        if (m.at - from > EXCERPT) from = m.at - EXCERPT / 4;
        struct span rest = span_from(whole, from);
        const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
        struct search_hit hit = {
            .where = SEARCH_IN_WORD,
            .word = u->word,
            .compile = u->compile,
            .compile_id = store_column_text(text, 1),
            .kind = span_of(u->kind < 0 ? "word" : uses[u->kind].what),
            .n_uses = u->n,
            .match_at = m.at - from,
            .match_n = m.n,
        };
        hit.name = hit.kind;
        size_t n = end ? (size_t)(end - rest.p) : rest.n;
        size_t most = hit.match_at + m.n > EXCERPT ? hit.match_at + m.n : EXCERPT;
        hit.excerpt = span_to(rest, n < most ? n : most);
        if (hit.match_at + hit.match_n > hit.excerpt.n) hit.match_n = hit.excerpt.n - hit.match_at;
        w->result->n_hits++;
        err = w->request->hit(w->request->context, &hit);
    }
    sqlite3_reset(text);
    return err;
}

/* A word whose use is known is not told of a second time as a mere word. */
static bool is_told(const struct words *w, size_t i)
{
    return w->found.p[i].kind < 0 && i + 1 < w->found.n &&
           w->found.p[i + 1].word == w->found.p[i].word;
}

static enum err give_words(struct words *w, struct match_scan *match)
{
    if (!w->n) return ERR_OK;
    for (int i = 0; i < N_USES; i++) TRY(find_uses(w, i));
    qsort(w->found.p, w->found.n, sizeof *w->found.p, by_word);
    sqlite3_stmt *text;
    TRY(store_prepare(
        w->db,
        "SELECT text, (SELECT compile_id FROM compile WHERE id = ?2) FROM string WHERE id = ?1",
        &text));
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->found.n; i++)
        if (!is_told(w, i)) err = give_word(w, text, match, &w->found.p[i]);
    sqlite3_finalize(text);
    return err;
}

enum err search_words(sqlite3 *db, const struct search_request *request,
                      const struct match_pattern *pattern, struct search_result *out)
{
    struct words w = {.db = db, .request = request, .result = out};
    struct match_scan match;
    TRY(match_scan_init(&match, pattern));
    enum err err = scan_words(&w, &match);
    if (!err) err = give_words(&w, &match);
    out->n_skipped += match.n_skipped;
    match_scan_release(&match);
    LIST_RELEASE(&w.found);
    buf_release(&w.ids);
    return err;
}
