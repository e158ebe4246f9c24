# plumb_debug_mode.py - what `plumb record --debug-mode` puts into a Python program: PyTorch's DebugMode over all of it,
# its calls streamed into a file while the program runs.
#
#   import torch ─► begin ─► Mode (one per thread) ─► Log (one file per thread): a line of JSON per call ─► plumb follows
#
# Three rules. A program without torch sees nothing but one entry of sys.meta_path. Nothing that goes wrong in here reaches the
# program: it is counted. The work of hashing is not logged: it runs below the mode.
#
# The program may mark its steps: from plumb_debug_mode import plumb_step; plumb_step(3).
import contextlib
import os
import sys
import threading
import time
import weakref

from plumb_debug_digest import Digester
from plumb_debug_log import Calls, Entry, Layout, Log, tagged

FORMAT = "torch.utils._debug_mode.DebugMode.logs"
HASHES = ("bits", "norm", "hash_tensor")
VERSIONS = ("2.13",)
# Operators that do not read what their first argument holds: before them it is often uninitialised.
OVERWRITING = ("uniform_", "normal_", "fill_", "zero_", "copy_", "bernoulli_", "random_", "exponential_", "cauchy_",
               "log_normal_", "geometric_", "zeros_like_", "_foreach_copy_", "_foreach_zero_")


# ---- the mode ----

def guarded(what):
    """A method that never raises: what goes wrong is counted."""
    def decorate(method):
        def call(self, *args):
            try:
                return method(self, *args)
            except Exception as e:
                self.log_of_calls.lose(what, "%s: %s: %s" % (method.__name__, type(e).__name__, e))
                return None
        return call
    return decorate


class Hasher:
    """The hashes that were asked for, of one tensor after another."""

    def __init__(self, torch, words, utils):
        self.torch, self.words, self.utils = torch, [w for w in HASHES if w in words], utils
        self.digester = Digester(torch)

    def hash(self, t, lose):
        """(hash as the log has it or None, statistics or None)."""
        if not self.words or t.device.type == "meta":
            return None, None
        values, statistics = [], None
        for word in self.words:
            try:
                if word == "bits":
                    digest, statistics = self.digester.measure(t)
                    values.append("0x%016x" % digest)
                elif word == "norm":
                    values.append(self.utils.norm_hash_fn(t, use_scalar=True))
                else:
                    values.append(self.utils.hash_tensor_fn(t, use_scalar=True))
            except Exception as e:
                lose("hash", "%s of a tensor of %s: %s: %s" % (word, t.dtype, type(e).__name__, e))
                values.append(None)
        if len(values) > 1:
            return tuple(values), statistics
        return values[0], statistics


class Scope:
    """What one call of an operator adds while it runs."""
    __slots__ = ("entries", "call", "arguments")

    def __init__(self):
        self.entries, self.call, self.arguments = [], None, None


def make_mode(torch):
    """The class Mode; needs torch."""
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
    from torch.distributed._functional_collectives import AsyncCollectiveTensor
    from torch.distributed._local_tensor import LocalTensor
    from torch.distributed.tensor import DTensor
    from torch.utils import _debug_mode as package
    from torch.utils._debug_mode import _calls, _utils
    from torch.utils._python_dispatch import _disable_current_modes, _get_current_dispatch_mode
    from torch.utils.weak import WeakIdRef
    profiler, Tensor = torch.ops.profiler, torch.Tensor
    layout = Layout(_calls, _calls._get_call_name, _utils._arg_to_str)

    class Numbers:
        """Numbers of tensors, given in order of appearance; a number goes when its tensor does."""

        def __init__(self):
            self.memo, self.next = {}, 0

        def _id(self, tensor):
            with torch._C._DisablePythonDispatcher():
                n = self.memo.get(WeakIdRef(tensor))
                if n is None:
                    n = self.next
                    self.next += 1
                    self.memo[WeakIdRef(tensor, lambda gone: self.memo.pop(gone, None))] = n
                return n

    class Kernel(_calls._TritonKernelCall):
        def finalize(self, device_interface):
            device_interface.synchronize(device_interface.current_device())
            mode, entry = self.plumb
            if mode.hasher.words:
                self.post_hashes = mode.hash_kernel(self)
            del self.kwargs, self.plumb
            if entry:
                entry.close()
            mode.log_of_calls.flush()

    class Mode(package.DebugMode):
        def __init__(self, log, words):
            super().__init__(record_stack_trace="stacks" in words, record_ids="ids" in words)
            self.log_of_calls, self.modules = log, Modules() if "modules" in words else None
            self.hasher, self.hash_inputs = Hasher(torch, words, _utils), "inputs" in words
            self.local, self.newest = threading.local(), None
            self.written = {}

        def reset(self):
            super().reset()
            self.operators = Calls(self)
            self._tensor_memo = Numbers()

        # -- from DebugMode's own places

        @guarded("call")
        def take(self, call):
            entry, scope = Entry(call, layout.of, self.inside()), self.scope()
            if scope and (scope.call is call or isinstance(call, _calls._OpCall)):
                entry.open = True
                scope.entries.append(entry)
            if isinstance(call, Kernel):
                entry.open, call.plumb = True, (self, entry)
            self.newest = entry
            self.log_of_calls.append(entry)
            if not scope:
                self.log_of_calls.flush()
            return entry

        # What encloses the next call of this thread: calls of operators, ranges, modules.

        def inside(self):
            nest = getattr(self.local, "nest", None)
            return nest[-1] if nest else None

        def push(self, entry):
            self.local.__dict__.setdefault("nest", []).append(entry)

        def pop(self):
            if getattr(self.local, "nest", None):
                self.local.nest.pop()

        def scope(self):
            stack = getattr(self.local, "stack", None)
            return stack[-1] if stack else None

        @guarded("print")
        def print_arguments(self, call):
            try:
                call.stringify_args([], self._tensor_memo if self.record_ids else None)
            except Exception:
                call.args_str, call.kwargs_str = "?", ""
                raise

        def _record_call(self, call):
            if _utils._IN_INDUCTOR_BENCHMARK:
                return
            scope = self.scope()
            if scope and isinstance(call, _calls._OpCall):
                self.hash_arguments(call, scope)
            self.print_arguments(call)
            if self.fx_stack_trace:
                call.stack_trace = call.fwd_stack_trace = self.fx_stack_trace
            self.operators.append(call)

        @guarded("print")
        def _record_call_output(self, call, output):
            super()._record_call_output(call, output)

        @guarded("scope")
        def _maybe_record_function(self, tag):
            depth = self.call_depth
            super()._maybe_record_function(tag)
            if self.call_depth > depth:
                self.push(self.newest)

        @guarded("scope")
        def _maybe_exit_record_function(self):
            depth = self.call_depth
            super()._maybe_exit_record_function()
            if self.call_depth < depth:
                self.pop()

        def _enter_nn_module_call(self, name, header):
            super()._enter_nn_module_call(name, header)
            self.push(self.newest)

        def _exit_nn_module_call(self):
            super()._exit_nn_module_call()
            self.pop()

        @contextlib.contextmanager
        def record_redistribute_calls(self, *args, **kwargs):
            with super().record_redistribute_calls(*args, **kwargs):
                self.push(self.newest)
                try:
                    yield
                finally:
                    self.pop()

        @guarded("scope")
        def _handle_annotate(self, tag):
            super()._handle_annotate(tag)

        def record_triton_kernel(self, kernel_name, kwargs):
            call = Kernel(kernel_name, kwargs, self.call_depth + 1)
            call.plumb = self, None
            self.print_arguments(call)
            if self.hasher.words and self.hash_inputs:
                call.pre_hashes = self.hash_kernel(call)
            self.operators.append(call)
            return call

        @guarded("hash")
        def hash_kernel(self, call):
            with _disable_current_modes():
                return {k: self.hasher.hash(v, self.log_of_calls.lose)[0] for k, v in call.kwargs.items()
                        if isinstance(v, Tensor)}

        # -- hashes of an operator

        def tree(self, value, path, phase, into):
            """The hashes of all tensors in a value, nested as it is."""
            if isinstance(value, Tensor):
                return self.leaf(value, path, phase, into)
            if isinstance(value, (tuple, list)):
                kind = tuple if isinstance(value, tuple) else list
                return kind(self.tree(v, "%s[%d]" % (path, i), phase, into) for i, v in enumerate(value))
            if isinstance(value, dict):
                return {k: self.tree(v, "%s[%r]" % (path, k), phase, into) for k, v in value.items()}
            return None

        def leaf(self, t, path, phase, into):
            value, statistics = self.hasher.hash(t, self.log_of_calls.lose)
            strided = t.layout is torch.strided
            row = [phase, path, str(list(t.stride())) if strided else None, str(t.device), None if t.is_inference() else t._version]
            if statistics:
                row += statistics
            elif phase == 2:
                row += [None] * 7
            if phase == 2:
                row.append(tagged(value))
            into.append(row)
            return value

        @guarded("hash")
        def hash_arguments(self, call, scope):
            scope.call, scope.arguments = call, (call.args, call.kwargs)
            name = call.op.__qualname__ if hasattr(call.op, "__qualname__") else str(call.op)
            if not self.hash_inputs or "empty" in name:
                return
            rows, seen = [], scope.arguments
            if "bits" in self.hasher.words:
                seen = self.read_arguments(name, *seen)
            tree = self.tree(seen, "", 0, rows)
            call.record = rows
            if self.hasher.words and any(row for row in rows):
                call.log = {"input_hash": tree}

        def read_arguments(self, name, args, kwargs):
            """Arguments with None for what the operator only writes."""
            base, _, overload = name.partition("::")[2].partition(".")
            if base in OVERWRITING and args:
                args = (None, *args[1:])
            if overload.endswith("out"):
                kwargs = {k: None if k.startswith("out") else v for k, v in kwargs.items()}
            return args, kwargs

        @guarded("hash")
        def hash_results(self, func, scope, result):
            call, rows = scope.call, scope.call.record or []
            if call.__class__ is not _calls._OpCall or "empty" in str(func):
                return
            tree = self.tree(result, "", 1, rows)
            if self.hasher.words:
                call.log = dict(call.log or {}, hash=tree)
            made = result if isinstance(result, (tuple, list)) else (result,)
            for path, value in self.written_arguments(func, scope.arguments):
                if not any(value is m for m in made):
                    self.tree(value, path, 2, rows)
            call.record = None
            for entry in scope.entries:
                if entry.call is call:
                    entry.tensors = rows

        def written_arguments(self, func, arguments):
            """(path, value) of arguments that the operator may change."""
            places = self.written.get(func)
            if places is None:
                schema = getattr(func, "_schema", None)
                places = [("[0][%d]" % i, 0, i) if not a.kwarg_only else ("[1][%r]" % a.name, 1, a.name)
                          for i, a in enumerate(schema.arguments if schema else ())
                          if a.alias_info is not None and a.alias_info.is_write]
                places += [("[1][%r]" % schema.arguments[i].name, 1, schema.arguments[i].name) for _, k, i in places if k == 0]
                self.written[func] = places
            for path, which, key in places:
                if which == 0 and key < len(arguments[0]):
                    yield path, arguments[0][key]
                elif which == 1 and key in arguments[1]:
                    yield path, arguments[1][key]

        # -- operators

        def recorded_depth(self, func, types):
            """Depth of the call in the log, None when it is not recorded."""
            if str(func).startswith("profiler._record_function"):
                return None
            if DTensor in types:
                return self.call_depth
            if FakeTensor in types or isinstance(_get_current_dispatch_mode(), FakeTensorMode):
                return None
            return self.call_depth + 1 if LocalTensor in types or AsyncCollectiveTensor in types or not types else None

        @guarded("call")
        def before(self, func, types, args, kwargs):
            if func is profiler._record_function_enter_new.default:
                self._maybe_record_function(args[0])
            elif func is profiler._record_function_exit._RecordFunction:
                self._maybe_exit_record_function()
            depth = self.recorded_depth(func, types)
            if depth is None:
                return None
            call = _calls._OpCall(func, args, kwargs, depth, stack=self.record_stack_trace)
            if DTensor in types:
                self.local.stack[-1].call = call
                self.print_arguments(call)
                self.operators.append(call)
            else:
                self._record_call(call)
            return call

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if func is torch.ops.debug_mode_ops.annotate.default:
                self._handle_annotate(args[0])
                return None
            stack = self.local.__dict__.setdefault("stack", [])
            scope, nested = Scope(), False
            stack.append(scope)
            try:
                began = time.monotonic_ns()
                call = self.before(func, types, args, kwargs)
                self.log_of_calls.cost("before calls", began)
                if call and scope.entries:
                    self.push(scope.entries[-1])
                    nested = True
                if DTensor in types:
                    return NotImplemented
                result = func(*args, **kwargs)
                if call:
                    began = time.monotonic_ns()
                    for entry in scope.entries:
                        entry.close()
                    self._record_call_output(call, result)
                    self.hash_results(func, scope, result)
                    self.log_of_calls.cost("after calls", began)
                return result
            finally:
                stack.pop()
                if nested:
                    self.pop()
                for entry in scope.entries:
                    if entry.open:
                        entry.close()
                self.log_of_calls.flush()

    return Mode


# ---- modules ----

class Modules:
    """The open modules of a thread, named as torch's ModTracker names them."""

    def __init__(self):
        self.names, self.seen, self.open = weakref.WeakKeyDictionary(), weakref.WeakSet(), []

    def name(self, module):
        if module not in self.names:
            self.names[module] = type(module).__name__
        name = self.names[module]
        if module not in self.seen:
            self.seen.add(module)
            for child_name, child in module.named_children():
                self.names[child] = "%s.%s" % (name, child_name)
                self.name(child)
        return name

    def enter(self, mode, module):
        mode._enter_nn_module_call(self.name(module), "nn.Mod")
        self.open.append(module)

    def leave(self, mode, module):
        """Also those inside it whose end was not seen."""
        if any(m is module for m in self.open):
            while self.open:
                last = self.open.pop()
                mode._exit_nn_module_call()
                if last is module:
                    break


class ModuleHooks:
    """Hooks of all modules that the compiler does not see: they are taken away while it watches frames, since it would
    trace them and compile something else."""

    def __init__(self, torch):
        self.module, self.dynamo = torch.nn.modules.module, torch._dynamo.eval_frame
        self.handles = ()
        self.watch("set_eval_frame")
        self.watch("_maybe_set_eval_frame")
        has_any = self.module._has_any_global_hook

        def has_any_of_others():
            """OptimizedModule warns of hooks; of ours it need not."""
            handles = self.handles
            self.set(False)
            try:
                return has_any()
            finally:
                self.set(bool(handles))

        self.module._has_any_global_hook = has_any_of_others
        self.set(True)

    def watch(self, name):
        function = getattr(self.dynamo, name)

        def call(callback):
            self.set(callback is None)
            return function(callback)

        setattr(self.dynamo, name, call)

    def set(self, on):
        if on and not self.handles:
            self.handles = (self.module.register_module_forward_pre_hook(self.before),
                            self.module.register_module_forward_hook(self.after, always_call=True))
        elif not on and self.handles:
            for handle in self.handles:
                handle.remove()
            self.handles = ()

    def before(self, module, arguments):
        mode = current_mode()
        if mode is not None and not self.dynamo._is_in_optimized_module():
            try:
                mode.modules.enter(mode, module)
            except Exception as e:
                mode.log_of_calls.lose("scope", "a module: %r" % (e,))

    def after(self, module, arguments, result):
        mode = current_mode()
        if mode is not None and not self.dynamo._is_in_optimized_module():
            mode.modules.leave(mode, module)


# ---- the program ----

class State:
    """What this process has: its modes by thread."""
    words, folder, mode_class, torch = (), None, None, None
    modes, lock = {}, threading.Lock()


def say(message):
    """A log that has only a reason why there is no more."""
    try:
        import json
        log = Log(State.folder, {"format": FORMAT, "stream": 1, "refused": message}, json.dumps)
        log.put({"end": True, "ts": time.time_ns()})
    except Exception:
        pass


def current_mode():
    return State.modes.get(threading.get_ident())


def ranks():
    """Rank and number of ranks, where a launcher says them."""
    said = {"rank": os.environ.get("RANK", ""), "world": os.environ.get("WORLD_SIZE", "")}
    return {name: int(text) for name, text in said.items() if text.isdigit()}


def enter_thread():
    """Puts the calling thread under a mode of its own."""
    import json
    torch = State.torch
    head = {"format": FORMAT, "stream": 1, "torch": torch.__version__, "python": sys.version, "words": list(State.words),
            "name": threading.current_thread().name, **ranks()}
    encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str).encode
    mode = State.mode_class(Log(State.folder, head, encode), State.words)
    mode.__enter__()
    with State.lock:
        State.modes[threading.get_ident()] = mode
    return mode


def leave_thread(mode):
    try:
        mode.__exit__(None, None, None)
    except Exception as e:
        mode.log_of_calls.lose("scope", "the mode cannot be left: %r" % (e,))
    mode.log_of_calls.end()
    with State.lock:
        State.modes.pop(threading.get_ident(), None)


def at_exit():
    for mode in list(State.modes.values()):
        if mode is current_mode():
            leave_thread(mode)
        else:
            mode.log_of_calls.end()


def after_fork():
    """The child has the forking thread only, and files of its own."""
    mine = current_mode()
    State.modes = {threading.get_ident(): mine} if mine else {}
    if mine:
        mine.log_of_calls.begin_anew()
        mine.local.__dict__["nest"] = []  # what the parent had open is in the parent's file
    State.lock = threading.Lock()


def watch_threads():
    """Threads that the program starts later are put under a mode too; those of the compiler are not."""
    start_thread = threading.Thread.start

    def start(thread):
        own = thread.run
        target = getattr(getattr(thread, "_target", None), "__module__", None) or type(thread).__module__

        def run():
            thread.__dict__.pop("run", None)
            mode = None
            try:
                mode = enter_thread()
            except Exception:
                pass
            try:
                own()
            finally:
                if mode is not None:
                    leave_thread(mode)

        if not target.startswith(("torch._inductor", "torch._dynamo")):
            thread.run = run
        return start_thread(thread)

    threading.Thread.start = start


def begin(torch):
    """torch has been imported."""
    import atexit
    version = torch.__version__.split("+")[0]
    if ".".join(version.split(".")[:2]) not in VERSIONS:
        say("calls are recorded under PyTorch %s; the program has %s" % (" or ".join(VERSIONS), torch.__version__))
        return
    State.torch = torch
    State.mode_class = make_mode(torch)
    mode = enter_thread()
    atexit.register(at_exit)
    os.register_at_fork(after_in_child=after_fork)
    watch_threads()
    if mode.modules:
        ModuleHooks(torch)


def plumb_step(n):
    """Marks that step n begins."""
    mode = current_mode()
    if mode is not None:
        mode._handle_annotate("step %s" % (n,))


class Finder:
    """First in sys.meta_path: lets the others find torch and begins when it has been imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        from importlib.util import find_spec
        sys.meta_path.remove(self)
        spec = find_spec(name)  # of whichever finder: an editable install has its own
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            try:
                begin(module)
            except Exception as e:
                say("the program goes on without: %s: %s" % (type(e).__name__, e))

        spec.loader.exec_module = exec_module
        return spec


def install():
    State.folder = os.environ.get("PLUMB_DEBUG_FOLDER")
    State.words = tuple(w for w in os.environ.get("PLUMB_DEBUG_MODE", "").split(",") if w)
    if State.folder and os.path.isdir(State.folder):
        sys.meta_path.insert(0, Finder())
