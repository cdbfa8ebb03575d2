/** A state directory whose journal is signed by a key of its own, and what somebody with the run of its files may do to it. */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditAnchorPath } from '../../main/audit/anchor.ts';
import { auditDirectory, openAudit, type Audit, type AuditOptions } from '../../main/audit/audit.ts';
import type { Clock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import { deviceKeystores } from '../../main/engine/record/device-keystores.ts';
import { JournalKey } from '../../main/engine/record/journal-key.ts';
import type { IdentityFile, IdentityStore, KeyUnlock } from '../../main/identity/identities.ts';
import { openIdentityStore } from '../../main/identity/identity-store.ts';
import { ManualClock } from './manual-clock.ts';
import { selfSigned } from './self-signed.ts';

export const testUnlock: KeyUnlock = { passphrase: 'a passphrase for tests' };

export interface SignedJournal extends AsyncDisposable {
  readonly audit: Audit;
  readonly store: IdentityStore;
  readonly journalKey: JournalKey;
}

/** The journal of a state directory as an engine opens it, its key opened where there is one. */
export async function openSignedJournal(
  stateDirectory: string,
  options: AuditOptions & { readonly clock?: Clock; readonly unlock?: KeyUnlock } = {},
): Promise<SignedJournal> {
  const { clock = new ManualClock(), unlock = testUnlock, ...rest } = options;
  const store = await openIdentityStore({ stateDirectory, log: silentLog, holdsDirectory: true });
  const audit = openAudit({ stateDirectory, clock, log: silentLog }, rest);
  const journalKey = new JournalKey({
    stateDirectory,
    keystores: deviceKeystores(stateDirectory),
    audit,
    clock,
    log: silentLog,
  });
  await journalKey.open(unlock);
  return {
    audit,
    store,
    journalKey,
    async [Symbol.asyncDispose]() {
      await journalKey[Symbol.asyncDispose]();
      await audit[Symbol.asyncDispose]();
    },
  };
}

/** Enrol, as far as the journal is concerned: an identity with a certificate, its key in the `file` key store, vouching at once. */
export async function enrolIdentity({ audit, store, journalKey }: SignedJournal, name: string): Promise<IdentityFile> {
  const { cert, key } = await selfSigned('127.0.0.1');
  const kept = await store.keystore('file').import(name, key, testUnlock);
  const record: IdentityFile = {
    name,
    enabled: true,
    scope: 'machine',
    keystore: 'file',
    keyReference: kept.reference,
    apis: ['https://127.0.0.1:1'],
    caPem: cert,
    certPem: cert,
    jit: false,
    foreign: {},
  };
  await store.add(record);
  audit.record({ kind: 'identity.enrolled', identity: name });
  await journalKey.identityOpened(record, kept.key, testUnlock);
  return record;
}

/** An enrolled device that let twenty flows through and refused every fifth, closed in good order. */
export async function writtenJournal(stateDirectory: string, options: AuditOptions = {}): Promise<void> {
  await using journal = await openSignedJournal(stateDirectory, options);
  await enrolIdentity(journal, 'edge-box');
  for (let i = 1; i <= 20; i += 1) {
    journal.audit.record({ kind: 'verdict', service: `service ${i}`, decision: i % 5 === 0 ? 'deny' : 'allow' });
  }
}

export type Row = Record<string, unknown> & { seq: number; kind: string };

export function journalRows(stateDirectory: string): Row[] {
  return readdirSync(auditDirectory(stateDirectory))
    .sort()
    .flatMap((file) =>
      readFileSync(join(auditDirectory(stateDirectory), file), 'utf8')
        .split('\n')
        .slice(0, -1),
    )
    .map((line) => JSON.parse(line) as Row);
}

export function editAnchor(stateDirectory: string, change: (anchor: Record<string, unknown>) => object): void {
  const path = auditAnchorPath(stateDirectory);
  const anchor = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...anchor, ...change(anchor) }));
}

/**
 * Write the journal anew with other records, as somebody does who knows how the chain is made: numbered without a gap, each hash right, and
 * the anchor's count and head with it.
 */
export function rewriteJournal(
  stateDirectory: string,
  change: (rows: Row[]) => Row[],
  firstSeq = 1,
  firstPrev = '0'.repeat(64),
): void {
  const directory = auditDirectory(stateDirectory);
  const [file = ''] = readdirSync(directory).sort();
  let head = firstPrev;
  const lines = change(journalRows(stateDirectory)).map(({ seq: _seq, prev: _prev, hash: _hash, ...rest }, index) => {
    const body = `${JSON.stringify({ seq: firstSeq + index, ...rest }).slice(0, -1)},"prev":"${head}"`;
    head = createHash('sha256').update(body).digest('hex');
    return `${body},"hash":"${head}"}\n`;
  });
  writeFileSync(join(directory, file), lines.join(''));
  editAnchor(stateDirectory, () => ({ count: firstSeq + lines.length - 1, head }));
}
