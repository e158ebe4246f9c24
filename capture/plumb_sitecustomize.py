# plumb_sitecustomize.py - the sitecustomize that Python finds first: starts plumb_debug_mode, then runs the one that it hides.
import os
import sys


def chain(folder):
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != folder]
    hidden = PathFinder.find_spec("sitecustomize", sys.path)
    if hidden is not None and hidden.loader is not None:
        module = module_from_spec(hidden)
        sys.modules["sitecustomize"] = module
        hidden.loader.exec_module(module)


folder = os.path.dirname(os.path.abspath(__file__))
try:
    import plumb_debug_mode
    plumb_debug_mode.install()
except Exception:
    pass
chain(folder)
