/** One message held back: its bytes as they came, and the payload in them. Pure. */
import { dropFirst, HeldBytes } from '../bytes.ts';
import type { BodyFraming } from './head.ts';

export class HeldMessage {
  readonly #raw = new HeldBytes();
  readonly #headBytes: number;
  /** Kept apart only where framing stands between the payload. */
  readonly #payload: HeldBytes | undefined;
  payloadBytes = 0;

  constructor(head: Uint8Array, framing: BodyFraming) {
    this.#raw.push(head);
    this.#headBytes = head.length;
    this.#payload = framing.kind === 'chunked' ? new HeldBytes() : undefined;
  }

  get length(): number {
    return this.#raw.length;
  }

  push(bytes: Uint8Array, isPayload: boolean): void {
    this.#raw.push(bytes);
    if (!isPayload) return;
    this.payloadBytes += bytes.length;
    this.#payload?.push(bytes);
  }

  /** Head and body as they came. */
  parts(): readonly Uint8Array[] {
    return this.#raw.parts();
  }

  payload(): readonly Uint8Array[] {
    return this.#payload?.parts() ?? dropFirst(this.#raw.parts(), this.#headBytes);
  }
}
