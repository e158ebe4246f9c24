/* vectors.h - vectors that other programs computed, out of the folder PLUMB_TEST_DATA names. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "store/base/json.h"

/* The file's bytes with a NUL behind them (free), or NULL after naming the absent file; then the
 * test skips. A file that is not there although the folder is given fails. */
static inline char *vectors_read(const char *name, size_t *size)
{
    const char *folder = getenv("PLUMB_TEST_DATA");
    char path[4096];
    struct stat st;
    if (!folder) {
        print_message("PLUMB_TEST_DATA is not set: %s was not read\n", name);
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st)) fail_msg("%s cannot be opened", path);
    char *bytes = malloc((size_t)st.st_size + 1);
    assert_non_null(bytes);
    *size = fread(bytes, 1, (size_t)st.st_size, file);
    assert_int_equal(*size, st.st_size);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

/* The elements of a NumPy file of version 1: `count` of them, each `size` bytes. */
static inline const void *vectors_npy(const char *bytes, size_t length, size_t count, size_t size)
{
    assert_true(length > 10 && !memcmp(bytes, "\x93NUMPY\1", 7));
    size_t head = 10 + ((size_t)(uint8_t)bytes[8] | (size_t)(uint8_t)bytes[9] << 8);
    assert_int_equal(length, head + count * size);
    return bytes + head;
}

static inline const struct json *vectors_json(const char *bytes, size_t length, struct arena *arena)
{
    struct json *j = NULL;
    assert_int_equal(json_parse((struct span){bytes, length}, arena, &j), ERR_OK);
    return j;
}

#endif
