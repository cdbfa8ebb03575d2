/** What a 2026-07-28 request says of itself in its header, held against its body. Pure. Source: SEP-2243, standard headers. */
import { textOf } from '../bytes.ts';
import { fieldOf, type RequestHead } from '../http/head.ts';
import { headerNameOf } from './methods.ts';
import type { RpcMessage } from './rpc.ts';

/** Where they disagree, in words: some servers go by the one, some by the other. */
export function headerDisagreement(head: RequestHead, message: RpcMessage | undefined): string | undefined {
  if (message === undefined || message.kind === 'response') return undefined;
  const method = fieldOf(head, 'mcp-method');
  if (method !== undefined && method !== message.method) return 'Mcp-Method is not the method of the body';
  const raw = fieldOf(head, 'mcp-name');
  if (raw === undefined) return undefined;
  return decodeHeaderValue(raw) === headerNameOf(message.method, message.params)
    ? undefined
    : 'Mcp-Name is not what the body names';
}

/** Plain, or `=?base64?…?=` over UTF-8. Source: SEP-2243. */
function decodeHeaderValue(raw: string): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(raw)?.[1];
  if (encoded === undefined) return raw;
  try {
    return textOf([Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0))]);
  } catch (error) {
    // atob names bad input by a DOMException; there is nothing else it throws.
    return error instanceof Error ? undefined : raw;
  }
}
