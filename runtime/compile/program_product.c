/* program_product.c - running a product whose tiles are taken by its epilogue.
 *
 * The thread that has made a tile of the result runs the epilogue's nest at the tile's points, each
 * of which is that of one thread alone. Where the nest is interpreted, it is run after the product.
 */
#include "kernels/gemm.h"
#include "runtime/compile/program_parts.h"

struct tiles {
    const struct code *code;
    const struct code_args *args;
    int launch;   /* of the code */
    int64_t rows; /* of a matrix of the batch */
};

static void take_tile(void *context, const struct gemm_done_tile *t)
{
    const struct tiles *x = context;
    struct code_tile tile = {.row = t->batch * x->rows + t->row,
                             .rows = t->rows,
                             .column = t->column,
                             .columns = t->columns,
                             .step = t->step,
                             .at = t->at};
    code_run_tile(x->code, x->launch, x->args, &tile);
}

enum err program_run_product(const struct program *p, const struct program_launch *l,
                             const struct code_args *args, struct op_call *c)
{
    const struct fuse_group *g = &p->fused.group.p[l->group[0]];
    struct tiles tiles = {p->code, args, l->code, g->rows};
    struct gemm_done done = {take_tile, &tiles, !g->stored};
    bool by_tiles = code_takes_tiles(p->code, l->code);
    if (by_tiles) c->done = &done;
    if (plumb_frame_begin()) return ERR_NOMEM; /* scratch of the call ends with it */
    enum err err = op_compute(c);
    plumb_frame_end();
    if (err || by_tiles) return err;
    return code_run(p->code, l->code, args, thread_self.session->threads);
}
