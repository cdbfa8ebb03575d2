import { X509Certificate } from 'node:crypto';
import type { TOTP } from 'otpauth';
import { URI } from 'otpauth';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import {
  enroll,
  newSoftwareKey,
  openHttpsTransport,
  type Credential,
  type IdentityKey,
  type OpenTransport,
  type RenewalKeeper,
  type ZitiContextOptions,
} from '../../main/ziti/ziti.ts';
import { hardwareLike } from '../support/hardware-key.ts';
import { describeNetworks } from '../support/networks.ts';
import { until } from '../support/until.ts';
import { drain, echo, host, join, open, sees, uniqueName, type Arranged, type Member } from '../support/ziti-world.ts';
import { echoOf, openEchoWorld, type EchoWorld } from '../support/echo-world.ts';

describeNetworks('credentials', (network) => {
  let world: EchoWorld;
  let alice: Member;
  let bob: Member;
  let echoing: Arranged;

  beforeAll(async () => {
    world = await openEchoWorld(network());
    ({ alice, bob, echoing } = world);
  });

  afterAll(() => world?.[Symbol.asyncDispose]());

  async function echoes(member: Member, serviceId = echoing.serviceId): Promise<void> {
    expect(await echoOf(member, serviceId)).toBe('echo');
  }

  /** The router may not have heard of it yet; the time limit decides. */
  function echoesSoon(member: Member, serviceId: string): Promise<void> {
    const works = (): Promise<boolean> =>
      echoOf(member, serviceId).then(
        (text) => text === 'echo',
        () => false,
      );
    return until(works, 15_000);
  }

  async function refusedByPosture(member: Member, serviceId: string): Promise<void> {
    await expect(member.context.dial(serviceId)).rejects.toMatchObject({
      code: expect.stringMatching(/posture_failed|access_denied/) as string,
    });
  }

  /** A service that `member` may dial while `check` passes, hosted until it is disposed. */
  async function behind(check: string, member: Member): Promise<AsyncDisposable & { readonly serviceId: string }> {
    const { admin } = network();
    const serviceId = await admin.createService({ name: uniqueName('guarded') });
    await admin.createServicePolicy({ type: 'Bind', services: [serviceId], identities: [bob.id] });
    const dial = { type: 'Dial', services: [serviceId], identities: [member.id], postureChecks: [check] } as const;
    await admin.createServicePolicy(dial);
    await sees(bob.context, serviceId, 'Bind');
    await sees(member.context, serviceId, 'Dial');
    const binding = await host(network(), bob, serviceId, echo);
    return { serviceId, [Symbol.asyncDispose]: () => Promise.resolve(binding[Symbol.asyncDispose]()) };
  }

  test('just in time: a throw-away key and a session certificate do the work', async () => {
    const credential: Credential = {
      ...(alice.options.credential as Credential & { kind: 'certificate' }),
      justInTime: true,
    };
    const member = await open(alice.id, { ...alice.options, credential });
    await echoes(member);
    await member.context[Symbol.asyncDispose]();
  });

  test('a key that only signs needs just a transport that can ask it', async () => {
    const own = alice.options.credential as Credential & { kind: 'certificate' };
    const { privateKeyPem } = own.key as IdentityKey & { kind: 'software' };
    let asked = 0;
    // Stands for the native transport: it alone knows how to use the key, and only while signing in.
    const transport: OpenTransport = (origin, { signer, ...credential }) => {
      if (signer === undefined) return openHttpsTransport(origin, credential);
      asked += 1;
      return openHttpsTransport(origin, { ...credential, keyPem: privateKeyPem });
    };
    const credential: Credential = { kind: 'certificate', certPem: own.certPem, key: hardwareLike(privateKeyPem) };
    const member = await open(alice.id, { ...alice.options, credential, open: transport });
    expect(asked).toBe(1);
    await echoes(member);
    await member.context[Symbol.asyncDispose]();
  });

  test('a hardware key without such a transport is told as that, and disturbs nobody', async () => {
    const own = alice.options.credential as Credential & { kind: 'certificate' };
    const { privateKeyPem } = own.key as IdentityKey & { kind: 'software' };
    const credential: Credential = { kind: 'certificate', certPem: own.certPem, key: hardwareLike(privateKeyPem) };
    const member = await open(alice.id, { ...alice.options, credential }, false);
    await until(() => member.context.state().kind === 'degraded', 10_000);
    expect(member.context.state()).toMatchObject({ error: { code: 'base.unsupported' } });
    await member.context[Symbol.asyncDispose]();
    await echoes(alice);
  });

  test('username and password', async () => {
    const username = uniqueName('mia');
    const { id, jwt } = await network().admin.createIdentity(uniqueName('updb'), { enrolment: `updb:${username}` });
    const none = (): Promise<IdentityKey> => Promise.reject(new Error('no key is needed'));
    const password = 'correct horse battery';
    const enrolment = await enroll({ jwt, clock: systemClock, password, prepareKey: none });
    const credential = { kind: 'password', username, password } as const;
    const options = { ...alice.options, apis: enrolment.apis, caPem: enrolment.caPem, credential };
    const member = await open(id, options);
    await network().admin.createServicePolicy({ type: 'Dial', services: [echoing.serviceId], identities: [id] });
    await sees(member.context, echoing.serviceId, 'Dial');
    await echoes(member);
    await member.context[Symbol.asyncDispose]();
    const wrong = await open(id, { ...options, credential: { ...credential, password: 'wrong' } }, false);
    await until(() => wrong.context.state().kind === 'unauthenticated', 10_000);
    await wrong.context[Symbol.asyncDispose]();
  });

  for (const rollKey of [false, true]) {
    test(`renewal ${rollKey ? 'with a new key' : 'with the same key'}: the controller knows only the new certificate, streams live on`, async () => {
      const kept: { certPem?: string; key?: IdentityKey; committed: boolean } = { committed: false };
      const renewal: RenewalKeeper = {
        newKey: async () => {
          return (kept.key = await newSoftwareKey());
        },
        staged: async ({ certPem }) => {
          // Until it is confirmed the controller knows both.
          expect(await network().admin.certificateFingerprints(member.id)).toContain(fingerprint(before));
          kept.certPem = certPem;
        },
        committed: () => {
          kept.committed = true;
          return Promise.resolve();
        },
      };
      const member = await join(network(), { renewal });
      const before = (member.options.credential as Credential & { kind: 'certificate' }).certPem;
      await network().admin.createServicePolicy({
        type: 'Dial',
        services: [echoing.serviceId],
        identities: [member.id],
      });
      await sees(member.context, echoing.serviceId, 'Dial');
      const stream = await member.context.dial(echoing.serviceId);
      const over = drain(stream);
      stream.write(Buffer.from('before '));
      const { expiresAt } = await member.context.renewCertificate({ rollKey });
      expect(expiresAt).toBeGreaterThan(Date.now());
      expect(kept.committed).toBe(true);
      expect(await network().admin.certificateFingerprints(member.id)).toEqual([fingerprint(kept.certPem ?? '')]);
      expect(kept.key !== undefined).toBe(rollKey);
      await until(() => member.context.state().kind === 'ready');
      await echoes(member);
      stream.write(Buffer.from('after'));
      stream.end();
      expect(await over).toMatchObject({ text: 'before after', error: undefined });
      expect(member.events.map(({ kind }) => kind)).toContain('certificate-renewed');
      await member.context[Symbol.asyncDispose]();
    });
  }

  test('a renewal asked for by the administrator happens at the next sign-in', async () => {
    let committed = false;
    const renewal: RenewalKeeper = {
      staged: () => Promise.resolve(),
      committed: () => {
        committed = true;
        return Promise.resolve();
      },
    };
    const first = await join(network());
    await first.context[Symbol.asyncDispose]();
    await network().admin.requestRenewal(first.id);
    const member = await open(first.id, { ...first.options, renewal });
    await until(() => committed, 15_000);
    await until(() => member.context.state().kind === 'ready');
    await member.context[Symbol.asyncDispose]();
  });

  test('MFA: set up, asked for at a posture check, removed', async () => {
    const member = await join(network());
    expect(await member.context.mfa.status()).toMatchObject({ enrolled: false });
    const { provisioningUrl, recoveryCodes } = await member.context.mfa.enroll();
    const totp = URI.parse(provisioningUrl) as TOTP;
    expect(recoveryCodes.length).toBeGreaterThan(0);
    await expect(member.context.mfa.verify('000000')).rejects.toMatchObject({ code: 'ziti.controller.mfa_code_wrong' });
    await member.context.mfa.verify(totp.generate());
    expect(await member.context.mfa.status()).toMatchObject({ enrolled: true, verified: true });
    expect(await member.context.mfa.recoveryCodes(totp.generate())).toEqual(recoveryCodes);
    const again = await open(member.id, member.options, false);
    await until(() => again.context.state().kind === 'mfa-required', 15_000);
    await expect(again.context.dial(echoing.serviceId)).rejects.toMatchObject({ code: 'ziti.controller.mfa_required' });
    await expect(again.context.mfa.verify('000000')).rejects.toMatchObject({ code: 'ziti.controller.mfa_code_wrong' });
    await again.context.mfa.verify(totp.generate());
    await until(() => again.context.state().kind === 'ready', 15_000);
    await again.context.mfa.remove(totp.generate());
    expect(await again.context.mfa.status()).toMatchObject({ enrolled: false });
    await again.context[Symbol.asyncDispose]();
    await member.context[Symbol.asyncDispose]();
  });

  test('a service behind an MFA check opens with the code', async () => {
    const { admin } = network();
    const member = await join(network());
    const check = await admin.createPostureCheck({
      type: 'MFA',
      promptOnWake: true,
      promptOnUnlock: true,
      timeoutSeconds: 3600,
    });
    await using guarded = await behind(check, member);
    const { serviceId } = guarded;
    // A router's verdict comes a moment after the service does, where it is the router that judges.
    const checks = (): unknown => member.context.services().find(({ id }) => id === serviceId)?.postureChecks;
    await expect.poll(checks, { timeout: 5_000 }).toMatchObject([{ queryType: 'MFA', isPassing: false }]);
    await refusedByPosture(member, serviceId);
    const totp = URI.parse((await member.context.mfa.enroll()).provisioningUrl) as TOTP;
    await member.context.mfa.verify(totp.generate());
    await echoesSoon(member, serviceId);
    const remains = (): number | undefined =>
      member.context.services().find(({ id }) => id === serviceId)?.postureChecks[0]?.timeoutRemainingSeconds;
    let facts: { wokenAt?: number; unlockedAt?: number } = {};
    member.context.setPosture(() => Promise.resolve(facts));
    for (const moment of ['wokenAt', 'unlockedAt']) {
      facts = { ...facts, [moment]: Date.now() };
      await member.context.refreshPosture();
      if (member.context.controller().authentication !== 'legacy') continue;
      // The answer before counts for five minutes more, then a new one is asked for; one given now counts in full.
      await until(() => (remains() ?? 0) > 200 && (remains() ?? 0) <= 300, 20_000);
      await member.context.mfa.verify(totp.generate());
      await until(() => (remains() ?? 0) > 3000, 20_000);
    }
    await member.context[Symbol.asyncDispose]();
  });

  test('a process check passes once the facts are given', async () => {
    const { admin } = network();
    const member = await join(network());
    const path = '/usr/bin/allowed';
    // 2.0 takes a check without a signer for one that asks for an empty one.
    const signerFingerprint = 'ab'.repeat(20);
    const check = await admin.createPostureCheck({ type: 'PROCESS', osType: 'Linux', path, signerFingerprint });
    await using guarded = await behind(check, member);
    const { serviceId } = guarded;
    await refusedByPosture(member, serviceId);
    member.context.setPosture((checks) => {
      expect(checks).toMatchObject([{ queryType: 'PROCESS', process: { path } }]);
      return Promise.resolve({
        processes: [{ path, isRunning: true, hash: 'ab', signerFingerprints: [signerFingerprint] }],
      });
    });
    await until(async () => {
      try {
        await echoes(member, serviceId);
        return true;
      } catch {
        // Posture reaches its judge a moment later; the time limit decides.
        return false;
      }
    }, 15_000);
    await member.context[Symbol.asyncDispose]();
  });

  test('where OIDC is offered at all, its sign-in works, token included', async () => {
    const options: ZitiContextOptions = { ...alice.options, authentication: 'oidc' };
    const member = await open(alice.id, options, false);
    await until(() => member.context.state().kind === 'ready' || member.context.state().kind === 'degraded', 15_000);
    const state = member.context.state();
    if (state.kind === 'ready') expect(member.context.controller().authentication).toBe('oidc');
    // The overlay that stands for 1.7 has no OIDC at all.
    else expect(state).toMatchObject({ error: { code: 'ziti.controller.not_found' } });
    await member.context[Symbol.asyncDispose]();
  });
});

/** As the controller names certificates. */
function fingerprint(chainPem: string): string {
  return new X509Certificate(chainPem).fingerprint.replaceAll(':', '').toLowerCase();
}
