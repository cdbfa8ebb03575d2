/** What a state directory and the host tell, with an engine or without: journals, versions, the machine. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { arch, cpus, freemem, hostname, networkInterfaces, platform, release, totalmem, uptime } from 'node:os';
import { join } from 'node:path';
import { auditDirectory } from '../../audit/audit.ts';
import { listJournalFiles, readLines } from '../../audit/journal-files.ts';
import { readIfThere } from '../../files/read-if-there.ts';
import { verifyJournal } from '../record/verify-journal.ts';
import { hostJournalDirectory } from '../runtime/state-directory.ts';
import type { BundleDocument } from './zip-bundle.ts';

const auditRecords = 200;
/** As much of a log file's end as is taken. */
const logTailBytes = 512 * 1024;

/** Whose directory it is, and how much of it may leave. */
export interface DirectoryFacts {
  readonly stateDirectory: string;
  readonly version: string;
  readonly redaction: string;
  /** False: the engine is not running, and what only it knows is missing. */
  readonly running: boolean;
  readonly nowMs: number;
}

/** Each document is told apart from failing to be read: one that cannot be is there with the reason. */
export async function directoryDocuments(facts: DirectoryFacts): Promise<BundleDocument[]> {
  const { stateDirectory } = facts;
  return [
    { name: 'about.json', value: about(facts) },
    await attempt('audit-verify.json', async () => ({
      value: await verifyJournal(stateDirectory),
    })),
    await attempt('audit-tail.jsonl', async () => ({ lines: await auditTail(stateDirectory) })),
    await attempt('host-journal.jsonl', async () => ({
      lines: linesOf((await readIfThere(join(hostJournalDirectory(stateDirectory), 'host-changes.jsonl'))) ?? ''),
    })),
  ];
}

/** The end of a log file; empty where there is none. */
export async function logFileTail(file: string): Promise<readonly string[]> {
  const sizeBytes = await stat(file).then(
    (found) => found.size,
    () => 0, // not there, or not ours to read: a bundle without it is still of use
  );
  if (sizeBytes === 0) return [];
  const start = Math.max(0, sizeBytes - logTailBytes);
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file, { start })) chunks.push(chunk as Buffer);
  const lines = linesOf(Buffer.concat(chunks).toString('utf8'));
  return start === 0 ? lines : lines.slice(1); // the first is cut
}

/** Run one source; where it fails, the reason stands in its place. */
export async function attempt(
  name: string,
  read: () => Promise<{ readonly value: unknown } | { readonly lines: readonly string[] }>,
): Promise<BundleDocument> {
  try {
    return { name, ...(await read()) };
  } catch (error) {
    return { name: `${name}.failed.json`, value: { failed: error instanceof Error ? error.message : String(error) } };
  }
}

function about(facts: DirectoryFacts): unknown {
  return {
    createdAt: new Date(facts.nowMs).toISOString(),
    redaction: facts.redaction,
    engineRunning: facts.running,
    culvert: facts.version,
    node: process.version,
    openssl: process.versions.openssl,
    platform: platform(),
    arch: arch(),
    release: release(),
    hostname: hostname(),
    cpus: cpus().length,
    memoryBytes: { total: totalmem(), free: freemem() },
    uptimeSeconds: Math.round(uptime()),
    root: process.getuid?.() === 0,
    stateDirectory: facts.stateDirectory,
    interfaces: Object.entries(networkInterfaces()).map(([device, addresses]) => ({
      interface: device,
      addresses: (addresses ?? []).map(({ cidr, address }) => cidr ?? address),
    })),
  };
}

async function auditTail(stateDirectory: string): Promise<readonly string[]> {
  const last: string[] = [];
  // Newest file first, for most of the time the last one holds enough.
  for (const file of listJournalFiles(auditDirectory(stateDirectory)).reverse()) {
    const lines: string[] = [];
    for await (const { line } of readLines(file.path)) {
      lines.push(line);
      if (lines.length > auditRecords) lines.shift();
    }
    last.unshift(...lines.slice(-(auditRecords - last.length)));
    if (last.length >= auditRecords) break;
  }
  return last;
}

function linesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}
