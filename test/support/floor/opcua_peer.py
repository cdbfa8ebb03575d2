"""OPC UA by asyncua."""

import asyncio
import json
from urllib.parse import urlparse

from asyncua import Client, Server, ua
from asyncua.common.methods import uamethod
from peers import free_port, listening, until_left


async def device():
    port = free_port()
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    space = await server.register_namespace("plant")
    press = await server.nodes.objects.add_object(ua.NodeId("Press", space), "Press")
    speed = await press.add_variable(ua.NodeId("Speed", space), "Speed", 7)
    await speed.set_writable()
    await press.add_method(ua.NodeId("Stop", space), "Stop", uamethod(lambda parent: None), [], [])
    async with server:
        listening(port)
        await asyncio.to_thread(until_left)


def serve():
    asyncio.run(device())


class Changes:
    def __init__(self):
        self.values = []

    def datachange_notification(self, node, value, data):
        self.values.append(value)


async def talk(port):
    reads, refused = [], {}
    async with Client(f"opc.tcp://127.0.0.1:{port}") as client:
        speed = client.get_node("ns=2;s=Speed")
        press = client.get_node("ns=2;s=Press")
        changes = Changes()
        subscription = await client.create_subscription(50, changes)
        await subscription.subscribe_data_change(speed)
        reads.append(await speed.read_value())

        async def attempt(name, operation):
            try:
                refused[name] = str(await operation)
            except Exception as error:
                refused[name] = f"{type(error).__name__}: {error}"
            reads.append(await speed.read_value())

        await attempt("write", speed.write_value(9))
        await attempt("call", press.call_method(ua.NodeId("Stop", 2)))
        await attempt("add node", press.add_variable(ua.NodeId("More", 2), "More", 1))
        await attempt("delete node", client.delete_nodes([speed]))
        await attempt("history update", client.uaclient.history_update(ua.HistoryUpdateParameters()))
        await attempt("write attribute", speed.write_attribute(ua.AttributeIds.DisplayName, ua.DataValue(ua.LocalizedText("x"))))
        await attempt("register server", client.register_server(OtherServer(port)))
        later = await client.create_subscription(50, changes)
        await later.subscribe_data_change(speed)
        for _ in range(100):
            if len(changes.values) >= 2:
                break
            await asyncio.sleep(0.05)
        children = [str(child.nodeid) for child in await press.get_children()]
        print(json.dumps({"reads": reads, "refused": refused, "changes": changes.values, "children": children}), flush=True)


class OtherServer:
    """What `register_server` asks of a server: who it is and where."""

    product_uri = "urn:other"
    name = "other"
    application_type = ua.ApplicationType.Server

    def __init__(self, port):
        self.endpoint = urlparse(f"opc.tcp://127.0.0.1:{port}")

    def get_application_uri(self):
        return "urn:other"


def ask(port):
    asyncio.run(talk(port))
