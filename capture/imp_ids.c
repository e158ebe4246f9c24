/* imp_ids.c - the ids of a log: interned paths, stack frames, compile ids and their occurrences.
 *
 * A compile id may be used again after torch._dynamo.reset(). A new occurrence begins with the
 * dynamo_start of attempt 0 for an id that had one (or had its metrics) already, or with the
 * chromium event that opens the outermost span ("dynamo") of an id whose metrics were written: that
 * one comes first in newer logs.
 */
#include <stdio.h>

#include "capture/torch_reader.h"

/* ---- interned paths ---- */

enum err torch_on_str(struct torch_record *rec)
{
    struct torch_reader *r = torch_reader_of(rec->source);
    const struct json *path = rec->meta->type == JSON_LIST ? rec->meta->first : NULL;
    const struct json *id = path ? path->next : NULL;
    if (!path || path->type != JSON_STRING || !id || id->type != JSON_INT)
        FAIL(ERR_FORMAT, "str is not [\"path\", number]");
    bool fresh = false;
    int64_t *index = map_put(&r->interned, map_key_int(id->i, 0), (int64_t)r->interns.n, &fresh);
    struct torch_intern *entry = !index  ? NULL
                                 : fresh ? LIST_PUSH(&r->interns)
                                         : &r->interns.p[*index];
    struct span own = fresh || (entry && !span_eq(entry->path, path->text))
                          ? arena_copy(&r->source.keep, path->text)
                      : entry ? entry->path
                              : SPAN_NONE;
    if (!entry || !own.p) FAIL(ERR_NOMEM, "out of memory for the string table of a log");
    *entry = (struct torch_intern){own, torch_word(rec, own)};
    return ERR_OK;
}

static const struct torch_intern *intern_of(struct torch_source *s, int64_t id)
{
    static const struct torch_intern unknown = {{"(unknown)", 9}, 0};
    struct torch_reader *r = torch_reader_of(s);
    int64_t *index = map_get(&r->interned, map_key_int(id, 0));
    return index && (size_t)*index < r->interns.n ? &r->interns.p[*index] : &unknown;
}

struct span torch_path(struct torch_source *s, int64_t intern_id)
{
    return intern_of(s, intern_id)->path;
}

/* ---- stacks ---- */

static struct span frame_path(struct torch_record *rec, const struct json *frame)
{
    struct span plain = json_string(json_get(frame, "uninterned_filename"));
    return plain.p ? plain : torch_path(rec->source, json_int(json_get(frame, "filename"), -1));
}

static int64_t hash_of(struct span s)
{
    return s.p ? (int64_t)map_key(s).lo : 0;
}

/* Words and frames are looked up behind a lock that all logs share, so each log remembers its own
 * frames too. */
static int64_t frame_id(struct torch_record *rec, int64_t parent, const struct json *frame)
{
    struct span path = frame_path(rec, frame), name = json_string(json_get(frame, "name")),
                loc = json_string(json_get(frame, "loc"));
    int64_t line = json_int(json_get(frame, "line"), 0);
    int64_t whole[] = {parent, line, hash_of(path), hash_of(name), hash_of(loc)};
    bool fresh;
    int64_t *id = map_put(&torch_reader_of(rec->source)->frames,
                          map_key((struct span){(const char *)whole, sizeof whole}), 0, &fresh);
    if (id && !fresh && *id) return *id;
    int64_t known = store_frame(rec->source->writer, parent, torch_word(rec, path), line,
                                torch_word(rec, name), torch_word(rec, loc));
    if (id) *id = known;
    return known;
}

static int64_t stack_of(struct torch_record *rec, const struct json *frames, size_t n)
{
    enum { FRAMES_REMEMBERED = 1 << 18 };
    struct map *known = &torch_reader_of(rec->source)->frames;
    if (known->n > FRAMES_REMEMBERED) map_clear(known);
    int64_t id = 0;
    const struct json *f = frames && frames->type == JSON_LIST ? frames->first : NULL;
    for (; f && n; f = f->next, n--)
        if (f->type == JSON_OBJECT) id = frame_id(rec, id, f);
    return id;
}

int64_t torch_stack(struct torch_record *rec, const struct json *frames)
{
    return stack_of(rec, frames, SIZE_MAX);
}

/* ---- compiles ---- */

enum { NO_PART = -1 }; /* an id's part that is absent */

struct ids {
    int64_t autograd, frame, count;
};

static struct map_key ids_key(struct ids ids)
{
    return map_key((struct span){(const char *)&ids, sizeof ids});
}

/* "0/1", "!0", "!0/1/0"; a part that is missing in between is "-". */
static struct span ids_text(struct arena *arena, struct ids ids)
{
    char text[96], frame[24] = "-", count[24] = "-";
    if (ids.frame != NO_PART) snprintf(frame, sizeof frame, "%lld", (long long)ids.frame);
    if (ids.count != NO_PART) snprintf(count, sizeof count, "%lld", (long long)ids.count);
    bool framed = ids.frame != NO_PART || ids.count != NO_PART;
    int n = 0;
    if (ids.autograd != NO_PART)
        n = snprintf(text, sizeof text, "!%lld%s", (long long)ids.autograd, framed ? "/" : "");
    if (framed) n += snprintf(text + n, sizeof text - (size_t)n, "%s/%s", frame, count);
    return arena_copy(arena, (struct span){text, (size_t)n});
}

static bool take_part(struct span *rest, int64_t *out)
{
    size_t slash = span_find(*rest, SPAN("/"), 0);
    struct span part = span_to(*rest, slash);
    *rest = slash == SIZE_MAX ? (struct span){rest->p + rest->n, 0} : span_from(*rest, slash + 1);
    *out = NO_PART;
    return span_is(part, "-") || (span_to_i64(part, out) && *out >= 0);
}

static bool ids_read(struct span text, struct ids *out)
{
    *out = (struct ids){NO_PART, NO_PART, NO_PART};
    if (span_starts(text, "!")) {
        text = span_from(text, 1);
        if (!take_part(&text, &out->autograd)) return false;
        if (!text.n) return true;
    }
    if (!take_part(&text, &out->frame) || !text.n) return false;
    size_t attempt = span_find(text, SPAN("_"), 0);
    return take_part(&(struct span){text.p, attempt == SIZE_MAX ? text.n : attempt}, &out->count);
}

static struct torch_compile *newest_of(struct torch_reader *r, struct ids ids)
{
    int64_t *index = map_get(&r->compiles, ids_key(ids));
    return index ? r->compile_list.p[*index] : NULL;
}

struct torch_compile *torch_find_compile(struct torch_source *s, struct span compile_id)
{
    struct ids ids;
    return compile_id.p && ids_read(compile_id, &ids) ? newest_of(torch_reader_of(s), ids) : NULL;
}

static int64_t part_or_null(int64_t part)
{
    return part == NO_PART ? STORE_NULL : part;
}

static struct torch_compile *compile_new(struct torch_record *rec, struct ids ids,
                                         int64_t occurrence)
{
    struct torch_reader *r = torch_reader_of(rec->source);
    struct torch_compile *c = arena_alloc(&r->source.keep, sizeof *c);
    struct torch_compile **slot = c ? LIST_PUSH(&r->compile_list) : NULL;
    int64_t *index = slot ? map_put(&r->compiles, ids_key(ids), 0, NULL) : NULL;
    struct span text = index ? ids_text(&r->source.keep, ids) : SPAN_NONE;
    if (!text.p) return NULL;
    *slot = c;
    *index = (int64_t)r->compile_list.n - 1;
    c->row = (struct row_compile){
        .id = store_next_id(r->source.writer, STORE_COMPILE),
        .source = r->source.row.id,
        .compile_id = text,
        .autograd_id = part_or_null(ids.autograd),
        .frame_id = part_or_null(ids.frame),
        .frame_compile_id = part_or_null(ids.count),
        .occurrence = occurrence,
        .outcome = SPAN("unknown"),
        .line = STORE_NULL,
        .start_ts = rec->ts,
        .end_ts = rec->ts,
        .total_ns = STORE_NULL,
        .backend_ns = STORE_NULL,
        .inductor_ns = STORE_NULL,
        .codegen_ns = STORE_NULL,
        .lost_ns = STORE_NULL,
        .n_ops = STORE_NULL,
        .n_nodes = STORE_NULL,
        .n_inputs = STORE_NULL,
        .n_guards = STORE_NULL,
    };
    return c;
}

/* Payload of a chromium event that opens the outermost span of a compile. */
static bool opens_compile(struct span payload)
{
    static const char *const names[] = {"\"dynamo\"", "\"entire_frame_compile\"",
                                        "\"_compile.compile_inner\""};
    struct span head = span_to(payload, 64);
    if (span_find(payload, SPAN("\"ph\": \"B\""), 0) == SIZE_MAX) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_find(head, span_of(names[i]), 0) != SIZE_MAX) return true;
    return false;
}

static bool begins_again(const struct torch_record *rec, const struct torch_compile *c)
{
    if (rec->attempt > 0) return false;
    if (c->has_metrics && rec->has_payload && json_get(rec->envelope, "chromium_event"))
        return opens_compile(rec->payload);
    return (c->has_start || c->has_metrics) && json_get(rec->envelope, "dynamo_start");
}

void torch_compile_touch(struct torch_source *s, struct torch_compile *c)
{
    if (c->dirty) return;
    struct torch_compile **slot = LIST_PUSH(&torch_reader_of(s)->dirty);
    if (!slot) return;
    *slot = c;
    c->dirty = true;
}

static int64_t part_of(const struct json *member)
{
    int64_t v = json_int(member, NO_PART);
    return v < 0 ? NO_PART : v;
}

static bool same_ids(const struct torch_compile *c, struct ids ids)
{
    return c->row.autograd_id == part_or_null(ids.autograd) &&
           c->row.frame_id == part_or_null(ids.frame) &&
           c->row.frame_compile_id == part_or_null(ids.count);
}

enum err torch_resolve(struct torch_record *rec, const struct torch_context *context)
{
    struct torch_reader *r = torch_reader_of(rec->source);
    struct ids ids = {part_of(context->compiled_autograd_id), part_of(context->frame_id),
                      part_of(context->frame_compile_id)};
    if (ids.autograd == NO_PART && ids.frame == NO_PART && ids.count == NO_PART) return ERR_OK;
    struct torch_compile *c = r->last_compile;
    if (!c || !same_ids(c, ids)) c = newest_of(r, ids);
    if (!c || begins_again(rec, c)) c = compile_new(rec, ids, c ? c->row.occurrence + 1 : 1);
    if (!c) FAIL(ERR_NOMEM, "out of memory for a compile");
    r->last_compile = rec->compile = c;
    int64_t attempts = rec->attempt == STORE_NULL ? 1 : rec->attempt + 1;
    if (attempts > c->row.attempts) c->row.attempts = attempts;
    if (rec->ts > c->row.end_ts) c->row.end_ts = rec->ts;
    if (rec->ts < c->row.start_ts) c->row.start_ts = rec->ts;
    torch_compile_touch(rec->source, c);
    return ERR_OK;
}

enum err torch_write_compiles(struct torch_reader *r)
{
    for (size_t i = 0; i < r->dirty.n; i++) {
        r->dirty.p[i]->dirty = false;
        TRY(store_compile_add(r->source.batch, &r->dirty.p[i]->row));
    }
    r->dirty.n = 0;
    return ERR_OK;
}

/* ---- dynamo_start ---- */

static bool is_convert_frame(struct torch_record *rec, const struct json *frame, const char *name)
{
    return span_is(json_string(json_get(frame, "name")), name) &&
           span_ends(frame_path(rec, frame), "torch/_dynamo/convert_frame.py");
}

/* Frames of Dynamo itself at the end of a stack: a fixed suffix that says nothing. */
static size_t without_suffix(struct torch_record *rec, const struct json *frames)
{
    static const char *const suffix[][3] = {
        {"catch_errors", "_convert_frame", "_convert_frame_assert"},
        {"__call__", "__call__", "__call__"}};
    size_t n = frames->n;
    for (int k = 0; k < 2 && n >= 3; k++) {
        const struct json *f = frames->first;
        for (size_t skip = n - 3; skip; skip--) f = f->next;
        bool same = true;
        for (int i = 0; i < 3; i++, f = f->next)
            same = same && is_convert_frame(rec, f, suffix[k][i]);
        if (same) n -= 3;
    }
    return n;
}

enum err torch_on_start(struct torch_record *rec)
{
    if (!rec->compile) return ERR_OK;
    const struct json *frames = json_get(rec->meta, "stack");
    rec->compile->has_start = true;
    if (!frames || frames->type != JSON_LIST) return ERR_OK;
    rec->compile->row.stack = stack_of(rec, frames, without_suffix(rec, frames));
    return ERR_OK;
}
