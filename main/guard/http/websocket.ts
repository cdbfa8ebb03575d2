/** WebSocket handshakes, the one upgrade that may pass. Pure. Source: RFC 6455 sections 4.1 and 4.2.1. */
import { fieldOf, type RequestHead } from './head.ts';

/** Does it ask for a websocket, well or badly? */
export function asksForWebSocket(head: RequestHead): boolean {
  return listed(fieldOf(head, 'upgrade')).some((protocol) => protocol.startsWith('websocket'));
}

/** Exactly a handshake: no body, nothing else asked for. */
export function isWebSocketHandshake(head: RequestHead): boolean {
  const has = (name: string): boolean => head.fields.some((field) => field.name === name);
  return (
    head.method === 'GET' &&
    head.version === '1.1' &&
    fieldOf(head, 'upgrade')?.toLowerCase() === 'websocket' &&
    listed(fieldOf(head, 'connection')).includes('upgrade') &&
    fieldOf(head, 'sec-websocket-version') === '13' &&
    /^[A-Za-z0-9+/]{22}==$/.test(fieldOf(head, 'sec-websocket-key') ?? '') &&
    !has('content-length') &&
    !has('transfer-encoding')
  );
}

function listed(value: string | undefined): readonly string[] {
  return (value ?? '').split(',').map((item) => item.trim().toLowerCase());
}
