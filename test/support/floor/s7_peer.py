"""S7comm by python-snap7."""

from datetime import datetime

from peers import Talk, free_port, listening, until_left
from snap7.client import Client
from snap7.server import Server
from snap7.type import Area, Block, SrvArea


def serve():
    port = free_port()
    server = Server(log=False)
    server.register_area(SrvArea.DB, 1, bytearray([7] * 64))
    server.start(tcp_port=port)
    listening(port)
    until_left()


def ask(port):
    client = Client()
    client.connect("127.0.0.1", 0, 1, port)
    talk = Talk(lambda: list(client.db_read(1, 0, 4)))
    block = bytearray.fromhex("70700101010a000100000078000000000000000000000000000000000000000000000000") + bytearray(84)
    talk.attempt("write", lambda: client.db_write(1, 0, bytearray([9])))
    talk.attempt("write area", lambda: client.write_area(Area.DB, 1, 2, bytearray([9, 9])))
    talk.attempt("stop", client.plc_stop)
    talk.attempt("hot start", client.plc_hot_start)
    talk.attempt("cold start", client.plc_cold_start)
    talk.attempt("set clock", lambda: client.set_plc_datetime(datetime(2026, 1, 1)))
    talk.attempt("compress", lambda: client.compress(1000))
    talk.attempt("copy to ROM", lambda: client.copy_ram_to_rom(1000))
    talk.attempt("delete block", lambda: client.delete(Block.DB, 1))
    talk.attempt("download", lambda: client.download(block, 1))
    talk.attempt("upload", lambda: client.upload(1))
    talk.attempt("force", lambda: client.force_bit(Area.PA, 0, 0, True))
    talk.attempt("password", lambda: client.set_session_password("12345678"))
    talk.told(state=client.get_cpu_state(), clock=str(client.get_plc_datetime())[:2])
    client.disconnect()
