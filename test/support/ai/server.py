"""A server of the official Python SDK for the matrix. Argument: its service's name."""

import json
import socket
import sys

import anyio
import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.server.transport_security import TransportSecuritySettings

SERVICE = sys.argv[1]
PUBLIC = f"doc://{SERVICE}/public"
ASKED = {"type": "object", "properties": {"name": {"type": "string"}}}
TOOLS = [
    ("search", {"type": "object", "properties": {"text": {"type": "string"}}}),
    ("count", {"type": "object", "properties": {"to": {"type": "integer"}}}),
    ("slow", {"type": "object"}),
    ("ask", {"type": "object"}),
    ("touch", {"type": "object"}),
    ("big", {"type": "object", "properties": {"bytes": {"type": "integer"}}}),
    ("delete_all", {"type": "object"}),
]
bus = InMemorySubscriptionBus()
subscribed = {}


def say(what):
    print(json.dumps(what), flush=True)


def page(items, params):
    start = int(params.cursor) if params is not None and params.cursor else 0
    rest = start + 2
    return {"items": items[start:rest], "next": str(rest) if rest < len(items) else None}


def text(said):
    return types.CallToolResult(content=[types.TextContent(type="text", text=str(said))])


async def list_tools(ctx, params):
    found = page([types.Tool(name=name, description=name, input_schema=schema) for name, schema in TOOLS], params)
    return types.ListToolsResult(tools=found["items"], next_cursor=found["next"])


async def list_prompts(ctx, params):
    found = page([types.Prompt(name=name) for name in ("greet", "secret_plan")], params)
    return types.ListPromptsResult(prompts=found["items"], next_cursor=found["next"])


async def list_resources(ctx, params):
    all_of = [types.Resource(name=part, uri=f"doc://{SERVICE}/{part}") for part in ("public", "private")]
    found = page(all_of, params)
    return types.ListResourcesResult(resources=found["items"], next_cursor=found["next"])


async def subscribe(ctx, params):
    subscribed[id(ctx.session)] = (ctx.session, str(params.uri))
    return types.EmptyResult()


async def unsubscribe(ctx, params):
    subscribed.clear()
    return types.EmptyResult()


async def call_tool(ctx, params):
    name, args = params.name, params.arguments or {}
    say({"ran": name})
    if name == "search":
        return text(f"search:{len(args.get('text', ''))}")
    if name == "count":
        for done in range(1, args["to"] + 1):
            await ctx.session.report_progress(done, args["to"])
            await anyio.sleep(0.2)
        return text(args["to"])
    if name == "slow":
        await ctx.session.report_progress(1, 2)
        try:
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            say({"cancelled": name})
            raise
        return text("late")
    if name == "ask":
        return await ask(ctx, params)
    if name == "touch":
        await bus.publish(ResourceUpdated(uri=PUBLIC))
        for session, uri in list(subscribed.values()):
            await session.send_resource_updated(uri)
        return text("touched")
    if name == "big":
        return text("x" * args["bytes"])
    return text(name)


async def ask(ctx, params):
    if ctx.protocol_version >= "2026-07-28":
        answer = (params.input_responses or {}).get("who")
        if answer is None:
            asked = types.ElicitRequest(params=types.ElicitRequestFormParams(message="who?", requested_schema=ASKED))
            return types.InputRequiredResult(input_requests={"who": asked})
    else:
        answer = await ctx.session.elicit_form("who?", ASKED, ctx.request_id)
    return text(f"{answer.action} {(answer.content or {}).get('name')}")


server = Server(
    SERVICE,
    on_list_tools=list_tools,
    on_list_prompts=list_prompts,
    on_list_resources=list_resources,
    on_call_tool=call_tool,
    on_subscribe_resource=subscribe,
    on_unsubscribe_resource=unsubscribe,
    on_subscriptions_listen=ListenHandler(bus),
)
app = server.streamable_http_app(
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    max_request_body_size=64 * 1024 * 1024,
)
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(128)
say({"port": listening.getsockname()[1]})
anyio.run(lambda: uvicorn.Server(uvicorn.Config(app, log_level="error")).serve(sockets=[listening]))
