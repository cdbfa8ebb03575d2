/**
 * Modbus libraries of several ages and languages through a read-only contract to a kept device: reads go on before, between and after refusals,
 * and nothing but reads arrives. The table they make is in `resources/docs/field/ot.md`.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { markdownTable, writeSection } from '../support/field-page.ts';
import {
  askDevice,
  clientTold,
  floorPythonMissing,
  openDevice,
  type ClientTold,
  type FloorLibraries,
} from '../support/floor-python.ts';
import { forbiddenIn } from '../support/floor-reference.ts';
import { openGuardedPort } from '../support/guarded-port.ts';
import { mustSkip } from '../support/optional.ts';
import { openRecordingRelay } from '../support/recording-relay.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { findTool, toolsMissing } from '../support/tools.ts';

const rust = join(import.meta.dirname, '../support/floor/rust');
const built = join(import.meta.dirname, '../../.cache/floor-rust');

interface Client {
  readonly library: string;
  readonly missing: () => Promise<string | undefined>;
  readonly ask: (port: number) => Promise<ClientTold>;
  /** What its user sees of a refusal, in words; the rest is in the table. */
  readonly sees: RegExp;
}

const python = (library: string, client: string, libraries: FloorLibraries, sees: RegExp): Client => ({
  library,
  missing: () => floorPythonMissing(libraries),
  ask: (port) => askDevice(client, port, libraries),
  sees,
});

const clients: readonly Client[] = [
  python('pymodbus 3.16.1', 'modbus', 'of-the-day', /exception_code=1\)$/),
  python(
    'pymodbus 3.6.9',
    'pymodbus36',
    'pymodbus36',
    /Exception Response\(\d+, \d+, IllegalFunction\)|exception_code=1/,
  ),
  python('pymodbus 2.5.3', 'pymodbus25', 'pymodbus25', /Exception Response\(\d+, \d+, IllegalFunction\)/),
  python('pyModbusTCP 0.3.1', 'pymodbustcp', 'pymodbus36', /^(?:False|None): .*illegal function/i),
  {
    library: 'libmodbus 3.1',
    missing: () => Promise.resolve(toolsMissing('python3', 'libmodbus')),
    ask: (port) => askDevice('libmodbus', port, 'of-the-day', { LIBMODBUS: findTool('libmodbus') ?? '' }),
    sees: /^-1: Illegal function$/,
  },
  {
    library: 'mbpoll 1.4',
    missing: () => Promise.resolve(toolsMissing('python3', 'mbpoll')),
    ask: (port) => askDevice('mbpoll', port),
    sees: /failed: Illegal function$/,
  },
  {
    library: 'tokio-modbus 0.17',
    missing: () => Promise.resolve(toolsMissing('cargo')),
    async ask(port) {
      const build = ['build', '--quiet', '--locked', '--target-dir', built];
      await promisify(execFile)('cargo', build, { cwd: rust, maxBuffer: 1 << 26 });
      return clientTold('tokio-modbus', join(built, 'debug/floor-client'), [String(port)]);
    },
    sees: /^Ok\(Err\(IllegalFunction\)\)$/,
  },
];

const rows: (readonly string[])[] = [];
afterAll(async () => {
  if (rows.length < clients.length) return;
  const head = ['library', 'reads', 'refused', 'what its user sees of a refused write'];
  await writeSection('ot', 'Modbus libraries', markdownTable(head, rows));
});

describe('a Modbus library under a read-only contract', async () => {
  const noDevice = await floorPythonMissing();
  for (const { library, missing, ask, sees } of clients) {
    it.skipIf(mustSkip(noDevice ?? (await missing())))(library, { timeout: 600_000 }, async () => {
      await using device = await openDevice('modbus', temporaryDirectory('modbus-client'));
      await using relay = await openRecordingRelay(device.port);
      await using guarded = await openGuardedPort(relay.port, { modbus: { allow: 'read' } });
      const { reads, refused } = await ask(guarded.port);
      expect(reads).toEqual(reads.map(() => [7, 7]));
      expect(reads).toHaveLength(Object.keys(refused).length + 1);
      for (const [operation, sight] of Object.entries(refused)) {
        // No answer is asked for by some.
        if (operation !== 'listen only') expect(sight, operation).toMatch(sees);
      }
      expect(relay.arrived.length).toBeGreaterThan(0);
      expect(relay.arrived.flatMap((bytes) => forbiddenIn('modbus', bytes))).toEqual([]);
      const denied = guarded.calls().filter((call) => call.decision === 'deny');
      expect(denied.length).toBe(Object.keys(refused).length);
      rows.push([
        library,
        String(reads.length),
        Object.keys(refused).join(', '),
        `\`${refused['write register'] ?? ''}\``,
      ]);
    });
  }
});
