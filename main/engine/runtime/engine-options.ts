/** How an engine is started, and what its starter is given. */
import type { ApprovalAnswer, ApprovalView } from '../../api/approval-view.ts';
import type { EngineReady } from '../../api/machine-views.ts';
import type { Dispatcher } from '../../api/dispatch.ts';
import type { Clock } from '../../base/clock.ts';
import type { Endpoint } from '../../base/flow.ts';
import type { Log } from '../../base/log.ts';
import type { EngineMode } from '../../api/views.ts';
import type { Answerer } from '../../hosting/hosting.ts';
import type { UserId } from '../../base/user-id.ts';

/** What `culvert run` gives an engine. */
export interface EngineOptions {
  readonly stateDirectory: string;
  readonly socketPath: string;
  readonly version: string;
  readonly mode?: 'auto' | EngineMode;
  readonly configFile?: string;
  readonly proxyListen?: string;
  readonly forwards?: readonly { readonly service: string; readonly port: number }[];
  readonly passphrase?: string;
  readonly logLevel?: string;
  readonly logFile?: string;
  /** Descriptor the log goes to; absent: nowhere but the file. */
  readonly logDescriptor?: number;
  /** Serves the window to a browser; handed in, for the engine knows no windows. */
  readonly consoleListener?: ConsoleListener;
  /** Services that whoever starts the engine answers itself, by name. */
  readonly answers?: Readonly<Record<string, Answerer>>;
  readonly clock?: Clock;
  /** Keep what devices send to this service; `database`: a PostgreSQL URL in place of a file beside the state. */
  readonly collect?: { readonly service: string; readonly database?: string };
  /**
   * A demo's engine, in a directory made for it that goes with it: where the system cannot be asked who calls (no addon), whoever may enter that
   * directory is its person. Every other engine then answers its state alone.
   */
  readonly directoryDecides?: true;
}

/** A running engine; disposing stops it and restores the host. */
export interface Engine extends AsyncDisposable {
  /** Facts for whoever started it. */
  readonly ready: EngineReady;
  /** Resolves when a client asked it to stop. */
  readonly stopped: Promise<void>;
}

/** A user of this host, or whoever comes through the network where the console is a dark service. */
export type ConsoleVisitor = { readonly kind: 'user'; readonly uid: UserId | undefined } | { readonly kind: 'dark' };

/** As the console room's `openConsole`, its assets known. */
export type ConsoleListener = (deps: {
  readonly listen: { readonly host: string; readonly port: number };
  readonly hosts: (port: number) => readonly string[];
  readonly connect: Dispatcher['connect'];
  /** Whose a connection is, by its ends; undefined for a program that may not command the engine. */
  readonly visitorOf: (peer: Endpoint, own: Endpoint) => Promise<ConsoleVisitor | undefined>;
  /** Questions that a link may answer. */
  readonly questions: {
    find(id: string): ApprovalView | undefined;
    answer(answer: ApprovalAnswer): ApprovalView;
  };
  readonly clock: Clock;
  readonly log: Log;
}) => Promise<OpenedConsole>;

/** A console that is served. */
export interface OpenedConsole extends AsyncDisposable {
  readonly port: number;
  /** A fresh address that lets one browser in, once, on this host one of these users'; under `host`, where it is hosted under one. */
  url(uids?: readonly number[], host?: string): string;
  /** An address that answers one question and lets nobody in, good until then. */
  answerUrl(id: string, endsAtMs: number, host?: string): string;
}
