/* http.c - sockets and answers: libmicrohttpd's epoll thread, one per address family.
 *
 * This thread decides, answers from memory (assets, cached pages, refusals), and otherwise
 * suspends the connection and gives a job to the pool. The pool wakes it when the job is done, or
 * when a long answer has some more bytes:
 *
 *   on_request ─ decide ─► cache ─► suspend, pool ┄┄► wake ─ answer
 *   a long answer: ─► read_stream ─► suspend ┄┄► wake ─► read_stream ...
 *
 * Invariant: a connection is suspended only while job->suspended is true, and both change under
 * job->lock.
 */
#include "web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/asset.h"

enum { MEMORY_LIMIT = 40 << 10, STREAM_BLOCK = 32 << 10 };

/* ---- jobs ---- */

static void *new_job(void *context, const char *target, struct MHD_Connection *connection)
{
    struct web_job *job = calloc(1, sizeof *job);
    if (!job) return NULL;
    job->server = context;
    job->connection = connection;
    job->refs = 1;
    job->socket = -1;
    job->target = strdup(target);
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->room, NULL);
    return job;
}

static void free_job(struct web_job *job)
{
    arena_release(&job->q.arena);
    html_release(&job->q.drawer);
    html_release(&job->q.actions);
    html_release(&job->q.mark);
    buf_release(&job->body);
    buf_release(&job->out);
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->room);
    free(job->target);
    free(job);
}

void web_job_drop(struct web_job *job)
{
    pthread_mutex_lock(&job->lock);
    int left = --job->refs;
    pthread_mutex_unlock(&job->lock);
    if (!left) free_job(job);
}

void web_job_wake(struct web_job *job)
{
    if (!job->suspended) return;
    job->suspended = false;
    MHD_resume_connection(job->connection);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)context, (void)connection, (void)why;
    struct web_job *job = *state;
    if (!job) return;
    pthread_mutex_lock(&job->lock);
    job->gone = true;
    pthread_cond_broadcast(&job->room);
    pthread_mutex_unlock(&job->lock);
    web_job_drop(job);
    *state = NULL;
}

/* ---- answers ---- */

static void add_headers(struct MHD_Response *r, const char *type, const char *caching)
{
    for (const struct web_header *h = web_headers; h->name; h++)
        MHD_add_response_header(r, h->name, h->value);
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", caching);
}

static enum MHD_Result send_and_drop(struct MHD_Connection *c, int status, struct MHD_Response *r)
{
    enum MHD_Result sent = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return sent;
}

/* Takes the page's buffer. */
static enum MHD_Result send_page(struct MHD_Connection *c, int status, struct html *page)
{
    struct span text = buf_text(&page->out);
    struct MHD_Response *r =
        MHD_create_response_from_buffer(text.n, page->out.p, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        html_release(page);
        return MHD_NO;
    }
    add_headers(r, "text/html; charset=utf-8", "no-store");
    if (status == 405) MHD_add_response_header(r, "Allow", "GET, HEAD");
    return send_and_drop(c, status, r);
}

static enum MHD_Result send_refusal(struct web_job *job, int status, const char *why)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {{400, "Not understood"},  {403, "Not allowed"}, {404, "Not there"},
                  {405, "Not this way"},    {413, "Too large"},   {415, "Not this form"},
                  {421, "Not this server"}, {431, "Too large"}};
    const char *title = "Trouble";
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status) title = titles[i].title;
    struct html page = {0};
    web_plain(&page, title, why, NULL);
    return send_page(job->connection, status, &page);
}

/* The token is right: the cookie, and the same address without the token. */
static enum MHD_Result send_exchange(struct web_job *job)
{
    struct buf cookie = {0}, href = {0};
    char name[WEB_COOKIE_NAME_SIZE];
    web_cookie_name(name, job->server->policy.port);
    buf_printf(&cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict", name,
               job->server->policy.token);
    web_address_print(&job->address, "token", &href);
    struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result sent = MHD_NO;
    if (r && !buf_ok(&cookie) && !buf_ok(&href)) {
        add_headers(r, "text/html; charset=utf-8", "no-store");
        if (job->server->policy.token[0]) MHD_add_response_header(r, "Set-Cookie", cookie.p);
        MHD_add_response_header(r, "Location", href.p);
        sent = MHD_queue_response(job->connection, 303, r);
    }
    if (r) MHD_destroy_response(r);
    buf_release(&cookie);
    buf_release(&href);
    return sent;
}

static enum MHD_Result send_shell(struct web_job *job)
{
    struct html page = {0};
    struct buf href = {0};
    web_address_print(&job->address, NULL, &href);
    web_shell(&page, href.p ? href.p : "/");
    buf_release(&href);
    return send_page(job->connection, 200, &page);
}

static bool accepts_gzip(struct MHD_Connection *c)
{
    const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept-Encoding");
    return accept && strstr(accept, "gzip") && !strstr(accept, "gzip;q=0");
}

/* ---- assets ---- */

static const char *asset_type(const char *name)
{
    struct span s = span_of(name);
    if (span_ends(s, ".css")) return "text/css; charset=utf-8";
    if (span_ends(s, ".js")) return "text/javascript; charset=utf-8";
    if (span_ends(s, ".svg")) return "image/svg+xml; charset=utf-8";
    return "application/octet-stream";
}

static struct MHD_Response *asset_response(const struct web_asset *a, bool gzip)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        gzip ? a->gzip_size : a->raw_size, (void *)(uintptr_t)(gzip ? a->gzip : a->raw),
        MHD_RESPMEM_PERSISTENT);
    if (!r) return NULL;
    add_headers(r, asset_type(a->name), "public, max-age=31536000, immutable");
    MHD_add_response_header(r, "ETag", a->tag);
    MHD_add_response_header(r, "Vary", "Accept-Encoding");
    if (gzip) MHD_add_response_header(r, "Content-Encoding", "gzip");
    return r;
}

static enum err make_assets(struct web_server *s)
{
    size_t n = 0;
    while (web_assets[n].name) n++;
    s->asset_raw = calloc(n + 1, sizeof *s->asset_raw);
    s->asset_gzip = calloc(n + 1, sizeof *s->asset_gzip);
    for (size_t i = 0; s->asset_raw && s->asset_gzip && i < n; i++) {
        s->asset_raw[i] = asset_response(&web_assets[i], false);
        s->asset_gzip[i] = asset_response(&web_assets[i], true);
        if (!s->asset_raw[i] || !s->asset_gzip[i]) FAIL(ERR_NOMEM, "out of memory for the assets");
    }
    if (!s->asset_raw || !s->asset_gzip) FAIL(ERR_NOMEM, "out of memory for the assets");
    return ERR_OK;
}

static void free_assets(struct MHD_Response **list)
{
    for (size_t i = 0; list && list[i]; i++) MHD_destroy_response(list[i]);
    free(list);
}

static enum MHD_Result send_asset(struct web_job *job, const char *name)
{
    for (size_t i = 0; web_assets[i].name; i++) {
        if (strcmp(web_assets[i].name, name)) continue;
        struct web_server *s = job->server;
        return MHD_queue_response(
            job->connection, 200,
            (accepts_gzip(job->connection) ? s->asset_gzip : s->asset_raw)[i]);
    }
    return send_refusal(job, 404, "There is no such file.");
}

/* ---- the head of a request ---- */

struct head_count {
    size_t size;
    int hosts;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    (void)kind;
    struct head_count *n = context;
    n->size += strlen(key) + (value ? strlen(value) : 0) + 4;
    n->hosts += strcasecmp(key, "Host") == 0;
    return MHD_YES;
}

static struct span header(struct MHD_Connection *c, const char *name)
{
    return span_of(MHD_lookup_connection_value(c, MHD_HEADER_KIND, name));
}

static const struct web_page *find_page(const char *path)
{
    for (const struct web_page *p = web_pages; p->path; p++)
        if (!strcmp(p->path, path)) return p;
    const struct web_page *data = web_data_page(path);
    return data ? data : timeline_data_page(path);
}

static struct web_decision decide(struct web_job *job, const char *method)
{
    struct MHD_Connection *c = job->connection;
    struct head_count n = {0};
    MHD_get_connection_values(c, MHD_HEADER_KIND, count_header, &n);
    if (n.size > WEB_HEADERS_SIZE)
        return (struct web_decision){WEB_REFUSE, 431, "The headers are larger than 16 KB."};
    struct web_head h = {
        .method = span_of(method),
        .host = n.hosts == 1 ? header(c, "Host") : SPAN_NONE,
        .origin = header(c, "Origin"),
        .fetch_site = header(c, "Sec-Fetch-Site"),
        .fetch_mode = header(c, "Sec-Fetch-Mode"),
        .fetch_dest = header(c, "Sec-Fetch-Dest"),
        .cookie = header(c, "Cookie"),
        .token = span_of(web_address_param(&job->address, "token")),
        .may_post = job->q.page && (job->q.page->methods & WEB_POST),
        .is_public = !strncmp(job->address.path, "/a/", 3),
    };
    return web_decide(&job->server->policy, &h);
}

/* The file that the address names; false: there is none. */
static bool choose_file(struct web_job *job)
{
    int64_t i = 0;
    const char *text = web_address_param(&job->address, "file");
    if (text && *text && !span_to_i64(span_of(text), &i)) return false;
    if (i < 0 || i >= job->server->n_files) return false;
    job->q.file = (int)i;
    job->shown = &job->server->files[i];
    job->q.file_name = job->shown->name;
    job->q.file_path = job->shown->shown;
    job->generation = web_file_generation(job->server, job->shown, &job->file_size);
    return true;
}

static enum MHD_Result begin(struct web_job *job, const char *method)
{
    job->phase = 1;
    if (!job->target) return MHD_NO;
    enum err err = web_address_parse(span_of(job->target), &job->q.arena, &job->address);
    if (err) job->address.path = "/";
    job->q.page = find_page(job->address.path);
    struct web_decision d = decide(job, method);
    if (d.verdict == WEB_REFUSE) return send_refusal(job, d.status, d.why);
    if (err) return send_refusal(job, 400, err_text());
    if (d.verdict == WEB_SHELL) return send_shell(job);
    if (d.verdict == WEB_EXCHANGE) return send_exchange(job);
    if (!strncmp(job->address.path, "/a/", 3)) return send_asset(job, job->address.path + 3);
    if (!job->q.page) return send_refusal(job, 404, "There is no page at this address.");
    if (!choose_file(job))
        return send_refusal(job, 404, "The address names a file that this server does not show.");
    job->wants_gzip = accepts_gzip(job->connection);
    job->is_head = !strcmp(method, "HEAD");
    job->q.method = !strcmp(method, "POST") ? WEB_POST : WEB_GET;
    struct web_answer_key key = {job->target, job->q.file, job->generation, job->wants_gzip};
    if (job->q.method == WEB_GET &&
        web_cache_send(job->server->cache, &key, job->connection) == MHD_YES)
        return MHD_YES;
    if (job->q.method == WEB_POST) {
        struct span type = header(job->connection, "Content-Type");
        if (!span_starts(type, "application/x-www-form-urlencoded"))
            return send_refusal(job, 415, "Expected a form.");
    }
    return MHD_YES;
}

/* ---- to the pool and back ---- */

static enum MHD_Result submit(struct web_job *job)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(job->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info) job->socket = info->connect_fd;
    if (job->q.method == WEB_POST &&
        web_form_parse(buf_text(&job->body), &job->q.arena, &job->address))
        return send_refusal(job, 400, err_text());
    job->q.params = job->address.params;
    job->q.n_params = job->address.n_params;
    job->q.status = 200;
    job->q.title = span_of(job->q.page->title);
    job->phase = 2;
    pthread_mutex_lock(&job->lock);
    job->refs++;
    job->suspended = true;
    MHD_suspend_connection(job->connection);
    pthread_mutex_unlock(&job->lock);
    if (web_pool_add(job->server, job)) return MHD_YES;
    pthread_mutex_lock(&job->lock);
    job->state = JOB_DONE;
    job->no_store = true;
    job->q.status = 503;
    web_job_wake(job);
    pthread_mutex_unlock(&job->lock);
    web_job_drop(job);
    return MHD_YES;
}

/* More bytes of a long answer; when there are none yet the connection waits. */
static ssize_t read_stream(void *context, uint64_t position, char *to, size_t size)
{
    (void)position;
    struct web_job *job = context;
    pthread_mutex_lock(&job->lock);
    size_t n = job->out.n - job->sent;
    ssize_t result = 0;
    if (n) {
        n = n < size ? n : size;
        memcpy(to, job->out.p + job->sent, n);
        job->sent += n;
        if (job->sent == job->out.n) job->sent = 0, buf_clear(&job->out);
        pthread_cond_signal(&job->room);
        result = (ssize_t)n;
    } else if (job->state == JOB_DONE) {
        result = job->failed || job->out.failed ? MHD_CONTENT_READER_END_WITH_ERROR
                                                : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        job->suspended = true;
        MHD_suspend_connection(job->connection);
    }
    pthread_mutex_unlock(&job->lock);
    return result;
}

static void describe(const struct web_job *job, struct MHD_Response *r)
{
    const struct web_request *q = &job->q;
    add_headers(r, q->content_type ? q->content_type : "text/html; charset=utf-8",
                q->immutable ? "private, max-age=31536000, immutable" : "private, no-cache");
    MHD_add_response_header(r, "Vary", "Accept-Encoding, Cookie");
    if (job->gzipped) MHD_add_response_header(r, "Content-Encoding", "gzip");
    if (job->location) MHD_add_response_header(r, "Location", job->location);
    if (!q->download) return;
    struct buf b = {0};
    buf_puts(&b, "attachment; filename=\"");
    web_safe_name(span_of(q->download), &b);
    buf_puts(&b, "\"");
    if (b.p) MHD_add_response_header(r, "Content-Disposition", b.p);
    buf_release(&b);
}

static bool keeps(const struct web_job *job)
{
    return job->q.status == 200 && job->q.method == WEB_GET && !job->q.live && !job->no_store &&
           !job->location;
}

/* Called with job->lock held. */
static enum MHD_Result answer(struct web_job *job)
{
    if (job->state == JOB_STREAMING) {
        struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                                                   read_stream, job, NULL);
        if (!r) return MHD_NO;
        describe(job, r);
        return send_and_drop(job->connection, job->q.status, r);
    }
    size_t n = job->out.n;
    struct MHD_Response *r = MHD_create_response_from_buffer(n, job->out.p, MHD_RESPMEM_MUST_FREE);
    if (!r) return MHD_NO;
    job->out = (struct buf){0};
    describe(job, r);
    int status = job->location ? 303 : job->q.status;
    enum MHD_Result sent = MHD_queue_response(job->connection, (unsigned)status, r);
    struct web_answer_key key = {job->target, job->q.file, job->generation, job->wants_gzip};
    if (!keeps(job) || !web_cache_put(job->server->cache, &key, status, r, n))
        MHD_destroy_response(r);
    return sent;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    (void)context, (void)url, (void)version, (void)connection;
    struct web_job *job = *state;
    if (!job) return MHD_NO;
    if (job->phase == 0) {
        enum MHD_Result r = begin(job, method);
        err_clear();
        return r;
    }
    if (job->phase == 1 && *size) {
        if (job->body.n + *size > WEB_MAX_BODY) job->body.failed = true;
        else buf_put(&job->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (job->phase == 1) {
        if (job->body.failed) return send_refusal(job, 413, "A form may have 1 MB.");
        return submit(job);
    }
    if (job->phase == 3) return MHD_YES; /* answered */
    job->phase = 3;
    pthread_mutex_lock(&job->lock);
    enum MHD_Result sent = answer(job);
    pthread_mutex_unlock(&job->lock);
    return sent;
}

/* ---- start and stop ---- */

static int listen_on(int family, int port, enum err *err)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
    if (fd < 0) {
        *err = err_set(ERR_IO, "a socket cannot be made: %s", strerror(errno));
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t n = family == AF_INET ? sizeof v4 : sizeof v6;
    if (bind(fd, a, n) || listen(fd, 64)) {
        *err = errno == EADDRINUSE
                   ? err_set(ERR_EXISTS,
                             "port %d is taken (another plumb serve?): choose another with --port, "
                             "or a free one with --port 0",
                             port)
                   : err_set(ERR_IO, "port %d cannot be listened on: %s", port, strerror(errno));
        close(fd);
        return -1;
    }
    *err = ERR_OK;
    return fd;
}

static enum err start_daemon(struct web_server *s, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_Daemon *d = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)WEB_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)WEB_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT,
        MHD_OPTION_URI_LOG_CALLBACK, new_job, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_END);
    if (!d) {
        close(fd);
        FAIL(ERR_IO, "the HTTP server cannot be started: %s", strerror(errno));
    }
    s->daemons[s->n_daemons++] = d;
    return ERR_OK;
}

static int port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    return getsockname(fd, (struct sockaddr *)&a, &n) ? 0 : ntohs(a.sin_port);
}

enum err web_server_start(struct web_server *s)
{
    enum err err;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    s->cache = web_cache_new();
    s->timelines = timeline_hold_new();
    if (!s->cache || !s->timelines) FAIL(ERR_NOMEM, "out of memory for the server");
    TRY(make_assets(s));
    int fd = listen_on(AF_INET, s->policy.port, &err);
    if (fd < 0) return err;
    s->policy.port = port_of(fd);
    enum err started = web_pool_start(s);
    if (started) {
        close(fd);
        return started;
    }
    TRY(start_daemon(s, fd));
    int fd6 = listen_on(AF_INET6, s->policy.port,
                        &err); /* a machine without IPv6 is served on 127.0.0.1 */
    if (fd6 < 0) err_clear();
    else TRY(start_daemon(s, fd6));
    return ERR_OK;
}

void web_server_stop(struct web_server *s)
{
    for (int i = 0; i < s->n_daemons; i++) {
        MHD_socket fd = MHD_quiesce_daemon(s->daemons[i]);
        if (fd >= 0) close(fd);
    }
    web_pool_stop(s);
    for (int i = 0; i < s->n_daemons; i++) MHD_stop_daemon(s->daemons[i]);
    web_cache_free(s->cache);
    timeline_hold_free(s->timelines);
    free_assets(s->asset_raw);
    free_assets(s->asset_gzip);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
}
