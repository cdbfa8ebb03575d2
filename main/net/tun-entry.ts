/**
 * The TUN as one entry of the corridor: interface, addresses, resolver, routes and flows, set up together and taken down together, with the
 * host as it was before.
 */
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Admission, Admit, Destination } from '../base/flow.ts';
import { parseCidr } from '../base/ip.ts';
import { DisposalStack } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Reason } from '../base/reason.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import type { ByteStream } from '../base/stream.ts';
import { Forwarder } from './dns/forwarder.ts';
import { NameTable } from './dns/name-table.ts';
import type { InterceptedNames } from './dns/name-table.ts';
import { chooseOsDns, type ChosenDns } from './dns/choose-os-dns.ts';
import { systemDnsPaths, type DnsBackend, type DnsPaths } from './dns/os-dns.ts';
import { Resolver } from './dns/resolver.ts';
import type { ResolveRemote } from './dns/resolver.ts';
import { serveTcpQueries } from './dns/tcp-queries.ts';
import { InputPath } from './firewall/input-path.ts';
import { OwnAddresses } from './firewall/own-addresses.linux.ts';
import { openFlows } from './flow/flows.ts';
import type { Flows } from './flow/flows.ts';
import type { OpenListener } from './flow/listener.ts';
import { HostJournal } from './journal/host-journal.ts';
import { localAddresses } from './local-addresses.ts';
import { undoPending } from './repair.ts';
import { HostRouteSet } from './route/host-route-set.ts';
import { hostRoutes } from './route/choose-routes.ts';
import { runCommand } from './run-command.ts';
import type { RunCommand } from './run-command.ts';
import {
  chooseRanges,
  configureDevice,
  defaultDeviceName,
  deviceAddress,
  flowAddresses,
  probeAddress,
  withoutOwn,
} from './tun-addresses.ts';
import type { Ranges } from './tun-addresses.ts';
import type { TunDevice } from './tun/device.ts';
import { openNativeDevice } from './tun/native-device.ts';

export { canUseTun } from './tun/native-device.ts';

/** As large as a packet can be: what a segment costs to carry does not depend on its size. */
const defaultMtu = 65_535;
/** Interface, ranges and resolver, as wanted. */
export interface TunEntryConfig {
  /** Interface name, `%d` for a number (Linux). */
  readonly deviceName?: string;
  readonly mtu?: number;
  /** IPv4 range for names, e.g. `100.64.0.0/16`; at least a /22. Default: the first free one within 100.64.0.0/10. */
  readonly range?: string;
  /** IPv6 range for names, or `off`. */
  readonly range6?: string;
  readonly dns?: DnsBackend | 'auto';
  /** Resolvers for names that are not ours, instead of those the system had; `address` or `address#port`. */
  readonly upstreams?: readonly string[];
  readonly udpIdleMs?: number;
}

/** Where flows and questions go. */
export interface TunEntryDeps {
  readonly admit: Admit;
  /** Whether the service behind a destination can be reached now; decides on ping. */
  isReachable(destination: Destination): Promise<boolean>;
  /** MX, SRV and TXT below wildcards; absent: they are empty. */
  readonly resolveRemote?: ResolveRemote;
  /** The interface can no longer be used; close this entry and open another. Called at most once. */
  failed(reason: Reason): void;
  readonly journalDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly config?: TunEntryConfig;
  /** For tests; each defaults to the real thing. */
  readonly run?: RunCommand;
  readonly dnsPaths?: DnsPaths;
  readonly openDevice?: (options: { readonly name: string; readonly mtu: number }) => TunDevice;
  readonly openListener?: OpenListener;
  isLocal?(address: string): boolean;
}

/** The interface as it stands. */
export interface TunEntryStatus {
  readonly name: string;
  readonly address: string;
  readonly address6?: string;
  readonly range: string;
  readonly range6?: string;
  readonly mtu: number;
  readonly dns: {
    readonly backend: DnsBackend;
    /** Why this one. */
    readonly choice: string;
    readonly state: 'active' | 'off' | 'failed';
    readonly server: string;
    readonly splits: boolean;
    readonly upstreams: readonly string[];
    readonly names: readonly {
      readonly name: string;
      readonly addresses: readonly string[];
      readonly service: string;
    }[];
    readonly queries: { readonly answered: number; readonly forwarded: number; readonly refused: number };
    readonly reason?: Reason;
  };
  readonly routes: readonly string[];
  /** A range that could not be had, prefixes that another route has. */
  readonly warnings: readonly Reason[];
  readonly flows: { readonly held: number; readonly tcp: number; readonly udp: number };
  /** Packets and flows by what became of them. */
  readonly counters: Readonly<Record<string, number>>;
}

/** The entry while it is open; disposing restores the host. */
export interface TunEntry extends AsyncDisposable {
  /** Idempotent: exactly these names are ours. The resolver heeds it before this returns; the promise is for the system's. Never rejects. */
  setNames(table: InterceptedNames): Promise<void>;
  /**
   * Idempotent: exactly these prefixes are routed to us, but never the addresses `bypass` (controllers and routers), which keep the way
   * they have. Never rejects: what could not be set is in the status.
   */
  setPrefixes(prefixes: readonly string[], bypass?: readonly string[]): Promise<void>;
  /** The host's network changed (roaming, wake): look again for upstreams and ways. Never rejects. */
  networkChanged(): Promise<void>;
  status(): TunEntryStatus;
}

/**
 * Open the TUN entry, after undoing what a dead engine may have left. Closing resets every flow and puts the host back. Throws
 * `net.tun.*`, `net.route.failed`, `net.route.collision`, `net.listen_failed` or `net.journal.failed`; the host is then as it was.
 */
export async function openTunEntry(deps: TunEntryDeps, options: { readonly signal: AbortSignal }): Promise<TunEntry> {
  options.signal.throwIfAborted();
  const stack = new DisposalStack();
  try {
    return await open(deps, stack, options.signal);
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function open(deps: TunEntryDeps, stack: DisposalStack, signal: AbortSignal): Promise<TunEntry> {
  const { clock, log, config = {} } = deps;
  const run = deps.run ?? runCommand;
  const routes = hostRoutes(run);
  const journal = stack.use(HostJournal.open(deps.journalDir));
  const left = await undoPending(journal, { log, run });
  if (left.undone.length > 0) log.info('tun.repaired', { undone: left.undone });

  const warnings: Reason[] = [];
  const ranges = await chooseRanges(config, routes, warnings);
  signal.throwIfAborted();
  const mtu = config.mtu ?? defaultMtu;
  const device = stack.use(
    (deps.openDevice ?? openNativeDevice)({ name: config.deviceName ?? defaultDeviceName(), mtu }),
  );
  // Before the interface has its addresses: nobody else is ever answered for them.
  const ownAddresses =
    process.platform === 'linux' && deps.openListener === undefined
      ? stack.use(
          new OwnAddresses({
            device: device.name,
            range: ranges[4].text,
            range6: ranges[6]?.text ?? '',
            run,
            journal,
            clock,
            log,
          }),
        )
      : undefined;
  await ownAddresses?.check();
  await configureDevice(device, mtu, ranges, routes, journal, stack);

  const names = new NameTable(ranges[4], ranges[6]);
  const osDns = await chooseOsDns(
    { run, journal, clock, log, paths: deps.dnsPaths ?? systemDnsPaths, platform: process.platform },
    config.dns ?? 'auto',
  );
  const closing = new AbortController();
  stack.defer(() => closing.abort());
  const forwarder = new Forwarder({
    upstreams: () => withoutOwn(config.upstreams ?? osDns.dns.upstreams(), ranges),
    clock,
    signal: closing.signal,
  });
  const resolver = new Resolver({
    names,
    resolveRemote: deps.resolveRemote,
    forward: osDns.dns.backend === 'off' ? undefined : (query, transport) => forwarder.forward(query, transport),
    signal: closing.signal,
    log,
  });

  const addresses = { ...flowAddresses(4, ranges[4]), ...flowAddresses(6, ranges[6]) };
  const servers = [addresses[4]?.resolver, addresses[6]?.resolver].filter((server) => server !== undefined);
  const probes = [ranges[4], ranges[6]].flatMap((range) => (range === undefined ? [] : [probeAddress(range)]));
  const flows = stack.use(
    await openFlows(
      {
        device,
        admit: withOwnServices(deps.admit, resolver, servers, probes, clock),
        isReachable: (destination) => deps.isReachable(destination),
        nameOf: (address) => names.nameOf(address),
        resolve: (query) => resolver.answer(query, 'udp'),
        isLocal: deps.isLocal ?? localAddresses(clock),
        addresses,
        failed: (reason) => deps.failed({ code: 'net.tun.failed', sentence: `the interface failed: ${reason}` }),
        ...defined({ udpIdleMs: config.udpIdleMs, openListener: deps.openListener }),
        clock,
        log,
      },
      { signal },
    ),
  );
  const routeSet = stack.use(new HostRouteSet(device.name, routes, journal, clock, log));
  const inputPath = stack.use(
    new InputPath({
      device: device.name,
      probes: process.platform === 'linux' && deps.openListener === undefined ? probes : [],
      lostFlows: () => flows.stats()['acceptTimeout'] ?? 0,
      run,
      journal,
      clock,
      log,
    }),
  );
  await inputPath.check();
  const parts = {
    device,
    mtu,
    ranges,
    names,
    osDns,
    servers,
    resolver,
    flows,
    routeSet,
    inputPath,
    ownAddresses,
    warnings,
    log,
    stack,
  };
  const entry = new Entry(parts);
  // Last opened, first closed: names must not lead here any more when flows end.
  stack.defer(() => osDns.dns.restore());
  await entry.setNames({ names: [], wildcards: [] });
  return entry;
}

/** Connections to the resolver and to the probe end here; all others go down the corridor. */
function withOwnServices(
  admit: Admit,
  resolver: Resolver,
  servers: readonly string[],
  probes: readonly string[],
  clock: Clock,
): Admit {
  return (request, options) => {
    const { address = '', port } = request.destination;
    const own = (join: (local: ByteStream) => void): Promise<Admission> =>
      Promise.resolve({ kind: 'dialled', join, abandon: () => undefined });
    if (request.protocol === 'tcp' && port === 53 && servers.includes(address)) {
      return own((local) => serveTcpQueries(local, (query) => resolver.answer(query, 'tcp'), clock));
    }
    if (request.protocol === 'tcp' && probes.includes(address)) return own((local) => local.reset());
    return admit(request, options);
  };
}

interface EntryParts {
  readonly device: TunDevice;
  readonly mtu: number;
  readonly ranges: Ranges;
  readonly names: NameTable;
  readonly osDns: ChosenDns;
  readonly servers: readonly string[];
  readonly resolver: Resolver;
  readonly flows: Flows;
  readonly routeSet: HostRouteSet;
  readonly inputPath: InputPath;
  readonly ownAddresses: OwnAddresses | undefined;
  readonly warnings: readonly Reason[];
  readonly log: Log;
  readonly stack: DisposalStack;
}

class Entry implements TunEntry {
  readonly #parts: EntryParts;
  #dnsFailure: Reason | undefined;
  /** Changes to the system's resolver, one after the other. */
  readonly #dnsChanges = new SerialQueue();
  #dnsWanted = 0;
  #closed = false;

  constructor(parts: EntryParts) {
    this.#parts = parts;
  }

  setNames(table: InterceptedNames): Promise<void> {
    this.#parts.names.replace(table);
    return this.#setDns();
  }

  setPrefixes(prefixes: readonly string[], bypass: readonly string[] = []): Promise<void> {
    const { ranges, routeSet } = this.#parts;
    // Our own ranges are routed already.
    const outside = prefixes.filter((text) => {
      const [network = ''] = (parseCidr(text)?.text ?? '').split('/');
      return network !== '' && !ranges[4].contains(network) && ranges[6]?.contains(network) !== true;
    });
    return routeSet.set(outside, bypass);
  }

  async networkChanged(): Promise<void> {
    await this.#parts.routeSet.refresh();
    await this.#parts.ownAddresses?.check();
    await this.#parts.inputPath.check();
    await this.#setDns();
  }

  /** Of several changes in a row only the last is carried out. */
  #setDns(): Promise<void> {
    const { device, names, osDns, servers, log } = this.#parts;
    this.#dnsWanted += 1;
    const wanted = this.#dnsWanted;
    return this.#dnsChanges.run(async () => {
      if (wanted !== this.#dnsWanted || this.#closed) return;
      try {
        // One server will do, and old tools know only IPv4.
        await osDns.dns.set({ device: device.name, servers: servers.slice(0, 1), domains: names.domains() });
        this.#dnsFailure = undefined;
      } catch (error) {
        const { code, message } = toTunnelerError(error, 'net.dns.failed');
        this.#dnsFailure = { code, sentence: message, next: 'set another dns backend in culvert.yaml' };
        log.warn('dns.set_failed', { backend: osDns.dns.backend, error });
      }
    });
  }

  status(): TunEntryStatus {
    const { device, mtu, ranges, names, osDns, servers, resolver, flows, routeSet, warnings } = this.#parts;
    const { dns } = osDns;
    const troubles = [this.#parts.inputPath.trouble(), this.#parts.ownAddresses?.trouble()];
    const trouble = this.#dnsFailure ?? dns.trouble();
    return {
      name: device.name,
      address: deviceAddress(ranges[4]),
      range: ranges[4].text,
      ...(ranges[6] === undefined ? {} : { address6: deviceAddress(ranges[6]), range6: ranges[6].text }),
      mtu,
      dns: {
        backend: dns.backend,
        choice: osDns.reason,
        state: trouble !== undefined ? 'failed' : dns.backend === 'off' ? 'off' : 'active',
        server: servers[0] ?? '',
        splits: dns.splits,
        upstreams: dns.upstreams(),
        names: names.list(),
        queries: resolver.counts(),
        ...defined({ reason: trouble }),
      },
      routes: [ranges[4].text, ...(ranges[6] === undefined ? [] : [ranges[6].text]), ...routeSet.routed()],
      warnings: [...warnings, ...routeSet.collisions(), ...troubles.filter((one) => one !== undefined)],
      flows: flows.counts(),
      counters: { ...device.stats(), ...flows.stats() },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#dnsChanges.idle();
    await this.#parts.stack[Symbol.asyncDispose]();
  }
}
