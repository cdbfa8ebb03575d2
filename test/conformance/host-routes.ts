/** What every platform's routes keep to, whatever tools they are set and read with. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { HostRoutes } from '../../main/net/route/route.ts';

/** A host that reaches others by `lan`, and has an interface `tun` that nobody uses yet. */
export interface RoutesWorld extends Disposable {
  readonly routes: HostRoutes;
  readonly tun: string;
  readonly lan: string;
  /** The address of `lan` itself, an address on its network, and the gateway there that everything else goes through. */
  readonly ownAddress: string;
  readonly neighbour: string;
  readonly gateway: string;
  /** Somebody else sends a prefix into `lan`, or takes that back. */
  elsewhere(verb: 'add' | 'delete', prefix: string): void;
  /** From now on no tool of the system can be found. */
  loseTools(): void;
}

const far = '203.0.113.7';

export function hostRoutesConformance(name: string, makeWorld: () => RoutesWorld): void {
  describe(`routes of ${name}`, () => {
    let world: RoutesWorld;
    let routes: HostRoutes;
    const own = async (): Promise<readonly string[]> =>
      (await routes.list()).flatMap(({ prefix, device }) => (device === world.tun ? [prefix] : []));

    beforeEach(async () => {
      world = makeWorld();
      ({ routes } = world);
      await routes.configure(world.tun, 1400, ['100.64.0.1/16', 'fd7a:9c1e:50b4:1::1/64']);
      return () => world[Symbol.dispose]();
    });

    it('an interface that is set up has its ranges, and is the way to what is in them', async () => {
      expect(await own()).toEqual(expect.arrayContaining(['100.64.0.0/16', 'fd7a:9c1e:50b4:1::/64']));
      expect((await routes.nextHopTo('100.64.7.7'))?.device).toBe(world.tun);
    });

    it('the host’s own are told as a collision would have them: whole prefixes, "default" as all', async () => {
      expect(await routes.list()).toEqual(
        expect.arrayContaining([
          { prefix: '0.0.0.0/0', device: world.lan },
          { prefix: '10.20.0.0/16', device: world.lan },
        ]),
      );
    });

    it('prefixes of both families go into the interface, and are taken back', async () => {
      const before = await own();
      const prefixes = ['10.2.0.0/16', '192.0.2.9/32', 'fd00:77::/48'];
      expect(await routes.add(world.tun, prefixes)).toEqual([]);
      expect(await own()).toEqual(expect.arrayContaining(prefixes));
      expect((await routes.nextHopTo('10.2.3.4'))?.device).toBe(world.tun);
      await routes.remove(world.tun, prefixes);
      await routes.remove(world.tun, prefixes);
      expect([...(await own())].sort()).toEqual([...before].sort());
      expect((await routes.nextHopTo('10.2.3.4'))?.device).toBe(world.lan);
    });

    it('what another has is refused by name and left to it, the rest is set', async () => {
      world.elsewhere('add', '10.3.0.0/16');
      expect(await routes.add(world.tun, ['10.2.0.0/16', '10.3.0.0/16', '10.4.0.0/16'])).toEqual(['10.3.0.0/16']);
      expect((await routes.nextHopTo('10.3.1.1'))?.device).toBe(world.lan);
      expect(await own()).toEqual(expect.arrayContaining(['10.2.0.0/16', '10.4.0.0/16']));
      await routes.remove(world.tun, ['10.3.0.0/16']);
      expect((await routes.list()).filter(({ prefix }) => prefix === '10.3.0.0/16')).toEqual([
        { prefix: '10.3.0.0/16', device: world.lan },
      ]);
    });

    it('what is there already is no collision with itself', async () => {
      expect(await routes.add(world.tun, ['10.2.0.0/16'])).toEqual([]);
      expect(await routes.add(world.tun, ['10.2.0.0/16', '10.4.0.0/16'])).toEqual([]);
      expect((await own()).filter((prefix) => prefix === '10.2.0.0/16')).toHaveLength(1);
      expect(await routes.add(world.tun, [])).toEqual([]);
    });

    it('the way to an address is the next hop and its interface; none where it is the host itself', async () => {
      expect(await routes.nextHopTo(far)).toEqual({ via: world.gateway, device: world.lan });
      expect(await routes.nextHopTo(world.neighbour)).toEqual({ device: world.lan });
      expect(await routes.nextHopTo(world.ownAddress)).toBeUndefined();
      expect(await routes.nextHopTo('127.0.0.1')).toBeUndefined();
      expect(await routes.nextHopTo('2001:db8::1')).toBeUndefined();
    });

    it('a pinned address keeps its way, whatever is routed, until it is let go', async () => {
      for (const address of [far, world.neighbour]) {
        const way = await routes.nextHopTo(address);
        expect(way).toBeDefined();
        if (way === undefined) return;
        expect(await routes.pin(address, way)).toBe(true);
        const halves = ['0.0.0.0/1', '128.0.0.0/1', `${address}/31`.replace(/\d+\/31$/, '0/24')];
        await routes.add(world.tun, halves);
        expect(await routes.nextHopTo(address)).toEqual(way);
        await routes.unpin(address, way.device);
        await routes.unpin(address, way.device);
        await routes.remove(world.tun, halves);
        expect(await routes.nextHopTo(address)).toEqual(way);
      }
    });

    it('what is pinned already, or by a way that is none, is no pin', async () => {
      const way = { via: world.gateway, device: world.lan };
      expect(await routes.pin(far, way)).toBe(true);
      expect(await routes.pin(far, way)).toBe(false);
      expect(await routes.pin('203.0.113.8', { device: 'no-such-device' })).toBe(false);
    });

    it('what ways depend on differs once others’ routes do, and not for ours', async () => {
      if (routes.signature === undefined) return;
      const look = async (): Promise<string> => (await routes.signature?.([far], world.tun)) ?? '';
      const before = await look();
      await routes.add(world.tun, ['203.0.112.0/20']);
      expect(await look()).toBe(before);
      world.elsewhere('add', '203.0.113.0/24');
      expect(await look()).not.toBe(before);
      world.elsewhere('delete', '203.0.113.0/24');
      expect(await look()).toBe(before);
    });

    it('without its tools nothing is known and nothing set, and that is no exception but where an interface is set up', async () => {
      world.loseTools();
      expect(await routes.list()).toEqual([]);
      expect(await routes.nextHopTo(far)).toBeUndefined();
      expect(await routes.add(world.tun, ['10.2.0.0/16'])).toEqual(['10.2.0.0/16']);
      expect(await routes.pin(far, { device: world.lan })).toBe(false);
      await routes.remove(world.tun, ['10.2.0.0/16']);
      await routes.unpin(far, world.lan);
      await expect(routes.configure(world.tun, 1400, ['100.64.0.1/16'])).rejects.toMatchObject({
        code: 'net.route.failed',
      });
    });
  });
}
