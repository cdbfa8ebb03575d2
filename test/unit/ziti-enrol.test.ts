import 'reflect-metadata';
import { X509Certificate, createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TunnelerError } from '../../main/base/errors.ts';
import { parseCertsOnly, splitPem, toPem } from '../../main/ziti/enroll/certificates.ts';
import { createSigningRequest, newSoftwareKey } from '../../main/ziti/enroll/signing-request.ts';
import { parseEnrolmentToken } from '../../main/ziti/enroll/token.ts';
import { hardwareLike } from '../support/hardware-key.ts';
import { selfSigned } from '../support/self-signed.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

/** One DER element with a definite length. */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 0x80 ? [body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const signedDataId = Buffer.from('06092a864886f70d010702', 'hex');
const dataId = Buffer.from('06092a864886f70d010701', 'hex');

/** RFC 5652: SignedData that carries certificates and nothing else. */
function certsOnly(certificates: readonly Uint8Array[]): Buffer {
  const version = der(0x02, Buffer.from([1]));
  const signedData = der(0x30, version, der(0x31), der(0x30, dataId), der(0xa0, ...certificates), der(0x31));
  return der(0x30, signedDataId, der(0xa0, signedData));
}

const certificates = await Promise.all(
  ['127.0.0.1', '127.0.0.2'].map(async (address) => new X509Certificate((await selfSigned(address)).cert).raw),
);

describe('certs-only PKCS#7', () => {
  test('gives every certificate as it was', () => {
    const found = parseCertsOnly(certsOnly(certificates));
    expect(found.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(
      certificates.map((bytes) => bytes.toString('hex')),
    );
  });

  test('without certificates gives none', () => {
    const version = der(0x02, Buffer.from([1]));
    const signedData = der(0x30, version, der(0x31), der(0x30, dataId), der(0x31));
    expect(parseCertsOnly(der(0x30, signedDataId, der(0xa0, signedData)))).toEqual([]);
  });

  test('changed anywhere, it is read or refused, never a crash', () => {
    const good = certsOnly(certificates);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.nat(good.length),
        (changes, cut) => {
          const bad = Buffer.from(good.subarray(0, cut));
          for (const [at, value] of changes) if (at < bad.length) bad[at] = value;
          try {
            parseCertsOnly(bad);
          } catch (error) {
            expect(error).toBeInstanceOf(TunnelerError);
          }
        },
      ),
      { numRuns: fuzzRounds(2_000) },
    );
  });
});

describe('PEM', () => {
  test('a bundle is split and joined without loss, text between blocks ignored', () => {
    const bundle = `subject=one\n${toPem(certificates[0]!)}\r\nnoise\n${toPem(certificates[1]!)}`;
    expect(splitPem(bundle).map((pem) => new X509Certificate(pem).raw.toString('hex'))).toEqual(
      certificates.map((bytes) => bytes.toString('hex')),
    );
  });
});

describe('certificate requests', () => {
  for (const algorithm of ['ES256', 'ES384'] as const) {
    for (const kind of ['software', 'hardware'] as const) {
      test(`${algorithm} in ${kind} signs one that verifies under its own key`, async () => {
        // Signatures with short numbers are rare; enough tries meet some.
        for (let tries = 0; tries < 20; tries += 1) {
          const software = await newSoftwareKey(algorithm);
          const key = kind === 'software' ? software : hardwareLike(software.privateKeyPem);
          const request = new Pkcs10CertificateRequest(await createSigningRequest(key, 'me'));
          expect(await request.verify()).toBe(true);
          expect(request.subjectName.getField('CN')).toEqual(['me']);
          const own = createPublicKey(createPrivateKey(software.privateKeyPem)).export({ format: 'der', type: 'spki' });
          expect(Buffer.from(request.publicKey.rawData).equals(own)).toBe(true);
        }
      });
    }
  }

  test('an RSA key of an imported identity signs one too', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = privateKey.export({ format: 'pem', type: 'pkcs1' }).toString();
    const request = new Pkcs10CertificateRequest(
      await createSigningRequest({ kind: 'software', privateKeyPem: pem }, 'me'),
    );
    expect(await request.verify()).toBe(true);
    expect(publicKey.export({ format: 'der', type: 'spki' }).equals(Buffer.from(request.publicKey.rawData))).toBe(true);
  });
});

describe('enrolment tokens', () => {
  test('whatever text is given is read or refused with a code', () => {
    const claims = { iss: 'https://127.0.0.1:1280', sub: 'me', em: 'ott', jti: 'once', exp: 4_000_000_000 };
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    fc.assert(
      fc.property(
        fc.constantFrom('iss', 'sub', 'em', 'exp', 'jti'),
        fc.jsonValue(),
        fc.constantFrom('RS256', 'ES256', 'none', 'HS256', ''),
        (name, value, alg) => {
          try {
            const token = parseEnrolmentToken(`${part({ alg })}.${part({ ...claims, [name]: value })}.AAAA`);
            expect(token.issuer).toMatch(/^https:\/\//);
            expect(['RS256', 'ES256']).toContain(alg);
          } catch (error) {
            expect((error as TunnelerError).code).toMatch(/^ziti\.enroll\.(token_invalid|method_unsupported)$/);
          }
        },
      ),
      { numRuns: fuzzRounds(1_000) },
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => parseEnrolmentToken(text)).toThrow(TunnelerError);
      }),
    );
  });
});
