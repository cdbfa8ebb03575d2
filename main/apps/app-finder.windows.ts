/** Windows: the addon names the socket's process and tells what it is; where it is not built, netstat and PowerShell do. */
import type { Native } from 'node-tun';
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import type { Endpoint, FlowRequest } from '../base/flow.ts';
import type { Log } from '../base/log.ts';
import type { App, AppFinder, AppParent } from './app.ts';
import { unknownApp } from './app.ts';
import { ByVersion } from './by-version.ts';
import { executableHashes } from './executable-hash.ts';
import { interpreterScript } from './interpreter-script.ts';
import type { RunCommand } from './run-command.ts';
import { powerShellScript } from '../files/system-tools.ts';
import { formatHostPort } from '../base/ip.ts';

/** Starting PowerShell alone takes most of a second. */
const commandTimeoutMs = 5_000;
const processesFreshMs = 2_000;
/** Longer chains of living parents are nobody's honest work. */
const maxChain = 64;

/** How the system's tools are run, and the addon that needs none. */
export interface WindowsAppFinderDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly run: RunCommand;
  readonly native?: Pick<Native, 'socketOwner' | 'processChain'>;
}

/** Needs nothing closed. */
export function createWindowsAppFinder(deps: WindowsAppFinderDeps): AppFinder {
  const hashes = executableHashes();
  const signers = new ByVersion<string | null>((path) =>
    powerShell(deps.run, signerScript(path)).then((text) => parseSigner(text) ?? null),
  );
  let listing: { readonly atMs: number; readonly processes: Promise<ReadonlyMap<number, ProcessRow>> } | undefined;

  const listed = (pid: number): Promise<ReadonlyMap<number, ProcessRow>> => {
    const atMs = deps.clock.monotonic();
    const fresh = listing !== undefined && atMs - listing.atMs <= processesFreshMs;
    const current = fresh ? listing?.processes : undefined;
    // A process that has just started is not in a listing made before.
    return (current ?? Promise.resolve(new Map<number, ProcessRow>())).then((rows) => {
      if (rows.has(pid)) return rows;
      listing = { atMs, processes: powerShell(deps.run, processScript).then(parseProcesses) };
      return listing.processes;
    });
  };

  const facts = async ({ path, hash }: { readonly path: string; readonly hash?: string }, isSigned: boolean) =>
    defined({
      hash: hash ?? (await hashes.of(path)),
      signer: isSigned ? ((await signers.of(path)) ?? undefined) : undefined,
    });

  return {
    async find(flow) {
      const pid = askKernel(deps, flow) ?? (await askNetstat(deps.run, flow));
      if (pid === undefined) return unknownApp;
      const app = describeChain(askAddon(deps, pid) ?? chainOf(pid, await listed(pid)));
      const hash = app?.path === undefined ? undefined : hashes.known(app.path);
      if (app === undefined) return unknownApp;
      return hash === undefined ? app : { ...app, hash };
    },
    async identify(app, { signers: isSigned } = { signers: false }) {
      if (app.path === undefined) return app;
      const own = await facts({ ...app, path: app.path }, isSigned);
      const parents = await Promise.all(
        app.parents.map(async (parent): Promise<AppParent> => ({ ...parent, ...(await facts(parent, isSigned)) })),
      );
      return { ...app, parents, ...own };
    },
  };
}

/** A process, as the addon or a listing tells it; texts are empty where it lets nobody look. */
export interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  /** Grows with the time; 0 where it is not known. */
  readonly startedAt: bigint;
  readonly path: string;
  readonly command: string;
  readonly user: string;
  readonly sid: string;
}

const processScript =
  'Get-CimInstance Win32_Process | ForEach-Object { $o = $null; $s = $null; ' +
  'try { $o = Invoke-CimMethod -InputObject $_ -MethodName GetOwner; $s = Invoke-CimMethod -InputObject $_ -MethodName GetOwnerSid } catch {}; ' +
  '[pscustomobject]@{ p = $_.ProcessId; q = $_.ParentProcessId; t = $_.CreationDate.Ticks; x = $_.ExecutablePath; c = $_.CommandLine; ' +
  'u = $o.User; s = $s.Sid } } | ConvertTo-Json -Compress';

function signerScript(path: string): string {
  // In a single-quoted string of PowerShell a quote is doubled, and nothing else is special.
  return `(Get-AuthenticodeSignature -LiteralPath '${path.replaceAll("'", "''")}' | Where-Object Status -eq Valid).SignerCertificate.Subject`;
}

async function powerShell(run: RunCommand, script: string): Promise<string> {
  const args = powerShellScript(`[Console]::OutputEncoding=[Text.Encoding]::UTF8; ${script}`);
  return (await run('powershell.exe', args, commandTimeoutMs)).stdout;
}

/** The process and its parents by the addon; undefined where there is none, or it could not look. */
function askAddon(deps: WindowsAppFinderDeps, pid: number): readonly ProcessRow[] | undefined {
  try {
    return deps.native === undefined ? undefined : chainByAddon(deps.native, pid);
  } catch (error) {
    deps.log.debug('apps.processes_failed', { error: String(error) });
    return undefined;
  }
}

/** The process and its living parents, nearest first; empty where it is gone. Throws where the addon cannot look. */
export function chainByAddon(native: Pick<Native, 'processChain'>, pid: number): readonly ProcessRow[] {
  return native.processChain(pid).map((one) => ({
    pid: one.pid,
    parentPid: one.parent,
    startedAt: BigInt(one.start ?? 0),
    path: one.path ?? '',
    command: one.command ?? '',
    user: one.user ?? '',
    sid: one.sid ?? '',
  }));
}

/** The same out of a listing. Windows keeps the number of a parent that has gone; whoever has it now started later than the child. */
function chainOf(pid: number, rows: ReadonlyMap<number, ProcessRow>): readonly ProcessRow[] {
  const chain: ProcessRow[] = [];
  for (let row = rows.get(pid); row !== undefined && chain.length < maxChain; row = rows.get(row.parentPid)) {
    const child = chain.at(-1);
    if (child !== undefined && (chain.includes(row) || row.startedAt > child.startedAt)) break;
    chain.push(row);
  }
  return chain;
}

/** The first of the chain as a program, with those above it; undefined where the chain is empty. */
export function describeChain([row, ...above]: readonly ProcessRow[]): App | undefined {
  if (row === undefined) return undefined;
  const parents = above.flatMap((parent): AppParent[] => {
    if (parent.path === '') return [];
    const script = interpreterScript(parent.path, splitCommand(parent.command));
    return [{ pid: parent.pid, path: parent.path, ...defined({ script }) }];
  });
  const script = interpreterScript(row.path, splitCommand(row.command));
  return {
    attribution: 'exact',
    pid: row.pid,
    parents,
    ...(row.path === '' ? {} : { path: row.path }),
    ...(row.sid === '' ? {} : { uid: row.sid }),
    ...(row.user === '' ? {} : { user: row.user }),
    ...defined({ script }),
  };
}

function askKernel(deps: WindowsAppFinderDeps, flow: Parameters<AppFinder['find']>[0]): number | undefined {
  const remote = flow.via ?? remoteOf(flow.destination);
  if (deps.native === undefined || remote === undefined) return undefined;
  const { source, protocol } = flow;
  try {
    return deps.native.socketOwner(protocol, source.address, source.port, remote.address, remote.port)?.pid;
  } catch (error) {
    deps.log.debug('apps.tables_failed', { error: String(error) });
    return undefined;
  }
}

async function askNetstat(run: RunCommand, flow: Parameters<AppFinder['find']>[0]): Promise<number | undefined> {
  const six = flow.source.address.includes(':');
  const name = `${flow.protocol.toUpperCase()}${six ? 'v6' : ''}`;
  const { stdout } = await run('netstat.exe', ['-ano', '-p', name], commandTimeoutMs);
  return parseNetstat(stdout, flow.protocol, flow.source, flow.via ?? remoteOf(flow.destination));
}

/** `TCP local remote STATE pid`, `UDP local *:* pid`. */
export function parseNetstat(
  text: string,
  protocol: FlowRequest['protocol'],
  local: Endpoint,
  remote: Endpoint | undefined,
): number | undefined {
  const own = endpointText(local);
  const anywhere = local.address.includes(':') ? `[::]:${local.port}` : `0.0.0.0:${local.port}`;
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[0] !== protocol.toUpperCase()) continue;
    const fits =
      protocol === 'tcp'
        ? fields[1] === own && remote !== undefined && fields[2] === endpointText(remote)
        : fields[1] === own || fields[1] === anywhere;
    const pid = Number(fields.at(-1));
    if (fits && Number.isSafeInteger(pid) && pid > 0) return pid;
  }
  return undefined;
}

/** The JSON of {@link processScript}; what is not as expected is left out. */
export function parseProcesses(text: string): ReadonlyMap<number, ProcessRow> {
  const rows = new Map<number, ProcessRow>();
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    // PowerShell failed or was cut off: nobody is known, and flows stay unattributed.
    return rows;
  }
  for (const entry of Array.isArray(raw) ? (raw as readonly unknown[]) : [raw]) {
    if (typeof entry !== 'object' || entry === null) continue;
    const { p, q, t, x, c, u, s } = entry as Record<string, unknown>;
    if (typeof p !== 'number' || typeof q !== 'number') continue;
    const startedAt = typeof t === 'number' || (typeof t === 'string' && /^\d+$/.test(t)) ? BigInt(t) : 0n;
    const text = (value: unknown): string => (typeof value === 'string' ? value : '');
    rows.set(p, { pid: p, parentPid: q, startedAt, path: text(x), command: text(c), user: text(u), sid: text(s) });
  }
  return rows;
}

/** Arguments of a command line, by the rules of CommandLineToArgvW: backslashes mean something before a quote alone. */
export function splitCommand(command: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  for (const [, slashes = '', rest = ''] of command.matchAll(/(\\*)([^\\]|$)/gs)) {
    const isQuote = rest === '"';
    const kept = isQuote ? slashes.slice(0, Math.floor(slashes.length / 2)) : slashes;
    if (kept !== '') word = (word ?? '') + kept;
    if (isQuote && slashes.length % 2 === 0) {
      quoted = !quoted;
      word ??= '';
    } else if (!quoted && /^\s$/.test(rest)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (rest !== '') word = (word ?? '') + rest;
  }
  return word === undefined ? words : [...words, word];
}

function parseSigner(text: string): string | undefined {
  const subject = text.trim();
  return subject === '' ? undefined : subject;
}

function endpointText(at: Endpoint): string {
  return formatHostPort(at.address, at.port);
}

function remoteOf(destination: { readonly address?: string; readonly port: number }): Endpoint | undefined {
  return destination.address === undefined ? undefined : { address: destination.address, port: destination.port };
}
