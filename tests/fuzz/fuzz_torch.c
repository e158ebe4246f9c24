/* fuzz_torch.c - any bytes as a TORCH_TRACE log: no byte may be lost, and nothing may break.
 *
 * The first byte says in what portions the rest arrives. Rows go to a trace in /tmp that is made
 * anew now and then.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture/torch_reader.h"
#include "store/db.h"

enum { LONGEST_INPUT = 1 << 16, INPUTS_PER_TRACE = 5000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store_writer *writer;
static int n_inputs;

static void must(enum err err)
{
    if (!err) return;
    fprintf(stderr, "%s\n", err_text());
    abort();
}

static void new_trace(void)
{
    char path[64];
    sqlite3 *db;
    if (writer) must(store_writer_close(writer, NULL));
    snprintf(path, sizeof path, "/tmp/plumb-fuzz-torch-%d.db", getpid());
    must(store_create(path, &db));
    must(store_exec(db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF"));
    must(store_writer_new(db, &writer));
    unlink(path);
    n_inputs = 0;
}

static int64_t take(struct torch_cutter *c, enum torch_take what, struct torch_reader *r)
{
    struct torch_piece *piece, *empty = torch_piece_new();
    struct store_batch *batch = store_batch_new();
    if (!empty || !batch) abort();
    must(torch_cutter_take(c, what, empty, &piece));
    int64_t n = (int64_t)piece->bytes.n;
    must(torch_reader_piece(r, piece, batch));
    return n;
}

static void read_log(struct span log, size_t portion, struct torch_reader *r)
{
    struct torch_cutter c;
    int64_t taken = 0;
    size_t size = log.n;
    must(torch_cutter_init(&c));
    while (log.n) {
        struct span part = span_to(log, portion);
        memcpy(torch_cutter_room(&c, part.n), part.p, part.n);
        must(torch_cutter_fill(&c, part.n));
        log = span_from(log, part.n);
        (void)torch_cutter_tail_complete(&c);
        if (torch_cutter_ready(&c)) taken += take(&c, TORCH_TAKE_COMPLETE, r);
    }
    taken += take(&c, TORCH_TAKE_ALL, r);
    if (taken != (int64_t)size) abort();
    torch_cutter_release(&c);
    must(torch_reader_finish(r, "complete", ""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > LONGEST_INPUT) return 0;
    if (!writer || ++n_inputs > INPUTS_PER_TRACE) new_trace();
    struct torch_run run;
    struct torch_reader *r;
    torch_run_init(&run, writer);
    struct torch_reader_options o = {
        .writer = writer,
        .run = &run,
        .row = {.path = SPAN("x"), .name = SPAN("x"), .rank = STORE_NULL}};
    must(torch_reader_new(&o, &r));
    read_log((struct span){(const char *)data + 1, size - 1},
             data[0] < 200 ? 1 + data[0] : LONGEST_INPUT, r);
    torch_reader_free(r);
    torch_run_release(&run);
    if (n_inputs % 16 == 0) must(store_flush(writer));
    return 0;
}
