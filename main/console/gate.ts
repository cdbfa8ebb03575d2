/**
 * Who may come in: decided from a request's line and headers alone, before anything of it is acted on.
 *
 * Host is compared with the names this console is known by, so that a name an attacker points at 127.0.0.1 (DNS rebinding) leads
 * nowhere; Origin, so that another page in the same browser cannot speak for the person.
 */

import { answerPath } from './answer-page.ts';

/** A request's line and the headers that count. */
export interface GateRequest {
  readonly method: string;
  /** Request target as sent. */
  readonly target: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly cookie: string | undefined;
  /** `Sec-Fetch-Dest`, where the browser tells: what it wants the answer for. */
  readonly fetchDest: string | undefined;
}

/** What requests are compared with. */
export interface Gate {
  /** True of `127.0.0.1:8441`, `localhost:8441`, and names it is hosted under; given in lower case. */
  readonly isOwnHost: (host: string) => boolean;
  readonly cookieName: string;
}

/** What a request is, by its line and headers alone. */
export type GateVerdict =
  | { readonly kind: 'refuse'; readonly status: 400 | 403 | 405; readonly reason: string }
  /** Someone brings a token; it is not yet looked at. */
  | { readonly kind: 'token'; readonly token: string; readonly secret: string | undefined }
  /** Someone brings the link of one question, to read or to answer it; it is not yet looked at. */
  | { readonly kind: 'answer' }
  /** A page, a file or the socket; good only with the cookie's secret. */
  | { readonly kind: 'path'; readonly path: string; readonly secret: string | undefined };

/** The token stands in the query of the page itself, so that the page's files are where they always are. */
const tokenParameter = 'token';

/** Decide about a request; `upgrade` for a WebSocket's, which must name its Origin. */
export function passGate(gate: Gate, request: GateRequest, upgrade: boolean): GateVerdict {
  const host = request.host?.toLowerCase();
  if (host === undefined || !gate.isOwnHost(host)) return refuse(403, 'host');
  if (request.origin === undefined ? upgrade : !isOwnOrigin(request.origin, host)) return refuse(403, 'origin');
  const path = pathOf(request.target);
  if (path === answerPath && !upgrade && (request.method === 'GET' || request.method === 'POST')) {
    // A form is sent by its own page, whose browser says so.
    if (request.method === 'POST' && request.origin === undefined) return refuse(403, 'origin');
    return { kind: 'answer' };
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'method');
  if (path === undefined) return refuse(400, 'target');
  const token = path === '/' ? new URLSearchParams(request.target.slice(path.length)).get(tokenParameter) : null;
  if (token !== null) {
    // a page that loads this address as a picture or script must not use the token up
    const navigates = request.fetchDest === undefined || request.fetchDest === 'document';
    if (request.method !== 'GET' || !navigates) return refuse(403, 'navigation');
    return { kind: 'token', token, secret: readCookie(request.cookie, gate.cookieName) };
  }
  return { kind: 'path', path, secret: readCookie(request.cookie, gate.cookieName) };
}

/** Subprotocols of the window's WebSocket (RFC 6455 section 1.9): what it speaks, and behind the other one its tab's secret. */
const protocolName = 'culvert';
const tabPrefix = 'culvert.tab.';

/** What is answered to a browser that names its tab. */
export function spokenProtocol(protocols: ReadonlySet<string>): string | false {
  return protocols.has(protocolName) ? protocolName : false;
}

/** The tab's secret among the subprotocols that a window offers. */
export function tabSecret(header: string | undefined): string | undefined {
  const offered = header?.split(',').map((one) => one.trim()) ?? [];
  return offered.find((one) => one.startsWith(tabPrefix))?.slice(tabPrefix.length);
}

/** The address' end under which a token is brought. */
export function tokenTarget(token: string): string {
  return `/?${tokenParameter}=${token}`;
}

function isOwnOrigin(origin: string, host: string): boolean {
  const lower = origin.toLowerCase();
  return lower === `http://${host}` || lower === `https://${host}`;
}

function pathOf(target: string): string | undefined {
  if (!target.startsWith('/') || target.startsWith('//')) return undefined;
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

function readCookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

function refuse(status: 400 | 403 | 405, reason: string): GateVerdict {
  return { kind: 'refuse', status, reason };
}
