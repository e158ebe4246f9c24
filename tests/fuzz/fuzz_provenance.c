/* fuzz_provenance.c - libFuzzer target: node mappings and three texts, separated by NUL bytes. */
#include <stdlib.h>

#include "capture/provenance.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span next_part(struct span *rest)
{
    size_t at = span_find(*rest, (struct span){"", 1}, 0);
    struct span part = span_to(*rest, at);
    *rest = at == SIZE_MAX ? (struct span){rest->p + rest->n, 0} : span_from(*rest, at + 1);
    return part;
}

static size_t count_lines(struct span text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    return n;
}

static void check_links(const struct provenance_texts *t, const struct provenance_links *links)
{
    size_t lines[] = {count_lines(t->pre), count_lines(t->post), count_lines(t->code)};
    static const struct {
        int from, to;
    } sides[] = {{0, 0}, {0, 1}, {1, 0}, {2, 1}, {1, 2}, {2, 1}, {1, 2}};
    for (size_t i = 0; i < links->n; i++) {
        const struct provenance_link *l = &links->p[i];
        if (!l->line || l->line > lines[sides[l->relation].from]) abort();
        if (!l->to_line || l->to_line > lines[sides[l->relation].to]) abort();
        if (l->position && (l[-1].line != l->line || l[-1].position + 1 != l->position)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static struct provenance_links links;
    if (!size) return 0;
    struct span rest = {(const char *)data + 1, size - 1};
    struct span mappings = next_part(&rest);
    struct provenance_texts texts = {.is_cpp = data[0] & 1};
    texts.pre = next_part(&rest);
    texts.post = next_part(&rest);
    texts.code = next_part(&rest);
    struct json *root = NULL;
    links.n = 0;
    if (!json_parse(mappings, &arena, &root) && !provenance_read(&texts, root, &arena, &links))
        check_links(&texts, &links);
    provenance_code_line(texts.code, texts.is_cpp);
    arena_clear(&arena);
    return 0;
}
