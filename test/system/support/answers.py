"""Whether anything answers for an address, told in words: answers.py ADDRESS. Needs the right to raw sockets."""
import socket
import struct
import sys

address = sys.argv[1]
six = ":" in address


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def echo():
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    with socket.socket(family, socket.SOCK_RAW, protocol) as asking:
        asking.settimeout(1)
        request, reply = (128, 129) if six else (8, 0)
        body = struct.pack("!HH", 0x6375, 1) + b"answers?"
        # The kernel fills in the checksum of ICMPv6.
        sum_ = 0 if six else checksum(struct.pack("!BBH", request, 0, 0) + body)
        asking.sendto(struct.pack("!BBH", request, 0, sum_) + body, (address, 0))
        try:
            while True:
                packet = asking.recv(1500)
                packet = packet if six else packet[(packet[0] & 15) * 4 :]
                if packet[0] == reply and packet[4:] == body:
                    return True
        except TimeoutError:
            return False


def closed_port():
    try:
        socket.create_connection((address, 9), timeout=1).close()
        return "accepted"
    except ConnectionRefusedError:
        return "reset"
    except TimeoutError:
        return None


print(" ".join(word for word in ("echo" if echo() else None, closed_port()) if word) or "nothing")
