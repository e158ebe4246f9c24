/* fuzz_nest.c - any bytes as the body of an operator: it is refused with a sentence, or makes a
 * nest that the verifier accepts, the printer prints and the interpreter runs.
 *
 * The first byte says the dtype, the second the loops and what varies along them, the rest is the
 * body. Arrays are small and full; positions outside are errors, never accesses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backend.h"
#include "runtime/print_c.h"

enum { LONGEST_INPUT = 2000, ROWS = 3, POINTS = 5, ELEMENTS = 64, ARRAYS = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(enum err err)
{
    if (!err) return;
    fprintf(stderr, "%s\n", err_text());
    abort();
}

/* x and y are plain, i is read at its own dtype, t and out1 at computed positions. */
static struct nest_spec spec_of(const char *body, uint8_t dtype, uint8_t how)
{
    static const char *const names[ARRAYS] = {"x", "i", "t", "out", "out1"};
    struct nest_spec s = {.body = body, .n_arrays = ARRAYS, .n_outer = 1};
    s.compute = (enum dtype)(1 + dtype % (DTYPE_END - 1));
    s.n_inner = how & 1;
    s.serial = how >> 1 & 1;
    s.exact = how >> 2 & 1;
    for (int a = 0; a < ARRAYS; a++)
        s.array[a] = (struct nest_array){.name = names[a],
                                         .dtype = a == 1 ? DTYPE_I64 : s.compute,
                                         .written = a >= 3,
                                         .moves = how >> 3 & 1};
    s.own[1] = true;
    s.array[2].n_indexed = 1;
    s.array[4].n_indexed = how >> 4 & 1;
    s.outer[4] = how >> 5 & 1;
    s.n_params = 2;
    s.param[0] = "s";
    s.param[1] = "k";
    s.param_type[0] = nest_type_of(s.compute);
    s.param_type[1] = NEST_I64;
    return s;
}

static void run(const struct nest *n, uint8_t how)
{
    static char storage[ARRAYS][ELEMENTS * 16];
    struct nest_plan p = {.n_outer = 1, .n_inner = n->n_inner, .size = {ROWS, POINTS}};
    struct nest_run r = {.nest = n, .plan = &p, .threads = 1};
    int row = n->n_inner ? POINTS : 1;
    for (int a = 0; a < ARRAYS; a++) {
        for (size_t b = 0; b < sizeof storage[a]; b++)
            storage[a][b] = a == 1 && b % 8 ? 0 : (char)(b % 7);
        r.base[a] = storage[a];
        p.lie[a].index_stride[0] = 2;
        p.lie[a].index_size[0] = 20;
        if (n->array[a].n_indexed) continue;
        p.lie[a].stride[0] = a == 4 && how >> 5 & 1 ? 1 : row;
        p.lie[a].stride[1] = a != 4 || !(how >> 5 & 1);
    }
    if (nest_interpret(&r)) err_clear(); /* a position outside */
    struct nest_shape shape;
    struct buf text = {0};
    nest_shape(n, &p, &shape);
    if (print_c(n, &shape, &text)) err_clear(); /* left to the interpreter */
    buf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > LONGEST_INPUT || memchr(data + 2, 0, size - 2)) return 0;
    struct arena arena = {0};
    char *body = malloc(size - 1);
    memcpy(body, data + 2, size - 2);
    body[size - 2] = 0;
    struct nest_spec spec = spec_of(body, data[0], data[1]);
    struct nest n;
    if (nest_build(&spec, &arena, &n)) {
        if (!*err_text()) abort();
        err_clear();
    } else {
        must(nest_verify(&n));
        struct buf text = {0};
        nest_text(&n, &text);
        must(buf_ok(&text));
        buf_release(&text);
        run(&n, data[1]);
    }
    free(body);
    arena_release(&arena);
    return 0;
}
