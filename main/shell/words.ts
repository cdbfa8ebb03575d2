/** The few words the shell itself says: notifications and tray. The window's own stand in its catalogue. */
import type { CloseReason } from '../base/reason.ts';

/** The words of one language. */
export interface ShellWords {
  readonly open: string;
  readonly quit: string;
  readonly show: string;
  readonly codeWanted: string;
  readonly codeWantedBody: (name: string) => string;
  readonly codeWantedToReach: (service: string) => string;
  readonly codeWantedToHost: (service: string) => string;
  readonly enterCode: string;
  readonly signInWanted: string;
  readonly signInWantedBody: (name: string) => string;
  readonly signIn: string;
  readonly sessionClosed: (service: string) => string;
  /** Why it closed; `detail` is the engine's own sentence, in English. */
  readonly closedBecause: (reason: CloseReason, detail: string | undefined) => string;
  readonly sessionsClosed: (count: number) => string;
  readonly sessionsClosedBody: string;
  readonly budgetLow: string;
  readonly budgetLowBody: (service: string) => string;
  readonly updateReady: (version: string) => string;
  readonly restart: string;
  readonly status: (open: number) => string;
  readonly noEngine: string;
}

const en: ShellWords = {
  open: 'Open Culvert',
  quit: 'Quit window',
  show: 'Show',
  codeWanted: 'A code is needed',
  codeWantedBody: (name) => `${name} waits for a code from your authenticator.`,
  codeWantedToReach: (service) => `A code from your authenticator is needed to reach ${service}.`,
  codeWantedToHost: (service) => `A code from your authenticator is needed to host ${service}.`,
  enterCode: 'Enter code',
  signInWanted: 'Sign-in needed',
  signInWantedBody: (name) => `${name} waits for you to sign in.`,
  signIn: 'Sign in',
  sessionClosed: (service) => `Session to ${service} closed`,
  closedBecause: (reason, detail) => detail ?? reason.replaceAll('_', ' '),
  sessionsClosed: (count) => `${count} sessions closed`,
  sessionsClosedBody: 'Open Culvert to see why.',
  budgetLow: 'A budget is nearly used',
  budgetLowBody: (service) => `Four fifths of what may be used of ${service} are used.`,
  updateReady: (version) => `Culvert ${version} is ready`,
  restart: 'Restart',
  status: (open) => (open === 1 ? 'Culvert: 1 open session' : `Culvert: ${open} open sessions`),
  noEngine: 'Culvert: the engine does not answer',
};

const closedDe: Readonly<Record<CloseReason, string>> = {
  consumer_close: 'Das Programm hat sie geschlossen.',
  provider_close: 'Der Dienst hat sie geschlossen.',
  policy_revoked: 'Die Erlaubnis wurde entzogen.',
  contract_violation: 'Der Vertrag wurde verletzt.',
  max_duration_exceeded: 'Die vereinbarte Zeit ist um.',
  max_bytes_exceeded: 'Die vereinbarte Datenmenge ist verbraucht.',
  idle_timeout: 'Es floss lange nichts.',
  quarantined: 'Sie ist in Quarantäne.',
  tunnel_failed: 'Der Tunnel ist ausgefallen.',
  identity_disabled: 'Die Identität ist abgeschaltet.',
};

const de: ShellWords = {
  open: 'Culvert öffnen',
  quit: 'Fenster beenden',
  show: 'Zeigen',
  codeWanted: 'Ein Code ist nötig',
  codeWantedBody: (name) => `${name} wartet auf einen Code Ihrer Authenticator-App.`,
  codeWantedToReach: (service) => `Um ${service} zu erreichen, ist ein Code Ihrer Authenticator-App nötig.`,
  codeWantedToHost: (service) => `Um ${service} anzubieten, ist ein Code Ihrer Authenticator-App nötig.`,
  enterCode: 'Code eingeben',
  signInWanted: 'Anmeldung nötig',
  signInWantedBody: (name) => `${name} wartet auf Ihre Anmeldung.`,
  signIn: 'Anmelden',
  sessionClosed: (service) => `Sitzung zu ${service} geschlossen`,
  closedBecause: (reason) => closedDe[reason],
  sessionsClosed: (count) => `${count} Sitzungen geschlossen`,
  sessionsClosedBody: 'Culvert zeigt, warum.',
  budgetLow: 'Ein Budget ist fast verbraucht',
  budgetLowBody: (service) => `Vier Fünftel dessen, was von ${service} genutzt werden darf, sind verbraucht.`,
  updateReady: (version) => `Culvert ${version} steht bereit`,
  restart: 'Neu starten',
  status: (open) => (open === 1 ? 'Culvert: 1 offene Sitzung' : `Culvert: ${open} offene Sitzungen`),
  noEngine: 'Culvert: der Tunneldienst antwortet nicht',
};

/** The words of a locale such as `de-AT`; English for all that have none. */
export function shellWords(locale: string): ShellWords {
  return locale.toLowerCase().startsWith('de') ? de : en;
}
