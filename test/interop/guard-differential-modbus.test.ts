/**
 * What the Modbus guard sends on does to a device by libmodbus what was judged, and nothing else: seeded sessions, judged and written anew, are
 * taken by the library and done to tables of its own. `CULVERT_GUARD_MESSAGES` sets how many, default 10,000; `CULVERT_GUARD_FIRST` the number
 * of the first.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parseEngagement } from '../../main/base/engagement.ts';
import { modbusOperations } from '../../main/base/engagement/modbus-operations.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardCall } from '../../main/guard/guard.ts';
import { context, GuardDriver } from '../support/guard-driver.ts';
import { drawing } from '../support/guard-messages.ts';
import { modbusSession } from '../support/modbus-messages.ts';
import { mustSkip } from '../support/optional.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { findTool, toolsMissing } from '../support/tools.ts';

const run = promisify(execFile);
const wanted = Number(process.env['CULVERT_GUARD_MESSAGES'] ?? 10_000);
const firstMessage = Number(process.env['CULVERT_GUARD_FIRST'] ?? 0);
const inOneGo = 10_000;
const reader = join(import.meta.dirname, '../support/second-readers/read_modbus.py');

/** Everything that is no control, with limits of all kinds; `8/0` and `43/14` are reads. */
const contract = parseEngagement(
  {
    modbus: {
      allow: 'write',
      units: [0, 1, 2, 3],
      write: [
        { table: 'holding', from: 0, to: 50_000 },
        { table: 'holding', from: 50_001, to: 65_535, min: 10, max: 60_000 },
        { table: 'coils', from: 0, to: 65_535 },
      ],
    },
  },
  'test',
);
/** What libmodbus answers with "illegal function", whatever stands in it, and throws away what came behind it. */
const unknownToIt: ReadonlySet<number> = new Set([8, 11, 12, 20, 21, 24, 43]);
const codesByName: ReadonlyMap<string, number> = new Map(modbusOperations.map(({ name, code }) => [name, code]));

test.skipIf(mustSkip(toolsMissing('python3', 'libmodbus')))(
  'what the Modbus guard sends on does to a device by libmodbus what was judged',
  async () => {
    const file = join(temporaryDirectory('modbus-reader'), 'sessions');
    let passed = 0;
    for (let from = 0; from < wanted; from += inOneGo) {
      const { sent, expected } = judgeAll(firstMessage + from, Math.min(inOneGo, wanted - from));
      await writeFile(file, sent);
      const { stdout } = await run('python3', [reader, findTool('libmodbus') ?? '', file], {
        maxBuffer: 256 * 1024 * 1024,
      });
      const seen = stdout.split('\n').filter((line) => line !== '');
      const differing = expected.findIndex((line, index) => line !== seen[index]);
      expect(differing < 0 ? undefined : { expected: expected[differing], seen: seen[differing] }).toBeUndefined();
      expect(seen.length).toBe(expected.length);
      passed += expected.length;
    }
    // Messages that all fall are no test.
    expect(passed).toBeGreaterThan(wanted * 0.5);
    console.info(`Modbus: ${passed} requests of ${wanted} sessions passed`);
  },
  60_000 + wanted * 10,
);

/** Sessions by their number, each through a guard of its own; what passed, and what each request was judged as. */
function judgeAll(from: number, count: number): { readonly sent: Uint8Array; readonly expected: readonly string[] } {
  const sent: Uint8Array[] = [];
  const expected: string[] = [];
  for (let id = from; id < from + count; id += 1) {
    const guard = createGuard(contract, context());
    if (guard === undefined) throw new Error('no guard');
    const { toService, calls } = new GuardDriver(guard).run([['app', modbusSession(drawing(id + 1))]]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(toService.length);
    sent.push(length, toService);
    const allowed = calls.filter(({ decision }) => decision === 'allow');
    const last = allowed.findIndex(({ method }) => unknownToIt.has(codesByName.get(method) ?? -1));
    const taken = last < 0 ? allowed : allowed.slice(0, last + 1);
    expected.push(...taken.map((call) => [id - from, ...judged(call)].join('\t')));
  }
  return { sent: Buffer.concat(sent), expected };
}

interface Registers {
  readonly access: 'read' | 'write';
  readonly table: string;
  readonly address: number;
  readonly count: number;
  readonly values?: readonly number[];
  readonly masks?: { readonly and: number; readonly or: number };
}

/** One request in the words of the reader. */
function judged({ method, target, arguments: facts }: GuardCall): readonly (string | number)[] {
  const code = codesByName.get(method) ?? -1;
  const { registers = [] } = (facts ?? {}) as { readonly registers?: readonly Registers[] };
  const unit = Number(/^unit (\d+)/.exec(target)?.[1]);
  if (unknownToIt.has(code)) return [unit, code, 'exception 1'];
  const written = registers.find(({ access }) => access === 'write');
  return [unit, code, ...registers.map((one) => accessOf(one, written))];
}

function accessOf(one: Registers, written: Registers | undefined): string {
  const last = one.address + one.count - 1;
  if (one.access === 'read') {
    // What was just written over all of it tells no addresses.
    const isHidden = written !== undefined && written.address <= one.address && written.address + written.count > last;
    return isHidden ? `read ${one.table} ${one.count} that were written` : `read ${one.table} ${one.address}-${last}`;
  }
  if (one.masks !== undefined) {
    const { and, or } = one.masks;
    // A mask that keeps every bit leaves no trace.
    if (and === 0xffff) return 'write nothing';
    return `write ${one.table} ${one.address} ${and}/${or & ~and & 0xffff}`;
  }
  return `write ${one.table} ${one.address}-${last} ${one.values?.join(',') ?? ''}`;
}
