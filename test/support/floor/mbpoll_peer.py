"""Modbus/TCP by mbpoll, a program that asks once and ends; it counts registers from 1."""

import re
import subprocess

from peers import Talk


def ask(port):
    def poll(*arguments):
        command = ["mbpoll", "-m", "tcp", "-p", f"{port}", "-a", "1", "-o", "10", "-1", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        return ran.stdout + ran.stderr

    def write(*arguments):
        return next((line for line in poll(*arguments).splitlines() if "failed" in line or "Written" in line), "")

    talk = Talk(lambda: [int(value) for value in re.findall(r"^\[\d+\]:\s+(\d+)", poll("-t", "4", "-r", "4", "-c", "2", "127.0.0.1"), re.M)])
    talk.attempt("write coil", lambda: write("-t", "0", "-r", "2", "127.0.0.1", "1"))
    talk.attempt("write coils", lambda: write("-t", "0", "-r", "2", "127.0.0.1", "1", "0"))
    talk.attempt("write register", lambda: write("-t", "4", "-r", "4", "127.0.0.1", "9"))
    talk.attempt("write registers", lambda: write("-t", "4", "-r", "4", "127.0.0.1", "9", "9"))
    talk.told()
