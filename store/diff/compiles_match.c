/* compiles_match.c - which compile of A is which compile of B.
 *
 * Logs belong together by rank (else in order). Within them frames are matched, each level on what
 * the ones before left over, and always in order; then compiles of a frame by their number.
 */
#include "store/base/map.h"
#include "store/diff/compiles_parts.h"

static enum err no_memory(void)
{
    return err_set(ERR_NOMEM, "out of memory for the frames of a run");
}

/* ---- logs ---- */

static struct compile_log *log_of_rank(struct compile_side *s, int64_t rank)
{
    for (size_t i = 0; i < s->log.n; i++)
        if (s->log.p[i].rank == rank && s->log.p[i].lane == DIFF_NONE) return &s->log.p[i];
    return NULL;
}

static struct compile_log *log_left(struct compile_side *s)
{
    for (size_t i = 0; i < s->log.n; i++)
        if (s->log.p[i].lane == DIFF_NONE) return &s->log.p[i];
    return NULL;
}

/* Ranks that were asked for belong together whatever their numbers are. */
static void match_logs(struct compile_side *a, struct compile_side *b)
{
    uint32_t lane = 0;
    struct compile_log *x, *y;
    for (size_t i = 0; i < a->log.n; i++) a->log.p[i].lane = DIFF_NONE;
    for (size_t i = 0; i < b->log.n; i++) b->log.p[i].lane = DIFF_NONE;
    for (size_t i = 0; i < a->log.n; i++)
        if ((y = log_of_rank(b, a->log.p[i].rank))) a->log.p[i].lane = y->lane = lane++;
    bool alike = a->log.n == 1 || b->log.n == 1 || a->log.p[0].rank < 0 || b->log.p[0].rank < 0;
    while (alike && (x = log_left(a)) && (y = log_left(b))) x->lane = y->lane = lane++;
    while ((x = log_left(a))) x->lane = lane++;
    while ((x = log_left(b))) x->lane = lane++;
}

static uint32_t lane_of(const struct compile_side *s, int64_t source)
{
    for (size_t i = 0; i < s->log.n; i++)
        if (s->log.p[i].source == source) return s->log.p[i].lane;
    return DIFF_NONE;
}

/* ---- frames ---- */

/* The open frame of that number in the log, NULL when another begins: ids begin again after a
 * reset, which shows when the number of a compile comes back. */
static struct compile_frame *open_frame(struct compile_side *s, struct map *open,
                                        const struct compile_row *c)
{
    const int64_t *at = map_get(open, map_key_int(c->source, c->frame));
    struct compile_frame *f = at ? &s->frame.p[*at] : NULL;
    return f && c->nth > f->last ? f : NULL;
}

static struct compile_frame *begin_frame(struct compile_side *s, struct map *open,
                                         const struct compile_row *c)
{
    struct compile_frame *f = LIST_PUSH(&s->frame);
    if (!f) return NULL;
    *f = (struct compile_frame){
        .lane = lane_of(s, c->source), .frame = c->frame, .line = -1, .partner = DIFF_NONE};
    int64_t *at = map_put(open, map_key_int(c->source, c->frame), 0, NULL);
    if (at) *at = f - s->frame.p;
    return at ? f : NULL;
}

static enum err general_name(struct compile_side *s, struct compile_frame *f)
{
    f->base = compiles_base(f->file);
    return compiles_plain(s->arena, f->name, COMPILE_PLAIN, &f->general);
}

/* What the first compile of a frame that knows says. */
static enum err describe(struct compile_side *s, struct compile_frame *f,
                         const struct compile_row *c)
{
    if (!f->name.n) f->name = c->function;
    if (!f->file.n) f->file = c->file;
    if (f->line < 0) f->line = c->line;
    return general_name(s, f);
}

static enum err fill_frames(struct compile_side *s, struct map *open)
{
    for (size_t i = 0; i < s->compile.n; i++) {
        struct compile_row *c = &s->compile.p[i];
        struct compile_frame *f = c->frame < 0 ? NULL : open_frame(s, open, c);
        if (!f) f = begin_frame(s, open, c);
        if (!f) return no_memory();
        c->frame_at = (uint32_t)(f - s->frame.p);
        f->last = c->nth;
        f->n++;
        TRY(describe(s, f, c));
    }
    return ERR_OK;
}

static enum err make_frames(struct compile_side *s)
{
    struct map open = {0};
    enum err err = fill_frames(s, &open);
    map_release(&open);
    return err;
}

/* Fills s->member: compiles by frame, in order of the log. */
static enum err list_members(struct compile_side *s)
{
    uint32_t first = 0;
    s->member = arena_array(s->arena, s->compile.n, sizeof *s->member);
    if (!s->member) return no_memory();
    for (size_t i = 0; i < s->frame.n; i++) {
        s->frame.p[i].first = first;
        first += s->frame.p[i].n;
        s->frame.p[i].n = 0;
    }
    for (size_t i = 0; i < s->compile.n; i++) {
        struct compile_frame *f = &s->frame.p[s->compile.p[i].frame_at];
        s->member[f->first + f->n++] = (uint32_t)i;
    }
    return ERR_OK;
}

/* From the strictest: the same place, moved by some lines, resumed at another line, in another
 * file, renamed, or nameless. */
enum level { SAME_PLACE, SAME_FILE_NAME, MOVED, RESUMED, OTHER_FILE, RENAMED, NAMELESS, N_LEVELS };

static bool belong(const struct compile_frame *a, const struct compile_frame *b, enum level level)
{
    bool name = a->name.n && span_eq(a->name, b->name);
    bool base = span_eq(a->base, b->base), line = a->line == b->line;
    switch (level) {
    case SAME_PLACE: return name && span_eq(a->file, b->file) && line;
    case SAME_FILE_NAME: return name && base && line;
    case MOVED: return name && base;
    case RESUMED: return a->name.n && base && span_eq(a->general, b->general);
    case OTHER_FILE: return a->name.n && span_eq(a->general, b->general);
    case RENAMED: return a->name.n && b->name.n && base && line && a->line >= 0;
    case NAMELESS: return !(a->name.n && b->name.n) && a->frame == b->frame;
    case N_LEVELS: break;
    }
    return false;
}

static void match_frame(struct compile_side *a, struct compile_side *b, size_t i, size_t from,
                        enum level level)
{
    struct compile_frame *x = &a->frame.p[i];
    for (size_t k = from; k < b->frame.n && x->partner == DIFF_NONE; k++) {
        struct compile_frame *y = &b->frame.p[k];
        if (y->partner != DIFF_NONE || x->lane != y->lane || !belong(x, y, level)) continue;
        x->partner = (uint32_t)k;
        y->partner = (uint32_t)i;
    }
}

static void match_frames(struct compile_side *a, struct compile_side *b)
{
    for (enum level level = 0; level < N_LEVELS; level++) {
        size_t from = 0; /* all before have a partner */
        for (size_t i = 0; i < a->frame.n; i++) {
            while (from < b->frame.n && b->frame.p[from].partner != DIFF_NONE) from++;
            match_frame(a, b, i, from, level);
        }
    }
}

/* ---- compiles ---- */

static void match_members(struct compile_side *a, struct compile_side *b,
                          const struct compile_frame *x, const struct compile_frame *y)
{
    for (uint32_t i = 0; i < x->n && i < y->n; i++) {
        uint32_t p = a->member[x->first + i], q = b->member[y->first + i];
        a->compile.p[p].partner = q;
        b->compile.p[q].partner = p;
    }
}

static bool differ(struct span x, struct span y)
{
    return x.n && y.n && !span_eq(x, y);
}

/* What a log does not say has not moved. */
static bool is_moved(const struct compile_frame *x, const struct compile_frame *y)
{
    return (x->line >= 0 && y->line >= 0 && x->line != y->line) || differ(x->name, y->name) ||
           differ(x->base, y->base);
}

static enum err add_pair(struct compile_comparison *c, uint32_t a, uint32_t b)
{
    struct compile_pair *p = LIST_PUSH(&c->pair);
    if (!p) return no_memory();
    *p = (struct compile_pair){.a = a, .b = b};
    if (a != DIFF_NONE && b != DIFF_NONE) {
        const struct compile_side *s = c->side;
        p->moved = is_moved(&s[0].frame.p[s[0].compile.p[a].frame_at],
                            &s[1].frame.p[s[1].compile.p[b].frame_at]);
        c->result.n_matched++;
    } else c->result.n_alone[a == DIFF_NONE]++;
    return ERR_OK;
}

enum err compiles_match(struct compile_comparison *c)
{
    struct compile_side *a = &c->side[0], *b = &c->side[1];
    match_logs(a, b);
    for (int k = 0; k < 2; k++) {
        TRY(make_frames(&c->side[k]));
        TRY(list_members(&c->side[k]));
        c->result.n_compiles[k] = (int64_t)c->side[k].compile.n;
    }
    match_frames(a, b);
    for (size_t i = 0; i < a->frame.n; i++)
        if (a->frame.p[i].partner != DIFF_NONE)
            match_members(a, b, &a->frame.p[i], &b->frame.p[a->frame.p[i].partner]);
    for (size_t i = 0; i < a->compile.n; i++)
        TRY(add_pair(c, (uint32_t)i, a->compile.p[i].partner));
    for (size_t i = 0; i < b->compile.n; i++)
        if (b->compile.p[i].partner == DIFF_NONE) TRY(add_pair(c, DIFF_NONE, (uint32_t)i));
    return ERR_OK;
}
