/** The window in a browser, opened when first asked for, or from the start where the settings say so. */
import type { Clock } from '../../base/clock.ts';
import { TunnelerError } from '../../base/errors.ts';
import { parseHostPort } from '../../base/ip.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Dispatcher } from '../../api/dispatch.ts';
import type { ApprovalView } from '../../api/approval-view.ts';
import type { ConsoleView, ServiceView } from '../../api/views.ts';
import type { EngineConfig } from '../runtime/config.ts';
import type { ConsoleListener, OpenedConsole } from '../runtime/engine-options.ts';
import { darkConsoleHosts } from './dark-console.ts';

/** Of a question that lapses at no set time. */
const linkLifetimeMs = 24 * 3_600_000;

/** A console that need not be open. */
export interface LazyConsole {
  /** Open it, unless it is. Throws `base.unsupported` without a door. */
  open(): Promise<void>;
  /** As {@link LazyConsole.addresses}, of links that answer this question until its time is over. */
  answerAddresses(question: ApprovalView): Promise<ConsoleView>;
  /** Fresh addresses, on loopback (there for these users alone, where given) and where it is a dark service. Opens it first. */
  addresses(uids: readonly number[] | undefined): Promise<ConsoleView>;
}

/** Opens at most one console; a failed opening is tried again at the next call. */
export function lazyConsole(
  options: { readonly consoleListener?: ConsoleListener | undefined },
  config: EngineConfig,
  deps: {
    readonly dispatcher: Dispatcher;
    readonly clock: Clock;
    readonly log: Log;
    readonly services: () => readonly ServiceView[];
    readonly visitorOf: Parameters<ConsoleListener>[0]['visitorOf'];
    readonly questions: Parameters<ConsoleListener>[0]['questions'];
  },
  stack: DisposalStack,
): LazyConsole {
  let opening: Promise<OpenedConsole> | undefined;
  const hosts = (port: number): readonly string[] => [
    ...new Set([...(config.console?.hosts ?? []), ...darkConsoleHosts(port, deps.services())]),
  ];
  const opened = (): Promise<OpenedConsole> => {
    opening ??= openNow().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    async open() {
      await opened();
    },
    async addresses(uids) {
      const console = await opened();
      const dark = hosts(console.port).map((host) => console.url(undefined, host));
      return { url: console.url(uids), ...(dark.length === 0 ? {} : { dark }) };
    },
    async answerAddresses({ id, expiresAt }) {
      const console = await opened();
      const endsAtMs = expiresAt === null ? deps.clock.now() + linkLifetimeMs : Date.parse(expiresAt);
      const dark = hosts(console.port).map((host) => console.answerUrl(id, endsAtMs, host));
      return { url: console.answerUrl(id, endsAtMs), ...(dark.length === 0 ? {} : { dark }) };
    },
  };

  async function openNow(): Promise<OpenedConsole> {
    if (options.consoleListener === undefined) {
      throw new TunnelerError('base.unsupported', 'this engine was started without a console');
    }
    if (config.console?.enabled === false) {
      throw new TunnelerError('console.refused', 'the console is turned off in the settings', {
        details: { next: 'set console.enabled in culvert.yaml' },
      });
    }
    const listen = parseHostPort(config.console?.listen ?? '127.0.0.1:0', 'console.listen');
    const { dispatcher, clock, log, visitorOf, questions } = deps;
    const { connect } = dispatcher;
    return stack.use(await options.consoleListener({ listen, hosts, connect, visitorOf, questions, clock, log }));
  }
}
