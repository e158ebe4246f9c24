/* build.c - keys, the table in memory, and the files of the cache. The child process is in
 * build_child.c. */
#include "runtime/build_child.h"

#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "store/base/map.h"

enum { NOTE = 1024, ENTRY_MAX = 64 << 20 };
static const char trailer_mark[8] = "plumbso1";
struct trailer {
    char mark[8];
    uint64_t size; /* of the bytes before */
    XXH128_canonical_t sum;
};

static struct {
    pthread_mutex_t lock; /* guards all below, and building */
    bool ready;
    char compiler[512], cache[512], isa[16];
    int timeout_s;
    char folder[600]; /* where entries are; "" not yet looked for */
    bool temporary;   /* the folder is this process's own */
    bool no_compiler; /* it is missing or hung: not asked again */
    struct map built; /* key of text and options -> address, 0 failed */
    struct build_stats stats;
    char note[NOTE];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic unsigned generation;

/* ---- options ---- */

static void set_text(char *to, size_t size, const char *given, const char *variable,
                     const char *otherwise)
{
    const char *env = getenv(variable);
    snprintf(to, size, "%s", given ? given : env && *env ? env : otherwise);
}

static void set_cache(const char *given)
{
    const char *home = getenv("HOME"), *xdg = getenv("XDG_CACHE_HOME");
    char otherwise[512] = "";
    if (xdg && *xdg) snprintf(otherwise, sizeof otherwise, "%s/plumb", xdg);
    else if (home && *home) snprintf(otherwise, sizeof otherwise, "%s/.cache/plumb", home);
    set_text(state.cache, sizeof state.cache, given, "PLUMB_CACHE", otherwise);
}

static void set_options(const struct build_options *o)
{
    static const struct build_options none;
    if (!o) o = &none;
    set_text(state.compiler, sizeof state.compiler, o->compiler, "PLUMB_CC", "cc");
    set_text(state.isa, sizeof state.isa, o->isa, "PLUMB_ISA", "native");
    set_cache(o->cache);
    state.timeout_s = o->timeout_s > 0 ? o->timeout_s : 60;
    state.folder[0] = 0;
    state.no_compiler = false;
    state.ready = true;
    generation++;
}

unsigned build_generation(void)
{
    return generation;
}

void build_set_options(const struct build_options *o)
{
    pthread_mutex_lock(&state.lock);
    set_options(o);
    pthread_mutex_unlock(&state.lock);
}

const char *build_isa(void)
{
    pthread_mutex_lock(&state.lock);
    if (!state.ready) set_options(NULL);
    pthread_mutex_unlock(&state.lock);
    return state.isa;
}

static const struct {
    const char *name, *flag;
} isas[] = {{"native", "-march=native"},
            {"avx512", "-march=x86-64-v4"},
            {"avx2", "-march=x86-64-v3"},
            {"sse2", "-march=x86-64"}};

static const char *isa_flag(const char *name)
{
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++)
        if (!strcmp(isas[i].name, name)) return isas[i].flag;
    return NULL;
}

bool build_isa_present(const char *isa)
{
    if (!strcmp(isa, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (!strcmp(isa, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return isa_flag(isa) != NULL;
}

/* ---- notes and counts ---- */

static void note(const char *text)
{
    if (!state.note[0]) snprintf(state.note, sizeof state.note, "%s", text);
}

const char *build_note(void)
{
    return state.note;
}

static _Atomic int64_t interpreted; /* counted without the lock */

struct build_stats build_stats(void)
{
    pthread_mutex_lock(&state.lock);
    struct build_stats s = state.stats;
    pthread_mutex_unlock(&state.lock);
    s.interpreted = interpreted;
    return s;
}

void build_count_interpreted(void)
{
    interpreted++;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- keys ---- */

/* A piece with its length, so that two pieces never read as one. */
static void add(struct buf *b, const void *p, size_t n)
{
    uint64_t size = n;
    buf_put(b, &size, sizeof size);
    buf_put(b, p, n);
}

/* The compiler is known by the file that its name leads to: an update changes size or time. */
static void add_compiler(struct buf *b)
{
    struct stat s;
    char path[PATH_MAX_BUILD];
    if (!build_child_find(state.compiler, path) || stat(path, &s)) return;
    int64_t facts[] = {(int64_t)s.st_size, (int64_t)s.st_mtim.tv_sec, (int64_t)s.st_mtim.tv_nsec,
                       (int64_t)s.st_ino};
    add(b, path, strlen(path));
    add(b, facts, sizeof facts);
}

static void add_processor(struct buf *b)
{
    unsigned r[8] = {0};
    __get_cpuid(1, &r[0], &r[1], &r[2], &r[3]);
    r[1] = 0; /* which of the processors this is */
    __get_cpuid_count(7, 0, &r[4], &r[5], &r[6], &r[7]);
    add(b, r, sizeof r);
}

static enum err key_of(struct span text, struct map_key *out)
{
    struct buf b = {0};
    add(&b, text.p, text.n);
    add(&b, state.isa, strlen(state.isa));
    add(&b, BUILD_FLAGS, sizeof BUILD_FLAGS);
    add_compiler(&b);
    add_processor(&b);
    enum err err = buf_ok(&b);
    XXH128_hash_t d = err ? (XXH128_hash_t){0} : XXH3_128bits(b.p, b.n);
    *out = (struct map_key){d.low64, d.high64 | 1}; /* {0, 0} means free in a map */
    buf_release(&b);
    return err;
}

/* ---- the folder ---- */

/* Ours, a folder, and closed to everybody else. */
static bool is_private(const char *path)
{
    struct stat s;
    return !lstat(path, &s) && S_ISDIR(s.st_mode) && s.st_uid == geteuid() && !(s.st_mode & 077);
}

static bool make_folders(const char *path)
{
    char part[512];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        mkdir(part, 0700);
        *p = '/';
    }
    return !mkdir(part, 0700) || errno == EEXIST;
}

static enum err temporary_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(state.folder, sizeof state.folder, "%s/plumb-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    state.temporary = true;
    if (mkdtemp(state.folder)) return ERR_OK;
    int code = errno;
    char where[600];
    snprintf(where, sizeof where, "%s", state.folder);
    state.folder[0] = 0;
    FAIL(ERR_IO, "no folder for kernels can be made as %s: %s", where, strerror(code));
}

static enum err find_folder(void)
{
    char text[NOTE];
    if (state.folder[0]) return ERR_OK;
    state.temporary = false;
    if (state.cache[0] && make_folders(state.cache) && is_private(state.cache) &&
        !access(state.cache, W_OK)) {
        snprintf(state.folder, sizeof state.folder, "%s", state.cache);
        return ERR_OK;
    }
    snprintf(
        text, sizeof text,
        "the kernel cache %s is not used: it must be a folder of this user, writable, with mode "
        "0700; kernels are built for this process only",
        state.cache[0] ? state.cache : "(PLUMB_CACHE, XDG_CACHE_HOME and HOME are unset)");
    note(text);
    return temporary_folder();
}

/* ---- entries ---- */

static bool read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat s;
    bool fine = fd >= 0 && !fstat(fd, &s) && S_ISREG(s.st_mode) && s.st_size <= ENTRY_MAX &&
                s.st_uid == geteuid() && buf_reserve(out, (size_t)s.st_size);
    while (fine) {
        ssize_t n = read(fd, out->p + out->n, (size_t)s.st_size - out->n);
        if (n <= 0) break;
        out->n += (size_t)n;
    }
    fine = fine && out->n == (size_t)s.st_size;
    if (fd >= 0) close(fd);
    return fine;
}

static struct trailer trailer_of(const void *p, size_t n)
{
    struct trailer t = {.size = n};
    memcpy(t.mark, trailer_mark, sizeof t.mark);
    XXH128_canonicalFromHash(&t.sum, XXH3_128bits(p, n));
    return t;
}

/* The entry without its trailer; false: there is none that fits. */
static bool read_entry(const char *path, struct buf *out)
{
    struct trailer t, want;
    if (!read_file(path, out) || out->n <= sizeof t) return false;
    memcpy(&t, out->p + out->n - sizeof t, sizeof t);
    out->n -= sizeof t;
    want = trailer_of(out->p, out->n);
    return !memcmp(&t, &want, sizeof t);
}

static bool is_whole(const char *path)
{
    struct buf b = {0};
    bool fine = read_entry(path, &b);
    buf_release(&b);
    return fine;
}

/* Puts the trailer behind what the compiler made. */
static enum err seal(const char *path)
{
    struct buf b = {0};
    bool fine = read_file(path, &b) && b.n;
    struct trailer t = trailer_of(b.p, b.n);
    buf_release(&b);
    if (!fine) FAIL(ERR_IO, "the compiler %s ended well and left no kernel", state.compiler);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    fine = fd >= 0 && write(fd, &t, sizeof t) == (ssize_t)sizeof t;
    if (fd >= 0 && close(fd)) fine = false;
    if (!fine) FAIL(ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    return ERR_OK;
}

static enum err load(const char *path, void **out)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        FAIL(ERR_IO, "a kernel that %s made cannot be loaded: %s", state.compiler, why ? why : "?");
    }
    *out = dlsym(library, "plumb_kernel");
    if (*out) return ERR_OK;
    dlclose(library);
    FAIL(ERR_IO, "a kernel that %s made lacks its function plumb_kernel", state.compiler);
}

/* ---- building ---- */

/* One text on its way. */
struct order {
    struct span text;
    struct map_key key;
    char entry[PATH_MAX_BUILD];
    struct build_child child;
    bool begun; /* its compiler runs */
    void *made;
};

static enum err job_now(struct build_job *out)
{
    *out = (struct build_job){.compiler = state.compiler,
                              .isa_flag = isa_flag(state.isa),
                              .folder = state.folder,
                              .timeout_s = state.timeout_s};
    if (out->isa_flag) return ERR_OK;
    FAIL(ERR_USAGE, "PLUMB_ISA is %s; native, avx512, avx2 and sse2 are accepted", state.isa);
}

/* From memory or the cache; else its compiler is started. An entry that does not fit its trailer,
 * or that cannot be loaded, is built again. */
static enum err begin(struct order *o)
{
    struct build_job job;
    TRY(key_of(o->text, &o->key));
    int64_t *at = map_get(&state.built, o->key);
    if (at && *at) {
        state.stats.from_memory++;
        o->made = (void *)(intptr_t)*at;
        return ERR_OK;
    }
    if (at) FAIL(ERR_IO, "this kernel failed to build before: %s", state.note);
    TRY(find_folder());
    snprintf(o->entry, sizeof o->entry, "%s/%016llx%016llx.so", state.folder,
             (unsigned long long)o->key.hi, (unsigned long long)o->key.lo);
    if (is_whole(o->entry) && !load(o->entry, &o->made)) {
        state.stats.from_disk++;
        return ERR_OK;
    }
    if (!strcmp(state.compiler, "none") || state.no_compiler)
        FAIL(ERR_UNSUPPORTED, "there is no compiler to build kernels with (PLUMB_CC is %s)",
             state.compiler);
    TRY(job_now(&job));
    enum err err = build_child_begin(&job, o->text, &o->child, &state.no_compiler);
    o->begun = !err;
    if (err) build_child_clean(o->child.made);
    return err;
}

static enum err end(struct order *o)
{
    struct build_job job;
    TRY(job_now(&job));
    enum err err = build_child_end(&job, &o->child, &state.no_compiler);
    if (!err) err = seal(o->child.made);
    if (!err && rename(o->child.made, o->entry))
        err = err_set(ERR_IO, "%s cannot be made: %s", o->entry, strerror(errno));
    build_child_clean(o->child.made);
    TRY(err);
    TRY(load(o->entry, &o->made));
    state.stats.built++;
    if (state.temporary) unlink(o->entry); /* nobody else will ask for it */
    return ERR_OK;
}

/* Keeps what came of an order, or that nothing did. */
static enum err settle(struct order *o, enum err err)
{
    bool known = map_get(&state.built, o->key) != NULL;
    if (err && !known) {
        state.stats.failed++;
        note(err_text());
    }
    if (!map_put(&state.built, o->key, err ? 0 : (int64_t)(intptr_t)o->made, NULL) && !err)
        return err_set(ERR_NOMEM, "out of memory for a kernel");
    return err;
}

static enum err build_orders(struct order *o, int n)
{
    enum err first = ERR_OK;
    int64_t since = now_ns();
    int begun = 0;
    for (; begun < n && !first; begun++) {
        first = begin(&o[begun]);
        if (first || !o[begun].begun) first = settle(&o[begun], first);
    }
    for (int i = 0; i < begun; i++) { /* those that run are waited for in any case */
        if (!o[i].begun) continue;
        enum err err = settle(&o[i], end(&o[i]));
        if (!first) first = err;
    }
    for (int i = 0; i < begun; i++)
        if (o[i].begun) {
            state.stats.build_ns += now_ns() - since;
            break;
        }
    return first;
}

/* A folder of this process's own goes with the kernels: nobody may be there to remove it later. */
static void leave_folder(void)
{
    if (!state.temporary || !state.folder[0]) return;
    rmdir(state.folder);
    state.folder[0] = 0;
}

enum err build_kernels(const struct span *text, int n, void **out)
{
    struct order *o = calloc((size_t)n, sizeof *o);
    if (!o) FAIL(ERR_NOMEM, "out of memory for %d kernels", n);
    for (int i = 0; i < n; i++) o[i].text = text[i];
    pthread_mutex_lock(&state.lock);
    if (!state.ready) set_options(NULL);
    enum err err = build_orders(o, n);
    leave_folder();
    pthread_mutex_unlock(&state.lock);
    for (int i = 0; i < n; i++) out[i] = err ? NULL : o[i].made;
    free(o);
    return err;
}

enum err build_kernel(struct span text, void **out)
{
    return build_kernels(&text, 1, out);
}

/* ---- bytes that others make ---- */

static enum err write_entry(const char *path, const struct buf *b)
{
    char made[PATH_MAX_BUILD + 8];
    struct trailer t = trailer_of(b->p, b->n);
    snprintf(made, sizeof made, "%s.XXXXXX", path);
    int fd = mkstemp(made);
    bool fine = fd >= 0 && write(fd, b->p, b->n) == (ssize_t)b->n &&
                write(fd, &t, sizeof t) == (ssize_t)sizeof t;
    int code = errno;
    if (fd >= 0 && close(fd)) fine = false;
    if (fine && !rename(made, path)) return ERR_OK;
    if (fd >= 0) unlink(made);
    FAIL(ERR_IO, "%s cannot be written: %s", path, strerror(code));
}

static enum err find_bytes(struct span text, const struct build_maker *m, struct buf *out)
{
    char entry[PATH_MAX_BUILD];
    struct buf b = {0};
    add(&b, text.p, text.n);
    add(&b, m->how, strlen(m->how));
    XXH128_hash_t d = XXH3_128bits(b.p, b.n);
    enum err err = buf_ok(&b);
    buf_release(&b);
    TRY(err);
    TRY(find_folder());
    snprintf(entry, sizeof entry, "%s/%016llx%016llx.bin", state.folder,
             (unsigned long long)d.high64, (unsigned long long)d.low64);
    if (read_entry(entry, out)) {
        state.stats.from_disk++;
        return ERR_OK;
    }
    buf_clear(out);
    int64_t begin = now_ns();
    TRY(m->make(m->context, text, out));
    state.stats.built++;
    state.stats.build_ns += now_ns() - begin;
    if (state.temporary) return ERR_OK; /* nobody else will ask for it */
    if (write_entry(entry, out)) {      /* a full disk: it is made again the next time */
        note(err_text());
        err_clear();
    }
    return ERR_OK;
}

enum err build_bytes(struct span text, const struct build_maker *m, struct buf *out)
{
    pthread_mutex_lock(&state.lock);
    if (!state.ready) set_options(NULL);
    enum err err = find_bytes(text, m, out);
    if (state.temporary && state.folder[0]) {
        rmdir(state.folder);
        state.folder[0] = 0;
    }
    pthread_mutex_unlock(&state.lock);
    return err;
}
