/* test_torch_lines.c - the same records whatever the portions in which the bytes arrive. */
#include "tests/unit/unit.h"

#include "capture/torch_lines.h"

#define P "V1123 04:22:04.458000 3806 torch/_dynamo/utils.py:2350] "

/* Takes what is complete and describes its records: "line:flags:json|payload;". */
static void take(struct torch_cutter *c, enum torch_take what, size_t *bytes, struct buf *out)
{
    struct torch_piece *p;
    assert_int_equal(torch_cutter_take(c, what, torch_piece_new(), &p), ERR_OK);
    assert_int_equal(p->offset, *bytes);
    *bytes += p->bytes.n;
    for (size_t k = 0; k < p->lines.n; k++) {
        struct torch_line *l = &p->lines.p[k];
        buf_printf(out, "%lld:%d:%.*s|%.*s;", (long long)l->line, l->flags, SPAN_ARG(l->json),
                   SPAN_ARG(l->payload));
    }
    torch_piece_free(p);
}

/* The text arrives in portions of n bytes; every `often` portions pieces are taken. */
static void describe(const char *text, size_t n, int often, struct buf *out)
{
    struct torch_cutter c;
    struct span rest = span_of(text);
    size_t bytes = 0;
    buf_clear(out);
    assert_int_equal(torch_cutter_init(&c), ERR_OK);
    for (int i = 1; rest.n; i++) {
        struct span part = span_to(rest, n);
        memcpy(torch_cutter_room(&c, part.n), part.p, part.n);
        assert_int_equal(torch_cutter_fill(&c, part.n), ERR_OK);
        rest = span_from(rest, part.n);
        if (i % often == 0) take(&c, TORCH_TAKE_COMPLETE, &bytes, out);
    }
    take(&c, TORCH_TAKE_ALL, &bytes, out);
    torch_cutter_release(&c);
    assert_int_equal(bytes, strlen(text));
}

static void check(const char *text, const char *expected)
{
    struct buf b = {0};
    for (size_t n = 1; n < 40; n++)
        for (int often = 1; often < 4; often++) {
            describe(text, n, often, &b);
            assert_string_equal(b.p ? b.p : "", expected);
        }
    describe(text, 1 << 20, 1, &b);
    assert_string_equal(b.p ? b.p : "", expected);
    buf_release(&b);
}

static void cuts_records_and_payloads(void **state)
{
    (void)state;
    check(P "{\"a\": 1}\n\tone\n\t\n\t two\n" P "{\"b\": 2}\n",
          "1:0:{\"a\": 1}|one\n\n two;5:0:{\"b\": 2}|;");
    check(P "{}\n\t\n", "1:0:{}|;");
}

static void tolerates_noise(void **state)
{
    (void)state;
    check("[rank0]: " P "{}\n\tx\n", "1:0:{}|x;");
    check("E1 V0 " P "{}\n", "1:0:{}|;");
    check("noise\n" P "{}\n\n\tx\n\n\ty\n", "1:1:noise|;2:0:{}|x\ny;");
    check("\tlost\n" P "{}\n", "1:1:\tlost|;2:0:{}|;");
    check("V1323 04:22:04.458000 3806 a:1] {}\n", "1:1:V1323 04:22:04.458000 3806 a:1] {}|;");
}

static void joins_lines_of_noise(void **state)
{
    (void)state;
    struct buf b = {0};
    describe("a\nb\n\nc\n" P "{}\nd\n", 1 << 20, 1, &b);
    assert_string_equal(b.p, "1:1:a|;5:0:{}|;6:1:d|;");
    buf_release(&b);
}

static void removes_cr_only_in_cr_logs(void **state)
{
    (void)state;
    check(P "{}\r\n\tx\r\n\t\r\n" P "{}\r\n", "1:0:{}|x\n;4:0:{}|;");
    check(P "{}\n\tx\r\n", "1:0:{}|x\r;");
}

static void marks_what_was_cut_off(void **state)
{
    (void)state;
    check(P "{}\n\tx", "1:2:{}|x;");
    check(P "{\"a", "1:2:{\"a|;");
    check("V1123 04:2", "1:3:V1123 04:2|;");
}

static void marks_bytes_that_are_no_text(void **state)
{
    (void)state;
    check(P "{\"\xff\"}\n", "1:4:{\"\xff\"}|;");
    check(P "{}\n\ta\xc3\xa9\xff\n", "1:8:{}|a\xc3\xa9\xff;");
    check(P "{}\n\t0123456789\xc3\xa9 0123456789\n", "1:0:{}|0123456789\xc3\xa9 0123456789;");
}

static void knows_places_and_digests(void **state)
{
    (void)state;
    const char *text = "x\n" P "{}\n\tab\n\tc\n" P "{}\n";
    struct torch_cutter c;
    struct torch_piece *p;
    assert_int_equal(torch_cutter_init(&c), ERR_OK);
    memcpy(torch_cutter_room(&c, strlen(text)), text, strlen(text));
    assert_int_equal(torch_cutter_fill(&c, strlen(text)), ERR_OK);
    assert_int_equal(torch_cutter_take(&c, TORCH_TAKE_ALL, torch_piece_new(), &p), ERR_OK);
    assert_int_equal(p->lines.n, 3);
    struct torch_line *l = &p->lines.p[1];
    assert_int_equal(l->at, 2);
    assert_memory_equal(p->bytes.p + l->payload_at, "\tab\n\tc", 6);
    assert_int_equal(l->payload_size, 6);
    static const uint8_t md5[] = {0xd9, 0xba, 0x2c, 0x08, 0xd8, 0xc6, 0xb9, 0x68, 0x26,
                                  0x0a, 0x04, 0x12, 0x46, 0x96, 0x12, 0xe4}; /* of "ab", LF, "c" */
    assert_memory_equal(l->md5, md5, 16);
    assert_int_equal(l->month, 11);
    assert_int_equal(l->day, 23);
    assert_int_equal(l->us, ((4 * 60 + 22) * 60 + 4) * INT64_C(1000000) + 458000);
    assert_int_equal(l->thread, 3806);
    torch_piece_free(p);
    torch_cutter_release(&c);
}

static bool complete_after(const char *text)
{
    struct torch_cutter c;
    assert_int_equal(torch_cutter_init(&c), ERR_OK);
    memcpy(torch_cutter_room(&c, strlen(text)), text, strlen(text));
    assert_int_equal(torch_cutter_fill(&c, strlen(text)), ERR_OK);
    bool complete = torch_cutter_tail_complete(&c);
    torch_cutter_release(&c);
    return complete;
}

static void knows_when_the_tail_is_complete(void **state)
{
    (void)state;
    assert_true(complete_after(P "{\"a\": 1}\n"));
    assert_false(complete_after(P "{\"a\": 1}"));
    const char *announced = P "{\"a\": 1, \"has_payload\": \"401b30e3b8b5d629635a5c613cdb7919\"}\n";
    char text[256];
    assert_false(complete_after(announced));
    snprintf(text, sizeof text, "%s\tx\n", announced);
    assert_false(complete_after(text));
    snprintf(text, sizeof text, "%s\tx\n\t\n", announced);
    assert_true(complete_after(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_records_and_payloads),
        cmocka_unit_test(tolerates_noise),
        cmocka_unit_test(joins_lines_of_noise),
        cmocka_unit_test(removes_cr_only_in_cr_logs),
        cmocka_unit_test(marks_what_was_cut_off),
        cmocka_unit_test(marks_bytes_that_are_no_text),
        cmocka_unit_test(knows_places_and_digests),
        cmocka_unit_test(knows_when_the_tail_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
