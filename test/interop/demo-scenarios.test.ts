/** The demo's scenarios, as a person runs them: each step happens, the exit says so, and nothing is left. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SessionView } from '../../main/api/views.ts';
import { culvert } from '../support/culvert.ts';

interface DemoResult {
  readonly ok: boolean;
  readonly steps: readonly { readonly title: string; readonly detail: string }[];
  readonly sessions: readonly SessionView[];
}

async function demo(scenario: string): Promise<DemoResult> {
  const temporary = await mkdtemp(join(tmpdir(), 'culvert-scenario-'));
  try {
    const ran = await culvert(['demo', '--once', '--scenario', scenario, '--json'], { env: { TMPDIR: temporary } });
    expect(ran).toMatchObject({ code: 0 });
    expect(await readdir(temporary)).toEqual([]);
    return JSON.parse(ran.out) as DemoResult;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

test('macro-pulse: eight agents of five organisations; one engagement ends, one agent is cut off', async () => {
  const { ok, steps, sessions } = await demo('macro-pulse');
  expect(ok).toBe(true);
  expect(steps.at(-1)?.detail).toContain('policy.quarantined');
  const dialled = new Set(sessions.map((session) => session.identity));
  expect(dialled.size).toBe(8);
  expect(new Set(sessions.map((session) => session.service)).size).toBe(5);
  const reasons = sessions.map((session) => [session.identity, session.closeReason]);
  expect(reasons).toContainEqual(['cirrus-health.reader', 'max_duration_exceeded']);
  expect(reasons).toContainEqual(['delta-freight.broker', 'quarantined']);
  for (const session of sessions)
    expect(session.app).toMatchObject({ attribution: 'exact', agent: session.identity.split('.')[1] });
}, 90_000);

test('plant: registers are read, writes are answered by the guard, the session is recorded', async () => {
  const { ok, steps, sessions } = await demo('plant');
  expect(ok).toBe(true);
  expect(steps.map((step) => step.detail)).toContain('what reached the PLC: reads 1, writes 0');
  const titles = steps.map((step) => step.title).join('\n');
  expect(titles).toMatch(/the vendor is refused, the floor is asked\n.*The floor operator says yes/);
  expect(steps.map((step) => step.detail)).toContain('what reached that PLC: reads 1, all else 0');
  expect(steps.map((step) => step.detail)).toContain('maintenance-laptop read-var DB1.DBB0–3: 01 02 03 04');
  expect(sessions).toMatchObject([{ service: 'press-7.plc', identity: 'maintenance-laptop', guard: 'modbus' }]);
}, 60_000);

test('models: three agents ask two providers through one endpoint, one is stopped in mid-sentence, keys are worth nothing in other hands', async () => {
  const { ok, steps, sessions } = await demo('models');
  expect(ok).toBe(true);
  const told = steps.map(({ title, detail }) => `${title}: ${detail}`).join('\n');
  expect(told).toMatch(/stopped in mid-sentence after 2[0-9]{2}/);
  expect(told).toContain('429: Refused by contract: the budget of 300 tokens');
  expect(told).toContain('401: Refused: the key');
  expect(new Set(sessions.map(({ identity }) => identity))).toEqual(new Set(['writer', 'analyst', 'spender']));
}, 60_000);
