"""`python -m benchmarks.chaos.zygote`: a process that has imported everything and forks children.

It takes one JSON object a line on standard input and answers with one a line on standard output:
`{"start": id, "orders": …, "environment": …, "output": path}` forks, `{"signal": number, "to": id}`
signals, and every end is told as `{"ended": id, "code": code}` with a negative code for a signal.
It ends, and its children with it, when standard input is closed.
"""

import json
import os
import selectors
import signal
import sys
from typing import Any

from benchmarks.chaos.child import BROKE, Orders, perform, warm_up


class _Zygote:
    def __init__(self) -> None:
        self._ids: dict[int, int] = {}
        self._pids: dict[int, int] = {}

    def serve(self) -> None:
        woken, waking = os.pipe()
        os.set_blocking(waking, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        selector = selectors.DefaultSelector()
        selector.register(0, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        pending = b""
        self._say({"ready": os.getpid()})
        while True:
            for key, _ in selector.select():
                if key.fd == woken:
                    os.read(woken, 4_096)
                    self._reap()
                    continue
                piece = os.read(0, 65_536)
                if not piece:
                    return self._end()
                *lines, pending = (pending + piece).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))

    def _obey(self, order: dict[str, Any]) -> None:
        if "start" in order:
            self._fork(order)
        elif (pid := self._pids.get(order["to"])) is not None:
            os.kill(pid, order["signal"])

    def _fork(self, order: dict[str, Any]) -> None:
        pid = os.fork()
        if pid:
            self._ids[pid] = order["start"]
            self._pids[order["start"]] = pid
            return
        code = BROKE
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            output = os.open(order["output"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.environ.update(order["environment"])
            code = perform(Orders(**order["orders"]))
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self._ids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._ids.pop(pid)
            del self._pids[child]
            self._say({"ended": child, "code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        for pid in self._ids:
            os.kill(pid, signal.SIGKILL)

    def _say(self, answer: dict[str, Any]) -> None:
        os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    warm_up()
    _Zygote().serve()
