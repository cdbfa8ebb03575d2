/**
 * The demo: an overlay of its own, two dark services hosted by one device, another device enrolled and started, real requests through.
 * Everything lives in one temporary directory and in this process; closing it leaves nothing.
 */
import { join } from 'node:path';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Cli } from '../cli.ts';
import { askDark } from './dark-request.ts';
import { openMcpService } from './mcp-service.ts';
import { onStage, failed, startDevice, waitUntilHosted, type Demo, type DemoMode, type Narrate } from './stage.ts';
import { keepVisiting } from './visitor.ts';
import { openWebService } from './web-service.ts';

const device = 'laptop';
const host = 'workshop';

/** Run the whole scenario; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export function openDemo(cli: Cli, narrate: Narrate, mode: DemoMode): Promise<Demo> {
  return onStage((stack, directory) => scenario(cli, narrate, mode, stack, directory));
}

async function scenario(
  cli: Cli,
  narrate: Narrate,
  asked: DemoMode,
  stack: DisposalStack,
  directory: string,
): Promise<Demo> {
  const { programs } = cli;
  const web = stack.use(await openWebService(cli.clock));
  const mcp = stack.use(await openMcpService());
  narrate(
    'Two ordinary programs serve on loopback',
    `a web page on port ${web.port}, an MCP server on port ${mcp.port}`,
  );

  const overlay = stack.use(
    await programs.openOverlay({ directory: join(directory, 'overlay'), seed: seed(web.port, mcp.port) }),
  );
  narrate('An OpenZiti overlay runs in this process', `controller ${overlay.controller}, router ${overlay.router}`);

  await startDevice({ name: host, mode: 'host', tokens: overlay.tokens, directory, programs }, stack);
  await waitUntilHosted(cli, join(directory, host));
  narrate(`"${host}" enrolled and hosts both as dark services`, 'it only dials out: no inbound port was opened');
  const engine = await startDevice({ name: device, mode: asked, tokens: overlay.tokens, directory, programs }, stack);
  const { mode, modeReason } = engine.ready;
  narrate(`"${device}", this device, enrolled and started`, `mode ${mode}: ${modeReason}`);

  const proxy = mode === 'tun' ? undefined : engine.ready.proxy;
  const state = join(directory, device);
  await visitWeb(cli, proxy, narrate);
  await useTools(cli, proxy, narrate);
  if (web.served() === 0 || mcp.served() === 0) throw failed('the services were not reached');
  const sessions = await cli.withEngine({ state }, (client) => client.session.list());
  if (sessions.length === 0) throw failed('no session was listed');
  narrate('Every session is counted and recorded', `${sessions.length} so far, see below`);
  const through = proxy === undefined ? '' : `--proxy socks5h://${proxy} `;
  return {
    state,
    mode,
    proxy,
    sessions,
    stay: () => stack.use(keepVisiting('http://hello.dark/stream', proxy, cli.clock)),
    next: [
      [`curl ${through}http://hello.dark/`, 'any program reaches the dark service, and is seen doing so'],
      [`CULVERT sessions --watch --state ${state}`, 'sessions as they open, count and close'],
      [`CULVERT why notes.dark --state ${state}`, 'each step from a name to who hosts it'],
      [`CULVERT quarantine add service:hello.dark --state ${state}`, 'cut it off; then curl again'],
      [`CULVERT audit search --state ${state}`, 'every decision and its reason'],
    ],
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

async function visitWeb(cli: Cli, proxy: string | undefined, narrate: Narrate): Promise<void> {
  const answer = await askDark('http://hello.dark/', proxy, { signal: cli.signal });
  if (answer.status !== 200) throw failed(`http://hello.dark/ answered ${answer.status}: ${answer.body.slice(0, 200)}`);
  const way = proxy === undefined ? '' : ` through the proxy at ${proxy}`;
  narrate(`GET http://hello.dark/${way}`, `200: ${answer.body.split('\n')[0] ?? ''}`);
}

async function useTools(cli: Cli, proxy: string | undefined, narrate: Narrate): Promise<void> {
  let id = 0;
  const call = async (method: string, params: unknown): Promise<RpcAnswer> => {
    id += 1;
    const json = { jsonrpc: '2.0', id, method, params };
    const answer = await askDark('http://notes.dark/mcp', proxy, { json, signal: cli.signal });
    try {
      return JSON.parse(answer.body) as RpcAnswer;
    } catch (error) {
      throw failed(`http://notes.dark/mcp answered ${answer.status}: ${answer.body.slice(0, 200)}`, error);
    }
  };
  await call('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'culvert-demo', version: '1' },
  });
  const listed = (await call('tools/list', {})).result?.tools?.map((tool) => tool.name) ?? [];
  const found = await call('tools/call', { name: 'search', arguments: { query: 'dark' } });
  const refused = await call('tools/call', { name: 'delete_notes', arguments: {} });
  const said = found.result?.content?.[0]?.text ?? '';
  if (said === '') throw failed('the tool "search" gave nothing');
  narrate('An MCP client calls the tool "search" on notes.dark', `"${said.split('\n')[0] ?? ''}"`);
  if (listed.includes('delete_notes') || refused.error === undefined) {
    throw failed('the contract of notes.dark was not held: "delete_notes" could be reached');
  }
  narrate(
    'Its contract hides "delete_notes" and refuses it when called blindly',
    `listed: ${listed.join(', ')}; refusal: ${refused.error.message ?? ''}`,
  );
}

interface RpcAnswer {
  readonly result?: {
    readonly tools?: readonly { readonly name: string }[];
    readonly content?: readonly { readonly text?: string }[];
  };
  readonly error?: { readonly message?: string };
}

function seed(webPort: number, mcpPort: number): unknown {
  const dark = (name: string, port: number): Record<string, unknown> => ({
    'intercept.v1': { protocols: ['tcp'], addresses: [name], portRanges: [{ low: 80, high: 80 }] },
    'host.v1': { protocol: 'tcp', address: '127.0.0.1', port },
  });
  return {
    identities: [device, host],
    services: [
      { name: 'hello.dark', configs: dark('hello.dark', webPort), dial: [device], bind: [host] },
      {
        name: 'notes.dark',
        configs: {
          ...dark('notes.dark', mcpPort),
          'culvert.contract.v1': {
            maxDurationSeconds: 3600,
            mcp: { allow: ['search', 'count'], deny: ['delete_*'], rateLimit: { calls: 60, perSeconds: 60 } },
          },
        },
        dial: [device],
        bind: [host],
      },
    ],
  };
}
