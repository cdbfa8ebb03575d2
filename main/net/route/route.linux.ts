/** Linux: iproute2. */
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import { ipFamily, parseCidr } from '../../base/ip.ts';
import type { RunCommand } from '../run-command.ts';
import type { HostRoute, HostRoutes } from './route.ts';

interface IpRouteRow {
  readonly dst?: string;
  readonly dev?: string;
  readonly gateway?: string;
}

/** Packets the kernel keeps for us while our thread waits for a core; its default of 500 loses bursts on a busy machine. */
const transmitQueue = 4_000;

export class LinuxRoutes implements HostRoutes {
  readonly #run: RunCommand;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  async configure(device: string, mtu: number, addresses: readonly string[]): Promise<void> {
    const lines = addresses.map((address) => {
      // A TUN has no neighbours to ask whether an address is a duplicate (RFC 4862 section 5.4).
      const flags = address.includes(':') ? ' nodad' : '';
      return `address add ${address} dev ${device}${flags}`;
    });
    const result = await this.#run('ip', ['-batch', '-'], {
      input: [
        `link set dev ${device} mtu ${mtu} txqueuelen ${transmitQueue}`,
        ...lines,
        `link set dev ${device} up`,
        '',
      ].join('\n'),
    });
    if (result.code !== 0) {
      throw new TunnelerError('net.route.failed', `the interface ${device} could not be set up`, {
        details: { code: result.code, stderr: result.stderr.trim() },
      });
    }
  }

  async add(device: string, prefixes: readonly string[]): Promise<readonly string[]> {
    await this.#batch(prefixes.map((prefix) => `route add ${prefix} dev ${device}`));
    const there = await this.#prefixesOf(device);
    return prefixes.filter((prefix) => !there.has(canonicalPrefix(prefix)));
  }

  async remove(device: string, prefixes: readonly string[]): Promise<void> {
    await this.#batch(prefixes.map((prefix) => `route del ${prefix} dev ${device}`));
  }

  async list(): Promise<readonly HostRoute[]> {
    const rows = [...(await this.#show('-4', ['table', 'all'])), ...(await this.#show('-6', ['table', 'all']))];
    return rows.flatMap((row) => (row.prefix === '' ? [] : [{ prefix: row.prefix, device: row.device }]));
  }

  async nextHopTo(address: string): Promise<{ readonly via?: string; readonly device: string } | undefined> {
    const result = await this.#run('ip', ['-json', 'route', 'get', address]);
    const [row] = result.code === 0 ? rowsOf(result.stdout) : [];
    if (row?.dev === undefined || row.dev === 'lo') return undefined;
    return defined({ via: row.gateway, device: row.dev });
  }

  async signature(addresses: readonly string[], device: string): Promise<string> {
    const found = await Promise.all(
      addresses.map(async (address) => {
        const family = ipFamily(address) === 4 ? '-4' : '-6';
        const result = await this.#run('ip', ['-json', family, 'route', 'show', 'match', hostPrefix(address)]);
        const others = rowsOf(result.stdout).filter(({ dev }) => dev !== device);
        return [address, ...others.map(({ dst, dev, gateway }) => [dst, dev, gateway].join(' '))].join('|');
      }),
    );
    return found.join('\n');
  }

  async pin(address: string, way: { readonly via?: string; readonly device: string }): Promise<boolean> {
    const via = way.via === undefined ? [] : ['via', way.via];
    const result = await this.#run('ip', ['route', 'add', hostPrefix(address), ...via, 'dev', way.device]);
    return result.code === 0;
  }

  async unpin(address: string, device: string): Promise<void> {
    await this.#run('ip', ['route', 'del', hostPrefix(address), 'dev', device]);
  }

  /** One process for all lines; a line that fails does not stop the others. */
  async #batch(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#run('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  async #prefixesOf(device: string): Promise<ReadonlySet<string>> {
    const rows = [...(await this.#show('-4', ['dev', device])), ...(await this.#show('-6', ['dev', device]))];
    return new Set(rows.map((row) => row.prefix));
  }

  async #show(family: '-4' | '-6', selector: readonly string[]): Promise<{ prefix: string; device: string }[]> {
    const result = await this.#run('ip', ['-json', family, 'route', 'show', ...selector]);
    return rowsOf(result.stdout).map((row) => ({
      prefix: row.dst === 'default' ? (family === '-4' ? '0.0.0.0/0' : '::/0') : canonicalPrefix(row.dst ?? ''),
      device: row.dev ?? '',
    }));
  }
}

/** Rows of `ip -json`; nothing where it printed nothing, as older versions do for an empty table. */
function rowsOf(stdout: string): readonly IpRouteRow[] {
  if (!stdout.trimStart().startsWith('[')) return [];
  const rows = JSON.parse(stdout) as unknown;
  return Array.isArray(rows) ? (rows as IpRouteRow[]) : [];
}

function canonicalPrefix(prefix: string): string {
  return parseCidr(prefix)?.text ?? '';
}

function hostPrefix(address: string): string {
  return `${address}/${ipFamily(address) === 4 ? 32 : 128}`;
}
