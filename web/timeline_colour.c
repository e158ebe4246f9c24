/* timeline_colour.c - which of the six colours an event has, by its kind and name. */
#include "web/timeline.h"

enum phase_kind {
#define KIND(name, box, bar, title, sentence, does) PHASE_##name,
#define PHASE(prefix, kind, label)
#include "web/phases.def"
#undef KIND
#undef PHASE
};

/* The colour that the page of a compile gives a phase. */
static int phase_colour(struct span name)
{
    static const char *const boxes[] = {
#define KIND(name, box, bar, title, sentence, does) box,
#define PHASE(prefix, kind, label)
#include "web/phases.def"
#undef KIND
#undef PHASE
    };
    static const struct {
        const char *prefix;
        enum phase_kind kind;
    } phases[] = {
#define KIND(name, box, bar, title, sentence, does)
#define PHASE(prefix, kind, label) {prefix, PHASE_##kind},
#include "web/phases.def"
#undef KIND
#undef PHASE
    };
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        if (span_starts(name, phases[i].prefix)) return boxes[phases[i].kind][1] - '0';
    return 6;
}

static bool has(struct span s, const char *word)
{
    return span_find(s, span_of(word), 0) != SIZE_MAX;
}

int timeline_colour(int kind, struct span name)
{
    static const struct {
        const char *word;
        int colour;
    } words[] = {{"allreduce", 4}, {"all_reduce", 4}, {"all_gather", 4}, {"reduce_scatter", 4},
                 {"nccl", 4},      {"c10d", 4},       {"memcpy", 2},     {"Memcpy", 2},
                 {"Memset", 2},    {"attention", 5},  {"flash", 5},      {"combo", 5},
                 {"mm", 1},        {"gemm", 1},       {"conv", 1},       {"linear", 1},
                 {"matmul", 1},    {"pl_", 3},        {"triton_", 3},    {"cpp_fused", 3}};
    if (kind == 11) return 2;
    if (kind == 1) return phase_colour(name);
    if (kind == 13 || kind == 8 || kind == 12) return 6;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (has(name, words[i].word)) return words[i].colour;
    return kind == 7 ? 2 : kind == 10 || kind == 6 ? 3 : 1;
}
