/** macOS: ifconfig(8) and route(8). */
import { isIP } from 'node:net';
import { defined } from '../../base/defined.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { RunCommand } from '../run-command.ts';
import type { HostRoute, HostRoutes } from './route.ts';

export class DarwinRoutes implements HostRoutes {
  readonly #run: RunCommand;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  async configure(device: string, mtu: number, addresses: readonly string[]): Promise<void> {
    await this.#must('ifconfig', [device, 'mtu', String(mtu), 'up']);
    for (const cidr of addresses) {
      const [address = '', length = ''] = cidr.split('/');
      if (address.includes(':')) {
        await this.#must('ifconfig', [device, 'inet6', address, 'prefixlen', length, 'alias']);
      } else {
        // utun is point to point: its own address stands at both ends, and the range is routed into it.
        await this.#must('ifconfig', [device, 'inet', cidr, address, 'alias']);
        await this.#must('route', ['-n', 'add', '-inet', '-net', cidr, '-interface', device]);
      }
    }
  }

  async add(device: string, prefixes: readonly string[]): Promise<readonly string[]> {
    const refused: string[] = [];
    for (const prefix of prefixes) {
      if (!(await this.#add(prefix, ['-net', prefix, '-interface', device]))) refused.push(prefix);
    }
    if (refused.length === 0) return refused;
    // It may be there from before, and ours.
    const own = (await this.list()).filter((route) => route.device === device).map((route) => route.prefix);
    return refused.filter((prefix) => !own.includes(prefix));
  }

  async remove(device: string, prefixes: readonly string[]): Promise<void> {
    for (const prefix of prefixes) {
      await this.#run('route', ['-n', 'delete', familyFlag(prefix), '-net', prefix, '-interface', device]);
    }
  }

  async list(): Promise<readonly HostRoute[]> {
    const result = await this.#run('netstat', ['-rn']);
    let isSix = false;
    return result.stdout.split('\n').flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      if (/^Internet6?:$/.test(columns[0] ?? '')) isSix = columns[0] === 'Internet6:';
      const prefix = wholePrefix(columns[0] ?? '', columns[1] ?? '', isSix);
      return prefix === undefined ? [] : [{ prefix, device: columns[3] ?? '' }];
    });
  }

  async nextHopTo(address: string): Promise<{ readonly via?: string; readonly device: string } | undefined> {
    const result = await this.#run('route', ['-n', 'get', familyFlag(address), address]);
    const device = /^\s*interface: (\S+)$/m.exec(result.stdout)?.[1];
    const gateway = /^\s*gateway: (\S+)$/m.exec(result.stdout)?.[1];
    // A link stands there too (`link#9`), and is no next hop.
    const via = isIP(gateway?.replace(/%.*$/, '') ?? '') === 0 ? undefined : gateway;
    if (result.code !== 0 || device === undefined || device === 'lo0') return undefined;
    return defined({ via, device });
  }

  async pin(address: string, way: { readonly via?: string; readonly device: string }): Promise<boolean> {
    const next = way.via === undefined ? ['-interface', way.device] : [way.via];
    return this.#add(address, ['-host', address, ...next]);
  }

  async unpin(address: string, device: string): Promise<void> {
    // route(8) takes away whichever there is; one that another product put in its place stays.
    const isOurs = (route: HostRoute): boolean => route.prefix === hostPrefix(address) && route.device === device;
    const there = await this.list();
    if (there.length > 0 && !there.some(isOurs)) return;
    await this.#run('route', ['-n', 'delete', familyFlag(address), '-host', address]);
  }

  /** What is there already is told in words; the exit code is 0 all the same. */
  async #add(target: string, route: readonly string[]): Promise<boolean> {
    const result = await this.#run('route', ['-n', 'add', familyFlag(target), ...route]);
    return result.code === 0 && !/File exists/.test(result.stdout + result.stderr);
  }

  async #must(command: string, args: readonly string[]): Promise<void> {
    const result = await this.#run(command, args);
    if (result.code === 0) return;
    throw new TunnelerError('net.route.failed', `${command} ${args.join(' ')} failed`, {
      details: { code: result.code, stderr: result.stderr.trim() },
    });
  }
}

function hostPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

function familyFlag(prefix: string): string {
  return prefix.includes(':') ? '-inet6' : '-inet';
}

/** `netstat -rn` cuts trailing zero octets off: `100.64/10`, `192.168.1`. A line that is no route is undefined. */
function wholePrefix(destination: string, gateway: string, isSix: boolean): string | undefined {
  if (gateway === '' || destination === 'Destination') return undefined;
  if (destination === 'default') return isSix ? '::/0' : '0.0.0.0/0';
  const [network = '', length] = destination.replace(/%[^/]*/, '').split('/');
  if (network.includes(':')) return `${network}/${length ?? '128'}`;
  const octets = network.split('.');
  if (octets.length > 4 || !octets.every((octet) => /^\d{1,3}$/.test(octet))) return undefined;
  const bits = length ?? String(octets.length === 4 ? 32 : octets.length * 8);
  return `${[...octets, '0', '0', '0'].slice(0, 4).join('.')}/${bits}`;
}
