/* drain_stack.c - return addresses become frames: function, and file as far as the program knows.
 *
 * The dynamic linker's table names functions that are exported; others are named by their object
 * and the distance from its beginning, which addr2line and debuggers take.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "capture/drain_state.h"

static int64_t frame_of(struct drain *d, int64_t parent, const void *pc)
{
    Dl_info info = {0};
    char name[512];
    /* A return address is behind its call, which may be the last of its function. */
    const char *at = (const char *)pc - 1;
    bool known = !d->db && dladdr(at, &info);
    if (known && info.dli_sname)
        snprintf(name, sizeof name, "%s+0x%zx", info.dli_sname,
                 (size_t)(at - (const char *)info.dli_saddr));
    else if (known)
        snprintf(name, sizeof name, "0x%zx", (size_t)(at - (const char *)info.dli_fbase));
    else snprintf(name, sizeof name, "%p", pc);
    struct span file = known && info.dli_fname ? span_of(info.dli_fname) : SPAN("?");
    return store_frame(d->writer, parent, store_word(d->writer, file), 0,
                       store_word(d->writer, span_of(name)), store_word(d->writer, SPAN("")));
}

int64_t drain_stack(struct drain *d, uint32_t number)
{
    const struct ring_definition *def = ring_name(d->ring, RING_STACK, number);
    if (!def) return 0;
    while (d->stacks.n <= number) {
        int64_t *fresh = LIST_PUSH(&d->stacks);
        if (!fresh) return 0;
        *fresh = 0;
    }
    if (d->stacks.p[number]) return d->stacks.p[number];
    int64_t id = 0;
    for (size_t i = def->n / sizeof(void *); i-- > 0;) {
        const void *pc;
        memcpy(&pc, def->payload + i * sizeof pc, sizeof pc);
        id = frame_of(d, id, pc);
    }
    return d->stacks.p[number] = id;
}
