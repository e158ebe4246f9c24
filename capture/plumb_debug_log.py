# plumb_debug_log.py - calls of DebugMode as lines of a file, in order, each written when it and all before it have ended.
#
# A line is {"ts", "dur" (ns), "call": an object of a saved DebugMode log, "inside": number of the line of the call
# that encloses it, "tensors": what the log has no place for}. The first
# line of a file describes it, {"loss"} says what was not recorded, {"overhead"} what recording cost, {"end"} that the program came to its end.
import os
import threading
import time

COSTS = 10000  # calls between two reports of what recording cost
HERE = os.path.dirname(os.path.abspath(__file__))
WAITING = 4096  # calls that may wait for an earlier one to end


class Log:
    """Lines of one thread. Calls wait until they and all before them have ended."""

    def __init__(self, folder, head, encode):
        self.folder, self.head, self.encode = folder, head, encode
        self.begin_anew()

    def begin_anew(self):
        """Also in a child of fork, which has a file of its own: its lines are numbered from 0."""
        self.lock = threading.RLock()
        self.fd, self.waiting, self.losses, self.ended, self.broken = None, [], {}, False, False
        self.costs, self.lines, self.n = {}, 0, 0

    def open(self):
        name = "calls-%d-%d" % (os.getpid(), threading.get_native_id())
        n = 0
        while self.fd is None:
            path = os.path.join(self.folder, "%s%s.jsonl" % (name, "-%d" % n if n else ""))
            try:
                self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                n += 1
        self.put(dict(self.head, pid=os.getpid(), thread=threading.get_native_id(), ts=time.time_ns()))

    def put(self, value):
        """One write per line: what is written stays when the program is killed."""
        if self.ended:
            return
        if self.fd is None:
            self.open()
        data = (self.encode(value) + "\n").encode("utf-8", "replace")
        while data:
            data = data[os.write(self.fd, data):]

    def lose(self, kind, message):
        """Counts; written with the next call or at the end."""
        n, first = self.losses.get(kind, (0, message))
        self.losses[kind] = (n + 1, first)

    def cost(self, kind, began):
        """Time since began (monotonic, ns) that the program would not have spent alone."""
        ns, n = self.costs.get(kind, (0, 0))
        self.costs[kind] = (ns + time.monotonic_ns() - began, n + 1)

    def put_costs(self):
        costs, self.costs, self.lines = self.costs, {}, 0
        for kind, (ns, n) in costs.items():
            self.put({"overhead": kind, "ns": ns, "count": n, "ts": time.time_ns()})

    def put_losses(self):
        losses, self.losses = self.losses, {}
        for kind, (n, message) in losses.items():
            self.put({"loss": kind, "count": n, "message": message, "ts": time.time_ns()})

    def append(self, entry):
        with self.lock:
            entry.n, self.n = self.n, self.n + 1
            self.waiting.append(entry)
            if len(self.waiting) > WAITING:
                self.waiting[0].open = False
                self.lose("unfinished", "calls that did not end before %d others were made" % WAITING)

    def flush(self, all_of_it=False):
        with self.lock:
            n, began = 0, time.monotonic_ns()
            for entry in self.waiting:
                if entry.open and not all_of_it:
                    break
                n += 1
            ready, self.waiting = self.waiting[:n], self.waiting[n:]
            try:
                if not self.broken:
                    self.put_calls(ready)
                    self.lines += n
                    if n:
                        self.cost("writing", began)
                    if self.losses:
                        self.put_losses()
                    if all_of_it or self.lines > COSTS:
                        self.put_costs()
                    return
            except OSError:  # a full disk: from here on calls are only counted
                self.broken = True
            for entry in ready:
                self.lose("disk", "calls could not be written")

    def put_calls(self, entries):
        for entry in entries:
            try:
                self.put(entry.line())
            except OSError:
                raise
            except Exception as e:  # its place in the log must be taken
                self.lose("line", "a call cannot be written: %r" % (e,))
                self.put({"ts": entry.ts, "call": {"type": "annotate", "call_depth": 0, "tag": "a call that cannot be written",
                                                   "header": "lost"}})

    def end(self):
        with self.lock:
            try:
                self.flush(all_of_it=True)
                if self.broken and self.fd is not None:
                    os.write(self.fd, b"\n")  # behind the line that was cut
                    self.put_losses()
                elif self.fd is not None:
                    self.put({"end": True, "ts": time.time_ns()})
            except OSError:
                pass  # no end in the file: it is read as interrupted
            finally:
                self.ended = True


class Entry:
    """A call on its way into the file."""
    __slots__ = ("call", "ts", "began", "dur", "open", "tensors", "inside", "n", "describe")

    def __init__(self, call, describe, inside):
        self.call, self.describe, self.inside, self.n = call, describe, inside, 0
        self.ts, self.began = time.time_ns(), time.monotonic_ns()
        self.dur, self.open, self.tensors = None, False, []

    def close(self):
        self.dur = time.monotonic_ns() - self.began
        self.open = False

    def line(self):
        line = {"ts": self.ts, "dur": 0 if self.dur is None else self.dur, "call": self.describe(self.call)}
        if self.inside is not None:
            line["inside"] = self.inside.n
        if self.tensors:
            line["tensors"] = self.tensors
        return line


class Calls:
    """Stands where DebugMode keeps its list of calls."""

    def __init__(self, mode):
        self.mode = mode

    def append(self, call):
        self.mode.take(call)

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0


# ---- the layout of a saved log ----

def tagged(v):
    if isinstance(v, float) and v - v != 0:
        return {"type": "nonfinite_float", "value": "nan" if v != v else "inf" if v > 0 else "-inf"}
    if v is None or isinstance(v, (bool, int, float, str)):
        return {"type": "scalar", "value": v}
    if isinstance(v, (tuple, list)):
        return {"type": "tuple" if isinstance(v, tuple) else "list", "items": [tagged(x) for x in v]}
    if isinstance(v, dict):
        return {"type": "dict", "items": [[str(k), tagged(x)] for k, x in v.items()]}
    return {"type": "scalar", "value": str(v)}


def without_own_frames(stack):
    """A printed stack without the frames of this file: a frame is a line File and one or two of source."""
    kept, own = [], False
    for line in (stack or "").splitlines(True):
        if line.startswith("  File "):
            own = HERE in line
        if not own:
            kept.append(line)
    return "".join(kept) or None


class Layout:
    """Calls of DebugMode as objects of a saved log."""

    def __init__(self, calls, name_of, text_of):
        self.calls, self.name_of, self.text_of = calls, name_of, text_of

    def text(self, v):
        return v if v is None or isinstance(v, str) else self.text_of(v, [])

    def of(self, call):
        c, kinds = call, self.calls
        d = {"call_depth": c.call_depth, "log": None if c.log is None else tagged(c.log), "output_str": c.output_str,
             "stack_trace": without_own_frames(getattr(c, "stack_trace", None)),
             "fwd_stack_trace": without_own_frames(getattr(c, "fwd_stack_trace", None))}
        if isinstance(c, kinds._OpCall):
            d.update(type="op", op_name=self.name_of(c), args_str=c.args_str, kwargs_str=c.kwargs_str)
        elif isinstance(c, kinds._RedistributeCall):
            d.update(type="redistribute", arg_str=c.arg_str, src_placement_str=self.text(c.src_placement),
                     dst_placement_str=self.text(c.dst_placement), transform_info_str=c.transform_info_str,
                     is_explicit=c.is_explicit, is_outer_call=c.is_outer_call)
        elif isinstance(c, kinds._OutputPlacementCall):
            d.update(type="output_placement", placements_str=c.placements_str)
        elif isinstance(c, kinds._TritonKernelCall):
            d.update(type="triton_kernel", kernel_name=c.kernel_name, kwargs_str=c.kwargs_str or "",
                     pre_hashes=None if c.pre_hashes is None else tagged(c.pre_hashes),
                     post_hashes=None if c.post_hashes is None else tagged(c.post_hashes))
        else:
            d.update(type="annotate", tag=str(c.tag), header=str(c.header))
        return d
