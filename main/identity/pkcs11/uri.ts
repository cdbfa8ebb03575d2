/** PKCS#11 URIs (RFC 7512), and the older `pkcs11://lib?slot=…&pin=…&id=…&label=…` that OpenZiti's tunnelers write. */
import { TunnelerError } from '../../base/errors.ts';

/** A token, and where named, a key on it. */
export interface TokenUri {
  /** Path of the PKCS#11 module. */
  readonly modulePath: string;
  readonly token: string | undefined;
  readonly slot: number | undefined;
  /** Lower hex. */
  readonly id: string | undefined;
  readonly label: string | undefined;
  /** Only where the URI itself carried one. */
  readonly pin: string | undefined;
}

/** Usual names of modules, for URIs that give none: p11-kit's collector first. */
const defaultModules: readonly string[] = ['p11-kit-proxy.so'];

/** Parse either form. Throws `base.invalid` naming what is wrong; a PIN is never part of the message. */
export function parseTokenUri(text: string): TokenUri {
  if (!text.startsWith('pkcs11:')) throw invalid('it does not begin with pkcs11:');
  return text.startsWith('pkcs11://') ? parsePeerForm(text) : parseStandardForm(text);
}

/** The RFC 7512 form; `pin` only where asked. */
export function formatTokenUri(uri: TokenUri): string {
  const path = [
    uri.token === undefined ? undefined : `token=${encodeURIComponent(uri.token)}`,
    uri.slot === undefined ? undefined : `slot-id=${uri.slot}`,
    uri.id === undefined ? undefined : `id=${(uri.id.match(/../g) ?? []).map((byte) => `%${byte}`).join('')}`,
    uri.label === undefined ? undefined : `object=${encodeURIComponent(uri.label)}`,
  ].filter((part) => part !== undefined);
  const pin = uri.pin === undefined ? '' : `&pin-value=${encodeURIComponent(uri.pin)}`;
  return `pkcs11:${path.join(';')}?module-path=${encodeURIComponent(uri.modulePath)}${pin}`;
}

function parseStandardForm(text: string): TokenUri {
  const [path = '', query = ''] = text.slice('pkcs11:'.length).split('?', 2);
  const attributes = pairs(path, ';');
  const options = pairs(query, '&');
  if (options.has('pin-source')) throw invalid('a pin-source is read by whoever asks, and handed on as pin-value');
  const slot = attributes.get('slot-id');
  const id = attributes.get('id');
  return {
    modulePath: options.get('module-path') ?? moduleByName(options.get('module-name')),
    token: decoded(attributes.get('token')),
    slot: slot === undefined ? undefined : slotNumber(slot),
    id: id === undefined ? undefined : percentHex(id),
    label: decoded(attributes.get('object')),
    pin: decoded(options.get('pin-value')),
  };
}

function parsePeerForm(text: string): TokenUri {
  const [path = '', query = ''] = text.slice('pkcs11://'.length).split('?', 2);
  if (path === '') throw invalid('the path of the module is missing');
  const options = pairs(query, '&');
  const slot = options.get('slot');
  return {
    modulePath: decodeURIComponent(path),
    token: decoded(options.get('token')),
    slot: slot === undefined ? undefined : slotNumber(slot),
    id: options.get('id')?.toLowerCase(),
    label: decoded(options.get('label')),
    pin: decoded(options.get('pin')),
  };
}

function pairs(text: string, separator: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const pair of text.split(separator)) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals <= 0) throw invalid('an attribute has no value');
    found.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  // The standard form gives paths encoded; both encoded and bare are in use.
  const module = found.get('module-path');
  if (module !== undefined) found.set('module-path', decodeURIComponent(module));
  return found;
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('an attribute is not percent-encoded properly');
  }
}

/** `%0a%1b` or plain characters as lower hex. */
function percentHex(text: string): string {
  const bytes = text.match(/%[0-9A-Fa-f]{2}|[^%]/g) ?? [];
  return bytes
    .map((byte) => (byte.startsWith('%') ? byte.slice(1) : Buffer.from(byte).toString('hex')))
    .join('')
    .toLowerCase();
}

function slotNumber(text: string): number {
  const slot = text.startsWith('0x') ? Number.parseInt(text, 16) : Number(text);
  if (!Number.isSafeInteger(slot) || slot < 0) throw invalid('the slot is no number');
  return slot;
}

function moduleByName(name: string | undefined): string {
  return name === undefined ? (defaultModules[0] ?? '') : `${name}.so`;
}

function invalid(what: string): TunnelerError {
  return new TunnelerError('base.invalid', `PKCS#11 URI: ${what}`, {
    details: { expected: 'pkcs11:token=NAME?module-path=PATH&pin-value=PIN' },
  });
}
