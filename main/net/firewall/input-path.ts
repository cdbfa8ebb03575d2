/**
 * Whether flows that are let go really reach our listener, found out by sending one; and what is done where they do not.
 */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { connectTcp } from '../../sockets/connect-tcp.ts';
import type { HostJournal } from '../journal/host-journal.ts';
import type { RunCommand } from '../run-command.ts';
import { closeFirewall, openFirewall } from './firewall.linux.ts';
import type { FirewallChange } from './firewall.linux.ts';

/** The connection never leaves the machine: on an idle one, longer than this it was dropped. */
const probeTimeoutMs = 1_000;
/** Under load a queue may lose a SYN, which comes again after one second and after three (RFC 6298 section 2). */
const patientProbeTimeoutMs = 4_000;
const watchPeriodMs = 15_000;

/** The interface to look at, and how a probe is sent. */
export interface InputPathDeps {
  readonly device: string;
  /** An address of each family that the corridor answers by itself. */
  readonly probes: readonly string[];
  /** Flows so far that were let go and never arrived. */
  lostFlows(): number;
  readonly run: RunCommand;
  readonly journal: HostJournal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Watches until disposed; what it opened in a firewall is closed then. */
export class InputPath implements AsyncDisposable {
  readonly #deps: InputPathDeps;
  readonly #watch: Disposable;
  #opened: { readonly id: number; readonly change: FirewallChange } | undefined;
  #trouble: Reason | undefined;
  #lost = 0;
  readonly #checks = new SerialQueue();

  constructor(deps: InputPathDeps) {
    this.#deps = deps;
    this.#watch = deps.clock.every(watchPeriodMs, () => {
      const lost = deps.lostFlows();
      // A firewall that was loaded again has forgotten our rule.
      if (lost > this.#lost) void this.check(patientProbeTimeoutMs);
      this.#lost = lost;
    });
  }

  /** Look, and open the firewall where that is what it takes. Never rejects. */
  check(timeoutMs = probeTimeoutMs): Promise<void> {
    return this.#checks.run(async () => {
      if (await this.#works(timeoutMs)) {
        this.#trouble = undefined;
        return;
      }
      try {
        await this.#close();
        this.#opened = await openFirewall(this.#deps.device, this.#deps.run, this.#deps.journal);
      } catch (error) {
        this.#deps.log.error('firewall.open_failed', { error });
      }
      if (await this.#works(patientProbeTimeoutMs)) {
        this.#trouble = undefined;
        this.#deps.log.info('firewall.opened', { device: this.#deps.device, kind: this.#opened?.change.kind });
        return;
      }
      this.#trouble = {
        code: 'net.firewall.blocked',
        sentence: `connections to intercepted services do not get past this host's firewall on ${this.#deps.device}`,
        next: `let incoming traffic on the interface ${this.#deps.device} pass`,
      };
      this.#deps.log.warn('firewall.blocked', { device: this.#deps.device });
    });
  }

  /** Set while flows do not arrive. */
  trouble(): Reason | undefined {
    return this.#trouble;
  }

  async #works(timeoutMs: number): Promise<boolean> {
    for (const host of this.#deps.probes) {
      const dial = { host, port: 1, timeoutMs, clock: this.#deps.clock };
      const socket = await connectTcp(dial).catch(() => undefined);
      if (socket === undefined) return false;
      socket.on('error', () => undefined);
      socket.destroy();
    }
    return true;
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    await closeFirewall(opened.change, this.#deps.run);
    this.#deps.journal.forget(opened.id);
  }

  /** Take back what was changed. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#checks.idle();
    await this.#close();
  }
}
