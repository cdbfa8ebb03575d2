/** The journal on a disk that is really full: what it refuses or loses is counted, and the chain goes on once there is room. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditDirectory, openAudit } from '../../main/audit/audit.ts';
import { verifyAudit } from '../../main/audit/verify.ts';
import { systemClock } from '../../main/base/clock.ts';
import { isTunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { mustSkip } from '../support/optional.ts';
import { rootMissing } from '../support/tools.ts';

describe.skipIf(mustSkip(rootMissing()))('a full disk', () => {
  let disk: string;

  beforeEach(async () => {
    disk = await mkdtemp(join(tmpdir(), 'culvert-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=700', 'culvert-test', disk]);
  });
  afterEach(async () => {
    execFileSync('umount', ['-l', disk]);
    await rm(disk, { recursive: true, force: true });
  });

  it.each(['closed', 'open'] as const)('failing %s: every record that was lost is counted', async (onWriteFailure) => {
    const audit = openAudit({ stateDirectory: disk, clock: systemClock, log: silentLog }, { onWriteFailure });
    const text = 'x'.repeat(1000);
    let attempts = 0;
    let refused = 0;
    const attempt = (): void => {
      attempts += 1;
      try {
        audit.record({ kind: 'verdict', service: text });
      } catch (error) {
        if (!isTunnelerError(error, 'audit.write_failed')) throw error;
        refused += 1;
      }
    };
    await writeFile(join(disk, 'ballast'), Buffer.alloc(64 * 1024));
    while (attempts < 100) attempt();
    await rm(join(disk, 'ballast'));
    attempt();
    await audit[Symbol.asyncDispose]();

    const [file = ''] = await readdir(auditDirectory(disk));
    const records = (await readFile(join(auditDirectory(disk), file), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; lost?: number; seq: number });
    const kept = records.filter(({ kind }) => kind === 'verdict').length;
    const lost = records.reduce((sum, record) => sum + (record.lost ?? 0), 0);
    expect(lost).toBeGreaterThan(5);
    expect(kept + lost).toBe(attempts);
    expect(refused).toBe(onWriteFailure === 'closed' ? lost : 0);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1));
    expect(await verifyAudit(disk, { identities: [] })).toMatchObject({ ok: true, gaps: lost });
  });
});
