/* provenance.h - from Inductor's node mappings to maps between the lines of its texts; pure.
 *
 * Inductor records which nodes and kernels belong together by name:
 *   {"preToPost": {"x": ["permute", "addmm"]}, "postToPre": ...,
 *    "cppCodeToPost": {"cpp_fused_relu_0:1": ["relu"]},
 *    "postToCppCode": {"relu": ["cpp_fused_relu_0:1"]}, "version": 2.0}
 * (`cppCode` also where the code is Python). A page wants lines. The rules are tlparse's, so that
 * maps link the same lines:
 *
 * - node: of each line that is neither empty nor a comment, what stands before the first `=` and
 *   then before the first `:`, trimmed, is a name; the last line of a name counts.
 * - kernel `name:handle`: the first comment (Python) or line (C++) with this text, then the next
 *   line with `name`; C++ passes over `name_xnumel =`. Without handle, or when that fails: every
 *   line that contains the name. The search begins at the first line with `def`, `call` and
 *   `(args)` in Python, with `::run_impl(` in C++. `name` ends at the first `:` in Python, at the
 *   last in C++.
 * - All lines count from 1 in their text. (tlparse's count from the line with `# AOT ID:` in
 *   Python, from the first that is not empty in C++: its numbers are ours minus
 *   provenance_code_line plus 1.)
 * - A line that several names lead to keeps the links of the last name in byte order that has any.
 */
#ifndef CAPTURE_PROVENANCE_H
#define CAPTURE_PROVENANCE_H

#include "store/base/json.h"
#include "store/base/lists.h"

/* The numbers are those of provenance.relation in the file. */
enum provenance_relation {
    PROVENANCE_PRE_TO_POST = 1,
    PROVENANCE_POST_TO_PRE,
    PROVENANCE_PY_CODE_TO_POST,
    PROVENANCE_POST_TO_PY_CODE,
    PROVENANCE_CPP_CODE_TO_POST,
    PROVENANCE_POST_TO_CPP_CODE
};

struct provenance_texts {
    struct span pre, post, code; /* absent ones link nothing */
    bool is_cpp;                 /* the code is C++ */
    /* Line of a kernel that was told with the code, 0: none; below 0: it is searched for. NULL: all
     * are. */
    int64_t (*line_of)(void *context, struct span bare_name);
    void *context;
};
struct provenance_link {
    enum provenance_relation relation;
    uint32_t line, position, to_line; /* lines from 1, positions from 0 */
};
/* Zero-initialise; LIST_RELEASE at the end. Ordered by relation, line, position. */
struct provenance_links {
    struct provenance_link *p;
    size_t n, size;
};
enum {
    PROVENANCE_MAX_LINKS = 4 << 20,
    PROVENANCE_MAX_TEXT = 1 << 30, /* bytes of a text */
};

/* Appends the links of all relations. ERR_NOMEM; ERR_LIMIT above PROVENANCE_MAX_LINKS, or when the
 * search for kernels would take too long (bytes compared above 2^32). */
enum err WARN_UNUSED provenance_read(const struct provenance_texts *texts,
                                     const struct json *mappings, struct arena *arena,
                                     struct provenance_links *out);
/* Line of the code (from 1) that tlparse counts as line 1. */
uint32_t provenance_code_line(struct span code, bool is_cpp);
/* A kernel's name without its handle. */
struct span provenance_bare_name(struct span name, bool is_cpp);

#endif
