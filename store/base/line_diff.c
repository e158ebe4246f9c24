/* line_diff.c - Myers' greedy algorithm, forwards. `reach[k]` is the furthest line of a on
 * diagonal k (= line of a - line of b) that d edits get to; a copy of it per d is kept, and the
 * way is found backwards through the copies.
 *
 *      b ─►        d edits end on one of the diagonals -d, -d+2, ... d
 *    a ╲           down:  a line of a goes      (k+1 to come from k-1 ... see step)
 *    │  ╲─ k=0     right: a line of b comes
 *    ▼   ╲         along: lines are equal, free */
#include "store/base/line_diff.h"

#include "store/base/map.h"

struct lines {
    struct span *text;
    struct map_key *key;
    int n;
};

static enum err split(struct arena *arena, struct span text, struct lines *out)
{
    struct span rest = text, line;
    int n = 0;
    while (n <= LINE_DIFF_LINES && span_next_line(&rest, &line)) n++;
    if (n > LINE_DIFF_LINES) FAIL(ERR_LIMIT, "a text has more than %d lines", LINE_DIFF_LINES);
    *out = (struct lines){arena_array(arena, (size_t)n + 1, sizeof *out->text),
                          arena_array(arena, (size_t)n + 1, sizeof *out->key), n};
    if (!out->text || !out->key) FAIL(ERR_NOMEM, "out of memory for %d lines", n);
    rest = text;
    for (int i = 0; span_next_line(&rest, &line); i++) {
        out->text[i] = line;
        out->key[i] = map_key(line);
    }
    return ERR_OK;
}

static bool same(const struct lines *a, const struct lines *b, int i, int j)
{
    return a->key[i].lo == b->key[j].lo && a->key[i].hi == b->key[j].hi;
}

/* Where diagonal k begins its d-th edit: coming from above (a line of b comes) or from the left
 * (one of a goes). */
static int step(const int *reach, int d, int k)
{
    bool down = k == -d || (k != d && reach[k - 1] < reach[k + 1]);
    return down ? reach[k + 1] : reach[k - 1] + 1;
}

/* Fills copies[d] with reach before the d-th edit; gives the number of edits, -1 when there are
 * too many. */
static int search(struct arena *arena, const struct lines *a, const struct lines *b, int **copies)
{
    int *space = arena_array(arena, 2 * LINE_DIFF_EDITS + 3, sizeof *space);
    if (!space) return -1;
    int *reach = space + LINE_DIFF_EDITS + 1;
    for (int d = 0; d <= LINE_DIFF_EDITS; d++) {
        int *copy = arena_array(arena, 2 * (size_t)d + 3, sizeof *copy);
        if (!copy) return -1;
        memcpy(copy, reach - d - 1, (2 * (size_t)d + 3) * sizeof *copy);
        copies[d] = copy + d + 1;
        for (int k = -d; k <= d; k += 2) {
            int x = step(reach, d, k);
            while (x < a->n && x - k < b->n && x - k >= 0 && same(a, b, x, x - k)) x++;
            reach[k] = x;
            if (x >= a->n && x - k >= b->n) return d;
        }
    }
    return -1;
}

static struct line_edit *put(struct line_diff *out, size_t *left, enum line_kind kind, int i, int j,
                             struct span text)
{
    struct line_edit *l = &out->lines[--*left];
    *l =
        (struct line_edit){kind, kind == LINE_NEW ? 0 : i + 1, kind == LINE_GONE ? 0 : j + 1, text};
    out->n_gone += kind == LINE_GONE;
    out->n_new += kind == LINE_NEW;
    return l;
}

/* Walks back from the end of both; lines are written from the end of out->lines. */
static void trace(const struct lines *a, const struct lines *b, int **copies, int edits,
                  struct line_diff *out, size_t *left)
{
    int x = a->n, y = b->n;
    for (int d = edits; d >= 0; d--) {
        const int *reach = copies[d];
        int k = x - y;
        bool down = k == -d || (k != d && reach[k - 1] < reach[k + 1]);
        int from = d ? step(reach, d, k) : 0;
        while (x > from && y > from - k) x--, y--, put(out, left, LINE_SAME, x, y, b->text[y]);
        if (!d) break;
        if (down) y--, put(out, left, LINE_NEW, x, y, b->text[y]);
        else x--, put(out, left, LINE_GONE, x, y, a->text[x]);
    }
}

enum err line_diff(struct arena *arena, struct span a_text, struct span b_text,
                   struct line_diff *out)
{
    struct lines a, b;
    *out = (struct line_diff){0};
    TRY(split(arena, a_text, &a));
    TRY(split(arena, b_text, &b));
    if (a.n + b.n > LINE_DIFF_LINES)
        FAIL(ERR_LIMIT, "the texts have %d lines together; %d can be compared", a.n + b.n,
             LINE_DIFF_LINES);
    int **copies = arena_array(arena, LINE_DIFF_EDITS + 1, sizeof *copies);
    size_t size = (size_t)a.n + (size_t)b.n, left = size;
    out->lines = arena_array(arena, size + 1, sizeof *out->lines);
    if (!copies || !out->lines) FAIL(ERR_NOMEM, "out of memory for %zu lines", size);
    int edits = search(arena, &a, &b, copies);
    if (edits < 0) FAIL(ERR_LIMIT, "the texts differ in more than %d lines", LINE_DIFF_EDITS);
    trace(&a, &b, copies, edits, out, &left);
    out->lines += left;
    out->n = size - left;
    return ERR_OK;
}
