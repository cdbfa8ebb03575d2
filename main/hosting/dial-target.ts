/** From a dialer's app data and the host config to the place to connect to, or the reason why not. Pure. */
import type { Protocol } from '../base/flow.ts';
import { canonicalName } from '../base/hostname.ts';
import { canonicalAddress, parseHostPort } from '../base/ip.ts';
import { allowsAddress, allowsName, translate } from './allow-list.ts';
import type { HostTerminator } from './host-config.ts';

/** Far more than any tunneler sends; the C tunneler's buffer holds 256 bytes. */
const maxAppDataBytes = 64 * 1024;

/** What a dialer says of its flow, in the keys of OpenZiti's tunnelers. */
export type AppData = Readonly<Record<string, string>>;

/** App data as far as it can be read. */
export type ParsedAppData =
  { readonly kind: 'data'; readonly values: AppData } | { readonly kind: 'broken'; readonly sentence: string };

/** The string values of a dialer's JSON object; empty where it sent nothing. Never throws, whatever the bytes. */
export function parseAppData(bytes: Uint8Array | undefined): ParsedAppData {
  if (bytes === undefined || bytes.length === 0) return { kind: 'data', values: {} };
  if (bytes.length > maxAppDataBytes)
    return { kind: 'broken', sentence: `app data of ${bytes.length} bytes is too long` };
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The parser's own words would repeat the dialer's bytes.
    return { kind: 'broken', sentence: 'app data is not JSON' };
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return { kind: 'broken', sentence: 'app data is not a JSON object' };
  }
  return {
    kind: 'data',
    values: Object.fromEntries(
      Object.entries(raw).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
  };
}

/** The place a dial leads to on this host's network. */
export interface DialTarget {
  readonly protocol: Protocol;
  readonly host: string;
  readonly port: number;
  /** Where the connection is to come from. Port 0: any. */
  readonly source: { readonly host: string; readonly port: number } | undefined;
}

/** Where a dial leads, or why it leads nowhere. */
export type TargetDecision =
  { readonly kind: 'target'; readonly target: DialTarget } | { readonly kind: 'refused'; readonly sentence: string };

/** Order and rules as the peers have them. Source: openziti/ziti tunnel/entities/service.go. */
export function decideTarget(terminator: HostTerminator, data: AppData): TargetDecision {
  const protocol = decideProtocol(terminator.protocol, data);
  if (protocol.kind === 'refused') return protocol;
  const host = decideHost(terminator.address, data);
  if (host.kind === 'refused') return host;
  const port = decidePort(terminator.port, data);
  if (port.kind === 'refused') return port;
  const source = decideSource(terminator, data);
  if (source.kind === 'refused') return source;
  return {
    kind: 'target',
    target: { protocol: protocol.value, host: host.value, port: port.value, source: source.value },
  };
}

type Decision<T> =
  { readonly kind: 'value'; readonly value: T } | { readonly kind: 'refused'; readonly sentence: string };

const value = <T>(value: T): Decision<T> => ({ kind: 'value', value });
const refused = (sentence: string): { kind: 'refused'; sentence: string } => ({ kind: 'refused', sentence });

function decideProtocol(rule: HostTerminator['protocol'], data: AppData): Decision<Protocol> {
  if (!rule.forward) return value(rule.value);
  const asked = data['dst_protocol'] ?? rule.allowed.otherwise;
  if (asked === undefined) return refused('the service forwards the protocol, but the dialer named none');
  const allowed = rule.allowed.protocols.find((protocol) => protocol === asked.toLowerCase());
  return allowed === undefined ? refused(`protocol ${printable(asked)} is not allowed`) : value(allowed);
}

function decideHost(rule: HostTerminator['address'], data: AppData): Decision<string> {
  if (!rule.forward) return value(rule.value);
  const { addresses, translations } = rule.allowed;
  const named = data['dst_hostname'];
  // A name, once given, is what counts: the address beside it is the dialer's synthetic one.
  const literal = canonicalAddress(named !== undefined && named !== '' ? named : (data['dst_ip'] ?? ''));
  if (literal !== undefined) {
    if (!allowsAddress(addresses, literal)) return refused(`address ${literal} is not allowed`);
    return value(translate(translations, literal));
  }
  if (named === undefined || named === '')
    return refused('the service forwards the address, but the dialer named none');
  const name = canonicalName(named);
  if (name === undefined || !allowsName(addresses, name)) return refused(`name ${printable(named)} is not allowed`);
  return value(name);
}

function decidePort(rule: HostTerminator['port'], data: AppData): Decision<number> {
  if (!rule.forward) return value(rule.value);
  const asked = data['dst_port'];
  if (asked === undefined) return refused('the service forwards the port, but the dialer named none');
  const port = /^\d{1,5}$/.test(asked) ? Number(asked) : -1;
  const allowed = rule.allowed.ranges.some(({ low, high }) => port >= low && port <= high);
  return allowed && port >= 1 && port <= 65535 ? value(port) : refused(`port ${printable(asked)} is not allowed`);
}

function decideSource(terminator: HostTerminator, data: AppData): Decision<DialTarget['source']> {
  const asked = data['source_addr'];
  if (asked === undefined || asked === '') return value(undefined);
  const bare = canonicalAddress(asked);
  const source = bare === undefined ? hostPort(asked) : { host: bare, port: 0 };
  const host = source === undefined ? undefined : canonicalAddress(source.host);
  if (source === undefined || host === undefined) return refused(`source address ${printable(asked)} is none`);
  if (!terminator.allowedSources.some((prefix) => prefix.contains(host))) {
    return refused(`source address ${host} is not allowed`);
  }
  return value({ host, port: source.port });
}

function hostPort(text: string): { host: string; port: number } | undefined {
  return /^(?:\[[^\]]+\]|[^:]+):\d{1,5}$/.test(text) && Number(/\d+$/.exec(text)?.[0]) <= 65535
    ? parseHostPort(text, 'source_addr')
    : undefined;
}

/** A dialer's text for a log or an answer: short, and no control characters. */
function printable(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
