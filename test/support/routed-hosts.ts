/** Hosts with a routing table in memory, spoken to through the tools of each platform: what those print and refuse, as far as routes go. */
import ipaddr from 'ipaddr.js';
import { ipFamily, parseCidr } from '../../main/base/ip.ts';
import type { CommandResult, RunCommand } from '../../main/net/run-command.ts';

export interface KnownRoute {
  readonly prefix: string;
  readonly device: string;
  readonly via?: string;
}

/** The table, apart from how it is asked. */
export class RouteTable {
  readonly routes: KnownRoute[] = [];
  /** Addresses of the host itself. */
  readonly own = new Set<string>(['127.0.0.1', '::1']);
  readonly devices = new Set<string>();

  /** False where `isSame` finds one that is there already. */
  add(route: KnownRoute, isSame: (other: KnownRoute) => boolean = ({ prefix }) => prefix === route.prefix): boolean {
    if (!this.devices.has(route.device) || this.routes.some(isSame)) return false;
    this.routes.push(route);
    return true;
  }

  delete(prefix: string, device: string | undefined): boolean {
    const at = this.routes.findIndex(
      (route) => route.prefix === prefix && (device === undefined || route.device === device),
    );
    if (at >= 0) this.routes.splice(at, 1);
    return at >= 0;
  }

  /** Routes that cover an address, the one taken first. */
  covering(address: string): readonly KnownRoute[] {
    const length = ({ prefix }: KnownRoute): number => parseCidr(prefix)?.prefixLength ?? 0;
    return this.routes
      .filter(({ prefix }) => parseCidr(prefix)?.contains(address) === true)
      .sort((a, b) => length(b) - length(a));
  }
}

/** The network an address with a length belongs to: `100.64.0.1/16` → `100.64.0.0/16`. */
function canonical(prefix: string): string {
  const family = prefix.includes(':') ? ipaddr.IPv6 : ipaddr.IPv4;
  return `${family.networkAddressFromCIDR(prefix).toString()}/${prefix.split('/')[1]}`;
}
const hostPrefix = (address: string): string => `${address}/${ipFamily(address) === 4 ? 32 : 128}`;
const answer = (code: number, stdout = '', stderr = ''): CommandResult => ({ code, stdout, stderr });
const familyOf = (prefix: string): '-4' | '-6' => (prefix.includes(':') ? '-6' : '-4');

/** iproute2 (`ip-route(8)`): one prefix once, JSON without a device where one was asked for. */
export function linuxHost(table: RouteTable): RunCommand {
  const change = (words: readonly string[]): boolean => {
    const [object = '', verb = '', what = '', ...rest] = words;
    const after = (word: string): string | undefined => rest[rest.indexOf(word) + 1 || rest.length];
    if (object === 'link') return table.devices.has(rest[0] ?? '');
    if (object === 'address') {
      table.own.add(what.split('/')[0] ?? '');
      return table.add({ prefix: canonical(what), device: after('dev') ?? '' });
    }
    const via = after('via');
    const device = after('dev') ?? '';
    if (verb === 'del') return table.delete(canonical(what), device);
    return table.add({ prefix: canonical(what), device, ...(via === undefined ? {} : { via }) });
  };
  const rows = (routes: readonly KnownRoute[], withDevice: boolean): CommandResult => {
    const shown = routes.map(({ prefix, device, via }) => {
      const dst = prefix === '0.0.0.0/0' || prefix === '::/0' ? 'default' : prefix.replace(/\/(32|128)$/, '');
      return {
        dst,
        ...(via === undefined ? {} : { gateway: via }),
        ...(withDevice ? { dev: device } : {}),
        protocol: 'static',
      };
    });
    return answer(0, shown.length === 0 ? '' : JSON.stringify(shown));
  };
  return async (command, args, { input = '' } = {}) => {
    if (command !== 'ip') return answer(127);
    if (args.includes('-batch')) {
      const results = input
        .split('\n')
        .filter(Boolean)
        .map((line) => change(line.split(' ')));
      return results.every(Boolean) ? answer(0) : answer(1, '', 'RTNETLINK answers: File exists');
    }
    const words = args.filter((word) => !word.startsWith('-'));
    const [, verb, selector = '', value = ''] = words;
    if (verb === 'add' || verb === 'del') return answer(change(words) ? 0 : 2);
    if (verb === 'get') {
      if (table.own.has(selector)) return rows([{ prefix: hostPrefix(selector), device: 'lo' }], true);
      const [way] = table.covering(selector);
      if (way === undefined) return answer(2, '', 'RTNETLINK answers: Network is unreachable');
      return rows([{ ...way, prefix: hostPrefix(selector) }], true);
    }
    const family = table.routes.filter(({ prefix }) => familyOf(prefix) === args[1]);
    if (selector === 'dev') {
      return rows(
        family.filter(({ device }) => device === value),
        false,
      );
    }
    if (selector !== 'match') return rows(family, true);
    const covering = new Set(table.covering(value.split('/')[0] ?? ''));
    return rows(
      family.filter((route) => covering.has(route)),
      true,
    );
  };
}

/** macOS `route(8)`, `ifconfig(8)` and `netstat(1)`: what is there already is said in words and ends with 0; networks lose their zeros. */
export function darwinHost(table: RouteTable): RunCommand {
  const shortened = (prefix: string): string => {
    if (prefix === '0.0.0.0/0' || prefix === '::/0') return 'default';
    const [network = '', length = ''] = prefix.split('/');
    if (length === '32' || length === '128') return network;
    const short = network.includes(':') ? network : network.replace(/(\.0)+$/, '');
    return short.split('.').length * 8 === Number(length) ? short : `${short}/${length}`;
  };
  const added = (route: KnownRoute): CommandResult => {
    if (!table.devices.has(route.device)) return answer(1, '', 'route: bad address');
    return table.add(route) ? answer(0, `add ${route.prefix}`) : answer(0, `add ${route.prefix}: File exists`);
  };
  return async (command, args) => {
    if (command === 'netstat') {
      const lines = (isSix: boolean): readonly string[] =>
        table.routes
          .filter(({ prefix }) => prefix.includes(':') === isSix)
          .map(({ prefix, device, via }) => `${shortened(prefix)} ${via ?? 'link#9'} UGSc ${device}`);
      const head = 'Destination Gateway Flags Netif Expire';
      const all = [
        'Routing tables',
        '',
        'Internet:',
        head,
        ...lines(false),
        '',
        'Internet6:',
        head,
        ...lines(true),
        '',
      ];
      return answer(0, all.join('\n'));
    }
    if (command === 'ifconfig') {
      const [device = '', family, text = '', , length = ''] = args;
      if (!table.devices.has(device)) return answer(1, '', `ifconfig: interface ${device} does not exist`);
      if (family === 'inet' || family === 'inet6') table.own.add(text.split('/')[0] ?? '');
      if (family === 'inet6') table.add({ prefix: canonical(`${text}/${length}`), device });
      return answer(0);
    }
    if (command !== 'route') return answer(127);
    const [, verb, , kind = '', target = '', next = '', device] = args;
    if (verb === 'get') {
      const address = kind;
      const [way] = table.own.has(address) ? [{ prefix: hostPrefix(address), device: 'lo0' }] : table.covering(address);
      if (way === undefined) return answer(1, '', 'route: writing to routing socket: not in table');
      const via = way.via === undefined ? '' : `    gateway: ${way.via}\n`;
      return answer(0, `   route to: ${address}\n${via}  interface: ${way.device}\n`);
    }
    const prefix = kind === '-host' ? hostPrefix(target) : canonical(target);
    if (verb === 'delete') {
      return table.delete(prefix, next === '-interface' ? device : undefined)
        ? answer(0)
        : answer(1, '', 'not in table');
    }
    if (next === '-interface') return added({ prefix, device: device ?? '' });
    return added({ prefix, via: next, device: table.covering(next)[0]?.device ?? '' });
  };
}

/** Windows' `netsh` and NetTCPIP: the same prefix may stand once for each interface, and what goes wrong is a code. */
export function windowsHost(table: RouteTable): RunCommand {
  const rowOf = ({ prefix, device, via }: KnownRoute): object => ({
    DestinationPrefix: prefix,
    InterfaceAlias: device,
    NextHop: via ?? (prefix.includes(':') ? '::' : '0.0.0.0'),
  });
  const printed = (rows: readonly object[]): CommandResult =>
    answer(0, rows.length === 0 ? '' : JSON.stringify(rows.length === 1 ? rows[0] : rows));
  return async (command, args) => {
    if (command === 'powershell.exe') {
      const asked = /Find-NetRoute -RemoteIPAddress (\S+)/.exec(args.at(-1) ?? '')?.[1];
      if (asked === undefined) return printed(table.routes.map(rowOf));
      if (table.own.has(asked)) {
        return printed([rowOf({ prefix: hostPrefix(asked), device: 'Loopback Pseudo-Interface 1' })]);
      }
      const [way] = table.covering(asked);
      // An address row first, which has no next hop; then the route.
      return way === undefined ? answer(1) : printed([{ InterfaceAlias: way.device }, rowOf(way)]);
    }
    if (command !== 'netsh.exe') return answer(127);
    const [, , verb, what, ...rest] = args;
    if (what === 'subinterface') return answer(table.devices.has(rest[0] ?? '') ? 0 : 1);
    if (what === 'address') {
      const [device = '', address = ''] = rest;
      table.own.add(address.split('/')[0] ?? '');
      return answer(table.add({ prefix: canonical(address), device }) ? 0 : 1);
    }
    const [target = '', device = '', next = ''] = rest;
    const prefix = canonical(target);
    if (verb === 'delete') return answer(table.delete(prefix, device) ? 0 : 1);
    const via = next.includes('=') ? {} : { via: next };
    const isSame = (other: KnownRoute): boolean => other.prefix === prefix && other.device === device;
    return answer(table.add({ prefix, device, ...via }, isSame) ? 0 : 1);
  };
}
