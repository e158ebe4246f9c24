/* compiles_parts.h - how `plumb diff --compiles` is divided: what is read of a side, how compiles
 * find each other, what differs, and how it is told.
 *
 *   trace ─ side_load ─► compile[], fact[], text[] ┐
 *   trace ─ side_load ─► compile[], fact[], text[] ┴─ compiles_match ─► pair[] ─ pair_compare ─►
 *   change[] ─ compiles_write
 *
 * A fact is a row that is compared as one text (a guard, a break, a metric); a text is an artifact
 * that is compared line by line (a graph, generated code). All memory is in one arena. Of attempts
 * that were thrown away only breaks and reasons of restarts are compared.
 */
#ifndef STORE_DIFF_COMPILES_PARTS_H
#define STORE_DIFF_COMPILES_PARTS_H

#include "store/base/arena.h"
#include "store/base/lists.h"
#include "store/diff/compiles.h"

/* enumerator, name in JSON, what one is called, what many are called. In the order in which a
 * difference is worth naming: causes before what follows from them. */
#define COMPILE_ASPECTS(X)                                                                         \
    X(FAILURE, "failure", "failure", "failures")                                                   \
    X(BREAK, "graph_break", "graph break", "graph breaks")                                         \
    X(RECOMPILE, "recompile", "recompile reason", "recompile reasons")                             \
    X(GRAPH, "graph", "graph", "graphs")                                                           \
    X(SYMBOL, "symbol", "symbol", "symbols")                                                       \
    X(GUARD, "guard", "guard", "guards")                                                           \
    X(COLLECTIVE, "collective", "schedule of collectives", "schedules of collectives")             \
    X(RESTART, "restart", "restart", "restarts")                                                   \
    X(OUTCOME, "outcome", "outcome", "outcomes")                                                   \
    X(KERNEL, "kernel", "kernel", "kernels")                                                       \
    X(CODE, "code", "generated code", "generated codes")                                           \
    X(SETTING, "setting", "setting", "settings")                                                   \
    X(CACHE, "cache", "cache answer", "cache answers")                                             \
    X(METRIC, "metric", "metric", "metrics")                                                       \
    X(CACHE_KEY, "cache_key", "cache key", "cache keys")                                           \
    X(ARTIFACT, "artifact", "artifact", "artifacts")
enum compile_aspect {
#define X(code, name, one, many) COMPILE_##code,
    COMPILE_ASPECTS(X)
#undef X
        COMPILE_N_ASPECTS
};

struct compile_fact {
    uint32_t compile; /* number in the side */
    enum compile_aspect aspect;
    struct span key;   /* two facts of one key are the same thing, perhaps changed */
    struct span text;  /* what is compared: without addresses */
    struct span shown; /* as recorded */
    struct span place; /* where it comes from, absent when not recorded */
    int64_t id;        /* of its row */
};
struct compile_text {
    uint32_t compile;
    enum compile_aspect aspect;
    int64_t id; /* artifact.id */
    struct span name, subgraph, md5;
    bool cut; /* a pack left its bytes out */
};
struct compile_row {
    int64_t id, source, frame, nth; /* nth: frame_compile_id; -1 none */
    int64_t rank, line, total_ns;   /* -1 not recorded */
    int64_t occurrence;
    uint32_t frame_at; /* number in frames */
    struct span compile_id, outcome, function, file;
    size_t fact, n_facts, text, n_texts;
    uint32_t partner; /* number in the other side; DIFF_NONE alone */
};
/* Compiles of one code object between two resets. */
struct compile_frame {
    uint32_t lane;
    int64_t frame;       /* frame_id; -1 none */
    int64_t last;        /* number of its last compile */
    int64_t line;        /* -1 not recorded */
    struct span name;    /* function; absent when no compile of it says */
    struct span general; /* without the line in torch_dynamo_resume_in_f_at_12 */
    struct span file, base;
    uint32_t first, n; /* its compiles: compile numbers `first` on in the list `member` */
    uint32_t partner;  /* number in the other side; DIFF_NONE alone */
};
struct compile_log {
    int64_t source, rank; /* rank -1 none */
    uint32_t lane;        /* equal in both sides for logs that belong together */
};
struct compile_side {
    sqlite3 *db; /* borrowed */
    const struct diff_side *side;
    struct arena *arena;    /* borrowed */
    int64_t run_id, losses; /* findings that its logs were not as they should be */
    struct span run, torch_version, torch_commit, python_version, cuda_version, triton_version;
    LIST_OF(struct compile_row) compile;
    LIST_OF(struct compile_fact) fact; /* by compile */
    LIST_OF(struct compile_text) text; /* by compile, in order of the log */
    LIST_OF(struct compile_frame) frame;
    uint32_t *member; /* compiles by frame, in order of the log; in the arena */
    LIST_OF(struct compile_log) log;
};

enum compile_change_kind { COMPILE_CHANGED, COMPILE_ADDED, COMPILE_REMOVED };
struct compile_operator {
    struct span name;
    int64_t more; /* how many more B has; below 0: A */
};
/* How two graphs (or codes) differ. */
struct compile_graph_change {
    bool parsed;           /* both were read as graphs: the two below hold */
    int64_t n_nodes[2];    /* nodes, placeholders and output included */
    int64_t n_lines[2];    /* lines that only A, only B has; -1 too many to tell */
    int64_t source_line;   /* user's line that the first operator comes from; 0 unknown */
    struct span source;    /* its text, absent unknown */
    struct span file;      /* its file */
    int64_t operator_line; /* line of the artifact with the first operator that differs; 0 none */
    const struct compile_operator *operators;
    size_t n_operators;
};
struct compile_change {
    enum compile_aspect aspect;
    enum compile_change_kind kind;
    bool counts;     /* false: told, but no difference by itself */
    uint32_t number; /* in its pair, as it was found */
    struct span name;
    struct span text[2];                      /* A's and B's as recorded: absent: has none */
    struct span place[2];                     /* where each comes from */
    int64_t line[2];                          /* line of the artifact, 0 none */
    int64_t artifact[2];                      /* artifact.id, 0 none */
    const struct compile_graph_change *graph; /* NULL: none */
    const struct span *parts;                 /* of a cache key: the components that differ */
    size_t n_parts;
};
struct compile_pair {
    uint32_t a, b;  /* numbers; DIFF_NONE only in the other */
    size_t n;       /* changes */
    size_t first;   /* the first is number `first` in changes */
    bool different; /* a change counts */
    bool moved;     /* its frame stands on another line */
};
struct compile_comparison {
    struct arena arena;
    struct arena scratch; /* of the two texts that are being compared */
    struct compile_side side[2];
    LIST_OF(struct compile_pair) pair; /* in A's order, those of B alone last */
    LIST_OF(struct compile_change) change;
    struct text_reader *reader[2];
    struct diff_compiles result;
};

/* Reads a side; c->arena holds it. ERR_NOT_FOUND says what there is. */
enum err WARN_UNUSED compiles_load(struct compile_side *s);
/* Fills frames, partners and pairs. */
enum err WARN_UNUSED compiles_match(struct compile_comparison *c);
/* Appends the changes of a pair. */
enum err WARN_UNUSED compiles_compare_facts(struct compile_comparison *c, struct compile_pair *p);
enum err WARN_UNUSED compiles_compare_texts(struct compile_comparison *c, struct compile_pair *p);
/* The components in which the keys of two cache events differ. */
enum err WARN_UNUSED compiles_compare_keys(struct compile_comparison *c, int64_t a, int64_t b,
                                           struct compile_change *out);
/* A change of the pair that is being compared. NULL when out of memory. */
struct compile_change *compiles_add(struct compile_comparison *c, struct compile_pair *p,
                                    enum compile_aspect aspect, enum compile_change_kind kind);

/* What a text has to say when addresses, numbers of objects, folders and places in temporary
 * folders are left out. lines: also numbers behind the word line. *out borrows text, or lives
 * in the arena. */
enum compile_plain { COMPILE_PLAIN, COMPILE_PLAIN_LINES };
enum err WARN_UNUSED compiles_plain(struct arena *arena, struct span text, enum compile_plain how,
                                    struct span *out);
/* The lines of a graph or code that mean something: neither comments nor empty, plain. number[i]
 * is the number of line i in the text, from 1. */
struct compile_lines {
    struct span text;
    const uint32_t *number;
    size_t n;
};
enum err WARN_UNUSED compiles_lines(struct arena *arena, struct span text,
                                    struct compile_lines *out);
struct span compiles_base(struct span path);

/* The difference to name first: a pair and its first change, or a compile that one side has alone.
 * NULL: all agree. */
const struct compile_pair *compiles_first(const struct compile_comparison *c);
/* " `f` (prog.py:12)", as much of it as is recorded; mark: put back-ticks around code. */
void compiles_place(const struct compile_row *row, struct buf *out, bool mark);
/* "[0/0] `f` (prog.py:12)" */
void compiles_name(const struct compile_comparison *c, const struct compile_pair *p,
                   struct buf *out, bool mark);
/* The answer in one sentence or two. */
void compiles_sentence(const struct compile_comparison *c, struct buf *out, bool mark);
/* What a change is, as a clause: "the graph has relu where it had gelu". */
void compiles_clause(const struct compile_change *change, struct buf *out, bool mark);
/* A text on one line, at most `most` bytes: from a little before where it begins to differ from
 * other. */
void compiles_excerpt(struct buf *out, struct span text, struct span other, size_t most);
/* Operators that B has more (sign 1) or A (sign -1), with how many. False: none. */
bool compiles_operators(const struct compile_graph_change *g, int sign, struct buf *out, bool mark);
/* Names of an aspect: in JSON, and of n of them. */
const char *compiles_aspect_name(enum compile_aspect aspect);
const char *compiles_aspect_noun(enum compile_aspect aspect, size_t n);

/* All of it as text, as one JSON object. */
void compiles_write_text(const struct compile_comparison *c, struct buf *out);
void compiles_write_json(const struct compile_comparison *c, struct buf *out);

#endif
