/* exp_walk.c - cuts a stored stream into records again and counts files as tlparse 0.4.3 does. */
#include "capture/exp_walk.h"

#include "capture/envelopes.def"
#include "store/db.h"
#include "store/text.h"

enum file_kind {
    FILE_NONE,     /* no file of its own: payload goes to payloads/ */
    FILE_PAYLOAD,  /* the payload itself, named after the key */
    FILE_NAMED,    /* the payload itself, named by the metadata */
    FILE_MADE,     /* a page made of it: the payload goes to payloads/ besides */
    FILE_ARTIFACT, /* by encoding */
    FILE_CODE,     /* a page named after the stem of a file name */
    FILE_CHILD,    /* the key and the metadata's name */
    FILE_DUMP,     /* a page in dump_file/ without a number in its name */
    FILE_LINK,     /* no file, but a number */
};
/* key, kind of file */
#define FILES(X)                                                                                   \
    X(dynamo_output_graph, FILE_PAYLOAD)                                                           \
    X(optimize_ddp_split_graph, FILE_PAYLOAD)                                                      \
    X(compiled_autograd_graph, FILE_PAYLOAD)                                                       \
    X(aot_forward_graph, FILE_PAYLOAD)                                                             \
    X(aot_backward_graph, FILE_PAYLOAD)                                                            \
    X(aot_inference_graph, FILE_PAYLOAD)                                                           \
    X(aot_joint_graph, FILE_PAYLOAD)                                                               \
    X(inductor_pre_grad_graph, FILE_PAYLOAD)                                                       \
    X(inductor_post_grad_graph, FILE_PAYLOAD)                                                      \
    X(dynamo_cpp_guards_str, FILE_PAYLOAD)                                                         \
    X(optimize_ddp_split_child, FILE_CHILD)                                                        \
    X(graph_dump, FILE_NAMED)                                                                      \
    X(artifact, FILE_ARTIFACT)                                                                     \
    X(inductor_output_code, FILE_CODE)                                                             \
    X(dynamo_guards, FILE_MADE)                                                                    \
    X(compilation_metrics, FILE_MADE)                                                              \
    X(bwd_compilation_metrics, FILE_MADE)                                                          \
    X(aot_autograd_backward_compilation_metrics, FILE_MADE)                                        \
    X(dump_file, FILE_DUMP)                                                                        \
    X(link, FILE_LINK)

struct walker {
    struct walk *walk;
    struct arena arena; /* cleared after each record */
    int64_t rank;       /* first rank seen, STORE_NULL none yet */
    int64_t n_outputs;  /* tlparse's running number */
    struct buf id, folder, name, url, readable, payload_file;
    const char *extension;
};

static enum file_kind kind_of(struct span key)
{
    static const struct {
        const char *key;
        enum file_kind kind;
    } files[] = {
#define X(key, kind) {#key, kind},
        FILES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (span_is(key, files[i].key)) return files[i].kind;
    return FILE_NONE;
}

static bool is_context(struct span key)
{
#define X(name)                                                                                    \
    if (span_is(key, #name)) return true;
    TORCH_CONTEXT(X)
#undef X
    return false;
}

/* ---- compile ids ---- */

static int64_t id_part(const struct json *envelope, const char *name)
{
    return json_int(json_get(envelope, name), STORE_NULL);
}

static void put_part(struct buf *out, int64_t part)
{
    if (part == STORE_NULL) buf_putc(out, '-');
    else buf_printf(out, "%lld", (long long)part);
}

/* "[!ca/f/c_a]" and "ca_f_c_a". A record with a frame but no attempt is listed under attempt 0. */
static void name_compile(struct walker *w, const struct json *envelope)
{
    int64_t autograd = id_part(envelope, "compiled_autograd_id"),
            frame = id_part(envelope, "frame_id");
    int64_t count = id_part(envelope, "frame_compile_id"), attempt = id_part(envelope, "attempt");
    buf_clear(&w->id);
    buf_clear(&w->folder);
    buf_putc(&w->id, '[');
    if (autograd != STORE_NULL) buf_printf(&w->id, "!%lld/", (long long)autograd);
    put_part(&w->id, frame);
    buf_putc(&w->id, '/');
    put_part(&w->id, count);
    if (attempt != STORE_NULL && attempt != 0) buf_printf(&w->id, "_%lld", (long long)attempt);
    buf_putc(&w->id, ']');
    int64_t parts[] = {autograd, frame, count, attempt};
    for (int i = 0; i < 4; i++) {
        if (i) buf_putc(&w->folder, '_');
        put_part(&w->folder, parts[i]);
    }
}

/* ---- file names ---- */

/* Base name without its extension, as Rust's file_stem. */
static struct span stem(struct span path)
{
    const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
    if (slash) path = span_from(path, (size_t)(slash - path.p) + 1);
    const char *dot = path.n ? memrchr(path.p, '.', path.n) : NULL;
    return dot && dot > path.p ? span_to(path, (size_t)(dot - path.p)) : path;
}

/* Name without number and the extension of the record's file. False when tlparse makes none. */
static bool name_file(struct walker *w, enum file_kind kind, const struct walk_record *r)
{
    struct span name = json_string(json_get(r->meta, "name"));
    struct span encoding = json_string(json_get(r->meta, "encoding"));
    w->extension = ".txt";
    buf_clear(&w->name);
    switch (kind) {
    case FILE_NONE: return false;
    case FILE_MADE: w->extension = ".html"; /* fall through */
    case FILE_PAYLOAD: buf_span(&w->name, r->key); return true;
    case FILE_NAMED: buf_span(&w->name, name); return name.p;
    case FILE_CHILD:
        buf_printf(&w->name, "optimize_ddp_split_child_%.*s", SPAN_ARG(name));
        return name.p;
    case FILE_ARTIFACT:
        if (span_is(encoding, "json")) w->extension = ".json";
        buf_span(&w->name, name);
        return name.p && (span_is(encoding, "json") || span_is(encoding, "string"));
    case FILE_CODE: {
        struct span file = json_string(json_get(r->meta, "filename"));
        w->extension = ".html";
        buf_printf(&w->name, "inductor_output_code%s%.*s", file.n ? "_" : "", SPAN_ARG(stem(file)));
        return true;
    }
    case FILE_DUMP: {
        struct span number =
            span_starts(name, "<eval_with_key>.") ? span_from(name, 16) : SPAN_NONE;
        int64_t n;
        w->extension = ".html";
        if (number.n && span_to_i64(number, &n))
            buf_printf(&w->name, "eval_with_key_%lld", (long long)n);
        else buf_span(&w->name, name);
        return name.p;
    }
    case FILE_LINK:
        buf_span(&w->name, name);
        return name.p && json_string(json_get(r->meta, "url")).p;
    }
    return false;
}

/* Rust's with_file_name after file_stem: the number goes before the last dot of the name. */
static void number_file(struct walker *w, enum file_kind kind)
{
    struct buf *url = &w->url;
    buf_clear(url);
    if (kind == FILE_DUMP) {
        buf_printf(url, "dump_file/%.*s%s", SPAN_ARG(buf_text(&w->name)), w->extension);
        return;
    }
    buf_printf(url, "%.*s/%.*s_%lld%s", SPAN_ARG(buf_text(&w->folder)),
               SPAN_ARG(buf_text(&w->name)), (long long)w->n_outputs, w->extension);
}

static struct span suffix_of(struct span url)
{
    if (span_find(url, SPAN("cache_miss"), 0) != SIZE_MAX) return SPAN("\xe2\x9d\x8c");
    if (span_find(url, SPAN("cache_hit"), 0) != SIZE_MAX) return SPAN("\xe2\x9c\x85");
    if (span_find(url, SPAN("cache_bypass"), 0) != SIZE_MAX) return SPAN("\xe2\x9d\x93");
    return SPAN("");
}

static struct span base_name(struct span path)
{
    const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
    return slash ? span_from(path, (size_t)(slash - path.p) + 1) : path;
}

static bool is_json(struct walker *w, struct span text, enum json_type *type)
{
    struct json *j;
    bool good = json_parse(text, &w->arena, &j) == ERR_OK;
    *type = good ? j->type : JSON_NULL;
    err_clear();
    return good;
}

/* tlparse writes a readable page beside these and counts it before it numbers the file; none if
 * it is no JSON. */
static void add_readable(struct walker *w, struct walk_record *r)
{
    enum json_type type;
    bool stacks = span_starts(r->name, "inductor_provenance_tracking_kernel_stack_traces") &&
                  span_ends(r->name, ".json");
    if (!stacks) return;
    r->readable_url = SPAN("");
    if (!is_json(w, r->line->payload, &type)) return;
    buf_clear(&w->readable);
    buf_span(&w->readable, span_to(r->url, r->url.n - 5));
    buf_puts(&w->readable, "_readable.html");
    r->readable_url = buf_text(&w->readable);
    r->number = w->n_outputs++;
}

/* Guards that do not parse make no page. */
static bool is_made(struct walker *w, const struct walk_record *r)
{
    enum json_type type;
    return !span_is(r->key, "dynamo_guards") ||
           (is_json(w, r->line->payload, &type) && type == JSON_LIST);
}

static void list_file(struct walker *w, struct walk_record *r)
{
    enum file_kind kind = kind_of(r->key);
    if (!name_file(w, kind, r) || !is_made(w, r)) return;
    r->listed = true;
    r->number = w->n_outputs;
    if (kind == FILE_LINK) {
        r->url = json_string(json_get(r->meta, "url"));
        r->name = base_name(buf_text(&w->name));
        r->suffix = SPAN("");
        w->n_outputs++;
        return;
    }
    number_file(w, kind);
    r->url = buf_text(&w->url);
    r->name = base_name(r->url);
    r->suffix = suffix_of(r->url);
    if (kind == FILE_PAYLOAD || kind == FILE_NAMED || kind == FILE_CHILD || kind == FILE_ARTIFACT)
        r->payload_file = r->url;
    w->n_outputs++;
    add_readable(w, r);
}

/* ---- records ---- */

static void find_key(struct walk_record *r)
{
    const struct json *stack = NULL;
    for (const struct json *m = r->envelope->first; m && !r->key.p; m = m->next) {
        if (span_is(m->key, "stack")) stack = m;
        if (is_context(m->key)) continue;
        r->key = m->key;
        r->meta = m;
    }
    if (!r->key.p && stack) {
        r->key = stack->key;
        r->meta = stack;
    }
}

static bool is_of_other_rank(struct walker *w, const struct json *envelope)
{
    int64_t rank = id_part(envelope, "rank");
    if (w->rank == STORE_NULL) w->rank = rank;
    return rank != w->rank;
}

static void place_payload(struct walker *w, struct walk_record *r)
{
    struct span md5 = json_string(json_get(r->envelope, "has_payload"));
    if (r->payload_file.p || !r->has_payload || !r->line->payload.n ||
        span_is(r->key, "chromium_event"))
        return;
    buf_clear(&w->payload_file);
    buf_printf(&w->payload_file, "payloads/%.*s.txt", SPAN_ARG(md5));
    r->payload_file = buf_text(&w->payload_file);
}

static enum err walk_line(struct walker *w, const struct torch_piece *piece,
                          const struct torch_line *line)
{
    struct walk_record r = {.line = line};
    struct span header = {piece->bytes.p + line->at, line->size};
    const char *end = memchr(header.p, '\n', header.n);
    if (end) header.n = (size_t)(end - header.p);
    struct json *envelope;
    arena_clear(&w->arena);
    bool good = !(line->flags & TORCH_LINE_MALFORMED) && torch_prefix_read(header, &r.prefix) &&
                json_parse(line->json, &w->arena, &envelope) == ERR_OK &&
                envelope->type == JSON_OBJECT;
    err_clear();
    if (!good) {
        w->walk->n_malformed += line->flags & TORCH_LINE_MALFORMED ? line->n_lines : 1;
        return ERR_OK;
    }
    r.envelope = envelope;
    find_key(&r);
    r.has_payload = json_string(json_get(envelope, "has_payload")).p != NULL;
    if (!span_is(r.key, "str")) {
        r.other_rank = is_of_other_rank(w, envelope);
        name_compile(w, envelope);
        r.compile_id = buf_text(&w->id);
        if (!r.other_rank) {
            list_file(w, &r);
            place_payload(w, &r);
        }
    }
    return w->walk->record(w->walk->context, &r);
}

static enum err walk_piece(struct walker *w, struct torch_cutter *cutter, enum torch_take what,
                           struct torch_piece **spare)
{
    struct torch_piece *piece;
    TRY(torch_cutter_take(cutter, what, *spare, &piece));
    *spare = NULL;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < piece->lines.n; i++)
        err = walk_line(w, piece, &piece->lines.p[i]);
    torch_piece_clear(piece);
    *spare = piece;
    return err;
}

static enum err feed(struct walker *w, sqlite3_stmt *frames, int64_t stream,
                     struct text_reader *text, struct torch_cutter *cutter)
{
    struct torch_piece *spare = torch_piece_new();
    struct buf bytes = {0};
    enum err err = spare ? ERR_OK : err_set(ERR_NOMEM, "out of memory for a log");
    int rc = SQLITE_DONE;
    while (!err && (rc = sqlite3_step(frames)) == SQLITE_ROW) {
        buf_clear(&bytes);
        TRY_OUT(text_read(text, stream, sqlite3_column_int64(frames, 0),
                          sqlite3_column_int64(frames, 1), &bytes));
        char *room = torch_cutter_room(cutter, bytes.n);
        if (!room) TRY_OUT(err_set(ERR_NOMEM, "out of memory for a log"));
        memcpy(room, bytes.p, bytes.n);
        TRY_OUT(torch_cutter_fill(cutter, bytes.n));
        if (torch_cutter_ready(cutter)) TRY_OUT(walk_piece(w, cutter, TORCH_TAKE_COMPLETE, &spare));
    }
    if (!err && rc != SQLITE_DONE)
        err = err_set(ERR_SQL, "the text of stream %lld cannot be read", (long long)stream);
    if (!err && torch_cutter_waiting(cutter)) err = walk_piece(w, cutter, TORCH_TAKE_ALL, &spare);
out:
    torch_piece_free(spare);
    buf_release(&bytes);
    return err;
}

static void walker_release(struct walker *w)
{
    arena_release(&w->arena);
    struct buf *bufs[] = {&w->id, &w->folder, &w->name, &w->url, &w->readable, &w->payload_file};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) buf_release(bufs[i]);
}

enum err export_walk(sqlite3 *db, int64_t stream, struct walk *walk)
{
    struct walker w = {.walk = walk, .rank = STORE_NULL};
    struct torch_cutter cutter;
    struct text_reader *text = NULL;
    sqlite3_stmt *frames = NULL;
    TRY(torch_cutter_init(&cutter));
    enum err err;
    TRY_OUT(store_prepare(
        db, "SELECT offset, size FROM text_frame WHERE stream = ?1 ORDER BY offset", &frames));
    sqlite3_bind_int64(frames, 1, stream);
    TRY_OUT(text_reader_new(db, &text));
    TRY_OUT(feed(&w, frames, stream, text, &cutter));
out:
    torch_cutter_release(&cutter);
    text_reader_free(text);
    sqlite3_finalize(frames);
    walker_release(&w);
    return err;
}
