/**
 * Blacks out what must not leave the house. First everything is learned from: secrets by the fields they stand in, names by theirs; then
 * everything is rewritten, so that a token that a log line repeats in plain words goes too. One placeholder a name, through the whole bundle;
 * the salt behind it is thrown away, so nobody can try names against it.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import {
  namedByKey,
  nameFields,
  ownWordFields,
  placeFields,
  subjectFields,
  userFields,
  type NameKind,
} from './name-fields.ts';
import { isPayloadField, isSecretField, isSecretGroup, secretShapes } from './secret-patterns.ts';

/** `basic` blacks out secrets and users, `full` names and addresses too. */
export type Redaction = 'basic' | 'full';

/** Shorter ones are words of the language too; they are replaced where they are a whole value. */
const shortestWordInText = 3;
const shortestSecretInText = 5;
const hostSuffixes =
  /\.(?:c?js|mjs|tsx?|json|jsonl|ya?ml|cedar|sock|lock|log|txt|conf|service|so|node|pem|zip|exe|dll|plist|md|sh|py|rs)$/i;
/** Names of accounts that every machine has. */
const commonAccounts = new Set(['root', 'nobody', 'daemon', 'culvert', 'SYSTEM', 'LOCAL SERVICE']);

/** One bundle's redactor: learns from everything first, then rewrites it. */
export class Redactor {
  readonly #level: Redaction;
  readonly #salt = randomBytes(32);
  readonly #secrets = new Set<string>();
  readonly #names = new Map<string, NameKind>();
  readonly #ownWords: ReadonlySet<string>;
  #secretPattern: RegExp | undefined;
  #namePattern: RegExp | undefined;
  #count = 0;

  /** @param ownWords dotted words that are Culvert's, not names of hosts: error codes and the like. */
  constructor(level: Redaction, ownWords: Iterable<string> = []) {
    this.#level = level;
    this.#ownWords = new Set(ownWords);
  }

  /** Take note of every secret and name in a value. Everything must be learned before the first thing is rewritten. */
  learn(value: unknown): void {
    this.#learn(value, '');
    this.#secretPattern = undefined;
    this.#namePattern = undefined;
  }

  /** How many places were blacked out since the last call. */
  takeCount(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }

  /** A value as it may be shown; the given one stays as it is. */
  value(value: unknown): unknown {
    return this.#value(value, '');
  }

  /** Free text as it may be shown. */
  text(text: string): string {
    return this.#text(text, true);
  }

  #learn(value: unknown, field: string): void {
    if (typeof value === 'string') this.#learnText(value, field);
    else if (Array.isArray(value)) for (const item of value) this.#learn(item, field);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        const kind = namedByKey.get(field);
        if (kind !== undefined && this.#level === 'full') this.#name(key, kind);
        this.#learn(item, isSecretGroup(field) || isSecretField(field) ? 'secret' : key);
      }
    }
  }

  #learnText(text: string, field: string): void {
    if (isSecretField(field) && text.length >= shortestSecretInText) this.#secrets.add(text);
    if (userFields.has(field) && !/^\d*$/.test(text)) this.#name(text, 'user');
    for (const [, name] of text.matchAll(/(?:\/home|\/Users|[A-Za-z]:\\Users)[/\\]([^/\\\s"':]+)/g)) {
      if (name !== undefined) this.#name(name, 'user');
    }
    if (this.#level === 'basic') return;
    const kind = nameFields.get(field);
    if (kind !== undefined) this.#name(text, kind);
    if (placeFields.has(field)) this.#name(hostOf(text), 'host');
    if (subjectFields.has(field)) this.#name(text.replace(/^\w+:/, ''), 'name');
  }

  #name(name: string, kind: NameKind): void {
    if (name === '' || commonAccounts.has(name) || isIPv4(name) || isIPv6(name) || /^\d+$/.test(name)) return;
    if (!this.#names.has(name)) this.#names.set(name, kind);
  }

  #value(value: unknown, field: string): unknown {
    if (isPayloadField(field) && value !== undefined && value !== null) return this.#gone('[payload]');
    if (isSecretField(field) && (typeof value === 'string' || typeof value === 'number')) {
      return value === '' ? value : this.#gone('[secret]');
    }
    if (typeof value === 'string') return this.#string(value, field);
    if (Array.isArray(value)) return value.map((item) => this.#value(item, field));
    if (typeof value !== 'object' || value === null) return value;
    const secretInside = isSecretGroup(field) || isSecretField(field);
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        namedByKey.has(field) ? this.#string(key, '') : key,
        this.#value(item, secretInside ? 'secret' : key),
      ]),
    );
  }

  #string(text: string, field: string): string {
    if (ownWordFields.has(field)) return this.#text(text, false);
    const kind = this.#names.get(text);
    return kind === undefined ? this.#text(text, true) : this.#gone(this.#placeholder(kind, text));
  }

  #text(text: string, names: boolean): string {
    let shown = text;
    for (const [pattern, instead] of secretShapes) {
      shown = shown.replace(pattern, (...found: unknown[]) => {
        const lead = typeof found[1] === 'string' ? found[1] : '';
        return this.#gone(instead.replace('$1', () => lead));
      });
    }
    this.#secretPattern ??= alternatives(this.#secrets, '');
    shown = shown.replace(this.#secretPattern, () => this.#gone('[secret]'));
    if (!names) return shown;
    this.#namePattern ??= alternatives(
      [...this.#names.keys()].filter((name) => name.length >= shortestWordInText),
      '[A-Za-z0-9_]',
    );
    shown = shown.replace(this.#namePattern, (name) =>
      this.#gone(this.#placeholder(this.#names.get(name) ?? 'name', name)),
    );
    return this.#level === 'full' ? this.#places(shown) : shown;
  }

  /** Addresses and names of hosts that no field told of. */
  #places(text: string): string {
    return text
      .replace(/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, (mail) => this.#gone(this.#placeholder('user', mail)))
      .replace(/(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\.\d)/g, (address) => this.#address(address, isIPv4))
      .replace(/(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*/g, (address) => this.#address(address, isIPv6))
      .replace(/(?<![\w.\\-]|(?<!\/)\/)(?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]+(?![\w.-])/g, (host) =>
        this.#ownWords.has(host) || hostSuffixes.test(host) ? host : this.#gone(this.#placeholder('host', host)),
      );
  }

  #address(address: string, is: (text: string) => boolean): string {
    const harmless = address.startsWith('127.') || ['0.0.0.0', '::', '::1'].includes(address);
    return is(address) && !harmless ? this.#gone(`ip-${this.#digest(address)}`) : address;
  }

  #placeholder(kind: NameKind, name: string): string {
    return `${kind}-${this.#digest(name)}`;
  }

  #digest(name: string): string {
    return createHmac('sha256', this.#salt).update(name).digest('hex').slice(0, 10);
  }

  #gone(instead: string): string {
    this.#count += 1;
    return instead;
  }
}

/** Any of these texts, the longest first; `inWord`: what must not stand on either side. Never matches where there are none. */
function alternatives(texts: Iterable<string>, inWord: string): RegExp {
  const sorted = [...texts].sort((a, b) => b.length - a.length).map(escapePattern);
  if (sorted.length === 0) return /(?!)/g;
  const any = sorted.join('|');
  return new RegExp(inWord === '' ? any : `(?<!${inWord})(?:${any})(?!${inWord})`, 'g');
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** The host of a URL, of `host:port`, `*.host` or `tcp:host:port`. */
function hostOf(place: string): string {
  const bare = place.replace(/^[a-z]+:\/\//i, '').replace(/^(?:tcp|udp|tls):/i, '');
  return (/^\[?([^\]/]+?)\]?(?::[\d-]+)?(?:\/.*)?$/.exec(bare)?.[1] ?? '').replace(/^\*\./, '');
}
