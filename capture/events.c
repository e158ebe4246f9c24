/* events.c - JSON values as typed cells. */
#include "capture/events.h"

int64_t cap_arg_cell(struct store_writer *w, const struct json *value, struct buf *scratch,
                     struct store_cell *out)
{
    *out = (struct store_cell){.kind = STORE_CELL_INT};
    switch (value->type) {
    case JSON_NULL: out->kind = STORE_CELL_NULL; return CAP_ARG_NULL;
    case JSON_BOOL: out->i = value->i; return CAP_ARG_BOOL;
    case JSON_INT: out->i = value->i; return CAP_ARG_INT;
    case JSON_REAL:
        out->kind = STORE_CELL_REAL;
        out->r = value->r;
        return CAP_ARG_REAL;
    case JSON_STRING: out->i = store_word(w, value->text); return CAP_ARG_STRING;
    default:
        if (value->text.p && !memchr(value->text.p, '\n', value->text.n)) {
            out->i = store_word(w, value->text);
            return CAP_ARG_JSON;
        }
        buf_clear(scratch);
        json_print(scratch, value);
        out->i = store_word(w, buf_text(scratch));
        return CAP_ARG_JSON;
    }
}
