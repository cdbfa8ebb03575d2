/**
 * What the command line starts but does not contain: the engine, the embedded overlay, and what works on a state directory without an
 * engine. `main/culvert.ts` hands them in; each is loaded only when a verb asks for it.
 */
import type { ChildProcess } from 'node:child_process';
import type { ConfigCheckView, DoctorCheck, EngineReady } from '../api/machine-views.ts';
import type { LearntView, ReplayView, SimulateView } from '../api/learning-views.ts';
import type { AgentLimits } from '../api/agent-views.ts';
import type { EngineClient } from '../api/schema.ts';
import type { AuditRecordView, AuditVerifyView } from '../api/record-views.ts';
import type {
  BundleView,
  IdentityView,
  PolicyCheckView,
  PolicyView,
  SecretView,
  ServiceView,
  StatusView,
} from '../api/views.ts';
import type { EnrollRequest } from './enroll-request.ts';

/** How an engine is started. */
export interface RunOptions {
  readonly stateDirectory: string;
  readonly socketPath: string;
  readonly mode?: 'auto' | 'tun' | 'proxy' | 'host';
  readonly configFile?: string;
  readonly proxyListen?: string;
  readonly forwards: readonly { readonly service: string; readonly port: number }[];
  /** Unlocks `file` identities; from a credential, a descriptor or a prompt. */
  readonly passphrase?: string;
  readonly logLevel?: string;
  /** The log goes there instead of to standard error. */
  readonly logFile?: string;
  /**
   * A demo's engine, in a directory made for it that goes with it: where the system cannot be asked who calls (no addon), whoever may enter that
   * directory is its person. Every other engine then answers its state alone.
   */
  readonly directoryDecides?: true;
  /** Keep what devices send to this service; `database`: a PostgreSQL URL in place of a file beside the state. */
  readonly collect?: { readonly service: string; readonly database?: string };
}

/** What a script needs to know of an engine that has started. */
export interface RunningEngine extends AsyncDisposable {
  readonly ready: EngineReady;
  /** Resolves when the engine was asked to stop over its socket. */
  readonly stopped: Promise<void>;
}

/** How the embedded overlay is started. */
export interface OverlayOptions {
  readonly listen?: { readonly host: string; readonly port: number };
  readonly directory?: string;
  /** Release of OpenZiti to behave as; default the newest. */
  readonly release?: string;
  /** Parsed JSON of a seed file. */
  readonly seed?: unknown;
}

/** The embedded overlay at work; disposing it stops it. */
export interface RunningOverlay extends AsyncDisposable {
  readonly controller: string;
  readonly router: string;
  /** Files written for the seed's identities, by name. */
  readonly tokens: Readonly<Record<string, string>>;
}

/** The identity verbs that work on a state directory alone. */
export interface OfflineIdentities {
  enroll(request: EnrollRequest): Promise<IdentityView>;
  list(): Promise<readonly IdentityView[]>;
  setEnabled(name: string, enabled: boolean): Promise<void>;
  /** An identity file for the peers, private key included. */
  export(name: string): Promise<string>;
  remove(name: string): Promise<void>;
}

/** The secret verbs that work on a state directory alone. */
export interface OfflineSecrets {
  list(): Promise<readonly SecretView[]>;
  set(request: { readonly name: string; readonly value: string; readonly keystore?: string }): Promise<SecretView>;
  remove(name: string): Promise<void>;
}

/** What opens a key that another user's engine keeps sealed. All throw `identity.keystore_locked` and `identity.keystore_unavailable`. */
export interface UserKeychain {
  make(): Promise<{ readonly account: string; readonly wrappingKey: Uint8Array }>;
  read(account: string): Promise<Uint8Array>;
  forget(account: string): Promise<void>;
}

/** Starts of agents, and who is one; `sandbox` has more to say of each field. */
export interface AgentBackend {
  /** Start a program apart; its exit code once it has ended. Throws `sandbox.unavailable`, `sandbox.failed`. */
  start(options: {
    readonly agent: string;
    readonly id: string;
    readonly gate: string | undefined;
    readonly variables: Readonly<Record<string, string>>;
    readonly limits: AgentLimits;
    readonly named: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly stateDirectory: string;
    readonly machineDirectory: string;
    readonly socketPath: string;
    readonly command: readonly string[];
    readonly entered: (pid: number) => Promise<void>;
  }): Promise<number>;
  inside(options: {
    readonly gate: string;
    readonly ports: readonly number[];
    readonly command: readonly string[];
  }): Promise<number>;
  /** How programs that answer for a service are started. Throws `sandbox.unavailable` where what is asked for is not to be had. */
  hosted(options: {
    readonly service: string;
    readonly sandbox: 'auto' | 'required' | 'none';
    readonly ownNetwork: boolean;
    readonly limits: AgentLimits;
    readonly named: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly stateDirectory: string;
    readonly machineDirectory: string;
    readonly command: readonly string[];
  }): { readonly sandbox: 'namespaces' | 'none'; readonly why?: string; start(): ChildProcess };
  /** Where the engine of a state directory has its settings from. */
  settingsFile(stateDirectory: string): Promise<string>;
  list(file: string): Readonly<Record<string, unknown>>;
  /** Both keep the file's comments. Throw `engine.config_invalid`, `agent.unknown`, `engine.not_permitted`. */
  bind(
    stateDirectory: string,
    file: string,
    name: string,
    fields: Readonly<Record<string, string | readonly string[] | undefined>>,
  ): Promise<void>;
  unbind(stateDirectory: string, file: string, name: string): Promise<void>;
}

/** What is made of records: contracts learnt, and contracts held against them. */
export interface LearningBackend {
  /** `contract`: the one in force. Throws `base.invalid` where the record has nothing of the service. */
  learnContract(request: {
    readonly records: readonly AuditRecordView[];
    readonly service: string;
    readonly contract?: unknown;
  }): LearntView;
  /** Throws `contract.invalid`. */
  replayContracts(request: {
    readonly file: string;
    readonly text: string;
    readonly records: readonly AuditRecordView[];
    readonly service?: string;
  }): ReplayView;
  /**
   * `told`: what the engine says of its identities. `rulesNow`, `rulesThen` (absent: the same): directories of local rules. Throws `base.invalid`, `contract.invalid`, and
   * with `management` what asking a controller throws.
   */
  simulateChange(request: {
    readonly told: {
      readonly identities: readonly IdentityView[];
      readonly services: readonly ServiceView[];
      readonly policy: PolicyView;
    };
    readonly records: readonly AuditRecordView[];
    readonly nowMs: number;
    readonly rulesNow: string;
    readonly rulesThen?: string;
    readonly change?: { readonly file: string; readonly text: string };
    readonly management?: { readonly file: string; readonly text: string };
    readonly service?: string;
  }): Promise<SimulateView>;
}

/** All of it, by what verbs ask for. */
export interface Backends {
  /** Contracts from records, and against them. */
  learning(): Promise<LearningBackend>;
  agents(): Promise<AgentBackend>;
  readonly version: string;
  /** Where the program lies, and beside it the built window and shell. */
  readonly directory: string;
  /** Throws where the engine cannot start; resolves once it is ready. */
  runEngine(options: RunOptions): Promise<RunningEngine>;
  openOverlay(options: OverlayOptions): Promise<RunningOverlay>;
  /** The sources of product.md but the prompt: credential, then descriptor. */
  readPassphrase(fileDescriptor: number | undefined): Promise<string | undefined>;
  /** Wrapping keys in the keychain of whoever runs this program. */
  userKeychain(): Promise<UserKeychain>;
  /** Throws `engine.already_running` where an engine holds the directory. */
  openIdentities(stateDirectory: string, passphrase: string | undefined): Promise<OfflineIdentities>;
  /** Throws `engine.already_running` where an engine holds the directory. */
  openSecrets(stateDirectory: string, passphrase: string | undefined): Promise<OfflineSecrets>;
  /** `answer`: what a witness answered before, as it was saved; `passed` hears how far it is. Throws `base.invalid` where the answer is none. */
  verifyAudit(stateDirectory: string, answer?: unknown, passed?: (records: number) => void): Promise<AuditVerifyView>;
  searchAudit(stateDirectory: string, query: AuditQuery): Promise<readonly AuditRecordView[]>;
  /** Throws `engine.already_running` while an engine lives. */
  repair(stateDirectory: string): Promise<RepairReport>;
  /** Lines of the journal, oldest first, for other tools. */
  exportAudit(stateDirectory: string, format: 'json' | 'ocsf', query: AuditQuery): AsyncIterable<string>;
  checkPolicy(stateDirectory: string): Promise<PolicyCheckView>;
  /** Where the local rules of a state directory's engine are. */
  policyDirectory(stateDirectory: string): Promise<string>;
  /** Never throws for what it finds. */
  doctor(stateDirectory: string, engine: DoctorFacts): Promise<readonly DoctorCheck[]>;
  /** `file`: instead of the one the engine uses. All throw `engine.config_invalid`. */
  showConfig(
    stateDirectory: string,
    file: string | undefined,
  ): Promise<{ readonly file: string; readonly config: unknown }>;
  checkConfig(stateDirectory: string, file: string | undefined): Promise<ConfigCheckView>;
  /** The file that was changed. */
  setConfig(stateDirectory: string, file: string | undefined, name: string, value: string | undefined): Promise<string>;
  /** Throws `engine.service_needs_root` and its like. */
  installService(options: ServiceOptions): Promise<ServiceReport>;
  uninstallService(options: ServiceOptions): Promise<ServiceReport>;
  /** The support bundle of a directory whose engine is not running. */
  bundle(stateDirectory: string, redaction: 'basic' | 'full'): Promise<BundleView & { readonly zip: Uint8Array }>;
}

/** How the engine is made a service of the machine, or that is undone. */
export interface ServiceOptions {
  readonly stateDirectory: string;
  readonly dryRun: boolean;
  readonly seePrograms: boolean;
  readonly root?: string;
}

/** What was done to make the engine a service of the machine, or to undo that. */
export interface ServiceReport {
  readonly action: 'install' | 'uninstall';
  readonly dryRun: boolean;
  readonly changed: boolean;
  readonly managed: boolean;
  readonly changes: readonly {
    readonly kind: 'file' | 'command';
    readonly what: string;
    readonly state: 'done' | 'unchanged' | 'planned' | 'skipped' | 'failed';
    readonly reason?: string;
    readonly content?: string;
  }[];
  readonly stays: readonly string[];
  readonly note?: string;
}

/** What a running engine says of itself; or why none does. */
export type DoctorFacts = { readonly status: StatusView } | { readonly failure: string; readonly next: string };

/** What was put back on the host, in words, and what could not be. */
export interface RepairReport {
  readonly undone: readonly string[];
  readonly failed: readonly { readonly change: string; readonly reason: string }[];
}

/** The engine's calls, as every verb sees them. */
export type Engine = EngineClient;
/** What of the record is asked for. */
export type AuditQuery = Parameters<EngineClient['audit']['search']>[0];
