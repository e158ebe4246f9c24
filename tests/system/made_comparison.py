"""made_comparison.py - comparison files made by hand from store/schema.sql: a small training run and one that parts from it.

    info = make(path, alpha=-0.2)        another learning rate in B: verdict argument, then origin
    info = make(path, flip=17)           B's 18th call gives another result: origin
    info = make(path, weight="layers.0.up.weight")  another weight in B: input
    info = make(path, extra=30)          B has one call more: structure
    info.calls                           the calls with their verdicts, judged here by the rules of store/diff/verdict.h
"""
import hashlib
import struct

from made_trace import Trace

SAME, ARTEFACT, MASKED, UNKNOWN, RECEIVER, STRUCTURE, ARGUMENT, ORIGIN, INPUT = range(9)
NAMES = ["same", "artefact", "masked", "unknown", "receiver", "structure", "argument", "origin", "input"]
CAUSES = (STRUCTURE, ARGUMENT, ORIGIN, INPUT)
ALPHA = -0.1
SHA256 = 5


def digest(*parts):
    return struct.unpack("<q", hashlib.sha256(repr(parts).encode()).digest()[:8])[0]


class Tensor:
    """A value in both runs: its digests, and the call that made it (None: from outside)."""

    def __init__(self, shape, a, b=None, made=None):
        self.shape, self.a, self.b, self.made = shape, a, a if b is None else b, made


class Call:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class Run:
    """The calls of two runs of one program, side by side."""

    def __init__(self, alpha=ALPHA, flip=None, weight=None, extra=None, unhashed=()):
        self.alpha, self.flip, self.weight, self.extra, self.unhashed = alpha, flip, weight, extra, set(unhashed)
        self.calls, self.position, self.scope, self.seen = [], [0, 0], (None, None, None), set()
        self.outside = {}

    def parameter(self, name, shape):
        if name not in self.outside:
            a = digest(name)
            self.outside[name] = Tensor(shape, a, digest(name, "other") if name == self.weight else a)
        return self.outside[name]

    def enter(self, step, phase, module=None):
        if self.scope != (step, phase, module):
            self.position = [p + 1 for p in self.position]  # the line that names the module
        self.scope = (step, phase, module)

    def judge(self, call, ins, out):
        values = [t for t in ins if t.a != t.b]
        if any(t.made is None and id(t) not in self.seen for t in values):
            return INPUT
        if out is not None and call.n in self.unhashed:
            return UNKNOWN
        if values:
            return RECEIVER if out.a != out.b else MASKED
        if out.a != out.b:
            return ORIGIN
        return ARGUMENT if call.scalar[0] != call.scalar[1] else SAME

    def call(self, name, ins, shape, scalar=("", ""), kwarg=("", ""), forgets=False, into=None, keeps=False):
        n = len(self.calls)
        if n == self.extra:
            self.extra = None
            self.alone("aten::clone", ins[:1])
            n += 1
        a = digest(name, n, scalar[0], kwarg[0], *([] if forgets else [t.a for t in ins]))
        b = digest(name, n, scalar[1], kwarg[1], *([] if forgets else [t.b for t in ins]))
        equal = keeps or (scalar[0] == scalar[1] and kwarg[0] == kwarg[1])
        if all(t.a == t.b for t in ins) and equal and n != self.flip:
            b = a
        args = [", ".join([f"t: f32{t.shape}" for t in ins] + ([s] if s else [])) for s in scalar]
        if n == self.flip:
            b = digest(a, "flipped")
        call = Call(n=n, name=name, args=args, kwargs=[f", {k}" if k else "" for k in kwarg], scope=self.scope,
                    scalar=(scalar[0] + kwarg[0], scalar[1] + kwarg[1]), ins=list(ins), shape=shape, alone=None,
                    position=tuple(self.position), relative=None)
        out = Tensor(shape, a, b, n)
        call.out = (out.a, out.b)
        call.before = [(t.shape, t.a, t.b, t.made, id(t) not in self.seen) for t in ins]
        call.verdict = self.judge(call, ins, out)
        call.relative = 0.0 if a == b else float(f"{(n % 9 + 1)}e-{6 + n % 4}")
        self.seen.update(id(t) for t in ins if t.a != t.b)
        self.calls.append(call)
        self.position = [p + 1 for p in self.position]
        if into is not None:
            into.a, into.b, into.made = a, b, n
            return into
        return out

    def alone(self, name, ins):
        n = len(self.calls)
        text = ", ".join(f"t: f32{t.shape}" for t in ins)
        self.calls.append(Call(n=n, name=name, args=[None, text], kwargs=[None, ""], scope=self.scope, scalar=("", ""),
                               ins=list(ins), shape=ins[0].shape, alone=1, position=(None, self.position[1]), relative=None,
                               out=(None, ins[0].b), before=[], verdict=STRUCTURE))
        self.position[1] += 1


def train(run, steps, layers):
    for step in range(1, steps + 1):
        word = f"step {step}"
        x, saved = run.parameter(f"batch {step}", "[4, 16]"), []
        for i in range(layers):
            p = {k: run.parameter(f"layers.{i}.{k}", s) for k, s in (
                ("norm.weight", "[16]"), ("norm.bias", "[16]"), ("up.weight", "[32, 16]"), ("up.bias", "[32]"),
                ("down.weight", "[16, 32]"), ("down.bias", "[16]"))}
            run.enter(word, 1, f"Stack.layers.{i}.norm")
            y = run.call("aten::native_layer_norm", [x, p["norm.weight"], p["norm.bias"]], "[4, 16]", ("1e-05", "1e-05"))
            run.enter(word, 1, f"Stack.layers.{i}.up")
            z = run.call("aten::addmm", [p["up.bias"], y, run.call("aten::t", [p["up.weight"]], "[16, 32]")], "[4, 32]")
            run.enter(word, 1, f"Stack.layers.{i}.act")
            r = run.call("aten::relu", [z], "[4, 32]")
            run.enter(word, 1, f"Stack.layers.{i}.down")
            o = run.call("aten::addmm", [p["down.bias"], r, run.call("aten::t", [p["down.weight"]], "[32, 16]")], "[4, 16]")
            run.enter(word, 1, f"Stack.layers.{i}")
            saved.append((x, y, r, p))
            x = run.call("aten::add.Tensor", [x, o], "[4, 16]")
        run.enter(word, 1, None)
        loss = run.call("aten::mse_loss", [x, run.parameter(f"target {step}", "[4, 16]")], "[]")
        run.enter(word, 2, None)
        g = run.call("aten::ones_like", [loss], "[]", forgets=True)
        g = run.call("aten::mse_loss_backward", [g, x], "[4, 16]")
        gradients = []
        for x, y, r, p in reversed(saved):
            gr = run.call("aten::mm", [g, p["down.weight"]], "[4, 32]")
            gradients.append((p["down.weight"], run.call("aten::mm", [run.call("aten::t", [g], "[16, 4]"), r], "[16, 32]")))
            gradients.append((p["down.bias"], run.call("aten::sum.dim_IntList", [g], "[16]", ("[0]", "[0]"))))
            gr = run.call("aten::threshold_backward", [gr, r], "[4, 32]", ("0", "0"))
            gy = run.call("aten::mm", [gr, p["up.weight"]], "[4, 16]")
            gradients.append((p["up.weight"], run.call("aten::mm", [run.call("aten::t", [gr], "[32, 4]"), y], "[32, 16]")))
            gradients.append((p["up.bias"], run.call("aten::sum.dim_IntList", [gr], "[32]", ("[0]", "[0]"))))
            g = run.call("aten::native_layer_norm_backward", [gy, x, p["norm.weight"]], "[4, 16]")
            gradients.append((p["norm.weight"], run.call("aten::sum.dim_IntList", [g], "[16]", ("[0]", "[0]"))))
        for i, (p, grad) in enumerate(reversed(gradients)):
            run.enter(word, 3, f"Stack.layers.{i * layers // len(gradients)}")
            run.call("aten::add_.Tensor", [p, grad], p.shape, kwarg=(f"alpha={ALPHA}", f"alpha={run.alpha}"), into=p,
                     keeps=i % 6 == 0)


class File:
    """Writes runs as lanes of one comparison file."""

    def __init__(self, path):
        self.trace = Trace(path)
        self.texts, self.scopes, self.pairs = {}, {}, 0

    def known(self, rows, table, key, **columns):
        if key not in rows:
            rows[key] = self.trace.add(table, **columns)
        return rows[key]

    def text(self, call, side):
        if call.args[side] is None:
            return None
        w = self.trace.word
        key = (call.name, call.args[side], call.kwargs[side], call.shape)
        return self.known(self.texts, "pair_text", key, kind=3, name=w(call.name), args=w(call.args[side]),
                          kwargs=w(call.kwargs[side]), output=w(f"  ->  t: f32{call.shape}"))

    def scope(self, call):
        step, phase, module = call.scope
        w = self.trace.word
        return self.known(self.scopes, "pair_scope", call.scope, step=w(step), phase=phase, module=w(module),
                          annotation=w("Optimizer.step#SGD.step") if phase == 3 else None, inferred=0)

    def tensors(self, call, pair, base):
        rows, w = [], self.trace.word
        for i, (shape, a, b, made, first) in enumerate(call.before):
            if a != b:
                rows.append((0, f"[0][{i}]", 1, made is None and first, None if made is None else base + made, shape, a, b, None))
        a, b = call.out
        if a != b or call.verdict == UNKNOWN:
            kind = 3 if call.alone is not None else 4 if call.verdict == UNKNOWN else 1
            rows.append((1, "", kind, False, None, call.shape, None if kind == 4 else a, b, call.relative))
        for i, (phase, path, kind, external, producer, shape, a, b, relative) in enumerate(rows):
            self.trace.add("pair_tensor", pair=pair, position=i, phase=phase, path=w(path), **{"class": kind}, artefact=0,
                           external=int(external), producer=producer, dtype=w("f32"), shape=w(shape), hash_kind=SHA256,
                           a_digest=a, b_digest=b, relative=relative)

    def lane(self, run, rank=None):
        add, base = self.trace.add, self.pairs
        first = [next((base + c.n + 1 for c in run.calls if c.verdict in kinds), None) for kinds in (CAUSES, (ORIGIN,))]
        lane = add("lane", comparison=1, a_rank=rank, b_rank=rank, a_log="calls", b_log="calls",
                   a_calls=sum(c.alone is None for c in run.calls), b_calls=len(run.calls), a_lines=40, b_lines=40,
                   first_pair=first[0], origin_pair=first[1])
        for c in run.calls:
            alone, unknown = c.alone is not None, c.verdict == UNKNOWN
            differs = c.scalar[0] != c.scalar[1]
            a, b = c.position
            add("pair", id=base + c.n + 1, lane=lane, a=None if a is None else a + 1, b=b + 1, a_position=a, b_position=b,
                verdict=c.verdict, flags=int(differs) | 2 * unknown, method=0 if alone else 1, confidence=100,
                a_text=self.text(c, 0), b_text=self.text(c, 1), scope=self.scope(c), hash_kind=None if unknown else SHA256,
                a_digest=None if unknown else c.out[0], b_digest=c.out[1], relative=c.relative)
            self.tensors(c, base + c.n + 1, base + 1)
            if differs:
                pieces = [k.lstrip(", ").partition("=")[2] for k in c.kwargs]
                add("pair_argument", pair=base + c.n + 1, path=self.trace.word("[1]['alpha']"),
                    a=self.trace.word(pieces[0]), b=self.trace.word(pieces[1]))
        self.pairs += len(run.calls)
        return lane, first

    def close(self, verdict, answer, notes, first, origin, before):
        self.trace.db.execute("INSERT INTO pair_kind SELECT lane, a_text, b_text, verdict, flags, method, count(*), min(id) FROM pair "
                              "GROUP BY lane, a_text, b_text, verdict, flags, method")
        self.trace.db.execute("INSERT INTO pair_place SELECT lane, scope, verdict, count(*), min(id) FROM pair GROUP BY 1, 2, 3")
        self.trace.add("comparison", id=1, a_file="a.db", b_file="b.db", a_run="yesterday", b_run="today", verdict=verdict,
                       answer=answer, notes=notes, hash_kind=SHA256, first_pair=first, origin_pair=origin, before=before)
        return self.trace.close()


def sentence(call):
    where = f"in {call.scope[0]}" if call.scope[0] else "outside of any step"
    if call.verdict == ARGUMENT or call.scalar[0] != call.scalar[1]:
        a, b = (k.lstrip(", ").partition("=")[2] for k in call.kwargs)
        return (f"A and B part at call {call.position[0]}, {where}'s `SGD.step`: `{call.name}` gets `alpha` {a} in A and {b} in B. "
                f"The {call.n} operators before it agree in every bit.")
    what = {ORIGIN: "gets equal tensors and makes a different one", INPUT: "reads a tensor from outside that differs",
            STRUCTURE: "is called in B alone"}[call.verdict]
    place = call.position[0] if call.position[0] is not None else call.position[1]
    return f"A and B part at call {place}, {where}: `{call.name}` {what}. The {call.n} operators before it agree in every bit."


class Info:
    def __init__(self, path, runs):
        self.path, self.runs, self.calls = path, runs, runs[0].calls

    def count(self, verdict):
        return sum(c.verdict == verdict for run in self.runs for c in run.calls)

    def first(self, *verdicts):
        """Number of the pair (its id) of the first call with one of these verdicts, in the first lane."""
        return next((c.n + 1 for c in self.calls if c.verdict in verdicts), None)


def make(path, steps=2, layers=4, ranks=1, notes=None, **fault):
    f, runs, firsts = File(path), [], []
    for rank in range(ranks):
        run = Run(**(fault if rank == ranks - 1 or "alpha" in fault else {}))
        train(run, steps, layers)
        runs.append(run)
        firsts.append((run, *f.lane(run, rank if ranks > 1 else None)))
    at = [(run.calls[first[0] - 1 - sum(len(r.calls) for r in runs[:i])], *first) for i, (run, _, first) in enumerate(firsts) if first[0]]
    if not at:
        n = sum(len(r.calls) for r in runs)
        f.close("same", f"A and B agree: {n} of {n} calls, every input and output. 0 without a digest.", notes, None, None, n)
    else:
        call, first, origin = min(at, key=lambda x: x[0].n)
        f.close("different", sentence(call), notes, first, origin, call.n)
    return Info(path, runs)


if __name__ == "__main__":
    import sys
    make(sys.argv[1], **{k: (v if k == "weight" else float(v) if k == "alpha" else int(v)) for k, v in (w.split("=") for w in sys.argv[2:])})
