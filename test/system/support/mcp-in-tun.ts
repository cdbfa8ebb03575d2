/**
 * Two agents on one host in `tun` mode: programs that know nothing of Culvert, each an identity of its own, over the official SDKs of both
 * generations. Runs inside a namespace: see `inside.ts`.
 */
import { join } from 'node:path';
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import { buildAgents, runAgent } from '../../support/agent-programs.ts';
import { openEmbeddedNetwork } from '../../support/embedded-network.ts';
import { GovernedWorld } from '../../support/governed-world.ts';
import type { AgentResult, AgentStep } from '../../support/mcp-agent.ts';
import { openHandshakeServer, openStatelessServer, type McpTestServer } from '../../support/mcp-servers.ts';
import { openRealNetwork } from '../../support/real-network.ts';
import { check, expectThat, scenarioMain } from './tun-world.ts';

const everything = { mcp: { allow: ['*'] } };
const readOnly = { mcp: { allow: ['search', 'list_*'], deny: ['delete_*'], recordArguments: true } };
const megabytes = 10 * 1024 * 1024;

interface Wire {
  readonly name: string;
  readonly generation: 'handshake' | 'stateless';
  readonly server: McpTestServer;
}

async function scenario(kind: string): Promise<void> {
  const network = kind === 'OpenZiti' ? await openRealNetwork() : await openEmbeddedNetwork('both');
  const wires: readonly Wire[] = [
    { name: 'events', generation: 'handshake', server: await openHandshakeServer() },
    { name: 'json', generation: 'handshake', server: await openHandshakeServer({ json: true }) },
    { name: 'modern', generation: 'stateless', server: await openStatelessServer() },
  ];
  const world = await GovernedWorld.open(network, {
    mode: 'tun',
    identities: ['curator', 'reader'],
    services: Object.fromEntries(
      wires.flatMap(({ name, server: { port: target } }) => [
        [`${name}-full`, { target, address: `${name}.dark`, dial: ['curator'], contract: everything }],
        [`${name}-read`, { target, address: `${name}.dark`, dial: ['reader'], contract: readOnly }],
      ]),
    ),
    config: (home) =>
      `agents:\n  alpha: { identity: curator, path: '${home}/bin/alpha.mjs' }\n` +
      `  beta: { identity: reader, path: '${home}/bin/beta.mjs' }\n`,
  });
  try {
    await buildAgents(world.home, ['alpha', 'beta']);
    for (const wire of wires) await acceptance(world, wire);
  } finally {
    await world[Symbol.asyncDispose]();
    for (const { server } of wires) await server[Symbol.asyncDispose]();
    await network[Symbol.asyncDispose]();
  }
}

async function acceptance(world: GovernedWorld, { name, generation, server }: Wire): Promise<void> {
  const agent = (program: 'alpha' | 'beta', steps: readonly AgentStep[]): Promise<AgentResult[]> =>
    runAgent(
      join(world.home, 'bin', `${program}.mjs`),
      { proxy: '', url: `http://${name}.dark/mcp`, generation },
      steps,
    );
  const call = (id: number, tool: string) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: tool, arguments: {} },
  });

  await check(`${name}: A sees all tools and calls search, with ten megabytes of arguments too`, async () => {
    const seen = await agent('alpha', [
      { do: 'list' },
      { do: 'call', tool: 'search', arguments: { text: 'hello' } },
      { do: 'call', tool: 'search', textBytes: megabytes },
    ]);
    const expected = [
      { tools: ['delete_all', 'delete_user', 'list_users', 'search'] },
      { text: 'search:5' },
      { text: `search:${megabytes}` },
    ];
    same(seen, expected);
  });

  await check(`${name}: B does not see delete_*, and is refused when it calls it blindly`, async () => {
    server.ran.length = 0;
    const [listed, refused, found] = await agent('beta', [
      { do: 'list' },
      { do: 'call', tool: 'delete_user', arguments: { text: 'root' } },
      { do: 'call', tool: 'search', arguments: { text: 'four' } },
    ]);
    same(listed, { tools: ['list_users', 'search'] });
    const code = refused !== undefined && 'error' in refused ? refused.error.code : undefined;
    expectThat(code === -32602, JSON.stringify(refused));
    same(found, { text: 'search:4' });
    same(server.ran, ['search']);
  });

  await check(`${name}: each call's record has agent, tool, digest, decision, rule and duration`, async () => {
    const records = (decision: string): Promise<AuditRecordView[]> =>
      world.records('call', '--service', `${name}-read`, '--decision', decision);
    const [denied] = await records('deny');
    const allowed = (await records('allow')).find((record) => record['tool'] === 'search');
    const told = (record: AuditRecordView | undefined) => [record?.['agent'], record?.['identity'], record?.['rule']];
    same(told(denied), ['beta', 'reader', 'contract:mcp.deny delete_*']);
    same(told(allowed), ['beta', 'reader', 'contract:mcp.allow search']);
    for (const record of [denied, allowed]) {
      expectThat(/^[0-9a-f]{64}$/.test(String(record?.['digest'])), `digest ${String(record?.['digest'])}`);
    }
    expectThat(typeof allowed?.['durationMs'] === 'number', `duration ${String(allowed?.['durationMs'])}`);
    const row = (await world.sessions(`${name}-read`)).find((session) => (session.mcp?.denied ?? 0) > 0);
    same([row?.identity, row?.app.agent, row?.app.attribution], ['reader', 'beta', 'exact']);
  });

  await check(`${name}: invalid JSON is answered, a batch hides no call`, async () => {
    server.ran.length = 0;
    const [broken, batch] = await agent('beta', [
      { do: 'post', body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user"' },
      { do: 'post', body: JSON.stringify([call(71, 'search'), call(72, 'delete_user')]) },
    ]);
    const { status, body } = broken as { status: number; body: string };
    expectThat(status === 400 && body.includes('-32700'), `${status} ${body}`);
    expectThat((batch as { body: string }).body.includes('"error"'), JSON.stringify(batch));
    expectThat(!server.ran.includes('delete_user'), `it ran: ${server.ran.join(', ')}`);
  });
}

function same(seen: unknown, expected: unknown): void {
  expectThat(JSON.stringify(seen) === JSON.stringify(expected), `${JSON.stringify(seen)?.slice(0, 500)}`);
}

await scenarioMain(() => scenario(process.argv[2] ?? ''));
