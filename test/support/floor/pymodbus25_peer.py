"""Modbus/TCP by pymodbus as it was up to version 2.5."""

from peers import Talk
from pymodbus import diag_message
from pymodbus.client.sync import ModbusTcpClient


def ask(port):
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=10)
    client.connect()
    talk = Talk(lambda: client.read_holding_registers(3, 2, unit=1).registers)
    talk.attempt("write coil", lambda: client.write_coil(1, True, unit=1))
    talk.attempt("write coils", lambda: client.write_coils(1, [True, False], unit=1))
    talk.attempt("write register", lambda: client.write_register(3, 9, unit=1))
    talk.attempt("write registers", lambda: client.write_registers(3, [9, 9], unit=1))
    talk.attempt("mask write", lambda: client.mask_write_register(3, 0, 9, unit=1))
    talk.attempt(
        "read and write",
        lambda: client.readwrite_registers(read_address=3, read_count=1, write_address=3, write_registers=[9], unit=1),
    )
    talk.attempt("restart", lambda: client.execute(diag_message.RestartCommunicationsOptionRequest(toggle=True, unit=1)))
    talk.attempt("clear counters", lambda: client.execute(diag_message.ClearCountersRequest(unit=1)))
    talk.told()
    client.close()
