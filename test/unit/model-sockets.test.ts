/** Websockets at the endpoint for models: each question to the service that has its model, through the guard of that service. */
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws';
import { unknownApp } from '../../main/apps/app.ts';
import { systemClock } from '../../main/base/clock.ts';
import { parseEngagement } from '../../main/base/engagement.ts';
import type { Admit } from '../../main/base/flow.ts';
import { DisposalStack } from '../../main/base/lifecycle.ts';
import { silentLog } from '../../main/base/log.ts';
import type { ByteStream } from '../../main/base/stream.ts';
import { openModelDoor } from '../../main/engine/entries/model-door.ts';
import { connectTcp } from '../../main/sockets/connect-tcp.ts';
import { tcpStream } from '../../main/sockets/tcp-stream.ts';
import { openGuardedPort, type GuardedPort } from '../support/guarded-port.ts';
import { MemoryAudit, someFacts } from '../support/session-world.ts';
import { until } from '../support/until.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of cleanUps.splice(0).reverse()) await one();
});

/** Answers each question with its own name, the model it was asked for and what that used; `hangup` as a question ends the connection. */
async function provider(name: string): Promise<{ readonly port: number; readonly open: () => number }> {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, { url }) => {
    socket.on('message', (data: Buffer) => {
      const event = JSON.parse(data.toString()) as { type: string; model?: string; input?: string };
      if (event.input === 'hangup') return socket.close(4001, 'enough');
      const usage = { input_tokens: 7, output_tokens: 5, total_tokens: 12 };
      socket.send(JSON.stringify({ type: 'response.created', response: { id: 'r' } }));
      socket.send(
        JSON.stringify({ type: 'response.completed', by: name, model: event.model, url, response: { id: 'r', usage } }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    for (const one of sockets.clients) one.terminate();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, open: () => sockets.clients.size };
}

interface World {
  readonly url: string;
  readonly guarded: GuardedPort;
  /** Services that whoever asks is not let in to. */
  readonly barred: Set<string>;
  readonly stop: () => void;
}

/** `ports` absent of a service: it is not there. */
async function door(
  contracts: Readonly<Record<string, object>>,
  ports: Readonly<Record<string, number>>,
): Promise<World> {
  const stack = new DisposalStack();
  cleanUps.push(() => stack[Symbol.asyncDispose]());
  const guarded = await openGuardedPort(1, {});
  cleanUps.push(() => guarded[Symbol.asyncDispose]());
  const app = { ...unknownApp, agent: 'writer' };
  const barred = new Set<string>();
  const admit: Admit = async ({ service = '' }) => {
    const port = ports[service];
    if (barred.has(service)) {
      return { kind: 'refused', answer: 'prohibited', reason: { code: 'policy.quarantined', sentence: 'cut off' } };
    }
    if (port === undefined) {
      return { kind: 'refused', answer: 'reset', reason: { code: 'ziti.dial.failed', sentence: 'it is not there' } };
    }
    const remote = tcpStream(await connectTcp({ host: '127.0.0.1', port, timeoutMs: 2_000, clock: systemClock }));
    const contract = parseEngagement({ http: contracts[service] }, 'test');
    const join = (local: ByteStream): void =>
      void guarded.sessions.open({ ...someFacts, app, service, contract }, local, remote);
    return { kind: 'dialled', join, abandon: () => remote.reset() };
  };
  const models = openModelDoor(
    {
      admitAs: () => admit,
      apps: { find: () => Promise.resolve(app) },
      visible: () =>
        Promise.resolve(
          Object.entries(contracts).map(([service, http]) => {
            const { models: names, websocket } = parseEngagement({ http }, 'test').http ?? {};
            return { service, models: names, ...(websocket === true ? { websocket: true as const } : {}) };
          }),
        ),
      checkModelKey: () => ({ kind: 'refused', why: 'none was made' }),
      at: { host: '127.0.0.1', port: 0 },
      aliases: new Map([['fast', [{ model: 'small-1', service: undefined, weight: 1 }]]]),
      auto: {
        otherwise: 'small-1',
        routes: [{ model: 'large-1', when: { words: ['prove'] }, examples: [], purpose: undefined }],
        embeddings: undefined,
        classifier: undefined,
      },
      health: { failures: 1, restMs: 60_000 },
      random: () => 0,
      clock: systemClock,
      audit: new MemoryAudit(),
      log: silentLog,
    },
    stack,
  );
  return { url: `ws://${await models.ensure()}`, guarded, barred, stop: () => void stack[Symbol.asyncDispose]() };
}

interface Spoken {
  readonly socket: WebSocket;
  readonly heard: Record<string, unknown>[];
  say(event: object): void;
  readonly closed: Promise<number>;
}

async function speak(url: string, options: ClientOptions = {}, protocols: string[] = []): Promise<Spoken> {
  const socket = new WebSocket(url, protocols, options);
  cleanUps.push(() => socket.terminate());
  const heard: Record<string, unknown>[] = [];
  socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString()) as Record<string, unknown>));
  const closed = new Promise<number>((resolve) => socket.on('close', (code) => resolve(code)));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return { socket, heard, say: (event) => socket.send(JSON.stringify(event)), closed };
}

const ask = (model: string, input = 'x'): object => ({ type: 'response.create', model, input });

test('each question goes to the service that has its model, on one connection, and is booked there', async () => {
  const [east, west] = [await provider('east'), await provider('west')];
  const { url, guarded } = await door(
    { east: { models: ['small-*'], websocket: true }, west: { models: ['large-1'], websocket: true } },
    { east: east.port, west: west.port },
  );
  const talk = await speak(`${url}/v1/responses`);
  for (const model of ['small-1', 'large-1', 'fast']) talk.say(ask(model));
  await until(() => talk.heard.length === 6);
  expect(
    talk.heard
      .filter(({ by }) => by !== undefined)
      .map(({ by, model }) => [by, model])
      .sort(),
  ).toEqual([
    ['east', 'small-1'],
    ['east', 'small-1'],
    ['west', 'large-1'],
  ]);
  await until(() => guarded.calls().length === 3);
  for (const call of guarded.calls())
    expect(call).toMatchObject({ decision: 'allow', tokens: { input: 7, output: 5 } });
  talk.socket.close();
  await until(() => east.open() + west.open() === 0);
});

test('auto is chosen for each question of a connection', async () => {
  const [east, west] = [await provider('east'), await provider('west')];
  const { url } = await door(
    { east: { models: ['small-*'], websocket: true }, west: { models: ['large-1'], websocket: true } },
    { east: east.port, west: west.port },
  );
  const talk = await speak(`${url}/v1/responses`);
  talk.say(ask('auto', 'say hello'));
  talk.say(ask('auto', 'prove it'));
  await until(() => talk.heard.length === 4);
  const told = talk.heard.filter(({ by }) => by !== undefined).map(({ by, model }) => [by, model]);
  expect(told.sort()).toEqual([
    ['east', 'small-1'],
    ['west', 'large-1'],
  ]);
});

test('a refused question is an error in its words, and the connection goes on', async () => {
  const east = await provider('east');
  const { url } = await door({ east: { models: ['small-*'], websocket: true } }, { east: east.port });
  const talk = await speak(`${url}/v1/responses`);
  talk.say({ type: 'session.update' });
  talk.say(ask('secret-1'));
  talk.say({ type: 'response.create', model: 'small-1', fallbacks: ['secret-1'] });
  talk.say(ask('small-1'));
  await until(() => talk.heard.length === 5);
  expect(talk.heard).toMatchObject([
    { type: 'error', status: 400 },
    { type: 'error', status: 404, error: { code: 'model_not_found' } },
    { type: 'error', status: 404, error: { code: 'model_not_found' } },
    { type: 'response.created' },
    { by: 'east' },
  ]);
});

test('a service that is not there is followed by the next; without any, the question is told so', async () => {
  const west = await provider('west');
  const both = { models: ['twin', 'alone'], websocket: true };
  const { url } = await door({ 'a-down': both, west: { models: ['twin'], websocket: true } }, { west: west.port });
  const talk = await speak(`${url}/v1/responses`);
  talk.say(ask('twin'));
  await until(() => talk.heard.length === 2);
  talk.say(ask('alone'));
  await until(() => talk.heard.length === 3);
  expect(talk.heard.slice(1)).toMatchObject([{ by: 'west' }, { type: 'error', status: 502 }]);
});

test('that one program is not let in to a service is no failure of the service', async () => {
  const [east, west] = [await provider('east'), await provider('west')];
  const twin = { models: ['twin'], websocket: true };
  const { url, barred } = await door({ east: twin, west: twin }, { east: east.port, west: west.port });
  const by = async (): Promise<unknown> => {
    const talk = await speak(`${url}/v1/responses`);
    talk.say(ask('twin'));
    await until(() => talk.heard.length === 2);
    return talk.heard[1]?.['by'];
  };
  barred.add('east');
  expect(await by()).toBe('west');
  barred.clear();
  expect(await by()).toBe('east');
});

test('nothing is awaited of what a program sends that may ask nothing', async () => {
  const { url } = await door({}, {});
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  cleanUps.push(() => socket.destroy());
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  const head = 'POST /v1/responses HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sk-culvert-x\r\n';
  socket.write(`${head}Content-Length: 30000000\r\n\r\n{"model":`);
  await until(() => answer.includes('none was made'));
  expect(answer).toMatch(/^HTTP\/1\.1 401 /);
});

test('realtime has its model in the handshake, and the end of the service is its own', async () => {
  const east = await provider('east');
  const { url } = await door({ east: { models: ['small-*'], websocket: true } }, { east: east.port });
  const talk = await speak(`${url}/v1/realtime?model=fast`, {}, ['realtime']);
  expect(talk.socket.protocol).toBe('realtime');
  talk.say({ type: 'response.create' });
  await until(() => talk.heard.length === 2);
  expect(talk.heard[1]).toMatchObject({ by: 'east', url: '/v1/realtime?model=small-1' });
  talk.say({ type: 'response.create', input: 'hangup' });
  expect(await talk.closed).toBe(4001);
  await expect(speak(`${url}/v1/realtime?model=secret-1`)).rejects.toThrow('404');
});

test.each([
  ['where no service lets websockets through', '/v1/responses', {}, 426],
  ['at places that cannot be read', '/ws', {}, 426],
  ['of a page of the web', '/v1/responses', { origin: 'https://page.example' }, 403],
  ['with a key of another device', '/v1/responses', { headers: { authorization: 'Bearer sk-culvert-x' } }, 401],
])('a handshake is refused %s', async (_name, path, options, status) => {
  const { url } = await door({ east: { models: ['small-*'], websocket: path === '/ws' } }, {});
  await expect(speak(`${url}${path}`, options)).rejects.toThrow(String(status));
});

test('what is open ends with its listener', async () => {
  const east = await provider('east');
  const { url, stop } = await door({ east: { models: ['small-*'], websocket: true } }, { east: east.port });
  const talk = await speak(`${url}/v1/responses`);
  talk.say(ask('small-1'));
  await until(() => talk.heard.length === 2);
  stop();
  await talk.closed;
  await until(() => east.open() === 0);
});
