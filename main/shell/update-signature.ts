/**
 * Who made an update: an Ed25519 signature (RFC 8032) in its `latest*.yml` over version and files. The files' SHA-512 stand there too and
 * electron-updater holds what it fetches to them, so that the signature vouches for the bytes that are installed.
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import * as v from 'valibot';

/** The part of electron-updater's `UpdateInfo` that is signed. Source: electron.build/app-update, `UpdateInfo`. */
const update = v.object({
  version: v.string(),
  files: v.pipe(v.array(v.object({ url: v.string(), sha512: v.string() })), v.minLength(1)),
  signature: v.optional(v.string()),
});

/** Exactly what is signed: one fact a line, so that no two updates have the same text. */
export function signedText(info: Pick<v.InferOutput<typeof update>, 'version' | 'files'>): string {
  const lines = [`version ${JSON.stringify(info.version)}`];
  for (const { url, sha512 } of info.files) lines.push(`file ${JSON.stringify(url)} ${JSON.stringify(sha512)}`);
  return `culvert update 1\n${lines.join('\n')}\n`;
}

/** Public keys of PEM blocks one after the other, comments between them. Throws where one of them is no Ed25519 key. */
export function readUpdateKeys(pem: string): readonly KeyObject[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  return blocks.map((block) => {
    const key = createPublicKey(block);
    if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('an update key has to be Ed25519');
    return key;
  });
}

/** Why an update is not to be fetched; undefined where one of these keys signed it. Never throws. */
export function distrustOf(info: unknown, keys: readonly KeyObject[]): string | undefined {
  if (keys.length === 0) return 'this build knows no key that updates are signed with';
  const read = v.safeParse(update, info);
  if (!read.success) return 'what the update server says is no description of an update';
  const { signature } = read.output;
  if (signature === undefined) return 'the update is not signed';
  const text = Buffer.from(signedText(read.output), 'utf8');
  const bytes = Buffer.from(signature, 'base64');
  return keys.some((key) => verify(null, text, key, bytes)) ? undefined : 'no known key has signed the update';
}
