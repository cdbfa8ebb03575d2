/** `doctor`: what can be looked at from outside an engine, each with what is found and, where it is not as it must be, the next step. */
import { lookup } from 'node:dns/promises';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { DoctorCheck } from '../../api/machine-views.ts';
import type { StatusView } from '../../api/views.ts';
import { toTunnelerError } from '../../base/errors.ts';
import { parseHostPort } from '../../base/ip.ts';
import { silentLog } from '../../base/log.ts';
import { isMissing } from '../../files/read-if-there.ts';
import type { IdentityFile } from '../../identity/identities.ts';
import { openIdentityStore } from '../../identity/identity-store.ts';
import { openHttpsTransport } from '../../ziti/ziti.ts';
import { servedUid } from '../runtime/served-user.ts';
import { readConfig, type EngineConfig } from '../runtime/config.ts';
import { lastSettingsFile } from '../runtime/lineage-record.ts';
import { offlineVerify } from './offline.ts';

/** What a running engine says of itself; or why none does. */
export type EngineFacts = { readonly status: StatusView } | { readonly failure: string; readonly next: string };

const enoughBytes = 64 * 1024 * 1024;
/** Controllers refuse what is further off; tokens and codes begin to fail before that. */
const maxSkewMs = 30_000;
const controllerTimeoutMs = 5_000;

type Finding = Omit<DoctorCheck, 'name'>;

/** All checks, in a fixed order; none throws. */
export async function doctor(stateDirectory: string, engine: EngineFacts): Promise<readonly DoctorCheck[]> {
  const config = await settings(stateDirectory);
  const identities = await records(stateDirectory);
  const controllers = await Promise.all(
    [...new Map(identities.map((one) => [one.apis[0] ?? '', one])).values()].map(askController),
  );
  const found: Readonly<Record<DoctorCheck['name'], Finding>> = {
    clock: clock(controllers),
    dns: await names(identities),
    controller: controller(controllers),
    router: routers(engine),
    keystore: await keystores(stateDirectory, identities),
    disk: await disk(stateDirectory),
    journal: await journal(stateDirectory),
    permissions: await permissions(stateDirectory, engine),
    vpn: otherVpns(engine),
    ports: await ports(config, engine),
    engine: running(engine),
  };
  return Object.entries(found).map(([name, finding]) => ({ name: name as DoctorCheck['name'], ...finding }));
}

const good = (text: string): Finding => ({ ok: true, text, next: null });
const bad = (text: string, next: string): Finding => ({ ok: false, text, next });

async function settings(stateDirectory: string): Promise<EngineConfig> {
  // What is wrong with the settings is `config check`'s to say.
  return readConfig(await lastSettingsFile(stateDirectory), false).catch(() => ({}));
}

async function records(stateDirectory: string): Promise<readonly IdentityFile[]> {
  if ((await stat(stateDirectory).catch(() => undefined)) === undefined) return [];
  const store = await openIdentityStore({ stateDirectory, log: silentLog }).catch(() => undefined);
  const entries = (await store?.list().catch(() => [])) ?? [];
  return entries.flatMap((entry) => (entry.kind === 'good' ? [entry.record] : []));
}

interface Asked {
  readonly origin: string;
  readonly failure?: string;
  /** The controller's clock ahead of ours. */
  readonly aheadMs?: number;
}

async function askController({ apis, caPem }: IdentityFile): Promise<Asked> {
  const origin = new URL(apis[0] ?? '').origin;
  const before = Date.now();
  await using transport = openHttpsTransport(origin, { caPem });
  try {
    const answer = await transport.send({
      method: 'GET',
      path: '/edge/client/v1/version',
      timeoutMs: controllerTimeoutMs,
    });
    const said = Date.parse(answer.header('date') ?? '');
    // The header has whole seconds, and was written somewhere between question and answer.
    return Number.isNaN(said) ? { origin } : { origin, aheadMs: said + 500 - (before + Date.now()) / 2 };
  } catch (error) {
    const { code, message, details } = toTunnelerError(error);
    const { skewMs } = details;
    return {
      origin,
      failure: message,
      ...(code === 'ziti.controller.clock_skew' && typeof skewMs === 'number' ? { aheadMs: skewMs } : {}),
    };
  }
}

function clock(controllers: readonly Asked[]): Finding {
  const compared = controllers.flatMap(({ aheadMs }) => (aheadMs === undefined ? [] : [aheadMs]));
  const [worst] = [...compared].sort((one, other) => Math.abs(other) - Math.abs(one));
  if (worst === undefined) return good('not compared: no controller answered');
  const seconds = Math.round(Math.abs(worst) / 1000);
  if (Math.abs(worst) <= maxSkewMs) return good(`within ${Math.max(seconds, 1)} s of the controller's`);
  return bad(`${seconds} s ${worst > 0 ? 'behind' : 'ahead of'} the controller's`, 'set the clock, best by NTP');
}

async function names(identities: readonly IdentityFile[]): Promise<Finding> {
  const hosts = [...new Set(identities.flatMap(({ apis }) => apis.map((api) => new URL(api).hostname)))];
  const failed: string[] = [];
  for (const host of hosts) await lookup(host.replace(/^\[|\]$/g, '')).catch(() => failed.push(host));
  if (failed.length > 0) {
    return bad(`no address for ${failed.join(', ')}`, 'check the network and its resolver: culvert dns status');
  }
  return good(hosts.length === 0 ? 'no name to look up yet' : `${hosts.join(', ')} can be looked up`);
}

function controller(controllers: readonly Asked[]): Finding {
  if (controllers.length === 0) return bad('there is no identity yet', 'culvert enroll FILE.jwt');
  const failed = controllers.filter(({ failure }) => failure !== undefined);
  if (failed.length === 0) return good(`${controllers.map(({ origin }) => origin).join(', ')} answers`);
  return bad(
    failed.map(({ origin, failure }) => `${origin}: ${failure ?? ''}`).join('; '),
    'check the network of this device, and ask whether the controller is up',
  );
}

function routers(engine: EngineFacts): Finding {
  if (!('status' in engine)) return good('not asked: routers are known to a running engine');
  const { routers: all, identities } = engine.status;
  const connected = all.filter(({ state }) => state === 'connected');
  if (connected.length > 0) {
    const told = connected.map(({ name, latencyMs }) =>
      latencyMs === undefined ? name : `${name} (${latencyMs.toFixed(1)} ms)`,
    );
    return good(`connected to ${told.join(', ')}`);
  }
  if (identities.every(({ state }) => state !== 'ready')) return good('none needed while no identity is ready');
  return bad(
    all.length === 0 ? 'no router is offered' : `not connected to ${all.map(({ name }) => name).join(', ')}`,
    'let this device out to its routers, or have an edge router policy name it',
  );
}

async function keystores(stateDirectory: string, identities: readonly IdentityFile[]): Promise<Finding> {
  if (identities.length === 0) return good('no key is kept yet');
  const store = await openIdentityStore({ stateDirectory, log: silentLog });
  const kinds = [
    ...new Set(identities.filter((one) => one.keyReference !== undefined).map(({ keystore }) => keystore)),
  ];
  for (const kind of kinds) {
    const here = await store.keystore(kind).available();
    if (!here.ok) return bad(`${kind}: ${here.sentence}`, here.next ?? 'culvert identity list says which it holds up');
  }
  return good(kinds.length === 0 ? 'no key is kept' : `${kinds.join(', ')} can be used`);
}

async function disk(stateDirectory: string): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(stateDirectory);
    const free = bavail * bsize;
    if (free < enoughBytes)
      return bad(`${Math.floor(free / 1_000_000)} MB free`, `free some space at ${stateDirectory}`);
    await access(stateDirectory, constants.W_OK);
    return good(`${(free / 1_000_000_000).toFixed(1)} GB free at ${stateDirectory}`);
  } catch (error) {
    if (isMissing(error)) return good(`${stateDirectory} is not there yet`);
    return bad(
      `${stateDirectory}: ${(error as Error).message}`,
      'run as the user it belongs to, or name another with --state',
    );
  }
}

async function journal(stateDirectory: string): Promise<Finding> {
  const found = await stat(stateDirectory).catch((error: unknown) => error);
  if (isMissing(found)) return good('no record yet');
  try {
    const { ok, count, firstBad } = await offlineVerify(stateDirectory);
    if (ok) return good(`${count} records, intact`);
    return bad(`record ${firstBad?.seq ?? '?'}: ${firstBad?.reason ?? 'tampered'}`, 'culvert audit verify');
  } catch (error) {
    return bad((error as Error).message, 'culvert audit verify');
  }
}

/** The state directory as it must be; and what refusals are worth here, for that hangs on whose engine it is. */
async function permissions(stateDirectory: string, engine: EngineFacts): Promise<Finding> {
  const found = await stat(stateDirectory).catch(() => undefined);
  if (found !== undefined && process.platform !== 'win32' && (found.mode & 0o022) !== 0) {
    return bad(`others may write to ${stateDirectory}`, `chmod go-w ${stateDirectory}`);
  }
  const owner = found?.uid ?? process.getuid?.();
  const isUsers = owner !== 0 && owner === process.getuid?.() && (!('status' in engine) || servedUid() !== undefined);
  return good(
    isUsers
      ? "a user's own engine: it serves that user alone; refusals hold for calls, window and command line; against signals, files and keychain of the same user only culvert agent run, or another user's engine, holds"
      : refusalsOf(owner),
  );
}

/** Of an engine that serves more than one user: its own user's programs are never kept from it as others are. */
function refusalsOf(owner: number | undefined): string {
  // Windows names no owner by a number.
  const user = process.platform === 'win32' ? "the engine's own user" : owner === 0 ? 'root' : `user ${owner} and root`;
  return (
    `to programs of other users another user's engine: refusals hold against signals and files as well; to programs of ${user} ` +
    "the same user's: they hold for calls, window and command line, and only culvert agent run holds the rest"
  );
}

const vpnNames = /^(?:tun|tap|wg|utun|ppp|tailscale|zt|nordlynx|cscotun|gpd|ipsec|proton)/;
const sharedRange = /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;

function otherVpns(engine: EngineFacts): Finding {
  const own = 'status' in engine ? engine.status.tun?.name : undefined;
  const others = Object.entries(networkInterfaces()).filter(([name]) => vpnNames.test(name) && name !== own);
  if (others.length === 0) return good('no other VPN interface');
  const told = `beside ${others.map(([name]) => name).join(', ')}`;
  const shares = others.some(([, addresses]) => addresses?.some(({ address }) => sharedRange.test(address)) === true);
  if (own !== undefined && shares) return bad(`${told}, in the same range`, 'set ranges: { ipv4: … } in culvert.yaml');
  return good(told);
}

async function ports(config: EngineConfig, engine: EngineFacts): Promise<Finding> {
  if ('status' in engine) {
    const { proxy } = engine.status;
    return good(proxy === undefined ? 'no proxy port in this mode' : `the proxy listens on ${proxy.listen}`);
  }
  const wanted = config.proxy?.listen;
  if (wanted === undefined) return good('no fixed port is asked for');
  const { host, port } = parseHostPort(wanted, 'proxy.listen');
  if (port !== 0 && (await answers(host, port))) {
    return bad(`${wanted} is in use by another program`, 'stop it, or set another proxy.listen');
  }
  return good(`${wanted} is free`);
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (is: boolean): void => (socket.destroy(), resolve(is));
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}

function running(engine: EngineFacts): Finding {
  if (!('status' in engine)) return bad(engine.failure, engine.next);
  const { mode, version, pid, identities } = engine.status;
  const troubled = identities.find(({ state }) => state !== 'ready' && state !== 'disabled');
  if (troubled !== undefined) {
    const why = troubled.reason?.sentence ?? troubled.state;
    return bad(`runs in mode ${mode}; ${troubled.name}: ${why}`, troubled.reason?.next ?? 'culvert status');
  }
  return good(`version ${version} runs in mode ${mode}, pid ${pid}`);
}
