/* redact_words.c - dictionary of what must go, and how paths are told from divisions.
 *
 * Phrases are found at each position by a filter over their first eight bytes: one load and one
 * bit test per byte of text for nearly all positions.
 */
#include "store/redact_words.h"

#include <xxhash.h>

enum { TOKEN_SEED = 0x706c6d62, TOKEN_SIZE = 12 };

void words_release(struct words *w)
{
    arena_release(&w->arena);
    LIST_RELEASE(&w->phrases);
    LIST_RELEASE(&w->names);
    map_release(&w->heads);
    map_release(&w->known);
    map_release(&w->components);
}

bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

bool is_path_byte(char c)
{
    return is_word_byte(c) || c == '/' || c == '.' || c == '-' || c == '+' || c == '~' ||
           c == '@' || c == '%';
}

/* ---- tokens ---- */

void words_put_token(struct buf *out, struct span text)
{
    struct buf plain = {0};
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\\') buf_putc(&plain, text.p[i]);
    uint64_t hash = XXH3_64bits_withSeed(plain.n ? plain.p : "", plain.n, TOKEN_SEED);
    if (plain.failed) out->failed = true;
    buf_printf(out, "r_%010llx", (unsigned long long)(hash >> 24));
    buf_release(&plain);
}

static bool is_token(struct span s)
{
    if (s.n < TOKEN_SIZE || s.p[0] != 'r' || s.p[1] != '_') return false;
    for (int i = 2; i < TOKEN_SIZE; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f'))) return false;
    return s.n == TOKEN_SIZE || s.p[TOKEN_SIZE] == '.';
}

/* ---- phrases ---- */

static uint64_t head_of(const char *p)
{
    uint64_t head;
    memcpy(&head, p, sizeof head);
    return head;
}

static unsigned filter_bit(uint64_t head)
{
    return (unsigned)((head * 0x9e3779b97f4a7c15u) >> (64 - FILTER_BITS));
}

static void add_phrase(struct words *w, struct span text, struct span token)
{
    bool added;
    if (text.n < PHRASE_MIN || w->phrases.n >= PHRASES_MAX) return;
    if (!map_put(&w->known, map_key(text), 1, &added)) w->failed = true;
    else if (!added) return;
    uint64_t head = head_of(text.p);
    int64_t *first = map_put(&w->heads, map_key_int((int64_t)head, 0), -1, NULL);
    struct phrase *p = LIST_PUSH(&w->phrases);
    if (!first || !p) {
        w->failed = true;
        return;
    }
    *p = (struct phrase){arena_copy(&w->arena, text), token, *first,
                         head_of(text.p + text.n - PHRASE_HEAD)};
    *first = (int64_t)w->phrases.n - 1;
    unsigned bit = filter_bit(head);
    w->filter[bit / 64] |= (uint64_t)1 << (bit % 64);
    if (!p->text.p) w->failed = true;
}

static void escape(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\') buf_putc(out, '\\');
        buf_putc(out, text.p[i]);
    }
}

/* aten::add.Tensor: of plumb's own compiles it stands where a line of source would. */
static bool is_operator(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_word_byte(text.p[i]) && text.p[i] != ':' && text.p[i] != '.') return false;
    return span_find(text, SPAN("::"), 0) != SIZE_MAX;
}

void words_put_source(struct buf *out, struct span text)
{
    if (is_operator(text)) buf_span(out, text);
    else words_put_token(out, text);
}

static bool reads_as_source(struct span text)
{
    if (is_operator(text)) return false;
    for (size_t i = 0; i < text.n; i++)
        if (strchr(" ()=[]+*:.", text.p[i]) && text.p[i]) return true;
    return false;
}

void words_add_source(struct words *w, struct span text)
{
    text = span_trim(text);
    if (text.n < PHRASE_MIN || map_get(&w->known, map_key(text))) return;
    if (!reads_as_source(text) || is_token(text)) return;
    struct buf token = {0}, once = {0}, twice = {0};
    words_put_token(&token, text);
    struct span keep = arena_copy(&w->arena, buf_text(&token));
    escape(text, &once);
    escape(buf_text(&once), &twice);
    if (!keep.p || once.failed || twice.failed) w->failed = true;
    else {
        add_phrase(w, text, keep);
        add_phrase(w, buf_text(&once), keep);
        add_phrase(w, buf_text(&twice), keep);
    }
    buf_release(&token);
    buf_release(&once);
    buf_release(&twice);
}

static bool stands_alone(struct span text, size_t at, size_t n)
{
    if (at && is_word_byte(text.p[at]) && is_word_byte(text.p[at - 1]) &&
        (at < 2 || text.p[at - 2] != '\\'))
        return false;
    size_t end = at + n;
    return end >= text.n || !is_word_byte(text.p[end - 1]) || !is_word_byte(text.p[end]);
}

const struct phrase *words_phrase(const struct words *w, struct span text, size_t at)
{
    if (text.n - at < PHRASE_HEAD) return NULL;
    uint64_t head = head_of(text.p + at);
    unsigned bit = filter_bit(head);
    if (!(w->filter[bit / 64] >> (bit % 64) & 1)) return NULL;
    int64_t *first = map_get(&w->heads, map_key_int((int64_t)head, 0));
    const struct phrase *best = NULL;
    for (int64_t i = first ? *first : -1; i >= 0; i = w->phrases.p[i].next) {
        const struct phrase *p = &w->phrases.p[i];
        /* The last bytes first: phrases of one head mostly differ there, and a call costs more. */
        bool here = p->text.n <= text.n - at &&
                    head_of(text.p + at + p->text.n - PHRASE_HEAD) == p->tail &&
                    !memcmp(p->text.p, text.p + at, p->text.n);
        if (here && (!best || p->text.n > best->text.n) && stands_alone(text, at, p->text.n))
            best = p;
    }
    return best;
}

/* ---- names ---- */

/* Words of everyday use say nothing about a person and occur in keys and prose. */
static bool is_everyday(struct span name)
{
    static const char *const words[] = {
        "user",    "users", "root", "home",  "test",   "ubuntu", "admin",  "runner",    "work",
        "project", "code",  "data", "build", "python", "torch",  "shared", "localhost", "host"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is(name, words[i])) return true;
    return name.n < NAME_MIN || is_token(name);
}

void words_add_name(struct words *w, struct span name)
{
    if (is_everyday(name)) return;
    for (size_t i = 0; i < w->names.n; i++)
        if (span_eq(w->names.p[i], name)) return;
    struct span *to = LIST_PUSH(&w->names);
    if (to) *to = arena_copy(&w->arena, name);
    if (!to || !to->p) w->failed = true;
}

size_t words_name(const struct words *w, struct span text, size_t at)
{
    if (at && is_word_byte(text.p[at - 1]) && (at < 2 || text.p[at - 2] != '\\')) return 0;
    for (size_t i = 0; i < w->names.n; i++) {
        struct span name = w->names.p[i];
        if (name.p[0] != text.p[at] || name.n > text.n - at) continue;
        if (memcmp(name.p, text.p + at, name.n)) continue;
        if (at + name.n == text.n || !is_word_byte(text.p[at + name.n])) return name.n;
    }
    return 0;
}

/* ---- paths ---- */

static bool next_component(struct span *rest, struct span *out)
{
    if (!rest->p) return false;
    size_t n = 0;
    while (n < rest->n && rest->p[n] != '/' && rest->p[n] != '\\') n++;
    *out = (struct span){rest->p, n};
    *rest = n < rest->n ? span_from(*rest, n + 1) : SPAN_NONE;
    return true;
}

static bool is_plain(struct span component)
{
    for (size_t i = 0; i < component.n; i++)
        if (!is_path_byte(component.p[i])) return false;
    return true;
}

static bool is_package_folder(struct span c)
{
    return span_is(c, "site-packages") || span_is(c, "dist-packages");
}
static bool holds_torch(struct span before)
{
    return is_package_folder(before) || span_is(before, "pytorch");
}

void words_add_path(struct words *w, struct span path)
{
    struct span rest = path, c, before = SPAN_NONE;
    if (path.n < 2 || (path.p[0] != '/' && path.p[1] != ':')) return;
    while (next_component(&rest, &c)) {
        if (span_is(c, "torch") && holds_torch(before)) return;
        if (span_is(before, "home") || span_is(before, "Users") || span_is(before, "users"))
            words_add_name(w, c);
        if (span_starts(c, "torchinductor_")) words_add_name(w, span_from(c, 14));
        if (c.n >= 4 && !is_package_folder(c) && !map_put(&w->components, map_key(c), 1, NULL))
            w->failed = true;
        if (!is_plain(c) && c.n >= PHRASE_MIN && !is_token(c)) {
            struct buf token = {0};
            words_put_token(&token, c);
            add_phrase(w, c, arena_copy(&w->arena, buf_text(&token)));
            buf_release(&token);
        }
        before = c;
    }
}

static const char *extension(struct span component)
{
    static const char *const known[] = {
        ".py",   ".pyc",   ".pyi",  ".cpp",   ".cc",   ".cxx",   ".c",   ".cu",  ".cuh", ".h",
        ".hpp",  ".so",    ".o",    ".a",     ".json", ".jsonl", ".log", ".txt", ".ptx", ".cubin",
        ".ttir", ".ttgir", ".llir", ".hsaco", ".db",   ".gz",    ".pt",  ".pt2", ".pkl", ".yaml",
        ".yml",  ".toml",  ".sh",   ".ipynb", ".csv",  ".html",  ".md"};
    const char *dot = component.n ? memrchr(component.p, '.', component.n) : NULL;
    if (!dot || dot == component.p) return NULL;
    struct span end = span_from(component, (size_t)(dot - component.p));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (span_is(end, known[i])) return known[i];
    return NULL;
}

/* Folders of torch as they begin a path that is relative to it, in comments of guards. */
static bool is_within_torch(struct span path)
{
    static const char *const folders[] = {
        "torch/",       "_dynamo/",  "_inductor/",         "_functorch/",
        "_subclasses/", "_logging/", "_higher_order_ops/", "_export/",
        "_prims/",      "_refs/",    "_decomp/",           "_guards.py"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (span_starts(path, folders[i])) return true;
    return false;
}

static bool is_relative_path(const struct words *w, struct span path)
{
    if (is_within_torch(path)) return true;
    if (span_starts(path, "./") || span_starts(path, "../") || span_starts(path, "~/")) return true;
    struct span rest = path, c = SPAN_NONE;
    int n_known = 0;
    while (next_component(&rest, &c))
        n_known += c.n >= 4 && map_get(&w->components, map_key(c)) != NULL;
    return extension(c) || n_known;
}

/* C:\Users\NAME\..., with one backslash or more between, as Windows has them and JSON escapes
 * them. */
static size_t windows_path(struct span text, size_t at)
{
    size_t i = at + 2;
    if (i >= text.n || text.p[at + 1] != ':' || (at && is_word_byte(text.p[at - 1]))) return 0;
    while (i < text.n && (text.p[i] == '\\' || text.p[i] == '/')) i++;
    if (i == at + 2 || !span_starts(span_from(text, i), "Users")) return 0;
    while (i < text.n && (is_path_byte(text.p[i]) ||
                          (text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] != '"')))
        i++;
    return i - at;
}

size_t words_path(const struct words *w, struct span text, size_t at)
{
    size_t windows = windows_path(text, at);
    if (windows) return windows;
    size_t end = at;
    while (end < text.n && is_path_byte(text.p[end])) end++;
    while (end > at && text.p[end - 1] == '.') end--;
    struct span run = {text.p + at, end - at};
    if (run.n < 2) return 0;
    if (!memchr(run.p, '/', run.n))
        return extension(run) && map_get(&w->components, map_key(run)) ? run.n : 0;
    if (run.p[0] != '/') return is_relative_path(w, run) ? run.n : 0;
    char before = at ? text.p[at - 1] : ' ', first = run.p[1];
    if (before == ')' || before == ']' || before == '<') return 0;
    if (first == '/') return run.n > 3 && run.p[2] == '/' ? run.n : 0;
    return is_word_byte(first) && !(first >= '0' && first <= '9') ? run.n
           : first == '.' && run.n > 2                            ? run.n
                                                                  : 0;
}

static void put_component(struct buf *out, struct span c, bool last)
{
    bool stays = !c.n || span_is(c, ".") || span_is(c, "..") || span_is(c, "~") ||
                 is_package_folder(c) || is_token(c) || (c.n == 2 && c.p[1] == ':') ||
                 c.p[0] == '<' || c.p[0] == '(' || span_starts(c, "dedicated_log_torch_trace_");
    if (stays) {
        buf_span(out, c);
        return;
    }
    const char *end = last ? extension(c) : NULL;
    words_put_token(out, end ? span_to(c, c.n - strlen(end)) : c);
    if (end) buf_puts(out, end);
}

void words_put_path(struct buf *out, struct span path)
{
    struct span rest = path, c, before = SPAN_NONE;
    bool kept = is_within_torch(path);
    if (kept) {
        buf_span(out, path);
        return;
    }
    while (next_component(&rest, &c)) {
        if (span_is(c, "torch") && holds_torch(before)) {
            buf_span(out, (struct span){c.p, (size_t)(path.p + path.n - c.p)});
            return;
        }
        put_component(out, c, !rest.p);
        if (rest.p) buf_putc(out, c.p[c.n]);
        before = c;
    }
}
