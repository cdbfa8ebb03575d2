"""A line between two TUN devices that is as bad as it is told to be: works where the kernel has no netem.

Prints {"ready": true} once both devices are there; each line on standard input sets some of:
delay (seconds, one way), loss (share of packets), down (true: nothing gets through).
"""
import fcntl, heapq, json, os, random, select, struct, sys, time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def device(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


near, far = device(sys.argv[1]), device(sys.argv[2])
line = {"delay": 0.0, "loss": 0.0, "down": False}
random.seed(7)
waiting, count = [], 0
print(json.dumps({"ready": True}), flush=True)
while True:
    wait = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
    for fd in select.select([near, far, 0], [], [], wait)[0]:
        if fd == 0:
            text = sys.stdin.readline()
            if not text:
                sys.exit(0)
            line.update(json.loads(text))
            continue
        try:
            packet = os.read(fd, 65536)
        except OSError:
            continue
        if line["down"] or random.random() < line["loss"]:
            continue
        count += 1
        heapq.heappush(waiting, (time.monotonic() + line["delay"], count, far if fd == near else near, packet))
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, to, packet = heapq.heappop(waiting)
        try:
            os.write(to, packet)
        except OSError:
            pass
