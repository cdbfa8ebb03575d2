/** `intercept.v1` and the older `ziti-tunneler-client.v1`: what a service claims, parsed once. */
import * as v from 'valibot';
import { parseConfig } from '../base/config-fields.ts';
import type { Protocol } from '../base/flow.ts';
import { canonicalName } from '../base/hostname.ts';
import { addressBytes, addressFromBytes, parseCidr } from '../base/ip.ts';
import type { Cidr } from '../base/ip.ts';

/** Config types in order of preference. Source: openziti/ziti tunnel/intercept/svcpoll.go. */
export const interceptConfigTypes = ['intercept.v1', 'ziti-tunneler-client.v1'] as const;

/**
 * The peers' default where dialOptions name no time; without any dialOptions they give 5 s, which a thousand dials at once outlast on a small
 * controller. Source: openziti/ziti tunnel/intercept/svcpoll.go.
 */
const defaultDialTimeoutMs = 15_000;

const port = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535));
const text = v.pipe(v.string(), v.minLength(1));

/** Source of both schemas: openziti/ziti tunnel/entities/{intercept.v1,ziti-tunneler-client.v1}.json. */
const interceptV1 = v.object({
  protocols: v.pipe(v.array(v.string()), v.minLength(1)),
  addresses: v.pipe(v.array(v.string()), v.minLength(1)),
  portRanges: v.pipe(v.array(v.object({ low: port, high: port })), v.minLength(1)),
  dialOptions: v.optional(
    v.nullable(
      v.object({
        connectTimeoutSeconds: v.optional(
          v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(86_400))),
        ),
        identity: v.optional(v.nullable(v.string())),
      }),
    ),
  ),
  sourceIp: v.optional(v.nullable(v.string())),
  allowedSourceAddresses: v.optional(v.nullable(v.array(v.string()))),
});
const clientV1 = v.object({ hostname: text, port });

/** A name, all names beneath a domain, or a range of addresses. */
export type AddressClaim =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'wildcard'; readonly domain: string }
  | { readonly kind: 'prefix'; readonly prefix: Cidr };

/** What one service claims, in one form for both config types. */
export interface InterceptConfig {
  readonly protocols: readonly Protocol[];
  readonly addresses: readonly AddressClaim[];
  readonly portRanges: readonly { readonly low: number; readonly high: number }[];
  readonly dialTimeoutMs: number;
  readonly identityTemplate: string | undefined;
  readonly sourceTemplate: string | undefined;
  /** Absent: from anywhere. */
  readonly allowedSources: readonly Cidr[] | undefined;
}

/** A config as far as it is understood. */
export interface ParsedIntercept {
  /** Absent: nothing can be intercepted with this config; `problems` say why. */
  readonly config: InterceptConfig | undefined;
  readonly problems: readonly string[];
}

/** A service's claim, from the best config type it has; undefined where it has none. Never throws. */
export function parseInterceptConfigs(configs: Readonly<Record<string, unknown>>): ParsedIntercept | undefined {
  const type = interceptConfigTypes.find((candidate) => Object.hasOwn(configs, candidate));
  if (type === undefined) return undefined;
  const parsed = type === 'intercept.v1' ? fromInterceptV1(configs[type]) : fromClientV1(configs[type]);
  return { config: parsed.config, problems: parsed.problems.map((problem) => `${type}: ${problem}`) };
}

/** One entry of `addresses`: whatever is neither address, prefix nor `*.domain` is a name. Undefined where it is not even that. */
export function parseAddressClaim(address: string): AddressClaim | undefined {
  const prefix = parseCidr(address);
  if (prefix !== undefined) return { kind: 'prefix', prefix: withoutHostBits(prefix) };
  if (address.startsWith('*.')) {
    const domain = canonicalName(address.slice(2));
    return domain === undefined ? undefined : { kind: 'wildcard', domain };
  }
  const name = canonicalName(address);
  return name === undefined ? undefined : { kind: 'name', name };
}

/** `10.1.2.3/16` means `10.1.0.0/16`, which is what a route can be set for. */
function withoutHostBits(prefix: Cidr): Cidr {
  const bytes = addressBytes(prefix.text.slice(0, prefix.text.indexOf('/')));
  if (bytes === undefined) return prefix;
  const masked = bytes.map((byte, at) => {
    const bits = prefix.prefixLength - at * 8;
    return bits >= 8 ? byte : bits <= 0 ? 0 : byte & (0xff << (8 - bits));
  });
  return parseCidr(`${addressFromBytes(masked)}/${prefix.prefixLength}`) ?? prefix;
}

function fromClientV1(raw: unknown): ParsedIntercept {
  const parsed = parseConfig(clientV1, raw);
  const problems = parsed.unknown.map(unknownField);
  if (!parsed.ok) return { config: undefined, problems: [...problems, ...parsed.problems] };
  const { hostname, port } = parsed.value;
  return fromInterceptV1(
    { protocols: ['tcp', 'udp'], addresses: [hostname], portRanges: [{ low: port, high: port }] },
    problems,
  );
}

function fromInterceptV1(raw: unknown, earlier: readonly string[] = []): ParsedIntercept {
  const parsed = parseConfig(interceptV1, raw);
  const problems = [...earlier, ...parsed.unknown.map(unknownField)];
  if (!parsed.ok) return { config: undefined, problems: [...problems, ...parsed.problems] };
  const { value } = parsed;

  const protocols = keep(value.protocols, problems, 'protocols', 'tcp or udp', (name) =>
    name === 'tcp' || name === 'udp' ? name : undefined,
  );
  const addresses = keep(
    value.addresses,
    problems,
    'addresses',
    'an address, prefix, name or *.domain',
    parseAddressClaim,
  );
  const portRanges = keep(value.portRanges, problems, 'portRanges', 'low not above high', (range) =>
    range.low <= range.high ? range : undefined,
  );
  const sources = value.allowedSourceAddresses ?? undefined;
  const allowedSources =
    sources === undefined || sources.length === 0
      ? undefined
      : keep(sources, problems, 'allowedSourceAddresses', 'an address or prefix', parseCidr);
  if (protocols.length === 0 || addresses.length === 0 || portRanges.length === 0)
    return { config: undefined, problems };

  const options = value.dialOptions ?? undefined;
  const seconds = options?.connectTimeoutSeconds ?? undefined;
  return {
    problems,
    config: {
      protocols: [...new Set(protocols)],
      addresses,
      portRanges,
      dialTimeoutMs: seconds !== undefined && seconds > 0 ? seconds * 1000 : defaultDialTimeoutMs,
      identityTemplate: nonEmpty(options?.identity),
      sourceTemplate: nonEmpty(value.sourceIp),
      allowedSources,
    },
  };
}

/** A service without any claim, dialled by its name alone. */
export const plainDialTimeoutMs = defaultDialTimeoutMs;

function keep<T, R>(
  items: readonly T[],
  problems: string[],
  field: string,
  expected: string,
  parse: (item: T) => R | undefined,
): R[] {
  const kept: R[] = [];
  for (const item of items) {
    const parsed = parse(item);
    if (parsed === undefined)
      problems.push(`${field}: expected ${expected}, got ${JSON.stringify(item).slice(0, 100)}`);
    else kept.push(parsed);
  }
  return kept;
}

function unknownField(path: string): string {
  return `${path}: unknown field, ignored`;
}

function nonEmpty(value: string | null | undefined): string | undefined {
  return value === null || value === undefined || value === '' ? undefined : value;
}
