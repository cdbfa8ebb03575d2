/** One listener of a hosted service: bound and kept bound, its dials answered, its health published. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Reason } from '../base/reason.ts';
import { renderTemplate } from '../base/tunneler-template.ts';
import { answerDial } from './answer-dial.ts';
import type { AnswerDeps } from './answer-dial.ts';
import { startHealthChecks } from './health-checks.ts';
import type { TerminatorState } from './health.ts';
import type { HostTerminator } from './host-config.ts';
import type { HostedBinding, HostedBindOptions, HostedService } from './hosting.ts';

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
/** A binding that was stopped for good is asked for anew now and then: permissions come back. */
const stoppedRetryMs = 60_000;

/** What a terminator's dials are answered with, and who is told of changes. */
export interface TerminatorDeps extends AnswerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Anything that `state` of this terminator says has changed. */
  readonly changed: () => void;
}

/** One terminator; binds anew by itself after a loss until it is disposed. */
export class Terminator implements AsyncDisposable {
  readonly #deps: TerminatorDeps;
  readonly #config: HostTerminator;
  readonly #health: ReturnType<typeof startHealthChecks>;
  readonly #stop = new AbortController();
  #service: HostedService;
  #binding: HostedBinding | undefined;
  #retry: Disposable | undefined;
  #failures = 0;
  #problem: Reason | undefined;
  /** An update said something else than the bind did. */
  #published = false;

  constructor(service: HostedService, config: HostTerminator, deps: TerminatorDeps) {
    this.#service = service;
    this.#config = config;
    this.#deps = deps;
    // Every connection to a target on its way listens to it.
    setMaxListeners(0, this.#stop.signal);
    this.#health = startHealthChecks(config.checks, baselineOf(service, config), {
      clock: deps.clock,
      log: deps.log,
      changed: (state) => this.#publish(state),
    });
    // Not before whoever makes this holds it: even a bind that fails at once tells of it by `changed`.
    queueMicrotask(() => void this.#bind());
  }

  get terminators(): number {
    return this.#binding?.terminators() ?? 0;
  }

  get health(): 'healthy' | 'unhealthy' | 'unchecked' {
    return this.#health.summary();
  }

  get problem(): Reason | undefined {
    return this.#problem;
  }

  /** The same service as it is now: a later re-bind goes by this one. */
  refresh(service: HostedService): void {
    this.#service = service;
  }

  /** Unbind; connections that stand live on. A bind still under way is undone when it is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#retry?.[Symbol.dispose]();
    this.#health[Symbol.dispose]();
    const binding = this.#binding;
    this.#binding = undefined;
    await binding?.[Symbol.asyncDispose]();
  }

  /** Never rejects: what fails is said in `problem` and tried again. */
  async #bind(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const service = this.#service;
    try {
      const binding = await service.bind(this.#options(), (dial) => {
        void answerDial(dial, this.#service, this.#config, this.#deps, this.#stop.signal);
      });
      if (this.#stop.signal.aborted) return await this.#unbind(binding);
      this.#binding = binding;
      this.#failures = 0;
      this.#problem = undefined;
      binding.onChanged(() => this.#deps.changed());
      binding.onStopped((reason) => this.#stopped(binding, reason));
      this.#publish(this.#health.state());
    } catch (error) {
      const failure = toTunnelerError(error);
      this.#failures += 1;
      this.#problem = { code: failure.code, sentence: `cannot host ${service.serviceName}: ${failure.message}` };
      this.#deps.log.warn('hosting.bind_failed', { service: service.serviceName, code: failure.code });
      this.#later(Math.min(longestRetryMs, firstRetryMs * 2 ** (this.#failures - 1)));
      this.#deps.changed();
    }
  }

  #stopped(binding: HostedBinding, reason: Reason): void {
    if (this.#binding !== binding) return;
    this.#binding = undefined;
    this.#problem = reason;
    this.#deps.log.warn('hosting.stopped', { service: this.#service.serviceName, code: reason.code });
    void this.#unbind(binding);
    this.#later(stoppedRetryMs);
    this.#deps.changed();
  }

  async #unbind(binding: HostedBinding): Promise<void> {
    try {
      await binding[Symbol.asyncDispose]();
    } catch (error) {
      this.#deps.log.warn('hosting.unbind_failed', { error: String(error) });
    }
  }

  #later(delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    // A tenth of spread, so that many services do not come back at one instant.
    this.#retry = this.#deps.clock.after(delayMs * (0.95 + Math.random() / 10), () => {
      void this.#bind();
    });
  }

  #publish(state: TerminatorState): void {
    const baseline = baselineOf(this.#service, this.#config);
    const differs = state.cost !== baseline.cost || state.precedence !== baseline.precedence;
    // What the bind itself said need not be said again, unless an earlier update said otherwise.
    if (this.#binding !== undefined && (differs || this.#published)) {
      this.#published = differs;
      this.#binding.update({ cost: state.cost, precedence: state.precedence });
    }
    this.#deps.changed();
  }

  #options(): HostedBindOptions {
    const { tunnelerName, tunnelerAppData } = this.#service;
    const { bindUsingEdgeIdentity, identityTemplate, maxConnections } = this.#config;
    const identity = bindUsingEdgeIdentity
      ? tunnelerName
      : identityTemplate === undefined
        ? undefined
        : renderTemplate(identityTemplate, { tunnelerName, tunnelerAppData });
    const { cost, precedence } = baselineOf(this.#service, this.#config);
    return { maxConnections, cost, precedence, ...defined({ terminatorIdentity: identity }) };
  }
}

/** Weakest first: the identity's defaults, the config, what the controller says of this identity and service. */
function baselineOf(service: HostedService, config: HostTerminator): TerminatorState {
  const defaults = service.hostingDefaults;
  return {
    cost: defaults?.serviceCost ?? config.cost ?? defaults?.defaultCost ?? 0,
    precedence: defaults?.servicePrecedence ?? config.precedence ?? defaults?.defaultPrecedence ?? 'default',
  };
}
