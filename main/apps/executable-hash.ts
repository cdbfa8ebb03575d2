/** Digests of executables and scripts. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { ByVersion } from './by-version.ts';

/** Lower-hex SHA-256, each file read once while it stays the same. */
export function executableHashes(): ByVersion<string> {
  return new ByVersion((path) => digest(path, 'sha256'));
}

/** Lower hex; undefined where the file cannot be read, or this Node may not use the algorithm. */
export function digest(path: string, algorithm: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const hash = createHash(algorithm);
    const stream = createReadStream(path, { highWaterMark: 256 * 1024 });
    stream.on('data', (chunk) => hash.update(chunk));
    stream.on('end', () => resolve(hash.digest('hex')));
    stream.on('error', reject);
  }).then(
    (hex) => hex as string,
    () => undefined,
  );
}
