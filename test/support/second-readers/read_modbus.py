"""Reads what a Modbus guard sent on, as a device by libmodbus does: one line a request, with what it did to the device's tables or took from them.

`read_modbus.py LIBRARY FILE`; the file holds sessions, each behind its length in four bytes. What a request asks is never parsed here: reads tell by the values that
come back, out of tables that hold their own addresses; writes tell by what is different afterwards.
"""
import array
import ctypes
import socket
import sys

SIZE = 0x10000
HEADER = 7
EXCEPTION = 0x80
libc = ctypes.CDLL(None)
Bits = ctypes.c_uint8 * SIZE
Words = ctypes.c_uint16 * SIZE


class Mapping(ctypes.Structure):
    """modbus_mapping_t of modbus.h, libmodbus 3.1."""

    _fields_ = [
        *((name, ctypes.c_int) for table in ("bits", "input_bits", "input_registers", "registers") for name in (f"nb_{table}", f"start_{table}")),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    ]


class Tables:
    """A device whose tables hold what is given, and are put back to it."""

    def __init__(self, coils, discrete, inputs, holding):
        self.kept = {"coils": bytes(coils), "holding": bytes(holding)}
        self.coils, self.discrete, self.inputs, self.holding = coils, discrete, inputs, holding
        self.mapping = Mapping(
            SIZE, 0, SIZE, 0, SIZE, 0, SIZE, 0,
            *(ctypes.cast(table, ctypes.POINTER(kind)) for table, kind in (
                (coils, ctypes.c_uint8), (discrete, ctypes.c_uint8), (inputs, ctypes.c_uint16), (holding, ctypes.c_uint16))),
        )

    def changed(self, name):
        """Addresses whose value is another one, and all values as they are now; the table is as before then."""
        table, kept = getattr(self, name), self.kept[name]
        if libc.memcmp(table, kept, len(kept)) == 0:
            return set(), table
        now = bytes(table)
        width = len(kept) // SIZE
        step = 512 * width
        found = set()
        for block in range(0, len(kept), step):
            if now[block : block + step] == kept[block : block + step]:
                continue
            for at in range(block, block + step, width):
                if now[at : at + width] != kept[at : at + width]:
                    found.add(at // width)
        values = type(table).from_buffer_copy(now)
        ctypes.memmove(table, kept, len(kept))
        return found, values


def plane(bit, flip):
    """Registers that hold their address or its complement, and bits that hold one bit of it."""
    bits = bytes(((at >> bit) & 1) ^ flip for at in range(SIZE))
    words = array.array("H", range(0xFFFF, -1, -1) if flip else range(SIZE)).tobytes()
    return Tables(Bits.from_buffer_copy(bits), Bits.from_buffer_copy(bits), Words.from_buffer_copy(words), Words.from_buffer_copy(words))


class Device:
    def __init__(self, library):
        self.lib = ctypes.CDLL(library, use_errno=True)
        self.lib.modbus_new_tcp.restype = ctypes.c_void_p
        self.lib.modbus_new_tcp.argtypes = [ctypes.c_char_p, ctypes.c_int]
        self.context = ctypes.c_void_p(self.lib.modbus_new_tcp(b"127.0.0.1", 1502))
        # It waits that long before it throws away what stands behind a request it does not know.
        self.lib.modbus_set_response_timeout(self.context, ctypes.c_uint32(0), ctypes.c_uint32(1))
        self.planes = [plane(bit, 0) for bit in range(16)]
        self.flipped = plane(0, 1)
        self.request = (ctypes.c_uint8 * 260)()

    def session(self, number, sent):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.lib.modbus_set_socket(self.context, theirs.fileno())
            ours.sendall(sent)
            ours.shutdown(socket.SHUT_WR)
            while True:
                length = self.lib.modbus_receive(self.context, self.request)
                if length <= 0:
                    return
                request = bytes(self.request[:length])
                print(number, request[HEADER - 1], request[HEADER], *self.meaning(ours, request), sep="\t")

    def reply(self, ours, length, tables):
        answered = self.lib.modbus_reply(self.context, self.request, length, ctypes.byref(tables.mapping))
        return ours.recv(answered) if answered > 0 else b""

    def meaning(self, ours, request):
        code, length = request[HEADER], len(request)
        first = self.reply(ours, length, self.planes[0])
        if len(first) > HEADER and first[HEADER] & EXCEPTION:
            return [f"exception {first[HEADER + 1]}"]
        coils, values = self.planes[0].changed("coils")
        holding, words = self.planes[0].changed("holding")
        if code in (1, 2):
            return [self.bits_read(ours, length, first, {1: "coils", 2: "discrete"}[code])]
        if code in (3, 4):
            return [words_read(first, {3: "holding", 4: "input"}[code])]
        if code in (7, 17):
            return []
        second = self.reply(ours, length, self.flipped)
        more, _ = self.flipped.changed("coils")
        others, flipped = self.flipped.changed("holding")
        coils, holding = sorted(coils | more), sorted(holding | others)
        told = [*written("coils", coils, values)]
        if code == 22:
            # A bit that follows what was there is kept by the mask; the others are as the request has them.
            if not holding:
                return [*told, "write nothing"]
            [at] = holding
            kept = words[at] ^ flipped[at]
            return [*told, f"write holding {at} {kept}/{words[at] & ~kept & 0xFFFF}"]
        if code == 23:
            told.insert(0, words_read(first, "holding", second, set(holding)))
        return [*told, *written("holding", holding, words)]

    def bits_read(self, ours, length, first, table):
        def bits(answer):
            return int.from_bytes(answer[HEADER + 2 :], "little")

        answers = [bits(first), *(bits(self.reply(ours, length, tables)) for tables in self.planes[1:])]
        # What fills the last byte is the same whatever the table holds.
        count = bin(bits(self.reply(ours, length, self.flipped)) ^ answers[0]).count("1")
        at = sum((answer & 1) << bit for bit, answer in enumerate(answers))
        last = sum(((answer >> (count - 1)) & 1) << bit for bit, answer in enumerate(answers))
        return f"read {table} {at}-{last}" if last - at == count - 1 else f"read {table} {at}-{last} in {count}"


def words_read(answer, table, flipped=None, written_over=frozenset()):
    """From the addresses that came back; with what was just written over them, from those that were not."""
    count = answer[HEADER + 1] // 2
    words = [int.from_bytes(answer[at : at + 2], "big") for at in range(HEADER + 2, HEADER + 2 + 2 * count, 2)]
    if flipped is not None:
        others = [int.from_bytes(flipped[at : at + 2], "big") for at in range(HEADER + 2, HEADER + 2 + 2 * count, 2)]
        starts = {word - index for index, (word, other) in enumerate(zip(words, others)) if word ^ other == 0xFFFF and word not in written_over}
    else:
        starts = {word - index for index, word in enumerate(words)}
    if len(starts) > 1:
        return f"read {table} at {sorted(starts)}"
    start = starts.pop() if starts else None
    return f"read {table} {start}-{start + count - 1}" if start is not None else f"read {table} {count} that were written"


def written(table, places, values):
    if not places:
        return []
    span = f"{places[0]}-{places[-1]}" if places[-1] - places[0] == len(places) - 1 else f"{places}"
    return [f"write {table} {span} {','.join(str(values[at]) for at in places)}"]


device = Device(sys.argv[1])
with open(sys.argv[2], "rb") as sessions:
    number = 0
    while head := sessions.read(4):
        device.session(number, sessions.read(int.from_bytes(head, "big")))
        number += 1
