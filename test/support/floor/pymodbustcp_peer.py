"""Modbus/TCP by pyModbusTCP."""

from peers import Talk
from pyModbusTCP.client import ModbusClient


def ask(port):
    client = ModbusClient("127.0.0.1", port=port, unit_id=1, timeout=10, auto_open=True)
    talk = Talk(lambda: client.read_holding_registers(3, 2))

    def attempt(name, operation):
        talk.attempt(name, lambda: f"{operation()}: {client.last_except_as_txt}")

    attempt("write coil", lambda: client.write_single_coil(1, True))
    attempt("write coils", lambda: client.write_multiple_coils(1, [True, False]))
    attempt("write register", lambda: client.write_single_register(3, 9))
    attempt("write registers", lambda: client.write_multiple_registers(3, [9, 9]))
    attempt("read and write", lambda: client.write_read_multiple_registers(3, [9], 3, 1))
    # Restart communications, which the library has no word for.
    attempt("restart", lambda: client.custom_request(b"\x08\x00\x01\x00\x00"))
    talk.told()
    client.close()
