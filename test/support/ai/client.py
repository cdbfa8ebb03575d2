"""A client of the official Python SDK for the matrix; a fourth argument names the era: auto (default) or legacy."""

import json
import os
import sys

import anyio
from mcp import MCPError, StdioServerParameters, types
from mcp.client import Client
from mcp.client.sse import sse_client

where, prefix, service = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
mode = sys.argv[4] if len(sys.argv) > 4 else "auto"
PUBLIC = f"doc://{service}/public"
SKIPPED = os.environ.get("MATRIX_SKIP", "").split(",")
told = {}


async def step(name, asked):
    try:
        with anyio.fail_after(30):
            told[name] = await asked()
    except BaseException as error:  # noqa: BLE001: whatever it is, it is what came of the step
        if isinstance(error, anyio.get_cancelled_exc_class()):
            raise
        told[name] = f"error: {type(error).__name__} {error}"


async def every(asked, field):
    items, cursor = [], None
    while True:
        page = await asked(cursor=cursor)
        items += getattr(page, field)
        cursor = page.next_cursor
        if not cursor:
            return items


def text(result):
    return result.content[0].text


async def elicited(context, params):
    return types.ElicitResult(action="accept", content={"name": "me"})


async def main():
    updates = []
    updated = anyio.Event()

    async def heard(message):
        if isinstance(message, types.ResourceUpdatedNotification):
            updates.append(str(message.params.uri))
            updated.set()

    if "url" in where:
        target = where["url"]
    elif "sse" in where:
        target = sse_client(where["sse"])
    else:
        target = StdioServerParameters(command=where["command"], args=where["args"])
    async with Client(target, mode=mode, elicitation_callback=elicited, message_handler=heard) as client:

        async def named(asked, field):
            return [one.name for one in await every(asked, field) if one.name.startswith(prefix)]

        async def call(name, args=None, **more):
            return await client.call_tool(prefix + name, args or {}, **more)

        async def resources():
            uris = [str(one.uri) for one in await every(client.list_resources, "resources")]
            return [uri for uri in uris if f"://{service}/" in uri]

        async def searched():
            return text(await call("search", {"text": "abc"}))

        async def refused():
            try:
                return text(await call("delete_all"))
            except MCPError as error:
                return str(error)

        async def progress():
            seen = []

            async def heard_of(done, total=None, message=None):
                seen.append(int(done))

            said = text(await call("count", {"to": 3}, progress_callback=heard_of))
            return [*seen, said]

        async def cancelled():
            scope = anyio.CancelScope()

            async def began(done, total=None, message=None):
                scope.cancel()

            with scope:
                await call("slow", progress_callback=began)
            return scope.cancel_called

        async def asked():
            return text(await call("ask"))

        async def subscription():
            if client.protocol_version >= "2026-07-28":
                async with client.listen(resource_subscriptions=[PUBLIC]) as events:
                    await call("touch")
                    return str((await anext(events)).uri)
            await client.subscribe_resource(PUBLIC)
            await call("touch")
            await updated.wait()
            return updates[0]

        async def large():
            return len(text(await call("big", {"bytes": 12 * 1024 * 1024})))

        async def tools():
            return await named(client.list_tools, "tools")

        async def prompts():
            return await named(client.list_prompts, "prompts")

        for name, asking in {
            "tools": tools,
            "prompts": prompts,
            "resources": resources,
            "call": searched,
            "refusal": refused,
            "progress": progress,
            "cancel": cancelled,
            "elicitation": asked,
            "subscription": subscription,
            "large": large,
        }.items():
            if name not in SKIPPED:
                await step(name, asking)
    print(json.dumps(told), flush=True)


anyio.run(main)
