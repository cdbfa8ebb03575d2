/** What every TUN device must do, whoever stands where the host's stack is. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tcpFlag } from '../../main/net/packet/view.ts';
import type { TunDevice } from '../../main/net/tun/device.ts';
import { datagram, end, segment, tell } from '../support/packets.ts';
import type { PacketEnds, Told } from '../support/packets.ts';

/** A device under test and the host at its other end. */
export interface DeviceWorld extends AsyncDisposable {
  readonly device: TunDevice;
  /** The host sends a packet out through the interface. */
  fromHost(packet: Uint8Array): void;
  /** Packets the interface has handed to the host so far. */
  readonly toHost: readonly Uint8Array[];
  /** Let so much time pass for the device. */
  wait(ms: number): Promise<void>;
}

export interface DeviceSubject {
  readonly name: string;
  /** A device with 100.64.0.1/16 and fd00::1/64, up. */
  open(): Promise<DeviceWorld>;
}

const families = [
  {
    family: 'IPv4',
    application: { source: end('100.64.0.1', 40_000), destination: end('100.64.3.9', 80) },
    listener: { source: end('100.64.0.16', 1024), destination: end('100.64.0.1', 3333) },
  },
  {
    family: 'IPv6',
    application: { source: end('fd00::1', 40_000), destination: end('fd00::3:9', 80) },
    listener: { source: end('fd00::10', 1024), destination: end('fd00::1', 3333) },
  },
];

function reversed(ends: PacketEnds): PacketEnds {
  return { source: ends.destination, destination: ends.source };
}

async function eventually<T>(find: () => T | undefined): Promise<T> {
  for (let waited = 0; waited < 5_000; waited += 5) {
    const found = find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not come');
}

export function tunDeviceConformance(subject: DeviceSubject): void {
  describe(`TUN device: ${subject.name}`, () => {
    let world: DeviceWorld;
    let raised: Told[];

    beforeEach(async () => {
      world = await subject.open();
      raised = [];
    });

    afterEach(async () => {
      await world[Symbol.asyncDispose]();
    });

    const start = (): void => {
      world.device.start({
        packets: (batch) => raised.push(...batch.map(tell)),
        failed: () => undefined,
      });
    };
    const raisedText = (text: string): Promise<Told> => eventually(() => raised.find((told) => told.text === text));
    const handed = (matches: (told: Told) => boolean): Promise<Told> =>
      eventually(() => world.toHost.map(tell).find(matches));
    /** A datagram that comes up after all before it shows that those were dealt with. */
    const barrier = async (): Promise<void> => {
      const text = `barrier ${Math.random()}`;
      world.fromHost(datagram(end('100.64.0.1', 1), end('100.64.9.9', 1), text));
      await raisedText(text);
    };

    it.each(families)('raises what no flow claims, whole: $family', async ({ application }) => {
      start();
      world.fromHost(datagram(application.source, application.destination, 'hello'));
      expect(await raisedText('hello')).toMatchObject({
        from: tell(datagram(application.source, application.destination, '')).from,
      });
      expect(world.device.stats()['raised']).toBeGreaterThanOrEqual(1);
    });

    it('keeps what came before start, and is started once', async () => {
      const { application } = families[0] ?? { application: undefined };
      if (application === undefined) return;
      world.fromHost(datagram(application.source, application.destination, 'early'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      start();
      await raisedText('early');
      expect(start).toThrow();
    });

    it.each(families)('hands our packets to the host: $family', async ({ application }) => {
      const back = reversed(application);
      expect(world.device.write([datagram(back.source, back.destination, 'answer')])).toBe(1);
      await handed((told) => told.text === 'answer');
    });

    it.each(families)('rewrites an added flow both ways, and nothing of it comes up: $family', async (row) => {
      start();
      const { application, listener } = row;
      expect(world.device.addFlow(7, application, listener, 100)).toBe(true);
      expect(world.device.addFlow(8, application, listener, 100)).toBe(false);
      expect(world.device.flowCount()).toBe(1);
      const [out, back] = [tell(segment(listener.source, listener.destination, { flags: 0 })), reversed(listener)];
      world.fromHost(
        segment(application.source, application.destination, {
          flags: tcpFlag.ack,
          sequence: 101,
          payload: new Uint8Array(99),
        }),
      );
      const there = await handed((told) => told.from === out.from && told.to === out.to);
      expect(there.tcp).toMatchObject({ sequence: 101, flags: tcpFlag.ack, span: 99 });
      world.fromHost(segment(back.source, back.destination, { flags: tcpFlag.ack, sequence: 900 }));
      const answer = tell(segment(application.destination, application.source, { flags: 0 }));
      await handed((told) => told.from === answer.from && told.to === answer.to && told.tcp?.sequence === 900);
      await barrier();
      expect(raised.filter((told) => told.tcp !== undefined && told.from === out.from)).toEqual([]);
    });

    it('raises a SYN that is not the one its flow was admitted for', async () => {
      start();
      const { application, listener } = families[0] ?? { application: undefined, listener: undefined };
      if (application === undefined) return;
      world.device.addFlow(7, application, listener, 100);
      world.fromHost(segment(application.source, application.destination, { flags: tcpFlag.syn, sequence: 100 }));
      world.fromHost(segment(application.source, application.destination, { flags: tcpFlag.syn, sequence: 200 }));
      await barrier();
      expect(raised.filter((told) => told.tcp !== undefined).map((told) => told.tcp?.sequence)).toEqual([200]);
    });

    it('resets both sides of a flow, with the numbers they expect', async () => {
      start();
      const { application, listener } = families[0] ?? { application: undefined, listener: undefined };
      if (application === undefined) return;
      world.device.addFlow(7, application, listener, 100);
      world.fromHost(
        segment(application.source, application.destination, {
          flags: tcpFlag.ack,
          sequence: 101,
          acknowledgment: 555,
        }),
      );
      const answer = reversed(listener);
      world.fromHost(
        segment(answer.source, answer.destination, { flags: tcpFlag.ack, sequence: 1, acknowledgment: 777 }),
      );
      await barrier();
      world.device.resetFlow(7);
      world.device.resetFlow(7);
      const isReset = (told: Told): boolean => ((told.tcp?.flags ?? 0) & tcpFlag.rst) !== 0;
      const toApplication = await handed((told) => isReset(told) && told.from === '100.64.3.9|80');
      expect(toApplication.tcp?.sequence).toBe(555);
      const toListener = await handed((told) => isReset(told) && told.from === '100.64.0.16|1024');
      expect(toListener.tcp?.sequence).toBe(777);
      expect(world.device.flowCount()).toBe(0);
    });

    it('forgets a retired flow once it was reset, and tells', async () => {
      start();
      const { application, listener } = families[0] ?? { application: undefined, listener: undefined };
      if (application === undefined) return;
      world.device.addFlow(7, application, listener, 100);
      world.fromHost(segment(application.source, application.destination, { flags: tcpFlag.rst, sequence: 101 }));
      await barrier();
      expect(world.device.sweep()).toEqual([]);
      world.device.retireFlow(7);
      await world.wait(700);
      expect(world.device.sweep()).toEqual([7]);
      expect(world.device.flowCount()).toBe(0);
    });

    it('is closed once, and takes nothing afterwards', async () => {
      start();
      await world.device[Symbol.asyncDispose]();
      await world.device[Symbol.asyncDispose]();
      const { application, listener } = families[0] ?? { application: undefined, listener: undefined };
      if (application === undefined) return;
      expect(world.device.write([datagram(application.source, application.destination, 'late')])).toBe(0);
      expect(world.device.addFlow(9, application, listener, 1)).toBe(false);
      expect(world.device.flowCount()).toBe(0);
      expect(world.device.sweep()).toEqual([]);
    });
  });
}
