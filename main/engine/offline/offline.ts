/** What works on a state directory while no engine runs: enrolling, looking, enabling, removing, reading the journal. */
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { auditDirectory, openAudit, type Audit } from '../../audit/audit.ts';
import { decodeLine, type ChainedRecord } from '../../audit/chain.ts';
import { exportLine } from '../../audit/export/export-lines.ts';
import { listJournalFiles, readLines } from '../../audit/journal-files.ts';
import { openAuditIndex, type AuditQuery } from '../../audit/index-store.ts';
import { parseWitnessAnswer } from '../../audit/witnessed.ts';
import { systemClock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import { silentLog } from '../../base/log.ts';
import type { AuditRecordView, AuditVerifyView } from '../../api/record-views.ts';
import type { IdentityView, PolicyCheckView } from '../../api/views.ts';
import { defaultSocketPath } from '../../ipc/socket-path.ts';
import {
  proofOf,
  type IdentityEntry,
  type IdentityFile,
  type IdentityStore,
  type KeyUnlock,
} from '../../identity/identities.ts';
import { openIdentityStore } from '../../identity/identity-store.ts';
import { isMissing } from '../../files/read-if-there.ts';
import { repairHost, type RepairReport } from '../../net/repair.ts';
import { checkPolicies } from '../../policy/local/policy-files.ts';
import { bundleOfDirectory, type Bundle, type Redaction } from '../bundle/bundle.ts';
import { enrolmentDeps } from '../enrolment/enrolment-deps.ts';
import { enrollIdentity } from '../enrolment/enrolment.ts';
import { exportIdentity } from '../enrolment/identity-export.ts';
import { deviceKeystores } from '../record/device-keystores.ts';
import { JournalKey } from '../record/journal-key.ts';
import { verifyJournal } from '../record/verify-journal.ts';
import { brokenBy, type IdentityStatus } from '../views/identity-status.ts';
import { identityView } from '../views/identity-view.ts';
import type { EnrollRequest } from '../enrolment/new-identity.ts';
import { policyDirectory, readConfig } from '../runtime/config.ts';
import { lastSettingsFile } from '../runtime/lineage-record.ts';
import { lockInstance } from '../runtime/instance-lock.ts';
import { hostJournalDirectory, openStateDirectory } from '../runtime/state-directory.ts';

/** Every method holds the instance lock for its length: an engine and a verb never write at the same time. */
export function offlineIdentities(stateDirectory: string, passphrase: string | undefined) {
  const unlock = defined({ passphrase });
  const clock = systemClock;

  const change = async <T>(
    act: (store: IdentityStore, audit: Audit, journalKey: JournalKey) => Promise<T>,
  ): Promise<T> => {
    await openStateDirectory(stateDirectory, { byRoot: true });
    const stack = new DisposalStack();
    try {
      stack.use(await lockInstance(stateDirectory, defaultSocketPath(stateDirectory)));
      const audit = stack.use(openAudit({ stateDirectory, clock, log: silentLog }));
      const { pkcs11 } = await readConfig(await lastSettingsFile(stateDirectory), false);
      const holding = { stateDirectory, log: silentLog, holdsDirectory: true, pkcs11Modules: pkcs11?.modules };
      const store = await openIdentityStore(holding);
      const keystores = deviceKeystores(stateDirectory, pkcs11?.modules);
      const journalKey = stack.use(new JournalKey({ stateDirectory, keystores, audit, clock, log: silentLog }));
      await journalKey.open(unlock);
      return await act(store, audit, journalKey);
    } finally {
      await stack[Symbol.asyncDispose]();
    }
  };

  return {
    enroll: (request: EnrollRequest): Promise<IdentityView> =>
      change(async (store, audit, journalKey) => {
        const deps = enrolmentDeps({ stateDirectory, store, audit, clock, log: silentLog, unlock });
        const { record, unlock: opens } = await enrollIdentity(request, deps);
        await vouch(record, opens, store, journalKey);
        return entryView({ kind: 'good', record });
      }),
    async list(): Promise<readonly IdentityView[]> {
      const store = await openIdentityStore({ stateDirectory, log: silentLog });
      return (await store.list()).map(entryView);
    },
    setEnabled: (name: string, enabled: boolean): Promise<void> =>
      change(async (store, audit) => {
        await store.update({ ...(await store.get(name)), enabled }, unlock);
        audit.record({ kind: 'identity.changed', identity: name, enabled });
      }),
    export: (name: string): Promise<string> =>
      change(async (store, audit) => {
        const record = await store.get(name);
        const json = await exportIdentity({ name, record: () => record, unlock: () => unlock }, store);
        audit.record({ kind: 'identity.changed', identity: name, exported: true });
        return json;
      }),
    remove: (name: string): Promise<void> =>
      change(async (store, audit) => {
        await store.remove(name, unlock);
        audit.record({ kind: 'identity.removed', identity: name });
      }),
  };
}

/** What an engine does when it opens an identity's key: here right after enrolling, so that the record is signed from then on. */
async function vouch(
  record: IdentityFile,
  unlock: KeyUnlock,
  store: IdentityStore,
  journalKey: JournalKey,
): Promise<void> {
  const key = proofOf(record) === 'certificate' ? await store.openKey(record, unlock) : undefined;
  await journalKey.identityOpened(record, key, unlock);
}

/** Put the host back as it was before an engine that died. Throws `engine.already_running` while one lives. */
export async function offlineRepair(stateDirectory: string): Promise<RepairReport> {
  await using _lock = await lockInstance(stateDirectory, defaultSocketPath(stateDirectory));
  return repairHost({ journalDir: hostJournalDirectory(stateDirectory), log: silentLog });
}

/** Works with the engine dead or alive: the journal is read as it stands. Throws `engine.state_unusable` where there is no such directory. */
export async function offlineVerify(
  stateDirectory: string,
  saved?: unknown,
  passed?: (records: number) => void,
): Promise<AuditVerifyView> {
  const answer = saved === undefined ? undefined : parseWitnessAnswer(saved);
  if (saved !== undefined && answer === undefined) {
    throw new TunnelerError('base.invalid', 'this is no answer of a witness', {
      details: { next: 'culvert audit verify --witness SERVICE --save FILE saves one' },
    });
  }
  await requireStateDirectory(stateDirectory);
  return verifyJournal(stateDirectory, answer, passed);
}

/** Of a directory that is not there nobody can say that its journal is intact. */
async function requireStateDirectory(stateDirectory: string): Promise<void> {
  const found = await stat(stateDirectory).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (!(found instanceof Error) && found.isDirectory()) return;
  const what = !(found instanceof Error) ? 'is a file' : isMissing(found) ? 'is not there' : found.message;
  throw new TunnelerError('engine.state_unusable', `state directory ${stateDirectory} ${what}`, {
    details: { stateDirectory, next: 'name the state directory of an engine with --state, or in CULVERT_STATE' },
  });
}

/** Searches the journal of a state directory by its index. */
export async function offlineSearch(stateDirectory: string, query: AuditQuery): Promise<readonly AuditRecordView[]> {
  using index = openAuditIndex({ stateDirectory, clock: systemClock, log: silentLog });
  return await index.search(query);
}

/** The support bundle of a directory whose engine is not running. */
export async function offlineBundle(stateDirectory: string, redaction: Redaction, version: string): Promise<Bundle> {
  const identities = () => offlineIdentities(stateDirectory, undefined).list();
  return bundleOfDirectory(redaction, { stateDirectory, version, clock: systemClock, identities });
}

/** The journal as lines for other tools, oldest first: as it stands, or as OCSF events. Reads along with a running engine. */
export async function* offlineExport(
  stateDirectory: string,
  options: { readonly format: 'json' | 'ocsf'; readonly query: AuditQuery; readonly version: string },
): AsyncGenerator<string> {
  const device = { hostname: hostname(), version: options.version };
  for (const file of listJournalFiles(auditDirectory(stateDirectory))) {
    for await (const { line } of readLines(file.path)) {
      const decoded = decodeLine(line);
      if (!('record' in decoded) || !isWanted(decoded.record, options.query)) continue;
      yield exportLine(options.format, { line, record: decoded.record }, device);
    }
  }
}

const exactFields = ['kind', 'service', 'identity', 'agent', 'tool', 'session', 'decision'] as const;

function isWanted(record: ChainedRecord, query: AuditQuery): boolean {
  if (query.since !== undefined && record.at < query.since) return false;
  if (query.until !== undefined && record.at > query.until) return false;
  return exactFields.every((field) => query[field] === undefined || record[field] === query[field]);
}

/** The rules of the directory that the settings name, as the engine would read them: those it last ran with, else the state directory's. */
export async function offlineCheckPolicy(stateDirectory: string): Promise<PolicyCheckView> {
  return checkPolicies(await offlinePolicyDirectory(stateDirectory));
}

/** Where the local rules of this state directory are, by the settings that its engine last ran with. */
export async function offlinePolicyDirectory(stateDirectory: string): Promise<string> {
  return policyDirectory(stateDirectory, await readConfig(await lastSettingsFile(stateDirectory), false));
}

/** An identity as it lies on disk; whether its controller would have it, only an engine can tell. */
function entryView(entry: IdentityEntry): IdentityView {
  const record = entry.kind === 'good' ? entry.record : undefined;
  return identityView({
    name: entry.kind === 'good' ? entry.record.name : entry.name,
    record,
    context: undefined,
    standing: entry.kind === 'good' ? restingStanding(entry.record) : brokenBy(entry.error),
    services: [],
    mfa: undefined,
  });
}

function restingStanding({ enabled }: IdentityFile): IdentityStatus {
  if (!enabled) return { state: 'disabled' };
  return {
    state: 'starting',
    reason: { code: 'engine.not_running', sentence: 'no engine runs here', next: 'culvert run' },
  };
}
