/**
 * The demo: an overlay of its own, two dark services hosted by one device, another device enrolled and started, real requests through.
 * Everything lives in one temporary directory and in this process; closing it leaves nothing.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { SessionView } from '../../contract/views.ts';
import type { Cli } from '../cli.ts';
import type { Programs, RunningEngine } from '../programs.ts';
import { askDark } from './dark-request.ts';
import { openMcpService } from './mcp-service.ts';
import { openWebService } from './web-service.ts';

/** Told of each step as it is done. */
export type Narrate = (title: string, detail?: string) => void;

export interface Demo extends AsyncDisposable {
  /** The device's state directory, for further verbs. */
  readonly state: string;
  readonly mode: string;
  /** The device's proxy; absent in mode `tun`, where names simply work. */
  readonly proxy: string | undefined;
  readonly sessions: readonly SessionView[];
}

const device = 'laptop';
const host = 'workshop';
const hostedTurns = 300;
const hostedTurnMs = 100;

/** Run the whole scenario; resolves with everything still up. Throws where any step fails, leaving nothing behind. */
export async function openDemo(cli: Cli, narrate: Narrate): Promise<Demo> {
  const stack = new DisposalStack();
  try {
    return await scenario(cli, narrate, stack);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function scenario(cli: Cli, narrate: Narrate, stack: DisposalStack): Promise<Demo> {
  const { programs } = cli;
  const directory = await mkdtemp(join(tmpdir(), 'culvert-demo-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const web = stack.use(await openWebService());
  const mcp = stack.use(await openMcpService());
  narrate(
    'Two ordinary programs serve on loopback',
    `a web page on port ${web.port}, an MCP server on port ${mcp.port}`,
  );

  const overlay = stack.use(
    await programs.openOverlay({ directory: join(directory, 'overlay'), seed: seed(web.port, mcp.port) }),
  );
  narrate('An OpenZiti overlay runs in this process', `controller ${overlay.controller}, router ${overlay.router}`);

  await startDevice(host, 'host', overlay.tokens[host], directory, programs, stack);
  await waitUntilHosted(cli, join(directory, host));
  narrate(`"${host}" enrolled and hosts both as dark services`, 'it only dials out: no inbound port was opened');
  const engine = await startDevice(device, 'auto', overlay.tokens[device], directory, programs, stack);
  const mode = String(engine.ready['mode']);
  narrate(`"${device}", this device, enrolled and started`, `mode ${mode}: ${String(engine.ready['modeReason'])}`);

  const proxy = mode === 'tun' ? undefined : String(engine.ready['proxy']);
  const state = join(directory, device);
  await visitWeb(cli, proxy, narrate);
  await useTools(cli, proxy, narrate);
  if (web.served() === 0 || mcp.served() === 0) throw failed('the services were not reached');
  const sessions = await cli.withEngine({ state }, (client) => client.session.list());
  if (sessions.length === 0) throw failed('no session was listed');
  narrate('Every session is counted and recorded', `${sessions.length} so far, see below`);
  return { state, mode, proxy, sessions, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
}

/** A terminator is made some milliseconds after the engine is ready. */
async function waitUntilHosted(cli: Cli, state: string): Promise<void> {
  for (let turn = 0; turn < hostedTurns; turn++) {
    const services = await cli.withEngine({ state }, (client) => client.service.list());
    if (services.length > 0 && services.every((service) => (service.hosted?.terminators ?? 0) > 0)) return;
    await sleep(cli.clock, hostedTurnMs, cli.signal);
  }
  throw failed(`"${host}" did not get to host its services`);
}

async function startDevice(
  name: string,
  mode: 'auto' | 'host',
  tokenFile: string | undefined,
  directory: string,
  programs: Programs,
  stack: DisposalStack,
): Promise<RunningEngine> {
  if (tokenFile === undefined) throw failed(`there is no token for ${name}`);
  const stateDirectory = join(directory, name);
  // Keys lie encrypted even in a demo; the passphrase lives in this process alone.
  const passphrase = randomBytes(24).toString('base64url');
  const identities = await programs.openIdentities(stateDirectory, passphrase);
  await identities.enroll({ source: await readFile(tokenFile, 'utf8'), name, method: 'token', keystore: 'file' });
  return stack.use(
    await programs.runEngine({
      stateDirectory,
      socketPath: join(stateDirectory, 'engine.sock'),
      mode,
      forwards: [],
      passphrase,
      logFile: join(directory, `${name}.log`),
    }),
  );
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

function failed(sentence: string, cause?: unknown): TunnelerError {
  return new TunnelerError('base.internal', sentence, cause === undefined ? {} : { cause });
}
