"""EtherNet/IP by cpppo (device and client) and pycomm3 (client)."""

import threading

from cpppo.server.enip import client as cpppo_client
from cpppo.server.enip.main import main
from peers import Talk, free_port, listening, until_left
from pycomm3 import CIPDriver, Services


def serve():
    port = free_port()
    arguments = ["--address", f"127.0.0.1:{port}", "--no-udp", "COUNTS=DINT[8]"]
    threading.Thread(target=lambda: main(arguments), daemon=True).start()
    listening(port)
    until_left()


def ask(port):
    with cpppo_client.connector(host="127.0.0.1", port=port, timeout=10) as connection:
        tags = lambda *names: [
            value for *_, value in connection.pipeline(operations=cpppo_client.parse_operations(names), depth=1)
        ]
        talk = Talk(lambda: tags("COUNTS[0-1]")[0])
        talk.attempt("write tag", lambda: tags("COUNTS[0-1]=(DINT)9,9"))
        talk.attempt("set attribute", lambda: tags("@1/1/7=(SINT)1,2"))
        talk.attempt("read beside a write", lambda: connection_multiple(connection))
        reads, refused = talk.reads, talk.refused
    driver = CIPDriver(f"127.0.0.1:{port}")
    driver.open()

    def identity():
        told = driver.generic_message(service=Services.get_attributes_all, class_code=1, instance=1, connected=False)
        return [told.error, len(told.value)]

    talk = Talk(identity)
    message = lambda service, code: lambda: driver.generic_message(
        service=service, class_code=code, instance=1, connected=False
    ).error
    talk.attempt("reset", message(Services.reset, 1))
    talk.attempt("stop", message(0x07, 0x8E))
    talk.attempt("create", message(0x08, 0x37))
    talk.attempt("download a file", message(0x4C, 0x37))
    talk.refused.update(refused)
    talk.told(tags=reads)
    driver.close()


def connection_multiple(connection):
    names = ["COUNTS[0]", "COUNTS[1]=(DINT)9"]
    operations = cpppo_client.parse_operations(names)
    return [value for *_, value in connection.pipeline(operations=operations, depth=1, multiple=250)]
