/* test_opt.c - command lines, help and man pages from one table. */
#include "tests/unit/unit.h"

#include "store/base/opt.h"

static const struct opt opts[] = {
    {"output", 'o', "FILE", "Where to.", false},
    {"param", 'p', "NAME=VALUE", "Binds.", true},
    {"strict", 0, "[=LEVEL]", "Strictly.", false},
    {"verbose", 'v', NULL, "More.", false},
    {0},
};
static const struct verb verb = {.name = "try",
                                 .arguments = "PATH...",
                                 .summary = "tries",
                                 .description = "Tries things.\n\nTwice.",
                                 .examples = "  plumb try a",
                                 .opts = opts,
                                 .min_args = 1,
                                 .max_args = 2};
static const struct verb runner = {.name = "run",
                                   .arguments = "-- COMMAND...",
                                   .summary = "runs",
                                   .description = "Runs.",
                                   .opts = opts,
                                   .min_args = 1,
                                   .max_args = -1,
                                   .rest = true};

static enum err parse(const struct verb *v, struct opt_call *call, const char *line)
{
    static char text[256];
    static char *argv[32];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *p = strtok(text, " "); p; p = strtok(NULL, " ")) argv[argc++] = p;
    return opt_parse(v, argc, argv, call);
}

static void reads_every_form(void **state)
{
    (void)state;
    struct opt_call c;
    assert_int_equal(parse(&verb, &c, "a --output x -p a=1 -vpb=2 --strict --param=c b"), ERR_OK);
    assert_int_equal(c.argc, 2);
    assert_string_equal(opt_value(&c, "output", 0), "x");
    assert_string_equal(opt_value(&c, "param", 0), "a=1");
    assert_string_equal(opt_value(&c, "param", 1), "b=2");
    assert_string_equal(opt_value(&c, "param", 2), "c");
    assert_null(opt_value(&c, "param", 3));
    assert_true(opt_has(&c, "strict") && opt_has(&c, "verbose"));
    assert_null(opt_value(&c, "strict", 0));
    opt_call_release(&c);
    assert_int_equal(parse(&verb, &c, "a --strict=tlparse -- -o"), ERR_OK);
    assert_string_equal(opt_value(&c, "strict", 0), "tlparse");
    assert_string_equal(c.argv[1], "-o");
    opt_call_release(&c);
    assert_int_equal(parse(&runner, &c, "-o f python -v x.py --output y"), ERR_OK);
    assert_int_equal(c.argc, 5);
    assert_string_equal(c.argv[1], "-v");
    opt_call_release(&c);
    assert_int_equal(parse(&verb, &c, "-h"), ERR_OK);
    assert_true(c.help);
    opt_call_release(&c);
}

static void refuses_with_what_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"a --outptu x", "--output"},        {"a -z", "-z"},           {"a -o", "needs a value"},
        {"a --verbose=1", "takes no value"}, {"a -o x -o y", "twice"}, {"", "PATH..."},
        {"a b c", "c is one too many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opt_call c;
        assert_int_equal(parse(&verb, &c, cases[i].line), ERR_USAGE);
        if (!strstr(err_text(), cases[i].says)) fail_msg("%s: %s", cases[i].line, err_text());
        opt_call_release(&c);
    }
}

static void reads_sizes_and_times(void **state)
{
    (void)state;
    int64_t v;
    assert_int_equal(opt_size("limit", "25MB", &v), ERR_OK);
    assert_int_equal(v, 25000000);
    assert_int_equal(opt_size("limit", "1.5 MiB", &v), ERR_OK);
    assert_int_equal(v, 1572864);
    assert_int_equal(opt_size("limit", "MB", &v), ERR_USAGE);
    assert_int_equal(opt_size("limit", "-1", &v), ERR_USAGE);
    assert_int_equal(opt_duration("until-idle", "250ms", &v), ERR_OK);
    assert_int_equal(v, 250000000);
    assert_int_equal(opt_duration("until-idle", "1e300", &v), ERR_USAGE);
    assert_int_equal(opt_int("port", "70000", 0, 65535, &v), ERR_USAGE);
}

static void help_and_man_have_every_row(void **state)
{
    (void)state;
    struct buf help = {0}, man = {0};
    opt_help(&verb, &help);
    opt_man(&verb, &man);
    for (const struct opt *o = opts; o->name; o++) {
        assert_non_null(strstr(help.p, o->name));
        assert_non_null(strstr(man.p, o->name));
    }
    assert_non_null(strstr(help.p, "plumb try a"));
    assert_non_null(strstr(man.p, ".SH EXIT STATUS"));
    buf_release(&help);
    buf_release(&man);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form),
        cmocka_unit_test(refuses_with_what_is_accepted),
        cmocka_unit_test(reads_sizes_and_times),
        cmocka_unit_test(help_and_man_have_every_row),
    };
    return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
