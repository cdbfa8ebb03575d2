/** The demo's scenarios, as a person runs them: each step happens, the exit says so, and nothing is left. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import type { SessionView } from '../../main/api/views.ts';
import { culvert } from '../support/culvert.ts';
import { mustSkip } from '../support/optional.ts';
import { openPythonEnvironment } from '../support/python-environment.ts';

interface DemoResult {
  readonly ok: boolean;
  readonly steps: readonly { readonly title: string; readonly detail: string }[];
  readonly sessions: readonly SessionView[];
}

/** The interpreter of the Python SDK is the first that the demo finds. */
const python = await openPythonEnvironment('a2a', join(import.meta.dirname, '../support/a2a-python/requirements.txt'));
const inTwoLanguages = !mustSkip('missing' in python ? python.missing : undefined);

async function demo(scenario: string, timeoutMs = 60_000): Promise<DemoResult> {
  const temporary = await mkdtemp(join(tmpdir(), 'culvert-scenario-'));
  const path = 'missing' in python ? '' : `${dirname(python.interpreter)}${delimiter}`;
  const env = { TMPDIR: temporary, PATH: `${path}${process.env['PATH'] ?? ''}` };
  try {
    const ran = await culvert(['demo', '--once', '--scenario', scenario, '--json'], { env, timeoutMs });
    if (ran.code !== 0) throw new Error(ran.err);
    expect(await readdir(temporary)).toEqual([]);
    return JSON.parse(ran.out) as DemoResult;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

test('macro-pulse: eight agents of five organisations meet under engagements; one of these ends, one agent is cut off', async () => {
  const { ok, steps, sessions } = await demo('macro-pulse', 120_000);
  expect(ok).toBe(true);
  const told = steps.map(({ title, detail }) => `${title}: ${detail}`).join('\n');
  expect(told).toMatch(inTwoLanguages ? /official A2A SDK, 5 in JavaScript, 3 in Python/ : /all in JavaScript/);
  if (existsSync('/usr/bin/bwrap')) expect(told).toContain('each by culvert agent run');
  expect(told).toContain('12 of 56 are found');
  expect(told).toContain('contract_violation: its 2 s are over');
  expect(told).toMatch(/its stream ended \d+ ms after its last try/);
  expect(told).toContain('refused: policy.quarantined');
  expect(told).toMatch(/12 engagements stand in the records of both their ends/);
  expect(new Set(sessions.map((session) => session.identity)).size).toBe(8);
  expect(new Set(sessions.map((session) => session.service)).size).toBe(8);
  const reasons = sessions.map((session) => [session.identity, session.closeReason]);
  expect(reasons).toContainEqual(['cirrus-health.reader', 'max_duration_exceeded']);
  expect(reasons).toContainEqual(['delta-freight.broker', 'quarantined']);
  for (const session of sessions) {
    expect(session).toMatchObject({
      guard: 'a2a',
      app: { attribution: 'exact', agent: session.identity.split('.')[1] },
    });
  }
}, 150_000);

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
