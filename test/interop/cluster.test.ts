/** A cluster of three real controllers loses its leader while work goes on. */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ByteStream } from '../../main/base/stream.ts';
import { openZitiMissing } from '../support/openziti-binary.ts';
import { mustSkip } from '../support/optional.ts';
import { openRealCluster, type RealCluster } from '../support/real-cluster.ts';
import { until } from '../support/until.ts';
import { arrange, drain, echo, host, join, type Arranged, type Member } from '../support/ziti-world.ts';

describe.skipIf(mustSkip(openZitiMissing()))('a cluster of three controllers (OpenZiti)', () => {
  let cluster: RealCluster;
  let alice: Member;
  let bob: Member;
  let echoing: Arranged;
  let binding: AsyncDisposable;

  beforeAll(async () => {
    cluster = await openRealCluster();
    // As in life: the token names one controller, the others are learnt from it.
    [alice, bob] = await Promise.all([
      join(cluster, { pollPeriodMs: 15_000 }),
      join(cluster, { pollPeriodMs: 15_000 }),
    ]);
    echoing = await arrange(cluster, alice, bob);
    binding = await host(cluster, bob, echoing.serviceId, echo);
    // Followers learn with the leader's next heartbeat that a change was agreed on; who leads next must know of this one.
    await until(() => cluster.allKnow('terminators'), 20_000);
  }, 180_000);

  afterAll(async () => {
    await binding?.[Symbol.asyncDispose]();
    await alice?.context[Symbol.asyncDispose]();
    await bob?.context[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  }, 60_000);

  async function dialsAndHears(text: string): Promise<boolean> {
    try {
      const stream = await alice.context.dial(echoing.serviceId, { timeoutMs: 9000 });
      const over = drain(stream);
      stream.write(Buffer.from(text));
      stream.end();
      return (await over).text === text;
    } catch {
      // Not yet; the time limit decides.
      return false;
    }
  }

  test('all controllers are learnt from the one that the token names', async () => {
    const urls = cluster.controllers.map(({ url }) => `${url}/edge/client/v1`);
    // From 2.1 on the enrolment tells them all, and there is nothing left to learn.
    const learnt = alice.events.find((event) => event.kind === 'controllers-changed');
    const known = learnt?.kind === 'controllers-changed' ? learnt.apis : alice.options.apis;
    expect(known).toEqual(expect.arrayContaining(urls));
    expect(alice.context.controller().url).toBe(cluster.controllers[0]?.url);
  });

  test('the leader is killed under load: sessions go on, and new ones form within ten seconds', async () => {
    const streams = await Promise.all(Array.from({ length: 8 }, () => alice.context.dial(echoing.serviceId)));
    const traffic = streams.map((stream) => new Traffic(stream));
    await until(() => traffic.every((one) => one.echoed > 0));
    const leader = await cluster.leader();
    expect(leader?.url).toBe(alice.context.controller().url);

    const killedAt = performance.now();
    await leader?.child.stop('SIGKILL');
    await until(() => dialsAndHears('after the leader'), 30_000);
    const tookMs = performance.now() - killedAt;
    console.info(
      `OpenZiti ${cluster.version}: the first dial after the leader's death worked after ${Math.round(tookMs)} ms`,
    );
    expect(tookMs).toBeLessThan(10_000);

    // Who had nothing to ask a controller for moves once there is something, and nobody notices.
    for (const { context } of [alice, bob]) {
      await context.refresh().catch(() => undefined);
      await until(() => context.state().kind === 'ready' && context.controller().url !== leader?.url, 20_000);
    }
    expect(await cluster.leader()).not.toBe(leader);
    for (let dial = 0; dial < 5; dial += 1) expect(await dialsAndHears(`dial ${dial}`)).toBe(true);

    const before = traffic.map((one) => one.echoed);
    await until(() => traffic.every((one, index) => one.echoed > (before[index] ?? 0)), 10_000);
    expect(traffic.flatMap((one) => one.failure ?? [])).toEqual([]);
    for (const one of traffic) one.stop();
  }, 90_000);
});

/** Speaks every few milliseconds and counts what comes back in order. */
class Traffic {
  echoed = 0;
  failure: Error | undefined;
  readonly #stream: ByteStream;
  #over = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.start({
      data: (chunk) => {
        for (const byte of chunk) {
          if (byte !== this.echoed % 256) this.failure ??= new Error(`byte ${this.echoed} came back as ${byte}`);
          this.echoed += 1;
        }
      },
      end: () => undefined,
      drain: () => undefined,
      closed: (error) => {
        this.#over = true;
        this.failure ??= error;
      },
    });
    void this.#speak();
  }

  stop(): void {
    this.#over = true;
    this.#stream.reset();
  }

  async #speak(): Promise<void> {
    for (let sent = 0; !this.#over; sent += 1) {
      this.#stream.write(Buffer.from([sent % 256]));
      await delay(20);
    }
  }
}
