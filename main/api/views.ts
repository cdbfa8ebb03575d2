/** DTOs that cross a process border: plain, readonly, JSON-safe. Times are ISO 8601 strings, sizes bytes, spans milliseconds. */
import type { Reason, CloseReason } from '../base/reason.ts';
import type { ReasonCode } from '../base/reason-codes.ts';

/** How traffic gets into the engine; `host` takes none. */
export type EngineMode = 'tun' | 'proxy' | 'host';

/** An error as it crosses a border. */
export interface ErrorView {
  readonly code: string;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** One state in words for an identity. */
export type IdentityState =
  | 'starting'
  | 'ready'
  | 'degraded'
  | 'unauthenticated'
  | 'mfa-required'
  | 'login-required'
  | 'locked'
  | 'disabled'
  | 'broken';

/** An identity on this host, at work or not. */
export interface IdentityView {
  readonly name: string;
  readonly keystore: 'file' | 'keychain' | 'tpm' | 'pkcs11' | 'none';
  readonly scope: 'machine' | 'user';
  /** The user it serves, for scope `user`. */
  readonly owner?: string;
  /** Where that user's keychain keeps what opens it, where the engine cannot look for itself. */
  readonly keychainAccount?: string;
  readonly state: IdentityState;
  /** Why the state is not `ready`, with the next step. */
  readonly reason?: Reason;
  /** What it signs in with. */
  readonly proof?: 'certificate' | 'password' | 'external';
  readonly controller: string;
  readonly controllers: readonly string[];
  readonly controllerVersion?: string;
  readonly authentication?: 'oidc' | 'legacy';
  readonly certExpiresAt?: string;
  /** SHA-256 of the certificate, lower hex. */
  readonly fingerprint?: string;
  /** The controller's id and name for it. */
  readonly id?: string;
  readonly controllerName?: string;
  readonly mfa: 'none' | 'enrolled' | 'required' | 'pending';
  /** Providers to choose from where state is `login-required`. */
  readonly loginProviders?: readonly string[];
  readonly services: { readonly dial: number; readonly bind: number };
}

/** An edge router of one identity, and the channel to it. */
export interface RouterView {
  readonly name: string;
  readonly identity: string;
  readonly address: string;
  readonly latencyMs?: number;
  readonly state: 'connecting' | 'connected' | 'disconnected';
  readonly version?: string;
  readonly error?: ErrorView;
}

/** What stands in the way of a service first, or that nothing does. */
export type ServiceStatus =
  | 'available'
  | 'hosting'
  | 'posture-failed'
  | 'mfa-required'
  | 'no-terminator'
  | 'no-router'
  | 'identity-unavailable'
  | 'contract-invalid'
  | 'config-invalid'
  | 'quarantined'
  | 'hosting-failed';

/** One posture check of one policy that grants a service. */
export interface PostureCheckView {
  /** At the controller; refusals and records name it. */
  readonly id?: string;
  /** As its administrator called it, where that is known. */
  readonly name?: string;
  /** Of the policy that asks for it, at the controller. */
  readonly policyId?: string;
  readonly type: string;
  readonly policyType: 'Dial' | 'Bind';
  readonly passing: boolean;
  /** What fails and what to do, in words. */
  readonly explanation?: string;
  /** What `explanation` says, for other languages: `posture.os`, `posture.process`, … */
  readonly code?: ReasonCode;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly timeoutRemainingSeconds?: number;
}

/** A service as one identity sees it. */
export interface ServiceView {
  readonly name: string;
  readonly id: string;
  readonly identity: string;
  readonly permissions: readonly ('Dial' | 'Bind')[];
  readonly status: ServiceStatus;
  /** Present where status is not `available` or `hosting`. */
  readonly reason?: Reason;
  readonly encrypted: boolean;
  /** Names, wildcards, addresses, prefixes it is intercepted under. */
  readonly addresses: readonly string[];
  /** `80`, `8000-8010`. */
  readonly ports: readonly string[];
  readonly protocols: readonly string[];
  /** Loopback ports of `--forward`. */
  readonly forwards: readonly number[];
  readonly workgroups: readonly string[];
  readonly posture: readonly PostureCheckView[];
  readonly contract?: ContractView;
  readonly hosted?: {
    readonly terminators: number;
    readonly target: string;
    readonly health: 'healthy' | 'unhealthy' | 'unchecked';
  };
  readonly openSessions: number;
}

/** Protocols that a guard reads. */
export type GuardName = 'mcp' | 'http' | 'a2a' | 'modbus' | 's7' | 'enip' | 'opcua' | 'iec104' | 'dnp3';

/** The contract in force for a service. */
export interface ContractView {
  /** `controller`, or the local file it came from. */
  readonly origin: string;
  readonly guard: 'none' | GuardName;
  /** The parsed contract as is. */
  readonly terms: Readonly<Record<string, unknown>>;
  readonly onViolation: 'close' | 'quarantine' | 'alert';
}

/** The program at the near end of a session. */
export interface AppView {
  /** Of the executable; for interpreters the script they run stands in `script`. */
  readonly path?: string;
  readonly script?: string;
  readonly pid?: number;
  readonly user?: string;
  /** Name of the AI agent, where one is recognised or bound. */
  readonly agent?: string;
  readonly attribution: 'exact' | 'inferred' | 'unknown';
  readonly hash?: string;
  readonly container?: string;
}

/** A session that is open, or was until lately. */
export interface SessionView {
  readonly id: string;
  readonly service: string;
  readonly identity: string;
  readonly direction: 'dial' | 'host';
  readonly app: AppView;
  readonly protocol: 'tcp' | 'udp';
  /** `address:port` of the application (dial) or the caller's name (host). */
  readonly source: string;
  /** What was asked for: `name:port`. */
  readonly destination: string;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly state: 'open' | 'closed';
  readonly closeReason?: CloseReason;
  /** More about the closing, in words. */
  readonly closeDetail?: string;
  /** What `closeDetail` says, for other languages. */
  readonly closeCode?: ReasonCode;
  readonly closeDetails?: Readonly<Record<string, unknown>>;
  readonly router?: string;
  readonly encrypted: boolean;
  /** `none`, `not-visible`, or the guards that read it, joined by `+`. */
  readonly guard: string;
  /** At which ends a guard holds it; the other end only where that one said so for this session. */
  readonly guardedAt: readonly ('dial' | 'host')[];
  /** Hosted sessions: who vouches for the caller. */
  readonly callerAsserted?: 'router' | 'signature' | 'nobody';
  readonly mcp?: { readonly calls: number; readonly denied: number };
  /** Only where the contract observes: calls that went on though it would have refused them. */
  readonly observed?: number;
  /** What is left of the contract; absent fields have no limit. */
  readonly remaining?: {
    readonly seconds?: number;
    readonly bytes?: number;
    readonly calls?: number;
  };
  /** The decision that admitted it. */
  readonly decision: Reason;
  /** Newest last, bounded. */
  readonly timeline?: readonly TimelineEntry[];
}

/** One moment of a session's life. */
export interface TimelineEntry {
  readonly at: string;
  readonly kind: 'admitted' | 'dialled' | 'opened' | 'half-closed' | 'call' | 'violation' | 'alert' | 'closed';
  readonly text: string;
  /** What `text` says, for other languages; a call is the same in each. */
  readonly code?: ReasonCode;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly call?: GuardCallView;
}

/** One call a guard read: an MCP tool, an HTTP request, a Modbus function. */
export interface GuardCallView {
  readonly protocol: GuardName;
  readonly method: string;
  readonly target: string;
  readonly decision: 'allow' | 'deny';
  readonly rule?: string;
  /** Allowed by a contract that only observes: the rule that would have refused it. */
  readonly observed?: string;
  readonly durationMs?: number;
  /** SHA-256 of the canonical arguments. */
  readonly digest?: string;
  readonly arguments?: unknown;
}

/** An agent that settings name or that was recognised, and what it reaches. */
export interface AgentView {
  readonly name: string;
  /** The identity it dials as; absent: the device's, or refused, as set. */
  readonly identity?: string;
  readonly programs: readonly string[];
  readonly openSessions: number;
  readonly reach: readonly string[];
  readonly quarantined: boolean;
}

/** One tool of a service, as it is kept and as its service defines it now. */
export interface PinView {
  readonly service: string;
  readonly tool: string;
  /** `changed` and `new` wait to be accepted. */
  readonly state: 'pinned' | 'changed' | 'new';
  /** SHA-256 of the canonical definition in a list, the definition itself in a diff; null where there is none. */
  readonly old: unknown;
  readonly new: unknown;
  /** Text in it that speaks to the model: what, where (JSON pointer) and the words. */
  readonly flags: readonly { readonly kind: string; readonly place: string; readonly found: string }[];
}

/** What is told to a process that answers a hosted service itself; bytes in Base64. */
export type HostedItem =
  | { readonly kind: 'ready'; readonly service: string; readonly identities: readonly string[] }
  | {
      readonly kind: 'open';
      readonly connection: string;
      readonly identity: string;
      /** Who dialled, where that is known, and whether somebody vouches for it. */
      readonly caller?: string;
      readonly asserted: boolean;
    }
  | { readonly kind: 'data'; readonly connection: string; readonly data: string }
  | { readonly kind: 'end' | 'closed'; readonly connection: string };

/** An agent that a program of this machine offers. */
export interface AgentOfferView {
  /** The dark service it is offered as. */
  readonly service: string;
  readonly identities: readonly string[];
  /** As its card names it. */
  readonly agent: string;
  /** Ids of its skills. */
  readonly skills: readonly string[];
  readonly since: string;
}

/** What the card of an offered agent says, and who signed it. */
export interface CheckedCardView {
  readonly service: string;
  readonly agent: string;
  readonly version?: string;
  readonly description?: string;
  /** Ids of the skills that are shown. */
  readonly skills: readonly string[];
  /** `none`: it is not the card of an agent that is offered. */
  readonly signature: 'valid' | 'invalid' | 'none';
  /** The identity that offers it, as its certificate names it; where the signature is valid. */
  readonly offeredBy?: string;
  /** Why the signature is not valid. */
  readonly why?: string;
}

/** A subject that is cut off. */
export interface QuarantineView {
  /** `app:PATH-or-agent`, `identity:NAME`, `service:NAME`, `session:ID`. */
  readonly subject: string;
  readonly since: string;
  readonly cause: string;
  /** What `cause` says, for other languages; absent where a person wrote it. */
  readonly causeCode?: ReasonCode;
  readonly causeDetails?: Readonly<Record<string, unknown>>;
  readonly by: 'operator' | 'contract' | 'detector' | 'breaker';
}

/** A secret kept for the hosting side; its value never crosses a border. */
export interface SecretView {
  readonly name: string;
  readonly keystore: 'file' | 'keychain';
  readonly setAt: string;
}

/** Something a person should know now. */
export interface AlertView {
  readonly id: string;
  readonly at: string;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly kind: string;
  readonly text: string;
  /** What `text` says, for other languages. */
  readonly code?: ReasonCode;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly session?: string;
  readonly subject?: string;
}

/** Whether and how names of services resolve on this host. */
export interface DnsView {
  readonly backend: string;
  /** Why this one. */
  readonly choice?: string;
  /** True: the system asks Culvert about intercepted names alone. False: about every name, and the others are sent on. */
  readonly splits?: boolean;
  readonly state: 'active' | 'off' | 'failed';
  readonly server?: string;
  readonly names: readonly { readonly name: string; readonly addresses: readonly string[]; readonly service: string }[];
  readonly upstreams: readonly string[];
  readonly queries?: { readonly answered: number; readonly forwarded: number; readonly refused: number };
  readonly reason?: Reason;
}

/** A route that leads into the tunnel. */
export interface RouteView {
  readonly prefix: string;
  readonly device: string;
  readonly reason: string;
}

/** The engine as a whole. */
export interface StatusView {
  readonly mode: EngineMode;
  /** Why this mode was taken, where `auto` chose. */
  readonly modeReason: string;
  /** What `modeReason` says, for other languages. */
  readonly modeCode?: ReasonCode;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly identities: readonly {
    readonly name: string;
    readonly state: IdentityState;
    readonly controller: string;
    readonly certExpiresAt?: string;
    readonly mfa: IdentityView['mfa'];
    /** Why the state is not `ready`, with the next step. */
    readonly reason?: Reason;
  }[];
  readonly routers: readonly RouterView[];
  readonly services: { readonly dial: number; readonly bind: number };
  readonly sessions: { readonly open: number; readonly total: number };
  readonly dns: { readonly backend: string; readonly state: DnsView['state'] };
  readonly audit: { readonly head: string; readonly count: number };
  readonly proxy?: { readonly listen: string };
  readonly tun?: {
    readonly name: string;
    readonly address: string;
    readonly range: string;
    /** Flows in its tables now: waiting for their dial, TCP, UDP. */
    readonly flows: { readonly held: number; readonly tcp: number; readonly udp: number };
  };
  readonly routes: readonly RouteView[];
  readonly warnings: readonly Reason[];
}

/** `culvert why`: each step from name to terminator. */
export interface WhyStep {
  readonly step:
    | 'name'
    | 'application'
    | 'identity'
    | 'service'
    | 'permission'
    | 'posture'
    | 'contract'
    | 'local-policy'
    | 'quarantine'
    | 'router'
    | 'terminator';
  readonly outcome: 'pass' | 'fail' | 'skipped' | 'unknown';
  readonly text: string;
  /** What `text` says, for other languages: a reason's code, or `why.…` of a step that passed. */
  readonly code?: ReasonCode;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly next?: string;
}
/** The steps from a destination to a terminator, up to the first that fails. */
export interface WhyView {
  readonly destination: string;
  readonly reachable: boolean;
  readonly service?: string;
  readonly identity?: string;
  readonly steps: readonly WhyStep[];
}

/** What is in force beside the controller's own policies. */
export interface PolicyView {
  readonly contracts: readonly (ContractView & {
    readonly service: string;
    readonly identity: string;
    /** As the controller sent it; absent where only local files speak of the service. */
    readonly granted?: unknown;
  })[];
  readonly localRules: readonly {
    readonly id: string;
    readonly file: string;
    readonly effect: 'permit' | 'forbid';
    readonly text: string;
  }[];
  /** What cannot be read: local files; and contracts, whose `file` is where they come from, under which nothing is dialled. */
  readonly errors: readonly {
    readonly file: string;
    readonly message: string;
    readonly code?: ReasonCode;
    readonly service?: string;
    readonly identity?: string;
    readonly granted?: unknown;
  }[];
  readonly posture: readonly (PostureCheckView & { readonly service: string; readonly identity: string })[];
}

/** What is wrong with `policy.d`, were it read now. */
export interface PolicyCheckView {
  readonly ok: boolean;
  readonly files: number;
  readonly rules: number;
  readonly errors: readonly { readonly file: string; readonly message: string }[];
}

/** What to put into an authenticator, and codes for the day it is lost. */
export interface MfaEnrolmentView {
  readonly provisioningUrl: string;
  readonly recoveryCodes: readonly string[];
}

/** Where and how a person signs in with an external provider. */
export interface LoginView {
  /** Where the person signs in. */
  readonly url: string;
  /** Device code flow: what to type there. */
  readonly userCode?: string;
}

/** The settings in force and the file they came from. */
export interface SettingsView {
  readonly config: Readonly<Record<string, unknown>>;
  readonly file?: string;
  readonly logLevel: string;
}

/** Addresses that open the console, each with a one-time token. */
export interface ConsoleView {
  /** On loopback; works once. */
  readonly url: string;
  /** The same through the overlay, where the console is itself a dark service; each works once. */
  readonly dark?: readonly string[];
}

/** What went into a support bundle. */
export interface BundleView {
  readonly entries: readonly { readonly name: string; readonly bytes: number; readonly redactions: number }[];
}

/** An identity was renamed: what settings and local rules still say of the old name. */
export interface RenameView {
  /** What it is called now. */
  readonly name: string;
  /** Agents bound to it: in the running engine they dial as the new name; the settings file still has the old one. */
  readonly agents: readonly string[];
  /** Local rules that name the old one, and so nobody any more. */
  readonly rules: readonly { readonly id: string; readonly file: string }[];
}
