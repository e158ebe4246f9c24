/* ring.c - the file of rings: making, growing, opening and removing it. */
#include "capture/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFINITIONS = 1 << 18 /* bytes of a region for words and forms */, MIN_RECORDS = 256 };

static size_t whole_pages(size_t n)
{
    return (n + RING_PAGE - 1) & ~(size_t)(RING_PAGE - 1);
}

/* ---- the file ---- */

/* The lock is that of the open file, so that it holds against this process too. A child has it
 * closed (cap_thread.c), lest it keeps its parent's rings locked. */
static bool lock_file(int fd, short type, int command, struct flock *out)
{
    *out = (struct flock){.l_type = type, .l_whence = SEEK_SET};
    return fcntl(fd, command, out) == 0;
}

static char *ring_path(const char *trace)
{
    char *path = malloc(strlen(trace) + 6);
    if (path) sprintf(path, "%s-ring", trace);
    return path;
}

static enum err open_file(struct ring *r, int flags)
{
    struct flock lock;
    r->fd = open(r->path, flags | O_RDWR | O_CLOEXEC, 0644);
    if (r->fd < 0 && errno == ENOENT) FAIL(ERR_NOT_FOUND, "%s: there is no such file", r->path);
    if (r->fd < 0) FAIL(ERR_IO, "%s: %s", r->path, strerror(errno));
    if (lock_file(r->fd, F_WRLCK, F_OFD_SETLK, &lock)) return ERR_OK;
    uint32_t pid = 0;
    if (pread(r->fd, &pid, sizeof pid, offsetof(struct ring_file, pid)) < 0) pid = 0;
    FAIL(ERR_REFUSED, "%s: process %u is writing it", r->path, pid);
}

bool ring_is_held(const char *trace)
{
    struct flock lock;
    char *path = ring_path(trace);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    bool held = fd >= 0 && lock_file(fd, F_WRLCK, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
    if (fd >= 0) close(fd);
    free(path);
    return held;
}

static enum err init(const char *trace, struct ring *out)
{
    memset(out, 0, sizeof *out);
    out->fd = -1;
    pthread_mutex_init(&out->lock, NULL);
    out->path = ring_path(trace);
    if (!out->path) FAIL(ERR_NOMEM, "out of memory for a path");
    return ERR_OK;
}

/* Disk space first: a write to a page that has none would end the process. */
static void *map_new(struct ring *r, uint64_t offset, size_t size)
{
    if (posix_fallocate(r->fd, (off_t)offset, (off_t)size)) return NULL;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)offset);
    return p == MAP_FAILED ? NULL : p;
}

enum err ring_create(const char *trace, struct ring *out)
{
    struct stat st;
    enum err err = init(trace, out);
    if (!err) err = open_file(out, O_CREAT);
    if (!err && !fstat(out->fd, &st) && st.st_size)
        err = err_set(ERR_EXISTS,
                      "%s is what a killed program has left: `plumb doctor %s` takes it into the "
                      "trace",
                      out->path, trace);
    if (err) return err;
    out->mapped = whole_pages(sizeof *out->file);
    out->file = map_new(out, 0, out->mapped);
    if (!out->file) FAIL(ERR_FULL, "%s: no room for %zu bytes", out->path, out->mapped);
    *out->file = (struct ring_file){.version = RING_VERSION, .pid = (uint32_t)getpid()};
    atomic_store(&out->file->size, out->mapped);
    memcpy(out->file->magic, RING_MAGIC, sizeof out->file->magic);
    return ERR_OK;
}

static bool region_is_sound(const struct ring *r, const struct ring_region *g, uint64_t size)
{
    if (g->offset % RING_PAGE || g->size % RING_PAGE || g->size > size ||
        g->offset > size - g->size || g->size < 2 * RING_PAGE)
        return false;
    if (g->kind != RING_RING) return g->kind == RING_DEFINITIONS;
    const struct ring_head *h = (const void *)((const char *)r->file + g->offset);
    return h->n_records && !(h->n_records & (h->n_records - 1)) &&
           h->n_records <= (g->size - RING_PAGE) / sizeof(struct ring_record);
}

static enum err index_definition(struct ring *r, const struct ring_definition *d)
{
    struct ring_names *names = &r->names[d->kind];
    if (d->number != names->n + 1 || d->number / RING_BLOCK >= RING_BLOCKS) return ERR_OK;
    const struct ring_definition ***block = &names->block[d->number / RING_BLOCK];
    if (!*block) *block = calloc(RING_BLOCK, sizeof **block);
    if (!*block) FAIL(ERR_NOMEM, "out of memory for words");
    (*block)[d->number % RING_BLOCK] = d;
    names->n = d->number;
    return ERR_OK;
}

static enum err read_definitions(struct ring *r, const struct ring_region *g)
{
    const char *at = (const char *)r->file + g->offset, *end = at + g->size;
    while (end - at >= (ptrdiff_t)sizeof(struct ring_definition)) {
        const struct ring_definition *d = (const void *)at;
        uint32_t size = d->size;
        if (!size || size % 16 || size > (size_t)(end - at) || d->kind >= RING_N_KINDS ||
            d->n > size - sizeof *d)
            break;
        TRY(index_definition(r, d));
        at += size;
    }
    return ERR_OK;
}

enum err ring_open(const char *trace, struct ring *out)
{
    struct stat st;
    TRY(init(trace, out));
    TRY(open_file(out, 0));
    if (fstat(out->fd, &st)) FAIL(ERR_IO, "%s: %s", out->path, strerror(errno));
    if ((size_t)st.st_size < sizeof *out->file)
        FAIL(ERR_FORMAT, "%s is no file of rings: it has %lld bytes", out->path,
             (long long)st.st_size);
    out->mapped = (size_t)st.st_size;
    out->file = mmap(NULL, out->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, out->fd, 0);
    if (out->file == MAP_FAILED) {
        out->file = NULL;
        FAIL(ERR_NOMEM, "%s: %s", out->path, strerror(errno));
    }
    if (memcmp(out->file->magic, RING_MAGIC, 8))
        FAIL(ERR_FORMAT, "%s is no file of rings", out->path);
    if (out->file->version != RING_VERSION)
        FAIL(ERR_VERSION, "%s is of version %u; this plumb reads %d", out->path, out->file->version,
             RING_VERSION);
    for (uint32_t i = 0; i < out->file->n_regions && i < RING_REGIONS; i++) {
        const struct ring_region *g = &out->file->regions[i];
        if (!region_is_sound(out, g, out->mapped)) continue;
        out->regions[i] = (char *)out->file + g->offset;
        if (g->kind == RING_DEFINITIONS) TRY(read_definitions(out, g));
    }
    return ERR_OK;
}

void ring_remove(struct ring *r)
{
    if (r->path) unlink(r->path);
}

void ring_close(struct ring *r)
{
    const char *begin = (const char *)r->file, *end = begin + r->mapped;
    for (int i = 0; r->file && i < RING_REGIONS; i++)
        if (r->regions[i] && (r->regions[i] < begin || r->regions[i] >= end))
            munmap(r->regions[i], r->file->regions[i].size);
    if (r->file) munmap(r->file, r->mapped);
    if (r->fd >= 0) close(r->fd);
    for (int k = 0; k < RING_N_KINDS; k++)
        for (int i = 0; i < RING_BLOCKS; i++) free(r->names[k].block[i]);
    map_release(&r->known);
    pthread_mutex_destroy(&r->lock);
    free(r->path);
    memset(r, 0, sizeof *r);
    r->fd = -1;
}

/* ---- regions ---- */

/* A new region, not yet announced; NULL when there is no room. Under the lock. */
static char *new_region(struct ring *r, size_t size, uint32_t *index)
{
    struct ring_file *f = r->file;
    uint32_t n = f->n_regions;
    uint64_t offset = f->size;
    if (n == RING_REGIONS) return NULL;
    size = whole_pages(size);
    char *p = map_new(r, offset, size);
    if (!p) return NULL;
    f->regions[n] = (struct ring_region){.offset = offset, .size = size};
    r->regions[n] = p;
    atomic_store(&f->size, offset + size);
    *index = n;
    return p;
}

static void announce(struct ring *r, uint32_t index, enum ring_region_kind kind)
{
    atomic_store(&r->file->regions[index].kind, kind);
    atomic_store(&r->file->n_regions, index + 1);
}

/* ---- rings ---- */

static struct ring_head *free_ring(struct ring *r)
{
    for (uint32_t i = 0; i < r->file->n_regions; i++) {
        struct ring_head *h = (struct ring_head *)r->regions[i];
        if (r->file->regions[i].kind == RING_RING && h && !h->owner) return h;
    }
    return NULL;
}

static struct ring_head *new_ring(struct ring *r, int64_t size)
{
    uint32_t index;
    uint64_t n = MIN_RECORDS;
    while (n * 2 * sizeof(struct ring_record) <= (uint64_t)size) n *= 2;
    char *p = new_region(r, RING_PAGE + n * sizeof(struct ring_record), &index);
    struct ring_head *h = (struct ring_head *)p;
    if (!h) return NULL;
    h->n_records = n;
    announce(r, index, RING_RING);
    return h;
}

struct ring_head *ring_take(struct ring *r, int64_t size, const struct ring_owner *owner)
{
    pthread_mutex_lock(&r->lock);
    struct ring_head *h = free_ring(r);
    if (!h) h = new_ring(r, size);
    if (h) {
        h->tid = owner->tid;
        h->name = owner->name;
        h->source = owner->source;
        h->track = owner->track;
        atomic_store(&h->owner, atomic_fetch_add(&r->file->n_owners, 1) + 1);
    }
    pthread_mutex_unlock(&r->lock);
    return h;
}

/* ---- definitions ---- */

static struct ring_definition *room_for(struct ring *r, size_t size)
{
    uint32_t index;
    if ((size_t)(r->end - r->at) < size) {
        size_t region = size > DEFINITIONS ? size : DEFINITIONS;
        char *p = new_region(r, region, &index);
        if (!p) return NULL;
        r->at = p;
        r->end = p + whole_pages(region);
        announce(r, index, RING_DEFINITIONS);
    }
    struct ring_definition *d = (struct ring_definition *)r->at;
    r->at += size;
    return d;
}

static uint32_t define(struct ring *r, enum ring_kind kind, const void *payload, size_t n)
{
    size_t size = (sizeof(struct ring_definition) + n + 1 + 15) & ~(size_t)15;
    struct ring_names *names = &r->names[kind];
    if (names->n + 1 >= (uint32_t)RING_BLOCK * RING_BLOCKS || n > UINT32_MAX / 2) return 0;
    struct ring_definition *d = room_for(r, size);
    if (!d) return 0;
    d->kind = kind;
    d->number = names->n + 1;
    d->n = (uint32_t)n;
    memcpy(d->payload, payload, n);
    atomic_store(&d->size, (uint32_t)size);
    if (index_definition(r, d)) {
        err_clear();
        return 0;
    }
    return d->number;
}

uint32_t ring_define(struct ring *r, enum ring_kind kind, const void *payload, size_t n)
{
    bool added;
    struct map_key key = map_key((struct span){payload, n});
    key.hi ^= (uint64_t)kind << 56;
    pthread_mutex_lock(&r->lock);
    int64_t *number = map_put(&r->known, key, 0, &added);
    if (number && !*number) *number = define(r, kind, payload, n);
    uint32_t out = number ? (uint32_t)*number : 0;
    pthread_mutex_unlock(&r->lock);
    return out;
}

const struct ring_definition *ring_name(const struct ring *r, enum ring_kind kind, uint32_t number)
{
    if (!number || number / RING_BLOCK >= RING_BLOCKS) return NULL;
    const struct ring_definition *const *block =
        (const struct ring_definition *const *)r->names[kind].block[number / RING_BLOCK];
    return block ? block[number % RING_BLOCK] : NULL;
}

struct span ring_word(const struct ring *r, uint32_t number)
{
    const struct ring_definition *d = ring_name(r, RING_WORD, number);
    return d ? (struct span){d->payload, d->n} : SPAN_NONE;
}
