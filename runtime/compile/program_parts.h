/* program_parts.h - what the files of a program have in common: program.c makes it, program_plan.c
 * works out its memory and the arguments of its launches, program_run.c runs it, in a
 * room of program_room.c, with program_product.c for products that have an epilogue.
 */
#ifndef RUNTIME_COMPILE_PROGRAM_PARTS_H
#define RUNTIME_COMPILE_PROGRAM_PARTS_H

#include "runtime/compile/code_body.h"
#include "runtime/compile/program.h"

/* Names, arguments, places and sums of the launches, which are in order; the memory plan. */
WARN_UNUSED enum err program_prepare(struct program *p, const struct program_options *o);
/* Bytes from the start of a storage's memory to its first element, where values lie before it. */
int64_t program_shift(const struct program *p, int buffer);

/* The launch of a product, whose call is bound to the run's tensors; args: of its epilogue. */
WARN_UNUSED enum err program_run_product(const struct program *p, const struct program_launch *l,
                                         const struct code_args *args, struct op_call *c);

/* program_room.c */

/* A *room* is what one run needs and the next may use again: the block of temporaries, where each
 * buffer's first element is, arguments of the launches. A program keeps those that are free. */
struct room {
    struct room *next;
    struct storage *block; /* of temporaries; counted */
    char **first;          /* per buffer: its first element; of temporaries and what never moves the
                             * same in each run */
    struct storage **fixed; /* per buffer: of what never moves; borrowed */
    struct code_args *args; /* of the launches, one after another */
    struct arena arena;     /* of one run */
};
/* A buffer whose memory comes from outside. Kept tensors and constants stay where they are. */
struct binding {
    int buffer, value; /* value: the one that brought its storage */
    enum graph_origin origin;
    int index, item; /* item: bytes of an element */
    bool written;
};
struct program_pool {
    pthread_mutex_t lock; /* guards free */
    struct room *free;
    int n_buffers, n_args, n_bindings, n_fixed;
    struct binding *binding, *fixed; /* of each run, of all; in the program's arena */
    struct launch_args {
        int first;  /* of the launch's arguments in a room */
        bool moves; /* they are other ones in each run */
    } * launch;
};
WARN_UNUSED enum err program_pool_new(struct program *p);
void program_pool_free(struct program_pool *pool);
/* A free room, or a new one; to be given back. */
WARN_UNUSED enum err program_room_take(const struct program *p, struct room **out);
void program_room_give(struct program_pool *pool, struct room *r);
/* Where a given tensor lies, in `storage` and `first` per buffer. */
void program_take_place(const struct binding *b, struct plumb_tensor *t, struct storage **storage,
                        char **first);
/* Arguments of a launch as the room is now; first: theirs in the room. */
void program_fill_args(struct room *r, const struct program_launch *l, int first, int64_t stream);

/* program_inject.c: operators by which faults are counted. */

/* Per node the number of its call, from 1; 0: it stands for none. In the arena. */
WARN_UNUSED enum err program_number_calls(const struct program *p, struct arena *arena,
                                          int64_t **out);
struct program_stored {
    int node, value; /* value: its first result, which the launch stores; GRAPH_NONE: no launch */
};
/* What a launch stores first of its operators; not those that another launch stores. */
WARN_UNUSED enum err program_list_stored(const struct program *p, const struct program_launch *l,
                                         struct arena *arena, struct program_stored **out, int *n);

#endif
