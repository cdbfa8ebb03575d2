/** The TUN entry in the engine's hands: given names and routes as they change, opened again where the interface fails. */
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Admit, Destination } from '../../base/flow.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { DnsView, StatusView } from '../../api/views.ts';
import type { InterceptTable } from '../../intercept/match.ts';
import type { ResolveRemote } from '../../net/dns/resolver.ts';
import { openTunEntry, type TunEntry, type TunEntryConfig } from '../../net/tun-entry.ts';
import type { EngineConfig } from '../runtime/config.ts';
import { BypassRoutes, type DirectWaysDeps } from './bypass-routes.ts';

const reopenMs = 2000;

/** What the TUN entry is opened with. */
export interface TunModeDeps {
  readonly admit: Admit;
  readonly isReachable: (destination: Destination) => Promise<boolean>;
  readonly resolveRemote: ResolveRemote;
  readonly journalDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: EngineConfig;
  /** What is intercepted now. */
  readonly table: () => InterceptTable;
  /** Controllers and routers, and what is hosted here: all keep the way they have. */
  readonly direct: Pick<DirectWaysDeps, 'infrastructure' | 'targets'>;
  readonly refresh: () => void;
}

/** The TUN entry while it is open; disposing restores the host. */
export interface TunMode extends AsyncDisposable {
  /** What is intercepted changed; the resolver heeds it before this returns. */
  apply(): void;
  networkChanged(): void;
  /** What must keep its own way may be elsewhere now. */
  routesChanged(): void;
  /** What keeps its own way. */
  direct(): Pick<BypassRoutes, 'addresses' | 'mayBeUnresolved'>;
  dns(): DnsView;
  status(): Pick<StatusView, 'tun' | 'routes' | 'warnings'>;
}

/** Open it. Throws as `openTunEntry`; the host is then as it was. */
export async function openTunMode(deps: TunModeDeps): Promise<TunMode> {
  const closing = new AbortController();
  let failure: Reason | undefined;
  let entry: TunEntry | undefined;

  const open = (): Promise<TunEntry> =>
    openTunEntry(
      {
        admit: deps.admit,
        isReachable: deps.isReachable,
        resolveRemote: deps.resolveRemote,
        journalDir: deps.journalDir,
        clock: deps.clock,
        log: deps.log,
        config: entryConfig(deps.config),
        failed: (reason) => void reopen(reason),
      },
      { signal: closing.signal },
    );

  const ways = new BypassRoutes({ ...deps.direct, changed: () => apply(), clock: deps.clock, log: deps.log });

  const apply = (): void => {
    if (entry === undefined) return;
    const { names, wildcards, prefixes } = deps.table();
    // Both never reject: what could not be set is in the status.
    void entry.setNames({ names, wildcards, exempt: ways.names() }).then(deps.refresh);
    const direct = ways.addresses();
    // A prefix may cover a controller whose address is being looked up: set before that is known, our own dial would come in through it.
    if (ways.waiting) return;
    void entry
      .setPrefixes(
        prefixes.map(({ prefix }) => prefix),
        direct,
      )
      .then(deps.refresh);
  };

  const reopen = async (reason: Reason): Promise<void> => {
    failure = reason;
    deps.log.error('tun.failed', { reason: reason.sentence });
    const broken = entry;
    entry = undefined;
    deps.refresh();
    await closeQuietly(broken, deps.log);
    const again = async (): Promise<void> => {
      if (closing.signal.aborted) return;
      try {
        entry = await open();
        failure = undefined;
        apply();
        deps.refresh();
      } catch (error) {
        failure = { code: toTunnelerError(error).code, sentence: (error as Error).message };
        deps.log.warn('tun.not_reopened', { error });
        deps.clock.after(reopenMs, () => void again());
      }
    };
    await again();
  };

  entry = await open();

  return {
    apply,
    networkChanged() {
      ways.networkChanged();
      void entry?.networkChanged();
    },
    routesChanged: () => ways.look(),
    direct: () => ways,
    dns: () => dnsView(entry, failure),
    status() {
      if (entry === undefined) return { routes: [], warnings: failure === undefined ? [] : [failure] };
      const { name, address, range, flows, routes, warnings } = entry.status();
      return {
        tun: { name, address, range, flows },
        routes: routes.map((prefix) => ({ prefix, device: name, reason: prefix === range ? 'names' : 'intercepted' })),
        warnings,
      };
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      const last = entry;
      entry = undefined;
      await last?.[Symbol.asyncDispose]();
    },
  };
}

function dnsView(entry: TunEntry | undefined, failure: Reason | undefined): DnsView {
  if (entry === undefined) {
    return {
      backend: 'none',
      state: 'failed',
      names: [],
      upstreams: [],
      ...defined({ reason: failure }),
    };
  }
  const { reason, ...dns } = entry.status().dns;
  return { ...dns, ...defined({ reason }) };
}

function entryConfig({ tun, ranges, dns }: EngineConfig): TunEntryConfig {
  const backend = dns?.enabled === false ? 'off' : dns?.backend;
  return {
    ...defined({
      deviceName: tun?.name,
      mtu: tun?.mtu,
      range: ranges?.ipv4,
      range6: ranges?.ipv6,
      dns: backend,
      upstreams: dns?.upstreams,
    }),
  };
}

async function closeQuietly(entry: TunEntry | undefined, log: Log): Promise<void> {
  try {
    await entry?.[Symbol.asyncDispose]();
  } catch (error) {
    log.warn('tun.close_failed', { error });
  }
}
