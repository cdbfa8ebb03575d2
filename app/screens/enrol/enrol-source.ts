/** What a person brought to enrol with, recognised and shown before anything is sent. */

/** No token and no identity file comes near this; a larger file was brought by mistake. */
export const maxSourceBytes = 1_048_576;

/** What was brought, as far as it is recognised. */
export type EnrolSource =
  | { readonly kind: 'token'; readonly text: string; readonly facts: TokenFacts }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'identity-file'; readonly text: string; readonly controller: string }
  | { readonly kind: 'unknown' };

/** What an enrolment token says of itself, unverified. */
export interface TokenFacts {
  readonly controller: string;
  /** Enrolment method: `ott`, `ottca`, `ca`, `network`, `updb`. */
  readonly method: string;
  readonly subject?: string;
  readonly expiresAt?: string;
}

/** Tokens that must come with a certificate of the network's third-party authority. */
export function needsCertificate(source: EnrolSource): boolean {
  return source.kind === 'token' && (source.facts.method === 'ottca' || source.facts.method === 'ca');
}

/** Recognise a token (JWT), a controller's https address, or an identity file's JSON. Nothing is verified here: the engine does that. */
export function recogniseSource(raw: string): EnrolSource {
  const text = raw.trim();
  if (/^https:\/\//i.test(text) && URL.canParse(text)) return { kind: 'url', url: text };
  const facts = tokenFacts(text);
  if (facts !== undefined) return { kind: 'token', text, facts };
  const controller = identityController(text);
  if (controller !== undefined) return { kind: 'identity-file', text, controller };
  return { kind: 'unknown' };
}

function tokenFacts(text: string): TokenFacts | undefined {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(text) ?? [];
  if (payload === undefined) return undefined;
  const claims = parseObject(decodeBase64Url(payload));
  const { iss, em, sub, exp } = claims ?? {};
  if (typeof iss !== 'string') return undefined;
  return {
    controller: iss,
    method: typeof em === 'string' ? em : 'ott',
    ...(typeof sub === 'string' ? { subject: sub } : {}),
    ...(typeof exp === 'number' ? { expiresAt: new Date(exp * 1000).toISOString() } : {}),
  };
}

function identityController(text: string): string | undefined {
  const file = text.startsWith('{') ? parseObject(text) : undefined;
  if (typeof file?.['id'] !== 'object' || file['id'] === null) return undefined;
  const address = file['ztAPI'];
  return typeof address === 'string' ? address : undefined;
}

function decodeBase64Url(encoded: string): string {
  try {
    const bytes = Uint8Array.from(atob(encoded.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return ''; // no base64 or no text: then it is no token, which the caller says
  }
}

function parseObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A first name for the identity, from the dropped file's name or the controller's host; always one the engine accepts. */
export function suggestName(fileName: string | undefined, source: EnrolSource): string {
  const fromFile = fileName?.replace(/\.(jwt|json)$/i, '');
  const host = (address: string): string => {
    const name = URL.canParse(address) ? new URL(address).hostname : address;
    // an address is nobody's name, and would be that of every identity of its controller
    return /^[\d.]+$|^\[|^localhost$/.test(name) ? 'identity' : name;
  };
  const raw =
    fromFile ??
    (source.kind === 'token'
      ? host(source.facts.controller)
      : source.kind === 'url'
        ? host(source.url)
        : source.kind === 'identity-file'
          ? host(source.controller)
          : '');
  return raw
    .replace(/[^A-Za-z0-9._@ -]/g, '-')
    .replace(/^[^A-Za-z0-9_-]+/, '')
    .slice(0, 128);
}

/** What a person brought to enrol with. */
export interface Brought {
  readonly source: Exclude<EnrolSource, { kind: 'unknown' }>;
  readonly fileName?: string;
}
