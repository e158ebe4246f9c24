/* drain_stack.c - return addresses become frames: function, file and line as far as they are known.
 *
 * Without debug information the dynamic linker names functions that are exported; others are named
 * by their object and the distance from its beginning, which addr2line and debuggers take.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "capture/cap_state.h"
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

static void resolve(struct drain *d, const void *pc, struct frame *f)
{
    /* A return address is behind its call, which may be the last of its function. */
    const char *at = (const char *)pc - 1;
    struct drain_place place = {0};
    *f = (struct frame){.file = "?"};
    if (d->db) { /* of a process that is no more */
        snprintf(f->name, sizeof f->name, "%p", pc);
        return;
    }
    place = drain_place_of(at);
    if (!place.function || !place.file) name_by_linker(at, f);
    if (place.function) snprintf(f->name, sizeof f->name, "%s", place.function);
    if (place.file) f->file = place.file, f->line = place.line;
}

/* Frames from this one on are of the program: what lies within its call of the public interface is
 * plumb's own, as PyTorch leaves out its own. */
static size_t first_of_program(const struct frame *f, size_t n)
{
    for (size_t i = n - 1; i-- > 0;)
        if (!strncmp(f[i].name, "plumb_", 6) && strcmp(f[i].name, "plumb_main")) return i + 1;
    return 0;
}

static int64_t store(struct drain *d, int64_t parent, const struct frame *f)
{
    buf_clear(&d->scratch);
    if (f->line) drain_line_text(&d->scratch, f->file, f->line);
    int64_t file = store_word(d->writer, span_of(f->file)),
            name = store_word(d->writer, span_of(f->name));
    return store_frame(d->writer, parent, file, f->line, name,
                       store_word(d->writer, buf_text(&d->scratch)));
}

static int64_t stack_of(struct drain *d, const struct ring_definition *def)
{
    struct frame frames[CAP_STACK];
    size_t n = def->n / sizeof(void *);
    int64_t id = 0;
    if (n > CAP_STACK) n = CAP_STACK;
    for (size_t i = 0; i < n; i++) {
        const void *pc;
        memcpy(&pc, def->payload + i * sizeof pc, sizeof pc);
        resolve(d, pc, &frames[i]);
    }
    size_t first = n ? first_of_program(frames, n) : 0;
    for (size_t i = n; i-- > first;) id = store(d, id, &frames[i]);
    return id;
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
    if (!d->stacks.p[number]) d->stacks.p[number] = stack_of(d, def);
    return d->stacks.p[number];
}
