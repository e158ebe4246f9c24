"""Logs made for tests: records as PyTorch writes them, one at a time."""
import hashlib
import json

PREFIX = "V0401 10:00:{:02}.{:06} 4242 torch/_logging/structured.py:28] "


def record(envelope, payload=None, at=0.0, md5=None):
    """Bytes of one record. payload: text or bytes. at: seconds after 10:00. md5: another than the right one."""
    envelope = dict(envelope)
    body = b""
    if payload is not None:
        data = payload.encode() if isinstance(payload, str) else payload
        envelope["has_payload"] = md5 or hashlib.md5(data).hexdigest()
        body = b"".join(b"\t" + line + b"\n" for line in data.split(b"\n"))
    prefix = PREFIX.format(int(at) % 60, int(at * 1e6) % 1000000)
    return prefix.encode() + json.dumps(envelope).encode() + b"\n" + body


def ids(frame=0, compile_=0, attempt=0):
    return {"frame_id": frame, "frame_compile_id": compile_, "attempt": attempt}


def artifact(name, payload, encoding="string", at=0.0, md5=None, **context):
    return record({"artifact": {"name": name, "encoding": encoding}, **(context or ids())}, payload, at, md5)


def string(path, number):
    return record({"str": [path, number]})


def start(frame=0, compile_=0, filename=0, name="f", loc="x = 1"):
    stack = [{"line": 1, "name": name, "filename": filename, "loc": loc}]
    return record({"dynamo_start": {"stack": stack}, **ids(frame, compile_)})


def metrics(frame=0, compile_=0, **fields):
    values = {"compile_id": f"{frame}/{compile_}", "co_name": "f", "co_filename": "/home/user/f.py", "co_firstlineno": 1,
              "graph_op_count": 2, "graph_node_count": 4, "graph_input_count": 1, "guard_count": 3, "start_time": 1.0,
              "entire_frame_compile_time_s": 0.5, "fail_type": None, "fail_reason": None, "restart_reasons": []}
    return record({"compilation_metrics": {**values, **fields}, **ids(frame, compile_)}, at=1)


def small(n=3):
    """A good log of n compiles, each with one artifact."""
    out = string("/home/user/f.py", 0)
    for i in range(n):
        out += start(i) + artifact("note", f"the text of {i}", **ids(i)) + metrics(i)
    return out
