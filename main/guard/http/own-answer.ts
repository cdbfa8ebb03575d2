/** Answers of the guard's own, in HTTP. Pure. */
import { joinBytes, utf8 } from '../bytes.ts';

/** An answer the guard gives in the service's place. */
export interface OwnAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const reasonPhrases: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
};

/** The whole answer; without its body for HEAD. The connection stays open. */
export function encodeAnswer(answer: OwnAnswer, headOnly: boolean): Uint8Array {
  const body = utf8(answer.body);
  const head = utf8(
    `HTTP/1.1 ${answer.status} ${reasonPhrases[answer.status] ?? 'Refused'}\r\n` +
      `Content-Type: ${answer.contentType}\r\nContent-Length: ${body.length}\r\nCache-Control: no-store\r\n\r\n`,
  );
  return headOnly ? head : joinBytes([head, body]);
}

/** Shaped as LLM clients expect errors (`error.message`, `error.type`), which other clients show as well. */
export function refusalAnswer(status: number, rule: string, why: string): OwnAnswer {
  const error = { type: 'contract_refused', code: rule, message: `Refused by contract: ${why}`, by: 'culvert' };
  return { status, contentType: 'application/json', body: JSON.stringify({ error }) };
}
