/* debug_stream.h - calls that a program streams while it runs: a line of JSON each, as
 * plumb_debug_log.py writes them.
 *
 *   {"format": ..., "stream": 1, "pid", "thread", "name", ...}   first: whose calls
 *   {"ts", "dur", "inside", "call": {of a saved log}, "tensors": [[phase, arg, stride, ...], ...]}
 *   {"loss": kind, "count", "message"}                           what was not recorded
 *   {"overhead": kind, "ns", "count"}  {"refused": reason}  {"end": true}
 *
 * One thread. What a line cannot give is a loss; an error is one of the machine.
 */
#ifndef CAPTURE_DEBUG_STREAM_H
#define CAPTURE_DEBUG_STREAM_H

#include "capture/debug_import.h"
#include "capture/import.h"

struct debug_stream {
    struct debug_import import;
    struct torch_run *run; /* borrowed */
    struct row_process process;
    struct arena keep; /* spans of import.row */
    bool described, ended;
    int64_t offset, lines, lost; /* bytes and lines taken; what the program said it lost */
    char refused[300];           /* why the program's calls were not recorded; "" they were */
};

/* name: of the file; copied. */
enum err WARN_UNUSED debug_stream_init(struct debug_stream *s, struct store_writer *w,
                                       struct torch_run *run, struct span name);
void debug_stream_release(struct debug_stream *s);
/* Takes a line without its newline. */
enum err WARN_UNUSED debug_stream_line(struct debug_stream *s, struct span line);
/* What was taken goes to the writer. */
enum err WARN_UNUSED debug_stream_flush(struct debug_stream *s);
/* No more lines; cut: bytes of a last one that was not written to its end. */
enum err WARN_UNUSED debug_stream_finish(struct debug_stream *s, size_t cut);

#endif
