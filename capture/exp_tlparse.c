/* exp_tlparse.c - raw.jsonl, chromium_events.json and compile_directory.json as tlparse 0.4.3
 * writes them.
 *
 * Differences on purpose (docs/decisions has the reasons): timestamps have the year and zone
 * that the log shows; numbers stand as the log has them; NaN and infinities become null instead
 * of losing their record.
 */
#include "capture/export.h"

#include <stdlib.h>

#include "capture/exp_walk.h"
#include "store/base/clock.h"
#include "store/base/lists.h"
#include "store/base/map.h"

enum { STRINGS_MAX = 1 << 20, FLUSH_AT = 1 << 18 };

struct writer {
    const struct export_log *log;
    struct export_sink *sink;
    struct export_summary *summary;
    struct buf line;
    struct arena arena;   /* lives as long as the export of this log */
    struct arena scratch; /* cleared after each record */
    bool first;
    bool rank_as_pid;
    LIST_OF(struct span) strings; /* by intern id; absent where there is a hole */
    struct map ids;               /* compile id -> index in lists */
    LIST_OF(struct listing *) lists;
};
struct entry {
    struct span url, name, suffix, readable;
    int64_t number;
};
struct listing {
    struct span id;
    LIST_OF(struct entry) entries;
};

static enum err flush(struct writer *w, size_t at_least)
{
    if (w->line.n < at_least) return ERR_OK;
    TRY(buf_ok(&w->line));
    TRY(w->sink->write(w->sink->context, buf_text(&w->line)));
    w->summary->n_bytes += (int64_t)w->line.n;
    buf_clear(&w->line);
    return ERR_OK;
}

/* ---- JSON with sorted keys ---- */

static int by_key(const void *a, const void *b)
{
    struct span x = (*(const struct json *const *)a)->key,
                y = (*(const struct json *const *)b)->key;
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

static void put_value(struct writer *w, const struct json *j);

/* Of members of one name the last counts, as in serde. qsort is not stable: the order in the
 * text decides. */
static void put_members(struct writer *w, const struct json **members, size_t n)
{
    struct buf *b = &w->line;
    qsort(members, n, sizeof *members, by_key);
    buf_putc(b, '{');
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && span_eq(members[i]->key, members[i + 1]->key)) continue;
        if (!first) buf_putc(b, ',');
        first = false;
        buf_json(b, members[i]->key);
        buf_putc(b, ':');
        put_value(w, members[i]);
    }
    buf_putc(b, '}');
}

static void put_object(struct writer *w, const struct json *j, const struct json *more,
                       size_t n_more)
{
    const struct json **members = arena_array(&w->scratch, j->n + n_more + 1, sizeof *members);
    if (!members) {
        w->line.failed = true;
        return;
    }
    size_t n = 0;
    for (const struct json *m = j->first; m; m = m->next) members[n++] = m;
    for (size_t i = 0; i < n_more; i++) members[n++] = &more[i];
    put_members(w, members, n);
}

static void put_list(struct writer *w, const struct json *j)
{
    buf_putc(&w->line, '[');
    for (const struct json *m = j->first; m; m = m->next) {
        if (m != j->first) buf_putc(&w->line, ',');
        put_value(w, m);
    }
    buf_putc(&w->line, ']');
}

static bool is_number(struct span text)
{
    return text.n && ((text.p[0] >= '0' && text.p[0] <= '9') ||
                      (text.p[0] == '-' && text.n > 1 && text.p[1] != 'I'));
}

static void put_value(struct writer *w, const struct json *j)
{
    struct buf *b = &w->line;
    switch (j->type) {
    case JSON_NULL: buf_puts(b, "null"); break;
    case JSON_BOOL: buf_puts(b, j->i ? "true" : "false"); break;
    case JSON_INT:
    case JSON_REAL:
        if (is_number(j->text)) buf_span(b, j->text);
        else buf_puts(b, "null");
        break;
    case JSON_STRING: buf_json(b, j->text); break;
    case JSON_LIST: put_list(w, j); break;
    case JSON_OBJECT: put_object(w, j, NULL, 0); break;
    }
}

/* ---- raw.jsonl ---- */

/* "2026-11-23T04:21:57.541000Z": UTC where the zone is known, else local time and no Z. */
static const char *timestamp(struct writer *w, const struct torch_prefix *p)
{
    int64_t year = w->log->year == STORE_NULL ? 1970 : w->log->year, zone = w->log->zone_ns;
    int64_t us = clock_days(year, p->month, p->day) * INT64_C(86400000000) + p->us -
                 (zone == STORE_NULL ? 0 : zone / 1000);
    time_t seconds = (time_t)(us / 1000000);
    struct tm t;
    if (!gmtime_r(&seconds, &t)) return "";
    char text[64];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    return arena_printf(&w->scratch, "%.*s.%06lld%s", (int)n, text, (long long)(us % 1000000),
                        zone == STORE_NULL ? "" : "Z");
}

static struct json text_member(const char *key, struct span text)
{
    return (struct json){.type = JSON_STRING, .key = span_of(key), .text = text};
}

static struct json number_member(struct writer *w, const char *key, int64_t value)
{
    return (struct json){.type = JSON_INT,
                         .key = span_of(key),
                         .text = span_of(arena_printf(&w->scratch, "%lld", (long long)value))};
}

static bool has_conflict(const struct json *envelope, const struct json *more, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (const struct json *m = envelope->first; m; m = m->next)
            if (span_eq(m->key, more[i].key)) return true;
    return false;
}

static enum err on_jsonl(void *context, const struct walk_record *r)
{
    struct writer *w = context;
    if (span_is(r->key, "str") || (span_is(r->key, "chromium_event") && !r->other_rank))
        return ERR_OK;
    arena_clear(&w->scratch);
    const char *path = arena_printf(&w->scratch, " %.*s", SPAN_ARG(r->prefix.path));
    struct json more[] = {
        text_member("timestamp", span_of(timestamp(w, &r->prefix))),
        number_member(w, "thread", r->prefix.thread),
        text_member("pathname", span_of(path)),
        number_member(w, "lineno", r->prefix.path_line),
        text_member("payload_filename", r->payload_file),
    };
    size_t n = r->payload_file.p ? 5 : 4;
    if (has_conflict(r->envelope, more, n)) {
        w->summary->n_dropped++;
        return ERR_OK;
    }
    put_object(w, r->envelope, more, n);
    buf_putc(&w->line, '\n');
    return flush(w, FLUSH_AT);
}

static enum err on_string(void *context, const struct walk_record *r)
{
    struct writer *w = context;
    if (!span_is(r->key, "str") || !r->meta->first || !r->meta->first->next) return ERR_OK;
    int64_t id = json_int(r->meta->first->next, -1);
    if (id < 0 || id >= STRINGS_MAX) {
        w->summary->n_dropped++;
        return ERR_OK;
    }
    while ((int64_t)w->strings.n <= id) {
        struct span *s = LIST_PUSH(&w->strings);
        if (!s) FAIL(ERR_NOMEM, "out of memory for the table of strings");
        *s = SPAN_NONE;
    }
    w->strings.p[id] = arena_copy(&w->arena, json_string(r->meta->first));
    return ERR_OK;
}

static void put_strings(struct writer *w)
{
    buf_puts(&w->line, "{\"string_table\":[");
    for (size_t i = 0; i < w->strings.n || i == 0; i++) {
        if (i) buf_putc(&w->line, ',');
        if (i < w->strings.n && w->strings.p[i].p) buf_json(&w->line, w->strings.p[i]);
        else buf_puts(&w->line, "null");
    }
    buf_puts(&w->line, "]}\n");
}

static enum err write_jsonl(sqlite3 *db, struct writer *w)
{
    struct walk strings = {.record = on_string, .context = w},
                records = {.record = on_jsonl, .context = w};
    TRY(export_walk(db, w->log->id, &strings));
    put_strings(w);
    TRY(export_walk(db, w->log->id, &records));
    w->summary->n_dropped += records.n_malformed;
    return flush(w, 0);
}

/* ---- chromium_events.json ---- */

static void put_event(struct writer *w, const struct json *event)
{
    struct json pid = {0};
    buf_puts(&w->line, w->first ? "\n" : ",\n");
    w->first = false;
    if (event->type != JSON_OBJECT || !w->rank_as_pid) {
        put_value(w, event);
        return;
    }
    pid = number_member(w, "pid", w->log->rank != STORE_NULL ? w->log->rank : w->log->id);
    struct json copy = *event, **link = &copy.first;
    for (struct json *m = copy.first; m; m = m->next) {
        if (span_is(m->key, "pid")) {
            *link = m->next;
            copy.n--;
        } else {
            link = &m->next;
        }
    }
    put_object(w, &copy, &pid, 1);
}

static enum err on_chromium(void *context, const struct walk_record *r)
{
    struct writer *w = context;
    struct json *event;
    if (!span_is(r->key, "chromium_event") || r->other_rank) return ERR_OK;
    arena_clear(&w->scratch);
    if (json_parse(r->line->payload, &w->scratch, &event)) {
        err_clear();
        w->summary->n_dropped++;
        return ERR_OK;
    }
    put_event(w, event);
    return flush(w, FLUSH_AT);
}

/* ---- compile_directory.json ---- */

static struct listing *listing_of(struct writer *w, struct span id)
{
    bool added;
    int64_t *index = map_put(&w->ids, map_key(id), (int64_t)w->lists.n, &added);
    if (!index) return NULL;
    if (!added) return w->lists.p[*index];
    struct listing *list = arena_alloc(&w->arena, sizeof *list), **to = LIST_PUSH(&w->lists);
    if (!list || !to) return NULL;
    list->id = arena_copy(&w->arena, id);
    *to = list;
    return list;
}

static enum err on_listed(void *context, const struct walk_record *r)
{
    struct writer *w = context;
    if (span_is(r->key, "str") || r->other_rank) return ERR_OK;
    struct listing *list = listing_of(w, r->compile_id);
    if (!list) FAIL(ERR_NOMEM, "out of memory for the list of files");
    if (!r->listed) return ERR_OK;
    struct entry *e = LIST_PUSH(&list->entries);
    if (!e) FAIL(ERR_NOMEM, "out of memory for the list of files");
    *e = (struct entry){arena_copy(&w->arena, r->url), arena_copy(&w->arena, r->name), r->suffix,
                        arena_copy(&w->arena, r->readable_url), r->number};
    return ERR_OK;
}

static void put_entry(struct buf *b, const struct entry *e, bool last)
{
    buf_puts(b, "      {\n        \"name\": ");
    buf_json(b, e->name);
    buf_printf(b, ",\n        \"number\": %lld,\n        \"readable_url\": ", (long long)e->number);
    if (e->readable.p) buf_json(b, e->readable);
    else buf_puts(b, "null");
    buf_puts(b, ",\n        \"suffix\": ");
    buf_json(b, e->suffix);
    buf_puts(b, ",\n        \"url\": ");
    buf_json(b, e->url);
    buf_printf(b, "\n      }%s\n", last ? "" : ",");
}

static void put_listing(struct buf *b, const struct listing *list, bool last)
{
    buf_puts(b, "  ");
    buf_json(b, list->id);
    buf_puts(b, ": {\n    \"artifacts\": [");
    if (list->entries.n) buf_putc(b, '\n');
    for (size_t i = 0; i < list->entries.n; i++)
        put_entry(b, &list->entries.p[i], i + 1 == list->entries.n);
    buf_printf(b, "%s]\n  }%s\n", list->entries.n ? "    " : "", last ? "" : ",");
}

static int by_id(const void *a, const void *b)
{
    struct span x = (*(struct listing *const *)a)->id, y = (*(struct listing *const *)b)->id;
    int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
    return order ? order : (x.n > y.n) - (x.n < y.n);
}

static enum err write_directory(sqlite3 *db, struct writer *w)
{
    struct walk walk = {.record = on_listed, .context = w};
    enum err err = export_walk(db, w->log->id, &walk);
    if (w->lists.n) qsort(w->lists.p, w->lists.n, sizeof *w->lists.p, by_id);
    buf_puts(&w->line, w->lists.n ? "{\n" : "{");
    for (size_t i = 0; i < w->lists.n; i++) {
        if (!err) put_listing(&w->line, w->lists.p[i], i + 1 == w->lists.n);
        LIST_RELEASE(&w->lists.p[i]->entries);
    }
    buf_putc(&w->line, '}');
    return err ? err : flush(w, 0);
}

/* ---- entry ---- */

static void writer_release(struct writer *w)
{
    buf_release(&w->line);
    arena_release(&w->arena);
    arena_release(&w->scratch);
    LIST_RELEASE(&w->strings);
    LIST_RELEASE(&w->lists);
    map_release(&w->ids);
}

enum err export_tlparse(sqlite3 *db, enum export_format format, const struct export_log *log,
                        struct export_sink *sink, struct export_summary *out)
{
    struct writer w = {.log = log, .sink = sink, .summary = out};
    enum err err = format == EXPORT_RAW_JSONL ? write_jsonl(db, &w) : write_directory(db, &w);
    writer_release(&w);
    return err;
}

enum err export_chromium(sqlite3 *db, const struct export_logs *logs, struct export_sink *sink,
                         struct export_summary *out)
{
    struct writer w = {.sink = sink, .summary = out, .first = true, .rank_as_pid = logs->n > 1};
    struct walk walk = {.record = on_chromium, .context = &w};
    enum err err = ERR_OK;
    buf_putc(&w.line, '[');
    for (size_t i = 0; !err && i < logs->n; i++) {
        w.log = &logs->p[i];
        err = export_walk(db, w.log->id, &walk);
    }
    buf_puts(&w.line, w.first ? "]" : "\n]");
    if (!err) err = flush(&w, 0);
    writer_release(&w);
    return err;
}
