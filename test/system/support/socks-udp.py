"""One datagram through a SOCKS5 proxy (RFC 1928 section 7), sent again each second until it comes back; what came is printed.

Arguments: the proxy's port, name, port, text, seconds to try.
"""
import socket, struct, sys, time

proxy, name, port, text, seconds = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3]), sys.argv[4].encode(), float(sys.argv[5])
control = socket.create_connection(("127.0.0.1", proxy), timeout=seconds)
control.sendall(b"\5\1\0")
assert control.recv(2) == b"\5\0"
control.sendall(b"\5\3\0\1\0\0\0\0\0\0")
answer = control.recv(10)
assert answer[1] == 0, answer
relay = ("127.0.0.1", struct.unpack(">H", answer[8:10])[0])
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.settimeout(1)
head = b"\0\0\0\3" + bytes([len(name)]) + name + struct.pack(">H", port)
ends = time.monotonic() + seconds
while time.monotonic() < ends:
    here.sendto(head + text, relay)
    try:
        data = here.recv(65535)
    except socket.timeout:
        continue
    print(data[-len(text) :].decode())
    sys.exit(0)
sys.exit(1)
