/** The clients and servers of the matrix: those that come with the sources, and the others of the day, installed in a folder of their own. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Matrix, MatrixClient, MatrixServer, PlannedCell, Way } from './mcp-matrix.ts';

const scripts = fileURLToPath(new URL('ai/', import.meta.url));

const noSession = {
  elicitation: 'without a session nobody can be asked',
  subscription: 'without a session nobody is told',
  cancel: 'without a session no call can be called off',
};

/** Scripts of the official TypeScript SDKs, wherever their packages are. */
export function typeScriptPeers(directory: string): Matrix {
  const script = (name: string, ...args: readonly string[]): readonly string[] => [
    process.execPath,
    join(directory, name),
    ...args,
  ];
  const first = (name: string, kind: string): MatrixServer => {
    const service = `ts1-${kind}`;
    return {
      name: `TypeScript 1.x, ${name}`,
      service,
      command: script('ts1-server.mjs', service, kind),
      ...(kind === 'json' ? {} : { events: true }),
      ...(kind === 'older' ? { older: true } : {}),
    };
  };
  const servers: readonly MatrixServer[] = [
    first('event streams', 'events'),
    {
      ...first('JSON', 'json'),
      lacks: {
        progress: 'one document has room for an answer alone',
        cancel: 'it says nothing before its answer',
        elicitation: 'one document has room for an answer alone',
      },
    },
    first('the transport of 2024', 'older'),
    first('with an event store', 'resumable'),
    {
      name: 'TypeScript 2.x',
      service: 'ts2',
      command: script('ts2-server.mjs', 'ts2'),
      stateless: true,
      lacksWithHandshake: noSession,
    },
  ];
  const clients: readonly MatrixClient[] = [
    { name: 'TypeScript 1.x', command: script('ts1-client.mjs'), eras: ['handshake'], older: true },
    { name: 'TypeScript 2.x, auto', command: script('ts2-client.mjs'), eras: ['handshake', 'stateless'], older: true },
    {
      name: 'TypeScript 2.x, pinned',
      command: script('ts2-client.mjs'),
      after: ['2026-07-28'],
      eras: ['stateless'],
      older: false,
    },
  ];
  return { clients, servers };
}

/** Those that come with the sources, but for the client that is pinned: with most servers it has nothing in common. */
export function ownPeers(): Matrix {
  const { clients, servers } = typeScriptPeers(scripts);
  return { servers, clients: clients.filter(({ eras }) => eras.includes('handshake')) };
}

/** Each client, each server, each way, and each era before the other. */
const core: readonly (readonly [client: string, service: string, way: Way])[] = [
  ['TypeScript 1.x', 'ts1-events', 'transparent'],
  ['TypeScript 1.x', 'ts1-older', 'connect'],
  ['TypeScript 1.x', 'ts2', 'serve'],
  ['TypeScript 2.x, auto', 'ts2', 'transparent'],
  ['TypeScript 2.x, auto', 'ts1-resumable', 'connect'],
  ['TypeScript 2.x, auto', 'ts1-json', 'serve'],
  ['TypeScript 2.x, pinned', 'ts2', 'connect'],
  ['TypeScript 2.x, pinned', 'ts1-events', 'serve'],
];

/** As few cells as hold all that comes with the sources. */
export function coreCells(): readonly PlannedCell[] {
  const { clients, servers } = typeScriptPeers(scripts);
  return core.map(([name, service, way]) => {
    const [client, server] = [clients.find((one) => one.name === name), servers.find((one) => one.service === service)];
    if (client === undefined || server === undefined) throw new Error(`no cell of ${name} with ${service}`);
    return { client, server, way };
  });
}
