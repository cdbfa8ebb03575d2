/** How long a dial takes where the controller is far from the client, and what it asks of it: the first of an API session, and later ones. */
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenTransport } from '../../main/ziti/ziti.ts';
import { openHttpsTransport } from '../../main/ziti/ziti.ts';
import type { Network } from '../support/network.ts';
import { arrange, echo, host, join } from '../support/ziti-world.ts';
import { median } from './figures.ts';

/** The way to the controller and back. */
const controllerMs = 50;
const laterDials = 20;

interface DialFigures {
  readonly firstMs: number;
  readonly laterMs: number;
  readonly requestsPerDial: number;
}

/** One identity after another, each dialling a service of its own. */
export async function measureDials(network: Network, rounds: number): Promise<string> {
  const all: DialFigures[] = [];
  const hosting = await join(network);
  try {
    for (let round = 0; round <= rounds; round++) {
      const figures = await oneIdentity(network, hosting);
      if (round > 0) all.push(figures);
    }
  } finally {
    await hosting.context[Symbol.asyncDispose]();
  }
  const of = (pick: (one: DialFigures) => number): string => median(all.map(pick)).toFixed(1);
  return [
    `dials, the controller ${controllerMs} ms away, medians of ${rounds} rounds`,
    `  first of a session   ${of(({ firstMs }) => firstMs)} ms`,
    `  later                ${of(({ laterMs }) => laterMs)} ms`,
    `  controller requests  ${of(({ requestsPerDial }) => requestsPerDial)} a dial`,
  ].join('\n');
}

async function oneIdentity(network: Network, hosting: Awaited<ReturnType<typeof join>>): Promise<DialFigures> {
  let requests = 0;
  const far: OpenTransport = (origin, credential) => {
    const near = openHttpsTransport(origin, credential);
    return {
      origin,
      send: async (request) => {
        requests += 1;
        await delay(controllerMs);
        return near.send(request);
      },
      [Symbol.asyncDispose]: () => near[Symbol.asyncDispose](),
    };
  };
  const member = await join(network, { open: far, pollPeriodMs: 60_000 });
  const { serviceId } = await arrange(network, member, hosting);
  const binding = await host(network, hosting, serviceId, echo);
  try {
    // What is still being learnt of the new service is over before anything is counted.
    await delay(1500);
    const before = requests;
    const firstMs = await timeOf(member, serviceId);
    const later: number[] = [];
    for (let at = 0; at < laterDials; at++) later.push(await timeOf(member, serviceId));
    return { firstMs, laterMs: median(later), requestsPerDial: (requests - before) / (laterDials + 1) };
  } finally {
    await binding[Symbol.asyncDispose]();
    await member.context[Symbol.asyncDispose]();
  }
}

/** As the engine dials: what is granted now is made sure of beside the dial. */
async function timeOf(member: Awaited<ReturnType<typeof join>>, serviceId: string): Promise<number> {
  const startedMs = performance.now();
  const [stream] = await Promise.all([member.context.dial(serviceId), member.context.confirmServices()]);
  const tookMs = performance.now() - startedMs;
  stream.reset();
  return tookMs;
}
