/**
 * An engine with thousands of services and dozens of identities: how long until it knows them, what it holds, how soon it follows a change,
 * and how long `why` takes. The first identity may dial every service, each of the others an equal share of them.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient } from '../../main/api/client.ts';
import { schema, type EngineClient } from '../../main/api/schema.ts';
import { connectSocket } from '../../main/ipc/socket-transport.ts';
import type { Network } from '../support/network.ts';
import { until } from '../support/until.ts';
import { CulvertEnd } from './ends.ts';
import { quantile, spread } from './figures.ts';
import { cpuSeconds, residentBytes } from './process.ts';

const atOnce = 8;
const policySize = 500;
const changes = 20;
const questions = 200;
const settleMs = 20_000;
const idleMs = 20_000;

/** How much of everything there is. */
export interface Scale {
  readonly services: number;
  readonly identities: number;
}

/** The figures as lines to print. */
export async function measureScale(network: Network, scale: Scale): Promise<string> {
  const { admin } = network;
  const serviceIds = await inParallel(scale.services, (index) =>
    admin.createService({ name: `service-${index}`, configs: { 'intercept.v1': intercept(nameOf(index)) } }),
  );
  const identities = await inParallel(scale.identities, (index) => admin.createIdentity(`scale-${index}`));
  const share = Math.ceil(scale.services / scale.identities);
  for (const [index, { id }] of identities.entries()) {
    const own = index === 0 ? serviceIds : serviceIds.slice(index * share, (index + 1) * share);
    for (let at = 0; at < own.length; at += policySize) {
      await admin.createServicePolicy({ type: 'Dial', services: own.slice(at, at + policySize), identities: [id] });
    }
  }
  const [first, ...others] = identities;
  await using end = await CulvertEnd.enrol(first?.jwt ?? '');
  for (const [index, { jwt }] of others.entries()) await end.enrolAnother(jwt, `bench-${index + 1}`);
  const expected = scale.services + Math.max(0, scale.services - share);

  const startedMs = performance.now();
  const child = await end.run(['--mode', 'proxy', '--proxy-listen', '127.0.0.1:0']);
  const readyMs = performance.now() - startedMs;
  const connection = createClient(schema, await connectSocket(join(end.directory, 'state', 'engine.sock')));
  try {
    const engine = connection.client;
    await until(async () => (await engine.engine.status()).services.dial >= expected, 300_000);
    const knownMs = performance.now() - startedMs;
    await delay(settleMs);
    const resident = residentBytes(child.pid);
    const cpuBefore = cpuSeconds(child.pid);
    await delay(idleMs);
    const idleShare = ((cpuSeconds(child.pid) - cpuBefore) * 1000) / idleMs;
    const asked = await whyTimes(engine, scale.services);
    const followed = await changeTimes(engine, network, serviceIds);
    return [
      `${scale.services} services, ${scale.identities} identities in one engine, ${expected} grants`,
      `  ready                 ${(readyMs / 1000).toFixed(1)} s`,
      `  all services known    ${(knownMs / 1000).toFixed(1)} s`,
      `  resident              ${(resident / 1024 ** 2).toFixed(0)} MiB`,
      `  processor, idle       ${(idleShare * 100).toFixed(1)} % of one`,
      `  why                   ${quantile(asked, 0.5).toFixed(1)} ms p50, ${quantile(asked, 0.99).toFixed(1)} ms p99`,
      `  a change is followed  ${spread(followed, 0)} ms`,
    ].join('\n');
  } finally {
    connection.close();
  }
}

const nameOf = (index: number): string => `host-${index}.scale.dark`;
const intercept = (name: string): object => ({
  addresses: [name],
  portRanges: [{ low: 443, high: 443 }],
  protocols: ['tcp'],
});

async function whyTimes(engine: EngineClient, services: number): Promise<number[]> {
  const times: number[] = [];
  for (let question = 0; question < questions; question += 1) {
    const startedMs = performance.now();
    const { service } = await engine.service.why({ destination: `${nameOf((question * 37) % services)}:443` });
    times.push(performance.now() - startedMs);
    if (service === undefined) throw new Error('why does not know a service that was granted');
  }
  return times;
}

/** From the administrator's call to the engine that serves the new name. */
async function changeTimes(engine: EngineClient, network: Network, serviceIds: readonly string[]): Promise<number[]> {
  const times: number[] = [];
  for (let change = 0; change < changes; change += 1) {
    const name = `changed-${change}.scale.dark`;
    const startedMs = performance.now();
    await network.admin.setServiceConfig(serviceIds[change] ?? '', 'intercept.v1', intercept(name));
    await until(async () => (await engine.service.why({ destination: `${name}:443` })).service !== undefined, 60_000);
    times.push(performance.now() - startedMs);
  }
  return times;
}

/** `count` made, a few at a time, in their order. */
async function inParallel<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      made[index] = await make(index);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return made;
}
