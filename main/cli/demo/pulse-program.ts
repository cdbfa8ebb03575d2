/**
 * The program of an agent of `macro-pulse` in JavaScript: serves its series by A2A, and asks others for theirs when it is told to.
 * It speaks by the official SDK where that is installed, and else the few messages of it that the scenario needs by hand.
 */

/**
 * Told by one line of JSON each on standard input, answers each with one under its `id`: `ask`, `watch`, `misbehave`, `knock`. Argument: the spec, JSON.
 */
export const pulseProgram = `
import { Agent, createServer, request } from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

const spec = JSON.parse(process.argv[2]);
const proxy = new URL(process.env.HTTP_PROXY);
const print = (line) => void process.stdout.write(JSON.stringify(line) + '\\n');
const pause = () => new Promise((resolve) => setTimeout(resolve, spec.everyMs));
let level = 100;
const point = () => {
  level += Math.random() * 4 - 2;
  return spec.series + ' ' + level.toFixed(2);
};
const textOf = async (stream) => {
  let text = '';
  for await (const part of stream.setEncoding('utf8')) text += part;
  return text;
};

/** Who asks is looked up once for each connection. */
const agent = new Agent({ keepAlive: true });
/** As the SDK asks for it; every request goes through the engine's proxy. */
const fetchImpl = (to, init = {}) => new Promise((resolve, reject) => {
  const headers = { ...Object.fromEntries(new Headers(init.headers)), host: new URL(to).host };
  const asked = request({ host: proxy.hostname, port: proxy.port, method: init.method ?? 'GET', path: String(to), headers, agent }, (answer) => {
    const { 'content-type': type = '', 'culvert-reason': reason } = answer.headers;
    if (reason !== undefined) {
      answer.resume();
      return reject(new Error('refused: ' + reason));
    }
    resolve(new Response(Readable.toWeb(answer), { status: answer.statusCode, headers: { 'content-type': type } }));
  });
  asked.on('error', reject).end(init.body);
});
const cardOf = (url) => fetchImpl(new URL('/.well-known/agent-card.json', url));

const bySdk = async ({ core, server, client }) => {
  const [{ Role, TaskState }, served, asking] = await Promise.all([core, server, client].map((url) => import(url)));
  const part = (value) => ({ content: { $case: 'text', value }, filename: '', mediaType: '', metadata: undefined });
  const messageOf = (role, text, more) => ({
    messageId: crypto.randomUUID(), contextId: '', taskId: '', role, parts: [part(text)], metadata: undefined, extensions: [], referenceTaskIds: [], ...more,
  });
  const { AgentEvent } = served;
  const executor = {
    async execute({ userMessage, taskId, contextId }, bus) {
      const said = userMessage.parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');
      if (said !== 'watch') {
        bus.publish(AgentEvent.message(messageOf(Role.ROLE_AGENT, point(), { contextId })));
        return bus.finished();
      }
      const status = (state) => ({ state, message: undefined, timestamp: undefined });
      bus.publish(AgentEvent.task({
        id: taskId, contextId, status: status(TaskState.TASK_STATE_WORKING), artifacts: [], history: [], metadata: undefined,
      }));
      for (let sent = 0; sent < spec.points; sent += 1) {
        const artifact = { artifactId: 'series', name: spec.series, description: '', parts: [part(point())], metadata: undefined, extensions: [] };
        bus.publish(AgentEvent.artifactUpdate({ taskId, contextId, artifact, append: sent > 0, lastChunk: false, metadata: undefined }));
        await pause();
      }
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(TaskState.TASK_STATE_COMPLETED), metadata: undefined }));
      bus.finished();
    },
    async cancelTask() {},
  };
  const handler = new served.JsonRpcTransportHandler(new served.DefaultRequestHandler(spec.card, new served.InMemoryTaskStore(), executor));
  const cardResolver = new asking.DefaultAgentCardResolver({ fetchImpl });
  const factory = new asking.ClientFactory(asking.ClientFactoryOptions.createFrom(asking.ClientFactoryOptions.default, {
    transports: [new asking.JsonRpcTransportFactory({ fetchImpl })], cardResolver,
  }));
  const clients = new Map();
  const clientOf = async (url) => {
    if (!clients.has(url)) clients.set(url, await factory.createFromAgentCard(await cardResolver.resolve(url)));
    return clients.get(url);
  };
  const asked = (text, skillId) => ({
    tenant: '', message: messageOf(Role.ROLE_USER, text, { metadata: { skillId } }), configuration: undefined, metadata: undefined,
  });
  return {
    answer: (version, text) => handler.handle(text, new served.ServerCallContext({ requestedVersion: version })),
    async ask(url, text, skill) {
      const told = await (await clientOf(url)).sendMessage(asked(text, skill));
      return told.parts?.[0]?.content?.value ?? '';
    },
    async watch(url, skill, onPoint) {
      for await (const { payload } of (await clientOf(url)).sendMessageStream(asked('watch', skill))) {
        if (payload?.$case === 'artifactUpdate') onPoint(payload.value.artifact.parts[0].content.value);
      }
    },
  };
};

const byHand = () => {
  const messageOf = (role, text, more) => ({ messageId: crypto.randomUUID(), role, parts: [{ text }], ...more });
  const post = async (url, method, text, skillId) => {
    const body = { jsonrpc: '2.0', id: 1, method, params: { message: messageOf('ROLE_USER', text, { metadata: { skillId } }) } };
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'a2a-version': '1.0' };
    return fetchImpl(url, { method: 'POST', headers, body: JSON.stringify(body) });
  };
  const resultOf = ({ result, error }) => {
    if (error !== undefined) throw new Error(error.message);
    return result;
  };
  async function* series(reply) {
    const task = { id: crypto.randomUUID(), contextId: crypto.randomUUID() };
    yield reply({ task: { ...task, status: { state: 'TASK_STATE_WORKING' } } });
    for (let sent = 0; sent < spec.points; sent += 1) {
      const artifact = { artifactId: 'series', name: spec.series, parts: [{ text: point() }] };
      yield reply({ artifactUpdate: { taskId: task.id, contextId: task.contextId, artifact, append: sent > 0 } });
      await pause();
    }
  }
  return {
    answer(_version, text) {
      const { id, method } = JSON.parse(text);
      const reply = (result) => ({ jsonrpc: '2.0', id, result });
      return method === 'SendStreamingMessage' ? series(reply) : reply({ message: messageOf('ROLE_AGENT', point()) });
    },
    async ask(url, text, skill) {
      return resultOf(await (await post(url, 'SendMessage', text, skill)).json()).message.parts[0].text;
    },
    async watch(url, skill, onPoint) {
      let held = '';
      for await (const part of (await post(url, 'SendStreamingMessage', 'watch', skill)).body.pipeThrough(new TextDecoderStream())) {
        held += part;
        const lines = held.split('\\n');
        held = lines.pop();
        for (const line of lines.filter((one) => one.startsWith('data:'))) {
          const { artifactUpdate } = resultOf(JSON.parse(line.slice(5)));
          if (artifactUpdate !== undefined) onPoint(artifactUpdate.artifact.parts[0].text);
        }
      }
    },
  };
};

const speaker = spec.sdk === undefined ? byHand() : await bySdk(spec.sdk);

const server = createServer(async (asked, answer) => {
  try {
    const told = await speaker.answer(asked.headers['a2a-version'], await textOf(asked));
    if (told[Symbol.asyncIterator] === undefined) {
      answer.setHeader('content-type', 'application/json');
      answer.end(JSON.stringify(told));
      return;
    }
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    for await (const event of told) {
      if (answer.destroyed) break;
      answer.write('data: ' + JSON.stringify(event) + '\\n\\n');
    }
    answer.end();
  } catch (error) {
    answer.destroy(error);
  }
});

/** Until it ends, whoever ends it. \`began\` is said with its first point. */
const watch = async (id, url, skill, onBegan = () => {}) => {
  let points = 0;
  let why = '';
  try {
    await speaker.watch(url, skill, (text) => {
      points += 1;
      if (points > 1) return;
      print({ id, began: text });
      onBegan();
    });
  } catch (error) {
    why = error.message;
  }
  return { points, why, endedAtMs: performance.now() };
};

const doings = {
  ask: async ({ url, skill }) => ({ answer: await speaker.ask(url, 'now', skill) }),
  async watch({ id, url, skill }) {
    const startedAtMs = performance.now();
    const { points, why, endedAtMs } = await watch(id, url, skill);
    return { points, why, afterMs: endedAtMs - startedAtMs };
  },
  /** Asks for what it may not while it watches what it may, and tells how long after its last try it saw nothing more. */
  async misbehave({ id, url, skill, wrong, times }) {
    let watching;
    await new Promise((resolve) => {
      watching = watch(id, url, skill, resolve);
      // Where it never begins there is nothing to be cut off from.
      watching.then(resolve);
    });
    const refusals = [];
    let lastAtMs = 0;
    for (let made = 0; made < times; made += 1) {
      lastAtMs = performance.now();
      try {
        refusals.push(await speaker.ask(url, 'now', wrong));
      } catch (error) {
        refusals.push(error.message);
      }
    }
    const { points, endedAtMs } = await watching;
    return { points, refusals, cutAfterMs: endedAtMs - lastAtMs };
  },
  /** Which of these agents show it a card: '' where one does, else why not. */
  async knock({ urls }) {
    const told = [];
    for (const url of urls) {
      try {
        const answer = await cardOf(url);
        await answer.text();
        told.push(answer.status === 200 ? '' : String(answer.status));
      } catch (error) {
        told.push(error.message);
      }
    }
    return { told };
  },
};

const told = () => print({ at: spec.socket ?? server.address().port });
if (spec.socket === undefined) server.listen(0, '127.0.0.1', told);
else server.listen(spec.socket, told);
const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const asked = JSON.parse(line);
  try {
    print({ id: asked.id, ...(await doings[asked.do](asked)) });
  } catch (error) {
    print({ id: asked.id, failed: error.message });
  }
});
lines.on('close', () => process.exit(0));
`;
