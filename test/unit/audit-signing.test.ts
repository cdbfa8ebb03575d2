import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { auditAnchorPath } from '../../main/audit/anchor.ts';
import { auditDirectory } from '../../main/audit/audit.ts';
import { auditSignersPath } from '../../main/audit/signers.ts';
import { verifyJournal } from '../../main/engine/record/verify-journal.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  editAnchor,
  enrolIdentity,
  journalRows,
  openSignedJournal,
  rewriteJournal,
  testUnlock,
  writtenJournal,
} from '../support/signed-journal.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const newState = (): string => temporaryDirectory('signing');

async function written(): Promise<string> {
  const state = newState();
  await writtenJournal(state);
  expect(await verifyJournal(state)).toMatchObject({ ok: true });
  return state;
}

describe('a signed journal', () => {
  it('is signed from the first enrolment on, by a key that the identity vouches for', async () => {
    const state = newState();
    await using journal = await openSignedJournal(state);
    await enrolIdentity(journal, 'edge-box');
    expect(journalRows(state).map(({ kind }) => kind)).toEqual([
      'identity.enrolled',
      'signer.made',
      'signer.certified',
      'checkpoint',
    ]);
    const verdict = await verifyJournal(state);
    expect(verdict.ok).toBe(true);
    expect(verdict.unsignedBefore).toBeUndefined();
    expect(verdict.signers).toEqual([
      expect.objectContaining({ epoch: 1, certifiedBy: ['edge-box'], checkpoints: 1, signedUpTo: 3, keystore: 'file' }),
    ]);
  });

  it('lets every identity vouch, once each', async () => {
    const state = newState();
    await using journal = await openSignedJournal(state);
    const first = await enrolIdentity(journal, 'edge-box');
    await enrolIdentity(journal, 'laptop');
    await journal.journalKey.identityOpened(first, await journal.store.openKey(first, testUnlock), testUnlock);
    const { signers, ok } = await verifyJournal(state);
    expect(ok).toBe(true);
    expect(signers.map(({ certifiedBy }) => certifiedBy)).toEqual([['edge-box', 'laptop']]);
  });

  it('goes on under the same key after a restart, whose file no sweep takes away', async () => {
    const state = await written();
    const before = journalRows(state).length;
    await using journal = await openSignedJournal(state);
    journal.audit.record({ kind: 'verdict', decision: 'allow' });
    await journal.audit.checkpoint();
    expect(await verifyJournal(state)).toMatchObject({ ok: true, signers: [{ epoch: 1, signedUpTo: before + 2 }] });
  });

  it('signs a refusal within a second and everything within ten', async () => {
    const clock = new ManualClock();
    const state = newState();
    await using journal = await openSignedJournal(state, { clock });
    await enrolIdentity(journal, 'edge-box');
    const checkpointed = (): Promise<string> =>
      new Promise((resolve) => journal.audit.onCheckpoint((note) => resolve(note.split('\n')[1] ?? '')));

    const allowed = checkpointed();
    journal.audit.record({ kind: 'verdict', decision: 'allow' });
    clock.advance(10_000);
    expect(await allowed).toBe('5');
    const refused = checkpointed();
    journal.audit.record({ kind: 'verdict', decision: 'deny' });
    clock.advance(1000);
    expect(await refused).toBe('7');
  });

  it('retires old files only behind a signature that says so', async () => {
    const state = newState();
    const options = { rotateBytes: 4096, keepFiles: 3 };
    await using journal = await openSignedJournal(state, options);
    await enrolIdentity(journal, 'edge-box');
    for (let i = 0; i < 200; i += 1) {
      journal.audit.record({ kind: 'verdict', service: `service ${i}` });
      if (i % 20 === 0) await journal.audit.checkpoint();
    }
    await journal.audit.checkpoint();
    expect(journalRows(state)[0]?.seq).toBeGreaterThan(1);
    expect(await verifyJournal(state)).toMatchObject({ ok: true });
  });

  it('is named where its key was replaced: another, linked epoch', async () => {
    const state = await written();
    const upTo = journalRows(state).length;
    rmSync(join(state, 'device-keys'), { recursive: true });
    await using journal = await openSignedJournal(state);
    await enrolIdentity(journal, 'laptop');
    await journal.audit.checkpoint();
    const made = journalRows(state).filter(({ kind }) => kind === 'signer.made');
    expect(made[1]).toMatchObject({ epoch: 2, previous: { count: upTo - 1 }, reason: 'the key before it is lost' });
    expect(await verifyJournal(state)).toMatchObject({
      ok: true,
      signers: [{ epoch: 1 }, { epoch: 2, certifiedBy: ['laptop'] }],
    });
  });
});

describe('audit verify, against somebody who knows how the chain is made, names', () => {
  it('denials taken out, the rest renumbered', async () => {
    const state = await written();
    rewriteJournal(state, (rows) => rows.filter(({ decision }) => decision !== 'deny'));
    const { ok, firstBad } = await verifyJournal(state);
    expect(ok).toBe(false);
    expect(firstBad?.code).toBe('audit.fault.rewritten');
  });

  it('the same with every checkpoint taken out too', async () => {
    const state = await written();
    rewriteJournal(state, (rows) => rows.filter(({ kind, decision }) => decision !== 'deny' && kind !== 'checkpoint'));
    editAnchor(state, () => ({ signers: [], note: undefined }));
    expect(await verifyJournal(state)).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.unsigned' } });
  });

  it('a journal signed by a key of his own', async () => {
    const state = await written();
    const forged = await written();
    for (const name of ['audit', 'audit-anchor.json', 'audit-signers.json']) {
      rmSync(join(state, name), { recursive: true });
      cpSync(join(forged, name), join(state, name), { recursive: true });
    }
    expect(await verifyJournal(state)).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.uncertified' } });
  });

  it('a first half erased', async () => {
    const state = await written();
    const rows = journalRows(state);
    const kept = rows.slice(10);
    rewriteJournal(state, () => kept, 11, String(kept[0]?.['prev']));
    editAnchor(state, () => ({ firstSeq: 11, firstPrev: kept[0]?.['prev'] }));
    expect(await verifyJournal(state)).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.first' } });
  });

  it('a first half erased, numbered from one again', async () => {
    const state = await written();
    rewriteJournal(state, (rows) => rows.slice(10));
    expect((await verifyJournal(state)).ok).toBe(false);
  });

  it('a second half cut', async () => {
    const state = await written();
    rewriteJournal(state, (rows) => rows.slice(0, 12));
    expect(await verifyJournal(state)).toMatchObject({ ok: false, firstBad: { seq: 13, code: 'audit.fault.cut' } });
  });

  it('an edited checkpoint', async () => {
    const state = await written();
    const seq = journalRows(state).at(-1)?.seq;
    rewriteJournal(state, (rows) => rows.map((row) => (row.seq === seq ? { ...row, head: 'f'.repeat(64) } : row)));
    expect(await verifyJournal(state)).toMatchObject({ ok: false, firstBad: { seq } });
  });

  it('identities without a journal', async () => {
    const state = await written();
    rmSync(auditDirectory(state), { recursive: true });
    rmSync(auditAnchorPath(state));
    rmSync(auditSignersPath(state));
    expect(await verifyJournal(state)).toMatchObject({ ok: false, firstBad: { code: 'audit.fault.no_journal' } });
  });

  it('an anchor without its signature, and keys that nobody names', async () => {
    const unsigned = await written();
    editAnchor(unsigned, () => ({ note: undefined }));
    expect(await verifyJournal(unsigned)).toMatchObject({ firstBad: { code: 'audit.fault.anchor_unsigned' } });
    const nameless = await written();
    rmSync(auditSignersPath(nameless));
    expect((await verifyJournal(nameless)).ok).toBe(false);
    const forged = await written();
    const file = readFileSync(auditSignersPath(forged), 'utf8').replace('"identity":"edge-box"', '"identity":"boss"');
    writeFileSync(auditSignersPath(forged), file.replace(/"signature":"..../, '"signature":"AAAA'));
    expect(await verifyJournal(forged)).toMatchObject({ firstBad: { code: 'audit.fault.uncertified' } });
  });
});

describe('a state directory of 0.1.0', () => {
  it('carries over, its journal named as unsigned before the first checkpoint', async () => {
    const state = newState();
    cpSync(fileURLToPath(new URL('../support/state-0.1.0', import.meta.url)), state, { recursive: true });
    const left = journalRows(state).length;
    // Not yet touched: there is nothing signed, and nothing wrong.
    expect(await verifyJournal(state)).toMatchObject({ ok: true, count: left, unsignedBefore: left + 1, signers: [] });

    await using journal = await openSignedJournal(state);
    for (const entry of await journal.store.list()) {
      if (entry.kind === 'broken') throw entry.error;
      const key = await journal.store.openKey(entry.record, testUnlock);
      await journal.journalKey.identityOpened(entry.record, key, testUnlock);
    }
    const first = journalRows(state).find(({ kind, note }) => kind === 'checkpoint' && note !== undefined);
    expect(first?.seq).toBeGreaterThan(left);
    expect(await verifyJournal(state)).toMatchObject({
      ok: true,
      unsignedBefore: first?.seq,
      signers: [{ certifiedBy: ['dev-laptop', 'edge-box'] }],
    });
    // From then on what was left is held as well.
    rewriteJournal(state, (rows) => rows.filter(({ seq }) => seq !== 9));
    expect((await verifyJournal(state)).ok).toBe(false);
  });
});
