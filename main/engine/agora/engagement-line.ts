/** The line on which two ends speak of an engagement: one question, one answer, then it is over. */
import type { Party } from '../../agora/engagement.ts';
import type { Clock } from '../../base/clock.ts';
import { toTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { ByteStream } from '../../base/stream.ts';
import { askField, type HostWords } from '../../peer/words.ts';
import { RecordLink } from '../record/record-link.ts';
import {
  readEngagementAnswer,
  readQuestion,
  type EngagementAnswer,
  type EngagementQuestion,
} from './engagement-words.ts';

/** The host may check a signature first, and whoever holds the key may take its time. */
const patienceMs = 15_000;

/** How the host of a service is dialled. */
export interface AskingDeps {
  readonly clock: Clock;
  readonly dial: (
    identity: string,
    serviceId: string,
    words: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<{ readonly stream: ByteStream; greeting(withinMs: number): Promise<HostWords | undefined> }>;
}

/** Ask the host of a service, as the party's own identity. Throws `ziti.*`, and `agora.not_answered` where it is no Culvert or says nothing. */
export async function askHost(
  { clock, dial }: AskingDeps,
  { identity, serviceId, service }: Party,
  question: EngagementQuestion,
): Promise<EngagementAnswer> {
  const ended = new AbortController();
  let cut = (): void => ended.abort();
  const timer = clock.after(patienceMs, () => cut());
  try {
    const dialled = await dial(identity, serviceId, { [askField]: '1' }, ended.signal);
    const { stream } = dialled;
    cut = () => stream.reset(notAnswered(service));
    if ((await dialled.greeting(patienceMs)) === undefined) {
      stream.reset();
      throw notAnswered(service);
    }
    const link = new RecordLink(stream);
    await link.send(question);
    const line = await link.next();
    link.close();
    if (line === undefined) throw notAnswered(service);
    return readEngagementAnswer(line);
  } finally {
    timer[Symbol.dispose]();
  }
}

/** Answer one question. */
export function serveQuestion(
  remote: ByteStream,
  answer: (question: EngagementQuestion) => EngagementAnswer,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): void {
  const link = new RecordLink(remote);
  const timer = clock.after(patienceMs, () => link.reset());
  const serve = async (): Promise<void> => {
    const line = await link.next();
    if (line === undefined) return;
    await link.send(answered(line, answer));
    link.close();
    // Whoever asked hangs up.
    await link.next();
  };
  serve()
    .catch((error: unknown) => {
      log.info('engagement.line_broken', { code: toTunnelerError(error).code });
      link.reset();
    })
    .finally(() => timer[Symbol.dispose]());
}

function answered(line: string, answer: (question: EngagementQuestion) => EngagementAnswer): EngagementAnswer {
  try {
    return answer(readQuestion(line));
  } catch (error) {
    return { refused: toTunnelerError(error).message.slice(0, 1_000) };
  }
}

function notAnswered(service: string): TunnelerError {
  return new TunnelerError('agora.not_answered', `whoever hosts ${service} does not speak of engagements`, {
    details: { service, next: 'let Culvert host it: an engagement is kept at both ends' },
  });
}
