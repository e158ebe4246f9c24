/* drain_lines.c - libdw, loaded when the first stack is resolved: most programs record none. */
#include "capture/drain_lines.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/span.h"

/* Only these are called, through pointers. */
#define FUNCTIONS(X)                                                                               \
    X(dwfl_begin)                                                                                  \
    X(dwfl_end)                                                                                    \
    X(dwfl_linux_proc_report)                                                                      \
    X(dwfl_report_begin_add)                                                                       \
    X(dwfl_report_end)                                                                             \
    X(dwfl_linux_proc_find_elf)                                                                    \
    X(dwfl_standard_find_debuginfo)                                                                \
    X(dwfl_addrmodule)                                                                             \
    X(dwfl_module_addrname)                                                                        \
    X(dwfl_module_getsrc)                                                                          \
    X(dwfl_lineinfo)

static struct {
#define X(name) __typeof__(name) *name;
    FUNCTIONS(X)
#undef X
} dw;

static Dwfl *session; /* of this process, kept as long as it lives */

static Dwfl *open_session(void)
{
    static Dwfl_Callbacks callbacks;
    void *lib = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!lib) return NULL;
#define X(name)                                                                                    \
    if (!(*(void **)&dw.name = dlsym(lib, #name))) return NULL;
    FUNCTIONS(X)
#undef X
    callbacks.find_elf = dw.dwfl_linux_proc_find_elf;
    callbacks.find_debuginfo = dw.dwfl_standard_find_debuginfo;
    Dwfl *opened = dw.dwfl_begin(&callbacks);
    if (opened && !dw.dwfl_linux_proc_report(opened, getpid()) &&
        !dw.dwfl_report_end(opened, NULL, NULL))
        return opened;
    if (opened) dw.dwfl_end(opened);
    return NULL;
}

/* Libraries that were loaded since. */
static Dwfl_Module *module_at(Dwarf_Addr at)
{
    Dwfl_Module *m = dw.dwfl_addrmodule(session, at);
    if (m) return m;
    dw.dwfl_report_begin_add(session);
    if (dw.dwfl_linux_proc_report(session, getpid()) || dw.dwfl_report_end(session, NULL, NULL))
        return NULL;
    return dw.dwfl_addrmodule(session, at);
}

struct drain_place drain_place_of(const void *address)
{
    static bool tried;
    struct drain_place out = {0};
    Dwarf_Addr at = (uintptr_t)address;
    if (!tried) session = open_session();
    tried = true;
    Dwfl_Module *m = session ? module_at(at) : NULL;
    if (!m) return out;
    out.function = dw.dwfl_module_addrname(m, at);
    Dwfl_Line *line = dw.dwfl_module_getsrc(m, at);
    if (line) out.file = dw.dwfl_lineinfo(line, &at, &out.line, NULL, NULL, NULL);
    return out;
}

void drain_line_text(struct buf *out, const char *file, int line)
{
    char text[512];
    FILE *f = fopen(file, "re");
    for (int i = 0; f && i < line; i++)
        if (!fgets(text, sizeof text, f)) line = 0;
    if (f) fclose(f);
    if (f && line > 0) buf_utf8(out, span_trim(span_of(text)));
}
