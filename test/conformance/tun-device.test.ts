/** The in-memory device always; the kernel's where this runs in a network namespace of a test's own (`test/system/tun-device.test.ts`). */
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { openNativeDevice } from '../../main/net/tun/native-device.ts';
import { MemoryDevice } from '../../main/net/tun/memory-device.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { tunDeviceConformance } from './tun-device.ts';

tunDeviceConformance({
  name: 'in memory',
  open: () => {
    const clock = new ManualClock();
    const toHost: Uint8Array[] = [];
    const device = new MemoryDevice(clock, (packet) => toHost.push(packet));
    return Promise.resolve({
      device,
      toHost,
      fromHost: (packet) => device.fromHost(packet),
      wait: (ms) => {
        clock.advance(ms);
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => device[Symbol.asyncDispose](),
    });
  },
});

const wire = process.env['CULVERT_TEST_WIRE'];
if (wire !== undefined) {
  tunDeviceConformance({
    name: 'the kernel',
    open: async () => {
      const device = openNativeDevice({ name: 'conform%d', mtu: 65_535 });
      const batch = [
        `address add 100.64.0.1/16 dev ${device.name}`,
        `address add fd00::1/64 dev ${device.name} nodad`,
        `link set dev ${device.name} mtu 65535 up`,
      ];
      execFileSync('ip', ['-batch', '-'], { input: `${batch.join('\n')}\n` });
      const child = spawn('python3', [wire, device.name], { stdio: ['pipe', 'pipe', 'inherit'] });
      const toHost: Uint8Array[] = [];
      await new Promise<void>((resolve) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          if (line === 'ready') resolve();
          else toHost.push(Uint8Array.from(Buffer.from(line, 'hex')));
        });
      });
      return {
        device,
        toHost,
        fromHost: (packet) => child.stdin.write(`${Buffer.from(packet).toString('hex')}\n`),
        wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        [Symbol.asyncDispose]: async () => {
          child.kill('SIGKILL');
          await device[Symbol.asyncDispose]();
        },
      };
    },
  });
}
