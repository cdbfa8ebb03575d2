import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, Pkcs10CertificateRequest, X509CertificateGenerator } from '@peculiar/x509';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import {
  createSigningRequest,
  enroll,
  enrollByExternalToken,
  inspectNetwork,
  listSigners,
  newSoftwareKey,
  openHttpsTransport,
  type IdentityKey,
} from '../../main/ziti/ziti.ts';
import type { RealAdmin } from '../support/real-admin.ts';
import { openRealNetwork, realNetworkTimeoutMs, type RealNetwork } from '../support/real-network.ts';
import { mustSkip } from '../support/optional.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { selfSigned, type KeyAndCertificate } from '../support/self-signed.ts';
import { until } from '../support/until.ts';
import { open, sees, uniqueName, type Arranged, type Member } from '../support/ziti-world.ts';
import { echoOf, openEchoWorld, type EchoWorld } from '../support/echo-world.ts';

/** What only the real controller's administration offers: external providers and third-party authorities. */
describe.skipIf(mustSkip(openZitiMissing()))('other authorities (OpenZiti)', () => {
  let network: RealNetwork;
  let admin: RealAdmin;
  let world: EchoWorld;
  let bob: Member;
  let echoing: Arranged;
  /** Keys of the providers, by name. */
  const providers = new Map<string, KeyAndCertificate>();
  const issuer = 'https://issuer.test';

  beforeAll(async () => {
    network = await openRealNetwork();
    admin = network.admin as RealAdmin;
    world = await openEchoWorld(network);
    ({ bob, echoing } = world);
  }, realNetworkTimeoutMs);

  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  }, 60_000);

  /** A token of the provider, as it would come out of a browser's sign-in. */
  function providerToken(subject: string, audience: string): Promise<string> {
    return new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: audience })
      .setIssuer(issuer + audience)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(createPrivateKey(providers.get(audience)?.key ?? ''));
  }

  async function addSigner(
    more: Record<string, unknown> = {},
  ): Promise<{ readonly id: string; readonly name: string }> {
    const name = uniqueName('provider');
    const provider = await selfSigned('127.0.0.1');
    providers.set(name, provider);
    const id = await admin.api.create('external-jwt-signers', {
      ...{ name, enabled: true, certPem: provider.cert, kid: name, issuer: issuer + name, audience: name },
      ...{ useExternalId: true, claimsProperty: 'sub', externalAuthUrl: 'https://login.test', clientId: 'culvert' },
      ...more,
    });
    return { id, name };
  }

  async function addPolicy(primary: 'cert' | 'extJwt', signerId: string, secondary: object = {}): Promise<string> {
    return admin.api.create('auth-policies', {
      name: uniqueName('policy'),
      primary: {
        cert: { allowed: primary === 'cert', allowExpiredCerts: true },
        extJwt: { allowed: primary === 'extJwt', allowedSigners: primary === 'extJwt' ? [signerId] : [] },
        updb: {
          allowed: false,
          minPasswordLength: 5,
          requireSpecialChar: false,
          requireNumberChar: false,
          requireMixedCase: false,
          maxAttempts: 5,
          lockoutDurationMinutes: 1,
        },
      },
      secondary: { requireTotp: false, ...secondary },
    });
  }

  async function echoes(member: Member): Promise<void> {
    await network.admin.createServicePolicy({ type: 'Dial', services: [echoing.serviceId], identities: [member.id] });
    await sees(member.context, echoing.serviceId, 'Dial');
    expect(await echoOf(member, echoing.serviceId, 'vouched for')).toBe('vouched for');
  }

  const noKey = (): Promise<IdentityKey> => Promise.reject(new Error('no key is needed'));

  test('a network is known by its URL, with whoever may vouch for identities', async () => {
    const signer = await addSigner();
    const seen: string[] = [];
    const view = await inspectNetwork(network.controllerUrl, {
      open: openHttpsTransport,
      clock: systemClock,
      accept: ({ sha256 }) => {
        seen.push(sha256);
        return Promise.resolve(true);
      },
    });
    expect(seen.length).toBe(1);
    expect(view.apis[0]).toContain(network.controllerUrl);
    expect(view.signers).toContainEqual(
      expect.objectContaining({ name: signer.name, clientId: 'culvert', targetToken: 'access' }),
    );
    await expect(
      inspectNetwork(network.controllerUrl, {
        open: openHttpsTransport,
        clock: systemClock,
        accept: () => Promise.resolve(false),
      }),
    ).rejects.toMatchObject({ code: 'ziti.controller.certificate' });
  });

  test("the network's own token leads to the same", async () => {
    const answer = (await admin.api.call('GET', '../../client/v1/network-jwts')) as { token: string }[];
    const enrolment = await enroll({ jwt: answer[0]?.token ?? '', clock: systemClock, prepareKey: noKey });
    expect(enrolment).toMatchObject({ method: 'network', signIn: 'external' });
    expect(enrolment.signers?.length).toBeGreaterThan(0);
  });

  test('an identity that only an external provider vouches for signs in with its token and dials', async () => {
    const signer = await addSigner();
    const authPolicyId = await addPolicy('extJwt', signer.id);
    const externalId = uniqueName('mia');
    const { id } = await network.admin.createIdentity(externalId, { authPolicyId, externalId, enrolment: 'none' });
    const member = await open(id, { ...bob.options, name: id, credential: { kind: 'external' } }, false);
    await until(() => member.context.state().kind === 'external-login-required');
    expect(member.context.state()).toMatchObject({ signers: expect.arrayContaining([signer.name]) as string[] });
    await expect(member.context.dial(echoing.serviceId)).rejects.toMatchObject({
      code: 'ziti.controller.external_login_required',
    });
    await member.context.provideExternalToken(await providerToken(externalId, signer.name));
    await until(() => member.context.state().kind === 'ready', 15_000);
    await echoes(member);
    await member.context[Symbol.asyncDispose]();
  });

  test('a token of the wrong person is refused', async () => {
    const signer = await addSigner();
    const token = await providerToken('nobody', signer.name);
    const member = await open('nobody', { ...bob.options, credential: { kind: 'external', token } }, false);
    await until(() => member.context.state().kind === 'unauthenticated', 10_000);
    await member.context[Symbol.asyncDispose]();
  });

  test('a certificate first and an external token second', async () => {
    const signer = await addSigner();
    const authPolicyId = await addPolicy('cert', signer.id, { requireExtJwtSigner: signer.id });
    const externalId = uniqueName('leo');
    const { id, jwt } = await network.admin.createIdentity(externalId, { authPolicyId, externalId });
    const key = await newSoftwareKey();
    const enrolment = await enroll({ jwt, clock: systemClock, prepareKey: () => Promise.resolve(key) });
    const credential = { kind: 'certificate', certPem: enrolment.certPem ?? '', key } as const;
    const member = await open(id, { ...bob.options, name: id, credential }, false);
    await until(() => member.context.state().kind === 'external-login-required', 10_000);
    await member.context.provideExternalToken(await providerToken(externalId, signer.name));
    await until(() => member.context.state().kind === 'ready', 15_000);
    await echoes(member);
    await member.context[Symbol.asyncDispose]();
  });

  test('a token of the provider enrols to a certificate, where the release and its signer allow it', async () => {
    const allowed = { enrollToCertEnabled: true, enrollNameClaimsSelector: '/sub', enrollToTokenEnabled: true };
    const signer = await addSigner(allowed).catch(() => addSigner());
    const listed = (await listSigners(network.controllerUrl, network.caPem, { open: openHttpsTransport })).find(
      ({ id }) => id === signer.id,
    );
    const subject = uniqueName('enrolling');
    const attempt = enrollByExternalToken({
      apis: bob.options.apis,
      caPem: network.caPem,
      externalToken: await providerToken(subject, signer.name),
      want: 'cert',
      prepareKey: () => newSoftwareKey(),
    });
    // 1.x knows no such enrolment.
    if (listed?.enrollsToCertificate !== true)
      await expect(attempt).rejects.toMatchObject({ code: 'ziti.enroll.refused' });
    else expect(await attempt).toMatchObject({ method: 'token', signIn: 'certificate' });
  });

  test('certificates of a third-party authority enrol, by one-time token and by themselves', async () => {
    const authority = await newAuthority();
    const caId = await admin.api.create('cas', {
      ...{
        name: uniqueName('ca'),
        certPem: authority.cert,
        identityRoles: [],
        identityNameFormat: '[caName]-[commonName]',
      },
      ...{ isAutoCaEnrollmentEnabled: true, isOttCaEnrollmentEnabled: true, isAuthEnabled: true },
    });
    const ca = (await admin.api.call('GET', `cas/${caId}`)) as { verificationToken: string };
    const proof = await authority.issue(ca.verificationToken);
    await admin.api.callText('POST', `cas/${caId}/verify`, proof.certPem);
    const auto = await authority.issue('auto-enrolled');
    const jwt = await admin.api.callText('GET', `cas/${caId}/jwt`);
    const byItself = await enroll({ jwt, clock: systemClock, prepareKey: noKey, thirdParty: auto });
    expect(byItself).toMatchObject({ method: 'ca', signIn: 'certificate' });
    const key = { kind: 'software', privateKeyPem: auto.keyPem } as const;
    const member = await open('auto', {
      ...bob.options,
      credential: { kind: 'certificate', certPem: auto.certPem, key },
    });
    expect(member.context.identity()?.name).toContain('auto-enrolled');
    await member.context[Symbol.asyncDispose]();
    await expect(enroll({ jwt, clock: systemClock, prepareKey: noKey, thirdParty: auto })).rejects.toMatchObject({
      code: expect.stringMatching(/^ziti\.enroll\./) as string,
    });

    const name = uniqueName('ottca');
    const id = await admin.api.create('identities', {
      name,
      type: 'Default',
      isAdmin: false,
      enrollment: { ottca: caId },
    });
    const [row] = await admin.api.list(`identities/${id}/enrollments`);
    const own = await authority.issue(name);
    await expect(enroll({ jwt: String(row?.['jwt']), clock: systemClock, prepareKey: noKey })).rejects.toMatchObject({
      code: 'ziti.enroll.refused',
    });
    const byToken = await enroll({ jwt: String(row?.['jwt']), clock: systemClock, prepareKey: noKey, thirdParty: own });
    expect(byToken).toMatchObject({ method: 'ottca', controllerId: id, certPem: own.certPem });
  });
});

interface Authority {
  readonly cert: string;
  issue(commonName: string): Promise<{ readonly certPem: string; readonly keyPem: string }>;
}

/** A certificate authority of somebody else. */
async function newAuthority(): Promise<Authority> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const crypto = webcrypto as unknown as Crypto;
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const name = `CN=${uniqueName('authority')}`;
  const extensions = [new BasicConstraintsExtension(true, undefined, true)];
  const own = await X509CertificateGenerator.createSelfSigned(
    { name, keys, signingAlgorithm: algorithm, extensions, ...validity },
    crypto,
  );
  return {
    cert: own.toString('pem'),
    issue: async (commonName) => {
      const key = await newSoftwareKey();
      const request = new Pkcs10CertificateRequest(await createSigningRequest(key, commonName));
      const certificate = await X509CertificateGenerator.create(
        {
          subject: `CN=${commonName}`,
          issuer: own.subject,
          publicKey: request.publicKey,
          signingKey: keys.privateKey,
          signingAlgorithm: algorithm,
          ...validity,
        },
        crypto,
      );
      return { certPem: certificate.toString('pem'), keyPem: key.privateKeyPem };
    },
  };
}
