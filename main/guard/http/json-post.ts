/** What a request has to be like for JSON to be read from its body as every server reads it. Pure. */
import { fieldOf, foreignCharset, type RequestHead } from './head.ts';
import { asksForWebSocket } from './websocket.ts';

/** Why a request is refused by its head alone. */
export interface HeadRefusal {
  readonly status: number;
  readonly why: string;
}

/** Why what follows this head cannot be read as HTTP with JSON in it; undefined where it can. */
export function unreadableHead(head: RequestHead): HeadRefusal | undefined {
  if (asksForWebSocket(head)) {
    return {
      status: 426,
      why: 'what flows in a websocket cannot be held to the contract: ask over plain HTTP',
    };
  }
  if (head.version === '1.0') return { status: 400, why: 'HTTP/1.0 is not spoken here' };
  if (head.method !== 'POST') return undefined;
  const coding = fieldOf(head, 'content-encoding');
  if (coding !== undefined && coding !== 'identity') return { status: 415, why: `a body in ${coding} cannot be read` };
  const charset = foreignCharset(head);
  if (charset !== undefined) return { status: 415, why: `a body in ${charset} cannot be read` };
  return undefined;
}

/** True for a media type (lower case, without parameters) whose bodies are JSON. */
export function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}
