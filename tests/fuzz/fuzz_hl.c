/* fuzz_hl.c - libFuzzer target: any bytes in any language; the pieces must cover each line. */
#include <stdlib.h>

#include "web/hl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(void *context, enum hl_class class, struct span text)
{
    const char **at = context;
    if (text.p != *at || !text.n || class >= HL_N_CLASSES) abort();
    *at += text.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    struct hl_state state = hl_begin((enum hl_language)(data[0] % HL_N_LANGUAGES));
    struct span rest = {(const char *)data + 1, size - 1}, line;
    hl_guess(SPAN("graph"), rest);
    while (span_next_line(&rest, &line)) {
        const char *at = line.p;
        hl_line(&state, line, add, &at);
        if (at != line.p + line.n) abort();
    }
    return 0;
}
