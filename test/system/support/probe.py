"""One connection as an application makes it, told as one JSON line: probe.py WHAT HOST PORT [ARGUMENT]."""
import errno
import hashlib
import json
import os
import socket
import struct
import sys
import time

what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
argument = sys.argv[4] if len(sys.argv) > 4 else ""
started = time.monotonic()


def tell(**fields):
    print(json.dumps({"ms": (time.monotonic() - started) * 1000, **fields}), flush=True)


def connect(timeout=10):
    return socket.create_connection((host, port), timeout=timeout)


try:
    if what == "connect":
        connect().close()
        tell(ok=True)
    elif what == "echo":
        with connect() as connection:
            connection.sendall(argument.encode())
            tell(ok=True, text=connection.recv(65536).decode())
    elif what == "interactive":
        with connect() as connection:
            slowest = 0.0
            for number in range(200):
                sent = time.monotonic()
                connection.sendall(b"k")
                connection.recv(1)
                slowest = max(slowest, (time.monotonic() - sent) * 1000)
            tell(ok=True, slowestMs=slowest)
    elif what == "latency":
        with connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            took = []
            for number in range(2000):
                sent = time.monotonic()
                connection.sendall(b"k")
                connection.recv(1)
                took.append((time.monotonic() - sent) * 1000)
            took.sort()
            tell(ok=True, text="%.3f / %.3f" % (took[1000], took[1980]))
    elif what == "half-close":
        with connect() as connection:
            for _ in range(int(argument)):
                connection.sendall(b"x" * 65536)
            connection.shutdown(socket.SHUT_WR)
            text = b""
            while data := connection.recv(4096):
                text += data
            tell(ok=True, text=text.decode())
    elif what == "reset":
        with connect() as connection:
            connection.sendall(b"x")
            connection.recv(1)
            tell(ok=True)
    elif what == "hold":
        with connect(60) as connection:
            connection.sendall(b"x")
            connection.recv(1)
            tell(ok=True, held=True)
            connection.recv(1)
            tell(ok=True, ended=True)
    elif what == "hold-udp":
        connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        connection.connect((host, port))
        connection.send(b"x")
        connection.recv(1)
        tell(ok=True, held=True)
        connection.recv(1)
    elif what == "bulk":
        import threading

        size = int(argument)
        data = os.urandom(1 << 20)
        sent, received = hashlib.sha256(), hashlib.sha256()
        with connect() as connection:

            def send():
                for _ in range(size):
                    sent.update(data)
                    connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=send)
            thread.start()
            while chunk := connection.recv(1 << 18):
                received.update(chunk)
            thread.join()
        tell(ok=sent.hexdigest() == received.hexdigest())
    elif what == "many":
        count = int(argument)
        connections = []
        for _ in range(count):
            connection = socket.socket(socket.AF_INET)
            connection.setblocking(False)
            connection.connect_ex((host, port))
            connections.append(connection)
        good = 0
        for number, connection in enumerate(connections):
            connection.settimeout(20)
            while connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EINPROGRESS:
                time.sleep(0.001)
            text = b"flow %d" % number
            deadline = time.monotonic() + 20
            while True:
                try:
                    connection.sendall(text)
                    break
                except OSError as error:
                    if error.errno not in (errno.ENOTCONN, errno.EAGAIN) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.001)
        for number, connection in enumerate(connections):
            good += connection.recv(100) == b"flow %d" % number
        tell(ok=good == count, good=good)
        for connection in connections:
            connection.close()
    elif what == "rate":
        count = int(argument)
        for _ in range(count):
            with connect() as connection:
                connection.sendall(b"x")
                connection.recv(1)
        tell(ok=True, perSecond=count / (time.monotonic() - started))
    elif what == "udp":
        connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        connection.settimeout(5)
        connection.connect((host, port))
        for number in range(5):
            connection.send(b"datagram %d" % number)
        got = [connection.recv(65536).decode() for _ in range(5)]
        connection.send(b"z" * 60000)
        tell(ok=got == ["datagram %d" % number for number in range(5)] and len(connection.recv(65536)) == 60000)
    elif what == "ping":
        six = ":" in host
        protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
        connection = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, protocol)
        connection.settimeout(3)
        # Without IP_RECVERR (linux/in.h) or IPV6_RECVERR a raw socket is not told of ICMP errors.
        connection.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 25 if six else 11, 1)
        connection.connect((host, 0))
        message = struct.pack("!BBHHH", 128 if six else 8, 0, 0, os.getpid() & 0xFFFF, 1) + b"ping"
        if not six:
            total = sum(struct.unpack("!6H", message))
            total = (total & 0xFFFF) + (total >> 16)
            message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
        connection.send(message)
        while True:
            reply = connection.recv(4096)
            body = reply if six else reply[(reply[0] & 15) * 4 :]
            if body[0] == (129 if six else 0) and body[4:] == message[4:]:
                tell(ok=True)
                break
except OSError as error:
    tell(ok=False, error=errno.errorcode.get(error.errno or 0, type(error).__name__))
