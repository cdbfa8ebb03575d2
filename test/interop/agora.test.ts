/** `culvert agora`: agents offered as dark services, and found by those who may ask them and by nobody else. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import type { ServiceView } from '../../main/api/views.ts';
import { A2aAgent, agentCard, agentProgram, runA2aClient, text } from '../support/a2a-programs.ts';
import { culvert, culvertProgram, type RunningCulvert } from '../support/culvert.ts';
import { start } from '../support/governed-world.ts';
import { McpWorld } from '../support/mcp-world.ts';
import { until } from '../support/until.ts';

interface Row {
  readonly service: string;
  readonly agent: string;
  readonly skills: readonly string[];
  readonly signature?: string;
  readonly offeredBy?: string;
  readonly here: boolean;
}

let world: McpWorld;
let broker: A2aAgent;
let plain: A2aAgent;
let offering: RunningCulvert;

beforeAll(async () => {
  broker = await A2aAgent.start(agentCard('broker', 'http://unused/', ['quote', 'transfer']));
  plain = await A2aAgent.start(agentCard('plain', 'http://plain.dark/', ['quote']));
  world = await McpWorld.open(
    {
      broker: { contract: { a2a: { skills: ['quote', '*'] } } },
      narrow: { contract: { a2a: { skills: ['quote'], messageTypes: ['text'] } } },
      hidden: { contract: { a2a: {} }, dialled: false },
      plain: { contract: { a2a: {} }, target: plain.port },
      unruled: { contract: null },
      own: { contract: { a2a: {} } },
      elsewhere: { contract: { a2a: {} }, bound: false },
    },
    { boxConfig: (home) => `agents:\n  seller: { identity: box, path: '${home}/seller.mjs' }\n` },
  );
  for (const name of ['broker', 'narrow', 'hidden', 'own']) await writeFile(cardOf(name), JSON.stringify(card(name)));
  offering = await offer('broker', '--backend', `http://127.0.0.1:${broker.port}/`);
  await offer('hidden', '--backend', `http://127.0.0.1:${broker.port}/`);
  for (const name of ['broker', 'hidden']) await world.hosted(name);
}, 300_000);

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
  broker?.[Symbol.dispose]();
  plain?.[Symbol.dispose]();
}, 60_000);

const card = (name: string): object => agentCard(name, 'http://unused/', ['quote', 'transfer']);
const cardOf = (name: string): string => join(world.home, `${name}.json`);
const offer = (name: string, ...how: readonly string[]): Promise<RunningCulvert> =>
  world.start(['agora', 'offer', name, '--card', cardOf(name), '--state', world.box, ...how]);
const list = (state?: string): Promise<Row[]> => world.json<Row[]>(['agora', 'list'], state);

test(
  'an offered agent is found by its signed card, and asked with the official client',
  { timeout: 120_000 },
  async () => {
    const rows = await list();
    expect(rows.map(({ service }) => service)).toEqual(['broker']);
    const [row] = rows;
    expect(await world.json(['agora', 'engagements'])).toEqual([]);
    expect(row).toMatchObject({ agent: 'broker', skills: ['quote', 'transfer'], signature: 'valid', here: false });
    expect(row?.offeredBy).toMatch(/./);
    const [shown, verified, said, streamed] = await runA2aClient<Record<string, unknown>>(
      world.proxy,
      'http://broker.dark/',
      [{ card: true }, { verify: true }, { send: [text('hello')] }, { stream: [text('task')] }],
    );
    expect(shown).toMatchObject({ name: 'broker', supportedInterfaces: [{ url: 'http://broker.dark/' }] });
    expect(verified).toEqual({ verified: expect.stringMatching(/^(ES256|ES384|RS256)$/) });
    expect(JSON.stringify(said)).toContain('you said hello');
    expect(JSON.stringify(streamed)).toContain('"done"');
    const hosted = (await world.json<ServiceView[]>(['services'], world.box)).find(({ name }) => name === 'broker');
    expect(hosted?.hosted).toMatchObject({ target: 'culvert agora offer' });
    const records = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'agora.offered'], world.box);
    expect(records.map(({ service }) => service).sort()).toEqual(['broker', 'hidden']);
  },
);

test(
  'what one may not dial, and what is no offered agent, cannot be told from what is not there',
  { timeout: 120_000 },
  async () => {
    const listed = JSON.stringify(await list());
    for (const name of ['hidden', 'plain', 'elsewhere', 'unruled']) expect(listed).not.toContain(name);
    const asked = async (name: string): Promise<string> => {
      const ran = await culvert(['mcp', 'connect', name, '--state', world.laptop, '--json'], { env: world.env });
      const url = `http://${name}.dark/`;
      const [found] = await runA2aClient<{ error: { message: string } }>(world.proxy, url, [{ card: true }]);
      return `${ran.err}${found?.error.message}`.replaceAll(name, 'NAME');
    };
    expect(await asked('hidden')).toBe(await asked('nosuch'));
    expect((await list(world.box)).map(({ service, here }) => [service, here])).toEqual([
      ['broker', true],
      ['hidden', true],
    ]);
  },
);

test(
  'whoever looks for another workgroup’s agent finds nothing by names, counts, errors or timing',
  { timeout: 120_000 },
  async () => {
    const services = await world.json<ServiceView[]>(['services']);
    const { dial } = (await world.json<{ services: { dial: number } }>(['status'])).services;
    const dialable = services.filter(({ permissions }) => permissions.includes('Dial'));
    expect(dial).toBe(dialable.length);
    for (const verb of [['services'], ['agora', 'list'], ['agora', 'engagements'], ['apps'], ['llm', 'keys', 'list']]) {
      expect(JSON.stringify(await world.json(verb))).not.toContain('hidden');
    }
    // As many letters: no answer may be longer for a name that is there.
    const verbs = async (name: string): Promise<string> => {
      const asked = [
        ['why', `${name}.dark`],
        ['agora', 'propose', name],
        ['agora', 'withdraw', name],
        ['mcp', 'connect', name],
      ];
      const ran = await Promise.all(
        asked.map((verb) => culvert([...verb, '--state', world.laptop, '--json'], { env: world.env })),
      );
      return JSON.stringify(ran.map(({ code, out, err }) => [code, out, err])).replaceAll(name, 'NAME');
    };
    expect(await verbs('hidden')).toBe(await verbs('nosuch'));
    const told = async (name: string): Promise<string> =>
      (await knock(name)).text.replaceAll(name.toLowerCase(), 'NAME').replaceAll(name, 'NAME');
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const random = (length: number): string =>
      Array.from({ length }, () => letters[Math.floor(Math.random() * letters.length)]).join('');
    const nothing = await told('nosuch');
    // As many letters each, for the name stands in the answer.
    for (const near of [
      'hidden',
      'HIDDEN',
      'Hidden',
      'hiddem',
      'xidden',
      ...Array.from({ length: 20 }, () => random(6)),
    ]) {
      expect(await told(near)).toBe(nothing);
    }
    // In turn, so that whatever else this machine does meets both alike. Chance tells them apart in 50 of 100 pairs; with so many tries it stays
    // below 60 but once in tens of thousands of runs.
    const took: { readonly hidden: number[]; readonly other: number[] } = { hidden: [], other: [] };
    for (let tries = 0; tries < 400; tries += 1) {
      const first = Math.random() < 0.5;
      for (const isHidden of [first, !first]) {
        const { ms } = await knock(isHidden ? 'hidden' : random(6));
        took[isHidden ? 'hidden' : 'other'].push(ms);
      }
    }
    expect(Math.abs(toldApart(took.hidden, took.other) - 0.5)).toBeLessThan(0.1);
  },
);

/** What the proxy says to a program that asks for a name, and after how long. */
function knock(name: string): Promise<{ readonly text: string; readonly ms: number }> {
  const { hostname, port } = new URL(`http://${world.proxy}`);
  const at = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => (text += part));
    socket.on('error', reject).on('close', () => resolve({ text, ms: performance.now() - at }));
    socket.end(`CONNECT ${name}.dark:80 HTTP/1.1\r\nHost: ${name}.dark:80\r\n\r\n`);
  });
}

/** In what part of all pairs the one took longer than the other: a half where time tells nothing (Mann and Whitney's U over the number of pairs). */
function toldApart(ones: readonly number[], others: readonly number[]): number {
  const longer = ones.map(
    (one) => others.filter((other) => other < one).length + others.filter((other) => other === one).length / 2,
  );
  return longer.reduce((sum, count) => sum + count, 0) / (ones.length * others.length);
}

test(
  'a program is started to be offered; its card shows the skills of the contract, signed as shown',
  { timeout: 120_000 },
  async () => {
    await offer('narrow', '--', process.execPath, agentProgram, JSON.stringify(card('narrow')));
    await world.hosted('narrow');
    expect((await list()).find(({ service }) => service === 'narrow')).toMatchObject({
      skills: ['quote'],
      signature: 'valid',
    });
    const [verified, said, refused] = await runA2aClient<Record<string, unknown>>(world.proxy, 'http://narrow.dark/', [
      { verify: true },
      { send: [text('hi')], metadata: { skillId: 'quote' } },
      { send: [text('hi')], metadata: { skillId: 'transfer' } },
    ]);
    expect(verified).toHaveProperty('verified');
    expect(JSON.stringify(said)).toContain('you said hi');
    expect(refused).toMatchObject({ error: { code: -32004 } });
  },
);

test('an agent offers itself, and may do no more than that', { timeout: 120_000 }, async () => {
  const script = join(world.home, 'seller.mjs');
  const program = JSON.stringify(await culvertProgram());
  const code = `import { spawn } from 'node:child_process';
const child = spawn(process.execPath, [${program}, ...process.argv.slice(2)], { stdio: 'inherit' });
process.on('SIGTERM', () => child.kill());
child.on('exit', (code) => process.exit(code ?? 1));
`;
  await writeFile(script, code);
  const asAgent = (args: readonly string[]): ReturnType<typeof start> =>
    start(process.execPath, [script, ...args, '--json', '--state', world.box]);
  const backend = ['--backend', `http://127.0.0.1:${broker.port}/`];
  const selling = asAgent(['agora', 'offer', 'own', '--card', cardOf('own'), ...backend]);
  await until(() => selling.out().includes('own'), 30_000);
  expect(JSON.parse(selling.out())).toEqual({ service: 'own', identities: ['box'] });
  await world.hosted('own');
  const [said] = await runA2aClient(world.proxy, 'http://own.dark/', [{ send: [text('from afar')] }]);
  expect(JSON.stringify(said)).toContain('you said from afar');
  for (const args of [
    ['policy', 'reload'],
    ['agora', 'propose', 'broker'],
    ['agora', 'engagements'],
    ['agora', 'close', `ses_${'0'.repeat(32)}`],
    ['mcp', 'host', 'plain', '--', 'true'],
  ]) {
    const at = args.includes('--') ? args.indexOf('--') : args.length;
    const refused = await start(process.execPath, [
      script,
      ...args.slice(0, at),
      '--json',
      '--state',
      world.box,
      ...args.slice(at),
    ]).done;
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.err)).toMatchObject({ error: { code: 'engine.not_permitted' } });
  }
  const withdrawn = await asAgent(['agora', 'withdraw', 'own']).done;
  expect(withdrawn.code).toBe(0);
  expect((await selling.done).code).toBe(0);
});

test('what cannot be offered is refused with why', { timeout: 120_000 }, async () => {
  const refused = async (name: string, file = cardOf('broker')): Promise<unknown> => {
    const how = ['--card', file, '--backend', 'http://127.0.0.1:9/', '--state', world.box, '--json'];
    const ran = await culvert(['agora', 'offer', name, ...how], { env: world.env });
    expect(ran.code).toBe(1);
    return (JSON.parse(ran.err) as { error: { code: string } }).error.code;
  };
  expect(await refused('elsewhere')).toBe('hosting.not_bindable');
  expect(await refused('unruled')).toBe('agora.no_contract');
  expect(await refused('broker')).toBe('hosting.answered');
  await writeFile(cardOf('broken'), '{"name":"x","skills":[{}]}');
  expect(await refused('narrow', cardOf('broken'))).toBe('agora.card_invalid');
});

test('withdrawn, it is gone for everybody, and its offer has ended', { timeout: 120_000 }, async () => {
  await world.json(['agora', 'withdraw', 'broker'], world.box);
  await until(async () => !(await list()).some(({ service }) => service === 'broker'));
  expect(await offering.exited).toBe(0);
  const again = await culvert(['agora', 'withdraw', 'broker', '--state', world.box, '--json'], { env: world.env });
  expect(JSON.parse(again.err)).toMatchObject({ error: { code: 'agora.unknown_offer' } });
  const records = await world.json<AuditRecordView[]>(['audit', 'search', '--kind', 'agora.withdrawn'], world.box);
  expect(records.map(({ service, reason }) => [service, reason])).toContainEqual(['broker', 'withdrawn']);
});
