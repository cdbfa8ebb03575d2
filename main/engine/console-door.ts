/** The window in a browser, opened when first asked for, or from the start where the settings say so. */
import type { Clock } from '../base/clock.ts';
import { TunnelerError } from '../base/errors.ts';
import { parseHostPort } from '../base/ip.ts';
import type { DisposalStack } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Dispatcher } from '../contract/dispatch.ts';
import type { EngineConfig } from './config.ts';

/** As the console room's `openConsole`, its assets known. */
export type ConsoleDoor = (deps: {
  readonly listen: { readonly host: string; readonly port: number };
  readonly hosts: readonly string[];
  readonly connect: Dispatcher['connect'];
  readonly clock: Clock;
  readonly log: Log;
}) => Promise<OpenedConsole>;

export interface OpenedConsole extends AsyncDisposable {
  /** A fresh address that lets one browser in, once. */
  url(): string;
}

/** Opens at most one console; a failed opening is tried again at the next call. Throws `base.unsupported` without a door. */
export function lazyConsole(
  options: { readonly consoleDoor?: ConsoleDoor | undefined },
  config: EngineConfig,
  deps: { readonly dispatcher: Dispatcher; readonly clock: Clock; readonly log: Log },
  stack: DisposalStack,
): () => Promise<OpenedConsole> {
  let opening: Promise<OpenedConsole> | undefined;
  return () => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };

  async function open(): Promise<OpenedConsole> {
    if (options.consoleDoor === undefined) {
      throw new TunnelerError('base.unsupported', 'this engine was started without a console');
    }
    if (config.console?.enabled === false) {
      throw new TunnelerError('console.refused', 'the console is turned off in the settings', {
        details: { next: 'set console.enabled in culvert.yaml' },
      });
    }
    const listen = parseHostPort(config.console?.listen ?? '127.0.0.1:0', 'console.listen');
    const hosts = config.console?.hosts ?? [];
    const { dispatcher, clock, log } = deps;
    return stack.use(await options.consoleDoor({ listen, hosts, connect: dispatcher.connect, clock, log }));
  }
}
