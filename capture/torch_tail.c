/* torch_tail.c - pieces of a growing log with their frames of text. */
#include "capture/torch_tail.h"

#include "capture/import_log.h"
#include "store/text.h"

enum err torch_tail_init(struct torch_tail *t, struct torch_reader *reader_take)
{
    *t = (struct torch_tail){.reader = reader_take};
    return torch_cutter_init(&t->cutter);
}

void torch_tail_release(struct torch_tail *t)
{
    torch_reader_free(t->reader);
    torch_cutter_release(&t->cutter);
    buf_release(&t->frame);
    t->reader = NULL;
}

/* Frames of the piece, the unfinished one before it included. */
static enum err pack_piece(struct torch_tail *t, struct store_batch *batch,
                           const struct torch_piece *piece)
{
    if (!piece->bytes.n) return ERR_OK;
    buf_span(&t->frame, buf_text(&piece->bytes));
    TRY(buf_ok(&t->frame));
    TRY(import_pack(batch, t->reader->source.row.id, t->frame_offset, buf_text(&t->frame)));
    size_t full = t->frame.n / TEXT_FRAME_SIZE * TEXT_FRAME_SIZE;
    t->frame_offset += (int64_t)full;
    memmove(t->frame.p, t->frame.p + full, t->frame.n - full);
    t->frame.n -= full;
    return ERR_OK;
}

enum err torch_tail_take(struct torch_tail *t, enum torch_take what, int64_t *n_bytes)
{
    struct torch_piece *empty = torch_piece_new(), *piece = NULL;
    struct store_batch *batch = store_batch_new();
    enum err err = empty && batch ? ERR_OK : err_set(ERR_NOMEM, "out of memory for a piece of log");
    if (!err) err = torch_cutter_take(&t->cutter, what, empty, &piece);
    if (err) torch_piece_free(empty);
    if (!err) err = pack_piece(t, batch, piece);
    if (err) {
        torch_piece_free(piece);
        store_batch_free(batch);
        return err;
    }
    if (n_bytes) *n_bytes = (int64_t)piece->bytes.n;
    return torch_reader_piece(t->reader, piece, batch);
}

enum err torch_tail_put(struct torch_tail *t, struct span bytes)
{
    while (bytes.n) {
        struct span some = span_to(bytes, TORCH_PIECE_SIZE);
        char *to = torch_cutter_room(&t->cutter, some.n);
        if (!to) FAIL(ERR_NOMEM, "out of memory for a piece of log");
        memcpy(to, some.p, some.n);
        TRY(torch_cutter_fill(&t->cutter, some.n));
        if (torch_cutter_waiting(&t->cutter) >= TORCH_PIECE_SIZE && torch_cutter_ready(&t->cutter))
            TRY(torch_tail_take(t, TORCH_TAKE_COMPLETE, NULL));
        bytes = span_from(bytes, some.n);
    }
    return ERR_OK;
}
