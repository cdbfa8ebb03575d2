import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import type { Reason } from '../../main/base/reason.ts';
import { openGuardedPort, type GuardedPort } from '../support/guarded-port.ts';
import { openHandshakeServer, openStatelessServer, type McpTestServer } from '../support/mcp-servers.ts';

interface AnyClient {
  listTools(): Promise<{ tools: readonly { name: string }[] }>;
  listPrompts(): Promise<{ prompts: readonly { name: string }[] }>;
  listResources(): Promise<{ resources: readonly { uri: string }[] }>;
  callTool(call: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
  getPrompt(call: { name: string }): Promise<unknown>;
  readResource(call: { uri: string }): Promise<unknown>;
  close(): Promise<void>;
}

const handshake = async (port: number): Promise<AnyClient> => {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)));
  return client;
};

const stateless = async (port: number): Promise<AnyClient> => {
  const client = new ModernClient(
    { name: 'test', version: '2' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(new ModernTransport(new URL(`http://127.0.0.1:${port}/mcp`)));
  return client;
};

const wires: readonly (readonly [string, () => Promise<McpTestServer>, (port: number) => Promise<AnyClient>])[] = [
  ['handshake revision, answers as event streams', () => openHandshakeServer(), handshake],
  ['handshake revision, answers as JSON', () => openHandshakeServer({ json: true }), handshake],
  ['stateless revision 2026-07-28', openStatelessServer, stateless],
];

describe.each(wires)('MCP guard over the official SDK: %s', (_name, openServer, connect) => {
  const terms = {
    mcp: {
      allow: ['search', 'list_*', 'greet', { tool: 'doc://public/*', kind: 'resource' }],
      deny: ['delete_*', 'secret_*'],
      recordArguments: true,
    },
  };

  async function world(rules: unknown): Promise<{
    server: McpTestServer;
    guarded: GuardedPort;
    client: AnyClient;
    [Symbol.asyncDispose](): Promise<void>;
  }> {
    const server = await openServer();
    const guarded = await openGuardedPort(server.port, rules, { facts: { service: 'docs' } });
    const client = await connect(guarded.port);
    return {
      server,
      guarded,
      client,
      async [Symbol.asyncDispose]() {
        await client.close();
        await guarded[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  it('shows and calls what is allowed, hides and refuses what is not', async () => {
    await using all = await world(terms);
    const { client, server, guarded } = all;
    expect((await client.listTools()).tools.map((tool) => tool.name).sort()).toEqual(['list_users', 'search']);
    expect((await client.listPrompts()).prompts.map((prompt) => prompt.name)).toEqual(['greet']);
    expect((await client.listResources()).resources.map((resource) => resource.uri)).toEqual(['doc://public/a']);
    await expect(client.callTool({ name: 'search', arguments: { text: 'hello' } })).resolves.toMatchObject({
      content: [{ text: 'search:5' }],
    });
    await expect(client.callTool({ name: 'delete_user', arguments: { text: 'x' } })).rejects.toMatchObject({
      code: -32602,
    });
    await expect(client.getPrompt({ name: 'secret_plan' })).rejects.toMatchObject({ code: -32602 });
    await expect(client.readResource({ uri: 'doc://private/b' })).rejects.toThrow();
    await client.getPrompt({ name: 'greet' });
    await client.readResource({ uri: 'doc://public/a' });
    expect(server.ran).toEqual(['search', 'greet', 'doc://public/a']);

    const calls = guarded.calls();
    expect(calls.filter((call) => call.decision === 'deny').map((call) => call.target)).toEqual([
      'delete_user',
      'secret_plan',
      'doc://private/b',
    ]);
    const search = calls.find((call) => call.target === 'search');
    expect(search).toMatchObject({ method: 'tools/call', rule: 'contract:mcp.allow search', failed: false });
    expect(search?.arguments).toEqual({ text: 'hello' });
    expect(search?.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(search?.durationMs).toBeGreaterThanOrEqual(0);
    expect(guarded.audit.records.filter((record) => record.kind === 'call')).toHaveLength(calls.length);
    expect(guarded.audit.kinds()).not.toContain('violation');
  });

  it('carries ten megabytes of arguments', async () => {
    await using all = await world({ mcp: { allow: ['*'] } });
    const text = 'a"\\ü'.repeat(1_500_000);
    await expect(all.client.callTool({ name: 'search', arguments: { text } })).resolves.toMatchObject({
      content: [{ text: `search:${text.length}` }],
    });
    expect(all.guarded.calls().at(-1)).toMatchObject({ target: 'search', decision: 'allow', failed: false });
    expect(all.guarded.calls().at(-1)).not.toHaveProperty('arguments');
  }, 30_000);

  it('counts and limits', async () => {
    await using all = await world({ mcp: { rateLimit: { calls: 2, perSeconds: 60 } } });
    await all.client.callTool({ name: 'search' });
    await all.client.callTool({ name: 'search' });
    await expect(all.client.callTool({ name: 'search' })).rejects.toMatchObject({ code: -32000 });
    expect(all.guarded.calls().at(-1)).toMatchObject({ decision: 'deny', rule: 'contract:mcp.rateLimit' });
  });

  it('asks local rules before a call goes on', async () => {
    const server = await openServer();
    const reason: Reason = { code: 'policy.local.forbidden', sentence: 'not at night', rule: 'local:night' };
    await using guarded = await openGuardedPort(
      server.port,
      { mcp: {} },
      {
        authorize: (action) =>
          action.target === 'list_users' ? { kind: 'deny', reason } : { kind: 'allow', rules: [] },
      },
    );
    const client = await connect(guarded.port);
    await expect(client.callTool({ name: 'list_users' })).rejects.toThrow();
    await client.callTool({ name: 'search' });
    expect(server.ran).toEqual(['search']);
    expect(guarded.calls().find((call) => call.decision === 'deny')?.rule).toBe('local:night');
    await client.close();
    await server[Symbol.asyncDispose]();
  });
});
