/* backend.c - the list of back ends, and the memory that those on this processor share. */
#include "runtime/backend_host.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/pool.h"
#include "store/base/buf.h"

#define BACKEND(name) extern const struct backend backend_##name;
#include "runtime/backends.def"
#undef BACKEND

static const struct backend *const backends[] = {
#define BACKEND(name) &backend_##name,
#include "runtime/backends.def"
#undef BACKEND
};

enum err backend_find(const char *name, const struct backend **out)
{
    char text[128] = "";
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        *out = backends[i];
        if (!strcmp(backends[i]->name, name)) return ERR_OK;
        strcat(strcat(text, " "), backends[i]->name);
    }
    FAIL(ERR_NOT_FOUND, "there is no back end %s; there are:%s", name, text);
}

/* ---- memory of this machine ---- */

enum err host_copy(void *to, const void *from, int64_t size)
{
    memcpy(to, from, (size_t)size);
    return ERR_OK;
}
enum err host_sync(void)
{
    return ERR_OK;
}
int64_t host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- digests, in pieces fixed by the tensor's length ---- */

enum { DIGEST_PIECE = 1 << 18, DIGEST_PIECES = 256 };

struct digest_work {
    const struct view *view;
    const void *p;
    int64_t n, piece;
    struct digest_how how;
    struct digest *state;
};

static void digest_piece(void *context, int64_t i)
{
    struct digest_work *w = context;
    int64_t first = i * w->piece, n = w->n - first < w->piece ? w->n - first : w->piece;
    digest_range(w->view, w->p, first, n, w->how, &w->state[i]);
}

/* Pieces are of equal length whatever the number of threads: sums of statistics keep their bits. */
enum err host_digest(const struct view *v, const void *p, int threads, struct digest_stats *stats,
                     uint64_t *out)
{
    struct digest_work w = {v, p, view_count(v), DIGEST_PIECE, {digest_isa_best(), stats}, NULL};
    int64_t pieces = (w.n + w.piece - 1) / w.piece;
    if (pieces <= 1) {
        *out = digest_view(v, p, stats);
        return ERR_OK;
    }
    if (pieces > DIGEST_PIECES) {
        w.piece = (w.n + DIGEST_PIECES - 1) / DIGEST_PIECES;
        pieces = (w.n + w.piece - 1) / w.piece;
    }
    w.state = calloc((size_t)pieces, sizeof *w.state);
    if (!w.state) FAIL(ERR_NOMEM, "out of memory for a digest");
    pool_run(threads, digest_piece, &w, pieces);
    for (int64_t i = 1; i < pieces; i++) digest_merge(&w.state[0], &w.state[i]);
    if (stats) *stats = w.state[0].stats;
    *out = digest_finish(&w.state[0], v);
    free(w.state);
    return ERR_OK;
}
