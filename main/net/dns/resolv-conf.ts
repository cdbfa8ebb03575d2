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
  const mark = markOf(servers);
  const rest = lines(text)
    .filter((line) => line !== mark && !/^\s*nameserver\s/.test(line))
    // Taking turns between resolvers would pass us by.
    .map((line) => (/^\s*options\s/.test(line) ? line.replace(/\s+rotate\b/g, '') : line))
    .filter((line) => !/^\s*options\s*$/.test(line));
  return [mark, ...all.map((address) => `nameserver ${address}`), ...rest, ''].join('\n');
}

/** Servers of engines that have written the file and not yet left it, this one's included. */
export function engineServersOf(text: string): readonly string[] {
  return lines(text).flatMap((line) => markPattern.exec(line)?.[1]?.split(' ') ?? []);
}

/** Do the lines of the engine with these servers still stand in the file, whoever wrote it last? */
export function standsIn(text: string, servers: readonly string[]): boolean {
  const there = nameserversOf(text);
  return lines(text).includes(markOf(servers)) && servers.every((server) => there.includes(server));
}

/** The file without the lines of the engine with these servers; those of `former` take their place, in order. */
export function withoutNameservers(text: string, servers: readonly string[], former: readonly string[]): string {
  const mark = markOf(servers);
  const back = former.map((address) => `nameserver ${address}`);
  const kept = lines(text).flatMap((line) => {
    const [address = ''] = nameserversOf(line);
    if (servers.includes(address)) return back.splice(0);
    return line === mark || former.includes(address) ? [] : [line];
  });
  return [...kept, ''].join('\n');
}

const markPattern = /^# Written by Culvert \(([^)]*)\) while its tunnel is up\./;

/** Says whose lines these are: several engines may stand in one file, and leave it in any order. */
function markOf(servers: readonly string[]): string {
  return `# Written by Culvert (${servers.join(' ')}) while its tunnel is up. What was here before comes back when it closes.`;
}

function lines(text: string): string[] {
  const all = text.split('\n');
  if (all.at(-1) === '') all.pop();
  return all;
}
