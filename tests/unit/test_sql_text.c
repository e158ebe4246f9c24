/* test_sql_text.c - parameters of a statement, and what only looks like one. */
#include "unit.h"

#include "web/sql_text.h"

static void expect(const char *sql, const char *want)
{
    char got[200] = "";
    struct span rest = span_of(sql), name;
    while (sql_parameter_next(&rest, &name)) {
        strncat(got, name.p, name.n);
        strcat(got, " ");
    }
    assert_string_equal(got, want);
}

static void test_parameters(void **unused)
{
    (void)unused;
    expect("", "");
    expect("SELECT :a, :b_2 FROM t WHERE x=:a", "a b_2 a ");
    expect("SELECT ':a', \":b\", `:c`, [:d] -- :e\n, :f /* :g */ , :h", "f h ");
    expect("SELECT 'it''s :a' || :b", "b ");
    expect("SELECT a::b, :", "b ");
    expect("SELECT ':open", "");
    expect("/* :open", "");
    expect(":", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
