"""DNP3 by dnp3py."""

import asyncio
import json

from dnp3.application import builder
from dnp3.database.database import Database
from dnp3.master.config import MasterConfig
from dnp3.master.handler import DefaultSOEHandler
from dnp3.master.master import Master
from dnp3.master.tcp_runner import MasterTcpRunner
from dnp3.outstation.config import OutstationConfig
from dnp3.outstation.outstation import Outstation
from dnp3.outstation.tcp_runner import OutstationTcpRunner
from peers import free_port, listening, until_left


async def device():
    port = free_port()
    database = Database()
    database.add_analog_input(0)
    database.add_binary_output(0)
    database.update_analog_input(0, 7.0)
    runner = OutstationTcpRunner(Outstation(config=OutstationConfig(address=10), database=database), host="127.0.0.1", port=port)
    running = asyncio.create_task(runner.run())
    while not runner.is_running:
        await asyncio.sleep(0.01)
    listening(port)
    await asyncio.to_thread(until_left)
    running.cancel()


def serve():
    asyncio.run(device())


async def talk(port):
    handler = DefaultSOEHandler()
    master = Master(config=MasterConfig(), handler=handler)
    reads, refused = [], {}
    async with MasterTcpRunner(master, host="127.0.0.1", port=port) as runner:

        async def read():
            await runner.integrity_poll()
            reads.append(handler.get_analog_input(0).value)

        async def attempt(name, request):
            try:
                *_, info = await runner.request(request(master.next_request_sequence()))
                refused[name] = repr(info.iin)
            except Exception as error:
                refused[name] = f"{type(error).__name__}: {error}"
            await read()

        await read()
        commands = master.command_builder()
        commands.latch_on(0)
        for name, build in (("direct operate", "build_direct_operate"), ("select", "build_select"), ("operate", "build_operate")):
            task = getattr(commands, build)()
            await attempt(name, lambda sequence, task=task: task.build_request(sequence))
        await attempt("cold restart", lambda sequence: builder.build_cold_restart_request(sequence))
        await attempt("warm restart", lambda sequence: builder.build_warm_restart_request(sequence))
        await attempt("write", lambda sequence: builder.build_write_request([], sequence))
    print(json.dumps({"reads": reads, "refused": refused}), flush=True)


def ask(port):
    asyncio.run(talk(port))
