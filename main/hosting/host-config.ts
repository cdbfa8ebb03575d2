/** `host.v2`, `host.v1` and the older `ziti-tunneler-server.v1`: how a service is hosted, parsed once. */
import type * as v from 'valibot';
import { parseConfig } from '../base/config-fields.ts';
import type { Protocol } from '../base/flow.ts';
import { parseCidr, parseHostPort } from '../base/ip.ts';
import type { Cidr } from '../base/ip.ts';
import { parseAllowedAddress, parseTranslation } from './allow-list.ts';
import type { AddressTranslation, AllowedAddress } from './allow-list.ts';
import { hostV1, hostV2, parseDurationMs, serverV1 } from './host-schema.ts';
import type { HostV1, RawCheckAction } from './host-schema.ts';
import { TunnelerError } from '../base/errors.ts';
import { isSerialAddress, parseSerialAddress, type SerialSettings } from './serial/serial-settings.ts';

/** Config types in order of preference. Source: openziti/ziti tunnel/intercept/svcpoll.go. */
export const hostConfigTypes = ['host.v2', 'host.v1', 'ziti-tunneler-server.v1'] as const;

/** The router gives a host 5 s to answer a dial (openziti/ziti router/xgress_edge), so a longer connect cannot succeed. */
export const maxConnectTimeoutMs = 4_500;
/** Terminators, one a router. Source: openziti/sdk-golang ziti/options.go, DefaultMaxConnections of the tunnelers. */
const defaultMaxConnections = 3;

/** A fixed value, or the dialer's own within limits. */
export type Forwardable<F, A> =
  { readonly forward: false; readonly value: F } | { readonly forward: true; readonly allowed: A };

/** What an action does to the terminator. */
export type CheckEffect =
  { readonly kind: 'healthy' | 'unhealthy' | 'event' } | { readonly kind: 'cost'; readonly change: number };

/** When a check's results have an effect, and which. */
export interface CheckAction {
  readonly trigger: 'fail' | 'pass' | 'change';
  readonly consecutiveEvents: number | undefined;
  readonly durationMs: number | undefined;
  readonly effect: CheckEffect;
}

/** One check of a terminator. */
export interface HealthCheck {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly actions: readonly CheckAction[];
  readonly probe:
    | { readonly kind: 'port'; readonly host: string; readonly port: number }
    | {
        readonly kind: 'http';
        readonly url: string;
        readonly method: string;
        readonly body: string | undefined;
        readonly expectStatus: number;
        readonly expectInBody: string | undefined;
      };
}

/** One listener of a service. */
export interface HostTerminator {
  readonly protocol: Forwardable<
    Protocol,
    {
      readonly protocols: readonly Protocol[];
      /** Where the dialer names none. */ readonly otherwise: Protocol | undefined;
    }
  >;
  readonly address: Forwardable<
    string,
    { readonly addresses: readonly AllowedAddress[]; readonly translations: readonly AddressTranslation[] }
  >;
  readonly port: Forwardable<number, { readonly ranges: readonly { readonly low: number; readonly high: number }[] }>;
  /** Addresses a dialer may ask its connection to come from. */
  readonly allowedSources: readonly Cidr[];
  readonly connectTimeoutMs: number;
  readonly identityTemplate: string | undefined;
  readonly bindUsingEdgeIdentity: boolean;
  readonly cost: number | undefined;
  readonly precedence: 'default' | 'required' | 'failed' | undefined;
  readonly maxConnections: number;
  readonly checks: readonly HealthCheck[];
  /** The target is a serial line, and `address` its device: what is dialled is Modbus/TCP, what the line has Modbus RTU. */
  readonly serial: SerialSettings | undefined;
  /** HTTP proxy that TCP goes out by. */
  readonly proxy: { readonly host: string; readonly port: number } | undefined;
}

/** A config as far as it is understood. */
export interface ParsedHost {
  /** Absent: the service cannot be hosted with this config; `problems` say why. */
  readonly terminators: readonly HostTerminator[] | undefined;
  readonly problems: readonly string[];
}

/** A service that Culvert answers itself: one listener, whose target is a name that is never looked up. */
export const answeredHere: ParsedHost = {
  terminators: [
    {
      protocol: { forward: false, value: 'tcp' },
      address: { forward: false, value: 'culvert' },
      port: { forward: false, value: 0 },
      allowedSources: [],
      connectTimeoutMs: maxConnectTimeoutMs,
      identityTemplate: undefined,
      bindUsingEdgeIdentity: false,
      cost: undefined,
      precedence: undefined,
      maxConnections: defaultMaxConnections,
      checks: [],
      serial: undefined,
      proxy: undefined,
    },
  ],
  problems: [],
};

/** How a service is hosted, by the best config type it has; undefined where it has none. Never throws. */
export function parseHostConfigs(configs: Readonly<Record<string, unknown>>): ParsedHost | undefined {
  const type = hostConfigTypes.find((candidate) => Object.hasOwn(configs, candidate));
  if (type === undefined) return undefined;
  const problems: string[] = [];
  const report = (problem: string): void => void problems.push(`${type}: ${problem}`);
  try {
    return { terminators: parseTerminators(type, configs[type], report), problems };
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
    return { terminators: undefined, problems };
  }
}

type Report = (problem: string) => void;

function parseTerminators(
  type: (typeof hostConfigTypes)[number],
  raw: unknown,
  report: Report,
): readonly HostTerminator[] {
  if (type === 'host.v2') {
    const { terminators } = demand(hostV2, raw, report);
    return terminators.map((terminator) => toTerminator(terminator, report));
  }
  if (type === 'host.v1') return [toTerminator(demand(hostV1, raw, report), report)];
  const { hostname, port, protocol, portChecks, httpChecks } = demand(serverV1, raw, report);
  const fixed = protocol === undefined || protocol === null ? undefined : protocol;
  const terminator = toTerminator(
    { address: hostname, port, protocol: fixed ?? 'tcp', portChecks, httpChecks },
    report,
  );
  // Without a protocol of its own the older config takes the dialer's.
  return fixed !== undefined
    ? [terminator]
    : [{ ...terminator, protocol: { forward: true, allowed: { protocols: ['tcp', 'udp'], otherwise: 'tcp' } } }];
}

function demand<S extends v.GenericSchema>(schema: S, raw: unknown, report: Report): v.InferOutput<S> {
  const parsed = parseConfig(schema, raw);
  for (const path of parsed.unknown) report(`${path}: unknown field, ignored`);
  if (parsed.ok) return parsed.value;
  throw invalid(parsed.problems.join('; '));
}

function invalid(sentence: string): TunnelerError {
  return new TunnelerError('hosting.config_invalid', sentence);
}

function toTerminator(raw: HostV1, report: Report): HostTerminator {
  const listen = raw.listenOptions ?? {};
  const timeoutMs =
    parseDurationMs(listen.connectTimeout ?? undefined) ??
    (typeof listen.connectTimeoutSeconds === 'number' ? listen.connectTimeoutSeconds * 1000 : undefined) ??
    maxConnectTimeoutMs;
  const serial = serialOf(raw);
  return {
    protocol: protocolOf(raw),
    address: serial === undefined ? addressOf(raw, report) : { forward: false, value: serial.path },
    port: portOf(raw),
    allowedSources: keep(raw.allowedSourceAddresses ?? [], parseCidr, 'allowedSourceAddresses', report),
    connectTimeoutMs: timeoutMs > 0 ? Math.min(timeoutMs, maxConnectTimeoutMs) : maxConnectTimeoutMs,
    identityTemplate: listen.identity === null || listen.identity === '' ? undefined : listen.identity,
    bindUsingEdgeIdentity: listen.bindUsingEdgeIdentity ?? false,
    cost: listen.cost ?? undefined,
    precedence: listen.precedence ?? undefined,
    maxConnections: listen.maxConnections ?? defaultMaxConnections,
    checks: checksOf(raw),
    serial,
    proxy:
      raw.proxy === undefined || raw.proxy === null ? undefined : parseHostPort(raw.proxy.address, 'proxy.address'),
  };
}

function protocolOf(raw: HostV1): HostTerminator['protocol'] {
  if (raw.forwardProtocol === true) {
    const protocols = raw.allowedProtocols ?? [];
    if (protocols.length === 0) throw invalid('forwardProtocol is set, but allowedProtocols allows none');
    return { forward: true, allowed: { protocols, otherwise: undefined } };
  }
  if (raw.protocol === undefined || raw.protocol === null)
    throw invalid('protocol: missing, and forwardProtocol is not set');
  return { forward: false, value: raw.protocol };
}

function addressOf(raw: HostV1, report: Report): HostTerminator['address'] {
  if (raw.forwardAddress === true) {
    const addresses = keep(raw.allowedAddresses ?? [], parseAllowedAddress, 'allowedAddresses', report);
    if (addresses.length === 0) throw invalid('forwardAddress is set, but allowedAddresses allows none');
    const translations = keep(
      raw.forwardAddressTranslations ?? [],
      parseTranslation,
      'forwardAddressTranslations',
      report,
    );
    return {
      forward: true,
      allowed: { addresses, translations: translations.sort((a, b) => b.from.prefixLength - a.from.prefixLength) },
    };
  }
  if (raw.address === undefined || raw.address === null || raw.address === '') {
    throw invalid('address: missing, and forwardAddress is not set');
  }
  return { forward: false, value: raw.address };
}

function serialOf(raw: HostV1): SerialSettings | undefined {
  const { address } = raw;
  if (raw.forwardAddress === true || typeof address !== 'string' || !isSerialAddress(address)) return undefined;
  const settings = parseSerialAddress(address);
  if (typeof settings === 'string') throw invalid(`address: a serial line: ${settings}`);
  if (raw.forwardProtocol === true || raw.protocol !== 'tcp') {
    throw invalid('address: a serial line is dialled as Modbus/TCP, so the protocol is tcp');
  }
  return settings;
}

function portOf(raw: HostV1): HostTerminator['port'] {
  if (raw.forwardPort === true) {
    const ranges = (raw.allowedPortRanges ?? []).filter(({ low, high }) => low <= high);
    if (ranges.length === 0) throw invalid('forwardPort is set, but allowedPortRanges allows none');
    return { forward: true, allowed: { ranges } };
  }
  if (raw.port === undefined || raw.port === null) throw invalid('port: missing, and forwardPort is not set');
  return { forward: false, value: raw.port };
}

function checksOf(raw: HostV1): HealthCheck[] {
  const checks: HealthCheck[] = [];
  for (const check of raw.portChecks ?? []) {
    checks.push({ ...timing(check), probe: { kind: 'port', ...parseHostPort(check.address, 'portChecks.address') } });
  }
  for (const check of raw.httpChecks ?? []) {
    if (!/^https?:\/\//i.test(check.url) || !URL.canParse(check.url)) {
      throw invalid(`httpChecks.url: expected an http or https URL, got "${check.url}"`);
    }
    checks.push({
      ...timing(check),
      probe: {
        kind: 'http',
        url: check.url,
        method: check.method ?? 'GET',
        body: check.body ?? undefined,
        expectStatus: check.expectStatus ?? 200,
        expectInBody: check.expectInBody ?? undefined,
      },
    });
  }
  return checks;
}

function timing(check: {
  readonly interval: string;
  readonly timeout: string;
  readonly actions?: readonly RawCheckAction[] | null | undefined;
}): { intervalMs: number; timeoutMs: number; actions: CheckAction[] } {
  return {
    // No faster than ten times a second, whatever the config says.
    intervalMs: Math.max(parseDurationMs(check.interval) ?? 0, 100),
    timeoutMs: Math.max(parseDurationMs(check.timeout) ?? 0, 1),
    actions: (check.actions ?? []).map((action) => ({
      trigger: action.trigger,
      consecutiveEvents: action.consecutiveEvents ?? undefined,
      durationMs: parseDurationMs(action.duration ?? undefined),
      effect: effectOf(action.action),
    })),
  };
}

function effectOf(action: string): CheckEffect {
  if (action === 'mark healthy') return { kind: 'healthy' };
  if (action === 'mark unhealthy') return { kind: 'unhealthy' };
  const cost = /^(increase|decrease) cost (\d{1,5})$/.exec(action);
  if (cost === null) return { kind: 'event' };
  return { kind: 'cost', change: cost[1] === 'increase' ? Number(cost[2]) : -Number(cost[2]) };
}

function keep<T, R>(items: readonly T[], parse: (item: T) => R | undefined, field: string, report: Report): R[] {
  const kept: R[] = [];
  for (const item of items) {
    const parsed = parse(item);
    if (parsed === undefined) report(`${field}: not understood and left out: ${JSON.stringify(item).slice(0, 100)}`);
    else kept.push(parsed);
  }
  return kept;
}
