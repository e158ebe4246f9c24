/* hl.c - the tokenizer behind hl.h: one loop over a line, told by a row of rules what its
 * language knows.
 *
 *   Python ──''' after async_compile──► C++ or Triton's Python ──'''──► Python
 *
 * It colours, it does not parse: what it takes wrongly looks odd and nothing else. */
#include "web/hl.h"

#include <stdlib.h>

struct hl_rules {
    const char *const *words; /* keywords, sorted, NULL at the end */
    size_t n_words;
    const char *remark; /* what begins a comment to the end of the line */
    const char *quotes; /* bytes that open a string */
    bool triple;        /* three quotes make a string of many lines */
    bool block;         /* slash star comments, raw strings, preprocessor lines */
    bool types;         /* f32[8, 32] and torch.float32 are types */
};

static const char *const PYTHON_WORDS[] = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "self", "try",    "while",  "with",     "yield"};
static const char *const CPP_WORDS[] = {"__device__",
                                        "__forceinline__",
                                        "__global__",
                                        "__restrict__",
                                        "__shared__",
                                        "auto",
                                        "bool",
                                        "break",
                                        "case",
                                        "char",
                                        "class",
                                        "const",
                                        "const_cast",
                                        "constexpr",
                                        "continue",
                                        "default",
                                        "delete",
                                        "do",
                                        "double",
                                        "else",
                                        "enum",
                                        "extern",
                                        "false",
                                        "float",
                                        "for",
                                        "goto",
                                        "half",
                                        "if",
                                        "inline",
                                        "int",
                                        "int16_t",
                                        "int32_t",
                                        "int64_t",
                                        "int8_t",
                                        "long",
                                        "namespace",
                                        "new",
                                        "nullptr",
                                        "operator",
                                        "private",
                                        "protected",
                                        "public",
                                        "reinterpret_cast",
                                        "return",
                                        "short",
                                        "signed",
                                        "size_t",
                                        "sizeof",
                                        "static",
                                        "static_cast",
                                        "struct",
                                        "switch",
                                        "template",
                                        "this",
                                        "throw",
                                        "true",
                                        "try",
                                        "typedef",
                                        "typename",
                                        "uint16_t",
                                        "uint32_t",
                                        "uint64_t",
                                        "uint8_t",
                                        "unsigned",
                                        "using",
                                        "virtual",
                                        "void",
                                        "volatile",
                                        "while"};
static const char *const JSON_WORDS[] = {"Infinity", "NaN", "false", "null", "true"};

#define WORDS(list) list, sizeof(list) / sizeof *(list)
static const struct hl_rules RULES[HL_N_LANGUAGES] = {
    [HL_PLAIN] = {.remark = "", .quotes = ""},
    [HL_PYTHON] = {WORDS(PYTHON_WORDS), "#", "'\"", .triple = true},
    [HL_CPP] = {WORDS(CPP_WORDS), "//", "'\"", .block = true},
    [HL_JSON] = {WORDS(JSON_WORDS), "", "\""},
    [HL_FX] = {WORDS(PYTHON_WORDS), "#", "'\"", .triple = true, .types = true},
    [HL_GUARDS] = {WORDS(PYTHON_WORDS), "#", "'\""},
};

/* A line on its way: bytes before `at` are classified, those of `class` from `from` on wait to be
 * emitted. */
struct scan {
    struct span line;
    size_t from, at;
    size_t first; /* of the bytes that are not blank */
    enum hl_class class;
    void (*emit)(void *context, enum hl_class class, struct span text);
    void *context;
};

static void flush(struct scan *s)
{
    if (s->emit && s->at > s->from)
        s->emit(s->context, s->class, (struct span){s->line.p + s->from, s->at - s->from});
    s->from = s->at;
}

/* Gives the bytes up to `end` the class. */
static void take(struct scan *s, enum hl_class class, size_t end)
{
    if (end > s->line.n) end = s->line.n;
    if (end <= s->at) return;
    if (class != s->class) flush(s), s->class = class;
    s->at = end;
}

/* The byte at i, 0 behind the end. */
static char peek(const struct scan *s, size_t i)
{
    return i < s->line.n ? s->line.p[i] : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
/* Bytes of UTF-8 sequences count as letters, so that no token ends inside one. */
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}
static bool is_word(char c)
{
    return is_letter(c) || is_digit(c);
}

static size_t skip_blanks(const struct scan *s, size_t i)
{
    while (peek(s, i) == ' ' || peek(s, i) == '\t') i++;
    return i;
}

/* End of a string on this line whose body begins at i, closing quotes included; the line's end if
 * it stays open. */
static size_t string_end(const struct scan *s, size_t i, char quote, int n_quotes, bool *closed)
{
    *closed = true;
    for (; i < s->line.n; i++) {
        if (s->line.p[i] == '\\') {
            i++;
        } else if (s->line.p[i] == quote &&
                   (n_quotes == 1 || (peek(s, i + 1) == quote && peek(s, i + 2) == quote))) {
            return i + (size_t)n_quotes;
        }
    }
    *closed = false;
    return s->line.n;
}

/* Is the triple quote at i the beginning of a kernel's source, and of which language? */
static enum hl_language embedded(const struct scan *s, size_t i)
{
    if (skip_blanks(s, i + 3) != s->line.n) return HL_PLAIN;
    struct span before = span_to(s->line, i);
    if (span_find(before, SPAN("async_compile."), 0) == SIZE_MAX) return HL_PLAIN;
    return span_find(before, SPAN("async_compile.triton"), 0) == SIZE_MAX ? HL_CPP : HL_PYTHON;
}

static void take_string(struct scan *s, struct hl_state *state, const struct hl_rules *rules,
                        char *open)
{
    char quote = s->line.p[s->at];
    int n = rules->triple && peek(s, s->at + 1) == quote && peek(s, s->at + 2) == quote ? 3 : 1;
    enum hl_language inner = n == 3 && open == &state->open ? embedded(s, s->at) : HL_PLAIN;
    bool closed;
    size_t end = string_end(s, s->at + (size_t)n, quote, n, &closed);
    size_t next = skip_blanks(s, end);
    bool is_key = rules->words == JSON_WORDS && peek(s, next) == ':';
    take(s, is_key ? HL_NAME : HL_STRING, end);
    if (closed) return;
    if (inner != HL_PLAIN) {
        state->inner = inner;
        state->inner_open = 0;
        state->quote = quote;
    } else if (n == 3) {
        *open = quote;
    }
}

static int compare_word(const void *key, const void *member)
{
    const struct span *word = key;
    const char *other = *(const char *const *)member;
    int order = strncmp(word->p, other, word->n);
    return order ? order : other[word->n] ? -1 : 0;
}

/* f32, bf16, i64, b8, Sym: what FX prints before a shape. */
static bool is_dtype(struct span word)
{
    if (span_is(word, "Sym")) return true;
    if (word.n < 2 || word.n > 4 || !strchr("fibuc", word.p[0])) return false;
    size_t i = word.p[0] == 'b' && word.p[1] == 'f' ? 2 : 1;
    if (i == word.n) return false;
    for (; i < word.n; i++)
        if (!is_digit(word.p[i])) return false;
    return true;
}

static void take_word(struct scan *s, const struct hl_rules *rules)
{
    size_t end = s->at;
    while (is_word(peek(s, end))) end++;
    struct span word = {s->line.p + s->at, end - s->at};
    enum hl_class class = HL_TEXT;
    if (rules->n_words && word.n <= 24 &&
        bsearch(&word, rules->words, rules->n_words, sizeof *rules->words, compare_word))
        class = HL_KEYWORD;
    else if (rules->types && is_dtype(word) && peek(s, end) == '[') class = HL_TYPE;
    else if (peek(s, end) == '(' && rules->words) class = HL_NAME;
    take(s, class, end);
}

static void take_number(struct scan *s)
{
    size_t end = s->at;
    while (is_digit(peek(s, end)) || peek(s, end) == '.' || peek(s, end) == '_' ||
           ((peek(s, end) | 32) >= 'a' && (peek(s, end) | 32) <= 'z')) {
        bool exponent = (peek(s, end) | 32) == 'e' && (peek(s, s->at + 1) | 32) != 'x';
        end++;
        if (exponent && (peek(s, end) == '-' || peek(s, end) == '+') && is_digit(peek(s, end + 1)))
            end++;
    }
    take(s, HL_NUMBER, end);
}

/* Goes on with what an earlier line left open. */
static void take_open(struct scan *s, char *open)
{
    size_t end;
    bool closed;
    if (*open == '*' || *open == '(') {
        size_t hit = span_find(s->line, *open == '*' ? SPAN("*/") : SPAN(")\""), s->at);
        closed = hit != SIZE_MAX;
        end = closed ? hit + 2 : s->line.n;
    } else {
        end = string_end(s, s->at, *open, 3, &closed);
    }
    take(s, *open == '*' ? HL_COMMENT : HL_STRING, end);
    if (closed) *open = 0;
}

/* Comments, raw strings and preprocessor lines of C++. False when there is none here. */
static bool take_block(struct scan *s, char *open)
{
    char c = s->line.p[s->at];
    if (c == '#' && s->at == s->first) {
        take(s, HL_COMMENT, s->line.n);
    } else if (c == '/' && peek(s, s->at + 1) == '*') {
        take(s, HL_COMMENT, s->at + 2);
        *open = '*';
        take_open(s, open);
    } else if (c == 'R' && peek(s, s->at + 1) == '"' && peek(s, s->at + 2) == '(') {
        take(s, HL_STRING, s->at + 3);
        *open = '(';
        take_open(s, open);
    } else {
        return false;
    }
    return true;
}

/* The lines of a guard tree are drawn with | and +-; the word before the colon is the kind of
 * guard. */
static void take_guard_head(struct scan *s)
{
    size_t i = 0;
    while (peek(s, i) && strchr("|+- ", peek(s, i))) i++;
    take(s, HL_COMMENT, i);
    while (is_word(peek(s, i))) i++;
    if (peek(s, i) == ':') take(s, HL_KEYWORD, i);
}

/* A comment or a string that begins here. False when there is none. */
static bool take_quoted(struct scan *s, struct hl_state *state, const struct hl_rules *rules,
                        char *open)
{
    char c = s->line.p[s->at];
    size_t n = strlen(rules->remark);
    if (n && s->line.n - s->at >= n && !memcmp(s->line.p + s->at, rules->remark, n))
        take(s, HL_COMMENT, s->line.n);
    else if (c && strchr(rules->quotes, c)) take_string(s, state, rules, open);
    else return false;
    return true;
}

/* Classifies up to the end of s->line in one language. */
static void scan_code(struct scan *s, struct hl_state *state, enum hl_language language, char *open)
{
    const struct hl_rules *rules = &RULES[language];
    if (*open) take_open(s, open);
    else if (language == HL_GUARDS) take_guard_head(s);
    while (s->at < s->line.n) {
        char c = s->line.p[s->at];
        if (language == HL_PLAIN) take(s, HL_TEXT, s->line.n);
        else if (rules->block && take_block(s, open)) continue;
        else if (take_quoted(s, state, rules, open)) continue;
        else if (is_letter(c)) take_word(s, rules);
        else if (is_digit(c)) take_number(s);
        else take(s, HL_TEXT, s->at + 1);
    }
}

/* The part of a line that lies inside a quoted block; closes the block at its quotes. */
static void scan_inner(struct scan *s, struct hl_state *state)
{
    const char quotes[3] = {state->quote, state->quote, state->quote};
    size_t end = span_find(s->line, (struct span){quotes, 3}, 0);
    struct span whole = s->line;
    s->line = span_to(whole, end);
    scan_code(s, state, state->inner, &state->inner_open);
    s->line = whole;
    if (end == SIZE_MAX) return;
    take(s, HL_STRING, end + 3);
    state->inner = HL_PLAIN;
    state->inner_open = 0;
}

void hl_line(struct hl_state *state, struct span line,
             void (*emit)(void *context, enum hl_class class, struct span text), void *context)
{
    struct scan s = {.line = line, .emit = emit, .context = context};
    s.first = skip_blanks(&s, 0);
    if (state->inner != HL_PLAIN) scan_inner(&s, state);
    if (s.at < line.n) scan_code(&s, state, state->language, &state->open);
    flush(&s);
}

struct hl_state hl_begin(enum hl_language language)
{
    return (struct hl_state){.language = language};
}

const char *hl_language_title(enum hl_language language)
{
#define X(name, title) title,
    static const char *const TITLES[] = {HL_LANGUAGES(X)};
#undef X
    return TITLES[language];
}

const char *hl_class_css(enum hl_class class)
{
#define X(name, css) css,
    static const char *const CSS[] = {HL_CLASSES(X)};
#undef X
    return CSS[class];
}

static bool has(struct span text, const char *word)
{
    return span_find(text, span_of(word), 0) != SIZE_MAX;
}

enum hl_language hl_guess(struct span name, struct span head)
{
    struct span begin = span_trim(span_to(head, 4096));
    if (has(name, "BYTECODE")) return HL_PLAIN;
    if (has(name, "guards_str") || span_starts(begin, "TREE_GUARD_MANAGER")) return HL_GUARDS;
    if (span_starts(begin, "#include") || span_starts(begin, "#define") ||
        span_starts(begin, "// ") || span_starts(begin, "/*") || has(name, "cpp_wrapper"))
        return HL_CPP;
    if (has(name, "output_code") || has(name, "runnable") || has(name, "dump_file") ||
        has(name, "compiled_f") || has(name, "eval_with_key") || has(name, ".py"))
        return HL_PYTHON;
    if (has(name, "graph") &&
        (has(begin, "class ") || has(begin, "graph()") || has(begin, "def forward")))
        return HL_FX;
    if (begin.n && strchr("{[", begin.p[0])) return HL_JSON;
    if (has(begin, "def forward") || span_starts(begin, "class GraphModule")) return HL_FX;
    if (span_starts(begin, "import ") || span_starts(begin, "from ") || has(begin, "\nimport ") ||
        has(begin, "def "))
        return HL_PYTHON;
    return HL_PLAIN;
}
