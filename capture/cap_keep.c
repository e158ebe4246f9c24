/* cap_keep.c - values kept on request: frames of the thread's log, and an artifact. */
#include <md5.h>

#include "capture/cap_state.h"
#include "store/base/clock.h"

enum { FRAME = 1 << 20 };

static enum err add_frame(struct cap_thread *t, struct store_batch *batch, const char *p, size_t n)
{
    struct row_text_frame row = {.stream = t->head->source,
                                 .offset = t->kept,
                                 .size = (int64_t)n,
                                 .codec = 0,
                                 .packed = (int64_t)n,
                                 .data = {p, n}};
    t->kept += (int64_t)n;
    return store_text_frame_add(batch, &row);
}

static enum err add_rows(struct cap_thread *t, struct store_batch *batch, const char *bytes,
                         size_t n, int64_t id)
{
    unsigned char md5[MD5_DIGEST_LENGTH];
    MD5_CTX sum;
    MD5Init(&sum);
    MD5Update(&sum, (const unsigned char *)bytes, n);
    MD5Final(md5, &sum);
    struct store_writer *w = t->cap->writer;
    struct row_artifact row = {.id = id,
                               .source = t->head->source,
                               .offset = t->kept,
                               .stored = (int64_t)n,
                               .size = (int64_t)n,
                               .md5 = {(const char *)md5, sizeof md5},
                               .key = store_word(w, SPAN("value")),
                               .name = store_word(w, SPAN("value")),
                               .encoding = store_word(w, SPAN("bytes")),
                               .attempt = STORE_NULL,
                               .ts = clock_real(),
                               .number = STORE_NULL};
    for (size_t at = 0; at < n; at += FRAME)
        TRY(add_frame(t, batch, bytes + at, n - at < FRAME ? n - at : FRAME));
    return store_artifact_add(batch, &row);
}

static void gather(const struct view *v, const char *storage, char *out)
{
    struct view_walk w;
    struct view_run run;
    size_t size = dtype_size(v->dtype);
    view_walk_begin(&w, v, 0, view_count(v));
    while (view_walk_next(&w, INT64_MAX, &run))
        for (int64_t i = 0; i < run.n; i++, out += size)
            memcpy(out, storage + (size_t)(run.at + i * run.stride) * size, size);
}

enum err cap_keep(struct cap_thread *t, uint32_t slot, const struct view *v, const void *storage)
{
    if (!t || t->muted || !slot) return ERR_OK;
    size_t n = (size_t)view_n_bytes(v);
    char *bytes = malloc(n + 1);
    struct store_batch *batch = store_batch_new();
    if (!bytes || !batch) {
        free(bytes);
        store_batch_free(batch);
        FAIL(ERR_NOMEM, "out of memory for a kept value of %zu bytes", n);
    }
    gather(v, storage, bytes);
    int64_t id = store_next_id(t->cap->writer, STORE_ARTIFACT);
    enum err err = add_rows(t, batch, bytes, n, id);
    free(bytes);
    if (err) {
        store_batch_free(batch);
        return err;
    }
    TRY(store_submit(t->cap->writer, batch));
    cap_kept(t, slot, id);
    return ERR_OK;
}
