/* sqlfn.c - SQL functions. All are innocuous: they read the trace they are called in, and nothing
 * else.
 */
#include "store/sqlfn.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/db.h"
#include "store/text.h"

enum {
    MATCH_LIMIT = 1000000, /* PCRE2's backtracking steps for one text */
    LARGEST_TEXT =
        64
        << 20, /* bytes artifact_text gives; larger ones are an error that says how to read them */
    DEEPEST_STACK = 4096,
};

static void fail(sqlite3_context *ctx)
{
    sqlite3_result_error(ctx, err_text(), -1);
    err_clear();
}

/* A statement kept between calls would keep its connection open, so each call prepares its own
 * (some 10 us); the inflated frames
 * are kept with the connection, since neighbours share one. */
static void artifact_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    struct text_reader *reader = NULL;
    struct buf text = {0};
    if (sqlite3_value_type(v[0]) == SQLITE_NULL) return;
    enum err err =
        text_reader_new_over(sqlite3_context_db_handle(ctx), sqlite3_user_data(ctx), &reader);
    if (!err) err = text_artifact(reader, sqlite3_value_int64(v[0]), &text);
    text_reader_free(reader);
    if (!err && text.n > LARGEST_TEXT)
        err = err_set(
            ERR_LIMIT,
            "the artifact has %zu bytes; artifact_text gives up to %d. Read it with plumb serve",
            text.n, LARGEST_TEXT);
    if (err == ERR_NOT_FOUND) err_clear();
    else if (err) fail(ctx);
    else sqlite3_result_text64(ctx, text.p ? text.p : "", text.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    buf_release(&text);
}

static const char frame_sql[] =
    "SELECT s.parent, f.text, s.line, n.text, l.text FROM stack s LEFT JOIN string f ON f.id = "
    "s.file "
    "LEFT JOIN string n ON n.id = s.name LEFT JOIN string l ON l.id = s.loc WHERE s.id = ?1";

static void put_frame(struct buf *out, sqlite3_stmt *s)
{
    struct span loc = span_trim(store_column_text(s, 4));
    buf_printf(out, "  File \"%.*s\", line %lld, in %.*s\n", SPAN_ARG(store_column_text(s, 1)),
               (long long)sqlite3_column_int64(s, 2), SPAN_ARG(store_column_text(s, 3)));
    if (loc.n) buf_printf(out, "    %.*s\n", SPAN_ARG(loc));
}

/* Collects frames innermost first, then joins them in the order of a Python traceback. */
static void stack_text(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    sqlite3_stmt *s = NULL;
    if (sqlite3_value_type(v[0]) == SQLITE_NULL) return;
    if (store_prepare(sqlite3_context_db_handle(ctx), frame_sql, &s)) {
        fail(ctx);
        return;
    }
    struct buf frames = {0}, out = {0};
    size_t starts[DEEPEST_STACK + 1];
    int depth = 0;
    for (int64_t id = sqlite3_value_int64(v[0]); id && depth < DEEPEST_STACK; depth++) {
        sqlite3_bind_int64(s, 1, id);
        if (sqlite3_step(s) != SQLITE_ROW) break;
        starts[depth] = frames.n;
        put_frame(&frames, s);
        id = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    starts[depth] = frames.n;
    while (depth-- > 0) buf_put(&out, frames.p + starts[depth], starts[depth + 1] - starts[depth]);
    if (out.failed || frames.failed) sqlite3_result_error_nomem(ctx);
    else sqlite3_result_text64(ctx, out.p ? out.p : "", out.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    buf_release(&frames);
    buf_release(&out);
}

static void word(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    sqlite3_stmt *s = NULL;
    if (sqlite3_value_type(v[0]) == SQLITE_NULL) return;
    if (store_prepare(sqlite3_context_db_handle(ctx), "SELECT text FROM string WHERE id = ?1",
                      &s)) {
        fail(ctx);
        return;
    }
    sqlite3_bind_int64(s, 1, sqlite3_value_int64(v[0]));
    if (sqlite3_step(s) == SQLITE_ROW) sqlite3_result_value(ctx, sqlite3_column_value(s, 0));
    sqlite3_finalize(s);
}

static void hex64(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    char text[17];
    if (sqlite3_value_type(v[0]) == SQLITE_NULL) return;
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sqlite3_value_int64(v[0]));
    sqlite3_result_text(ctx, text, 16, SQLITE_TRANSIENT);
}

/* A hash as it was recorded: a number, but text for NaN, for integers of 2^63 and more, and hex
 * digits for PKM64 and SHA-256. */
static void hash_value(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    int64_t bits = sqlite3_value_int64(v[1]);
    double real;
    char text[24];
    if (sqlite3_value_type(v[0]) == SQLITE_NULL || sqlite3_value_type(v[1]) == SQLITE_NULL) return;
    memcpy(&real, &bits, sizeof real);
    snprintf(text, sizeof text, "%llu", (unsigned long long)bits);
    bool is_real = sqlite3_value_int64(v[0]) == 1,
         large = sqlite3_value_int64(v[0]) == 2 && bits < 0;
    if (sqlite3_value_int64(v[0]) == 4 || sqlite3_value_int64(v[0]) == 5) {
        snprintf(text, sizeof text, "0x%016llx", (unsigned long long)bits);
        sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
    } else if (is_real && real != real) sqlite3_result_text(ctx, "nan", -1, SQLITE_STATIC);
    else if (is_real) sqlite3_result_double(ctx, real);
    else if (large) sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
    else sqlite3_result_int64(ctx, bits);
}

/* ---- regexp ---- */

static void code_free(void *p)
{
    pcre2_code_free(p);
}

static pcre2_code *compile_pattern(sqlite3_context *ctx, sqlite3_value *v)
{
    int code;
    PCRE2_SIZE at;
    const unsigned char *p = sqlite3_value_text(v);
    if (!p) return NULL;
    pcre2_code *re = pcre2_compile(p, (size_t)sqlite3_value_bytes(v),
                                   PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &at, NULL);
    if (re) {
        (void)pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
        return re;
    }
    unsigned char why[160];
    char text[256];
    pcre2_get_error_message(code, why, sizeof why);
    snprintf(text, sizeof text, "the regular expression is wrong at character %zu: %s", (size_t)at,
             why);
    sqlite3_result_error(ctx, text, -1);
    return NULL;
}

static void match(sqlite3_context *ctx, const pcre2_code *re, sqlite3_value *text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    const unsigned char *p = sqlite3_value_text(text);
    int rc = PCRE2_ERROR_NOMEMORY;
    if (data && limits && p) {
        pcre2_set_match_limit(limits, MATCH_LIMIT);
        rc = pcre2_match(re, p, (size_t)sqlite3_value_bytes(text), 0, 0, data, limits);
    }
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH) sqlite3_result_int(ctx, rc >= 0);
    else if (rc == PCRE2_ERROR_MATCHLIMIT)
        sqlite3_result_error(
            ctx, "the regular expression takes too many steps on a text; make it more specific",
            -1);
    else sqlite3_result_error(ctx, "the regular expression could not be matched", -1);
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
}

static void regexp(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    if (sqlite3_value_type(v[0]) == SQLITE_NULL || sqlite3_value_type(v[1]) == SQLITE_NULL) return;
    pcre2_code *re = sqlite3_get_auxdata(ctx, 0);
    if (re) {
        match(ctx, re, v[1]);
        return;
    }
    re = compile_pattern(ctx, v[0]);
    if (!re) return;
    match(ctx, re, v[1]);
    sqlite3_set_auxdata(ctx, 0, re, code_free);
}

/* Gpt.h.11.mlp -> Gpt.h.*.mlp: a number between dots, or at an end, is that of a layer. */
static void layer_name(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    const char *text = (const char *)sqlite3_value_text(v[0]);
    struct buf b = {0};
    if (!text) return; /* NULL */
    for (const char *p = text; *p; p++) {
        size_t digits = strspn(p, "0123456789");
        bool starts = p == text || p[-1] == '.', ends = p[digits] == '.' || !p[digits];
        if (digits && starts && ends) {
            buf_putc(&b, '*');
            p += digits - 1;
        } else buf_putc(&b, *p);
    }
    if (b.failed) sqlite3_result_error_nomem(ctx);
    else sqlite3_result_text(ctx, b.p ? b.p : "", (int)b.n, SQLITE_TRANSIENT);
    buf_release(&b);
}

static void free_frames(void *p)
{
    text_frames_free(p);
}

static enum err register_artifact_text(sqlite3 *db)
{
    struct text_frames *frames = text_frames_new();
    if (!frames) FAIL(ERR_NOMEM, "out of memory for a text reader");
    int rc = sqlite3_create_function_v2(db, "artifact_text", 1, SQLITE_UTF8 | SQLITE_INNOCUOUS,
                                        frames, artifact_text, NULL, NULL, free_frames);
    return rc == SQLITE_OK ? ERR_OK : store_sql_error(db, rc, "registering artifact_text");
}

enum err store_functions_register(sqlite3 *db)
{
    static const struct {
        const char *name;
        int n_args, flags;
        void (*call)(sqlite3_context *, int, sqlite3_value **);
    } table[] = {
        {"stack_text", 1, 0, stack_text},
        {"word", 1, 0, word},
        {"hex64", 1, SQLITE_DETERMINISTIC, hex64},
        {"hash_value", 2, SQLITE_DETERMINISTIC, hash_value},
        {"layer_name", 1, SQLITE_DETERMINISTIC, layer_name},
        {"regexp", 2, SQLITE_DETERMINISTIC, regexp},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int rc = sqlite3_create_function_v2(db, table[i].name, table[i].n_args,
                                            SQLITE_UTF8 | SQLITE_INNOCUOUS | table[i].flags, NULL,
                                            table[i].call, NULL, NULL, NULL);
        if (rc) return store_sql_error(db, rc, "registering a function");
    }
    return register_artifact_text(db);
}
