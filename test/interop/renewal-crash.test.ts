/** Certificate renewal with key roll, cut short at every step: by the death of this process, and by that of the controller. */
import { spawn } from 'node:child_process';
import { X509Certificate, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { silentLog } from '../../main/base/log.ts';
import { SerialQueue } from '../../main/base/serial-queue.ts';
import { contextOpener } from '../../main/engine/identities/open-context.ts';
import type { IdentityFile } from '../../main/identity/identities.ts';
import { openIdentityStore } from '../../main/identity/identity-store.ts';
import {
  enroll,
  openHttpsTransport,
  openZitiContext,
  type OpenTransport,
  type ZitiContext,
} from '../../main/ziti/ziti.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { until } from '../support/until.ts';
import { uniqueName } from '../support/ziti-world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Three writes to the key on the disk, two points around the first request, three writes to the staged record, two around the confirmation. */
const confirmedPoint = 10;
const unlock = { passphrase: 'correct horse' };

describe.skipIf(mustSkip(openZitiMissing()))('a renewal that is cut short (OpenZiti)', () => {
  let network: RealNetwork;
  let home: string;
  const program = join(root, '.cache', `renewing-${process.pid}-${randomUUID()}.mjs`);

  beforeAll(async () => {
    network = await openRealNetwork();
    home = await mkdtemp(join(tmpdir(), 'culvert-renewal-'));
    await build({
      absWorkingDir: root,
      entryPoints: ['test/support/renewing-child.ts'],
      outfile: program,
      bundle: true,
      platform: 'node',
      target: 'node20.19',
      format: 'esm',
      packages: 'external',
      logLevel: 'error',
    });
  }, realNetworkTimeoutMs);

  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
    await rm(program, { force: true });
  }, 60_000);

  /** An enrolled identity in a state directory of its own. */
  async function enrolled(): Promise<Enrolled> {
    const name = uniqueName('renewing');
    const state = join(home, name);
    const { id, jwt } = await network.admin.createIdentity(name);
    const store = await openIdentityStore({ stateDirectory: state, log: silentLog });
    const { reference, key } = await store.keystore('file').create(name, 'ES256', unlock);
    const enrolment = await enroll({ jwt, clock: systemClock, prepareKey: () => Promise.resolve(key) });
    const { apis, caPem, certPem = '' } = enrolment;
    const record: IdentityFile = {
      ...{ name, enabled: true, scope: 'machine', keystore: 'file', keyReference: reference },
      ...{ apis, caPem, certPem, jit: false, foreign: {} },
    };
    await store.add(record);
    return { id, name, state };
  }

  async function onDisk({ state, name }: Enrolled): Promise<IdentityFile> {
    return (await openIdentityStore({ stateDirectory: state, log: silentLog })).get(name);
  }

  /** What the child said before it ended. */
  function renewing(
    identity: Enrolled,
    dieAt: number,
    dieFrom: 'renewal' | 'start' = 'renewal',
  ): Promise<{ readonly said: readonly string[]; readonly killed: boolean }> {
    const child = spawn(process.execPath, [program], {
      env: {
        ...process.env,
        ...{ STATE: identity.state, NAME: identity.name, PASSPHRASE: unlock.passphrase },
        ...{ DIE_AT: String(dieAt), DIE_FROM: dieFrom },
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    return new Promise((resolve) =>
      child.once('close', (_code, signal) => {
        resolve({ said: Buffer.concat(chunks).toString().split('\n'), killed: signal === 'SIGKILL' });
      }),
    );
  }

  /** Killed at every `step`-th point from `first` on; each start must sign in, whatever the death before it left. */
  async function killedFrom(first: number, step: number): Promise<string[]> {
    const identity = await enrolled();
    const deaths: string[] = [];
    for (let at = first; at < 100; at += step) {
      const { said, killed } = await renewing(identity, at);
      expect(said, `after ${deaths.at(-1) ?? 'enrolment'}`).toContain('ready');
      if (!killed) break;
      deaths.push(said.find((line) => line.startsWith('died: ')) ?? '');
    }
    const { staged, certPem = '' } = await onDisk(identity);
    expect(staged).toBeUndefined();
    expect(await network.admin.certificateFingerprints(identity.id)).toEqual([fingerprint(certPem)]);
    return deaths;
  }

  test.concurrent(
    'killed before every write and around every request, the identity signs in again each time',
    async () => {
      const deaths = (await Promise.all([killedFrom(1, 2), killedFrom(2, 2)])).flat();
      // Nothing slipped through the hooks: key, both requests, both records, the old key's end.
      for (const what of ['rename key', 'before POST extend', 'after POST extend', 'rename record']) {
        expect(deaths).toContain(`died: ${what}`);
      }
      for (const what of ['before POST extend-verify', 'after POST extend-verify', 'unlink key']) {
        expect(deaths).toContain(`died: ${what}`);
      }
      expect(deaths.length).toBeGreaterThanOrEqual(14);
    },
    120_000,
  );

  test.concurrent(
    'the recovery itself killed before every write is taken up again by the next',
    async () => {
      const identity = await enrolled();
      // The controller knows only the new certificate from here on, and the disk says only that there are two.
      const { said } = await renewing(identity, confirmedPoint);
      expect(said).toContain('died: after POST extend-verify');
      expect((await onDisk(identity)).staged).toBeDefined();
      for (let at = 1; at < 30; at += 1) {
        const { said: recovering, killed } = await renewing(identity, at, 'start');
        if (!killed) {
          expect(recovering).toContain('ready');
          break;
        }
      }
      const { staged, certPem = '' } = await onDisk(identity);
      expect(staged).toBeUndefined();
      expect(await network.admin.certificateFingerprints(identity.id)).toEqual([fingerprint(certPem)]);
    },
    60_000,
  );

  test('the controller killed before and after each request: identities work as soon as there is one again', async () => {
    const held = ['before extend', 'after extend', 'before extend-verify', 'after extend-verify'];
    const stage = new Stage(held.length);
    const renewals = await Promise.all(held.map(async (at) => holdRenewal(await enrolled(), at, stage)));
    try {
      await stage.full;
      await network.stopController('SIGKILL');
      stage.release();
      for (const { renewing } of renewals) {
        expect(await renewing).toMatchObject({ code: 'identity.renewal_failed' });
      }
      await network.startController();
      await Promise.all(
        renewals.map(async ({ context, identity }) => {
          await until(() => context.state().kind === 'ready', 60_000);
          await context.refresh();
          await until(() => renewedByLeader(context), 30_000);
          const { certPem = '', staged } = await onDisk(identity);
          expect(staged).toBeUndefined();
          expect(await network.admin.certificateFingerprints(identity.id)).toEqual([fingerprint(certPem)]);
        }),
      );
    } finally {
      await Promise.all(renewals.map(({ context }) => context[Symbol.asyncDispose]()));
    }
  }, 120_000);

  /** A controller of 2.x that has just started answers before it has chosen itself as its cluster's leader. */
  async function renewedByLeader(context: ZitiContext): Promise<boolean> {
    try {
      await context.renewCertificate({ rollKey: true });
      return true;
    } catch (error) {
      const cause = error instanceof TunnelerError ? error.cause : undefined;
      if (cause instanceof TunnelerError && cause.code === 'ziti.controller.busy') return false;
      throw error;
    }
  }

  /** At work, and renewing: held at one of the steps until the stage is released, the answer then lost. */
  async function holdRenewal(
    identity: Enrolled,
    at: string,
    stage: Stage,
  ): Promise<{ readonly identity: Enrolled; readonly context: ZitiContext; readonly renewing: Promise<unknown> }> {
    const store = await openIdentityStore({ stateDirectory: identity.state, log: silentLog });
    const record = await store.get(identity.name);
    let held = false;
    const hold = async (when: 'before' | 'after', path: string): Promise<void> => {
      if (held || `${when} ${path.split('/').at(-1) ?? ''}` !== at) return;
      held = true;
      await stage.enter();
      if (when === 'after') throw new TunnelerError('ziti.controller.unreachable', 'the answer never came');
    };
    const open: OpenTransport = (origin, credential) => {
      const http = openHttpsTransport(origin, credential);
      return {
        origin,
        send: async (request) => {
          await hold('before', request.path);
          const answer = await http.send(request);
          await hold('after', request.path);
          return answer;
        },
        [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
      };
    };
    const opening = contextOpener({
      store,
      clock: systemClock,
      log: silentLog,
      version: '0.0.0-test',
      gatherPosture: () => Promise.resolve({}),
      keyOpened: () => Promise.resolve(),
      openZitiContext: (options, more) => openZitiContext({ ...options, open }, more),
    });
    const context = await opening(record, await store.openKey(record, unlock), {
      unlock: () => unlock,
      name: () => record.name,
      writes: new SerialQueue(),
      onRecord: () => undefined,
      signal: new AbortController().signal,
    });
    await until(() => context.state().kind === 'ready', 20_000);
    return {
      identity,
      context,
      renewing: context.renewCertificate({ rollKey: true }).catch((error: unknown) => error),
    };
  }
});

interface Enrolled {
  readonly id: string;
  readonly name: string;
  readonly state: string;
}

/** Full once so many stand on it; all leave together. */
class Stage {
  readonly full: Promise<void>;
  readonly #left: Promise<void>;
  #enough!: () => void;
  release!: () => void;
  #missing: number;

  constructor(places: number) {
    this.#missing = places;
    this.full = new Promise((resolve) => (this.#enough = resolve));
    this.#left = new Promise((resolve) => (this.release = resolve));
  }

  enter(): Promise<void> {
    this.#missing -= 1;
    if (this.#missing === 0) this.#enough();
    return this.#left;
  }
}

function fingerprint(certPem: string): string {
  return new X509Certificate(certPem).fingerprint.replaceAll(':', '').toLowerCase();
}
