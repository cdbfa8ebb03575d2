/** Which mechanism of this host is told about our names, and why. */
import { detectLinuxDns } from './detect.linux.ts';
import { NetworkManagerDns } from './os-dns.network-manager.ts';
import { NoDns } from './os-dns.off.ts';
import { ResolvConfDns } from './os-dns.resolv-conf.ts';
import { ResolvconfToolDns } from './os-dns.resolvconf-tool.ts';
import { ResolvedDns } from './os-dns.resolved.ts';
import { ResolverFilesDns } from './os-dns.darwin.ts';
import { NrptDns } from './os-dns.windows.ts';
import type { DnsBackend, OsDns, OsDnsDeps } from './os-dns.ts';

/** What was chosen, and why, for `culvert dns status`. */
export interface ChosenDns {
  readonly dns: OsDns;
  readonly reason: string;
}

/** Find out who resolves names here; `wanted` skips that. Changes nothing yet. */
export async function chooseOsDns(deps: OsDnsDeps, wanted: DnsBackend | 'auto'): Promise<ChosenDns> {
  const { backend, reason } =
    wanted === 'auto' ? await detect(deps) : { backend: wanted, reason: 'set in the configuration' };
  return { dns: open(backend, deps), reason };
}

function detect(deps: OsDnsDeps): Promise<{ readonly backend: DnsBackend; readonly reason: string }> {
  if (deps.platform === 'linux') return detectLinuxDns(deps.run, deps.paths);
  if (deps.platform === 'darwin')
    return Promise.resolve({ backend: 'resolver-files', reason: 'macOS has scoped resolvers' });
  if (deps.platform === 'win32')
    return Promise.resolve({ backend: 'nrpt', reason: 'Windows has a name resolution policy' });
  return Promise.resolve({ backend: 'off', reason: `nothing is known of names on ${deps.platform}` });
}

function open(backend: DnsBackend, deps: OsDnsDeps): OsDns {
  switch (backend) {
    case 'systemd-resolved':
      return new ResolvedDns(deps);
    case 'networkmanager-dnsmasq':
    case 'networkmanager':
      return new NetworkManagerDns(deps, backend);
    case 'resolvconf':
      return new ResolvconfToolDns(deps);
    case 'resolv.conf':
      return new ResolvConfDns(deps);
    case 'resolver-files':
      return new ResolverFilesDns(deps);
    case 'nrpt':
      return new NrptDns(deps);
    case 'off':
      return new NoDns();
  }
}
