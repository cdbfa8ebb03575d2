import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createText } from '../../app/text/text.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { codeFromOutside } from '../../main/base/reason.ts';
import { zipBundle } from '../../main/engine/bundle/zip-bundle.ts';
import { openQuarantine } from '../../main/engine/containment/quarantine.ts';
import { unzipSync } from 'fflate';
import { MemoryAudit } from '../support/session-world.ts';

const directory = mkdtempSync(join(tmpdir(), 'reason-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('a code from outside', () => {
  it('is taken as it is where this build knows it', () => {
    expect(codeFromOutside('breaker.calls', { subject: 'app:x' })).toEqual({
      code: 'breaker.calls',
      details: { subject: 'app:x' },
    });
    expect(codeFromOutside('ziti.dial.refused')).toEqual({ code: 'ziti.dial.refused' });
  });

  it('is kept beside its sentence where this build does not', () => {
    const { code, details } = codeFromOutside('baseline.of-next-year', { subject: 'app:x' });
    expect({ code, details }).toEqual({
      code: 'reason.unknown',
      details: { subject: 'app:x', code: 'baseline.of-next-year' },
    });
    const told = { code, details, sentence: 'x did what no program does' };
    expect(createText('de').reason(told)).toEqual({ sentence: told.sentence });
    expect(createText('en').reason(told)).toEqual({ sentence: 'X did what no program does.' });
  });

  it('frees nobody whom a newer version put in quarantine for it', () => {
    const kept = { subject: 'app:x', sinceMs: 1, cause: 'odd', said: { code: 'breaker.of-next-year' }, by: 'breaker' };
    const path = join(directory, 'quarantine.json');
    writeFileSync(path, JSON.stringify({ version: 1, quarantined: [kept] }));
    const audit = new MemoryAudit();
    using quarantine = openQuarantine({ stateDirectory: directory, clock: systemClock, audit, log: silentLog });
    expect(quarantine.causeOf('app:x')).toBe('odd');
    quarantine.add('app:y', 'by hand', 'operator');
    expect(readFileSync(path, 'utf8')).toContain('breaker.of-next-year');
  });
});

describe('codes of reasons', () => {
  it('stay readable in a bundle: they are no host names', () => {
    const status = { text: 'policy.contract.apps at plc.example' };
    const { zip } = zipBundle([{ name: 'status.json', value: status }], 'full');
    const text = new TextDecoder().decode(unzipSync(zip)['status.json']);
    expect(text).toContain('policy.contract.apps');
    expect(text).not.toContain('plc.example');
  });
});
