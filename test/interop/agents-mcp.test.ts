/** Two agents of one host on one MCP server, across a network: what each sees, what each may call, and what the record says of it. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { buildAgents, runAgent } from '../support/agent-programs.ts';
import { culvertProgram } from '../support/culvert.ts';
import { GovernedWorld } from '../support/governed-world.ts';
import type { AgentStep } from '../support/mcp-agent.ts';
import { openHandshakeServer, openStatelessServer, type McpTestServer } from '../support/mcp-servers.ts';
import { describeGoverned } from '../support/networks.ts';

const wires = [
  ['events', 'handshake', 'answers as event streams'],
  ['json', 'handshake', 'answers as JSON'],
  ['modern', 'stateless', 'revision 2026-07-28'],
] as const;

const everything = { mcp: { allow: ['*'], recordArguments: false } };
const readOnly = {
  mcp: { allow: ['search', 'list_*', 'delete_*'], deny: ['delete_*'], recordArguments: true },
};

describeGoverned('MCP tools of two agents', (network) => {
  let world: GovernedWorld;
  const servers: Record<string, McpTestServer> = {};

  beforeAll(async () => {
    servers['events'] = await openHandshakeServer();
    servers['json'] = await openHandshakeServer({ json: true });
    servers['modern'] = await openStatelessServer();
    world = await GovernedWorld.open(network(), {
      identities: ['curator', 'reader'],
      // One name for both agents; behind it each has the service its own identity was granted, under that service's contract.
      services: Object.fromEntries(
        Object.entries(servers).flatMap(([name, { port: target }]) => [
          [`${name}-full`, { target, address: `${name}.dark`, dial: ['curator'], contract: everything }],
          [`${name}-read`, { target, address: `${name}.dark`, dial: ['reader'], contract: readOnly }],
        ]),
      ),
      config: (home) =>
        `agents:\n  alpha: { identity: curator, path: '${home}/bin/alpha.mjs' }\n` +
        `  beta: { identity: reader, path: ['${home}/bin/beta.mjs', '${home}/bin/desktop.sh'] }\n`,
    });
    await buildAgents(world.home, ['alpha', 'beta']);
  }, 240_000);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    for (const server of Object.values(servers)) await server[Symbol.asyncDispose]();
  }, 60_000);

  const agent = (name: 'alpha' | 'beta', wire: string, generation: string, steps: readonly AgentStep[]) =>
    runAgent(
      join(world.home, 'bin', `${name}.mjs`),
      { proxy: world.proxy, url: `http://${wire}.dark/mcp`, generation },
      steps,
    );

  describe.each(wires)('%s: %s, %s', (wire, generation) => {
    const ranAt = (): string[] => servers[wire]?.ran ?? [];

    test('A sees and calls what its contract allows', async () => {
      const [listed, found] = await agent('alpha', wire, generation, [
        { do: 'list' },
        { do: 'call', tool: 'search', arguments: { text: 'hello' } },
      ]);
      expect(listed).toEqual({ tools: ['delete_all', 'delete_user', 'list_users', 'search'] });
      expect(found).toEqual({ text: 'search:5' });
      expect(ranAt()).toContain('search');
      const row = (await world.sessions(`${wire}-full`)).find((session) => (session.mcp?.calls ?? 0) > 0);
      expect(row).toMatchObject({ identity: 'curator', guard: 'mcp', app: { agent: 'alpha', attribution: 'exact' } });
    });

    test('B does not see delete_*, and is refused in JSON-RPC when it calls it blindly', async () => {
      ranAt().length = 0;
      const [listed, refused, found] = await agent('beta', wire, generation, [
        { do: 'list' },
        { do: 'call', tool: 'delete_user', arguments: { text: 'root' } },
        { do: 'call', tool: 'search', arguments: { text: 'four' } },
      ]);
      expect(listed).toEqual({ tools: ['list_users', 'search'] });
      expect(refused).toMatchObject({ error: { code: -32602 } });
      // It is refused, not cut off: the next call passes.
      expect(found).toEqual({ text: 'search:4' });
      expect(ranAt()).toEqual(['search']);

      const rows = (await world.sessions(`${wire}-read`)).filter((session) => session.identity === 'reader');
      expect(rows.reduce((sum, row) => sum + (row.mcp?.denied ?? 0), 0)).toBe(1);
      const [denied] = await world.records('call', '--service', `${wire}-read`, '--decision', 'deny');
      expect(denied).toMatchObject({
        agent: 'beta',
        tool: 'delete_user',
        decision: 'deny',
        rule: 'contract:mcp.deny delete_*',
        digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        arguments: { text: 'root' },
      });
      const allowed = await world.records('call', '--service', `${wire}-read`, '--decision', 'allow');
      expect(allowed.find((call) => call['tool'] === 'search')).toMatchObject({
        agent: 'beta',
        method: 'tools/call',
        rule: 'contract:mcp.allow search',
        durationMs: expect.any(Number) as number,
        failed: false,
      });
    });

    test('10 MiB of arguments arrive whole', async () => {
      const [found] = await agent('alpha', wire, generation, [
        { do: 'call', tool: 'search', textBytes: 10 * 1024 * 1024 },
      ]);
      expect(found).toEqual({ text: `search:${10 * 1024 * 1024}` });
      const [call] = await world.records('call', '--service', `${wire}-full`);
      expect(call).toMatchObject({ tool: 'search', decision: 'allow' });
      expect(call).not.toHaveProperty('arguments');
    }, 60_000);

    test('invalid JSON never reaches the server', async () => {
      const before = ranAt().length;
      const [broken, truncated] = await agent('beta', wire, generation, [
        { do: 'post', body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_user"' },
        { do: 'post', body: 'delete_user' },
      ]);
      for (const answer of [broken, truncated]) {
        expect(answer).toMatchObject({ status: 400 });
        expect(JSON.parse((answer as { body: string }).body)).toMatchObject({ error: { code: -32700 } });
      }
      expect(ranAt()).toHaveLength(before);
    });

    test('a batch hides no call', async () => {
      ranAt().length = 0;
      const call = (id: number, name: string) => ({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name, arguments: {} },
      });
      const [answer] = await agent('beta', wire, generation, [
        { do: 'post', body: JSON.stringify([call(71, 'search'), call(72, 'delete_user')]) },
      ]);
      expect(ranAt()).not.toContain('delete_user');
      expect((answer as { body: string }).body).toMatch(/"error"/);
    });
  });

  test('a stdio client behind culvert mcp connect is the agent that started it', async () => {
    const script = join(world.home, 'bin', 'desktop.sh');
    const connect = [await culvertProgram(), 'mcp', 'connect', 'json-read', '--state', world.deviceState];
    await writeFile(script, `#!/bin/sh\n"${process.execPath}" ${connect.map((arg) => `"${arg}"`).join(' ')}\n`);
    await chmod(script, 0o755);
    const client = new Client({ name: 'desktop', version: '1' });
    await client.connect(new StdioClientTransport({ command: script }));
    expect((await client.listTools()).tools.map((tool) => tool.name).sort()).toEqual(['list_users', 'search']);
    expect(await client.callTool({ name: 'search', arguments: { text: 'dark' } })).toMatchObject({
      content: [{ text: 'search:4' }],
    });
    await expect(client.callTool({ name: 'delete_all', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    await client.close();
    expect((await world.sessions('json-read')).at(-1)).toMatchObject({ identity: 'reader', app: { agent: 'beta' } });
  });

  test('who is no agent is not lent an agent’s identity by culvert mcp connect', async () => {
    const client = new Client({ name: 'stranger', version: '1' });
    const args = [await culvertProgram(), 'mcp', 'connect', 'json-full', '--state', world.deviceState];
    await expect(client.connect(new StdioClientTransport({ command: process.execPath, args }))).rejects.toThrow(
      /could not be asked: .*\(\w+\.[\w.]+\)/,
    );
    await client.close();
  });
});
