/** Under which names the console is reached where it is itself hosted as a dark service of this device. */
import type { ServiceView } from '../../api/views.ts';

/** More names than this are a configuration gone astray, not a console. */
const maxNames = 8;
const httpPort = '80';

/**
 * `name` or `name:port` as a browser's Host says it, for each service hosted here whose target is the console's own port. They come from
 * the controller's policy, as everything that is hosted does; a name somebody else points at this machine is none of them.
 */
export function darkConsoleHosts(consolePort: number, services: readonly ServiceView[]): readonly string[] {
  const target = new RegExp(`^tcp (127\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}|localhost|\\[::1\\]):${consolePort}$`);
  const hosted = services.filter(({ hosted: here }) => here?.target.split(', ').some((one) => target.test(one)));
  const names = hosted.flatMap(({ addresses, ports }) =>
    addresses
      .filter((address) => !address.includes('*') && !address.includes('/'))
      .flatMap((name) => ports.filter(isOne).map((port) => (port === httpPort ? name : `${name}:${port}`))),
  );
  return [...new Set(names)].slice(0, maxNames);
}

function isOne(port: string): boolean {
  return !port.includes('-');
}
