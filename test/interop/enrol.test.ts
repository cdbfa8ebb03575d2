import { X509Certificate, createPrivateKey } from 'node:crypto';
import { createServer as createTlsServer } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import { SignJWT, generateKeyPair } from 'jose';
import { describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../main/base/clock.ts';
import type { TunnelerError } from '../../main/base/errors.ts';
import { enroll, newSoftwareKey, type EnrolRequest, type IdentityKey } from '../../main/ziti/ziti.ts';
import { freePorts } from '../support/child.ts';
import { describeNetworks } from '../support/networks.ts';
import { selfSigned } from '../support/self-signed.ts';
import { listening } from '../support/listening.ts';

/** Enrol with a fresh key; what went wrong is told by its code. */
async function attempt(jwt: string, change: Partial<EnrolRequest> = {}): Promise<TunnelerError> {
  const request: EnrolRequest = { jwt, clock: systemClock, prepareKey: () => newSoftwareKey(), ...change };
  return enroll(request).then(
    () => {
      throw new Error('enrolled, though it must not');
    },
    (error: unknown) => error as TunnelerError,
  );
}

/** The token with one claim changed and its old signature. */
function tampered(jwt: string, change: Record<string, unknown>): string {
  const [header, payload, signature] = jwt.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const changed = Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url');
  return [header, changed, signature].join('.');
}

describeNetworks('enrolment', (network) => {
  for (const algorithm of ['ES256', 'ES384'] as const) {
    test(`a one-time token becomes a certificate for an ${algorithm} key`, async () => {
      const { id, jwt } = await network().admin.createIdentity(`enrol-${algorithm}`);
      let key: (IdentityKey & { kind: 'software' }) | undefined;
      const enrolment = await enroll({
        jwt,
        clock: systemClock,
        prepareKey: async (proven) => {
          expect(proven.token.subject).toBe(id);
          return (key = await newSoftwareKey(algorithm));
        },
      });
      expect(enrolment).toMatchObject({ method: 'ott', signIn: 'certificate', controllerId: id });
      expect(enrolment.apis[0]).toBe(`${network().controllerUrl}/edge/client/v1`);
      const leaf = new X509Certificate(enrolment.certPem ?? '');
      expect(leaf.checkPrivateKey(createPrivateKey(key!.privateKeyPem))).toBe(true);
      expect(enrolment.caPem.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(0);
    });
  }

  test('a key that only signs gets a certificate too', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-hardware');
    const software = await newSoftwareKey('ES256');
    const { hardwareLike } = await import('../support/hardware-key.ts');
    const key = hardwareLike(software.privateKeyPem);
    const enrolment = await enroll({ jwt, clock: systemClock, prepareKey: () => Promise.resolve(key) });
    const leaf = new X509Certificate(enrolment.certPem ?? '');
    expect(leaf.checkPrivateKey(createPrivateKey(software.privateKeyPem))).toBe(true);
  });

  test('a token used twice is refused as used', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-reused');
    await enroll({ jwt, clock: systemClock, prepareKey: () => newSoftwareKey() });
    expect((await attempt(jwt)).code).toBe('ziti.enroll.token_reused');
  });

  test('the key is asked for before the token is spent: where it fails, the token still works', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-key-fails');
    const failure = await attempt(jwt, { prepareKey: () => Promise.reject(new Error('disk full')) });
    expect(failure.message).toBe('disk full');
    await enroll({ jwt, clock: systemClock, prepareKey: () => newSoftwareKey() });
  });

  test('an expired token is refused as expired', async () => {
    const { id } = await network().admin.createIdentity('enrol-expired');
    const jwt = await network().admin.createToken(id, 1500);
    await delay(2600);
    expect((await attempt(jwt)).code).toBe('ziti.enroll.token_expired');
  });

  test('a clock far ahead is blamed for the expiry, not the token', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-skew');
    const ahead: Clock = { ...systemClock, now: () => Date.now() + 365 * 86_400_000 };
    expect((await attempt(jwt, { clock: ahead })).code).toBe('ziti.controller.clock_skew');
  });

  test('a changed token is refused as invalid', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-tampered');
    expect((await attempt(tampered(jwt, { sub: 'somebody-else' }))).code).toBe('ziti.enroll.token_invalid');
    await enroll({ jwt, clock: systemClock, prepareKey: () => newSoftwareKey() });
  });

  test('a token that another key signed is refused as foreign', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const jwt = await new SignJWT({ em: 'ott', jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: '0'.repeat(40) })
      .setIssuer(network().controllerUrl)
      .setSubject('abc')
      .setExpirationTime('1h')
      .sign(privateKey);
    expect((await attempt(jwt)).code).toBe('ziti.enroll.token_foreign');
  });

  test('a server that is no controller is refused by its certificate', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-wrong-server');
    const impostor = createTlsServer(await selfSigned('127.0.0.1'));
    const port = await listening(impostor);
    const failure = await attempt(tampered(jwt, { iss: `https://127.0.0.1:${port}` }));
    impostor.close();
    expect(failure.code).toBe('ziti.controller.certificate');
  });

  test('an unreachable controller is told as that', async () => {
    const { jwt } = await network().admin.createIdentity('enrol-unreachable');
    const [port] = await freePorts(1);
    expect((await attempt(tampered(jwt, { iss: `https://127.0.0.1:${port}` }))).code).toBe(
      'ziti.controller.unreachable',
    );
  });

  test('a username and password identity is enrolled by setting its password', async () => {
    const { id, jwt } = await network().admin.createIdentity('enrol-updb', { enrolment: 'updb:mia' });
    const enrolment = await enroll({
      jwt,
      clock: systemClock,
      password: 'correct horse',
      prepareKey: () => Promise.reject(new Error('no key is needed')),
    });
    expect(enrolment).toMatchObject({ signIn: 'password', controllerId: id });
  });
});

describe('an enrolment token that is none', () => {
  test.each([
    ['empty', ''],
    ['no JWT', 'hello'],
    ['three dots', 'a.b.c.d'],
    ['no claims', 'eyJhbGciOiJSUzI1NiJ9.e30.AAAA'],
  ])('%s is refused as invalid', async (_, jwt) => {
    expect((await attempt(jwt)).code).toBe('ziti.enroll.token_invalid');
  });

  test('an unsigned token is refused as invalid', async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwt = `${part({ alg: 'none' })}.${part({ iss: 'https://127.0.0.1:1', sub: 'a', em: 'ott', jti: 'b' })}.`;
    expect((await attempt(jwt)).code).toBe('ziti.enroll.token_invalid');
  });

  test("a router's token is refused with that reason", async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwt = `${part({ alg: 'RS256' })}.${part({ iss: 'https://127.0.0.1:1', sub: 'a', em: 'erott', jti: 'b' })}.AAAA`;
    expect((await attempt(jwt)).code).toBe('ziti.enroll.method_unsupported');
  });
});
