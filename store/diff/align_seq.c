/* align_seq.c - trimming, patience anchors and Myers' search over keys (align_seq.h).
 *
 * Invariants: (1) a range is aligned only after what lies around it was cut off, so matches rise;
 * (2) items that are dropped have no partner in their range, hence in none within it; dropping
 * moves the rest together, so a range [lo, hi) may end earlier afterwards, never later.
 */
#include "store/diff/align_seq.h"

#include <string.h>

enum {
    DEEPEST = 48,       /* anchors within gaps of anchors; then Myers at once */
    MOST_ROUNDS = 4,    /* of trimming and dropping before anchors are looked for */
    FEW_EDITS = 256,    /* tried first: two runs that differ in a few places */
    FEW_OF_ITEMS = 8,   /* and at most an eighth of the items */
    PIECE_EDITS = 1000, /* of a range that has too many */
    SMALL = 16,         /* items on both sides together that Myers takes without anchors */
};

static enum err room(void *p, size_t *size, size_t n, size_t item)
{
    void **array = p;
    if (n <= *size && *array) return ERR_OK;
    size_t want = n + n / 4 + 16;
    free(*array);
    *size = 0;
    *array = calloc(want, item);
    if (!*array) FAIL(ERR_NOMEM, "no memory to align %zu calls", n);
    *size = want;
    return ERR_OK;
}

void diff_seq_release(struct diff_seq *q)
{
    LIST_RELEASE(&q->lost);
    for (int s = 0; s < 2; s++) {
        free(q->key[s]);
        free(q->pos[s]);
        free(q->n[s]);
        free(q->front[s]);
    }
    free(q->at);
    free(q->next);
    free(q->slots);
    free(q->tail);
    free(q->class_key);
    free(q->link);
    memset(q, 0, sizeof *q);
}

/* ---- Myers ---- */

/* One search for the middle of a shortest edit script in a rectangle of keys. */
struct middle {
    const uint64_t *a, *b;
    int64_t n, m;
    int64_t *f, *g;         /* forward[diagonal], backward[diagonal]; both may be indexed below 0 */
    int64_t f0, f1, g0, g1; /* diagonals reached */
    int64_t x, y;           /* the middle found */
    uint64_t steps;
};

/* Diagonals are x - y. A search that leaves the rectangle narrows instead of widening; the
 * parity of its diagonals stays that of the round. */
static void widen(int64_t *v, int64_t *lo, int64_t *hi, const struct middle *s, int64_t outside)
{
    if (*lo > -s->m) v[--*lo - 1] = outside;
    else ++*lo;
    if (*hi < s->n) v[++*hi + 1] = outside;
    else --*hi;
}

static bool forward(struct middle *s, bool odd)
{
    widen(s->f, &s->f0, &s->f1, s, -1);
    for (int64_t d = s->f1; d >= s->f0; d -= 2) {
        int64_t x = s->f[d - 1] >= s->f[d + 1] ? s->f[d - 1] + 1 : s->f[d + 1];
        int64_t start = x;
        while (x < s->n && x - d < s->m && s->a[x] == s->b[x - d]) x++;
        s->steps += (uint64_t)(x - start) + 1;
        s->f[d] = x;
        if (odd && s->g0 <= d && d <= s->g1 && s->g[d] <= x) {
            s->x = x;
            s->y = x - d;
            return true;
        }
    }
    return false;
}

static bool backward(struct middle *s, bool odd)
{
    widen(s->g, &s->g0, &s->g1, s, INT64_MAX);
    for (int64_t d = s->g1; d >= s->g0; d -= 2) {
        int64_t x = s->g[d - 1] < s->g[d + 1] ? s->g[d - 1] : s->g[d + 1] - 1;
        int64_t start = x;
        while (x > 0 && x - d > 0 && s->a[x - 1] == s->b[x - d - 1]) x--;
        s->steps += (uint64_t)(start - x) + 1;
        s->g[d] = x;
        if (!odd && s->f0 <= d && d <= s->f1 && x <= s->f[d]) {
            s->x = x;
            s->y = x - d;
            return true;
        }
    }
    return false;
}

/* A point that a shortest script passes, or false: it has more than `most` edits (or all work is
 * spent). */
static bool find_middle(struct diff_seq *q, struct middle *s, int64_t most)
{
    bool odd = (s->n - s->m) & 1;
    int64_t rounds = most / 2 + (most & 1);
    s->f = q->front[0] + rounds + 2;
    s->g = q->front[1] + rounds + 2 - (s->n - s->m);
    s->f0 = s->f1 = 0;
    s->g0 = s->g1 = s->n - s->m;
    s->f[0] = 0;
    s->g[s->g0] = s->n;
    for (int64_t edits = 2; edits <= most + 1; edits += 2) {
        if (forward(s, odd)) return true;
        if (edits <= most && backward(s, odd)) return true;
        if (q->most_work && q->work + s->steps > q->most_work) return false;
    }
    return false;
}

static void pair_up(struct diff_seq *q, uint32_t i, uint32_t j)
{
    q->match[q->pos[0] ? q->pos[0][i] : i] = q->pos[1] ? q->pos[1][j] : j;
}

/* Aligns r with at most `most` edits, or touches nothing and says false. */
static bool myers(struct diff_seq *q, const uint64_t *a, const uint64_t *b, struct seq_range r,
                  int64_t most)
{
    while (r.a0 < r.a1 && r.b0 < r.b1 && a[r.a0] == b[r.b0]) pair_up(q, r.a0++, r.b0++);
    while (r.a0 < r.a1 && r.b0 < r.b1 && a[r.a1 - 1] == b[r.b1 - 1]) pair_up(q, --r.a1, --r.b1);
    if (r.a0 == r.a1 || r.b0 == r.b1) return true;
    struct middle s = {a + r.a0, b + r.b0, r.a1 - r.a0, r.b1 - r.b0, .steps = 0};
    bool found = find_middle(q, &s, most);
    q->work += s.steps;
    if (!found) return false;
    uint32_t x = r.a0 + (uint32_t)s.x, y = r.b0 + (uint32_t)s.y;
    uint64_t keep = q->most_work; /* the halves cost less than what was just paid */
    q->most_work = 0;
    (void)myers(q, a, b, (struct seq_range){r.a0, x, r.b0, y}, most);
    (void)myers(q, a, b, (struct seq_range){x, r.a1, y, r.b1}, most);
    q->most_work = keep;
    return true;
}

/* Edits beyond n + m are never needed: less storage, and the search stays small. */
static enum err try_myers(struct diff_seq *q, const uint64_t *a, const uint64_t *b,
                          struct seq_range r, uint32_t most, bool *done)
{
    uint64_t n = r.a1 - r.a0, m = r.b1 - r.b0, edits = most < n + m ? most : n + m;
    *done = false;
    if ((n > m ? n - m : m - n) > edits) return ERR_OK;
    TRY(room(&q->front[0], &q->front_size[0], edits + 8, sizeof(int64_t)));
    TRY(room(&q->front[1], &q->front_size[1], edits + 8, sizeof(int64_t)));
    *done = myers(q, a, b, r, (int64_t)edits);
    return ERR_OK;
}

/* The point that `most` edits lead to from the beginning of s, as far as any do. */
static void furthest(struct diff_seq *q, struct middle *s, int64_t most)
{
    s->f = q->front[0] + most + 2;
    s->f0 = s->f1 = s->f[0] = 0;
    s->g0 = 1; /* no backward search: nothing to meet */
    s->g1 = 0;
    while (s->x < s->n && s->x < s->m && s->a[s->x] == s->b[s->x]) s->x++;
    s->f[0] = s->y = s->x;
    for (int64_t edits = 1; edits <= most; edits++) {
        (void)forward(s, false);
        for (int64_t d = s->f0; d <= s->f1; d += 2) {
            int64_t x = s->f[d];
            if (x > s->n || x - d > s->m || 2 * x - d <= s->x + s->y) continue;
            s->x = x;
            s->y = x - d;
        }
        if (s->x == s->n && s->y == s->m) return;
    }
}

static enum err lose(struct diff_seq *q, struct seq_range r)
{
    struct seq_range *lost = LIST_PUSH(&q->lost);
    if (!lost) FAIL(ERR_NOMEM, "no memory to align calls");
    *lost = (struct seq_range){q->pos[0][r.a0], q->pos[0][r.a1 - 1] + 1, q->pos[1][r.b0],
                               q->pos[1][r.b1 - 1] + 1};
    return ERR_OK;
}

/* A range with too many edits, piece by piece: each as far as some edits lead, and then with the
 * fewest. What is beyond the work allowed is lost. */
static enum err in_pieces(struct diff_seq *q, struct seq_range r)
{
    int64_t most = q->most_edits < PIECE_EDITS ? q->most_edits : PIECE_EDITS;
    for (int k = 0; k < 2; k++)
        TRY(room(&q->front[k], &q->front_size[k], 2 * (size_t)most + 8, sizeof(int64_t)));
    while (r.a0 < r.a1 && r.b0 < r.b1) {
        if (q->most_work && q->work > q->most_work) return lose(q, r);
        struct middle s = {q->key[0] + r.a0, q->key[1] + r.b0, r.a1 - r.a0, r.b1 - r.b0,
                           .steps = 0};
        furthest(q, &s, most);
        q->work += s.steps;
        struct seq_range piece = {r.a0, r.a0 + (uint32_t)s.x, r.b0, r.b0 + (uint32_t)s.y};
        uint64_t keep = q->most_work;
        q->most_work = 0;
        (void)myers(q, q->key[0], q->key[1], piece, most);
        q->most_work = keep;
        r.a0 = piece.a1;
        r.b0 = piece.b1;
    }
    return ERR_OK;
}

/* ---- classes: equal keys get one small number ---- */

static uint32_t class_of(struct diff_seq *q, uint64_t key, uint32_t *n_classes, size_t mask)
{
    size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & mask;
    while (q->slots[at]) {
        uint32_t c = q->slots[at] - 1;
        if (q->class_key[c] == key) return c;
        at = (at + 1) & mask;
    }
    q->class_key[*n_classes] = key;
    q->slots[at] = ++*n_classes;
    return *n_classes - 1;
}

static enum err classify(struct diff_seq *q, struct seq_range r)
{
    uint32_t lo[2] = {r.a0, r.b0}, hi[2] = {r.a1, r.b1}, n_classes = 0;
    size_t n = (size_t)(r.a1 - r.a0) + (r.b1 - r.b0), slots = 32;
    while (slots < n + n / 2) slots *= 2;
    TRY(room(&q->slots, &q->slots_size, slots, sizeof(uint32_t)));
    memset(q->slots, 0, slots * sizeof *q->slots);
    TRY(room(&q->class_key, &q->class_size, n, sizeof(uint64_t)));
    for (int s = 0; s < 2; s++) {
        size_t items = hi[s] - lo[s];
        TRY(room(&q->key[s], &q->key_size[s], items, sizeof(uint64_t)));
        TRY(room(&q->pos[s], &q->pos_size[s], items, sizeof(uint32_t)));
        for (uint32_t i = lo[s]; i < hi[s]; i++) {
            q->key[s][i - lo[s]] = class_of(q, q->whole[s][i], &n_classes, slots - 1);
            q->pos[s][i - lo[s]] = i;
        }
        TRY(room(&q->n[s], &q->n_size[s], n_classes, sizeof(uint32_t)));
    }
    TRY(room(&q->n[0], &q->n_size[0], n_classes, sizeof(uint32_t)));
    return room(&q->at, &q->at_size, n_classes, sizeof(uint32_t));
}

static void count(struct diff_seq *q, struct seq_range r)
{
    for (uint32_t i = r.a0; i < r.a1; i++) q->n[0][q->key[0][i]] = q->n[1][q->key[0][i]] = 0;
    for (uint32_t j = r.b0; j < r.b1; j++) q->n[0][q->key[1][j]] = q->n[1][q->key[1][j]] = 0;
    for (uint32_t i = r.a0; i < r.a1; i++) q->n[0][q->key[0][i]]++;
    for (uint32_t j = r.b0; j < r.b1; j++) {
        q->n[1][q->key[1][j]]++;
        q->at[q->key[1][j]] = j;
    }
}

static uint32_t drop(struct diff_seq *q, int side, uint32_t lo, uint32_t hi)
{
    uint32_t to = lo;
    for (uint32_t i = lo; i < hi; i++) {
        if (!q->n[1 - side][q->key[side][i]]) continue;
        q->key[side][to] = q->key[side][i];
        q->pos[side][to++] = q->pos[side][i];
    }
    return to;
}

static void trim(struct diff_seq *q, struct seq_range *r)
{
    const uint64_t *a = q->key[0], *b = q->key[1];
    while (r->a0 < r->a1 && r->b0 < r->b1 && a[r->a0] == b[r->b0]) pair_up(q, r->a0++, r->b0++);
    while (r->a0 < r->a1 && r->b0 < r->b1 && a[r->a1 - 1] == b[r->b1 - 1])
        pair_up(q, --r->a1, --r->b1);
}

/* Cuts off equal ends and drops what only one side has, until neither changes anything. Leaves the
 * counts of what remains. */
static void reduce(struct diff_seq *q, struct seq_range *r)
{
    for (int round = 0; round < MOST_ROUNDS; round++) {
        uint32_t a1 = r->a1, b1 = r->b1;
        trim(q, r);
        count(q, *r);
        r->a1 = drop(q, 0, r->a0, r->a1);
        r->b1 = drop(q, 1, r->b0, r->b1);
        if (a1 == r->a1 && b1 == r->b1) return;
    }
    count(q, *r);
}

/* ---- chains of anchors ---- */

/* Longest chain of links (given in A's order) that rises in B too; returns its length, and link[i]
 * of its members in order at the front of q->link. */
static uint32_t longest_chain(struct diff_seq *q, uint32_t n)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t lo = 0, hi = length;
        if (length && q->link[q->tail[length - 1]].b < q->link[i].b) lo = hi;
        while (lo < hi) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (q->link[q->tail[mid]].b < q->link[i].b) lo = mid + 1;
            else hi = mid;
        }
        q->link[i].before = lo ? q->tail[lo - 1] : SEQ_NONE;
        q->tail[lo] = i;
        if (lo == length) length++;
    }
    uint32_t at = length ? q->tail[length - 1] : SEQ_NONE;
    for (uint32_t k = length; k--; at = q->link[at].before) q->tail[k] = at;
    for (uint32_t k = 0; k < length; k++) q->link[k] = q->link[q->tail[k]];
    return length;
}

static enum err room_for_links(struct diff_seq *q, uint32_t n)
{
    TRY(room(&q->link, &q->link_size, n, sizeof *q->link));
    return room(&q->tail, &q->tail_size, n, sizeof *q->tail);
}

/* Keys that occur once on both sides. */
static enum err unique_anchors(struct diff_seq *q, struct seq_range r, uint32_t *length)
{
    uint32_t n = 0;
    TRY(room_for_links(q, r.a1 - r.a0));
    for (uint32_t i = r.a0; i < r.a1; i++) {
        uint64_t c = q->key[0][i];
        if (q->n[0][c] == 1 && q->n[1][c] == 1) q->link[n++] = (struct seq_link){i, q->at[c], 0};
    }
    *length = longest_chain(q, n);
    return ERR_OK;
}

/* No alignment has more pairs. Takes the counts apart. */
static uint32_t most_pairs(struct diff_seq *q, struct seq_range r)
{
    uint32_t n = 0;
    for (uint32_t i = r.a0; i < r.a1; i++) {
        uint64_t c = q->key[0][i];
        n += q->n[0][c] < q->n[1][c] ? q->n[0][c] : q->n[1][c];
        q->n[0][c] = 0;
    }
    return n;
}

/* The n-th of a key on one side with the n-th on the other. */
static enum err numbered_anchors(struct diff_seq *q, struct seq_range r, uint32_t *length)
{
    uint32_t n = 0;
    TRY(room_for_links(q, r.a1 - r.a0));
    TRY(room(&q->next, &q->next_size, r.b1 - r.b0, sizeof *q->next));
    for (uint32_t j = r.b0; j < r.b1; j++) q->at[q->key[1][j]] = SEQ_NONE;
    for (uint32_t j = r.b1; j-- > r.b0;) {
        q->next[j - r.b0] = q->at[q->key[1][j]];
        q->at[q->key[1][j]] = j;
    }
    for (uint32_t i = r.a0; i < r.a1; i++) {
        uint32_t *at = &q->at[q->key[0][i]];
        if (!q->n[1][q->key[0][i]] || *at == SEQ_NONE) continue;
        q->link[n++] = (struct seq_link){i, *at, 0};
        *at = q->next[*at - r.b0];
    }
    *length = longest_chain(q, n);
    return ERR_OK;
}

/* ---- a range ---- */

static enum err align_range(struct diff_seq *q, struct seq_range r, int depth);

/* The chain's links belong together; the gaps between them are ranges of their own. */
static enum err align_between(struct diff_seq *q, struct seq_range r, uint32_t length, int depth)
{
    /* q->link serves the gaps too: the chain is kept apart. */
    struct seq_link *chain = malloc(((size_t)length + 1) * sizeof *chain);
    if (!chain) FAIL(ERR_NOMEM, "no memory to align %u calls", length);
    memcpy(chain, q->link, length * sizeof *chain);
    chain[length] = (struct seq_link){r.a1, r.b1, 0};
    struct seq_range gap = {r.a0, 0, r.b0, 0};
    enum err err = ERR_OK;
    for (uint32_t k = 0; k <= length && !err; k++) {
        gap.a1 = chain[k].a;
        gap.b1 = chain[k].b;
        if (gap.a0 < gap.a1 && gap.b0 < gap.b1) err = align_range(q, gap, depth);
        if (k < length) pair_up(q, chain[k].a, chain[k].b);
        gap.a0 = chain[k].a + 1;
        gap.b0 = chain[k].b + 1;
    }
    free(chain);
    return err;
}

static enum err align_range(struct diff_seq *q, struct seq_range r, int depth)
{
    uint32_t length = 0;
    bool done;
    reduce(q, &r);
    if (r.a0 == r.a1 || r.b0 == r.b1) return ERR_OK;
    if (depth < DEEPEST && r.a1 - r.a0 + r.b1 - r.b0 > SMALL) TRY(unique_anchors(q, r, &length));
    if (length) return align_between(q, r, length, depth + 1);
    TRY(try_myers(q, q->key[0], q->key[1], r, q->most_edits, &done));
    if (done) return ERR_OK;
    if (depth > DEEPEST) return in_pieces(q, r);
    uint32_t best = most_pairs(q, r);
    TRY(numbered_anchors(q, r, &length));
    return length >= best / 2 ? align_between(q, r, length, DEEPEST + 1) : in_pieces(q, r);
}

enum err diff_seq_align(struct diff_seq *q, const uint64_t *a, uint32_t n, const uint64_t *b,
                        uint32_t m, uint32_t *match)
{
    struct seq_range r = {0, n, 0, m};
    uint32_t *pos[2] = {q->pos[0], q->pos[1]};
    bool done;
    q->match = match;
    q->whole[0] = a;
    q->whole[1] = b;
    q->lost.n = 0;
    for (uint32_t i = 0; i < n; i++) match[i] = SEQ_NONE;
    while (r.a0 < n && r.b0 < m && a[r.a0] == b[r.b0]) match[r.a0++] = r.b0++;
    while (r.a0 < r.a1 && r.b0 < r.b1 && a[r.a1 - 1] == b[r.b1 - 1]) match[--r.a1] = --r.b1;
    if (r.a0 == r.a1 || r.b0 == r.b1) return ERR_OK;
    uint64_t few = ((uint64_t)(r.a1 - r.a0) + (r.b1 - r.b0)) / FEW_OF_ITEMS;
    if (few > FEW_EDITS) few = FEW_EDITS;
    if (few > q->most_edits) few = q->most_edits;
    q->pos[0] = q->pos[1] = NULL; /* Myers speaks of whole sequences here */
    enum err err = try_myers(q, a, b, r, (uint32_t)few, &done);
    q->pos[0] = pos[0];
    q->pos[1] = pos[1];
    if (err || done) return err;
    TRY(classify(q, r));
    return align_range(q, (struct seq_range){0, r.a1 - r.a0, 0, r.b1 - r.b0}, 0);
}
