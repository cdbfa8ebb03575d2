"""A server of fastmcp for the matrix. Argument: its service's name."""

import asyncio
import json
import socket
import sys
from dataclasses import dataclass

from fastmcp import Context, FastMCP

SERVICE = sys.argv[1]
server = FastMCP(SERVICE, list_page_size=2)


def say(what):
    print(json.dumps(what), flush=True)


@dataclass
class Asked:
    name: str


@server.tool
def search(text: str = "") -> str:
    say({"ran": "search"})
    return f"search:{len(text)}"


@server.tool
async def count(to: int, ctx: Context) -> str:
    say({"ran": "count"})
    for done in range(1, to + 1):
        await ctx.report_progress(done, to)
        await asyncio.sleep(0.2)
    return str(to)


@server.tool
async def slow(ctx: Context) -> str:
    say({"ran": "slow"})
    await ctx.report_progress(1, 2)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        say({"cancelled": "slow"})
        raise
    return "late"


@server.tool
async def ask(ctx: Context) -> str:
    say({"ran": "ask"})
    answer = await ctx.elicit("who?", response_type=Asked)
    return f"{answer.action} {answer.data.name}"


@server.tool
def touch() -> str:
    say({"ran": "touch"})
    return "touched"


# As text alone: said again as structured content it would be twice as large.
@server.tool(output_schema=None)
def big(bytes: int) -> str:
    say({"ran": "big"})
    return "x" * bytes


@server.tool
def delete_all() -> str:
    say({"ran": "delete_all"})
    return "deleted"


@server.prompt
def greet() -> str:
    return "hello"


@server.prompt
def secret_plan() -> str:
    return "no"


@server.resource(f"doc://{SERVICE}/public")
def public() -> str:
    return "public"


@server.resource(f"doc://{SERVICE}/private")
def private() -> str:
    return "private"


listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(128)
say({"port": listening.getsockname()[1]})
asyncio.run(
    server.run_http_async(
        show_banner=False,
        log_level="error",
        path="/mcp",
        host_origin_protection=False,
        sockets=[listening],
    )
)
