"""peak - runs a command and says how long it took and how much memory it had at most.

    peak.py COMMAND...     the last line of standard error is {"seconds": s, "resident": bytes, "exit": code}

A process of its own, because a child's peak begins with that of its parent: this one is small.
"""
import json
import os
import sys
import time


def main():
    begun = time.monotonic()
    pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    _, status, usage = os.wait4(pid, 0)
    figures = {"seconds": time.monotonic() - begun, "resident": usage.ru_maxrss * 1024, "exit": os.waitstatus_to_exitcode(status)}
    sys.stderr.write("\n" + json.dumps(figures) + "\n")


main()
