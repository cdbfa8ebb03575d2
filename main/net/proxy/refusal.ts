/** A refusal in the words of SOCKS5 and of HTTP. */
import type { RefusalAnswer } from '../../base/flow.ts';
import type { Reason } from '../../base/reason.ts';
import type { TunnelerError } from '../../base/errors.ts';

/** Why a flow was refused, and how its application is told. */
export interface Refusal {
  readonly reason: Reason;
  readonly answer: RefusalAnswer;
}

/** REP field, RFC 1928 section 6. */
export const socksReply = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;

/** The REP code that makes clients say what happened. */
export function socksReplyOf(answer: RefusalAnswer): number {
  switch (answer) {
    case 'reset':
      return socksReply.refused;
    case 'host-unreachable':
      return socksReply.hostUnreachable;
    case 'prohibited':
      return socksReply.notAllowed;
    case 'timeout':
      return socksReply.ttlExpired;
  }
}

/** HTTP status (RFC 9110 section 15) and proxy error type (RFC 9209 section 2.3). */
export function httpStatusOf(answer: RefusalAnswer): { readonly status: number; readonly error: string } {
  switch (answer) {
    case 'reset':
      return { status: 502, error: 'connection_refused' };
    case 'host-unreachable':
      return { status: 502, error: 'destination_ip_unroutable' };
    case 'prohibited':
      return { status: 403, error: 'http_request_denied' };
    case 'timeout':
      return { status: 504, error: 'connection_timeout' };
  }
}

/** An HTTP answer to a refused request: the reason stands in the body for people and in headers for scripts. */
export function httpRefusal(refusal: Refusal): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
} {
  const { reason } = refusal;
  const { status, error } = httpStatusOf(refusal.answer);
  const body = `${reason.sentence}\n${reason.next === undefined ? '' : `${reason.next}\n`}(${reason.code})\n`;
  return {
    status,
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': String(Buffer.byteLength(body)),
      'Culvert-Reason': headerText(reason.code),
      'Proxy-Status': `culvert; error=${error}; details="${headerText(reason.sentence)}"`,
    },
    body,
  };
}

/** The whole of {@link httpRefusal} as bytes, after which the connection closes. */
export function encodeHttpRefusal(refusal: Refusal): Buffer {
  const { status, headers, body } = httpRefusal(refusal);
  return Buffer.concat([encodeHead(status, { ...headers, Connection: 'close' }), Buffer.from(body)]);
}

const reasonPhrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  504: 'Gateway Timeout',
};

/** The head of an answer, written outside of Node's server. */
export function encodeHead(status: number, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`HTTP/1.1 ${status} ${reasonPhrases[status] ?? 'Error'}\r\n${lines.join('')}\r\n`, 'latin1');
}

/** A failed direct connection as a refusal. */
export function refusalOf(error: TunnelerError): Refusal {
  const reason: Reason = { code: error.code, sentence: error.message };
  switch (error.code) {
    case 'sockets.unreachable':
      return { reason, answer: 'host-unreachable' };
    case 'base.timeout':
      return { reason, answer: 'timeout' };
    default:
      return { reason, answer: 'reset' };
  }
}

/** A quoted string of RFC 8941 section 3.3.3 takes printable ASCII only. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'");
}
