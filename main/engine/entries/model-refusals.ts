/** What the endpoint for models refuses by itself, in the words of the dialect that was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { defined } from '../../base/defined.ts';
import { encodeAnswer } from '../../guard/http/own-answer.ts';
import type { Refused } from '../../guard/http/model-refusal.ts';
import { refusalAnswer } from '../../guard/http/refusal.ts';

/** A page of the web must not reach it, whatever name it has given to this address; undefined for programs. */
export function foreignRefusal({ headers }: IncomingMessage): Refused | undefined {
  if (headers.origin === undefined && isLoopback(headers.host)) return undefined;
  return { status: 403, rule: 'llm:origin', why: 'this endpoint is for programs of this machine, not for web pages' };
}

/** Nothing that the program may dial has this model; undefined: the request names none. */
export function noRoute(model: string | undefined): Refused {
  const rule = 'llm:model';
  if (model === undefined) return { status: 400, rule, why: 'a request that names no model' };
  return { status: 404, rule, why: `${model} is not among the models you may ask`, ...defined({ model }) };
}

/** Answer a request so. */
export function refuse(answer: ServerResponse, target: string, refusal: Refused): void {
  const { status, contentType, body, headers } = refusalAnswer({ ...refusal, target });
  answer.writeHead(status, { 'content-type': contentType, ...Object.fromEntries(headers ?? []) }).end(body);
}

/** Answer a handshake so; its connection ends. */
export function refuseUpgrade(socket: Duplex, { url: target = '/' }: IncomingMessage, refusal: Refused): void {
  const answer = refusalAnswer({ ...refusal, target });
  socket.end(encodeAnswer({ ...answer, headers: [...(answer.headers ?? []), ['Connection', 'close']] }, false));
}

function isLoopback(host: string | undefined): boolean {
  return host === undefined || /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host);
}
