/** A collector in memory's reach: devices dial it without a network between them, each with a signed journal of its own. */
import { generateKeyPairSync } from 'node:crypto';
import { Collector, type CollectorDeps } from '../../main/engine/collect/collector.ts';
import type { FleetStore } from '../../main/engine/collect/fleet-store.ts';
import { openSqliteStore } from '../../main/engine/collect/sqlite-store.ts';
import { keySigner } from '../../main/engine/record/key-signer.ts';
import { RecordSender } from '../../main/engine/record/record-sender.ts';
import { askWitness, type WitnessCallDeps } from '../../main/engine/record/witness-call.ts';
import type { NoteSigner } from '../../main/audit/note.ts';
import type { WitnessAnswer } from '../../main/audit/witnessed.ts';
import { systemClock } from '../../main/base/clock.ts';
import { silentLog } from '../../main/base/log.ts';
import type { HostedRequest } from '../../main/hosting/hosting.ts';
import type { SignedJournal } from './signed-journal.ts';

export const witnessService = 'record';

/** A witness's key that nobody keeps. */
export function newWitnessKey(): NoteSigner {
  const { privateKey } = generateKeyPairSync('ed25519');
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return keySigner('culvert.witness/test', { kind: 'software', privateKeyPem });
}

export function openCollector(
  stateDirectory: string,
  changes: Partial<CollectorDeps> & { readonly fleetStore?: FleetStore } = {},
): Collector {
  const { fleetStore, ...rest } = changes;
  const key = newWitnessKey();
  return new Collector({
    store: fleetStore ?? openSqliteStore(stateDirectory),
    key: () => Promise.resolve(key),
    wants: 'records',
    service: witnessService,
    caPem: () => '',
    clock: systemClock,
    log: silentLog,
    silentAfterMs: 600_000,
    alerted: () => undefined,
    ...rest,
  });
}

/** A dial as the network hands it on. */
export function dialRequest(name: string): HostedRequest {
  return {
    identity: 'desk',
    serviceId: 'record-id',
    serviceName: witnessService,
    protocol: 'tcp',
    target: { host: 'culvert', port: 0 },
    caller: { name, id: name, asserted: true },
    circuitId: undefined,
    routerName: 'router',
    encrypted: true,
    appData: {},
    configs: {},
  };
}

export function callDeps(
  stateDirectory: string,
  name: string,
  { journalKey }: Pick<SignedJournal, 'journalKey'>,
  collector: () => Collector,
): WitnessCallDeps {
  return {
    stateDirectory,
    service: witnessService,
    clock: systemClock,
    dial: async (_service, signal) => collector().answer(dialRequest(name), signal),
    signer: () => journalKey.signer(),
    certificates: () => [],
  };
}

export interface SendingDevice extends AsyncDisposable {
  readonly alerts: readonly string[];
  readonly orders: readonly string[];
}

/** A device that sends its journal until disposed. */
export function startSending(
  stateDirectory: string,
  name: string,
  journal: SignedJournal,
  collector: () => Collector,
): SendingDevice {
  const alerts: string[] = [];
  const orders: string[] = [];
  const sender = new RecordSender({
    ...callDeps(stateDirectory, name, journal, collector),
    audit: journal.audit,
    log: silentLog,
    raise: ({ text }) => void alerts.push(text),
    obey(text) {
      orders.push(text);
      return 'quarantined';
    },
  });
  return { alerts, orders, [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose]() };
}

export function ask(
  stateDirectory: string,
  name: string,
  journal: SignedJournal,
  collector: Collector,
): Promise<WitnessAnswer> {
  return askWitness(
    callDeps(stateDirectory, name, journal, () => collector),
    new AbortController().signal,
  );
}
