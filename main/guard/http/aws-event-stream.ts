/**
 * `application/vnd.amazon.eventstream` cut into messages, as the bytes come. Pure.
 * Source: AWS, "Event stream encoding" (Amazon Transcribe developer guide): total length, length of headers, CRC of both, headers, payload, CRC of all.
 */
import { ByteCollector, joinBytes, utf8 } from '../bytes.ts';

const [preludeBytes, crcBytes] = [12, 4];
/** Longer messages are none. Source: the same, 16 MiB of payload. */
const maxMessageBytes = 16 * 1024 * 1024 + 128 * 1024;

/** One whole message. */
export interface AwsMessage {
  readonly whole: Uint8Array;
  readonly payload: Uint8Array;
}

/** The messages of one answer. */
export class AwsMessages {
  readonly #held = new ByteCollector();

  get heldBytes(): number {
    return this.#held.length;
  }

  /** The messages these bytes complete; undefined where they are no event stream. */
  push(bytes: Uint8Array): readonly AwsMessage[] | undefined {
    this.#held.append(bytes);
    const messages: AwsMessage[] = [];
    let all = this.#held.take();
    while (all.length >= preludeBytes) {
      const view = new DataView(all.buffer, all.byteOffset, all.length);
      const [total, headers] = [view.getUint32(0), view.getUint32(4)];
      if (total < preludeBytes + headers + crcBytes || total > maxMessageBytes) return undefined;
      if (all.length < total) break;
      messages.push({ whole: all.subarray(0, total), payload: all.subarray(preludeBytes + headers, total - crcBytes) });
      all = all.subarray(total);
    }
    this.#held.append(all);
    return messages;
  }
}

/** One message of a JSON event. */
export function encodeAwsEvent(type: string, payload: unknown): Uint8Array {
  const headers = joinBytes([
    header(':event-type', type),
    header(':content-type', 'application/json'),
    header(':message-type', 'event'),
  ]);
  const body = utf8(JSON.stringify(payload));
  const total = preludeBytes + headers.length + body.length + crcBytes;
  const message = new Uint8Array(total);
  const view = new DataView(message.buffer);
  view.setUint32(0, total);
  view.setUint32(4, headers.length);
  view.setUint32(8, crc32(message.subarray(0, 8)));
  message.set(headers, preludeBytes);
  message.set(body, preludeBytes + headers.length);
  view.setUint32(total - crcBytes, crc32(message.subarray(0, total - crcBytes)));
  return message;
}

/** A header whose value is text: type 7. */
function header(name: string, value: string): Uint8Array {
  const [key, text] = [utf8(name), utf8(value)];
  return joinBytes([Uint8Array.of(key.length), key, Uint8Array.of(7, text.length >> 8, text.length & 0xff), text]);
}

/** CRC-32 as in ISO 3309, reflected, polynomial 0xedb88320. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
