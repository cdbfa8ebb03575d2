/** Every way in, by mode: the TUN, the proxy, forwarded ports. */
import { existsSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { defined, whenDefined } from '../../base/defined.ts';
import { toTunnelerError } from '../../base/errors.ts';
import type { Admit, Destination } from '../../base/flow.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Reason } from '../../base/reason.ts';
import type { DnsView, EngineMode, StatusView } from '../../api/views.ts';
import type { InterceptTable } from '../../intercept/match.ts';
import type { ResolveRemote } from '../../net/dns/resolver.ts';
import { repairHost } from '../../net/repair.ts';
import { canUseTun } from '../../net/tun-entry.ts';
import type { EngineConfig } from '../runtime/config.ts';
import type { DirectWaysDeps } from './bypass-routes.ts';
import { guestsOfHost } from './host-guests.ts';
import { chooseMode } from './mode.ts';
import { openProxyEntries, type ProxyEntries } from './proxy-entries.ts';
import { openTunMode, type TunMode } from './tun-mode.ts';

/** What is asked for, and where flows go. */
export interface EntriesDeps {
  readonly asked: 'auto' | EngineMode;
  readonly proxyListen: string | undefined;
  readonly forwards: readonly { readonly service: string; readonly port: number }[];
  readonly config: EngineConfig;
  readonly admit: Admit;
  readonly isReachable: (destination: Destination) => Promise<boolean>;
  readonly resolveRemote: ResolveRemote;
  readonly journalDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly table: () => InterceptTable;
  /** Controllers and routers, and what is hosted here: all keep the way they have. */
  readonly direct: Pick<DirectWaysDeps, 'infrastructure' | 'targets'>;
  readonly refresh: () => void;
}

/** The ways in that are open; disposing closes them and restores the host. */
export interface Entries extends AsyncDisposable {
  readonly mode: EngineMode;
  readonly modeWhy: Reason;
  readonly forwards: ProxyEntries['forwards'];
  /** `host:port` of the proxy, where there is one. */
  readonly listen: string | undefined;
  /** Addresses of this machine that are listened on from the start: `host:port` on loopback, and the TUN's own. */
  readonly addresses: readonly string[];
  /** The same as `listen`; one is opened on loopback where there is none yet. Throws `net.listen_failed`. */
  ensureProxy(): Promise<string>;
  /** What is intercepted changed. */
  apply(): void;
  networkChanged(): void;
  /** What must keep its own way may be elsewhere now. */
  routesChanged(): void;
  /** What keeps its own way past the TUN, where there is one. */
  direct(): ReturnType<TunMode['direct']> | undefined;
  dns(): DnsView;
  status(): Pick<StatusView, 'proxy' | 'tun' | 'routes' | 'warnings'>;
}

const noDns: DnsView = { backend: 'none', state: 'off', names: [], upstreams: [] };

/**
 * Open what the mode asks for, all or nothing. With `auto` a TUN that cannot be opened after all gives way to the proxy, and the reason says
 * so. Throws `net.*`.
 */
export async function openEntries(deps: EntriesDeps): Promise<Entries> {
  const stack = new DisposalStack();
  try {
    await repairAfterDeath(deps.journalDir, deps.log);
    const { tun, mode, why } = await openTun(deps, stack);
    const proxy = mode === 'host' ? undefined : stack.use(await openProxy(deps, mode));
    let onDemand: Promise<string> | undefined;
    const own = tun?.status().tun?.address;
    return {
      mode,
      modeWhy: why,
      forwards: proxy?.forwards ?? [],
      listen: proxy?.listen,
      addresses: [...(proxy?.addresses ?? []), ...(own === undefined ? [] : [own])],
      ensureProxy: () =>
        (onDemand ??= proxy?.listen === undefined ? openOnDemand(deps, stack) : Promise.resolve(proxy.listen)),
      apply: () => tun?.apply(),
      networkChanged: () => tun?.networkChanged(),
      routesChanged: () => tun?.routesChanged(),
      direct: () => tun?.direct(),
      dns: () => tun?.dns() ?? noDns,
      status: () => ({
        ...(tun?.status() ?? { routes: [], warnings: [] }),
        ...defined({ proxy: whenDefined(proxy?.listen, (listen) => ({ listen })) }),
      }),
      [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
    };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

async function openTun(
  deps: EntriesDeps,
  stack: DisposalStack,
): Promise<{ readonly tun: TunMode | undefined; readonly mode: EngineMode; readonly why: Reason }> {
  const chosen = chooseMode(deps.asked, canUseTun());
  if (chosen.mode !== 'tun') return { tun: undefined, ...chosen };
  try {
    return { tun: stack.use(await openTunMode(deps)), ...chosen };
  } catch (error) {
    if (deps.asked === 'tun') throw error;
    const failure = toTunnelerError(error, 'net.tun.failed');
    deps.log.warn('engine.tun_refused', { error: failure });
    const sentence = `auto: the TUN device could not be set up: ${failure.message}`;
    return { tun: undefined, mode: 'proxy', why: { code: 'mode.tun_failed', sentence } };
  }
}

function openProxy(deps: EntriesDeps, mode: EngineMode): Promise<ProxyEntries> {
  const { config, admit, clock, log } = deps;
  // Where names simply work, a proxy is only opened for who asks for one.
  const usual = mode === 'proxy' && config.proxy?.enabled !== false ? '127.0.0.1:0' : undefined;
  return openProxyEntries({
    admit,
    clock,
    log,
    listen: deps.proxyListen ?? config.proxy?.listen ?? usual,
    forwards: [...(config.proxy?.forwards ?? []), ...deps.forwards],
    // Who may go on directly is decided with the flow.
    passThrough: true,
    guests: guestsOfHost(),
  });
}

async function openOnDemand({ admit, clock, log }: EntriesDeps, stack: DisposalStack): Promise<string> {
  const listen = '127.0.0.1:0';
  const proxy = stack.use(
    await openProxyEntries({ admit, clock, log, listen, forwards: [], passThrough: true, guests: guestsOfHost() }),
  );
  return proxy.listen ?? listen;
}

/** What an engine that died in another mode left on the host goes now; the TUN entry does the same for itself. */
async function repairAfterDeath(journalDir: string, log: Log): Promise<void> {
  if (!existsSync(journalDir)) return;
  const { undone, failed } = await repairHost({ journalDir, log });
  if (undone.length + failed.length > 0) log.warn('engine.host_repaired', { undone, failed });
}
