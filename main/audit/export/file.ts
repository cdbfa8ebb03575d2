/** OCSF JSON lines appended to a file, for collectors that read files. */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { TunnelerError } from '../../base/errors.ts';
import { ocsfOf } from './ocsf.ts';
import type { ExportSink } from './sink.ts';

/** A sink that appends to `path` (0600), anew where that was rotated away. Each batch is one write, so a crash tears at most the last line. */
export function fileSink(options: { readonly path: string; readonly version: string }): ExportSink {
  let file: FileHandle | undefined;
  return {
    name: `file:${options.path}`,
    async deliver(records) {
      try {
        if (file !== undefined && !(await stands(file, options.path))) {
          await file.close();
          file = undefined;
        }
        file ??= await open(options.path, 'a', 0o600);
        await file.appendFile(records.map((record) => `${JSON.stringify(ocsfOf(record, options.version))}\n`).join(''));
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

/** False where another file, or none, is at the path by now: whoever rotates it has taken it away. */
async function stands(file: FileHandle, path: string): Promise<boolean> {
  const [open, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return open.ino === there?.ino && open.dev === there.dev;
}
