/** The console's door for one question: whoever brings its link reads it and answers it, and is let no further in. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApprovalAnswer, ApprovalView } from '../api/approval-view.ts';
import type { Clock } from '../base/clock.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { AnswerLinks } from './answer-links.ts';
import { answerHeaders, answerPage, answerPath } from './answer-page.ts';
import { refusalPage } from './headers.ts';

/** Questions that wait for a person, and a person's answer. */
export interface Questions {
  find(id: string): ApprovalView | undefined;
  /** Throws a `TunnelerError` that says why it cannot be answered so. */
  answer(answer: ApprovalAnswer): ApprovalView;
}

/** Links of questions, and what answers whoever brings one. */
export interface AnswerDoor {
  /** The address' end that answers this question until `endsAtMs`, wall clock. */
  target(id: string, endsAtMs: number): string;
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** A reason and a link; more is no answer. */
const maxFormBytes = 8 * 1024;

/** Its links are good while it lives. */
export function openAnswerDoor(deps: {
  readonly questions: Questions;
  readonly clock: Clock;
  readonly log: Log;
}): AnswerDoor {
  const { questions, clock, log } = deps;
  const links = new AnswerLinks();
  const say = (response: ServerResponse, status: number, html: string): void => {
    response.writeHead(status, answerHeaders()).end(html);
  };
  const asked = (link: string): ApprovalView | undefined => {
    const id = links.read(link, clock.now());
    return id === undefined ? undefined : questions.find(id);
  };
  return {
    target: (id, endsAtMs) => `${answerPath}?link=${links.sign(id, endsAtMs)}`,
    async serve(request, response) {
      const posted = request.method === 'POST' ? await form(request) : undefined;
      const fields = posted ?? new URLSearchParams(request.url?.split('?')[1]);
      const link = fields.get('link') ?? '';
      const row = asked(link);
      if (row === undefined) {
        log.warn('console.refused', { status: 403, reason: 'link' });
        const sentence = 'This link is not, or no longer, good. Run “culvert approvals link ID” for a new one.';
        return say(response, 403, refusalPage(sentence));
      }
      if (posted === undefined) return say(response, 200, answerPage(row, link));
      const answer = posted.get('answer');
      if (answer !== 'grant' && answer !== 'deny')
        return say(response, 400, answerPage(row, link, 'No answer was given.'));
      const reason = posted.get('reason')?.trim() ?? '';
      try {
        const answered = questions.answer({
          id: row.id,
          grant: answer === 'grant',
          ...(reason === '' ? {} : { reason }),
        });
        log.info('console.answered', { approval: row.id, state: answered.state });
        return say(response, 200, answerPage(answered, link, `It is ${answered.state} now.`));
      } catch (error) {
        return say(response, 409, answerPage(row, link, toTunnelerError(error).message));
      }
    },
  };
}

/** The fields of a form, empty where they are no form's or too many. */
async function form(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxFormBytes) return new URLSearchParams();
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
