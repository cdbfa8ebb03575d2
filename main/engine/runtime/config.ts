/** `culvert.yaml`: read once, strictly. A field it does not know is refused with its name, for a setting half understood is none. */
import { join } from 'node:path';
import * as v from 'valibot';
import { parse as parseYaml } from 'yaml';
import { alphabetNames } from '../../base/alphabets.ts';
import { TunnelerError } from '../../base/errors.ts';
import { isLoopback, parseCidr, readHostPort } from '../../base/ip.ts';
import { readIfThere } from '../../files/read-if-there.ts';
import { parseMapping } from '../../intercept/mapping.ts';
import { dnsBackends } from '../../net/dns/os-dns.ts';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(4096));
const hostPort = v.pipe(
  v.string(),
  v.check((value) => readHostPort(value) !== undefined, 'expected HOST:PORT'),
);
/** Whoever reaches such a port borrows this device's access. */
const ownHostPort = v.pipe(
  hostPort,
  v.check((value) => {
    const at = readHostPort(value);
    return at === undefined || isLoopback(at.host);
  }, 'expected an address of this machine alone, such as 127.0.0.1:1080'),
);
const ownAddress = v.pipe(
  text,
  v.check((value) => isLoopback(value), 'expected an address of this machine alone, such as 127.0.0.1'),
);
const prefix = v.pipe(
  v.string(),
  v.check((value) => parseCidr(value) !== undefined, 'expected a prefix such as 100.64.0.0/10'),
);
const loopback = { 4: '127.0.0.1', 6: '::1' } as const;
/** One that names can get their addresses from: of this family, with room for them, and neither half the Internet nor this machine itself. */
const range = (family: 4 | 6, longest: number) =>
  v.pipe(
    prefix,
    v.check((value) => {
      const given = parseCidr(value);
      if (given === undefined) return true;
      const { prefixLength } = given;
      return (
        given.family === family && prefixLength >= 8 && prefixLength <= longest && !given.contains(loopback[family])
      );
    }, `expected an IPv${family} range from /8 to /${longest}, not of the loopback`),
  );
const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535));
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const list = <S extends v.GenericSchema>(item: S) => v.union([item, v.array(item)]);

const proxy = v.strictObject({
  /** Serve SOCKS5 and HTTP CONNECT. Default true in mode `proxy`, false in `tun` unless `listen` is given. */
  enabled: v.optional(v.boolean()),
  /** Where, on loopback. Default: a free port of 127.0.0.1. */
  listen: v.optional(ownHostPort),
  /** Plain ports on loopback, one for each service named. */
  forwards: v.optional(
    v.array(
      v.strictObject({
        /** The service that a connection to this port dials. */
        service: text,
        /** The port; 0 takes a free one. */
        port,
        /** Address of this machine. Default `127.0.0.1`. */
        listen: v.optional(ownAddress),
      }),
    ),
  ),
  /** What no service claims: refuse (default), or connect to it directly. */
  unmatched: v.optional(v.picklist(['refuse', 'direct'])),
});

const ranges = v.strictObject({
  /** Addresses given to intercepted names; at least a /22. Default: the first free part of 100.64.0.0/10. */
  ipv4: v.optional(range(4, 22)),
  /** The same for IPv6, or `off` for none. */
  ipv6: v.optional(v.union([v.literal('off'), range(6, 118)])),
});

/** Addresses of one service's machines, seen under others here. */
const mapping = v.pipe(
  v.strictObject({
    /** The service whose addresses they are. */
    service: text,
    /** As the service claims them, such as 10.20.0.0/24. */
    addresses: prefix,
    /** As programs of this machine dial them: a prefix of the same length that nothing else has. */
    as: prefix,
  }),
  v.check((value) => parseMapping(value) !== undefined, 'expected two prefixes of the same family and length'),
);

const dns = v.strictObject({
  /** Answer the names of services. `false` is the same as `backend: off`. Default true. */
  enabled: v.optional(v.boolean()),
  /** The way to the system's resolver. Default `auto`: whichever is in charge of it. */
  backend: v.optional(v.picklist(['auto', ...dnsBackends])),
  /** Resolvers for all other names, as `address` or `address#port`. Default: those the system had. */
  upstreams: v.optional(v.array(text)),
});

const tun = v.strictObject({
  /** Name of the interface. */
  name: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,15}$/, 'expected an interface name'))),
  /** Largest packet in bytes. Default 65535, for nothing leaves the machine in that size. */
  mtu: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1280), v.maxValue(65535))),
});

const consoleListener = v.strictObject({
  /** `true` serves the window in the browser from the start, `false` never. Default: when `culvert console` asks. */
  enabled: v.optional(v.boolean()),
  /** Where, on loopback. Default: a free port of 127.0.0.1. */
  listen: v.optional(ownHostPort),
  /** Further names browsers reach it under, as when it is itself hosted as a dark service. */
  hosts: v.optional(v.array(text)),
});

const exporter = v.variant('type', [
  v.strictObject({
    /** Where the record goes to as well: a file of OCSF events, syslog over TLS, an OpenTelemetry collector; `prometheus` serves figures, `otlp-metrics` sends them. */
    type: v.literal('ocsf'),
    /** File that events are appended to, one JSON document a line. */
    file: text,
  }),
  v.strictObject({
    type: v.literal('syslog'),
    /** HOST:PORT of an RFC 5425 receiver (syslog over TLS). */
    address: hostPort,
    /** PEM file of the authorities that may vouch for the receiver. Default: the system's. */
    ca: v.optional(text),
    /** PEM file of the certificate to show to the receiver. */
    cert: v.optional(text),
    /** PEM file of its key. */
    key: v.optional(text),
    /** Facility of RFC 5424. Default 13, log audit. */
    facility: v.optional(v.pipe(whole, v.maxValue(23))),
  }),
  v.strictObject({
    type: v.literal('otlp'),
    /** Where OTLP logs are posted to, over HTTP. */
    url: v.pipe(v.string(), v.url()),
    /** Headers to send along, such as an authorization. */
    headers: v.optional(v.record(v.string(), v.string())),
  }),
  v.strictObject({
    type: v.literal('prometheus'),
    /** Where a scraper of this machine finds the figures. */
    listen: ownHostPort,
  }),
  v.strictObject({
    type: v.literal('otlp-metrics'),
    /** Where OTLP metrics are posted to, over HTTP; calls to models under the names of OpenTelemetry's conventions. */
    url: v.pipe(v.string(), v.url()),
    /** Headers to send along, such as an authorization. */
    headers: v.optional(v.record(v.string(), v.string())),
    /** How often, in seconds. Default 60. */
    everySeconds: v.optional(v.pipe(positive, v.maxValue(86_400))),
  }),
]);

/** Which program is which agent: every field given must hold; a field with several values holds for any of them. */
const agent = v.strictObject({
  /** The identity it dials as. Absent: the device's, unless `unbound` is `refuse`. */
  identity: v.optional(text),
  /** Globs over the executable's or script's path. */
  path: v.optional(list(text)),
  /** Lower-hex SHA-256 of the executable, or of the script that it runs. */
  hash: v.optional(list(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower hex')))),
  /**
   * Who must have signed the executable: a team id (macOS), a certificate's subject (Windows); on Linux the package that vouches for it, or for the
   * script that it runs, as `deb:NAME` or `rpm:NAME`.
   */
  signer: v.optional(list(text)),
  /** Globs over the control group. */
  cgroup: v.optional(list(text)),
  /** Globs over the path of any ancestor. */
  parent: v.optional(list(text)),
  /** Users of this machine that it must run as. */
  user: v.optional(list(text)),
  /** Digest of the image its container was made from. */
  image: v.optional(list(v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits')))),
  /** Names on the Internet, as HOST or HOST:PORT with `*`, that it may reach where it was started without another network. */
  internet: v.optional(list(text)),
  /** What `culvert agent run` lets it take: bytes of memory, processes, processors. */
  limits: v.optional(
    v.strictObject({
      /** Bytes of memory. */
      memory: v.optional(positive),
      /** Processes and threads at one time. */
      processes: v.optional(positive),
      /** Processors, such as 0.5. */
      cpu: v.optional(v.number()),
      /** Bytes a second each way, where Culvert is its one way out (`--net only`). */
      bandwidth: v.optional(positive),
    }),
  ),
});

const breaker = v.strictObject({
  /** Failed dials of one program and service within the window that trip the breaker; 0 turns this off. Default 200. */
  failures: v.optional(whole),
  /** The same for violations of a contract. Default 5. */
  violations: v.optional(whole),
  /** The same for calls that a guard refused. Default 100. */
  denials: v.optional(whole),
  /** The same for calls at all. Default 0: not counted. */
  calls: v.optional(whole),
  /** Length of the window. Default 60. */
  windowSeconds: v.optional(positive),
  /** How long the breaker holds; 0: until released by hand. Default 300. */
  holdSeconds: v.optional(whole),
});

const detectors = v.strictObject({
  /** Learn what each program usually does, and say where it does otherwise. Default true. */
  enabled: v.optional(v.boolean()),
  /** What follows: an alert (default), or the program is cut off. */
  action: v.optional(v.picklist(['alert', 'quarantine'])),
  /** How long it only learns. Default 604800, a week. */
  learnSeconds: v.optional(positive),
});

const policy = v.strictObject({
  /** Directory of `*.cedar` files; default `policy.d` in the state directory. */
  directory: v.optional(text),
  /**
   * Programs bound to no identity: use the device's identities or be refused. Default: plain programs use them, agents that are recognised
   * and not named under `agents` are refused.
   */
  unbound: v.optional(v.picklist(['device', 'refuse'])),
  /** A flow whose owner is not known: refused (`closed`, default) or served. */
  onUnknownApp: v.optional(v.picklist(['closed', 'open'])),
  /** When a program and a service are parted for a while. */
  breaker: v.optional(breaker),
  /** What is out of the ordinary for a program. */
  detectors: v.optional(detectors),
});

const audit = v.strictObject({
  /** Where the journal cannot be written: refuse flows (`closed`, default) or go on and count what was lost. */
  onFailure: v.optional(v.picklist(['closed', 'open'])),
  /** A new file is begun beyond this. Default 33554432, 32 MiB. */
  maxFileBytes: v.optional(positive),
  /** So many files are kept, the newest. Default 64. */
  keepFiles: v.optional(positive),
  /** Records between signed checkpoints. Default 1000. */
  checkpointEvery: v.optional(positive),
  /** The dark service that countersigns what this device recorded, and keeps it: a `witness` elsewhere, or `culvert collect`. */
  witness: v.optional(text),
});

const witness = v.strictObject({
  /** Countersign the checkpoints of devices that dial this service, which an identity here may bind. */
  service: text,
});

const collect = v.strictObject({
  /** Records received longer ago are let go of. Default: kept. */
  retainDays: v.optional(positive),
  /** A device not heard of for so long is an alert. Default 600. */
  silentAfterSeconds: v.optional(positive),
  /** What devices send goes where `exporters` say too, under each device's name. Default true. */
  export: v.optional(v.boolean()),
});

const recordings = v.strictObject({
  /** A recording is removed when it began so long ago. Default 90. */
  keepDays: v.optional(positive),
  /** What all recordings together may take; the oldest go first. Default 2147483648, 2 GiB. */
  maxBytes: v.optional(positive),
  /**
   * Users of this host who may read and export recordings, they alone: the engine's own user and root only where they are named. By name, or by
   * number where the host's own files do not know them. Default: the engine's own user and root.
   */
  readers: v.optional(v.array(text)),
});

const log = v.strictObject({
  /** How much is said. Default `info`. */
  level: v.optional(v.picklist(['trace', 'debug', 'info', 'warn', 'error'])),
  /** A file beside standard error. */
  file: v.optional(text),
});

const socket = v.strictObject({
  /** Members of this group may enrol and use identities of their own (0660); default: the engine's own user alone (0600). */
  group: v.optional(text),
  /** What members of the group may look at: what is theirs (`own`, default), or everything. */
  observe: v.optional(v.picklist(['own', 'all'])),
});

/** A provider's key that requests to a service hosted here carry; see `hosting/provider-keys.ts`. */
const providerKey = v.strictObject({
  /** The service hosted here whose requests carry the key. */
  service: text,
  /** The calling identities that may use it; others get no key. */
  callers: list(text),
  /** Name of the secret, as `culvert secret set` took it. */
  secret: text,
  /** Default `authorization`. */
  header: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,64}$/, 'expected the name of a header'))),
  /** Stands before the key; default `Bearer ` in `authorization`, else nothing. */
  prefix: v.optional(v.pipe(v.string(), v.regex(/^[\x20-\x7e]{0,64}$/, 'expected plain text'))),
  /** A caller that nobody vouches for: refused (default), or served like the identity it claims to be. */
  unasserted: v.optional(v.picklist(['refuse', 'accept'])),
  /** The target is this provider, reached by TLS. */
  provider: v.optional(
    v.strictObject({
      /** Name in its certificate. */
      serverName: text,
      /** PEM file of the authorities to trust instead of the system's. */
      ca: v.optional(text),
    }),
  ),
});

const hosting = v.strictObject({
  /** Keys that requests to services hosted here carry. */
  keys: v.optional(v.array(providerKey)),
});

const money = v.pipe(v.number(), v.minValue(0));
const day = v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\d$/, 'expected a day such as 2026-11-30'));

/** What a model costs, in units of the currency a million tokens; see `guard/http/prices.ts`. */
const price = v.strictObject({
  /** Glob over the model's name. The first line that names it holds, before what Culvert ships. */
  model: text,
  /** Default `USD`. */
  currency: v.optional(v.pipe(v.string(), v.regex(/^[A-Z]{3}$/, 'expected the three capitals of a currency'))),
  /** A million tokens of the prompt. */
  input: money,
  /** Those of them that the provider had kept from before. Default: as `input`. */
  cached: v.optional(money),
  /** Those of them that it keeps for later. Default: as `input`. */
  cacheWrite: v.optional(money),
  /** A million tokens of the answer. */
  output: money,
  /** Those of them that were thought and not shown. Default: as `output`. */
  reasoning: v.optional(money),
  /** The day it was looked up. */
  checked: day,
  /** Where it stands: an address, a contract's number. */
  source: text,
});

const modelName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'expected a plain name'));

/** One of the models that an alias stands for. */
const aliasTarget = v.strictObject({
  /** The model's name, as its service knows it. */
  model: text,
  /** The dark service that is asked for it. Default: whichever has it. */
  service: v.optional(text),
  /** Its share of first questions among the alias's models; 0: asked only where those before it are not there. Default 1. */
  weight: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1_000_000))),
});

const failover = v.strictObject({
  /** So many questions in a row that a service did not answer, and it is asked last for a while. Default 3. */
  failures: v.optional(positive),
  /** How long. Default 30. */
  restSeconds: v.optional(positive),
});

/** A model that `auto` may choose; its `when` holds before all, then its examples, then what it is for. */
const autoRoute = v.strictObject({
  /** The model's name, or an alias. */
  model: text,
  /** Chosen where all of this holds; the first route of the list wins. */
  when: v.optional(
    v.pipe(
      v.strictObject({
        /** The question has at least so many tokens, by an estimate, instructions and earlier turns included. */
        tokens: v.optional(positive),
        /** It holds program code, or none. */
        code: v.optional(v.boolean()),
        /** It offers tools, or none. */
        tools: v.optional(v.boolean()),
        /** It holds any of these words, whatever their case. */
        words: v.optional(v.array(text)),
        /** It holds a letter of any of these alphabets. */
        alphabets: v.optional(v.array(v.picklist(alphabetNames))),
      }),
      v.check((when) => Object.keys(when).length > 0, 'expected a condition'),
    ),
  ),
  /** Questions that it is for, compared by `embeddings`. */
  examples: v.optional(v.array(text)),
  /** What it is for, in words that the `classifier` is told. */
  purpose: v.optional(text),
});

const auto = v.strictObject({
  /** The model that is asked where nothing chooses another. */
  otherwise: text,
  /** Models that may be chosen. */
  routes: v.array(autoRoute),
  /** Compare the question with the routes' examples where no rule holds. */
  embeddings: v.optional(
    v.strictObject({
      /** An embedding model among the dark model services. */
      model: text,
      /** How like an example a question must be, 1 being the same. Default 0.5. */
      atLeast: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
    }),
  ),
  /** Ask a model which route fits where neither rules nor examples say. */
  classifier: v.optional(
    v.strictObject({
      /** A model among the dark model services; a small one will do. */
      model: text,
    }),
  ),
});

const llm = v.pipe(
  v.strictObject({
    /** Where the endpoint for models listens from the start. Default: a free port of 127.0.0.1, once `culvert env` or `agent run` leads a program there. */
    listen: v.optional(ownHostPort),
    /** What models cost, where it is not what Culvert ships. Used by `costBudget` and for the record. */
    prices: v.optional(v.array(price)),
    /** Names of one's own for models, at the endpoint of `culvert llm serve`: each for one model, or for several by weight. */
    aliases: v.optional(v.record(modelName, list(v.union([text, aliasTarget])))),
    /** What the model's name `auto` stands for there: chosen for each question. Without it, `auto` is a name like any other. */
    auto: v.optional(auto),
    /** When a model service that does not answer is left alone for a while. */
    failover: v.optional(failover),
  }),
  v.check(
    ({ aliases, auto: choice }) => choice === undefined || aliases?.['auto'] === undefined,
    'auto cannot be an alias as well',
  ),
);

const pkcs11 = v.strictObject({
  /** Modules that may be loaded though others than root could change them; by their full path. */
  modules: v.optional(v.array(text)),
});

/** All of `culvert.yaml`. The reference of the settings is made from it and from the comments here. */
export const configSchema = v.strictObject({
  /** How traffic enters. Default `auto`: `tun` where it may, else `proxy`. */
  mode: v.optional(v.picklist(['auto', 'tun', 'proxy', 'host'])),
  /** SOCKS5 and HTTP CONNECT on one port, and plain ports for single services. */
  proxy: v.optional(proxy),
  /** Addresses that stand for names, in mode `tun`. */
  ranges: v.optional(ranges),
  /** Services whose machines have the addresses of others, as identical cells do: each is dialled under a prefix of its own here. */
  mapping: v.optional(v.array(mapping)),
  /** Names, in mode `tun`. */
  dns: v.optional(dns),
  /** The interface, in mode `tun`. */
  tun: v.optional(tun),
  /** The window in a browser. */
  console: v.optional(consoleListener),
  /** Where the record goes to besides the journal. */
  exporters: v.optional(v.array(exporter)),
  /** Ask the machines behind hosted services what they are, by reads alone, when `culvert inventory` is called. Default false. */
  inventory: v.optional(v.boolean()),
  /** Which program is which agent, by a short name each; see [agents](agents.md). */
  agents: v.optional(v.record(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected a short name')), agent)),
  /** What is put into the requests of services hosted here. */
  hosting: v.optional(hosting),
  /** Models: what they cost, and how the local endpoint for them chooses. */
  llm: v.optional(llm),
  /** Local rules, and what follows from odd behaviour. */
  policy: v.optional(policy),
  /** The journal. */
  audit: v.optional(audit),
  /** Be the witness of other devices. */
  witness: v.optional(witness),
  /** How `culvert collect` keeps what devices send. */
  collect: v.optional(collect),
  /** Recordings of sessions hosted here, where their contract asks for them. */
  recordings: v.optional(recordings),
  /** The engine's log. The record is not the log. */
  log: v.optional(log),
  /** Who besides its own user may use the engine. */
  socket: v.optional(socket),
  /** Keys on PKCS#11 tokens. */
  pkcs11: v.optional(pkcs11),
});

/** The settings, parsed. */
export type EngineConfig = Readonly<v.InferOutput<typeof configSchema>>;
/** One entry of `agents:`. */
export type AgentConfig = Readonly<v.InferOutput<typeof agent>>;
/** The `llm:` part. */
export type LlmConfig = NonNullable<EngineConfig['llm']>;
/** The `recordings:` part. */
export type RecordingsConfig = NonNullable<EngineConfig['recordings']>;
/** The `hosting:` part. */
export type HostingConfig = NonNullable<EngineConfig['hosting']>;

/** Parse the text of a `culvert.yaml`. Throws `engine.config_invalid`; `details.issues` lists every `{ path, message }`. */
export function parseConfig(yaml: string, file: string): EngineConfig {
  let raw: unknown;
  try {
    raw = parseYaml(yaml, { maxAliasCount: 50 }) ?? {};
  } catch (error) {
    const message = (error as Error).message.split('\n')[0] ?? 'not YAML';
    throw invalidSettings(file, [{ path: '', message }], error);
  }
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    throw invalidSettings(file, [{ path: '', message: 'expected settings by name' }]);
  }
  const result = v.safeParse(configSchema, raw);
  if (result.success) return result.output;
  throw invalidSettings(file, result.issues.map(describe));
}

/** Where rules and contracts are: the directory that the settings name, else `policy.d` of the state directory. */
export function policyDirectory(stateDirectory: string, { policy }: Pick<EngineConfig, 'policy'>): string {
  return policy?.directory ?? join(stateDirectory, 'policy.d');
}

/** Read and parse a config file. A file that is not there is an empty config, unless `required`. */
export async function readConfig(file: string, required: boolean): Promise<EngineConfig> {
  const yaml = await readIfThere(file).catch((error: unknown) => {
    throw invalidSettings(file, [{ path: '', message: (error as Error).message }], error);
  });
  if (yaml !== undefined) return parseConfig(yaml, file);
  if (required) throw invalidSettings(file, [{ path: '', message: 'there is no such file' }]);
  return {};
}

interface Issue {
  readonly path: string;
  readonly message: string;
}

function describe(issue: v.BaseIssue<unknown>): Issue {
  const path = v.getDotPath(issue) ?? '';
  if (issue.type !== 'strict_object') return { path, message: issue.message };
  return issue.expected === 'never' ? { path, message: 'unknown field' } : { path, message: issue.message };
}

/** `engine.config_invalid`, with every issue in its details. */
export function invalidSettings(file: string, issues: readonly Issue[], cause?: unknown): TunnelerError {
  const told = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return new TunnelerError('engine.config_invalid', `${file}: ${told}`, { cause, details: { file, issues } });
}
