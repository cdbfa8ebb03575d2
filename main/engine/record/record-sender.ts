/**
 * A device's record on its way to whoever keeps it: from where that side stands, as the journal grows, over one line that is opened again
 * whenever it breaks. The other way come countersigned checkpoints, and orders of the desk.
 */
import { auditDirectory, type Audit } from '../../audit/audit.ts';
import { cursorBehind, hashOf, linesBehind } from '../../audit/journal-lines.ts';
import { verifyBytes } from '../../audit/note.ts';
import { sleep } from '../../base/clock.ts';
import { isTunnelerError, toTunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { AlertView } from '../../api/views.ts';
import type { RecordLink } from './record-link.ts';
import { readToDevice, type RecordHead, type ToDevice } from './record-protocol.ts';
import { callWitness, type WitnessCallDeps } from './witness-call.ts';
import { untilAborted } from '../../base/abort.ts';
import type { ReasonCode } from '../../base/reason-codes.ts';

/** The journal to send, and who is told of a witness that says otherwise. */
export interface RecordSenderDeps extends WitnessCallDeps {
  readonly audit: Pick<Audit, 'head' | 'subscribe' | 'onCheckpoint' | 'signedCheckpoint'>;
  readonly log: Log;
  readonly raise: (alert: Omit<AlertView, 'id' | 'at'>) => void;
  /** Do what the desk orders; answers with what became of it. */
  readonly obey: (text: string) => string;
}

const firstPauseMs = 500;
const maxPauseMs = 30_000;
const alivePeriodMs = 30_000;

/** Sends until disposed; a line that breaks is opened again. */
export class RecordSender implements AsyncDisposable {
  readonly #deps: RecordSenderDeps;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  /** What it was last told of: an alert is raised once, not at each attempt. */
  #told: string | undefined;

  constructor(deps: RecordSenderDeps) {
    this.#deps = deps;
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log, service } = this.#deps;
    const { signal } = this.#abort;
    let pauseMs = firstPauseMs;
    while (!signal.aborted) {
      try {
        await this.#session(() => (pauseMs = firstPauseMs));
      } catch (error) {
        const failure = toTunnelerError(error);
        if (signal.aborted) return;
        log.debug('audit.witness_away', { service, error: failure });
        if (isTunnelerError(error, 'audit.witness_changed')) this.#tell('audit.witness_changed', failure.message);
        // Until an identity is at work here nobody is bothered by asking again.
        if (failure.code === 'ziti.dial.service_unknown' || failure.code === 'audit.not_signed') pauseMs = firstPauseMs;
      }
      // Full jitter, so that a fleet does not come back all at once.
      await sleep(clock, pauseMs * (0.5 + Math.random() / 2), signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, maxPauseMs);
    }
  }

  async #session(connected: () => void): Promise<void> {
    const { log, service } = this.#deps;
    const { link, challenge } = await callWitness('send', this.#deps, this.#abort.signal);
    const closing = (): void => link.reset();
    this.#abort.signal.addEventListener('abort', closing);
    const ending = new AbortController();
    let sending: Promise<void> | undefined;
    try {
      for await (const line of link) {
        const message = readToDevice(line);
        if (message.type === 'known') {
          const stands = await this.#stands(message.last);
          await link.send({ type: 'stands', ...stands });
          if (!stands.agrees) continue;
          connected();
          log.info('audit.witness_connected', { service, wants: challenge.wants, from: message.last.count });
          sending ??= this.#send(link, challenge.wants, message.last.count, ending.signal).catch((error: unknown) => {
            link.reset(toTunnelerError(error));
          });
        } else {
          await this.#hear(link, message, challenge.witness.publicKey);
        }
      }
    } finally {
      ending.abort();
      this.#abort.signal.removeEventListener('abort', closing);
      link.reset();
      await sending;
    }
  }

  /** Is what the other side has still here? Where it is not, this device has lost or changed something, and says so. */
  async #stands(last: RecordHead): Promise<{ readonly agrees: boolean; readonly end: RecordHead }> {
    const { audit, stateDirectory, service } = this.#deps;
    const { count, hash } = audit.head();
    const agrees = last.count === 0 || (await hashOf(auditDirectory(stateDirectory), last.count)) === last.head;
    if (!agrees) {
      const text =
        count < last.count
          ? `this device has ${count} records, and ${service} has seen ${last.count}: some are lost`
          : `record ${last.count} is another than ${service} has seen: the journal was changed`;
      this.#tell('audit.witness_diverged', text);
    }
    return { agrees, end: { count, head: hash } };
  }

  async #send(link: RecordLink, wants: 'heads' | 'records', from: number, signal: AbortSignal): Promise<void> {
    const { audit, clock } = this.#deps;
    using _alive = clock.every(alivePeriodMs, () => {
      link.send({ type: 'alive', at: new Date(clock.now()).toISOString() }).catch(() => link.reset());
    });
    if (wants === 'records') return this.#sendRecords(link, from, signal);
    const note = audit.signedCheckpoint();
    if (note !== undefined) await link.send({ type: 'head', note });
    using _heads = audit.onCheckpoint((next) => {
      link.send({ type: 'head', note: next }).catch(() => link.reset());
    });
    await untilAborted(signal);
  }

  async #sendRecords(link: RecordLink, from: number, signal: AbortSignal): Promise<void> {
    const { audit, stateDirectory } = this.#deps;
    const directory = auditDirectory(stateDirectory);
    let cursor = cursorBehind(directory, from);
    let wake: () => void = () => undefined;
    using _records = audit.subscribe(() => wake());
    const over = untilAborted(signal);
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (wake = resolve));
      const before = cursor.seq;
      for await (const { line, next } of linesBehind(directory, cursor)) {
        if (signal.aborted) return;
        await link.send(line);
        cursor = next;
      }
      if (cursor.seq === before) await Promise.race([woken, over]);
    }
  }

  async #hear(link: RecordLink, message: ToDevice, witnessKey: string): Promise<void> {
    const { log, clock, service } = this.#deps;
    switch (message.type) {
      case 'cosigned':
        log.debug('audit.cosigned', { service, of: message.note.split('\n')[1] ?? '' });
        return;
      case 'conflict':
        this.#tell('audit.witness_diverged', `${service} says: ${message.reason}`);
        return;
      case 'order': {
        const { order, text, signature } = message;
        const signed = verifyBytes(
          Buffer.from(witnessKey, 'base64'),
          Buffer.from(text),
          Buffer.from(signature, 'base64'),
        );
        const outcome = signed ? this.#deps.obey(text) : 'refused: its signature does not hold';
        await link.send({ type: 'ack', order, at: new Date(clock.now()).toISOString(), outcome });
        return;
      }
      case 'challenge':
      case 'known':
      case 'answer':
        log.debug('audit.witness_out_of_turn', { service, type: message.type });
    }
  }

  #tell(code: ReasonCode, text: string): void {
    if (this.#told === text) return;
    this.#told = text;
    this.#deps.log.warn(code, { service: this.#deps.service, text });
    this.#deps.raise({ severity: 'critical', kind: 'record', text, code, details: { service: this.#deps.service } });
  }
}
