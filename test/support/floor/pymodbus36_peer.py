"""Modbus/TCP by pymodbus 3.6."""

from peers import Talk
from pymodbus.client import ModbusTcpClient


def ask(port):
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
    client.connect()
    talk = Talk(lambda: client.read_holding_registers(3, 2, slave=1).registers)
    talk.attempt("write coil", lambda: client.write_coil(1, True, slave=1))
    talk.attempt("write coils", lambda: client.write_coils(1, [True, False], slave=1))
    talk.attempt("write register", lambda: client.write_register(3, 9, slave=1))
    talk.attempt("write registers", lambda: client.write_registers(3, [9, 9], slave=1))
    talk.attempt("mask write", lambda: client.mask_write_register(3, 0, 9, slave=1))
    talk.attempt(
        "read and write",
        lambda: client.readwrite_registers(read_address=3, read_count=1, write_address=3, values=[9], slave=1),
    )
    talk.attempt("restart", lambda: client.diag_restart_communication(True, slave=1))
    talk.attempt("clear counters", lambda: client.diag_clear_counters(slave=1))
    talk.told()
    client.close()
