/* selftest.c - the table of digests, made once and equal on every compiler and processor tried. */
#include "kernels/selftest.h"

#include <stdlib.h>

#include "kernels/exact_c.h"
#include "kernels/selftest_c.h"

_Static_assert((int)SELFTEST_DIGESTS == (int)X_TEST_DIGESTS, "the table and the text");

const struct selftest selftest_table[SELFTEST_DIGESTS] = {
    {"exp", 0xd31dabe3f411ebaa},
    {"exp2", 0x6646fcd1cf951935},
    {"expm1", 0xd64839f9179ed41e},
    {"log", 0x9dc1523c737f739e},
    {"log2", 0x7636553a5ae192de},
    {"log1p", 0x6f155b03b0f8c118},
    {"sin", 0xc9fcb6d1aa5eabb7},
    {"cos", 0x69742d55f231b196},
    {"tanh", 0x8046803867024996},
    {"erf", 0x63967686f36d44ee},
    {"sigmoid", 0xf5bfec661456bd43},
    {"gelu", 0x4d076cb886b45490},
    {"gelu_tanh", 0x934667969d5eab94},
    {"rsqrt", 0x801ab32f5386b147},
    {"chain", 0x459882beb3d95a3d},
    {"softmax 1", 0x122ecb21ed8b1bcc},
    {"layer norm 1", 0x6569b1001c9c5822},
    {"softmax 5", 0x5f5989fee8f74bfd},
    {"layer norm 5", 0xae106e8303932eec},
    {"softmax 127", 0xeb746170e4736a55},
    {"layer norm 127", 0x6d067b0cf966edc3},
    {"softmax 1000", 0x294d660419c18079},
    {"layer norm 1000", 0x6054a3965c12d368},
    {"softmax 1024", 0x3371bcee9f33089b},
    {"layer norm 1024", 0x52dbfaf739cf24cf},
    {"softmax 1025", 0xe9f4bdec98d0789c},
    {"layer norm 1025", 0x8c031b5c02d54f3a},
    {"softmax 5000", 0x9b04d5dc64919d62},
    {"layer norm 5000", 0x0ad2ab3ae304f9de},
};

bool selftest_run(uint64_t out[SELFTEST_DIGESTS])
{
    float *scratch = malloc(2 * X_TEST_POINTS * sizeof *scratch);
    if (scratch) x_test(scratch, (u64 *)out);
    free(scratch);
    return scratch != NULL;
}
