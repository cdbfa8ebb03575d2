/** While a flow is held its socket exists, so that its owner can be found exactly. */
import { describe, expect, it } from 'vitest';
import { Namespace, TunHost, temporaryFolder, whyNoNamespaces } from './support/netns.ts';
import { hold, serverPorts, startServers } from './support/probe.ts';
import { mustSkip } from '../support/optional.ts';

describe.skipIf(mustSkip(whyNoNamespaces()))('the owner of a flow', () => {
  it.each([
    [4, 'hold'],
    [6, 'hold'],
    [4, 'hold-udp'],
    [6, 'hold-udp'],
  ] as const)('is found while it is held: IPv%i, %s', async (family, what) => {
    using namespace = new Namespace();
    await startServers(namespace);
    const port = what === 'hold' ? serverPorts.echo : serverPorts.udpEcho;
    const services = [{ at: 'echo.dark', to: { host: '127.0.0.1', port } }];
    await using host = await TunHost.start(namespace, { journalDir: temporaryFolder(), services, owners: true });
    const address = host.ready.dns.names[0]?.addresses[family === 4 ? 0 : 1] ?? '';
    const held = hold(namespace, address, 80, what);
    await held.next();
    expect((await host.status()).owner).toEqual({ uid: 0, pids: [held.pid] });
  });
});
