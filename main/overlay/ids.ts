/** Identifiers in the shapes OpenZiti gives them. */
import { randomBytes, randomUUID } from 'node:crypto';

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** An entity's id: random letters and digits. */
export function newId(length = 21): string {
  return [...randomBytes(length)].map((byte) => letters[byte % letters.length]).join('');
}

/** A token or session id. */
export function newUuid(): string {
  return randomUUID();
}
