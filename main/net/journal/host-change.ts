/** Everything Culvert may change on the host, as data: enough to undo it later, by another process, after a crash. */

/** A file as it was. */
export type FileBefore =
  | { readonly kind: 'absent' }
  | { readonly kind: 'file'; readonly contentBase64: string; readonly mode: number }
  | { readonly kind: 'link'; readonly target: string };

/** One change of the host. */
export type HostChange =
  /** An address of an interface of ours; goes with the interface. */
  | { readonly kind: 'address'; readonly device: string; readonly address: string }
  /** A route into an interface of ours; goes with the interface. */
  | { readonly kind: 'route'; readonly device: string; readonly prefix: string }
  /** A route that keeps one address on the way it had before, past an interface of ours. */
  | { readonly kind: 'pin'; readonly device: string; readonly address: string }
  /** A file we wrote. `ownSha256`: of what we wrote, so that another's later change is not undone. */
  | { readonly kind: 'file'; readonly path: string; readonly before: FileBefore; readonly ownSha256: string }
  /** Our interface in firewalld's zone `trusted`, until its next reload. */
  | { readonly kind: 'firewalld-zone'; readonly device: string }
  /** Rules with this comment in nftables' input chains. */
  | { readonly kind: 'nft-rules'; readonly comment: string }
  /** A rule for our interface in iptables' and ip6tables' INPUT. */
  | { readonly kind: 'iptables-rules'; readonly device: string }
  /** A table of nftables that keeps the interface's addresses to itself. */
  | { readonly kind: 'nft-table'; readonly device: string }
  /** The same as a chain of iptables and, where `range6` is not empty, ip6tables. */
  | { readonly kind: 'iptables-chain'; readonly device: string; readonly range: string; readonly range6: string }
  /** Per-link settings in systemd-resolved. */
  | { readonly kind: 'resolved-link'; readonly device: string }
  /** NetworkManager must read its configuration again after our file in it is gone. */
  | { readonly kind: 'networkmanager-reload' }
  /** A record handed to resolvconf(8). */
  | { readonly kind: 'resolvconf'; readonly record: string }
  /** The resolver's cache holds answers of ours. */
  | { readonly kind: 'darwin-cache' }
  /** Windows NRPT rules that carry this comment. */
  | { readonly kind: 'nrpt'; readonly comment: string };

/** The kinds of changes. */
export type HostChangeKind = HostChange['kind'];

const kinds: Readonly<Record<HostChangeKind, readonly string[]>> = {
  address: ['device', 'address'],
  route: ['device', 'prefix'],
  pin: ['device', 'address'],
  file: ['path', 'ownSha256'],
  'firewalld-zone': ['device'],
  'nft-rules': ['comment'],
  'iptables-rules': ['device'],
  'nft-table': ['device'],
  'iptables-chain': ['device', 'range', 'range6'],
  'resolved-link': ['device'],
  'networkmanager-reload': [],
  resolvconf: ['record'],
  'darwin-cache': [],
  nrpt: ['comment'],
};

/** A change read back from disk, or undefined where it is none that this version knows. */
export function parseHostChange(value: unknown): HostChange | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  const fields = value as Record<string, unknown>;
  const { kind } = fields;
  if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) return undefined;
  if (!kinds[kind as HostChangeKind].every((name) => typeof fields[name] === 'string')) return undefined;
  if (kind === 'file' && !isFileBefore(fields['before'])) return undefined;
  return fields as unknown as HostChange;
}

function isFileBefore(value: unknown): value is FileBefore {
  if (typeof value !== 'object' || value === null) return false;
  const before = value as Record<string, unknown>;
  if (before['kind'] === 'absent') return true;
  if (before['kind'] === 'link') return typeof before['target'] === 'string';
  return before['kind'] === 'file' && typeof before['contentBase64'] === 'string' && typeof before['mode'] === 'number';
}
