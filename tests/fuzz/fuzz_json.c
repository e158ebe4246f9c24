/* fuzz_json.c - any text: what the quick JSON reader accepts, yajl reads in the same way. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "store/base/json_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Depth is limited by the reader, so this recursion is. */
static bool same(const struct json *a, const struct json *b)
{
    if (a->type != b->type || a->n != b->n || a->i != b->i || !span_eq(a->key, b->key))
        return false;
    if (a->r != b->r && !(isnan(a->r) && isnan(b->r))) return false;
    if (a->type < JSON_LIST) return a->type < JSON_INT || span_eq(a->text, b->text);
    const struct json *x = a->first, *y = b->first;
    for (; x && y; x = x->next, y = y->next)
        if (!same(x, y)) return false;
    return !x && !y;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    char *copy = malloc(size + 1);
    if (!copy) return 0;
    memcpy(copy, data, size);
    struct span text = {copy, size};
    enum err why;
    struct json *other = NULL, *quick = json_plain(text, &arena, &why);
    /* 1e99999 and the like stand for Python's Infinity on yajl's side. */
    if (memmem(copy, size, "e99999", 6)) quick = NULL;
    if (quick && (json_by_yajl(text, &arena, &other) || !same(quick, other))) abort();
    if (!quick) (void)!json_parse(text, &arena, &other);
    if (other) {
        struct buf b = {0};
        json_print(&b, other);
        buf_release(&b);
    }
    arena_release(&arena);
    free(copy);
    return 0;
}
