/** Secrets a person carries from a terminal to a browser once, and the browser's own after that. Kept as hashes only. */
import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';

/** 256 bits, twice what guessing could ever be a matter of. */
const secretBytes = 32;

interface Kept {
  readonly expiresAtMs: number;
}

export interface SecretsOptions {
  readonly clock: Clock;
  /** How long a secret is good; for browsers, since they were last seen. */
  readonly lifetimeMs: number;
  /** Kept at a time; a newer one puts out the oldest. */
  readonly max: number;
}

/** A bounded set of secrets that expire. Looked up by hash, so neither timing nor a memory dump gives one away. */
export class Secrets {
  readonly #options: SecretsOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** A fresh secret, base64url. */
  issue(): string {
    const secret = randomBytes(secretBytes).toString('base64url');
    this.#keep(hashOf(secret));
    return secret;
  }

  /** True once for each secret issued, if it has not expired. */
  redeem(secret: string): boolean {
    const hash = hashOf(secret);
    const good = this.#good(hash);
    this.#kept.delete(hash);
    return good;
  }

  /** True while the secret is good; being seen renews it. */
  recognise(secret: string): boolean {
    const hash = hashOf(secret);
    if (!this.#good(hash)) return false;
    this.#kept.delete(hash);
    this.#keep(hash);
    return true;
  }

  #good(hash: string): boolean {
    const kept = this.#kept.get(hash);
    return kept !== undefined && kept.expiresAtMs > this.#options.clock.monotonic();
  }

  #keep(hash: string): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [other, kept] of this.#kept) {
      if (kept.expiresAtMs <= nowMs || this.#kept.size >= this.#options.max) this.#kept.delete(other);
    }
    this.#kept.set(hash, { expiresAtMs: nowMs + this.#options.lifetimeMs });
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}
