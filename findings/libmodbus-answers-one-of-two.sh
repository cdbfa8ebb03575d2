#!/usr/bin/env bash
# What: a server by libmodbus that is asked two things at once over TCP, first one it does not offer (loop-back, 8/0, which the Modbus specification
#       has), then a plain read, refuses the first with exception 1 and never answers the second: what stands behind the refused request in its
#       socket is thrown away. Asked for the read first, or a moment later, it answers both.
# Seen: libmodbus 3.1.6 (Debian 12, libmodbus5 3.1.6-2.1+deb12u1), 2026-11-30.
# Why it surprises: Modbus/TCP has transaction numbers so that requests may follow each other unanswered, and a length in each header, so that a
#       server knows where the next begins whatever it makes of this one. A serial line has to be flushed after nonsense; a stream loses requests by it,
#       and their client waits.
# Does: downloads the pinned package into a temporary folder, unpacks it there, and runs its server on loopback by Python's ctypes. Fails where that
#       changes. Needs apt, dpkg-deb and python3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq -o APT::Sandbox::User=root libmodbus5=3.1.6-2.1+deb12u1
dpkg-deb -x libmodbus5_*.deb .

cat >pipelined.py <<'PY'
import ctypes, glob, json, socket, struct, threading, time

lib = ctypes.CDLL(glob.glob("usr/lib/*/libmodbus.so.5")[0])
lib.modbus_new_tcp.restype = lib.modbus_mapping_new.restype = ctypes.c_void_p
lib.modbus_mapping_new.argtypes = [ctypes.c_int] * 4
lib.modbus_reply.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
context = ctypes.c_void_p(lib.modbus_new_tcp(b"127.0.0.1", 0))
tables = lib.modbus_mapping_new(16, 16, 16, 16)


def serve(connection):
    lib.modbus_set_socket(context, connection.fileno())
    query = ctypes.create_string_buffer(260)
    while (length := lib.modbus_receive(context, query)) > 0:
        lib.modbus_reply(context, query, length, tables)


def frame(transaction, *pdu):
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, 1) + bytes(pdu)


def ask(*steps):
    """Transactions answered within three seconds of the last request, with their function byte."""
    listener = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(listener.getsockname())
    theirs, _ = listener.accept()
    server = threading.Thread(target=serve, args=(theirs,))
    server.start()
    for sent in steps:
        ours.sendall(sent)
        time.sleep(1)
    ours.settimeout(3)
    answers = {}
    try:
        while header := ours.recv(7, socket.MSG_WAITALL):
            transaction, _, length, _ = struct.unpack(">HHHB", header)
            answers[transaction] = ours.recv(length - 1, socket.MSG_WAITALL)[0]
            if len(answers) == 2:
                break
    except TimeoutError:
        pass
    ours.close()
    server.join(5)
    return answers


loop_back = frame(1, 8, 0, 0, 0x12, 0x34)
read = frame(2, 3, 0, 0, 0, 1)
print(json.dumps({
    "apart": ask(loop_back, read),
    "read first": ask(read + loop_back),
    "loop-back first": ask(loop_back + read),
}))
PY

seen=$(python3 pipelined.py)
echo "$seen"
expected='{"apart": {"1": 136, "2": 3}, "read first": {"2": 3, "1": 136}, "loop-back first": {"1": 136}}'
[ "$seen" = "$expected" ] || { echo "changed; expected $expected" >&2; exit 1; }
