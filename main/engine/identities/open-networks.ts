/** The networks, an identity each: brought to work, and what they tell of carried into the rooms. */
import type { AuditWriter } from '../../audit/record.ts';
import type { Clock } from '../../base/clock.ts';
import type { DisposalStack } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { openHardwareTransport } from '../../identity/hardware-transport.ts';
import type { IdentityStore, KeyUnlock } from '../../identity/identities.ts';
import { runCommand } from '../../net/run-command.ts';
import type { Sessions } from '../../session/sessions.ts';
import { openZitiContext, type ZitiService } from '../../ziti/ziti.ts';
import { Identities } from './identities.ts';
import type { IdentityRunner, RunnerDeps, RunnerListener } from './identity-runner.ts';
import { contextOpener } from './open-context.ts';
import { postureGatherer } from '../monitor/posture-facts.ts';
import { ScreenUnlocks, watchLogind } from '../monitor/screen-lock.ts';
import { openReadiness, type Readiness } from './readiness.ts';

/** Told what becomes of an identity's services, and of the identity. */
export interface NetworkListener {
  readonly runner: RunnerListener;
  removed(identity: string): void;
  renamed(identity: string, to: string): void;
  /** Somebody else answers what it hosts. */
  answered(runner: IdentityRunner): void;
}

/** What the networks are opened with, and the rooms they tell. */
export interface NetworksDeps {
  readonly store: IdentityStore;
  readonly audit: AuditWriter;
  readonly clock: Clock;
  readonly log: Log;
  readonly sessions: Pick<Sessions, 'closeWhere'>;
  readonly changes: NetworkListener;
  readonly version: string;
  /** Names of services whose answerer came or went. */
  readonly answered: { subscribe(listener: (service: string) => void): Disposable };
  /** Whoever signs the record is told of every identity's key that is opened. */
  readonly keyOpened: RunnerDeps['keyOpened'];
  /** What `run` was given to unlock keys with. */
  readonly unlock: KeyUnlock;
  /** An identity must sign in at its provider again. */
  readonly onLoginRequired: (identity: string) => void;
  /** An identity goes by another name; the rooms know it already. */
  readonly onRenamed: (identity: string, to: string) => void;
}

/** All identities, and when they have settled. */
export interface Networks {
  readonly identities: Identities;
  readonly readiness: Readiness;
  /** A person unlocked the screen: told as posture at once. `uid` where that is known. */
  screenUnlocked(uid: number | undefined): void;
  /** The host woke from sleep: posture counts from then. */
  woke(atMs: number): void;
}

/** Nothing is at work until `identities.start()`; the stack ends them all. */
export function openNetworks(deps: NetworksDeps, stack: DisposalStack): Networks {
  const { store, audit, clock, log, unlock, version, sessions, changes, keyOpened } = deps;
  stack.use(
    deps.answered.subscribe((service) => {
      const hosts = ({ name, permissions }: ZitiService): boolean => name === service && permissions.includes('Bind');
      for (const runner of identities.all()) if (runner.services().some(hosts)) changes.answered(runner);
    }),
  );
  let wokenAt: number | undefined;
  const unlocks = new ScreenUnlocks();
  const identities: Identities = stack.use(
    new Identities({
      store,
      audit,
      clock,
      log,
      unlock,
      listener: {
        ...changes.runner,
        changed(runner) {
          if (runner.state() === 'login-required') deps.onLoginRequired(runner.name);
          changes.runner.changed(runner);
        },
      },
      keyOpened,
      openContext: contextOpener({
        keyOpened,
        store,
        clock,
        log,
        version,
        openZitiContext,
        openTransport: openHardwareTransport,
        gatherPosture: postureGatherer({ wokenAt: () => wokenAt, unlockedAt: (owner) => unlocks.lastFor(owner) }),
      }),
      cut: (identity, why) => sessions.closeWhere((session) => session.identity === identity, 'identity_disabled', why),
      onRemoved: (name) => changes.removed(name),
      onRenamed(name, to) {
        changes.renamed(name, to);
        deps.onRenamed(name, to);
      },
    }),
  );
  const readiness = openReadiness({ clock, settled: () => identities.all().every((runner) => runner.settled()) });
  const screenUnlocked = (uid: number | undefined): void => {
    log.info('engine.screen_unlocked');
    unlocks.note(uid, clock.now());
    for (const runner of identities.all()) void runner.refreshPosture();
  };
  if (process.platform === 'linux') {
    const asks = (): boolean => identities.all().some((runner) => runner.services().some(asksOnUnlock));
    stack.use(watchLogind({ clock, log, run: runCommand, asks }, screenUnlocked));
  }
  return { identities, readiness, screenUnlocked, woke: (atMs) => (wokenAt = atMs) };
}

function asksOnUnlock({ postureChecks }: ZitiService): boolean {
  return postureChecks.some((check) => check.promptOnUnlock);
}
