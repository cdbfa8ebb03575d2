"""Modbus/TCP by pymodbus."""

import asyncio
import threading

from peers import Talk, free_port, listening, until_left
from pymodbus.client import ModbusTcpClient
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.server import StartAsyncTcpServer


def serve():
    port = free_port()
    blocks = {key: ModbusSequentialDataBlock(1, [7] * 100) for key in ("di", "co", "hr", "ir")}
    context = ModbusServerContext(devices=ModbusDeviceContext(**blocks), single=True)
    identity = ModbusDeviceIdentification(info_name={"VendorName": "Plant", "ProductCode": "Press", "MajorMinorRevision": "1.2"})
    run = lambda: asyncio.run(StartAsyncTcpServer(context=context, identity=identity, address=("127.0.0.1", port)))
    threading.Thread(target=run, daemon=True).start()
    listening(port)
    until_left()


def ask(port):
    client = ModbusTcpClient("127.0.0.1", port=port, timeout=10, retries=0)
    client.connect()
    talk = Talk(lambda: client.read_holding_registers(3, count=2).registers)
    talk.attempt("write coil", lambda: client.write_coil(1, True))
    talk.attempt("write coils", lambda: client.write_coils(1, [True, False]))
    talk.attempt("write register", lambda: client.write_register(3, 9))
    talk.attempt("write registers", lambda: client.write_registers(3, [9, 9]))
    talk.attempt("mask write", lambda: client.mask_write_register(address=3, and_mask=0, or_mask=9))
    talk.attempt("read and write", lambda: client.readwrite_registers(read_address=3, read_count=1, write_address=3, values=[9]))
    talk.attempt("restart", lambda: client.diag_restart_communication(True))
    talk.attempt("listen only", lambda: client.diag_force_listen_only())
    talk.attempt("clear counters", lambda: client.diag_clear_counters())
    talk.told()
    client.close()
