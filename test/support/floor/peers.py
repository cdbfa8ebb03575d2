"""Devices and clients of the floor, each by a kept library: `peers.py PROTOCOL serve` or `peers.py PROTOCOL ask PORT`.

A device prints {"port": N} when it is about to listen, and ends with the process that started it. A client reads before, between and after what it must not do, and
prints what its user sees: {"reads": [...], "refused": {operation: text}}.
"""

import importlib
import json
import os
import socket
import sys
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    print(json.dumps({"port": port}), flush=True)


def until_left():
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.2)


class Talk:
    """Reads and refusals in the order in which they come; a read after each refusal."""

    def __init__(self, read):
        self.read = read
        self.reads = [read()]
        self.refused = {}

    def attempt(self, name, operation):
        try:
            self.refused[name] = f"{operation()}"
        except Exception as error:
            self.refused[name] = f"{type(error).__name__}: {error}"
        self.reads.append(self.read())

    def told(self, **more):
        print(json.dumps({"reads": self.reads, "refused": self.refused, **more}), flush=True)


if __name__ == "__main__":
    protocol, action = sys.argv[1:3]
    module = importlib.import_module(f"{protocol}_peer")
    if action == "serve":
        module.serve()
    else:
        module.ask(int(sys.argv[3]))
