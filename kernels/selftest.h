/* selftest.h - the digests that exact arithmetic gives everywhere (docs/exact.md, Self-test). */
#ifndef KERNELS_SELFTEST_H
#define KERNELS_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

enum { SELFTEST_DIGESTS = 29 };
struct selftest {
    const char *name; /* "exp", "softmax 1025" */
    uint64_t digest;
};
extern const struct selftest selftest_table[SELFTEST_DIGESTS];

/* The digests as this program's own compiler and processor give them; false when out of memory. */
bool selftest_run(uint64_t out[SELFTEST_DIGESTS]);

#endif
