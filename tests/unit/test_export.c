/* test_export.c - exp_log.c and exp_file.c: names from a trace become plain names below the
 * folder. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "capture/export.h"

static const char *placed(const char *path, const char *name)
{
    static struct buf out;
    struct export_log log = {.path = span_of(path), .name = span_of(name)};
    buf_clear(&out);
    export_log_path(&log, &out);
    return out.p;
}

static void paths_become_plain(void **state)
{
    (void)state;
    assert_string_equal(placed("run/a.log", "a.log"), "run/a.log");
    assert_string_equal(placed("run/a.log.gz", "a.log"), "run/a.log");
    assert_string_equal(placed("a.log.gz", ""), "a.log");
    assert_string_equal(placed("/etc/passwd", "passwd"), "etc/passwd");
    assert_string_equal(placed("../../up.log", "up.log"), "_./_./up.log");
    assert_string_equal(placed("./x//y/z", "z"), "x/y/z");
    assert_string_equal(placed("a\\b/c\n\x1b.log", "c\n\x1b.log"), "a_b/c__.log");
    assert_string_equal(placed("a", "../x"), "_._x");
    assert_string_equal(placed("", ""), "_");
    assert_string_equal(placed(".hidden/.log", ".log"), "_hidden/_log");
}

static void depth_and_length_are_limited(void **state)
{
    (void)state;
    struct buf deep = {0};
    for (int i = 0; i < 1000; i++) buf_puts(&deep, "d/");
    assert_true(strlen(placed(deep.p, "x")) < 100);
    buf_clear(&deep);
    for (int i = 0; i < 1000; i++) buf_puts(&deep, "n");
    assert_int_equal(strlen(placed("", deep.p)), 200);
    buf_release(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_become_plain),
        cmocka_unit_test(depth_and_length_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
