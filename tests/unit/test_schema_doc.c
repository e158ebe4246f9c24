/* test_schema_doc.c - the schema's own text, and a text that is none. */
#include "unit.h"

#include "store/db.h"
#include "web/schema_doc.h"

static bool find(const char *text, const char *name, struct schema_object *out)
{
    struct span rest = span_of(text);
    while (schema_next(&rest, out))
        if (span_is(out->name, name)) return true;
    return false;
}

static void test_table(void **unused)
{
    (void)unused;
    struct schema_object o;
    struct schema_column c;
    char sentence[200];
    assert_true(find(store_schema_recorded, "artifact", &o));
    assert_false(o.view);
    schema_sentence(o.comment, sentence, sizeof sentence);
    assert_string_equal(sentence,
                        "A text with a meaning of its own: graph, code, guards, configuration.");
    struct span rest = o.body;
    assert_true(schema_column_next(&rest, &c));
    assert_true(span_is(c.name, "id"));
    assert_true(span_is(c.type, "INTEGER"));
    assert_true(span_starts(c.comment, "local id"));
    int n = 1;
    while (schema_column_next(&rest, &c)) n++;
    assert_true(n > 10);
    assert_true(span_is(c.name, "flags"));
}

static void test_view(void **unused)
{
    (void)unused;
    struct schema_object o;
    struct schema_column c;
    assert_true(find(store_schema_derived, "recompiles", &o));
    assert_true(o.view);
    struct span rest = o.body;
    assert_true(schema_column_next(&rest, &c));
    assert_true(span_is(c.name, "rank"));
    assert_null(c.type.p);
}

static void test_primary_key_is_no_column(void **unused)
{
    (void)unused;
    struct schema_object o;
    struct schema_column c;
    assert_true(find(store_schema_recorded, "text_frame", &o));
    struct span rest = o.body;
    while (schema_column_next(&rest, &c)) assert_false(span_is(c.name, "PRIMARY"));
}

static void test_no_schema(void **unused)
{
    (void)unused;
    struct schema_object o;
    char sentence[4];
    assert_false(find("CREATE INDEX a ON b(c);\n-- x\n", "a", &o));
    assert_true(find("CREATE TABLE open (\n", "open", &o));
    assert_int_equal(o.body.n, 0);
    schema_sentence(SPAN("-- longer than that"), sentence, sizeof sentence);
    assert_string_equal(sentence, "lon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_view),
        cmocka_unit_test(test_primary_key_is_no_column),
        cmocka_unit_test(test_no_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
