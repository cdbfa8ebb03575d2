/** The loopback entries: SOCKS5 and HTTP CONNECT on one port, and a port for each forwarded service. */
import type { Clock } from '../../base/clock.ts';
import type { Admit } from '../../base/flow.ts';
import { formatHostPort, parseHostPort } from '../../base/ip.ts';
import { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { openForward } from '../../net/proxy/forward.ts';
import type { GuestsDeps } from '../../net/proxy/guests.ts';
import { openProxy } from '../../net/proxy/proxy.ts';

/** A loopback port for one service. */
export interface WantedForward {
  readonly service: string;
  readonly port: number;
  readonly listen?: string | undefined;
}

/** The loopback entries that are open. */
export interface ProxyEntries extends AsyncDisposable {
  /** `127.0.0.1:1080`, where the proxy is open. */
  readonly listen: string | undefined;
  readonly forwards: readonly { readonly service: string; readonly port: number }[];
  /** All that is listened on, as `host:port`. */
  readonly addresses: readonly string[];
}

/** Open them all or none. Throws `net.address_in_use`, `net.listen_failed`, `net.listen_not_loopback`. */
export async function openProxyEntries(deps: {
  readonly admit: Admit;
  readonly clock: Clock;
  readonly log: Log;
  readonly listen: string | undefined;
  readonly forwards: readonly WantedForward[];
  readonly passThrough: boolean;
  readonly guests: GuestsDeps;
}): Promise<ProxyEntries> {
  const { admit, clock, log, guests } = deps;
  const stack = new DisposalStack();
  try {
    let listen: string | undefined;
    if (deps.listen !== undefined) {
      const at = parseHostPort(deps.listen, 'proxy.listen');
      const proxy = stack.use(
        await openProxy({ listen: at, admit, clock, log, guests, passThrough: deps.passThrough }),
      );
      listen = hostPort(proxy.endpoint);
    }
    const forwards = [];
    const addresses = listen === undefined ? [] : [listen];
    for (const { service, port, listen: host } of deps.forwards) {
      const at = { host: host ?? '127.0.0.1', port };
      const forward = stack.use(await openForward({ service, listen: at, admit, clock, log, guests }));
      forwards.push({ service, port: forward.endpoint.port });
      addresses.push(hostPort(forward.endpoint));
    }
    return { listen, forwards, addresses, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

function hostPort({ address, port }: { readonly address: string; readonly port: number }): string {
  return formatHostPort(address, port);
}
