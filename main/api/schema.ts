/**
 * The one list of what can be asked of an engine. Handlers, client, CLI, preload bridge, console and the tests' fake engine derive
 * from it; only names in it can be called.
 */
import * as v from 'valibot';
import { call, stream, type Client, type Handlers } from './call.ts';
import { parser } from './parser.ts';
import { agoraCalls } from './agora-calls.ts';
import { approvalCalls, sessionCalls } from './session-calls.ts';
import { auditCalls } from './audit-calls.ts';
import { fleetCalls } from './fleet-calls.ts';
import { agents, agentsAndMembers, everyone, identityName, members, nothing, text } from './schema-parts.ts';
import type { InventoryView, RecordingCallsView, RecordingView } from './floor-views.ts';
import type { DoctorCheck, SettingsChangeRequest, SettingsChangeView } from './machine-views.ts';
import { settingsChange } from './settings-change.ts';
import type { StateDelta, StateSnapshot } from './state.ts';
import type { AgentEnvironmentView, AgentStartView, ModelKeyView, ShownModelKeyView } from './agent-views.ts';
import type {
  AgentView,
  BundleView,
  ConsoleView,
  DnsView,
  HostedItem,
  IdentityView,
  LoginView,
  MfaEnrolmentView,
  PinView,
  PolicyCheckView,
  PolicyView,
  QuarantineView,
  SecretView,
  RenameView,
  ServiceView,
  SettingsView,
  StatusView,
  WhyView,
} from './views.ts';

const named = parser(v.strictObject({ name: identityName }));
const totpCode = v.pipe(v.string(), v.regex(/^[A-Za-z0-9]{4,13}$/, 'expected a TOTP or recovery code'));
const subject = v.pipe(
  v.string(),
  v.maxLength(1024),
  v.regex(/^(app|identity|service|session):.+$/, 'expected app:…, identity:…, service:… or session:…'),
);

/** As certificate tools print it: 64 hex digits, with or without colons between bytes. */
const sha256Text = /^(?:sha-?256[:=/ ])?(?:[0-9A-Fa-f]{2}:?){32}$/i;

const enroll = v.strictObject({
  /** The token's text (JWT), a controller's https URL, or with method `import` an identity file's JSON. */
  source: v.pipe(v.string(), v.minLength(1), v.maxLength(1_048_576)),
  name: v.optional(identityName),
  /** `keychain`, `tpm`, `pkcs11`, `file` or a `pkcs11:` URI. */
  keystore: v.optional(text()),
  scope: v.optional(v.picklist(['machine', 'user'])),
  /** With a URL: SHA-256 of the certificate that the controller is to show, where no authority of the system vouches for it. */
  fingerprint: v.optional(v.pipe(v.string(), v.regex(sha256Text, 'expected a SHA-256 fingerprint in hex'))),
  method: v.optional(v.picklist(['token', 'url', 'password', 'import'])),
  /** For the `file` key store; handed over the checked socket, never stored in clear. */
  passphrase: v.optional(v.pipe(v.string(), v.maxLength(4096))),
  /** For a key in the TPM or on a token: what guards it from then on. */
  pin: v.optional(text(256)),
  /** With `keychain` where the engine is another user's: made by the caller, base64, and its place in the caller's own keychain. */
  wrappingKey: v.optional(v.pipe(v.string(), v.base64(), v.maxLength(1024))),
  keychainAccount: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits'))),
  /** For tokens signed for a third-party CA, and CA auto-enrolment: PEM. */
  certificate: v.optional(text(262_144)),
  key: v.optional(text(262_144)),
  username: v.optional(text(256)),
  password: v.optional(text(4096)),
  signer: v.optional(text(256)),
  jit: v.optional(v.boolean()),
});

const uid = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_fffe));

const secretName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/, 'a name has letters, digits, ".", "_" or "-"'),
);

/** A session's id becomes a file name. */
const recordedSession = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,64}$/, 'no id of a session'));

/** Tools that the front door lists before it offers to find the rest. */
const maxTools = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000));

/** Every call and stream by group and name. Names outlive renames of rooms: scripts use them. */
export const schema = {
  state: {
    snapshot: call<void, StateSnapshot>({ needs: 'observe', own: members, parse: nothing }),
    /** First item: a delta-less snapshot follows from `snapshot`; items are numbered after `after`. */
    changes: stream<{ after: number }, StateDelta>({
      needs: 'observe',
      own: members,
      parse: parser(v.strictObject({ after: v.pipe(v.number(), v.integer(), v.minValue(0)) })),
    }),
  },
  engine: {
    status: call<void, StatusView>({ needs: 'observe', own: everyone, parse: nothing }),
    settings: call<void, SettingsView>({ needs: 'observe', parse: nothing }),
    /** Everything that `culvert doctor` looks at, seen from inside. */
    doctor: call<void, readonly DoctorCheck[]>({ needs: 'administer', parse: nothing }),
    /** What changes make of `culvert.yaml`; written with `apply`, where the whole is valid. */
    changeSettings: call<SettingsChangeRequest, SettingsChangeView>({
      needs: 'administer',
      parse: parser(settingsChange),
    }),
    setLogLevel: call<v.InferOutput<typeof logLevel>, void>({
      needs: 'operate',
      parse: (raw) => parser(logLevel)(raw),
    }),
    stop: call<void, void>({ needs: 'administer', parse: nothing }),
    bundle: call<v.InferOutput<typeof bundle>, BundleView & { data?: string }>({
      needs: 'administer',
      parse: (raw) => parser(bundle)(raw),
    }),
    /** The caller's screen was unlocked: checks that ask for a code then are told. */
    screenUnlocked: call<void, void>({ needs: 'operate', parse: nothing }),
    /** `user`: whose browser it is for, where root asks. */
    openConsole: call<{ user?: number | undefined }, ConsoleView>({
      needs: 'administer',
      parse: (raw) => parser(v.strictObject({ user: v.optional(uid) }))(raw ?? {}),
    }),
  },
  identity: {
    list: call<void, readonly IdentityView[]>({ needs: 'observe', own: agentsAndMembers, parse: nothing }),
    enroll: call<v.InferOutput<typeof enroll>, IdentityView>({
      needs: 'administer',
      own: members,
      parse: parser(enroll),
    }),
    enable: call<{ name: string }, void>({ needs: 'administer', own: members, parse: named }),
    disable: call<{ name: string }, void>({ needs: 'administer', own: members, parse: named }),
    remove: call<{ name: string }, void>({ needs: 'administer', own: members, parse: named }),
    rename: call<{ name: string; to: string }, RenameView>({
      needs: 'administer',
      own: members,
      parse: parser(v.strictObject({ name: identityName, to: identityName })),
    }),
    renew: call<{ name: string; rollKey?: boolean | undefined }, IdentityView>({
      needs: 'administer',
      own: members,
      parse: parser(v.strictObject({ name: identityName, rollKey: v.optional(v.boolean()) })),
    }),
    /** Hand over what unlocks it: a passphrase, or a wrapping key from the user's keychain (base64). */
    unlock: call<{ name: string; passphrase?: string | undefined; wrappingKey?: string | undefined }, IdentityView>({
      needs: 'operate',
      own: members,
      parse: parser(
        v.strictObject({
          name: identityName,
          passphrase: v.optional(v.pipe(v.string(), v.maxLength(4096))),
          wrappingKey: v.optional(v.pipe(v.string(), v.base64(), v.maxLength(1024))),
        }),
      ),
    }),
    lock: call<{ name: string }, void>({ needs: 'operate', own: members, parse: named }),
    export: call<{ name: string }, { json: string }>({ needs: 'administer', own: members, parse: named }),
    mfaEnroll: call<{ name: string }, MfaEnrolmentView>({ needs: 'operate', own: members, parse: named }),
    mfaVerify: call<{ name: string; code: string }, void>({
      needs: 'operate',
      own: members,
      parse: parser(v.strictObject({ name: identityName, code: totpCode })),
    }),
    mfaRemove: call<{ name: string; code: string }, void>({
      needs: 'operate',
      own: members,
      parse: parser(v.strictObject({ name: identityName, code: totpCode })),
    }),
    mfaRecoveryCodes: call<
      { name: string; code: string; regenerate?: boolean | undefined },
      { codes: readonly string[] }
    >({
      needs: 'operate',
      own: members,
      parse: parser(v.strictObject({ name: identityName, code: totpCode, regenerate: v.optional(v.boolean()) })),
    }),
    /** Sign in with a username and password, kept from then on in the place of the one before. */
    passwordLogin: call<{ name: string; username?: string | undefined; password: string }, IdentityView>({
      needs: 'administer',
      own: members,
      parse: parser(v.strictObject({ name: identityName, username: v.optional(text(256)), password: text(4096) })),
    }),
    /** Sign in with an external provider; the URL to open comes back, completion shows in the identity's state. */
    login: call<{ name: string; provider?: string | undefined; device?: boolean | undefined }, LoginView>({
      needs: 'operate',
      own: members,
      parse: parser(
        v.strictObject({ name: identityName, provider: v.optional(text(256)), device: v.optional(v.boolean()) }),
      ),
    }),
  },
  service: {
    list: call<void, readonly ServiceView[]>({ needs: 'observe', own: agentsAndMembers, parse: nothing }),
    why: call<{ destination: string; app?: string | undefined }, WhyView>({
      needs: 'observe',
      own: agents,
      parse: parser(v.strictObject({ destination: text(512), app: v.optional(text()) })),
    }),
  },
  session: sessionCalls,
  agent: {
    /** The variables by which a program finds its way; without a name, those of a plain program (an agent: its own). */
    environment: call<{ agent?: string | undefined }, AgentEnvironmentView>({
      needs: 'observe',
      own: agentsAndMembers,
      parse: parser(v.strictObject({ agent: v.optional(text(64)) })),
    }),
    /** Prepare a start of an agent in namespaces of its own, which `enter` then names. */
    begin: call<{ agent: string; net: 'host' | 'only'; bandwidth?: number | undefined }, AgentStartView>({
      needs: 'operate',
      own: agents,
      parse: parser(
        v.strictObject({
          agent: text(64),
          net: v.picklist(['host', 'only']),
          bandwidth: v.optional(v.pipe(v.number(), v.minValue(1))),
        }),
      ),
    }),
    /** `pid`: the first process of the namespace, seen from the engine. */
    enter: call<{ id: string; pid: number }, void>({
      needs: 'operate',
      own: agents,
      parse: parser(v.strictObject({ id: text(64), pid: v.pipe(v.number(), v.integer(), v.minValue(2)) })),
    }),
  },
  app: {
    list: call<void, readonly AgentView[]>({ needs: 'observe', own: agentsAndMembers, parse: nothing }),
  },
  quarantine: {
    list: call<void, readonly QuarantineView[]>({ needs: 'observe', own: agentsAndMembers, parse: nothing }),
    add: call<{ subject: string; cause?: string | undefined }, QuarantineView>({
      needs: 'operate',
      own: members,
      parse: parser(v.strictObject({ subject, cause: v.optional(v.pipe(v.string(), v.maxLength(1024))) })),
    }),
    release: call<{ subject: string }, void>({ needs: 'operate', parse: parser(v.strictObject({ subject })) }),
  },
  approval: approvalCalls,
  policy: {
    show: call<void, PolicyView>({ needs: 'observe', parse: nothing }),
    /** Read the rules from disk and say what is wrong; nothing changes. */
    check: call<void, PolicyCheckView>({ needs: 'observe', parse: nothing }),
    reload: call<void, PolicyCheckView>({ needs: 'administer', parse: nothing }),
    explain: call<{ destination: string; app?: string | undefined }, WhyView>({
      needs: 'observe',
      own: agents,
      parse: parser(v.strictObject({ destination: text(512), app: v.optional(text()) })),
    }),
  },
  secret: {
    list: call<void, readonly SecretView[]>({ needs: 'observe', parse: nothing }),
    /** Handed over the checked socket, sealed at once; no call gives it back. */
    set: call<{ name: string; value: string; keystore?: string | undefined }, SecretView>({
      needs: 'administer',
      parse: parser(v.strictObject({ name: secretName, value: text(16_384), keystore: v.optional(text()) })),
    }),
    remove: call<{ name: string }, void>({
      needs: 'administer',
      parse: parser(v.strictObject({ name: secretName })),
    }),
  },
  hosting: {
    /** Answer a hosted service from this process, for as long as the stream is open. */
    serve: stream<{ service: string; what: string; identity?: string | undefined }, HostedItem>({
      needs: 'operate',
      parse: parser(v.strictObject({ service: text(256), what: text(256), identity: v.optional(identityName) })),
    }),
    /** What is said on one of its connections, which nobody else knows the name of; answered once more may be said. */
    answer: call<v.InferOutput<typeof hostedAnswer>, void>({
      needs: 'operate',
      own: agents,
      parse: (raw) => parser(hostedAnswer)(raw),
    }),
  },
  agora: agoraCalls,
  inventory: {
    /** Asks what stands behind the services hosted here, where that is switched on. */
    list: call<void, readonly InventoryView[]>({ needs: 'operate', parse: nothing }),
  },
  record: {
    list: call<void, readonly RecordingView[]>({ needs: 'observe', own: members, parse: nothing }),
    /** What was done in one recorded session, oldest first. Opens its seal, and is recorded; for readers whom the settings name. */
    show: call<{ session: string }, RecordingCallsView>({
      needs: 'administer',
      own: members,
      parse: parser(v.strictObject({ session: recordedSession })),
    }),
    /** Its packets as pcapng, base64, in pieces; for the same readers. */
    export: stream<{ session: string }, { readonly data: string }>({
      needs: 'administer',
      own: members,
      parse: parser(v.strictObject({ session: recordedSession })),
    }),
  },
  mcp: {
    /** Tell the engine's loopback MCP entry for a service: where `culvert mcp connect` and clients reach it. */
    endpoint: call<{ service: string }, { url: string }>({
      needs: 'observe',
      own: agentsAndMembers,
      parse: parser(v.strictObject({ service: text(256) })),
    }),
    /** Kept definitions of tools: all with their hashes, or (`diff`) in full those that changed or are new. */
    pins: call<{ diff: boolean }, readonly PinView[]>({
      needs: 'observe',
      parse: parser(v.strictObject({ diff: v.boolean() })),
    }),
    /** What the service says now is accepted; without `tools` all that waits. */
    acceptPins: call<{ service: string; tools?: string[] | undefined }, { accepted: readonly string[] }>({
      needs: 'operate',
      parse: parser(
        v.strictObject({
          service: text(256),
          tools: v.optional(v.pipe(v.array(text(1024)), v.minLength(1), v.maxLength(10_000))),
        }),
      ),
    }),
    /** Where the front door to all MCP services takes JSON lines, for `culvert mcp serve`. */
    front: call<{ maxTools: number }, { url: string }>({
      needs: 'observe',
      own: agentsAndMembers,
      parse: parser(v.strictObject({ maxTools })),
    }),
    /** The same in streamable HTTP, for as long as the stream is open; its one item says where. */
    listen: stream<{ host: string; port: number; maxTools: number }, { url: string }>({
      needs: 'observe',
      own: agentsAndMembers,
      parse: parser(
        v.strictObject({
          host: text(64),
          port: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)),
          maxTools,
        }),
      ),
    }),
  },
  llm: {
    /** One endpoint for every dark model service, for as long as the stream is open; its one item says where. */
    listen: stream<{ host: string; port: number }, { url: string }>({
      needs: 'observe',
      own: agentsAndMembers,
      parse: parser(
        v.strictObject({
          host: text(64),
          port: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)),
        }),
      ),
    }),
    /** Keys for models that were made here; none is shown. */
    keys: call<void, readonly ModelKeyView[]>({ needs: 'observe', parse: nothing }),
    /** The key of an agent, or of programs that are none: made where there is none yet. */
    createKey: call<{ agent?: string | undefined }, ShownModelKeyView>({
      needs: 'operate',
      parse: parser(v.strictObject({ agent: v.optional(text(64)) })),
    }),
    revokeKey: call<{ key: string }, ModelKeyView>({
      needs: 'operate',
      parse: parser(v.strictObject({ key: v.pipe(v.string(), v.regex(/^[0-9a-f]{12}$/, 'expected the id of a key')) })),
    }),
  },
  audit: auditCalls,
  fleet: fleetCalls,
  dns: {
    status: call<void, DnsView>({ needs: 'observe', parse: nothing }),
  },
} as const;

const logLevel = v.strictObject({ level: v.picklist(['trace', 'debug', 'info', 'warn', 'error']) });
const hostedAnswer = v.strictObject({
  connection: text(64),
  data: v.optional(v.pipe(v.string(), v.base64(), v.maxLength(1_400_000))),
  end: v.optional(v.boolean()),
  reset: v.optional(v.boolean()),
});
const bundle = v.strictObject({ redact: v.picklist(['basic', 'full']), preview: v.optional(v.boolean()) });

/** The type that handlers and clients derive from. */
export type EngineSchema = typeof schema;
/** A handler for each entry of the schema. */
export type EngineHandlers = Handlers<EngineSchema>;
/** A function for each entry of the schema. */
export type EngineClient = Client<EngineSchema>;
