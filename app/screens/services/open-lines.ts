/** How a person opens a service: an address for the browser, and lines for a shell. Pure. */
import type { ServiceView, StatusView } from '../../../main/api/views.ts';

/** One way in. */
export interface OpenLine {
  readonly tool: 'browser' | 'curl' | 'psql' | 'ssh' | 'mysql' | 'redis' | 'nc';
  readonly line: string;
  /** For the browser, where it gets there by itself. */
  readonly url?: string;
}

const webPorts = new Set([80, 443, 3000, 8000, 8080, 8443]);
const plainPorts = new Set([80, 3000, 8000, 8080]);

/** Where names are taken over, programs need nothing but the name; where only the proxy stands, those that can be told of it. */
export function openLines(
  service: ServiceView,
  { mode, proxy }: Pick<StatusView, 'mode' | 'proxy'>,
): readonly OpenLine[] {
  if (!service.permissions.includes('Dial') || !service.protocols.includes('tcp')) return [];
  const [forward] = service.forwards;
  const host = service.addresses.find((address) => !address.includes('*') && !address.includes('/'));
  const port = Number(service.ports[0]?.split('-')[0] ?? Number.NaN);
  if (forward !== undefined) return linesFor('127.0.0.1', forward, Number.isNaN(port) ? forward : port, undefined);
  if (host === undefined || Number.isNaN(port) || mode === 'host') return [];
  if (mode === 'tun') return linesFor(host, port, port, undefined);
  return proxy === undefined ? [] : linesFor(host, port, port, proxy.listen);
}

/** @param known the service's own port, which says what speaks there. @param proxy where a program has to go through it. */
function linesFor(host: string, port: number, known: number, proxy: string | undefined): readonly OpenLine[] {
  if (webPorts.has(known)) {
    const scheme = plainPorts.has(known) ? 'http' : 'https';
    const url = `${scheme}://${host}${port === (scheme === 'http' ? 80 : 443) ? '' : `:${port}`}/`;
    const curl: OpenLine = {
      tool: 'curl',
      line: `curl ${proxy === undefined ? '' : `--proxy socks5h://${proxy} `}${url}`,
    };
    return proxy === undefined ? [{ tool: 'browser', line: url, url }, curl] : [curl];
  }
  if (known === 22) {
    const way = proxy === undefined ? '' : ` -o ProxyCommand='nc -X 5 -x ${proxy} %h %p'`;
    return [{ tool: 'ssh', line: `ssh${port === 22 ? '' : ` -p ${port}`}${way} ${host}` }];
  }
  if (proxy !== undefined) return [{ tool: 'nc', line: `nc -X 5 -x ${proxy} ${host} ${port}` }];
  if (known === 5432) return [{ tool: 'psql', line: `psql -h ${host} -p ${port}` }];
  if (known === 3306) return [{ tool: 'mysql', line: `mysql -h ${host} -P ${port}` }];
  if (known === 6379) return [{ tool: 'redis', line: `redis-cli -h ${host} -p ${port}` }];
  return [{ tool: 'nc', line: `nc ${host} ${port}` }];
}
