/**
 * What a request refers to by a path is read here, with the rights of whoever runs the verb, and sent as bytes: the engine may be allowed more,
 * and what it read would come back to whoever asked.
 */
import { readFile } from 'node:fs/promises';
import { usage } from './cli.ts';

/** Fields of an identity file of OpenZiti's tunnelers that may name files. */
const referring = ['cert', 'key', 'ca'] as const;

/** The identity file's JSON with the certificates and key in it that it refers to; text that is no such JSON is left for the engine to name. */
export async function withFilesOf(identityJson: string): Promise<string> {
  let file: unknown;
  try {
    file = JSON.parse(identityJson);
  } catch {
    return identityJson;
  }
  const id = (file as { id?: unknown } | null)?.id;
  if (typeof id !== 'object' || id === null) return identityJson;
  const inlined: Record<string, unknown> = { ...id };
  for (const field of referring) {
    const value = inlined[field];
    const path = typeof value === 'string' ? pathOf(value) : undefined;
    if (path !== undefined) inlined[field] = `pem:${await read(path, `id.${field}`)}`;
  }
  return JSON.stringify({ ...(file as object), id: inlined });
}

/** `--keystore` as it is sent: a `pin-source` of a PKCS#11 URI (RFC 7512 section 2.4) read and put in its place. */
export async function withPinOf(keystore: string): Promise<string> {
  const found = /([?&])pin-source=([^&]*)/.exec(keystore);
  if (!keystore.startsWith('pkcs11:') || found === null) return keystore;
  const [whole, before = '', source = ''] = found;
  const path = decodeURIComponent(source).replace(/^file:(\/\/)?/, '');
  const pin = (await read(path, 'pin-source')).replace(/\r?\n$/, '');
  return keystore.replace(whole, () => `${before}pin-value=${encodeURIComponent(pin)}`);
}

/** As OpenZiti's SDKs tell what a field holds: PEM itself, a `file://` address, another kind of address, or a plain path. */
function pathOf(value: string): string | undefined {
  if (value === '' || value.startsWith('pem:') || value.startsWith('-----BEGIN')) return undefined;
  if (value.startsWith('file://')) return decodeURIComponent(value.slice('file://'.length));
  return /^[a-z][a-z0-9+.-]+:/.test(value) && !/^[A-Za-z]:[\\/]/.test(value) ? undefined : value;
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw usage(`${what}: cannot read ${path}: ${(error as Error).message}`);
  }
}
