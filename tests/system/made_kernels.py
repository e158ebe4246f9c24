"""made_kernels.py - a trace with one compile of plumb's own compiler, made by hand: kernels with members, arguments, decisions,
passes, a partition, a memory plan and launches, so that its pages are tested without the compiler.

    made = make(path)                 # everything
    made = make(path, word=HOSTILE)   # every text that a program chooses has HOSTILE in it
    made.kernel["pl_poi_fused_add_relu_0"]   # row id
"""
from made_trace import Trace

START = 1_800_000_000_000_000_000
POST = """class GraphModule(torch.nn.Module):
    def forward(self, x: "f32[64, 256][256, 1]cpu", w: "f32[256, 256][256, 1]cpu", b: "f32[256][1]cpu"):
        # File: model.py:11 in forward, code: h = relu(x @ w + b)
        mm: "f32[64, 256][256, 1]cpu" = torch.ops.aten.mm.default(x, w);  x = w = None
        add: "f32[64, 256][256, 1]cpu" = torch.ops.aten.add.Tensor(mm, b);  mm = b = None
        relu: "f32[64, 256][256, 1]cpu" = torch.ops.aten.relu.default(add);  add = None
        # File: model.py:12 in forward, code: return softmax(h)
        softmax: "f32[64, 256][256, 1]cpu" = torch.ops.aten._softmax.default(relu, 1, False)
        return (softmax, relu)
"""
CODE = """// The kernels of 0/0 forward: printed for the CPU.
#include "prelude.h"

// pl_poi_fused_add_relu_0: add, relu
// add <- model.py:11
void pl_poi_fused_add_relu_0(const float *in_ptr0, const float *in_ptr1, float *out_ptr0, long n)
{
    for (long i = 0; i < n; i++) {
        float add = in_ptr0[i] + in_ptr1[i % 256];
        out_ptr0[i] = add > 0 ? add : 0;
    }
}

// pl_per_fused__softmax_1: _softmax
void pl_per_fused__softmax_1(const float *in_ptr0, float *out_ptr0)
{
    /* max, exp, sum, div */
}
"""


class Made:
    """The trace and the row ids of what is in it."""

    def __init__(self, path, word):
        self.t, self.w = Trace(path), word
        self.kernel, self.text = {}, b""
        self.call = 0

    def word(self, text):
        return self.t.word(text if text is None else text + self.w)

    def add_text(self, name, text, key=None):
        """An artifact whose bytes follow what the log has so far."""
        data = (text.replace("relu(x", "relu(x" + self.w) if self.w else text).encode("utf-8", "surrogatepass")
        at = len(self.text)
        self.text += data
        return self.t.artifact(self.log, self.compile, name, at, len(data), key=key or name)

    def add_kernel(self, name, ops=(), args=(), compile=None, **columns):
        """ops: (node, op, role, part, recomputed, source); args: (name, value, type, bytes, written)."""
        t = self.t
        id = t.add("kernel", compile=compile or self.compile, name=self.word(name), **columns)
        self.kernel[name] = id
        for i, (node, op, role, part, recomputed, source) in enumerate(ops):
            t.add("kernel_op", kernel=id, position=i, node=self.word(node), op=self.word(op), role=role, part=part, recomputed=recomputed,
                  source=self.word(source))
        for i, (arg, value, type, bytes, written) in enumerate(args):
            t.add("kernel_arg", kernel=id, position=i, name=self.word(arg), value=self.word(value), type=self.word(type), bytes=bytes,
                  written=written)
        return id

    def decide(self, kind, a, b, fused, reason, saved=None, kernel=None, phase="forward", **columns):
        self.t.add("fusion_decision", compile=self.compile, phase=phase, kind=kind, a=self.word(a), b=self.word(b), fused=fused,
                   reason=reason + self.w, detail=f"{a} beside {b}: {reason}" + self.w, bytes_saved=saved,
                   score=None if saved is None else saved / 1e6, kernel=self.kernel.get(kernel), **columns)

    def launch(self, name, durs, phase="forward", variant="avx512", **columns):
        """Launches of a kernel, each inside a call of event kind 6."""
        t = self.t
        site = self.word(f"0/0 {phase} {name}")
        t.db.execute("UPDATE kernel SET site = ? WHERE id = ?", (site, self.kernel[name]))
        launch = t.add("launch", kernel=self.word(name), variant=self.word(variant), site=site, threads=4, **columns)
        for dur in durs:
            ts = START + self.call * 1_000_000
            call = t.add("event", ts=ts, dur=None if dur is None else dur + 900, track=self.track, kind=6, name=self.word(name), flags=0)
            t.add("call", event=call, source=self.calls, position=self.call, depth=0, kwargs=self.word("in_ptr0=t$1: f32[64, 256]"), flags=32)
            t.add("event", ts=ts + 300, dur=dur, track=self.track, kind=10, name=self.word(name), parent=call, launch=launch, flags=0)
            self.call += 1


def graph(m, artifact, name, nodes):
    """Nodes: (name, op, target, type, line)."""
    t = m.t
    first = (t.db.execute("SELECT max(id) FROM node").fetchone()[0] or 0) + 1
    g = t.add("graph", artifact=artifact, compile=m.compile, name=t.word(name), n_nodes=len(nodes), n_lines=0, first_node=first)
    for i, (node, op, target, type, line) in enumerate(nodes):
        t.add("node", id=first + i, graph=g, line=line, op=op, name=m.word(node), target=m.word(target), type=m.word(type))


def forward(m, code):
    full = "f32[64, 256][256, 1]cpu"
    m.add_kernel("extern_mm_0", [("mm", "aten::mm", "main", 0, 0, "model.py:11")],
                 [("in_ptr0", "x", full, 65536, 0), ("in_ptr1", "w", "f32[256, 256][256, 1]cpu", 262144, 0), ("out_ptr0", "mm", full, 65536, 1)],
                 kind="extern", phase="forward", role="extern", position=0, bytes_read=327680, bytes_written=65536, flops=8388608)
    m.add_kernel("pl_poi_fused_add_relu_0",
                 [("add", "aten::add.Tensor", "main", 0, 0, "model.py:11"), ("relu", "aten::relu", "main", 0, 0, "model.py:11")],
                 [("in_ptr0", "mm", full, 65536, 0), ("in_ptr1", "b", "f32[256][1]cpu", 1024, 0), ("out_ptr0", "relu", full, 65536, 1)],
                 kind="c", phase="forward", role="pointwise", position=1, artifact=code, line=4, last_line=12, outer_points=16384, inner_points=1,
                 bytes_read=66560, bytes_written=65536, flops=32768, registers=24, spill_bytes=0, shared_bytes=0, build_ns=41_000_000)
    m.add_kernel("pl_per_fused__softmax_1", [("softmax", "aten::_softmax", "main", part, 0, "model.py:12") for part in range(3)],
                 [("in_ptr0", "relu", full, 65536, 0), ("out_ptr0", "softmax", full, 65536, 1), ("scratch0", None, "f32[64]", 256, 1)],
                 kind="c", phase="forward", role="persistent", position=2, artifact=code, line=14, last_line=18, outer_points=64,
                 inner_points=256, bytes_read=65536, bytes_written=65536, flops=81920, registers=96, spill_bytes=64, shared_bytes=2048,
                 build_ns=0)


def backward(m):
    full, small = "f32[64, 256][256, 1]cpu", "f32[256, 256][256, 1]cpu"
    combo = m.add_kernel("pl_combo_fused_add_mul_zeros_3", phase="backward", role="combo", kind="c", position=1)
    m.add_kernel("pl_poi_fused_relu_softmax_backward_2",
                 [("relu_1", "aten::relu", "main", 0, 1, "model.py:11"), ("softmax_backward", "aten::_softmax_backward_data", "epilogue", 0, 0, "model.py:12")],
                 [("in_ptr0", "softmax", full, 65536, 0), ("in_out_ptr0", "tangents_1", full, 65536, 1)],
                 kind="c", phase="backward", role="pointwise", position=0, bytes_read=131072, bytes_written=65536, flops=65536)
    first = 0
    for i, (name, node, op, blocks) in enumerate([("pl_poi_fused_mul_4", "mul", "aten::mul.Tensor", 64), ("pl_poi_fused_add_5", "add_1", "aten::add.Tensor", 16),
                                                  ("pl_poi_fused_zeros_6", "zeros", "aten::zeros", 1)]):
        m.add_kernel(name, [(node, op, "main", 0, 0, "optim.py:3"), ("relu_1", "aten::relu", "prologue", 0, 1, "model.py:11")][: 2 - (i == 2)],
                     [("in_ptr0", "tangents_1", full, 65536, 0), ("out_ptr0", node, small, 262144 >> i, 1)],
                     kind="c", phase="backward", role="pointwise", combo=combo, member=i, first_block=first, blocks=blocks,
                     bytes_read=65536, bytes_written=262144 >> i, flops=65536 >> i)
        first += blocks


def told(m):
    """Decisions, passes, partition, memory."""
    t = m.t
    m.decide("vertical", "add", "relu", 1, "fused", 131072, "pl_poi_fused_add_relu_0")
    m.decide("vertical", "mm", "add", 0, "extern", 131072)
    m.decide("vertical", "relu", "softmax", 0, "iteration space", 65536)
    m.decide("vertical", "mm", "softmax", 0, "no shared data", 0)
    m.decide("combo", "pl_poi_fused_mul_4", "pl_poi_fused_add_5", 1, "combined", None, "pl_combo_fused_add_mul_zeros_3", phase="backward",
             a_ns=9000.0, b_ns=4000.0, together_ns=9500.0, apart_ns=13000.0)
    m.decide("combo", "pl_poi_fused_relu_softmax_backward_2", "pl_poi_fused_mul_4", 0, "dependence", None, phase="backward")
    m.decide("combo", "pl_poi_fused_relu_softmax_backward_2", None, 0, "alone", None, phase="backward")
    after = m.add_text("plumb_graph_after_cse", "graph after cse\n", key="artifact")
    for i, (phase, name, changed, ns, artifact) in enumerate([("joint", "decompose", 3, 41000, after), ("joint", "cse", 1, 12000, after),
                                                              ("forward", "dce", 0, 2500, None)]):
        t.add("compile_pass", compile=m.compile, position=i, phase=phase, name=name + m.w, changed=changed, n_nodes=9 - i, ns=ns, artifact=artifact)
    for i, (value, fate, reason, bytes) in enumerate([("relu", "saved", "dear to compute again", 65536), ("add", "recomputed", "cheap to compute again", 65536),
                                                      ("x", "input", "an input of the function", 65536), ("mm", "not needed", "the backward does not need it", 65536)]):
        t.add("partition_decision", compile=m.compile, position=i, value=m.word(value), fate=fate, reason=reason + m.w, bytes=bytes)
    plan = t.add("memory_plan", compile=m.compile, phase="forward", size=131072, peak=131072, total=196864)
    for i, (value, size, offset, first, last, reuses) in enumerate([("mm", 65536, 0, 0, 1, None), ("relu", 65536, 65536, 1, 2, None),
                                                                    (None, 256, 0, 2, 2, 0)]):
        t.add("memory_buffer", plan=plan, position=i, value=m.word(value), size=size, offset=offset, first=first, last=last, reuses=reuses)


def make(path, word="", launches=True):
    m = Made(path, word)
    t = m.t
    m.log = t.log(run="trained", name="compiles.log")
    process = t.db.execute("SELECT process FROM source_file WHERE id = ?", (m.log,)).fetchone()[0]
    m.calls = t.add("source_file", run=t.runs["trained"], process=process, path="trained/calls", name="calls", size=0, state="complete")
    m.track = t.add("track", process=process, kind=2, name=t.word("main"))
    m.compile = t.compile(m.log, "0/0", name="train_step" + word, n_ops=6, n_nodes=12, n_guards=4, total_ns=52_000_000, start_ts=START, frame_id=0)
    post = m.add_text("inductor_post_grad_graph", POST)
    full = "f32[64, 256][256, 1]cpu"
    graph(m, post, "inductor_post_grad_graph",
          [("x", 1, None, full, 2), ("mm", 3, "torch.ops.aten.mm.default", full, 4), ("add", 3, "torch.ops.aten.add.Tensor", full, 5),
           ("relu", 3, "torch.ops.aten.relu.default", full, 6), ("softmax", 3, "torch.ops.aten._softmax.default", full, 8), ("output", 6, None, None, 9)])
    code = m.add_text("inductor_output_code", CODE)
    map_ = t.add("provenance_map", compile=m.compile, mapping=code, pre=None, post=post, code=code, version=2.0, code_line=1)
    for line, to in [(9, 5), (10, 6)]:
        t.add("provenance", map=map_, relation=5, line=line, position=0, to_line=to)
        t.add("provenance", map=map_, relation=6, line=to, position=0, to_line=line)
    forward(m, code)
    backward(m)
    if launches:
        m.launch("extern_mm_0", [61_000, 60_000, 62_500], variant="openblas", bytes_read=327680, bytes_written=65536, flops=8388608)
        m.launch("pl_poi_fused_add_relu_0", [8_000, 7_000, 21_000, 7_400, None], bytes_read=66560, bytes_written=65536, flops=32768, items=16384)
        m.launch("pl_combo_fused_add_mul_zeros_3", [15_000, 14_000], phase="backward", items=81)
        t.add("call_log", source=m.calls, format="live", calls=m.call)
    told(m)
    t.db.execute("DELETE FROM text_frame")
    for at in range(0, len(m.text), 1 << 20):
        piece = m.text[at:at + (1 << 20)]
        t.add("text_frame", stream=m.log, offset=at, size=len(piece), codec=0, packed=len(piece), data=piece)
    t.db.execute("UPDATE source_file SET size = ? WHERE id = ?", (len(m.text), m.log))
    t.close()
    m.path = t.path
    return m
