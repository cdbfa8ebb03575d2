/** OCSF JSON lines appended to a file, for collectors that read files. */
import { open, type FileHandle } from 'node:fs/promises';
import { TunnelerError } from '../../base/errors.ts';
import { toOcsf } from './ocsf.ts';
import type { ExportSink } from './sink.ts';

/** A sink that appends to `path` (0600). Each batch is one write, so a crash tears at most the last line. */
export function fileSink(options: {
  readonly path: string;
  readonly hostname: string;
  readonly version: string;
}): ExportSink {
  let file: FileHandle | undefined;
  return {
    name: `file:${options.path}`,
    async deliver(records) {
      try {
        file ??= await open(options.path, 'a', 0o600);
        await file.appendFile(records.map((record) => `${JSON.stringify(toOcsf(record, options))}\n`).join(''));
        await file.datasync();
      } catch (error) {
        throw new TunnelerError('audit.export_failed', `${options.path}: ${(error as Error).message}`, {
          cause: error,
        });
      }
    },
    async [Symbol.asyncDispose]() {
      await file?.close();
    },
  };
}
