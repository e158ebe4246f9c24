/* load_words.c - words in pages of numbers, filled by a scan that jumps only where ids do. */
#include "store/diff/load_words.h"

#include "store/query.h"

enum { PAGE = 1024, UNSEEN = UINT32_MAX - 1, NEAR = 64 };

struct load_page {
    uint32_t word[PAGE], plain[PAGE]; /* UNSEEN: not asked for yet */
};

enum err load_words_init(struct load_words *l, sqlite3 *db)
{
    l->db = db;
    return store_prepare(db, "SELECT id, text FROM string WHERE id >= :id ORDER BY id", &l->scan);
}

void load_words_release(struct load_words *l)
{
    sqlite3_finalize(l->scan);
    for (size_t i = 0; i < l->page.n; i++) free(l->page.p[i]);
    LIST_RELEASE(&l->page);
}

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the words of a log");
}

/* Text of a string, absent when there is none; borrowed until the next call. */
static enum err read_text(struct load_words *l, int64_t id, struct span *out)
{
    *out = SPAN_NONE;
    if (!l->at || id <= l->at || id - l->at > NEAR) {
        sqlite3_reset(l->scan);
        TRY(store_bind_int(l->scan, ":id", id));
        l->at = 0;
    }
    while (l->at < id) {
        int rc = sqlite3_step(l->scan);
        if (rc == SQLITE_DONE) {
            l->at = 0;
            return ERR_OK;
        }
        if (rc != SQLITE_ROW) return store_sql_error(l->db, rc, "reading the words of calls");
        l->at = sqlite3_column_int64(l->scan, 0);
    }
    if (l->at == id) *out = store_column_text(l->scan, 1);
    return ERR_OK;
}

static struct load_page *page_of(struct load_words *l, int64_t id)
{
    size_t i = (size_t)id / PAGE;
    while (l->page.n <= i) {
        struct load_page **none = LIST_PUSH(&l->page);
        if (!none) return NULL;
        *none = NULL;
    }
    struct load_page *page = l->page.p[i];
    if (page) return page;
    page = l->page.p[i] = malloc(sizeof *page);
    for (int k = 0; page && k < PAGE; k++) page->word[k] = page->plain[k] = UNSEEN;
    return page;
}

static enum err fill(struct load_words *l, struct diff_words *w, int64_t id, bool plain,
                     uint32_t *slot)
{
    struct span text;
    TRY(read_text(l, id, &text));
    *slot = plain ? diff_plain_word(w, text) : diff_word(w, text);
    return w->failed ? no_memory() : ERR_OK;
}

static enum err find(struct load_words *l, struct diff_words *w, int64_t id, bool plain,
                     uint32_t *out)
{
    *out = DIFF_NONE;
    if (id <= 0 || id >= DIFF_NONE) return ERR_OK;
    struct load_page *page = page_of(l, id);
    if (!page) return no_memory();
    uint32_t *slot = &(plain ? page->plain : page->word)[id % PAGE];
    if (*slot == UNSEEN) TRY(fill(l, w, id, plain, slot));
    *out = *slot;
    return ERR_OK;
}

enum err load_word(struct load_words *l, struct diff_words *w, int64_t id, uint32_t *out)
{
    return find(l, w, id, false, out);
}

enum err load_plain(struct load_words *l, struct diff_words *w, int64_t id, uint32_t *out)
{
    return find(l, w, id, true, out);
}

int64_t load_elements(struct span shape)
{
    int64_t product = 1, size = -1;
    if (!span_starts(shape, "[") || !span_ends(shape, "]")) return -1;
    for (size_t i = 1; i < shape.n; i++) {
        char c = shape.p[i];
        if (c >= '0' && c <= '9') {
            size = (size < 0 ? 0 : size) * 10 + (c - '0');
            if (size > INT64_MAX / 100) return -1;
        } else if (c == ',' || c == ']') {
            if (size < 0) return c == ']' && i == 1 ? 1 : -1;
            if (__builtin_mul_overflow(product, size, &product)) return -1;
            size = -1;
        } else if (c != ' ') {
            return -1; /* a symbol */
        }
    }
    return product;
}
