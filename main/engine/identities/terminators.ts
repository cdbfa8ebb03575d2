/**
 * Which services nobody hosts, known before anybody dials them: the controller is asked for each one's terminators, one at a time and
 * seldom, so that a device is never a load. It only informs what people see; a dial is tried all the same.
 */
import type { Clock } from '../../base/clock.ts';
import type { Identities } from './identities.ts';

/** One question at a time, no closer together than this. */
const stepMs = 300;
/** How old an answer may become. */
const freshMs = 60_000;
/** The same of one that found nobody: whoever waits for a host to come up is told soon. */
const desertedFreshMs = 8_000;
/** An identity with more services to dial is not asked for: thousands of questions a minute are no way to treat a controller. */
const maxServices = 50;

interface Answer {
  readonly atMs: number;
  /** Undefined: the controller does not say. */
  readonly count: number | undefined;
}

export interface TerminatorPoller extends Disposable {
  /** True where the controller last said that this identity's service has no terminator. */
  isDeserted(identity: string, serviceId: string): boolean;
}

export interface SurveyDeps {
  readonly clock: Clock;
  readonly identities: Pick<Identities, 'all'>;
  /** Some service's answer differs from before. */
  readonly changed: () => void;
}

/** Asks until disposed. */
export function surveyTerminators({ clock, identities, changed }: SurveyDeps): TerminatorPoller {
  const answers = new Map<string, Answer>();
  let asking = false;

  const due = (nowMs: number): { key: string; ask: () => Promise<number | undefined> } | undefined => {
    const known = new Set<string>();
    let next: ReturnType<typeof due>;
    for (const runner of identities.all()) {
      const context = runner.context();
      const services = runner.services().filter(({ permissions }) => permissions.includes('Dial'));
      if (context === undefined || runner.trouble() !== undefined || services.length > maxServices) continue;
      for (const { id } of services) {
        const key = keyOf(runner.name, id);
        known.add(key);
        const answer = answers.get(key);
        const good = answer?.count === 0 ? desertedFreshMs : freshMs;
        if (answer !== undefined && nowMs - answer.atMs < good) continue;
        next ??= { key, ask: () => context.terminatorCount(id) };
      }
    }
    for (const key of answers.keys()) if (!known.has(key)) answers.delete(key);
    return next;
  };

  const step = async (): Promise<void> => {
    if (asking) return;
    const question = due(clock.monotonic());
    if (question === undefined) return;
    asking = true;
    // A controller that cannot be asked now says nothing; its troubles are told elsewhere.
    const count = await question.ask().catch(() => undefined);
    asking = false;
    const before = answers.get(question.key)?.count;
    answers.set(question.key, { atMs: clock.monotonic(), count });
    if ((before === 0) !== (count === 0)) changed();
  };

  const timer = clock.every(stepMs, () => void step());
  return {
    isDeserted: (identity, serviceId) => answers.get(keyOf(identity, serviceId))?.count === 0,
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
}

function keyOf(identity: string, serviceId: string): string {
  return `${identity}/${serviceId}`;
}
