/* lay_trie.c - the stack frames of many compiles as one tree.
 *
 * Children are kept in the order in which their first leaf was met, so the tree reads in time
 * from top to bottom. The walk is iterative with its own stack: a recorded stack may be as deep
 * as it likes.
 */
#include "web/lay_trie.h"

#include "store/base/map.h"

struct node {
    int parent, first, last, next; /* indices, -1 none */
    int leaf, n_leaves;
    int below;
    int64_t ns;
    bool seen;
};
struct build {
    const struct trie_frame *frames;
    int n_frames;
    const struct trie_leaf *leaves;
    int n_leaves;
    struct arena *arena;
    struct node *nodes; /* n_frames, then one for the root */
    struct trie *out;
};

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for a tree");
}

static int frame_of(const struct build *b, const struct map *ids, int64_t id)
{
    int64_t *i = id ? map_get(ids, map_key_int(id, 1)) : NULL;
    return i ? (int)*i : b->n_frames;
}

static enum err find_parents(struct build *b, struct map *ids)
{
    for (int i = 0; i < b->n_frames; i++)
        if (!map_put(ids, map_key_int(b->frames[i].id, 1), i, NULL)) return no_memory();
    for (int i = 0; i < b->n_frames; i++) {
        int parent = frame_of(b, ids, b->frames[i].parent);
        b->nodes[i].parent = parent == i ? b->n_frames : parent;
    }
    return ERR_OK;
}

/* Groups the leaves by frame, in their order: a counting sort. at: frame of each leaf. */
static enum err group_leaves(struct build *b, const struct map *ids, int *at)
{
    int *next = arena_array(b->arena, (size_t)b->n_frames + 2, sizeof *next);
    b->out->order = arena_array(b->arena, (size_t)b->n_leaves + 1, sizeof *b->out->order);
    if (!next || !b->out->order) return no_memory();
    for (int i = 0; i < b->n_leaves; i++) {
        at[i] = frame_of(b, ids, b->leaves[i].frame);
        b->nodes[at[i]].n_leaves++;
    }
    for (int i = 0, sum = 0; i <= b->n_frames; i++) {
        b->nodes[i].leaf = next[i] = sum;
        sum += b->nodes[i].n_leaves;
    }
    for (int i = 0; i < b->n_leaves; i++) b->out->order[next[at[i]]++] = i;
    return ERR_OK;
}

/* Walks from each leaf outwards: sums, and children in the order in which they were first met. */
static void link_children(struct build *b, const int *at)
{
    for (int i = 0; i < b->n_leaves; i++) {
        int steps = 0;
        for (int n = at[i]; n != b->n_frames && steps++ <= b->n_frames; n = b->nodes[n].parent) {
            b->nodes[n].below++;
            b->nodes[n].ns += b->leaves[i].ns;
            if (b->nodes[n].seen) continue;
            b->nodes[n].seen = true;
            struct node *parent = &b->nodes[b->nodes[n].parent];
            if (parent->last < 0) parent->first = n;
            else b->nodes[parent->last].next = n;
            parent->last = n;
        }
    }
}

static enum err build_tree(struct build *b)
{
    struct map ids = {0};
    int *at = arena_array(b->arena, (size_t)b->n_leaves + 1, sizeof *at);
    enum err err = at ? find_parents(b, &ids) : no_memory();
    if (!err) err = group_leaves(b, &ids, at);
    if (!err) link_children(b, at);
    map_release(&ids);
    return err;
}

static int only_child(const struct build *b, int n)
{
    int first = b->nodes[n].first;
    return first >= 0 && b->nodes[first].next < 0 ? first : -1;
}

/* A library frame without leaves of its own and with one way on. */
static bool foldable(const struct build *b, int n)
{
    return b->frames[n].library && !b->nodes[n].n_leaves && only_child(b, n) >= 0;
}

/* Chains foldable frames from n on; returns the last of the chain and counts. */
static int fold(struct build *b, int n, int *folded)
{
    *folded = 0;
    if (!foldable(b, n)) return n;
    for (*folded = 1;; ++*folded) {
        int child = only_child(b, n);
        if (!foldable(b, child)) return n;
        b->out->fold_next[n] = child;
        n = child;
    }
}

struct visit {
    int node, depth;
    uint64_t guides;
    bool branch, last;
};

static void add_row(struct build *b, const struct visit *v, int head, int tail, int folded)
{
    const struct node *n = &b->nodes[tail];
    b->out->rows[b->out->n_rows++] = (struct trie_row){.frame = head,
                                                       .folded = folded,
                                                       .depth = v->depth,
                                                       .guides = v->guides,
                                                       .branch = v->branch,
                                                       .last = v->last,
                                                       .leaf = n->leaf,
                                                       .n_leaves = n->n_leaves,
                                                       .below = b->nodes[head].below,
                                                       .ns = b->nodes[head].ns};
}

/* Pushes the children of node n so that the first is on top. */
static int push_children(struct build *b, int n, struct visit *stack, int top, struct visit from,
                         bool indent)
{
    int count = 0;
    for (int c = b->nodes[n].first; c >= 0; c = b->nodes[c].next) count++;
    int at = top + count;
    uint64_t guides = from.guides;
    if (indent && !from.last && from.depth > 0 && from.depth <= 64)
        guides |= 1ULL << (from.depth - 1);
    for (int c = b->nodes[n].first; c >= 0; c = b->nodes[c].next) {
        bool branch = indent && count > 1;
        stack[--at] = (struct visit){.node = c,
                                     .depth = from.depth + branch,
                                     .branch = branch,
                                     .guides = branch ? guides : from.guides,
                                     .last = branch ? b->nodes[c].next < 0 : from.last};
    }
    return top + count;
}

static void close_subtrees(struct trie *t)
{
    for (int i = 0; i < t->n_rows; i++) {
        int need = t->rows[i].below - t->rows[i].n_leaves, k = i + 1;
        for (; k < t->n_rows && need > 0; k++) need -= t->rows[k].n_leaves;
        t->rows[i].end = k;
    }
}

enum err lay_trie(const struct trie_frame *frames, int n_frames, const struct trie_leaf *leaves,
                  int n_leaves, struct arena *arena, struct trie *out)
{
    struct build b = {frames, n_frames, leaves, n_leaves, arena, NULL, out};
    size_t n = (size_t)n_frames + 2;
    b.nodes = arena_array(arena, n, sizeof *b.nodes);
    out->rows = arena_array(arena, n, sizeof *out->rows);
    out->fold_next = arena_array(arena, n, sizeof *out->fold_next);
    struct visit *stack = arena_array(arena, n, sizeof *stack);
    if (!b.nodes || !out->rows || !out->fold_next || !stack)
        FAIL(ERR_NOMEM, "out of memory for a tree of %d frames", n_frames);
    for (int i = 0; i <= n_frames; i++) {
        b.nodes[i].first = b.nodes[i].last = b.nodes[i].next = -1;
        out->fold_next[i] = -1;
    }
    out->n_rows = 0;
    TRY(build_tree(&b));
    int top = push_children(&b, n_frames, stack, 0, (struct visit){.last = true}, false);
    while (top) {
        struct visit v = stack[--top];
        int folded, tail = fold(&b, v.node, &folded);
        add_row(&b, &v, v.node, tail, folded);
        top = push_children(&b, tail, stack, top, v, true);
    }
    const struct node *root = &b.nodes[n_frames];
    if (root->n_leaves)
        out->rows[out->n_rows++] = (struct trie_row){.frame = -1,
                                                     .last = true,
                                                     .leaf = root->leaf,
                                                     .n_leaves = root->n_leaves,
                                                     .below = root->n_leaves};
    close_subtrees(out);
    return ERR_OK;
}
