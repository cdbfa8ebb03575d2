import 'reflect-metadata';
import {
  X509CertificateGenerator,
  BasicConstraintsExtension,
  PemConverter,
  type X509Certificate,
} from '@peculiar/x509';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOverlay, type Overlay } from '../../main/overlay/overlay.ts';
import { ControllerClient, enrolClient, newKey, type ClientIdentity } from '../support/overlay-client.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
let overlay: Overlay;
let authority: { readonly certificate: X509Certificate; readonly keys: CryptoKeyPair };

beforeAll(async () => {
  overlay = await openOverlay();
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Third party',
    keys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  authority = { certificate, keys };
});

afterAll(async () => {
  await overlay.close();
});

/** A client certificate of the third party. */
async function certificateFor(name: string): Promise<ClientIdentity> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: algorithm,
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { cert: certificate.toString('pem'), key };
}

function tokenId(jwt: string): string {
  return (JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { jti: string }).jti;
}

describe('third parties at the embedded overlay', () => {
  test('a trusted authority lets its certificates enrol, by token or by themselves', async () => {
    const id = await overlay.admin.createAuthority({
      name: 'third',
      certPem: authority.certificate.toString('pem'),
      isAutoCaEnrollmentEnabled: true,
      identityRoles: ['visitors'],
    });
    const { jwt } = await overlay.admin.createIdentity('by-token', { enrollment: 'ottca', authority: id });
    const stranger = await enrolClient(overlay, 'stranger');
    const path = `enroll?method=ottca&token=${tokenId(jwt)}`;
    expect((await stranger.call('POST', path)).at('error.code')).toBe('CERT_FAILED_VALIDATION');
    const byToken = new ControllerClient(overlay, await certificateFor('ignored'));
    expect((await byToken.call('POST', path)).status).toBe(200);
    expect((await byToken.signIn()).at('data.identity.name')).toBe('by-token');
    expect((await byToken.call('POST', 'enroll?method=ca')).at('error.code')).toBe('CERT_IN_USE');
    const byItself = new ControllerClient(overlay, await certificateFor('walk-in'));
    expect((await byItself.signIn()).at('error.code')).toBe('INVALID_AUTH');
    expect((await byItself.call('POST', 'enroll?method=ca')).status).toBe(200);
    expect((await byItself.signIn()).at('data.identity.name')).toBe('third-walk-in');
  });

  test('a token of an external provider signs in, enrols, and may be asked for as second factor', async () => {
    const signer = await overlay.admin.createSigner({
      name: 'idp',
      issuer: 'https://idp.example',
      audience: 'ziti',
      certPem: authority.certificate.toString('pem'),
      enrollToCertEnabled: true,
      externalAuthUrl: 'https://idp.example/login',
      clientId: 'culvert',
    });
    const issue = (subject: string, issuer = 'https://idp.example'): Promise<string> =>
      new SignJWT({ name: `name of ${subject}` })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(issuer)
        .setAudience('ziti')
        .setSubject(subject)
        .setExpirationTime('5m')
        .sign(authority.keys.privateKey);
    const bearer = async (subject: string, issuer?: string) => ({
      headers: { authorization: `Bearer ${await issue(subject, issuer)}` },
    });
    const client = new ControllerClient(overlay);
    expect((await client.call('GET', 'external-jwt-signers')).at('data.0.externalAuthUrl')).toBe(
      'https://idp.example/login',
    );

    const { csr, key } = await newKey();
    const enrolled = await client.call('POST', 'enroll/token', {
      json: { clientCsr: csr },
      ...(await bearer('sub-1')),
    });
    expect(enrolled.status, enrolled.body).toBe(200);
    const again = await client.call('POST', 'enroll/token', { json: { clientCsr: csr }, ...(await bearer('sub-1')) });
    expect(again.at('error.code')).toBe('ENROLLMENT_IDENTITY_ALREADY_ENROLLED');

    const path = 'authenticate?method=ext-jwt';
    expect((await client.call('POST', path, await bearer('sub-1'))).at('data.identity.name')).toBe('name of sub-1');
    expect((await client.call('POST', path, await bearer('nobody'))).at('error.code')).toBe('INVALID_AUTH');
    expect((await client.call('POST', path, await bearer('sub-1', 'https://evil'))).status).toBe(401);

    const authPolicyId = await overlay.admin.createAuthPolicy('two factors', { requireExtJwtSigner: signer });
    await overlay.admin.updateIdentity('name of sub-1', { authPolicyId });
    const certified = new ControllerClient(overlay, { cert: enrolled.text('data.cert'), key });
    expect((await certified.signIn()).at('data.authQueries.0.typeId')).toBe('EXT-JWT');
    await certified.call('GET', 'current-api-session', await bearer('somebody else'));
    expect((await certified.call('GET', 'services')).status).toBe(401);
    expect((await certified.call('GET', 'current-api-session', await bearer('sub-1'))).at('data.authQueries')).toEqual(
      [],
    );
    expect((await certified.call('GET', 'services')).status).toBe(200);
  });
});
