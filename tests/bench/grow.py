"""grow - writes a long log out of short ones, as if one process had compiled all of it.

    grow.py MEGABYTES OUT LOG...

Each log is cut once into literal pieces and slots; a copy of it is the pieces joined with new slot values, which
makes some 30 MB/s. What a copy changes, so that ids stay consistent and payloads repeat no more than real ones:

    frame, compiled autograd id, describer, frame key, <eval_with_key>.N     moved past what was used before,
                                 wherever they stand: envelope, metrics, payload, recompile reasons
    intern ids                   one table for all: a path is interned at its first use only
    times                        a copy begins where the one before ended
    buf0, tmp1, primals_2, ...   and addresses of objects get numbers of their own in each copy
    has_payload                  the md5 of the new payload
"""
import datetime
import gzip
import hashlib
import re
import sys

PREFIX = re.compile(rb"([VIWEC])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) \d+ ([^:\n]+:\d+\] )(?=\{)")
STR = re.compile(rb'\{"str": \[(".*"), (\d+)\]\}$')
HAS_PAYLOAD = re.compile(rb'("has_payload": ")[0-9a-f]{32}"\}$')
SLOT = re.compile(
    rb'(?P<frame>(?<="frame_id": )\d+|(?:(?<="compile_id": ")|(?<="compile_id": \\"))\d+(?=/\d)|(?:(?<=\n\t)|(?<=^\t)|(?<=\n\t")|(?<=reason": "))\d+(?=/\d+: ))'
    rb'|(?P<autograd>(?<="compiled_autograd_id": )\d+)'
    rb'|(?P<pair>(?<="compile_id": "!)\d+(?:/\d+)?)'
    rb'|(?P<describer>(?<="describer_id": )\d+)'
    rb'|(?P<key>(?<="frame_key": ")\d+)'
    rb'|(?P<eval>(?<=<eval_with_key>\.)\d+)'
    rb'|(?P<intern>(?<="filename": )\d+)'
    rb'|(?P<micros>(?:(?<="ts": )|(?<="start_time_us": )|(?<="end_time_us": ))\d+)'
    rb'|(?P<seconds>(?<="start_time": )\d+\.\d+)'
    rb"|(?P<number>(?:(?<=\bbuf)|(?<=\btmp)|(?<=\barg)|(?<=\b[a-z]{2}_)|(?<=\b[a-z]{3}_)|(?<=\b[a-z]{4}_)|(?<=\b[a-z]{5}_)|(?<=\b[a-z]{6}_)"
    rb"|(?<=\b[a-z]{7}_)|(?<=\b[a-z]{8}_)|(?<=\b[a-z]{9}_))\d{1,3}(?![\d\w]))"
    rb"|(?P<address>\b1\d{14}\b)"
)
EPOCH = datetime.datetime(2000, 1, 1)  # the prefix has no year; one with a February 29th
MICRO = datetime.timedelta(microseconds=1)


class Pieces:
    """Distinct pieces of a log: literals as they are, slots as (kind, old value)."""

    def __init__(self):
        self.values, self.slots, self.index = [], [], {}

    def add(self, kind, value):
        at = self.index.get((kind, value))
        if at is None:
            at = self.index[kind, value] = len(self.values)
            self.values.append(value)
            if kind:
                self.slots.append((at, kind, value))
        return at

    def cut(self, text):
        parts, end = [], 0
        for match in SLOT.finditer(text):
            if match.start() > end:
                parts.append(self.add(None, text[end:match.start()]))
            parts.append(self.add(match.lastgroup, match.group()))
            end = match.end()
        if end < len(text):
            parts.append(self.add(None, text[end:]))
        return parts


class Log:
    """One log, cut up. A record is (time, head pieces, payload pieces or None) or (time, path, intern id)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        data = gzip.decompress(data) if path.endswith(".gz") else data
        self.pieces, self.records, self.paths = Pieces(), [], []
        times = []
        starts = [m.start() for m in re.finditer(rb"^[VIWEC]\d{4} \d\d:\d\d:", data, re.M)] + [len(data)]
        for begin, end in zip(starts, starts[1:]):
            head, _, payload = data[begin:end].rstrip(b"\n").partition(b"\n")
            times.append(self.record(head, payload))
        self.start, self.length = times[0], max(times) - times[0] + 1000
        largest = lambda kind: max((int(v) for _, k, v in self.pieces.slots if k == kind), default=-1) + 1
        pairs = [v.split(b"/") for _, k, v in self.pieces.slots if k == "pair"]
        self.used = {kind: largest(kind) for kind in ("frame", "autograd", "describer", "key", "eval")}
        self.used["autograd"] = max([self.used["autograd"]] + [int(p[0]) + 1 for p in pairs])
        self.used["frame"] = max([self.used["frame"]] + [int(p[1]) + 1 for p in pairs if len(p) > 1])

    def record(self, head, payload):
        match = PREFIX.match(head)
        level, *numbers = match.groups()[:7]
        moment = datetime.datetime(2000, *map(int, numbers))
        time = (moment - EPOCH) // MICRO
        json, interned = head[match.end():], STR.match(head[match.end():])
        if interned:
            self.paths.append((self.pieces.cut(interned.group(1)), int(interned.group(2))))
            self.records.append((time, level, match.group(8), len(self.paths) - 1, None))
            return time
        if payload:
            json = HAS_PAYLOAD.sub(rb"\1", json)
        cut = self.pieces.cut
        self.records.append((time, level, match.group(8), cut(json), cut(b"\n" + payload) if payload else None))
        return time


def moved(values, log, used, micros, intern, copy):
    """The pieces of a log with the slot values of a copy."""
    for at, kind, value in log.pieces.slots:
        if kind == "pair":
            parts = value.split(b"/")
            new = b"%d" % (int(parts[0]) + used["autograd"])
            values[at] = new + b"/%d" % (int(parts[1]) + used["frame"]) if len(parts) > 1 else new
        elif kind in used:
            values[at] = b"%d" % (int(value) + used[kind])
        elif kind == "intern":
            values[at] = b"%d" % intern[int(value)]
        elif kind == "micros":
            values[at] = b"%d" % (int(value) + micros)
        elif kind == "seconds":
            values[at] = b"%.6f" % (float(value) + micros / 1e6)
        elif kind == "number":
            values[at] = b"%d" % (int(value) + 1000 * copy)
        else:
            values[at] = b"%d" % (int(value) + 4096 * copy)


def intern_paths(log, used, table):
    """({intern id in the log: id in the output}, {those that are new: path}); <eval_with_key>.N is one of its own per copy."""
    intern, fresh = {}, {}
    values = log.pieces.values[:]
    for at, kind, value in log.pieces.slots:
        values[at] = b"%d" % (int(value) + used["eval"]) if kind == "eval" else value
    for pieces, number in log.paths:
        path = b"".join(map(values.__getitem__, pieces))
        if path not in table:
            fresh[number] = path
        intern[number] = table.setdefault(path, len(table))
    return intern, fresh


def copy_of(log, used, micros, table, copy, out):
    intern, fresh = intern_paths(log, used, table)
    values = log.pieces.values[:]
    moved(values, log, used, micros, intern, copy)
    get, chunks = values.__getitem__, []
    for time, level, rest, json, payload in log.records:
        moment = EPOCH + (time + micros) * MICRO
        prefix = level + moment.strftime("%m%d %H:%M:%S.%f 4242 ").encode() + rest
        if isinstance(json, int):
            number = log.paths[json][1]
            if number in fresh:
                chunks.append(prefix + b'{"str": [%s, %d]}\n' % (fresh[number], intern[number]))
            continue
        head = b"".join(map(get, json))
        if payload is None:
            chunks.append(prefix + head + b"\n")
            continue
        text = b"".join(map(get, payload))  # begins with a newline, each line with a tab after it
        md5 = hashlib.md5(text.replace(b"\n\t", b"\n")[1:]).hexdigest().encode()
        chunks.append(prefix + head + md5 + b'"}' + text + b"\n")
    data = b"".join(chunks)
    out.write(data)
    return len(data)


def grow(paths, size, out):
    logs = [Log(path) for path in paths]
    table, used, copy, written, clock = {}, dict(frame=0, autograd=0, describer=0, key=0, eval=0), 0, 0, logs[0].start
    while written < size:
        for log in logs:
            written += copy_of(log, used, clock - log.start, table, copy, out)
            for kind, n in log.used.items():
                used[kind] += n
            clock, copy = clock + log.length, copy + 1
            if written >= size:
                break
    return written


def main():
    with open(sys.argv[2], "wb") as out:
        print(f"{sys.argv[2]}: {grow(sys.argv[3:], float(sys.argv[1]) * 1e6, out)} bytes")


if __name__ == "__main__":
    main()
