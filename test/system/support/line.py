"""A line between two TUN devices that is as bad as it is told to be: works where the kernel has no netem.

Prints {"ready": true} once both devices are there; each line on standard input is answered with {"set": true} once it holds, and sets some of:
delay (seconds, one way), loss (share of packets), down (true: nothing gets through), forget (seconds; a NAT that drops what belongs to a flow quiet for longer, until a new SYN), portal ([port, other]: who
connects from near to the first port is answered by the second).
"""
import fcntl, heapq, json, os, random, select, struct, sys, time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
TCP, UDP = 6, 17
SYN_ONLY = 0x02


def device(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def transport(packet):
    """Offset and protocol of the TCP or UDP header; None where there is none. No extension headers: nobody here sends any."""
    at, protocol = ((packet[0] & 15) * 4, packet[9]) if packet[0] >> 4 == 4 else (40, packet[6])
    return (at, protocol) if protocol in (TCP, UDP) else None


def forgotten(packet, from_near):
    """As a NAT does: a flow is known from its first packet from near, and forgotten when it was quiet for too long."""
    found = transport(packet)
    if found is None:
        return False
    at, protocol = found
    here, there = packet[at : at + 2], packet[at + 2 : at + 4]
    key = (protocol, here, there) if from_near else (protocol, there, here)
    now = time.monotonic()
    begins = from_near and (protocol == UDP or packet[at + 13] & 0x17 == SYN_ONLY)
    if not begins and now - flows.get(key, -1e9) > line["forget"]:
        return True
    flows[key] = now
    return False


def ported(packet, at, wanted, put):
    """The packet with the TCP port at `at` replaced, its checksum brought along (RFC 1624)."""
    changed = bytearray(packet)
    head = at - at % 4
    (before,) = struct.unpack_from(">H", changed, at)
    if before != wanted:
        return packet
    (check,) = struct.unpack_from(">H", changed, head + 16)
    total = (~check & 0xFFFF) + (~before & 0xFFFF) + put
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into(">H", changed, at, put)
    struct.pack_into(">H", changed, head + 16, ~total & 0xFFFF)
    return bytes(changed)


def through_portal(packet, from_near):
    found = transport(packet)
    if found is None or found[1] != TCP:
        return packet
    port, other = line["portal"]
    return ported(packet, found[0] + 2, port, other) if from_near else ported(packet, found[0], other, port)


near, far = device(sys.argv[1]), device(sys.argv[2])
line = {"delay": 0.0, "loss": 0.0, "down": False, "forget": 0, "portal": None}
random.seed(7)
waiting, count, flows, said = [], 0, {}, b""
print(json.dumps({"ready": True}), flush=True)
while True:
    wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
    for fd in select.select([near, far, 0], [], [], wait)[0]:
        if fd == 0:
            # Not by sys.stdin: what it reads ahead `select` does not see.
            text = os.read(0, 65536)
            if not text:
                sys.exit(0)
            *lines, said = (said + text).split(b"\n")
            for wanted in lines:
                line.update(json.loads(wanted))
                print(json.dumps({"set": True}), flush=True)
            continue
        try:
            packet = os.read(fd, 65536)
        except OSError:
            continue
        if line["down"] or random.random() < line["loss"]:
            continue
        if line["forget"] and forgotten(packet, fd == near):
            continue
        if line["portal"]:
            packet = through_portal(packet, fd == near)
        count += 1
        heapq.heappush(waiting, (time.monotonic() + line["delay"], count, far if fd == near else near, packet))
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, to, packet = heapq.heappop(waiting)
        try:
            os.write(to, packet)
        except OSError:
            pass
