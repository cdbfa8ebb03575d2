/** Answers of the guard's own, in HTTP. Pure. */
import { joinBytes, utf8 } from '../bytes.ts';

/** An answer the guard gives in the service's place. */
export interface OwnAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

const reasonPhrases: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

/** The whole answer; without its body for HEAD. The connection stays open. */
export function encodeAnswer(answer: OwnAnswer, headOnly: boolean): Uint8Array {
  const body = utf8(answer.body);
  const headers = (answer.headers ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = utf8(
    `HTTP/1.1 ${answer.status} ${reasonPhrases[answer.status] ?? 'Refused'}\r\n` +
      `Content-Type: ${answer.contentType}\r\nContent-Length: ${body.length}\r\n${headers}Cache-Control: no-store\r\n\r\n`,
  );
  return headOnly ? head : joinBytes([head, body]);
}
