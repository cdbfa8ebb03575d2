"""Plain servers for system tests: TCP and UDP echo, and a service that half-closes or resets. No dependency, one thread a connection."""
import socket
import struct
import sys
import threading


def tcp(port, serve):
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def echo(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def reply_after_end(connection):
    """Answers only once the other side has ended its half."""
    with connection:
        total = 0
        while data := connection.recv(65536):
            total += len(data)
        connection.sendall(b"got %d" % total)


def reset(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def udp_echo(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", port))
    while True:
        data, address = server.recvfrom(65536)
        server.sendto(data, address)


for target in (
    lambda: tcp(7001, echo),
    lambda: tcp(7002, reply_after_end),
    lambda: tcp(7003, reset),
    lambda: udp_echo(7004),
):
    threading.Thread(target=target, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
