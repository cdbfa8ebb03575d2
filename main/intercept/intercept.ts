/** Which service of which identity claims a destination. Pure: no I/O, no clock; state is what `replace` was given last. */
import { carriesFrames, frameConfigs } from '../base/frame-configs.ts';
import type { FlowRequest } from '../base/flow.ts';
import { defined, whenDefined } from '../base/defined.ts';
import { canonicalName } from '../base/hostname.ts';
import { canonicalAddress, formatHostPort } from '../base/ip.ts';
import { renderTemplate } from '../base/tunneler-template.ts';
import type { ZitiService } from '../ziti/model.ts';
import { appDataOf, destinationOfService, templateFacts } from './app-data.ts';
import type { DialDestination, Tunneler } from './app-data.ts';
import { ClaimIndex } from './claim-index.ts';
import type { AddressHit, Claim } from './claim-index.ts';
import { parseInterceptConfigs, plainDialTimeoutMs } from './intercept-config.ts';
import type { InterceptConfig, ParsedIntercept } from './intercept-config.ts';
import { mapped, unmapped, type AddressMapping } from './mapping.ts';
import { targetFamily } from './target-family.ts';
import type { Intercept, InterceptProblem, InterceptTable, Match, MatchResult } from './match.ts';

/** Everything one identity brought. */
interface IdentityServices {
  readonly identity: string;
  readonly tunneler: Tunneler;
  /** Services that may be dialled. */
  readonly dialable: ClaimIndex;
  /** Services seen but not to be dialled: they explain a refusal, and never stand in another's way. */
  readonly forbidden: ClaimIndex;
  readonly byName: ReadonlyMap<string, OfferedService>;
}

interface OfferedService {
  readonly service: ZitiService;
  readonly config: InterceptConfig | undefined;
  readonly parsed: ParsedIntercept | undefined;
  /** The configs as text: while they stay the same they need not be parsed again. */
  readonly fingerprint: string;
  /** Its addresses that are others here. */
  readonly mappings: readonly AddressMapping[];
}

interface Scored {
  readonly holding: IdentityServices;
  readonly claim: Claim;
  readonly score: number;
}

/** An empty table, to be filled by `replace`. */
export function createIntercept(mappings: readonly AddressMapping[] = []): Intercept {
  const holdings = new Map<string, IdentityServices>();
  let table: InterceptTable | undefined;

  return {
    replace(identity, tunnelerName, services, tunnelerAppData = {}) {
      const problems: InterceptProblem[] = [];
      const tunneler = { name: tunnelerName, appData: tunnelerAppData };
      holdings.set(identity, hold(identity, tunneler, services, mappings, problems, holdings.get(identity)));
      table = undefined;
      return problems;
    },
    remove(identity) {
      if (holdings.delete(identity)) table = undefined;
    },
    rename(identity, to) {
      const holding = holdings.get(identity);
      if (holding === undefined) return;
      holdings.delete(identity);
      holdings.set(to, { ...holding, identity: to });
      table = undefined;
    },
    match(flow) {
      const destination = canonical(flow);
      const dialable = score(holdings.values(), flow, destination, (holding) => holding.dialable);
      const scored =
        dialable.length > 0 ? dialable : score(holdings.values(), flow, destination, (holding) => holding.forbidden);
      if (scored.length === 0) return none(flow, destination, holdings.values());
      return {
        kind: 'matched',
        matches: scored.map(({ holding, claim }) => toMatch(holding, claim.service, claim.config, flow, destination)),
      };
    },
    matchService(serviceName, flow) {
      return matchService(holdings.values(), serviceName, flow);
    },
    table() {
      table ??= tabulate(holdings.values());
      return table;
    },
  };
}

function hold(
  identity: string,
  tunneler: Tunneler,
  services: readonly ZitiService[],
  mappings: readonly AddressMapping[],
  problems: InterceptProblem[],
  before: IdentityServices | undefined,
): IdentityServices {
  const dialable: Claim[] = [];
  const forbidden: Claim[] = [];
  const byName = new Map<string, OfferedService>();
  for (const service of services) {
    const fingerprint = JSON.stringify(service.configs);
    const known = before?.byName.get(service.name);
    const parsed = known?.fingerprint === fingerprint ? known.parsed : parseInterceptConfigs(service.configs);
    const own = mappings.filter((mapping) => mapping.service === service.name);
    const config = parsed?.config && mapped(parsed.config, own);
    byName.set(service.name, { service, config, parsed, fingerprint, mappings: own });
    if (parsed === undefined) {
      if (carriesFrames(service.configs)) problems.push(frameProblem(identity, service));
      continue;
    }
    if (parsed.problems.length > 0) problems.push(problemOf(identity, service, parsed.problems, config === undefined));
    if (config === undefined) continue;
    (service.permissions.includes('Dial') ? dialable : forbidden).push({ service, config });
  }
  return { identity, tunneler, dialable: new ClaimIndex(dialable), forbidden: new ClaimIndex(forbidden), byName };
}

/** Nothing of it can be intercepted: it has no addresses and ports, but types of frames. */
function frameProblem(identity: string, service: ZitiService): InterceptProblem {
  return {
    service: service.name,
    identity,
    refused: true,
    reason: {
      code: 'intercept.layer2',
      sentence: `service ${service.name} carries layer-2 frames (${frameConfigs.intercept}), which Culvert does not do`,
      next: "reach it with OpenZiti's own tunneler, or ask for a service with addresses and ports",
    },
  };
}

function problemOf(
  identity: string,
  service: ZitiService,
  problems: readonly string[],
  refused: boolean,
): InterceptProblem {
  const said = problems.slice(0, 5).join('; ');
  return {
    service: service.name,
    identity,
    refused,
    reason: {
      code: 'intercept.config_invalid',
      sentence: `the config of service ${service.name} is ${refused ? 'broken' : 'not wholly understood'}: ${said}`,
      next: 'ask whoever keeps the service to mend its config on the controller',
    },
  };
}

/** Name and address as the index knows them; a name that is an address in text becomes that address. */
function canonical(flow: FlowRequest): DialDestination {
  const { hostname, address, port } = flow.destination;
  const literal = hostname === undefined ? undefined : canonicalAddress(hostname);
  if (literal !== undefined) return { hostname: undefined, address: literal, port };
  return {
    hostname: hostname === undefined ? undefined : canonicalName(hostname),
    address: address === undefined ? undefined : canonicalAddress(address),
    port,
  };
}

/**
 * The claims that fit, best first. A name outranks the address it resolved to. Score as both SDKs count it: how much of the address is left
 * open, then how wide the port range is; the lowest wins, a tie goes to the service's name. Sources: openziti/sdk-golang
 * ziti/edge/types.go, openziti/ziti-sdk-c library/internal_model.c.
 */
function score(
  holdings: Iterable<IdentityServices>,
  flow: FlowRequest,
  destination: DialDestination,
  indexOf: (holding: IdentityServices) => ClaimIndex,
): Scored[] {
  const byName: Scored[] = [];
  const byAddress: Scored[] = [];
  for (const holding of holdings) {
    const index = indexOf(holding);
    if (destination.hostname !== undefined) collect(byName, holding, index.byName(destination.hostname), flow);
    if (destination.address !== undefined) collect(byAddress, holding, index.byAddress(destination.address), flow);
  }
  return (byName.length > 0 ? byName : byAddress).sort(
    (a, b) =>
      a.score - b.score ||
      compare(a.claim.service.name, b.claim.service.name) ||
      compare(a.holding.identity, b.holding.identity),
  );
}

function collect(scored: Scored[], holding: IdentityServices, hits: readonly AddressHit[], flow: FlowRequest): void {
  for (const { claim, addressScore } of hits) {
    const { config } = claim;
    if (!config.protocols.includes(flow.protocol)) continue;
    const portScore = narrowestSpan(config, flow.destination.port);
    if (portScore === undefined || !sourceAllowed(config, flow)) continue;
    const total = addressScore * 65536 + portScore;
    const known = scored.findIndex((other) => other.claim === claim);
    if (known < 0) scored.push({ holding, claim, score: total });
    else if (total < (scored[known]?.score ?? 0)) scored[known] = { holding, claim, score: total };
  }
}

function narrowestSpan(config: InterceptConfig, port: number): number | undefined {
  let best: number | undefined;
  for (const { low, high } of config.portRanges) {
    if (port >= low && port <= high && (best === undefined || high - low < best)) best = high - low;
  }
  return best;
}

function sourceAllowed(config: InterceptConfig, flow: FlowRequest): boolean {
  return (
    config.allowedSources === undefined || config.allowedSources.some((cidr) => cidr.contains(flow.source.address))
  );
}

function toMatch(
  holding: IdentityServices,
  service: ZitiService,
  config: InterceptConfig | undefined,
  flow: FlowRequest,
  dialled: DialDestination,
): Match {
  const own = holding.byName.get(service.name)?.mappings ?? [];
  const destination = { ...dialled, address: whenDefined(dialled.address, (address) => unmapped(address, own)) };
  const facts = templateFacts(flow, destination, holding.tunneler);
  return {
    identity: holding.identity,
    service,
    dialTimeoutMs: config?.dialTimeoutMs ?? plainDialTimeoutMs,
    ...(config?.identityTemplate === undefined
      ? {}
      : { terminatorIdentity: renderTemplate(config.identityTemplate, facts) }),
    appData: appDataOf(flow, destination, config, facts),
  };
}

function matchService(holdings: Iterable<IdentityServices>, serviceName: string, flow: FlowRequest): MatchResult {
  const dialable: Match[] = [];
  const forbidden: Match[] = [];
  for (const holding of holdings) {
    const held = holding.byName.get(serviceName);
    if (held === undefined) continue;
    const list = held.service.permissions.includes('Dial') ? dialable : forbidden;
    list.push(toMatch(holding, held.service, held.config, flow, destinationOfService(flow, held.config)));
  }
  const matches = dialable.length > 0 ? dialable : forbidden;
  if (matches.length > 0) return { kind: 'matched', matches: matches.sort((a, b) => compare(a.identity, b.identity)) };
  return {
    kind: 'none',
    reason: {
      code: 'intercept.no_match',
      sentence: `none of your identities sees a service named ${serviceName}`,
      next: 'see culvert services for those they see, or ask for a policy that grants it',
    },
  };
}

/** Why nothing fits: no one claims the destination, or someone does but for another port, protocol or source. */
function none(flow: FlowRequest, destination: DialDestination, holdings: Iterable<IdentityServices>): MatchResult {
  const host = destination.hostname ?? destination.address ?? flow.destination.hostname ?? 'the destination';
  const where = `${formatHostPort(host, destination.port)} (${flow.protocol})`;
  for (const holding of holdings) {
    const hits = [
      ...(destination.hostname === undefined ? [] : holding.dialable.byName(destination.hostname)),
      ...(destination.address === undefined ? [] : holding.dialable.byAddress(destination.address)),
    ];
    const near = hits.sort((a, b) => a.addressScore - b.addressScore)[0]?.claim;
    if (near === undefined) continue;
    const { config, service } = near;
    const fits = config.protocols.includes(flow.protocol) && narrowestSpan(config, destination.port) !== undefined;
    const ports = config.portRanges.map(({ low, high }) => (low === high ? String(low) : `${low}–${high}`)).join(', ');
    return {
      kind: 'none',
      reason: {
        code: 'intercept.no_match',
        sentence: fits
          ? `service ${service.name} claims ${where}, but not for connections from ${flow.source.address}`
          : `service ${service.name} claims ${host}, but only ${config.protocols.join(' and ')} on port ${ports}, not ${where}`,
      },
    };
  }
  return {
    kind: 'none',
    reason: {
      code: 'intercept.no_match',
      sentence: `no service of your identities claims ${where}`,
      next: 'check the name and port, and see culvert services for what you may reach',
    },
  };
}

function tabulate(holdings: Iterable<IdentityServices>): InterceptTable {
  const names: InterceptTable['names'][number][] = [];
  const wildcards: InterceptTable['wildcards'][number][] = [];
  const prefixes: InterceptTable['prefixes'][number][] = [];
  for (const { identity, dialable } of holdings) {
    for (const { service, config } of dialable.claims) {
      for (const address of config.addresses) {
        const owner = { service: service.name, identity };
        if (address.kind === 'prefix') {
          prefixes.push({ prefix: address.prefix.text, ...owner });
          continue;
        }
        const named = { ...owner, ...defined({ family: targetFamily(service.configs) }) };
        if (address.kind === 'name') names.push({ name: address.name, ...named });
        else wildcards.push({ domain: address.domain, ...named });
      }
    }
  }
  return { names, wildcards, prefixes };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
