/* divergence_places.c - where it differs and what it has in common: step by module, operators by
 * what they are called with, calls that only one run has, the logs side by side. */
#include "web/divergence.h"

#include <string.h>

enum { MOST_COLUMNS = 12, MOST_ROWS = 60, MOST_CELLS = MOST_COLUMNS * MOST_ROWS };

/* ---- step by module ---- */

struct cell {
    struct span step, phase, module;
    int64_t n, differing, worst, first;
};
struct heat {
    struct cell *cell;
    int n, column[MOST_COLUMNS], n_columns; /* cells that begin a column, a row */
    int row[MOST_ROWS], n_rows;
    bool cut;
};

static bool same_text(struct span a, struct span b)
{
    return a.n == b.n && (!a.n || span_eq(a, b));
}

static bool same_column(const struct cell *a, const struct cell *b)
{
    return same_text(a->step, b->step) && same_text(a->phase, b->phase);
}

static void add_axes(struct heat *m, int i)
{
    int c = 0, r = 0;
    while (c < m->n_columns && !same_column(&m->cell[m->column[c]], &m->cell[i])) c++;
    while (r < m->n_rows && !same_text(m->cell[m->row[r]].module, m->cell[i].module)) r++;
    if (c == m->n_columns && c < MOST_COLUMNS) m->column[m->n_columns++] = i;
    else if (c == m->n_columns) m->cut = true;
    if (r == m->n_rows && r < MOST_ROWS) m->row[m->n_rows++] = i;
    else if (r == m->n_rows) m->cut = true;
}

static enum err read_heat(struct web_request *q, struct heat *m)
{
    sqlite3_stmt *s;
    enum err err = ERR_OK;
    m->cell = arena_array(&q->arena, MOST_CELLS, sizeof *m->cell);
    if (!m->cell) FAIL(ERR_NOMEM, "out of memory for a heat map");
    TRY(web_query(q, "divergence_heat", &s));
    while (m->n < MOST_CELLS && web_step(q, s, &err)) {
        m->cell[m->n] =
            (struct cell){web_kept(q, s, "step"), web_kept(q, s, "phase"), web_kept(q, s, "module"),
                          web_int(s, "n"),        web_int(s, "differing"), web_int(s, "worst"),
                          web_int(s, "first")};
        add_axes(m, m->n++);
    }
    m->cut |= m->n == MOST_CELLS;
    sqlite3_reset(s);
    return err;
}

static const char *or_none(struct span s)
{
    return s.n ? s.p : "-";
}

static void put_cell(struct web_request *q, struct html *h, const struct cell *c)
{
    int64_t differing = c->differing == STORE_NULL ? 0 : c->differing;
    html(h, "<td class=\"cell\"><a href=\"%s#rows\" title=\"%n of %n differ\">",
         web_here(q, "at", divergence_number(q, c->first), "step", or_none(c->step), "phase",
                  or_none(c->phase), "module", or_none(c->module), "verdict", "", "after", "",
                  "from", "", "open", "", NULL),
         differing, c->n);
    divergence_mark(h, divergence_look(c->worst));
    html(h, "<span class=\"%s\">%n/%n</span></a></td>", divergence_look(c->worst)->text, differing,
         c->n);
}

static const struct cell *find_cell(const struct heat *m, int row, int column)
{
    const struct cell *r = &m->cell[m->row[row]], *c = &m->cell[m->column[column]];
    for (int i = 0; i < m->n; i++)
        if (same_column(&m->cell[i], c) && same_text(m->cell[i].module, r->module))
            return &m->cell[i];
    return NULL;
}

static void put_heat_row(struct web_request *q, struct html *h, const struct heat *m, int row)
{
    struct span module = m->cell[m->row[row]].module;
    if (module.n) html(h, "<tr><td class=\"fit\"><code>%s</code></td>", module);
    else html(h, "<tr><td class=\"fit dim\">(no module)</td>");
    for (int c = 0; c < m->n_columns; c++) {
        const struct cell *cell = find_cell(m, row, c);
        if (cell) put_cell(q, h, cell);
        else html(h, "<td></td>");
    }
    html(h, "</tr>\n");
}

static void put_heat_head(struct html *h, const struct heat *m)
{
    html(h, "<div class=\"tw\"><table class=\"auto\"><thead><tr><th>Module</th>");
    for (int c = 0; c < m->n_columns; c++) {
        const struct cell *one = &m->cell[m->column[c]];
        html(h, "<th>%s <small>%s</small></th>", one->step.n ? one->step : SPAN("(no step)"),
             one->phase);
    }
    html(h, "</tr></thead><tbody>\n");
}

static enum err write_heat(struct web_request *q, struct html *h)
{
    struct heat m = {0};
    TRY(read_heat(q, &m));
    if (!m.n) return ERR_OK;
    web_section(q, h, "heat", "By step and module", "letter of the worst verdict, differing of all",
                "divergence_heat");
    put_heat_head(h, &m);
    for (int r = 0; r < m.n_rows; r++) put_heat_row(q, h, &m, r);
    html(h, "</tbody></table>");
    if (m.cut)
        html(h, "<div class=\"cut\">The first modules of the steps around the cursor; the export "
                "has all of them.</div>");
    html(h, "</div>");
    web_section_end(h);
    return ERR_OK;
}

/* ---- tables ---- */

static void cell_count(struct web_cell *c)
{
    int64_t n = web_int(c->row, c->column->name);
    if (n == STORE_NULL || !n) html(c->h, "<span class=\"dim\">0</span>");
    else
        for (int v = 0; v < DIFF_N_VERDICTS; v++)
            if (!strcmp(c->column->name, divergence_look(v)->word))
                html(c->h, "<b class=\"%s\">%n</b>", divergence_look(v)->text, n);
}

/* A label that leads to the calls around a pair; there may be none. */
static void put_jump(struct web_cell *c, int64_t pair, struct span label)
{
    if (pair == STORE_NULL) html(c->h, "<span class=\"k\">%s</span>", label);
    else
        html(c->h, "<a class=\"k\" href=\"%s#rows\">%s</a>",
             web_here(c->q, "at", divergence_number(c->q, pair), "from", "", "open", "", "verdict",
                      "", "step", "", "phase", "", "module", "", "after", "", NULL),
             label);
}

static void cell_first(struct web_cell *c)
{
    put_jump(c, web_int(c->row, "first"), web_text(c->row, "name"));
}

#define COUNT(word, letter)                                                                        \
    {                                                                                              \
        .name = word, .head = letter, .class_ = "num", .cell = cell_count                          \
    }
#define COUNTS                                                                                     \
    COUNT("input", "I"), COUNT("origin", "O"), COUNT("argument", "P"), COUNT("structure", "S"),    \
        COUNT("receiver", "R"), COUNT("masked", "M"), COUNT("same", "=")

static const struct web_column OPERATORS[] = {
    {.name = "name", .head = "Operator", .class_ = "w25", .cell = cell_first},
    {.name = "attribute", .head = "Attribute", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "args", .head = "Called with", .class_ = "grow opt", .kind = WEB_CODE},
    {.name = "n", .head = "n", .kind = WEB_COUNT},
    COUNTS,
    {0}};

static void cell_layer(struct web_cell *c)
{
    put_jump(c, web_int(c->row, "first"), web_text(c->row, "modules"));
}

static const struct web_column LAYERS[] = {
    {.name = "modules", .head = "Modules", .class_ = "w25", .cell = cell_layer},
    {.name = "layers", .head = "Alike", .kind = WEB_COUNT},
    {.name = "from_module", .head = "First", .class_ = "grow opt", .kind = WEB_CODE},
    {.name = "to_module", .head = "Last", .class_ = "grow opt", .kind = WEB_CODE},
    COUNTS,
    {0}};

static const struct web_column ALONE[] = {
    {.name = "only_in", .head = "Only in", .class_ = "fit", .kind = WEB_TEXT},
    {.name = "name", .head = "Operator", .class_ = "w25", .cell = cell_first},
    {.name = "args", .head = "Called with", .class_ = "grow opt", .kind = WEB_CODE},
    {.name = "n", .head = "n", .kind = WEB_COUNT},
    {0}};

static void cell_lane(struct web_cell *c)
{
    int64_t first = web_int(c->row, "first_pair"), low = web_int(c->row, "low");
    put_jump(c, first == STORE_NULL ? low : first, web_text(c->row, "a_log"));
}

static const struct web_column LANES[] = {
    {.name = "a_log", .head = "Log of A", .class_ = "w20", .cell = cell_lane},
    {.name = "b_log", .head = "Log of B", .class_ = "w20 opt", .kind = WEB_CODE},
    {.name = "a_calls", .head = "Calls", .unit = "A", .kind = WEB_COUNT},
    {.name = "b_calls", .head = "Calls", .unit = "B", .kind = WEB_COUNT},
    {.name = "same", .head = "Same", .kind = WEB_COUNT},
    {.name = "origins", .head = "Origins", .kind = WEB_COUNT},
    {.name = "receivers", .head = "Receivers", .kind = WEB_COUNT},
    {.name = "first_call", .head = "First difference", .class_ = "num", .kind = WEB_TEXT},
    {.name = "first_name", .head = "", .class_ = "opt", .kind = WEB_CODE},
    {0}};

static enum err write_table(struct web_request *q, struct html *h, const struct web_table *t,
                            const char *title, const char *note)
{
    web_section(q, h, t->id, title, note, t->query);
    TRY(web_table(q, h, t, NULL));
    web_section_end(h);
    return ERR_OK;
}

enum err divergence_write_places(struct web_request *q, struct html *h, const struct divergence *d)
{
    static const struct web_table operators = {.id = "discriminator",
                                               .query = "divergence_discriminator",
                                               .columns = OPERATORS,
                                               .limit = 20,
                                               .own = true,
                                               .unit = "groups",
                                               .none = WEB_EMPTY,
                                               .none_what = "No operator makes a difference.",
                                               .none_why = "There is nothing to tell apart."};
    static const struct web_table layers = {.id = "layers",
                                            .query = "divergence_layers",
                                            .columns = LAYERS,
                                            .limit = 20,
                                            .own = true,
                                            .unit = "groups"};
    static const struct web_table alone = {.id = "alone",
                                           .query = "divergence_alone",
                                           .columns = ALONE,
                                           .limit = 20,
                                           .own = true,
                                           .unit = "calls"};
    static const struct web_table lanes = {
        .id = "lanes", .query = "divergence_lanes", .columns = LANES, .own = true, .unit = "logs"};
    TRY(write_heat(q, h));
    TRY(write_table(q, h, &operators, "What tells bad from good",
                    "operators that make a difference, by what they are called with"));
    if (d->first != STORE_NULL)
        TRY(write_table(q, h, &layers, "Layers that differ alike",
                        "modules that differ in a number only; counts of each of them"));
    if (d->n[DIFF_STRUCTURE] || d->a_calls != d->b_calls)
        TRY(write_table(q, h, &alone, "Only in one run", "calls without a partner"));
    if (d->lanes < 2) return ERR_OK;
    return write_table(q, h, &lanes, "Logs side by side", "one per rank or thread");
}
