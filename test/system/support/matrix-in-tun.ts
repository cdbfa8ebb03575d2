/**
 * The matrix of MCP in a namespace: clients that know nothing of Culvert find services by their names, others start its bridges. Those
 * that come with the sources, those in the file that `CULVERT_MATRIX` names, or a core (a further argument). Runs inside a namespace: see `inside.ts`.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  allCells,
  cellName,
  RunningServer,
  runCell,
  servicesFor,
  type Matrix,
  type PlannedCell,
} from '../../support/mcp-matrix.ts';
import { coreCells, ownPeers } from '../../support/mcp-peers.ts';
import { McpWorld } from '../../support/mcp-world.ts';
import { say, scenarioMain } from './tun-world.ts';

async function scenario(): Promise<void> {
  const cells = process.argv[3] === 'core' ? coreCells() : allCells(await asked());
  const directory = await mkdtemp(join(tmpdir(), 'culvert-matrix-'));
  const running: RunningServer[] = [];
  try {
    for (const server of new Map(cells.map(({ server: one }) => [one.service, one])).values())
      running.push(await RunningServer.start(server, directory));
    await using world = await McpWorld.open(servicesFor(running), { mode: 'tun' });
    await runCells(world, cells, running);
  } finally {
    for (const server of running) await server[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

async function asked(): Promise<Matrix> {
  const file = process.env['CULVERT_MATRIX'];
  return file === undefined ? ownPeers() : (JSON.parse(await readFile(file, 'utf8')) as Matrix);
}

async function runCells(
  world: McpWorld,
  cells: readonly PlannedCell[],
  running: readonly RunningServer[],
): Promise<void> {
  // Cells of one server follow each other, for what it did is looked at; two servers are asked at a time.
  const waiting = [...running];
  await Promise.all(
    [1, 2].map(async () => {
      for (let server = waiting.shift(); server !== undefined; server = waiting.shift()) {
        for (const { client, way } of cells.filter((cell) => cell.server.service === server?.of.service)) {
          const start = performance.now();
          const cell = await runCell(world, client, server, way);
          const ok = Object.keys(cell.failed).length === 0;
          const check = cellName(client, server.of, way);
          say({ check, ok, ms: Math.round(performance.now() - start), detail: cell });
        }
      }
    }),
  );
}

await scenarioMain(scenario);
