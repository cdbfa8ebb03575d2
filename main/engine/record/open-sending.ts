/** What this device sends of its record, and how it asks what became of it. */
import type { Audit } from '../../audit/audit.ts';
import type { WitnessAnswer } from '../../audit/witnessed.ts';
import type { Clock } from '../../base/clock.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Quarantine } from '../../policy/quarantine.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { obeyOrders } from './desk-orders.ts';
import type { JournalKey } from './journal-key.ts';
import { RecordSender, type RecordSenderDeps } from './record-sender.ts';
import { askWitness, type WitnessCallDeps } from './witness-call.ts';

/** What a device sends, and to whom. */
export interface SendingParts {
  readonly stateDirectory: string;
  readonly config: EngineConfig;
  readonly audit: Audit;
  readonly journalKey: JournalKey;
  readonly quarantine: Quarantine;
  readonly dial: WitnessCallDeps['dial'];
  readonly certificates: WitnessCallDeps['certificates'];
  readonly raise: RecordSenderDeps['raise'];
  readonly clock: Clock;
  readonly log: Log;
}

/** Begin to send where `audit.witness` names a service; the stack ends it. Answers with the way to ask any witness. */
export function openSending(
  parts: SendingParts,
  stack: DisposalStack,
): (service: string, signal: AbortSignal) => Promise<WitnessAnswer> {
  const { stateDirectory, config, audit, journalKey, dial, certificates, quarantine, raise, clock, log } = parts;
  const callDeps = (service: string): WitnessCallDeps => ({
    stateDirectory,
    service,
    clock,
    dial,
    signer: () => journalKey.signer(),
    certificates,
  });
  const service = config.audit?.witness;
  if (service !== undefined) {
    stack.use(
      new RecordSender({
        ...callDeps(service),
        audit,
        log,
        raise,
        obey: obeyOrders(quarantine, audit),
      }),
    );
  }
  return (name, signal) => askWitness(callDeps(name), signal);
}
