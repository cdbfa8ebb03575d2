/** Every platform's routes, through the suite all of them keep to; test/system/tun-routes.test.ts has the same with a real kernel. */
import { hostRoutes } from '../../main/net/route/choose-routes.ts';
import type { RunCommand } from '../../main/net/run-command.ts';
import { darwinHost, linuxHost, RouteTable, windowsHost } from '../support/routed-hosts.ts';
import { hostRoutesConformance } from './host-routes.ts';

for (const [platform, toolsOf] of [
  ['linux', linuxHost],
  ['darwin', darwinHost],
  ['win32', windowsHost],
] as const) {
  hostRoutesConformance(platform, () => {
    const table = new RouteTable();
    table.devices.add('lan0').add('tun0');
    table.own.add('10.20.0.5');
    table.add({ prefix: '10.20.0.0/16', device: 'lan0' });
    table.add({ prefix: '0.0.0.0/0', device: 'lan0', via: '10.20.0.1' });
    const tools = toolsOf(table);
    let isThere = true;
    const run: RunCommand = (...asked) =>
      isThere ? tools(...asked) : Promise.resolve({ code: 127, stdout: '', stderr: 'not found' });
    return {
      routes: hostRoutes(run, platform),
      tun: 'tun0',
      lan: 'lan0',
      ownAddress: '10.20.0.5',
      neighbour: '10.20.0.77',
      gateway: '10.20.0.1',
      elsewhere: (verb, prefix) =>
        void (verb === 'add' ? table.add({ prefix, device: 'lan0' }) : table.delete(prefix, 'lan0')),
      loseTools: () => (isThere = false),
      [Symbol.dispose]: () => undefined,
    };
  });
}
