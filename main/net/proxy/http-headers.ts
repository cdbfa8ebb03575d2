/** Headers that go on from one hop to the next. RFC 9110 section 7.6. */

/** Meant for one connection only, whatever `Connection` says. RFC 9110 section 7.6.1, and the older names clients still send. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  // Node's server answers it itself before the body is forwarded.
  'expect',
]);

/** What is put in the place of what came. */
export interface HeaderRewrite {
  /** What stands in the URL takes the place of `Host`. RFC 9112 section 3.2.2. */
  readonly host?: string;
  readonly request?: boolean;
}

/**
 * Raw headers (name, value, name, value …) without those of this hop, in their order and with their doubles. Transfer-Encoding stays: it
 * tells Node's client that the body is to be chunked anew.
 */
export function endToEndHeaders(raw: readonly string[], rewrite: HeaderRewrite): string[] {
  const named = new Set<string>();
  let framed = false;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at]?.toLowerCase();
    if (name === 'connection')
      for (const token of (raw[at + 1] ?? '').split(',')) named.add(token.trim().toLowerCase());
    if (name === 'content-length' || name === 'transfer-encoding') framed = true;
  }
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const lower = name.toLowerCase();
    const framing = lower === 'content-length' || lower === 'transfer-encoding';
    if (hopByHop.has(lower) || (named.has(lower) && !framing)) continue;
    if (lower === 'host' && rewrite.host !== undefined) continue;
    kept.push(name, raw[at + 1] ?? '');
  }
  if (rewrite.host !== undefined) kept.unshift('Host', rewrite.host);
  if (rewrite.request === true) {
    if (!framed) kept.push('Content-Length', '0');
    // A flow has one request, and yet we are the one to close it: a service that is to close may do so with a request half read, and the
    // reset that follows takes its answer away. Named, for Node's client would ask it to close.
    kept.push('Connection', 'keep-alive');
  }
  kept.push('Via', '1.1 culvert');
  return kept;
}
