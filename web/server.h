/* server.h - inside of the server: files, connections, jobs. Pages include web.h only.
 *
 *   http.c    sockets: takes requests, decides (security.c), answers from the cache or queues;
 *             sends what jobs say
 *   pool.c    query threads: open files, run pages, fill jobs
 *   cache.c   finished answers of closed files
 *   frame.c   what stands around a page
 *
 * Locks: web_server.lock guards the queue and the files' generations; job.lock guards what both
 * threads see of a job.
 */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "web/param.h"
#include "store/base/lists.h"
#include "store/db.h"
#include "web/security.h"
#include "web/timeline.h"
#include "web/web.h"

enum {
    WEB_WORKERS = 3,
    WEB_CONNECTIONS = 64,
    WEB_HEADERS_SIZE = 16 << 10,
    WEB_IDLE_S = 60,
    WEB_QUERY_LIMIT_S = 5,
    WEB_STREAM_SIZE = 256 << 10, /* bytes a long answer may be ahead of its client */
    WEB_CACHE_SIZE = 24 << 20
};

/* A trace that is shown. `path` is opened; `shown` is what the user named (a log imported into
 * the cache has both). */
struct web_file {
    char *path, *shown; /* owned */
    const char *name;   /* base name of shown */
    struct stat seen;   /* guarded by server.lock: when it changes, generation grows */
    int generation;
    bool checked;    /* quick_check was done or not asked for */
    bool comparison; /* it compares two runs, and has none of its own */
};

struct web_statement {
    const char *name; /* of the named query, or a table's own text (then owned by the entry) */
    sqlite3_stmt *s;
};
/* Counts beside the pages of a run. */
enum { WEB_MAX_RAIL = 32 };
struct web_rail {
    struct web_rail_count {
        char page[24];    /* path without the slash */
        int64_t n;        /* STORE_NULL: the run has no such data */
        int64_t severity; /* 2 bad, 1 warn, 0 quiet */
    } counts[WEB_MAX_RAIL];
    int n;
    int64_t run; /* 0: nothing was read */
};
/* One worker's connection to one file. */
struct web_open {
    sqlite3 *db;
    struct text_reader *text;
    int generation;
    bool live;
    LIST_OF(struct web_statement) statements;
    struct web_rail rail; /* of the run shown last, while the file does not change */
};

enum web_job_state { JOB_QUEUED, JOB_STREAMING, JOB_DONE };
struct web_job {
    struct web_request q; /* first member: pages' pointer leads back here */
    struct web_server *server;
    struct web_open *open; /* of the worker that runs it */
    struct web_address address;
    char *target;    /* as sent, owned; key of the cache */
    struct buf body; /* posted bytes */
    bool wants_gzip, is_head;
    const char *location; /* redirect, in the arena; set by web_redirect */
    bool no_store;
    struct web_file *shown;
    int generation;
    int64_t file_size; /* bytes, when the request came */

    int phase; /* http.c: 0 new, 1 its body is read, 2 given to the pool */
    int refs;  /* guarded by lock: one of the connection, one of the pool */
    pthread_mutex_t lock;
    pthread_cond_t room; /* the client took some, or went away */
    enum web_job_state state;
    bool suspended; /* the connection waits for us */
    bool gone;      /* the client went away: stop */
    bool failed;    /* stream was cut short */
    int socket;
    struct MHD_Connection *connection;
    struct buf out; /* the answer, or what of it was not yet sent */
    size_t sent;    /* of out, while streaming */
    bool gzipped;
    struct web_job *next;
};

struct web_server {
    struct web_policy policy;
    struct web_file *files;
    int n_files;
    struct MHD_Response **asset_raw, **asset_gzip; /* per row of web_assets */
    struct MHD_Daemon *daemons[2];
    int n_daemons;
    pthread_t workers[WEB_WORKERS];
    int n_workers;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct web_job *first, *last;
    atomic_bool stopping;
    struct web_cache *cache;
    struct timeline_hold *timelines;
};

static inline struct web_job *web_job_of(struct web_request *q)
{
    return (struct web_job *)q;
}
static inline const struct web_job *web_job_of_const(const struct web_request *q)
{
    return (const struct web_job *)q;
}

/* http.c: needs policy (port 0: a free one is chosen and put there), files and n_files. */
enum err WARN_UNUSED web_server_start(struct web_server *s);
void web_server_stop(struct web_server *s);
/* Gives up one reference; the last frees. */
void web_job_drop(struct web_job *job);
/* Tells the sockets' thread that the job's state changed. Called with job->lock held. */
void web_job_wake(struct web_job *job);

/* pool.c */
enum err WARN_UNUSED web_pool_start(struct web_server *s);
void web_pool_stop(struct web_server *s);
/* False when the server is stopping; else the job's second reference is the pool's. */
bool web_pool_add(struct web_server *s, struct web_job *job);
/* A prepared statement kept with the connection. name: of a named query, or any unique text with
 * sql given. */
enum err WARN_UNUSED web_statement(struct web_request *q, const char *name, const char *sql,
                                   sqlite3_stmt **out);
/* Did the client of a job close its connection? From any thread. */
bool web_client_left(struct web_job *job);
/* Looks at the file: generation grows when it was replaced. */
int web_file_generation(struct web_server *s, struct web_file *f, int64_t *size);

/* frame.c: puts the frame around `body` into out. */
void web_frame(struct web_request *q, const struct html *body, struct html *out);
/* Whole pages without data. */
void web_shell(struct html *out, const char *href);
void web_plain(struct html *out, const char *title, const char *what, const char *why);

/* data.c: /data/QUERY.csv and so on; NULL when the path is none. */
const struct web_page *web_data_page(const char *path);
/* timeline_data.c: /timeline/tiles and so on; NULL when the path is none. */
const struct web_page *timeline_data_page(const char *path);
/* Sends the rows of a statement as "csv", "json" or "md". */
enum err WARN_UNUSED web_send_rows(struct web_request *q, struct html *h, sqlite3_stmt *s,
                                   const char *suffix);

/* cache.c */
struct web_answer_key {
    const char *target; /* address as sent */
    int file, generation;
    bool gzip;
};
struct web_cache *web_cache_new(void);
void web_cache_free(struct web_cache *c);
/* Queues the finished answer, if there is one: MHD_YES. */
enum MHD_Result web_cache_send(struct web_cache *c, const struct web_answer_key *k,
                               struct MHD_Connection *connection);
/* Keeps an answer: takes the caller's reference when true. */
bool web_cache_put(struct web_cache *c, const struct web_answer_key *k, int status,
                   struct MHD_Response *response, size_t size);

#endif
