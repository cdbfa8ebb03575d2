/**
 * What a guard sends on means to every reader what was judged: seeded messages, judged and written anew, are read again by Node, Python and Go.
 * `CULVERT_GUARD_MESSAGES` sets how many a protocol, default 10,000; `CULVERT_GUARD_FIRST` the number of the first, for many in pieces.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import { JsonNumber } from '../../main/guard/json/json-number.ts';
import { parseStrictJson } from '../../main/guard/json/strict-json.ts';
import { answer, context, GuardDriver } from '../support/guard-driver.ts';
import { drawing, modelMessage, requestOf, rpcMessage, type Draw } from '../support/guard-messages.ts';
import { mustSkip } from '../support/optional.ts';

const run = promisify(execFile);
const wanted = Number(process.env['CULVERT_GUARD_MESSAGES'] ?? 10_000);
const firstMessage = Number(process.env['CULVERT_GUARD_FIRST'] ?? 0);
const inOneGo = 10_000;
const readers = join(import.meta.dirname, '../support/second-readers');

/** What one message says, in the terms all readers share. */
type Told = string;

interface Protocol {
  readonly name: string;
  readonly how: 'http' | 'lines';
  readonly terms: unknown;
  message(draw: Draw, id: number): Uint8Array;
  /** What the guard judged, as it told of it. */
  judged(driver: GuardDriver): Told;
  reply(id: number): string;
}

/** What passed of one go's messages, and what each was judged as. */
interface Go {
  readonly file: string;
  readonly expected: readonly Told[];
}

const digest = (value: unknown): string => createHash('sha256').update(canonical(value)).digest('hex');
const told = (method: string, path: string, rpc: string, name: string, model: string, value: unknown): Told =>
  [method, path, rpc, name, model, digest(value)].join('\t');
const rpcReply = (id: number): string => JSON.stringify({ jsonrpc: '2.0', id, result: {} });
const mcp = { allow: ['search', 'list_*'], deny: ['delete_*'], recordArguments: true };
const judgedCall = (driver: GuardDriver, method: string, path: string): Told => {
  const [call] = driver.outcome.calls;
  return told(method, path, call?.method ?? '?', call?.target ?? '?', '-', call?.arguments);
};

const protocols: readonly Protocol[] = [
  {
    name: 'MCP over HTTP',
    how: 'http',
    terms: { mcp, http: { methods: ['POST'], paths: ['/mcp'] } },
    message: (draw, id) => requestOf(draw, '/mcp', rpcMessage(draw, id, false)),
    judged: (driver) => judgedCall(driver, 'POST', '/mcp'),
    reply: (id) => answer(rpcReply(id)),
  },
  {
    name: 'MCP as lines',
    how: 'lines',
    terms: { mcp },
    message: (draw, id) => Buffer.from(`${rpcMessage(draw, id, true)}\n`, 'utf8'),
    judged: (driver) => judgedCall(driver, '-', '-'),
    reply: (id) => `${rpcReply(id)}\n`,
  },
  {
    name: 'models over HTTP',
    how: 'http',
    terms: { http: { methods: ['POST'], paths: ['/v1/**'], models: ['small-*'] } },
    message: (draw) => requestOf(draw, '/v1/chat/completions', modelMessage(draw)),
    judged(driver) {
      const [call] = driver.outcome.calls;
      const sent = driver.outcome.toService.toString('utf8');
      const read = parseStrictJson(sent.slice(sent.indexOf('\r\n\r\n') + 4));
      return told(
        call?.method ?? '?',
        call?.target ?? '?',
        '-',
        '-',
        call?.model ?? '?',
        read.kind === 'json' ? read.value : '?',
      );
    },
    reply: () => answer('{}'),
  },
];

const python = await version('python3', ['--version']);
const go = await version('go', ['version']);
let directory = '';
let goReader = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'culvert-second-readers-'));
  if (go === undefined) return;
  goReader = join(directory, 'read-guarded');
  await run('go', ['build', '-o', goReader, join(readers, 'read_guarded.go')], {
    env: { ...process.env, GO111MODULE: 'off' },
  });
}, 400_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

describe.each(protocols)('what is sent on by the guard for $name', (protocol) => {
  /** One go after another, so that memory does not follow the number; judged once for all readers. */
  const gos = new Map<number, Go>();
  async function goFrom(from: number): Promise<Go> {
    const known = gos.get(from);
    if (known !== undefined) return known;
    const { sent, expected } = judgeAll(protocol, firstMessage + from, Math.min(inOneGo, wanted - from));
    const file = join(directory, `${protocol.name.replaceAll(' ', '-')}-${from}`);
    await writeFile(file, sent);
    const made = { file, expected };
    gos.set(from, made);
    return made;
  }

  async function compare(read: (how: Protocol['how'], file: string) => Promise<readonly Told[]>): Promise<void> {
    let passed = 0;
    for (let from = 0; from < wanted; from += inOneGo) {
      const { file, expected } = await goFrom(from);
      const seen = await read(protocol.how, file);
      expect(seen.length).toBe(expected.length);
      const differing = expected.findIndex((one, index) => one !== seen[index]);
      expect(differing < 0 ? undefined : { expected: expected[differing], seen: seen[differing] }).toBeUndefined();
      passed += expected.length;
    }
    // Messages that all fall are no test.
    expect(passed).toBeGreaterThan(wanted * 0.2);
    console.info(`${protocol.name}: ${passed} of ${wanted} messages passed`);
  }
  const patience = 60_000 + wanted * 10;

  it('means what was judged to Node', () => compare(readByNode), patience);

  it.skipIf(mustSkip(python === undefined ? 'Python is not installed' : undefined))(
    'means what was judged to Python',
    () => compare((how, file) => byProgram('python3', [join(readers, 'read_guarded.py'), how, file])),
    patience,
  );

  it.skipIf(mustSkip(go === undefined ? 'Go is not installed' : undefined))(
    'means what was judged to Go',
    () => compare((how, file) => byProgram(goReader, [how, file])),
    patience,
  );
});

/** Messages by their number, each through a guard of its own; what passed, and what it was judged as. */
function judgeAll(
  protocol: Protocol,
  from: number,
  count: number,
): { readonly sent: Uint8Array; readonly expected: readonly Told[] } {
  const contract = parseEngagement(protocol.terms, 'test');
  const sent: Uint8Array[] = [];
  const expected: Told[] = [];
  for (let id = from; id < from + count; id += 1) {
    const guard = createGuard(contract, context());
    if (guard === undefined) throw new Error('no guard');
    const driver = new GuardDriver(guard);
    driver.app(protocol.message(drawing(id + 1), id));
    if (driver.outcome.toService.length === 0) continue;
    driver.service(protocol.reply(id)).end();
    // Only calls are told of; other requests pass without a word.
    if (driver.outcome.calls.length !== 1) continue;
    sent.push(driver.outcome.toService);
    expected.push(protocol.judged(driver));
  }
  return { sent: Buffer.concat(sent), expected };
}

async function byProgram(program: string, args: readonly string[]): Promise<readonly Told[]> {
  const { stdout } = await run(program, [...args], { maxBuffer: 256 * 1024 * 1024 });
  return stdout.split('\n').filter((line) => line !== '');
}

async function readByNode(how: Protocol['how'], file: string): Promise<readonly Told[]> {
  if (how === 'lines') {
    const seen: Told[] = [];
    for await (const line of createInterface({ input: createReadStream(file) })) seen.push(toldByNode('-', '-', line));
    return seen;
  }
  const bodies: { method: string; url: string; text: string }[] = [];
  const server = createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => {
    const one = { method: request.method ?? '', url: request.url ?? '', text: '' };
    bodies.push(one);
    request.setEncoding('utf8').on('data', (part: string) => (one.text += part));
    request.on('end', () => response.end());
  });
  server.maxRequestsPerSocket = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.resume();
  createReadStream(file).pipe(socket);
  await once(socket, 'close');
  server.close();
  return bodies.map(({ method, url, text }) => toldByNode(method, url, text));
}

/** As the platform's parser has it: numbers are doubles to it, so their digits are taken from the text by the guard's own reader. */
function toldByNode(method: string, path: string, text: string): Told {
  const body = JSON.parse(text) as { method?: string; model?: string; params?: { name?: string } };
  const digits = parseStrictJson(text);
  if (digits.kind !== 'json') throw new Error(digits.why);
  expect(asDoubles(digits.value)).toEqual(body);
  const value = digits.value as { params?: { arguments?: unknown } };
  const said = body.method === undefined ? value : (value.params?.arguments ?? {});
  return told(method, path, body.method ?? '-', body.params?.name ?? '-', body.model ?? '-', said);
}

function asDoubles(value: unknown): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(asDoubles);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    Object.defineProperty(copy, key, { value: asDoubles(field), enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

/** One text for equal values, written alike in three languages: names by their UTF-8, everything but plain ASCII escaped. */
function canonical(value: unknown): string {
  if (value instanceof JsonNumber) return value.text;
  if (typeof value === 'string') {
    const units = Array.from({ length: value.length }, (_, at) => value.charCodeAt(at));
    const written = units.map((unit) =>
      unit >= 0x20 && unit < 0x7f && unit !== 0x22 && unit !== 0x5c
        ? String.fromCharCode(unit)
        : `\\u${unit.toString(16).padStart(4, '0')}`,
    );
    return `"${written.join('')}"`;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const names = Object.keys(value).sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  return `{${names.map((name) => `${canonical(name)}:${canonical((value as Record<string, unknown>)[name])}`).join(',')}}`;
}

async function version(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(program, [...args])).stdout;
  } catch {
    return undefined;
  }
}
