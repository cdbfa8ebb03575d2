/** Forms in which EC points and signatures go between hardware and TLS. */
import { createPublicKey } from 'node:crypto';

const coordinateBytes = { 'P-256': 32, 'P-384': 48 } as const;
/** The curves that keys are on. */
export type CurveName = keyof typeof coordinateBytes;

/** SubjectPublicKeyInfo (RFC 5480), DER, of a point. Short coordinates are filled up. */
export function spkiOfPoint(curve: CurveName, x: Uint8Array, y: Uint8Array): Uint8Array {
  const coordinate = (bytes: Uint8Array): string => {
    const missing = Math.max(0, coordinateBytes[curve] - bytes.length);
    return Buffer.concat([Buffer.alloc(missing), bytes]).toString('base64url');
  };
  const key = createPublicKey({ key: { kty: 'EC', crv: curve, x: coordinate(x), y: coordinate(y) }, format: 'jwk' });
  return key.export({ type: 'spki', format: 'der' });
}

/** ECDSA-Sig-Value (RFC 3279 section 2.2.3): SEQUENCE of two INTEGERs, each minimal and positive. */
export function derSignature(r: Uint8Array, s: Uint8Array): Buffer {
  const body = Buffer.concat([derInteger(r), derInteger(s)]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}

function derInteger(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const magnitude = bytes.subarray(start);
  const body = (magnitude[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), magnitude]) : magnitude;
  return Buffer.concat([Buffer.from([0x02, body.length]), body]);
}
