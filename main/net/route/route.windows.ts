/** Windows: netsh and PowerShell's NetTCPIP module. */
import { TunnelerError } from '../../base/errors.ts';
import { powerShellScript } from '../../files/system-tools.ts';
import type { RunCommand } from '../run-command.ts';
import type { HostRoute, HostRoutes } from './route.ts';

interface NetRouteRow {
  readonly DestinationPrefix?: string;
  readonly InterfaceAlias?: string;
  readonly NextHop?: string;
}

/** How Windows calls the interface of its own addresses, in every language. */
const loopback = 'Loopback Pseudo-Interface';

export class WindowsRoutes implements HostRoutes {
  readonly #run: RunCommand;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  async configure(device: string, mtu: number, addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      const family = address.includes(':') ? 'ipv6' : 'ipv4';
      await this.#must(['interface', family, 'add', 'address', device, address, 'store=active']);
      await this.#must(['interface', family, 'set', 'subinterface', device, `mtu=${mtu}`, 'store=active']);
    }
  }

  async add(device: string, prefixes: readonly string[]): Promise<readonly string[]> {
    if (prefixes.length === 0) return [];
    // Windows takes the same prefix once for each interface, and lets metrics decide: whoever had it first keeps it.
    const there = await this.list();
    const refused: string[] = [];
    for (const prefix of prefixes) {
      const holders = there.filter((route) => route.prefix === prefix).map((route) => route.device);
      if (holders.includes(device)) continue;
      if (holders.length > 0 || (await this.#route('add', device, prefix)) !== 0) refused.push(prefix);
    }
    return refused;
  }

  async remove(device: string, prefixes: readonly string[]): Promise<void> {
    for (const prefix of prefixes) await this.#route('delete', device, prefix);
  }

  async list(): Promise<readonly HostRoute[]> {
    const rows = await this.#query('Get-NetRoute | Select-Object DestinationPrefix,InterfaceAlias');
    return rows.map((row) => ({ prefix: row.DestinationPrefix ?? '', device: row.InterfaceAlias ?? '' }));
  }

  async nextHopTo(address: string): Promise<{ readonly via?: string; readonly device: string } | undefined> {
    // Only characters of an address may reach the shell.
    if (!/^[0-9a-fA-F:.]+$/.test(address)) return undefined;
    const rows = await this.#query(
      `Find-NetRoute -RemoteIPAddress ${address} | Select-Object DestinationPrefix,InterfaceAlias,NextHop`,
    );
    const row = rows.find((candidate) => candidate.NextHop !== undefined && candidate.InterfaceAlias !== undefined);
    if (row?.InterfaceAlias === undefined || row.InterfaceAlias.startsWith(loopback)) return undefined;
    const onLink = row.NextHop === '0.0.0.0' || row.NextHop === '::' || row.NextHop === undefined;
    return { ...(onLink ? {} : { via: row.NextHop }), device: row.InterfaceAlias };
  }

  async pin(address: string, way: { readonly via?: string; readonly device: string }): Promise<boolean> {
    return (await this.#route('add', way.device, hostPrefix(address), way.via)) === 0;
  }

  async unpin(address: string, device: string): Promise<void> {
    await this.#route('delete', device, hostPrefix(address));
  }

  async #route(verb: 'add' | 'delete', device: string, prefix: string, via?: string): Promise<number> {
    const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
    const next = via === undefined ? [] : [via];
    const args = ['interface', family, verb, 'route', prefix, device, ...next, 'store=active'];
    return (await this.#run('netsh.exe', args)).code;
  }

  async #must(args: readonly string[]): Promise<void> {
    const result = await this.#run('netsh.exe', args);
    if (result.code === 0) return;
    throw new TunnelerError('net.route.failed', `netsh ${args.join(' ')} failed`, {
      details: { code: result.code, stdout: result.stdout.trim() },
    });
  }

  async #query(pipeline: string): Promise<readonly NetRouteRow[]> {
    const result = await this.#run('powershell.exe', powerShellScript(`@(${pipeline}) | ConvertTo-Json -Compress`));
    const text = result.stdout.trim();
    if (result.code !== 0 || text === '') return [];
    const rows = JSON.parse(text) as unknown;
    return (Array.isArray(rows) ? rows : [rows]) as NetRouteRow[];
  }
}

function hostPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
