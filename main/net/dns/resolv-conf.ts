/** The text of resolv.conf(5). */

/** Resolvers glibc heeds: MAXNS in its resolv.h. */
const maxNameservers = 3;

/** Addresses on `nameserver` lines, in order. */
export function nameserversOf(text: string): readonly string[] {
  return lines(text).flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
}

/**
 * The same file with our servers first. With `keepOthers` the former ones stay behind them, as a way out should we die without a word; a
 * libc that asks all at once must not have them.
 */
export function withNameservers(text: string, servers: readonly string[], keepOthers: boolean): string {
  const former = nameserversOf(text).filter((address) => !servers.includes(address));
  const all = [...servers, ...(keepOthers ? former : [])].slice(0, maxNameservers);
  const rest = lines(text)
    .filter((line) => !/^\s*nameserver\s/.test(line))
    // Taking turns between resolvers would pass us by.
    .map((line) => (/^\s*options\s/.test(line) ? line.replace(/\s+rotate\b/g, '') : line))
    .filter((line) => !/^\s*options\s*$/.test(line));
  return [
    '# Written by Culvert while its tunnel is up. The file that was here before comes back when it closes.',
    ...all.map((address) => `nameserver ${address}`),
    ...rest,
    '',
  ].join('\n');
}

function lines(text: string): string[] {
  const all = text.split('\n');
  if (all.at(-1) === '') all.pop();
  return all;
}
