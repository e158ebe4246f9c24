/* test_debug_digests.c - digests of others beside the calls of a log, and lists that do not fit. */
#include "tests/unit/unit.h"

#include "capture/debug_digests.h"
#include "store/row.h"

static struct debug_digests list;
static struct debug_uses joined;

/* aten::add(t: f32[2], t: f32[2]) with a norm of its first argument. */
static struct debug_use uses[] = {
    {.phase = DEBUG_ARGUMENT,
     .arg = {"[0][0]", 6},
     .tensor = 3,
     .dtype = {"f32", 3},
     .hash = {PY_HASH_REAL, 7},
     .part = STORE_NULL},
    {.phase = DEBUG_ARGUMENT, .arg = {"[0][1]", 6}, .tensor = 4, .part = STORE_NULL},
    {.phase = DEBUG_RESULT, .arg = {"", 0}, .tensor = 5, .part = STORE_NULL},
};
static const struct debug_call add = {
    .kind = DEBUG_OP, .depth = 1, .name = {"aten::add", 9}, .uses = {.p = uses, .n = 3, .size = 3}};
static const struct debug_call module = {
    .kind = DEBUG_MODULE, .depth = 0, .name = {"Net.fc", 6}, .args = {"nn.Mod", 6}};

#define MODULE                                                                                     \
    "{\"index\": 0, \"call\": \"[nn.Mod] Net.fc\", \"depth\": 0, \"in\": {}, \"out\": {}}"
#define ADD(in, out)                                                                               \
    "{\"index\": 1, \"call\": \"aten::add\", \"depth\": 1, \"in\": {" in "}, \"out\": {" out "}}"

static void done(void)
{
    debug_uses_release(&joined);
    debug_digests_release(&list);
}

/* The list beside both calls, to its end; then done(). */
static enum err walk(const char *text)
{
    enum err err = debug_digests_init(&list, span_of(text));
    if (!err) err = debug_digests_join(&list, &module, 0, &joined);
    if (!err) debug_uses_release(&joined);
    if (!err) err = debug_digests_join(&list, &add, 1, &joined);
    if (!err) err = debug_digests_end(&list);
    return err;
}

static void expect_refused(const char *text, const char *why)
{
    enum err err = walk(text);
    done();
    assert_int_equal(err, ERR_FORMAT);
    if (!strstr(err_text(), why)) fail_msg("%s: %s does not say %s", text, err_text(), why);
}

static void a_tensor_without_a_hash_gets_the_digest(void **state)
{
    (void)state;
    assert_int_equal(walk("[" MODULE ",\n" ADD("\"[0][1]\": \"00000000000000fF\"",
                                               "\"\": \"ffffffffffffffff\"") "]\n"),
                     ERR_OK);
    assert_int_equal(joined.n, 3);
    assert_int_equal(joined.p[1].hash.kind, PY_HASH_SHA256);
    assert_int_equal(joined.p[1].hash.digest, 255);
    assert_int_equal(joined.p[1].tensor, 4);
    assert_int_equal(joined.p[2].hash.digest, -1);
    assert_int_equal(joined.p[0].hash.kind, PY_HASH_REAL);
    done();
}

static void a_tensor_with_a_hash_is_used_again(void **state)
{
    (void)state;
    assert_int_equal(walk("[" MODULE "," ADD("\"[0][0]\": \"0123456789abcdef\"", "") "]"), ERR_OK);
    assert_int_equal(joined.n, 4);
    assert_int_equal(joined.p[0].hash.kind, PY_HASH_REAL);
    assert_int_equal(joined.p[0].part, STORE_NULL);
    assert_int_equal(joined.p[3].hash.kind, PY_HASH_SHA256);
    assert_int_equal(joined.p[3].hash.digest, 0x0123456789abcdef);
    assert_int_equal(joined.p[3].part, 1);
    assert_int_equal(joined.p[3].tensor, 3);
    assert_true(span_is(joined.p[3].dtype, "f32"));
    done();
}

static void a_tensor_that_the_text_does_not_show_is_a_digest_alone(void **state)
{
    (void)state;
    assert_int_equal(walk("[" MODULE "," ADD("", "\"[1]\": \"0000000000000001\"") "]"), ERR_OK);
    assert_int_equal(joined.n, 4);
    assert_int_equal(joined.p[3].phase, DEBUG_RESULT);
    assert_true(span_is(joined.p[3].arg, "[1]"));
    assert_int_equal(joined.p[3].tensor, STORE_NULL);
    assert_int_equal(joined.p[3].part, STORE_NULL);
    done();
}

static void other_lists_are_refused_with_words(void **state)
{
    (void)state;
    expect_refused("", "no list of digests begins at byte 0");
    expect_refused("{}", "no list of digests");
    expect_refused("[", "break off at byte 1: expected the object of index 0");
    expect_refused("[]", "end with 0 calls, but the log has a call 0");
    expect_refused("[" MODULE "]", "end with 1 calls, but the log has a call 1");
    expect_refused("[" MODULE ADD("", "") "]", "expected a comma");
    expect_refused("[" MODULE "," ADD("", ""), "expected the end of the list");
    expect_refused("[" MODULE "," ADD("", "") "] 1", "there is more");
    expect_refused("[" MODULE "," ADD("", "") "," ADD("", "") "]",
                   "an object of index 2, but the log has 2 calls");
    expect_refused("[" MODULE "," ADD("", ""), "break off");
    expect_refused("[" MODULE ",{\"index\": 1, \"ca", "break off");
    expect_refused("[" MODULE ",{nonsense}]", "the object of index 1");
    expect_refused("[" MODULE ",7]", "is no object");
    expect_refused("[[[[[[", "break off");
}

static void objects_that_do_not_fit_are_refused_with_words(void **state)
{
    (void)state;
    expect_refused("[" ADD("", "") "]", "have index 1, the log has 0 there");
    expect_refused(
        "[{\"index\": 0, \"call\": \"aten::mm\", \"depth\": 0, \"in\": {}, \"out\": {}}]",
        "those of 'aten::mm', the log has '[nn.Mod] Net.fc' there");
    expect_refused("[{\"index\": 0, \"call\": \"[nn.Mod] Net.fc\", \"depth\": 4, \"in\": {}, "
                   "\"out\": {}}]",
                   "have depth 4, the log has 0 there");
    expect_refused("[{\"index\": \"0\", \"call\": \"\", \"depth\": 0, \"in\": {}, \"out\": {}}]",
                   "'index' of the digests of index 0 is no integer");
    expect_refused("[{\"index\": 0, \"call\": 3, \"depth\": 0, \"in\": {}, \"out\": {}}]",
                   "'call' of the digests of index 0 is no text");
    expect_refused("[{\"index\": 0, \"call\": \"[nn.Mod] Net.fc\", \"depth\": 0, \"in\": {}}]",
                   "index 0 have no 'out'");
    expect_refused("[{\"index\": 0, \"seed\": 1}]", "have a member 'seed'");
    expect_refused("[{\"index\": 0, \"index\": 0}]", "have 'index' twice");
    expect_refused("[{\"index\": 0, \"call\": \"[nn.Mod] Net.fc\", \"depth\": 0, \"in\": {}, "
                   "\"out\": {\"\": \"0000000000000000\"}}]",
                   "no call of an operator there");
    expect_refused("[{\"index\": 0, \"call\": \"[nn.Mod] Net.fc\", \"depth\": 0, \"in\": [], "
                   "\"out\": {}}]",
                   "the 'in' of the digests of index 0 is no object");
}

static void digests_that_are_none_are_refused_with_words(void **state)
{
    (void)state;
#define IN(in) "[" MODULE "," ADD(in, "") "]"
    expect_refused(IN("\"[0][0]\": \"0123\""), "is '0123': expected 16 hexadecimal digits");
    expect_refused(IN("\"[0][0]\": \"0123456789abcdeg\""), "expected 16 hexadecimal digits");
    expect_refused(IN("\"[0][0]\": \"0123456789abcdef0\""), "expected 16 hexadecimal digits");
    expect_refused(IN("\"[0][0]\": 12"), "expected 16 hexadecimal digits");
    expect_refused(IN("\"[0][0]\": null"), "index 1, 'in' '[0][0]'");
    expect_refused(IN("\"x\": \"0123456789abcdef\""), "have the path 'x' in 'in'");
    expect_refused(IN("\"[0][1]\": \"0123456789abcdef\", \"[0][1]\": \"0123456789abcdef\""),
                   "have '[0][1]' twice in 'in'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tensor_without_a_hash_gets_the_digest),
        cmocka_unit_test(a_tensor_with_a_hash_is_used_again),
        cmocka_unit_test(a_tensor_that_the_text_does_not_show_is_a_digest_alone),
        cmocka_unit_test(other_lists_are_refused_with_words),
        cmocka_unit_test(objects_that_do_not_fit_are_refused_with_words),
        cmocka_unit_test(digests_that_are_none_are_refused_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
