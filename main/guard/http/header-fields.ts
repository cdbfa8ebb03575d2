/**
 * Which fields of a request's head go on. Pure.
 *
 * A field nobody here knows may be one that makes the server read another request than the guard did: another method, another path, another
 * framing, another protocol. So only what stands on a list goes on, and names written in any other way than with letters, digits and dashes do
 * not (gateways take `_` for `-`).
 */

/**
 * Fields of the connection or the framing, which the guard writes itself or leaves out. Sources: RFC 9110 section 7.6.1, RFC 9112 section 6,
 * RFC 9113 section 3.1 (HTTP2-Settings, obsolete).
 */
const ownFields: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'expect',
]);

/** Sources: RFC 9110 to 9112, RFC 6265, Fetch, W3C Trace Context, and the field name registry of IANA. */
const known: ReadonlySet<string> = new Set(
  `accept accept-charset accept-datetime accept-encoding accept-language accept-patch accept-post accept-ranges
  access-control-request-headers access-control-request-method access-control-request-private-network apikey authorization
  baggage b3 cache-control client-sdk content-digest content-disposition content-encoding content-language content-location content-md5
  content-range content-type cookie date device-memory digest dnt dpop early-data etag from helicone-auth host
  if if-match if-modified-since if-none-match if-range if-unmodified-since last-event-id last-modified link
  max-forwards mcp-method mcp-name mcp-protocol-version mcp-session-id openai-beta openai-organization openai-project origin
  pragma prefer priority proxy-authorization purpose range referer repr-digest rtt save-data sentry-trace service-worker signature
  signature-input slug soapaction timeout timezone traceparent tracestate upgrade-insecure-requests uber-trace-id user-agent
  want-content-digest want-repr-digest`.split(/\s+/),
);

/** Families of fields: vendors', the browser's, and those that carry a key, an id or a version for the application itself. */
const families =
  /^(?:x|sec|anthropic|openai|mcp|ce|cf-aig|helicone|portkey|grpc|idempotency|api|ollama|cohere|gitlab|github)-[a-z0-9-]+$|^[a-z0-9-]+-(?:id|key|token|version|beta|signature)$/;

/** Of a family, what speaks of the request itself rather than to the application: method, address, route, framing, rewriting. */
const speaksOfRequest =
  /(?:^|-)(?:method|verb|override|overrides|original|originating|rewrite|rewritten|url|uri|path|pathinfo|prefix|host|server|forwarded|forward|proxy|redirect|replaced|accel|sendfile|base|route|script|length|encoding|protocol|scheme|wsgi|http2|upgrade)(?:-|$)/;
/** Those again that do not, though their name sounds so. */
const harmless =
  /^(?:x-request-(?:id|url-id)|x-forwarded-(?:for|proto)|sec-websocket-(?:key|version|protocol|extensions)|mcp-(?:method|name|protocol-version|param-[a-z0-9-]+)|anthropic-version|x-stainless-[a-z0-9-]+)$/;

/** Does this field (lower case) go on to the service as it is? Those of the connection do not: the guard writes its own. */
export function goesOn(name: string): boolean {
  if (ownFields.has(name)) return false;
  if (known.has(name) || harmless.test(name)) return true;
  return families.test(name) && !speaksOfRequest.test(name);
}

/** In the spelling most servers print. */
export function spelt(name: string): string {
  return name.replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
}
