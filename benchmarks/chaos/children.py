"""Starting, signalling and awaiting child processes through the zygote."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.chaos.child import Orders


class Child:
    """One forked process; `wait` gives its exit code, negative for a signal."""

    def __init__(self, family: "Family", number: int) -> None:
        self._family = family
        self._number = number
        self.ended: Future[int] = Future()

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None when it has not ended in time."""
        try:
            return self.ended.result(seconds)
        except TimeoutError:
            return None

    def send(self, number: signal.Signals) -> None:
        """Signal the process; one that has ended is left alone."""
        self._family.say({"signal": int(number), "to": self._number})


class Family:
    """A zygote and its children, for the length of a `with` block; safe from any thread.

    Args:
        environment: variables that modules read when they are imported.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._numbers = count()
        self._children: dict[int, Child] = {}

    def __enter__(self) -> "Family":
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.chaos.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **self._environment},
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the zygote ended before it was ready")
        threading.Thread(target=self._listen, name="chaos-zygote", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def start(self, orders: Orders, environment: dict[str, str], output: Path) -> Child:
        """Fork a child whose standard output and error go to a file."""
        with self._lock:
            number = next(self._numbers)
            child = self._children[number] = Child(self, number)
        self.say(
            {
                "start": number,
                "orders": asdict(orders),
                "environment": environment,
                "output": str(output),
            }
        )
        return child

    def say(self, order: dict[str, Any]) -> None:
        """One order to the zygote."""
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._lock:
                child = self._children.pop(answer["ended"])
            child.ended.set_result(answer["code"])
