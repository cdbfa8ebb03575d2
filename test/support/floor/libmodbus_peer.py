"""Modbus/TCP by libmodbus, through its own C interface; its path is in LIBMODBUS."""

import ctypes
import os

from peers import Talk


def ask(port):
    lib = ctypes.CDLL(os.environ["LIBMODBUS"], use_errno=True)
    lib.modbus_new_tcp.restype = ctypes.c_void_p
    lib.modbus_strerror.restype = ctypes.c_char_p
    client = ctypes.c_void_p(lib.modbus_new_tcp(b"127.0.0.1", port))
    lib.modbus_set_slave(client, 1)
    lib.modbus_set_response_timeout(client, ctypes.c_uint32(10), ctypes.c_uint32(0))
    if lib.modbus_connect(client) != 0:
        raise SystemExit("no connection")
    words = (ctypes.c_uint16 * 2)(9, 9)
    bits = (ctypes.c_uint8 * 2)(1, 0)

    def read():
        got = (ctypes.c_uint16 * 2)()
        return list(got) if lib.modbus_read_registers(client, 3, 2, got) == 2 else None

    def told(returned):
        return f"{returned}: {lib.modbus_strerror(ctypes.get_errno()).decode()}"

    talk = Talk(read)
    talk.attempt("write coil", lambda: told(lib.modbus_write_bit(client, 1, 1)))
    talk.attempt("write coils", lambda: told(lib.modbus_write_bits(client, 1, 2, bits)))
    talk.attempt("write register", lambda: told(lib.modbus_write_register(client, 3, 9)))
    talk.attempt("write registers", lambda: told(lib.modbus_write_registers(client, 3, 2, words)))
    talk.attempt("mask write", lambda: told(lib.modbus_mask_write_register(client, 3, 0, 9)))
    talk.attempt("read and write", lambda: told(lib.modbus_write_and_read_registers(client, 3, 1, words, 3, 1, (ctypes.c_uint16 * 2)())))
    talk.told()
    lib.modbus_close(client)
