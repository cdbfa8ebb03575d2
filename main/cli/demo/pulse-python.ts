/** The same agent in Python, by the official SDK for it; and where an interpreter has that. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** As `pulseProgram`, and understands `ask`, `watch` and `knock`. */
export const pulsePythonProgram = `
import asyncio
import json
import os
import random
import socket
import sys
import threading
import time
import uuid

import httpx
import uvicorn
from a2a.client import ClientConfig, create_client
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCard, Message, Part, Role, SendMessageRequest, Task, TaskState, TaskStatus
from google.protobuf.json_format import ParseDict
from starlette.applications import Starlette

spec = json.loads(sys.argv[1])
level = 100.0


def say(line):
    sys.stdout.write(json.dumps(line) + '\\n')
    sys.stdout.flush()


def point():
    global level
    level += random.random() * 4 - 2
    return f"{spec['series']} {level:.2f}"


class Series(AgentExecutor):
    async def execute(self, context, queue):
        if context.get_user_input() != 'watch':
            answer = Message(message_id=str(uuid.uuid4()), role=Role.ROLE_AGENT, parts=[Part(text=point())], context_id=context.context_id or '')
            await queue.enqueue_event(answer)
            return
        status = TaskStatus(state=TaskState.TASK_STATE_WORKING)
        await queue.enqueue_event(Task(id=context.task_id, context_id=context.context_id, status=status))
        updater = TaskUpdater(event_queue=queue, task_id=context.task_id, context_id=context.context_id)
        for sent in range(spec['points']):
            await updater.add_artifact(parts=[Part(text=point())], artifact_id='series', name=spec['series'], append=sent > 0)
            await asyncio.sleep(spec['everyMs'] / 1000)
        await updater.complete()

    async def cancel(self, context, queue):
        pass


http = httpx.AsyncClient(timeout=None)
clients = {}


async def client_of(url, streaming):
    if (url, streaming) not in clients:
        clients[url, streaming] = await create_client(url, ClientConfig(streaming=streaming, httpx_client=http))
    return clients[url, streaming]


def asked(text, skill):
    message = Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=[Part(text=text)])
    message.metadata.update({'skillId': skill})
    return SendMessageRequest(message=message)


async def ask(line):
    client = await client_of(line['url'], False)
    async for event in client.send_message(asked('now', line['skill'])):
        return {'answer': event.message.parts[0].text}


async def watch(line):
    started, points, why = time.monotonic(), 0, ''
    try:
        client = await client_of(line['url'], True)
        async for event in client.send_message(asked('watch', line['skill'])):
            if event.HasField('artifact_update'):
                points += 1
                if points == 1:
                    say({'id': line['id'], 'began': event.artifact_update.artifact.parts[0].text})
    except Exception as error:
        why = str(error)
    return {'points': points, 'why': why, 'afterMs': (time.monotonic() - started) * 1000}


async def knock(line):
    told = []
    for url in line['urls']:
        try:
            answer = await http.get(httpx.URL(url).join('/.well-known/agent-card.json'))
            reason = answer.headers.get('culvert-reason')
            told.append(f'refused: {reason}' if reason else '' if answer.status_code == 200 else str(answer.status_code))
        except Exception as error:
            told.append(str(error))
    return {'told': told}


async def serve(line):
    try:
        answer = await {'ask': ask, 'watch': watch, 'knock': knock}[line['do']](line)
        say({'id': line['id'], **answer})
    except Exception as error:
        say({'id': line['id'], 'failed': str(error) or type(error).__name__})


def read(loop):
    for line in sys.stdin:
        asyncio.run_coroutine_threadsafe(serve(json.loads(line)), loop)
    os._exit(0)


async def main():
    card = ParseDict(spec['card'], AgentCard(), ignore_unknown_fields=True)
    handler = DefaultRequestHandler(agent_executor=Series(), task_store=InMemoryTaskStore(), agent_card=card)
    app = Starlette(routes=create_agent_card_routes(card) + create_jsonrpc_routes(handler, '/'))
    path = spec.get('socket')
    listening = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
    listening.bind(('127.0.0.1', 0) if path is None else path)
    listening.listen(128)
    say({'at': listening.getsockname()[1] if path is None else path})
    threading.Thread(target=read, args=(asyncio.get_running_loop(),), daemon=True).start()
    await uvicorn.Server(uvicorn.Config(app, log_level='critical')).serve(sockets=[listening])


asyncio.run(main())
`;

const lookMs = 20_000;
const probe = `
import sys, uvicorn, a2a.client, a2a.server.routes, starlette.applications
print(sys.executable)
`;

/** The interpreter that a Python agent can run by; undefined where none has the SDK. */
export async function findPython(signal: AbortSignal): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)('python3', ['-c', probe], { signal, timeout: lookMs });
    return stdout.trim();
  } catch {
    // No Python, or none with the SDK: said by whoever asks.
    return undefined;
  }
}
