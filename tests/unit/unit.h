/* unit.h - what every unit test includes first: cmocka and the headers it wants before itself. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A path in a fresh temporary folder of this test program, which is removed at exit by the
 * caller's own unlink/rmdir. */
static inline const char *unit_folder(void)
{
    static char folder[64];
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/plumb-unit-XXXXXX");
        if (!mkdtemp(folder)) abort();
    }
    return folder;
}

#endif
