/** What a state directory says of its identities, read without opening or making anything: what `audit verify` holds the journal against. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defined } from '../../base/defined.ts';
import type { JournalFacts } from '../../audit/trust.ts';
import { listIfThere } from '../../files/read-if-there.ts';
import { decodeIdentityFile } from '../../identity/identity-file.ts';

const suffix = '.json';

/** An identity whose file cannot be read is one all the same, without a key to compare with. */
export async function readJournalFacts(stateDirectory: string): Promise<JournalFacts> {
  const directory = join(stateDirectory, 'identities');
  const files = await listIfThere(directory);
  const names = files.filter((file) => file.endsWith(suffix)).map((file) => file.slice(0, -suffix.length));
  const identities = names.sort().map(async (name) => {
    const publicKeySpki = await keyOf(name, join(directory, name + suffix));
    return { name, ...defined({ publicKeySpki }) };
  });
  return { identities: await Promise.all(identities) };
}

async function keyOf(name: string, path: string): Promise<Uint8Array | undefined> {
  try {
    const { certPem } = decodeIdentityFile(name, await readFile(path, 'utf8'));
    if (certPem === undefined) return undefined;
    return new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  } catch {
    // Whether it can be read is `identity list`'s business; here it has no key to vouch with.
    return undefined;
  }
}
