/** Time-based one-time passwords as OpenZiti's controller takes them: SHA-1, six digits, 30 s (RFC 6238, RFC 4226). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const periodMs = 30_000;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A new secret, base32 without padding (RFC 4648 section 6). */
export function newTotpSecret(): string {
  return [...randomBytes(32)].map((byte) => alphabet.charAt(byte & 31)).join('');
}

/** Twenty codes to use once each when the authenticator is lost. */
export function newRecoveryCodes(): string[] {
  return Array.from({ length: 20 }, () => randomBytes(4).toString('hex').slice(0, 6).toUpperCase() + letter());
}

/** The code for one moment. */
export function totpCode(secret: string, atMs: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(atMs / periodMs)));
  const digest = createHmac('sha1', decodeBase32(secret)).update(counter).digest();
  const offset = digest.readUInt8(digest.length - 1) & 0x0f;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** True for the code of now or of one period to either side. */
export function totpMatches(secret: string, code: string, nowMs: number): boolean {
  const given = Buffer.from(code);
  return [-periodMs, 0, periodMs].some((shift) => {
    const expected = Buffer.from(totpCode(secret, nowMs + shift));
    return expected.length === given.length && timingSafeEqual(expected, given);
  });
}

function letter(): string {
  return alphabet.charAt(randomBytes(1).readUInt8() % 26);
}

function decodeBase32(text: string): Buffer {
  let bits = 0;
  let bitCount = 0;
  const bytes: number[] = [];
  for (const character of text) {
    bits = (bits << 5) | alphabet.indexOf(character);
    bitCount += 5;
    if (bitCount >= 8) {
      bitCount -= 8;
      bytes.push((bits >>> bitCount) & 0xff);
    }
    bits &= 0xffff;
  }
  return Buffer.from(bytes);
}
