/**
 * The overlay's throw-away public key infrastructure: root, intermediate, server certificates, client certificates.
 *
 * Development only: the keys of the authorities lie beside the state in plain. Certificates are backdated a little, so
 * that a client whose clock lags still takes them.
 */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  X509Certificate,
  type KeyObject,
} from 'node:crypto';
import { isIP } from 'node:net';
import { TunnelerError } from '../base/errors.ts';

const dayMs = 86_400_000;
const backdatedMs = 3_600_000;
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** RSA for the controller, because relying parties verify its tokens with RS256 unless told otherwise. */
const rsa = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
} as const;

/** A certificate with its key, both PEM. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Everything kept of the infrastructure. */
export interface PkiRecord {
  readonly root: KeyedCertificate;
  readonly intermediate: KeyedCertificate;
  readonly controller: KeyedCertificate;
  readonly router: KeyedCertificate;
  /** Hosts the server certificates were made for, sorted. */
  readonly hosts: readonly string[];
}

/** What a client certificate says beside its key. */
export interface ClientCertificateRequest {
  readonly csrPem: string;
  /** Subject to write; absent: the request's own. */
  readonly subject?: string;
  /** `spiffe://…`, written as URI name where given. */
  readonly spiffeId?: string;
  readonly notAfter: Date;
}

/** Lower-case hex SHA-1 of DER, the fingerprint by which OpenZiti knows certificates. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha1').update(der).digest('hex');
}

/** Fingerprint of the first certificate in a PEM text. */
export function fingerprintOfPem(pem: string): string {
  return fingerprintOf(new X509Certificate(pem).raw);
}

/** The authorities at work: signs server and client certificates. */
export class Pki {
  readonly record: PkiRecord;
  readonly #intermediate: x509.X509Certificate;
  readonly #intermediateKey: CryptoKey;

  private constructor(record: PkiRecord, intermediateKey: CryptoKey) {
    this.record = record;
    this.#intermediate = new x509.X509Certificate(record.intermediate.cert);
    this.#intermediateKey = intermediateKey;
  }

  /** Load what was kept, or make all of it; server certificates are made anew where `hosts` has names they lack. */
  static async open(kept: PkiRecord | undefined, hosts: readonly string[]): Promise<Pki> {
    const wanted = [...new Set([...hosts, ...(kept?.hosts ?? [])])].sort();
    const root = kept?.root ?? (await makeAuthority('Culvert overlay root CA'));
    const intermediate = kept?.intermediate ?? (await makeAuthority('Culvert overlay signing CA', root));
    const signing = { cert: new x509.X509Certificate(intermediate.cert), key: await importKey(intermediate.key) };
    const fits = kept !== undefined && wanted.length === kept.hosts.length;
    const controller = fits
      ? kept.controller
      : await makeServer('culvert-overlay-controller', wanted, signing, 'rsa', kept?.controller.key);
    const router = fits
      ? kept.router
      : await makeServer('culvert-overlay-router', wanted, signing, 'ecdsa', kept?.router.key);
    return new Pki({ root, intermediate, controller, router, hosts: wanted }, signing.key);
  }

  /** The authorities, PEM, root first. */
  get bundle(): string {
    return `${this.record.root.cert}\n${this.record.intermediate.cert}\n`;
  }

  /** The controller's signing key, also used for its tokens. */
  get signingKey(): KeyObject {
    return createPrivateKey(this.record.controller.key);
  }

  /** A server certificate's chain for TLS, leaf first. */
  serverChain(which: 'controller' | 'router'): string {
    return `${this.record[which].cert}\n${this.record.intermediate.cert}\n`;
  }

  /** Body of `/.well-known/est/cacerts`: a certificates-only PKCS#7, base64 in lines (RFC 7030 section 4.1.3). */
  cacertsBody(): string {
    const certificates = new x509.X509Certificates([
      new x509.X509Certificate(this.record.root.cert),
      new x509.X509Certificate(this.record.intermediate.cert),
    ]);
    const der = Buffer.from(certificates.export('raw'));
    return `${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n`;
  }

  /** True where `cert` was signed by the overlay's own authority. */
  issued(cert: X509Certificate): boolean {
    return cert.verify(new X509Certificate(this.record.intermediate.cert).publicKey);
  }

  /**
   * Sign a client certificate; returns leaf and intermediate, PEM.
   * Throws `overlay.invalid` where the request cannot be read or its signature does not hold.
   */
  async signClient(request: ClientCertificateRequest): Promise<string> {
    const csr = readRequest(request.csrPem);
    if (!(await csr.verify().catch(() => false))) {
      throw new TunnelerError('overlay.invalid', 'the certificate request is not signed by its own key');
    }
    const extensions: x509.Extension[] = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment | x509.KeyUsageFlags.dataEncipherment,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(this.#intermediate.publicKey),
    ];
    if (request.spiffeId !== undefined) {
      extensions.push(new x509.SubjectAlternativeNameExtension([{ type: 'url', value: request.spiffeId }]));
    }
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: request.subject ?? csr.subject,
      issuer: this.#intermediate.subject,
      notBefore: new Date(Date.now() - backdatedMs),
      notAfter: request.notAfter,
      publicKey: csr.publicKey,
      signingKey: this.#intermediateKey,
      signingAlgorithm: ecdsa,
      extensions,
    });
    return `${leaf.toString('pem')}\n${this.record.intermediate.cert}\n`;
  }
}

function readRequest(pem: string): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(pem);
  } catch (cause) {
    throw new TunnelerError('overlay.invalid', 'the certificate request cannot be read', { cause });
  }
}

async function makeAuthority(name: string, parent?: KeyedCertificate): Promise<KeyedCertificate> {
  const keys = await crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const issuer = parent === undefined ? undefined : new x509.X509Certificate(parent.cert);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${name}, O=Culvert development overlay`,
    issuer: issuer?.subject ?? `CN=${name}, O=Culvert development overlay`,
    notBefore: new Date(Date.now() - backdatedMs),
    notAfter: new Date(Date.now() + 3650 * dayMs),
    publicKey: keys.publicKey,
    signingKey: parent === undefined ? keys.privateKey : await importKey(parent.key),
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(issuer === undefined ? [] : [await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)]),
    ],
  });
  return { cert: certificate.toString('pem'), key: await exportKey(keys.privateKey) };
}

interface Signing {
  readonly cert: x509.X509Certificate;
  readonly key: CryptoKey;
}

async function makeServer(
  name: string,
  hosts: readonly string[],
  signing: Signing,
  kind: 'rsa' | 'ecdsa',
  keptKey: string | undefined,
): Promise<KeyedCertificate> {
  const key = keptKey ?? (await makeServerKey(kind));
  const publicDer = x509PublicKey(key);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${name}, O=Culvert development overlay`,
    issuer: signing.cert.subject,
    notBefore: new Date(Date.now() - backdatedMs),
    notAfter: new Date(Date.now() + 825 * dayMs),
    publicKey: new x509.PublicKey(publicDer),
    signingKey: signing.key,
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((host): x509.JsonGeneralName => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(signing.cert.publicKey),
    ],
  });
  return { cert: certificate.toString('pem'), key };
}

async function makeServerKey(kind: 'rsa' | 'ecdsa'): Promise<string> {
  const algorithm = kind === 'rsa' ? rsa : ecdsa;
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  return exportKey(keys.privateKey);
}

function x509PublicKey(privatePem: string): ArrayBuffer {
  const der = createPublicDer(privatePem);
  const copy = new ArrayBuffer(der.length);
  new Uint8Array(copy).set(der);
  return copy;
}

function createPublicDer(privatePem: string): Buffer {
  return createPublicKey(privatePem).export({ type: 'spki', format: 'der' });
}

async function exportKey(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

function importKey(pem: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), ecdsa, true, ['sign']);
}

/** A positive serial number of 16 bytes, hex (RFC 5280 section 4.1.2.2). */
function serial(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8() & 0x7f) | 0x40);
  return bytes.toString('hex');
}
