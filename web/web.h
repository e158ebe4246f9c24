/* web.h - what a page needs: the request, named queries, links, sections, tables, states.
 *
 * A page is one row of routes.def and one function `enum err page_x(struct web_request *q, struct
 * html *h)`, which writes what stands inside <main>; the frame (top bar, rail, title) is put
 * around it afterwards. An error that it returns becomes the error page. Pages only read.
 *
 *   epoll thread ─ parse, check ─► job ─► query thread: page_x(q, h) ─► frame ─► response
 *
 * Threads: a request belongs to the query thread that answers it; each of them has its own
 * connection per file. Memory: what web_* functions return lives in q->arena until the response
 * was made.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include "store/query.h"
#include "store/text.h"
#include "web/html.h"
#include "web/param.h"

enum web_method { WEB_GET = 1, WEB_POST = 2 };

struct web_request;
struct web_page {
    const char *path;   /* "/compiles" */
    const char *parent; /* path of the rail entry that is current on this page, NULL none */
    const char
        *section;      /* rail: "" top, "compiled", "ran", "parts", "file"; NULL: not in the rail */
    const char *label; /* in the rail */
    char key;          /* after g; 0 none */
    const char *title; /* of the page unless it sets q->title */
    unsigned methods;  /* WEB_GET | WEB_POST */
    enum err (*render)(struct web_request *q, struct html *h);
};
extern const struct web_page web_pages[]; /* ends with path == NULL */

struct web_request {
    const struct web_page *page;
    sqlite3 *db;              /* read-only, borrowed */
    struct text_reader *text; /* of the same file, borrowed */
    struct arena arena;
    enum web_method method;
    const struct web_param *params; /* of the address, then of the posted form */
    int n_params;

    /* The file and run that are shown. */
    int file;              /* index; 0 is the first on the command line */
    const char *file_name; /* base name */
    const char *file_path;
    bool live;            /* still being written */
    int64_t run;          /* run.id, 0: the file has none */
    struct span run_name; /* absent when none */
    int n_runs, n_logs;   /* in the file; in the run */

    /* What a page may set. */
    int status;        /* 200 */
    struct span title; /* of the tab and <h1>; default page->title */
    const char
        *content_type;    /* NULL: HTML in the frame; else what is written is the body as it is */
    bool immutable;       /* this address always has this answer: the browser may keep it */
    const char *download; /* file name for Content-Disposition, safe characters only, NULL none */
    struct html drawer;   /* content of the drawer; empty: no drawer */
    struct html actions;  /* links in the title line */
    struct html mark;     /* before the title */
    int64_t deadline_ns;  /* CLOCK_MONOTONIC; a query that runs longer ends with ERR_CANCELLED */
};

/* Request
 * ------------------------------------------------------------------------------------------- */
/* Value of a parameter; NULL when it was not given or is empty. */
const char *web_param(const struct web_request *q, const char *name);
int64_t web_param_int(const struct web_request *q, const char *name, int64_t otherwise);

/* Links: addresses, unescaped (write them with %s). They keep file and run. Pairs of name and
 * value end with NULL; a pair whose value is NULL is left out. */
const char *web_link(struct web_request *q, const char *path, ...) __attribute__((sentinel));
/* This page with its parameters, some of them changed (value "" removes). */
const char *web_here(struct web_request *q, ...) __attribute__((sentinel));
/* log: source_file.name of the compile or artifact; id: "0/1"; offset: artifact.offset. */
const char *web_link_compile(struct web_request *q, struct span log, struct span id,
                             int64_t occurrence);
const char *web_link_artifact(struct web_request *q, struct span log, int64_t offset);

/* Answers with a redirect to an address of ours. */
void web_redirect(struct web_request *q, const char *href);

/* Queries
 * ------------------------------------------------------------------------------------------- */
/* A named query, prepared once per connection, with :run bound to the run's name and every other
 * parameter of the address of its name bound (whole numbers as integers). Borrowed: step with
 * web_step; the next web_query of the same name ends it. */
enum err WARN_UNUSED web_query(struct web_request *q, const char *name, sqlite3_stmt **out);
/* Binds :run and the parameters of the address to a statement of the page's own. */
enum err WARN_UNUSED web_bind_params(struct web_request *q, sqlite3_stmt *s);
/* Another row? At the end or after a failure false; *err is then the result. */
bool web_step(struct web_request *q, sqlite3_stmt *s, enum err *err);
/* First column of the first row; STORE_NULL without a row. */
enum err WARN_UNUSED web_query_int(struct web_request *q, const char *name, int64_t *out);
/* Index of a column by its name, -1 when there is none. */
int web_column_index(sqlite3_stmt *s, const char *name);
/* Columns by name, of the current row. An unknown name is a REQUIRE failure. */
int64_t web_int(sqlite3_stmt *s, const char *column);      /* STORE_NULL for NULL */
double web_real(sqlite3_stmt *s, const char *column);      /* NaN for NULL */
struct span web_text(sqlite3_stmt *s, const char *column); /* borrowed until the next step */
/* Lives as long as the request; absent when it is NULL. */
struct span web_kept(struct web_request *q, sqlite3_stmt *s, const char *column);
struct span web_keep(struct web_request *q,
                     struct span s); /* copy that lives as long as the request */

/* Page pieces
 * --------------------------------------------------------------------------------------- */
/* <section id> with head, note and links SQL CSV JSON Markdown of the query (NULL: none). Close
 * with web_section_end. */
void web_section(struct web_request *q, struct html *h, const char *id, const char *title,
                 const char *note, const char *query);
void web_section_end(struct html *h);
/* Breadcrumb after the run's name: label and address, NULL address for the last. */
void web_crumb(struct web_request *q, struct html *h, const char *label, const char *href);
/* The states of the design: what happened (bold), why and what to do (may be NULL). */
enum web_state { WEB_NOT_RECORDED, WEB_EMPTY, WEB_NO_MATCH, WEB_TRUNCATED, WEB_ERROR, WEB_LOST };
void web_state(struct html *h, enum web_state state, const char *what, const char *why);
/* Text whose `back-ticked` parts are code. */
void web_prose(struct html *h, struct span s);
/* Address of a named query as "csv", "json", "md", or of the console (NULL), with what it takes
 * of this page's parameters. */
const char *web_data_link(struct web_request *q, const char *query, const char *suffix);
/* Hidden inputs for the parameters of the address, except those listed (ends with NULL). */
void web_hidden(struct web_request *q, struct html *h, const char *const *without);
/* A letter in a shape with its word as title; class one of "", bad, warn, good, odd, empty, acc. */
void web_mark(struct html *h, const char *class_, const char *letter, const char *word);
/* A link that is pressed or not, with how many it leads to (STORE_NULL: not shown). */
void web_chip(struct html *h, bool pressed, const char *href, struct span label, int64_t n);
/* The mark of a compile's outcome (ok C, restarted R, empty E, failed F, unknown ?). */
void web_outcome(struct html *h, struct span outcome);
/* Its word, coloured if it needs a look. */
void web_outcome_word(struct html *h, struct span outcome);
/* Mark, id and rank as a link to the compile. */
void web_compile_link(struct web_request *q, struct html *h, struct span log, struct span id,
                      int64_t occurrence, struct span outcome);
/* Bar of width pixels, value of max filled; class b1..b6. */
void web_bar(struct html *h, double value, double max, int width, const char *class_);
/* `file.py:12` with the whole path as title. */
void web_place(struct html *h, struct span file, int64_t line);

/* Tables
 * -------------------------------------------------------------------------------------------- */
enum web_kind {
    WEB_TEXT,  /* text */
    WEB_CODE,  /* text in mono */
    WEB_LONG,  /* text cut in the middle */
    WEB_WRAP,  /* text of several lines */
    WEB_COUNT, /* %n */
    WEB_REAL,  /* a number as it is */
    WEB_MS,    /* ns in the file, ms shown: %m */
    WEB_US,    /* ns in the file, microseconds shown, with one decimal */
    WEB_RATE,  /* bytes or operations per ns: GB/s, with one decimal */
    WEB_BYTES, /* %b */
    WEB_SHARE, /* 0..1 */
    WEB_CLOCK, /* %c */
    /* ns or count as a bar, scaled to the largest of the rows shown; no head, not sortable */
    WEB_BAR,
    WEB_HIDDEN /* not shown, for the filter */
};
enum { WEB_TABLE_ALL = 10000 /* rows shown with ?all=1 */ };
struct web_cell {
    struct web_request *q;
    struct html *h;
    sqlite3_stmt *row;
    const struct web_column *column;
    int index;  /* of the column in the row */
    double max; /* WEB_BAR */
};
struct web_column {
    const char *name;   /* of the query's column */
    const char *head;   /* NULL: none */
    const char *unit;   /* beside the head, NULL: that of the kind, if any */
    const char *class_; /* "fit", "num", "grow", "opt" (not on a phone), "w20", ...; NULL "" */
    enum web_kind kind;
    void (*cell)(struct web_cell *c); /* writes the content of the <td>; NULL: kind says how */
    bool filter;                      /* the filter field looks into it */
};
struct web_table {
    const char
        *id; /* of the element; parameters are sort, after, all, q, or <id>.sort ... when `own` */
    const char *query; /* named query; its :run and others are bound as web_query says */
    const struct web_column *columns; /* ends with name == NULL */
    int limit;                        /* rows shown at once; 0: 50 */
    bool own;                         /* several tables on the page: parameters carry the id */
    bool filter;                      /* show the filter field */
    /* The query costs more than its rows: read it once, counting as it is shown (no WEB_BAR, no
     * filter). */
    bool once;
    bool stack;       /* two-line entries on a phone */
    const char *unit; /* what the rows are, for the foot and the states: "failures" */
    const char *key;  /* column whose value marks the selected row (?sel=), NULL none */
    /* Wording for no rows at all (WEB_EMPTY or WEB_NOT_RECORDED). */
    enum web_state none;
    const char *none_what, *none_why;
};
/* Writes the table, or the state that says why there is none. *n_rows (may be NULL): rows without
 * a filter. */
enum err WARN_UNUSED web_table(struct web_request *q, struct html *h, const struct web_table *t,
                               int64_t *n_rows);

/* Long answers
 * -------------------------------------------------------------------------------------- */
/* Sends what h holds and empties it; the first call sends the headers (status, content_type,
 * download). Waits while the client is slow; ERR_CANCELLED when it went away. After it an error
 * can only cut the answer short. */
enum err WARN_UNUSED web_flush(struct web_request *q, struct html *h);

/* Pages: see routes.def. */
#define PAGE(path, parent, section, label, key, title, methods, function)                          \
    enum err function(struct web_request *q, struct html *h);
#include "web/routes.def"
#undef PAGE

#endif
