/** Holds Linux's routes to what every platform's keep to, with iproute2 and the kernel itself, in namespaces of their own. */
import { describe } from 'vitest';
import { hostRoutes } from '../../main/net/route/choose-routes.ts';
import { runCommand, type RunCommand } from '../../main/net/run-command.ts';
import { hostRoutesConformance } from '../conformance/host-routes.ts';
import { mustSkip } from '../support/optional.ts';
import { link, Namespace, whyNoNamespaces } from './support/netns.ts';

describe.skipIf(mustSkip(whyNoNamespaces()))('with a kernel', () => {
  hostRoutesConformance('Linux itself', () => {
    const host = new Namespace();
    const router = new Namespace();
    link(host, '10.20.0.5/16', router, '10.20.0.1/16');
    host.ip('route', 'add', 'default', 'via', '10.20.0.1');
    // Any interface does; nothing is sent through it.
    host.ip('link', 'add', 'culvert0', 'type', 'veth', 'peer', 'name', 'nowhere');
    host.ip('link', 'set', 'nowhere', 'up');
    let prefix = ['netns', 'exec', host.name];
    const run: RunCommand = (command, args, options) => runCommand('ip', [...prefix, command, ...args], options);
    return {
      routes: hostRoutes(run, 'linux'),
      tun: 'culvert0',
      lan: 'veth0',
      ownAddress: '10.20.0.5',
      neighbour: '10.20.0.77',
      gateway: '10.20.0.1',
      elsewhere: (verb, to) => void host.ip('route', verb, to, 'dev', 'veth0'),
      loseTools: () => (prefix = ['netns', 'exec', 'culvert-none']),
      [Symbol.dispose]() {
        host[Symbol.dispose]();
        router[Symbol.dispose]();
      },
    };
  });
});
