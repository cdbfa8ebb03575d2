/**
 * A controller or router whose certificate does not hold is a security event, not only a fault of the network: each is recorded when it
 * begins, once, and again only after it was good in between.
 */
import type { AuditWriter } from '../../audit/record.ts';
import type { IdentityRunner } from '../identities/identity-runner.ts';
import type { NetworkListener } from '../identities/open-networks.ts';

interface Failure {
  readonly peer: 'controller' | 'router';
  readonly address: string;
  readonly code: string;
  readonly reason: string;
}

const certificateCodes: ReadonlySet<string> = new Set(['ziti.controller.certificate', 'ziti.channel.certificate']);

/** The same listener, which records what it hears of certificates. */
export function recordTlsFailures(listener: NetworkListener, audit: Pick<AuditWriter, 'recordOrLog'>): NetworkListener {
  const failing = new Map<string, ReadonlySet<string>>();

  const look = (runner: IdentityRunner): void => {
    const before = failing.get(runner.id) ?? new Set();
    const now = failuresOf(runner);
    failing.set(runner.id, new Set(now.map(({ address }) => address)));
    for (const failure of now.filter(({ address }) => !before.has(address))) {
      audit.recordOrLog({ kind: 'tls.failed', identity: runner.name, decision: 'deny', ...failure });
    }
  };

  return {
    ...listener,
    runner: {
      ...listener.runner,
      changed(runner) {
        look(runner);
        listener.runner.changed(runner);
      },
      routers(runner) {
        look(runner);
        listener.runner.routers(runner);
      },
    },
  };
}

function failuresOf(runner: IdentityRunner): readonly Failure[] {
  const state = runner.context()?.state();
  const error = state !== undefined && 'error' in state ? state.error : undefined;
  const address = runner.record()?.apis[0] ?? '';
  const controller =
    error !== undefined && certificateCodes.has(error.code)
      ? [{ peer: 'controller' as const, address, code: error.code, reason: error.message }]
      : [];
  const routers = runner
    .routers()
    .flatMap(({ address: place, error: failure }) =>
      failure !== undefined && certificateCodes.has(failure.code)
        ? [{ peer: 'router' as const, address: place, code: failure.code, reason: failure.message }]
        : [],
    );
  return [...controller, ...routers];
}
