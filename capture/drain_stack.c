/* drain_stack.c - return addresses become frames: function, file and line as far as they are known.
 *
 * Without debug information the dynamic linker names functions that are exported; others are named
 * by their object and the distance from its beginning, which addr2line and debuggers take.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "capture/drain_lines.h"
#include "capture/drain_state.h"

struct frame {
    char name[512];
    const char *file;
    int line;
};

/* What the dynamic linker knows. */
static void name_by_linker(const char *at, struct frame *f)
{
    Dl_info info = {0};
    bool known = dladdr(at, &info);
    f->file = known && info.dli_fname ? info.dli_fname : "?";
    if (known && info.dli_sname)
        snprintf(f->name, sizeof f->name, "%s+0x%zx", info.dli_sname,
                 (size_t)(at - (const char *)info.dli_saddr));
    else if (known)
        snprintf(f->name, sizeof f->name, "0x%zx", (size_t)(at - (const char *)info.dli_fbase));
    else snprintf(f->name, sizeof f->name, "%p", (const void *)at);
}

static int64_t frame_of(struct drain *d, int64_t parent, const void *pc)
{
    struct frame f = {.file = "?"};
    /* A return address is behind its call, which may be the last of its function. */
    const char *at = (const char *)pc - 1;
    struct drain_place place = {0};
    if (d->db) snprintf(f.name, sizeof f.name, "%p", pc); /* of a process that is no more */
    else place = drain_place_of(at);
    if (place.function) snprintf(f.name, sizeof f.name, "%s", place.function);
    if (place.file) f.file = place.file, f.line = place.line;
    if (!d->db && (!place.function || !place.file)) name_by_linker(at, &f);
    buf_clear(&d->scratch);
    if (f.line) drain_line_text(&d->scratch, f.file, f.line);
    int64_t file = store_word(d->writer, span_of(f.file)),
            name = store_word(d->writer, span_of(f.name));
    return store_frame(d->writer, parent, file, f.line, name,
                       store_word(d->writer, buf_text(&d->scratch)));
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
