/**
 * The demo's agents: one small MCP client, written under a path of its own for each agent and run as a program of its own, for it is by the
 * program that an agent is known.
 */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { failed } from './stage.ts';

/** What an agent came back with. */
export interface AgentRun {
  /** The proxy's reason code, where it was not let through. */
  readonly refused?: string;
  /** JSON-RPC answers, in the order of the calls. */
  readonly answers: readonly RpcAnswer[];
  /** Where it stayed: after how long its session was ended. */
  readonly endedAfterMs?: number;
}

/** An answer in JSON-RPC, as far as the demo looks at it. */
export interface RpcAnswer {
  readonly result?: {
    readonly tools?: readonly { readonly name: string }[];
    readonly content?: readonly { readonly text?: string }[];
  };
  readonly error?: { readonly message?: string };
}

/** One call that a demo's agent makes. */
export interface AgentCall {
  readonly method: string;
  readonly params?: unknown;
}

const agentLimitMs = 30_000;

/** HTTP CONNECT to the service, one JSON-RPC POST a call on that connection, then it ends or stays until it is ended, by then or before. */
const source = `
import { Agent, request } from 'node:http';
const [proxy, name, calls, stay] = process.argv.slice(2);
const [host, port] = proxy.split(':');
const print = (result) => process.stdout.write(JSON.stringify(result), () => process.exit(0));
const tunnel = await new Promise((resolve, reject) => {
  const asked = request({ host, port, method: 'CONNECT', path: name + ':80', agent: false });
  asked.on('error', reject).on('connect', (response, socket) => resolve({ response, socket })).end();
});
const { response, socket } = tunnel;
socket.on('error', () => socket.destroy());
if (response.statusCode !== 200) print({ refused: response.headers['culvert-reason'] ?? String(response.statusCode), answers: [] });
else {
  const since = performance.now();
  const ended = new Promise((resolve) => socket.once('close', () => resolve(Math.round(performance.now() - since))));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => socket;
  const post = (body) => new Promise((resolve, reject) => {
    const headers = { host: name, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const asked = request({ host: name, method: 'POST', path: '/mcp', agent, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => (text += part)).on('end', () => resolve(JSON.parse(text)));
      answer.on('error', reject);
    });
    asked.on('error', reject).end(JSON.stringify(body));
  });
  const answers = [];
  let id = 0;
  try {
    for (const call of JSON.parse(calls)) answers.push(await post({ jsonrpc: '2.0', id: ++id, ...call }));
  } catch (error) {
    // Who stays until it is ended may be ended before it has its answers.
    if (stay !== 'stay') throw error;
  }
  // An idle connection alone keeps no program alive.
  setInterval(() => {}, 1000);
  if (stay === 'stay') print({ answers, endedAfterMs: await ended });
  else print({ answers });
}
`;

/** Put an agent's program at `path`. */
export async function writeAgent(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, source);
}

/** Run it; `stay`: until its session is ended. Throws where the program itself fails. */
export function runAgent(
  path: string,
  proxy: string,
  service: string,
  calls: readonly AgentCall[],
  options: { readonly signal: AbortSignal; readonly stay?: boolean },
): Promise<AgentRun> {
  const stay = options.stay === true ? 'stay' : 'leave';
  const child = spawn(process.execPath, [path, proxy, service, JSON.stringify(calls), stay], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
    timeout: agentLimitMs,
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(failed(`${path}: ${error.message}`, error)));
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as AgentRun);
      else reject(failed(`${path} ended with ${code ?? 'a signal'}: ${err.slice(-300)}`));
    });
  });
}
