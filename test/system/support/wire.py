"""Raw IP on one interface, for holding a real TUN to its contract: hex lines in are sent as the host would, packets the interface hands to the
host come out as hex lines. wire.py DEVICE"""
import socket
import sys
import threading

device = sys.argv[1]
# linux/if_ether.h: everything; linux/if_packet.h: what the host itself sends out is PACKET_OUTGOING (4).
capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
capture.bind((device, 0))
v4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)


def listen():
    while True:
        packet, address = capture.recvfrom(70000)
        if address[2] != 4:
            print(packet.hex(), flush=True)


threading.Thread(target=listen, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    packet = bytes.fromhex(line)
    if packet[0] >> 4 == 4:
        v4.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
    else:
        v6.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
