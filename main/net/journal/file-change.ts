/** Replacing one of the system's files, written down first, and putting it back. */
import { createHash } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { readlinkSync, realpathSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { isMissing } from '../../files/read-if-there.ts';
import { writeAtomicallySync } from '../../files/write-atomically.ts';
import type { FileBefore, HostChange } from './host-change.ts';
import type { HostJournal } from './host-journal.ts';

/** A file that is replaced, as the journal has it. */
export type FileChange = Extract<HostChange, { kind: 'file' }>;

/** Lower hex, of the UTF-8 of `text`. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What stands at `path` now. */
export function readFileBefore(path: string): FileBefore {
  try {
    const stat = lstatSync(path);
    // A link under a mount is the mount's file: the link itself is not what anyone sees.
    if (stat.isSymbolicLink() && !isMountPoint(realPath(path))) return { kind: 'link', target: readlinkSync(path) };
    const content = readFileSync(path);
    return { kind: 'file', contentBase64: content.toString('base64'), mode: stat.mode & 0o7777 };
  } catch (error) {
    if (isMissing(error)) return { kind: 'absent' };
    throw error;
  }
}

/** Write `content` to `path`, after noting in the journal what was there; the journal's id. `before` defaults to what is there now. */
export function replaceFile(
  journal: HostJournal,
  path: string,
  content: string,
  before: FileBefore = readFileBefore(path),
): number {
  const id = journal.record({ kind: 'file', path, before, ownSha256: sha256(content) });
  writeWhole(path, Buffer.from(content), before.kind === 'file' ? before.mode : 0o644);
  return id;
}

/** Put the file back as it was, unless someone else has written it since. True where it was ours to put back. Idempotent. */
export function restoreFile(change: FileChange): boolean {
  const { path, before } = change;
  const now = readFileBefore(path);
  const ours = now.kind === 'file' && sha256(Buffer.from(now.contentBase64, 'base64').toString()) === change.ownSha256;
  if (!ours) return false;
  if (before.kind === 'file') writeWhole(path, Buffer.from(before.contentBase64, 'base64'), before.mode);
  else {
    unlinkSync(path);
    if (before.kind === 'link') symlinkSync(before.target, path);
  }
  return true;
}

/**
 * Replace a file in one step, so that no reader sees half of it. A file that is a mount of its own (containers, network namespaces) cannot
 * be replaced; it is written in place.
 */
function writeWhole(path: string, content: Uint8Array, mode: number): void {
  const target = realPath(path);
  if (!isMountPoint(target)) {
    try {
      writeAtomicallySync(path, content, { mode });
      return;
    } catch (error) {
      // The folder may be read-only, or the file a mount that the table does not show.
      if (!['EBUSY', 'EXDEV', 'EACCES', 'EPERM', 'EROFS'].some((code) => isCode(error, code))) throw error;
    }
  }
  writeInPlace(target, content, mode);
}

function writeInPlace(path: string, content: Uint8Array, mode: number): void {
  const file = openSync(path, 'w', mode);
  try {
    writeSync(file, content);
    fsyncSync(file);
    // The process's umask must not narrow what others could read before.
    fchmodSync(file, mode);
  } finally {
    closeSync(file);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isMissing(error)) return path;
    throw error;
  }
}

/** proc_pid_mountinfo(5): the fifth field is the mount point, with blanks and the like as octal escapes. */
function isMountPoint(path: string): boolean {
  if (process.platform !== 'linux') return false;
  const table = readFileSync('/proc/self/mountinfo', 'utf8');
  return table.split('\n').some((line) => {
    const point = line.split(' ')[4] ?? '';
    return point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))) === path;
  });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
