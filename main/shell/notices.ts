/** Which changes of the engine's state are worth a notification, and what pressing it does. Pure. */
import type { EngineState, StateChange } from '../api/state.ts';
import type { CloseReason } from '../base/reason.ts';
import type { AlertView, ServiceView, SessionView } from '../api/views.ts';
import type { ShellWords } from './words.ts';

/** One notification. */
export interface Notice {
  /** The same key is told once until it has passed. */
  readonly key: string;
  readonly title: string;
  readonly body: string;
  /** The screen that the notification, or its button, opens. */
  readonly screen: 'identities' | 'sessions' | 'settings';
  readonly action: string;
}

/** Ends a person did not choose. */
const told: ReadonlySet<CloseReason> = new Set([
  'policy_revoked',
  'contract_violation',
  'max_duration_exceeded',
  'max_bytes_exceeded',
  'quarantined',
]);

/** Tells of one change at most once: remembers which identities asked and which sessions ended. */
export class Notices {
  readonly #words: ShellWords;
  readonly #asked = new Map<string, string>();
  /** Services that wait for a code. */
  readonly #waiting = new Set<string>();
  readonly #ended = new Set<string>();

  constructor(words: ShellWords) {
    this.#words = words;
  }

  /** What a snapshot shows is no news. */
  seen(state: EngineState): void {
    for (const { name, state: at } of Object.values(state.identities)) this.#asked.set(name, at);
    for (const [key, { status }] of Object.entries(state.services)) this.#waits(key, status);
    for (const session of Object.values(state.sessions)) if (session.state === 'closed') this.#ended.add(session.id);
  }

  /** The notice a change is worth, if it is. */
  of(change: StateChange): Notice | undefined {
    if (change.kind === 'identity-changed') return this.#identity(change.key, change.value.state);
    if (change.kind === 'service-changed') return this.#service(change.key, change.value);
    if (change.kind === 'service-removed') this.#waiting.delete(change.key);
    if (change.kind === 'session-changed') return this.#session(change.value);
    if (change.kind === 'alert-raised') return this.#alert(change.value);
    if (change.kind === 'session-removed') this.#ended.delete(change.key);
    return undefined;
  }

  #identity(name: string, state: string): Notice | undefined {
    const before = this.#asked.get(name);
    this.#asked.set(name, state);
    if (before === state) return undefined;
    const words = this.#words;
    if (state === 'mfa-required') {
      return {
        key: `mfa:${name}`,
        title: words.codeWanted,
        body: words.codeWantedBody(name),
        screen: 'identities',
        action: words.enterCode,
      };
    }
    if (state === 'login-required') {
      return {
        key: `login:${name}`,
        title: words.signInWanted,
        body: words.signInWantedBody(name),
        screen: 'identities',
        action: words.signIn,
      };
    }
    return undefined;
  }

  #service(key: string, service: ServiceView): Notice | undefined {
    if (!this.#waits(key, service.status)) return undefined;
    const words = this.#words;
    const hosts = service.reason?.code === 'posture.mfa_to_host';
    return {
      key: `mfa:${service.identity}`,
      title: words.codeWanted,
      body: hosts ? words.codeWantedToHost(service.name) : words.codeWantedToReach(service.name),
      screen: 'identities',
      action: words.enterCode,
    };
  }

  /** Whether it waits for a code since just now. */
  #waits(key: string, status: ServiceView['status']): boolean {
    const before = this.#waiting.has(key);
    if (status === 'mfa-required') this.#waiting.add(key);
    else this.#waiting.delete(key);
    return status === 'mfa-required' && !before;
  }

  /** Of alerts, those that leave time to do something. */
  #alert({ id, kind, details }: AlertView): Notice | undefined {
    const service = details?.['service'];
    if (kind !== 'budget' || typeof service !== 'string') return undefined;
    const { budgetLow: title, budgetLowBody, show: action } = this.#words;
    return { key: `alert:${id}`, title, body: budgetLowBody(service), screen: 'sessions', action };
  }

  #session(session: SessionView): Notice | undefined {
    const reason = session.closeReason;
    if (session.state !== 'closed' || reason === undefined || !told.has(reason) || this.#ended.has(session.id))
      return undefined;
    this.#ended.add(session.id);
    const program =
      session.app.agent ?? (session.app.script ?? session.app.path)?.split(/[\\/]/).at(-1) ?? session.source;
    return {
      key: `session:${session.id}`,
      title: this.#words.sessionClosed(session.service),
      body: `${program}: ${this.#words.closedBecause(reason, session.closeDetail)}`,
      screen: 'sessions',
      action: this.#words.show,
    };
  }
}

/** Several at once become one: nobody reads a stack of toasts. */
export function gather(all: readonly Notice[], words: ShellWords): readonly Notice[] {
  const notices = all.filter(({ key, screen }, at) => {
    // One code answers for every service of an identity; the first names what it is for.
    return screen !== 'identities' || all.findIndex((other) => other.key === key) === at;
  });
  const isSession = ({ key }: Notice): boolean => key.startsWith('session:');
  const sessions = notices.filter(isSession);
  if (sessions.length <= 3) return notices;
  const rest = notices.filter((notice) => !isSession(notice));
  const [first] = sessions;
  if (first === undefined) return notices;
  return [
    ...rest,
    { ...first, key: 'sessions', title: words.sessionsClosed(sessions.length), body: words.sessionsClosedBody },
  ];
}
