/** What an answer in HTTP says where it is no message of MCP: the engine's refusal, or a status and perhaps a line of text. */
import type { Answer } from './http-call.ts';
import type { Failure } from './way.ts';

const longestQuote = 200;

/** Sentence, next step and code of a refusal stand in the body a line each, the code also in a header. */
export function failureIn(answer: Answer, body: string): Failure {
  const code = answer.headers['culvert-reason'];
  if (typeof code === 'string') {
    const [sentence = code, next = ''] = body.split('\n');
    const refused = { code, sentence, next: next === '' || next === `(${code})` ? undefined : next };
    return { why: `${sentence} (${code})`, refused };
  }
  // A page is for eyes; a line of plain text may say something.
  const quote = answer.type.includes('html') || /^\s*</.test(body) ? '' : body.trim().slice(0, longestQuote);
  return { why: `the server answered ${answer.status}${quote === '' ? '' : ` ${quote}`}` };
}
