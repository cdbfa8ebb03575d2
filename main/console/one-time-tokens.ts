/** Secrets a person carries from a terminal to a browser once, and the browser's own after that. Kept as hashes only. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';

/** 256 bits, twice what guessing could ever be a matter of. */
const secretBytes = 32;

interface Kept<T> {
  readonly expiresAtMs: number;
  readonly value: T;
}

/** For how long a secret is good, and how many there may be. */
export interface SecretsOptions {
  readonly clock: Clock;
  /** How long a secret is good; for browsers, since they were last seen. */
  readonly lifetimeMs: number;
  /** Kept at a time; a newer one puts out the oldest. */
  readonly max: number;
}

/** A bounded set of secrets that expire, each with what it stands for. Looked up by hash, so neither timing nor a memory dump gives one away. */
export class Secrets<T> {
  readonly #options: SecretsOptions;
  readonly #kept = new Map<string, Kept<T>>();

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** A fresh secret, base64url. */
  issue(value: T): string {
    const secret = freshSecret();
    this.#keep(hashOf(secret), value);
    return secret;
  }

  /** What it stands for, once for each secret issued, if it has not expired. */
  redeem(secret: string): T | undefined {
    const hash = hashOf(secret);
    const value = this.#good(hash);
    this.#kept.delete(hash);
    return value;
  }

  /** What it stands for while it is good; being seen renews it. */
  recognise(secret: string): T | undefined {
    const hash = hashOf(secret);
    const value = this.#good(hash);
    if (value === undefined) return undefined;
    this.#kept.delete(hash);
    this.#keep(hash, value);
    return value;
  }

  #good(hash: string): T | undefined {
    const kept = this.#kept.get(hash);
    return kept !== undefined && kept.expiresAtMs > this.#options.clock.monotonic() ? kept.value : undefined;
  }

  #keep(hash: string, value: T): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [other, kept] of this.#kept) {
      if (kept.expiresAtMs <= nowMs || this.#kept.size >= this.#options.max) this.#kept.delete(other);
    }
    this.#kept.set(hash, { value, expiresAtMs: nowMs + this.#options.lifetimeMs });
  }
}

/** 256 random bits, base64url. */
export function freshSecret(): string {
  return randomBytes(secretBytes).toString('base64url');
}

/** SHA-256, base64. */
export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}
