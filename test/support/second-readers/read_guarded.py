"""Reads what a guard sent on, as Python's own library does: one line a message, `method path rpc-method name model digest`."""
import hashlib
import http.server
import io
import json
import sys


class Number(str):
    """Digits as they came."""


def canonical(value):
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
        return '"' + "".join(chr(c) if 0x20 <= c < 0x7F and c not in (0x22, 0x5C) else "\\u%04x" % c for c in codes) + '"'
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-8", "surrogatepass"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    return {True: "true", False: "false", None: "null"}[value]


def tell(method, path, text):
    body = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)
    params = body.get("params", {})
    told = params.get("arguments", {}) if "method" in body else body
    digest = hashlib.sha256(canonical(told).encode("ascii")).hexdigest()
    print(method, path, body.get("method", "-"), params.get("name", "-"), body.get("model", "-"), digest, sep="\t")


class Request(http.server.BaseHTTPRequestHandler):
    def __init__(self, stream):
        self.rfile = stream
        self.wfile = io.BytesIO()
        self.close_connection = False
        self.requestline = ""
        self.request_version = ""
        self.command = ""
        self.client_address = ("127.0.0.1", 0)

    def log_message(self, *_):
        pass


how, file = sys.argv[1:]
if how == "lines":
    # The reader that takes every kind of line end.
    with open(file, newline=None, encoding="utf-8") as lines:
        for whole in lines:
            for line in whole.splitlines():
                tell("-", "-", line)
else:
    with open(file, "rb") as stream:
        while True:
            request = Request(stream)
            request.raw_requestline = stream.readline(65537)
            if not request.raw_requestline:
                break
            if not request.parse_request():
                raise SystemExit("a request that Python refuses")
            tell(request.command, request.path, stream.read(int(request.headers["Content-Length"])).decode("utf-8"))
