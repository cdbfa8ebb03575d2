/** Links that answer one question and open nothing else: its id and the end of its time, signed with a key that lives as long as the console. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const keyBytes = 32;
/** `ID.END.MAC`: an id, milliseconds of the wall clock, and HMAC-SHA256 in base64url. */
const shape = /^([\w-]{1,64})\.(\d{1,15})\.([\w-]{43})$/;

export class AnswerLinks {
  readonly #key = randomBytes(keyBytes);

  /** What a link to this question carries. */
  sign(id: string, endsAtMs: number): string {
    const said = `${id}.${endsAtMs}`;
    return `${said}.${this.#mac(said).toString('base64url')}`;
  }

  /** Id of the question; undefined for what was not signed here, or whose time is over. */
  read(link: string, nowMs: number): string | undefined {
    const [, id = '', end = '', mac = ''] = shape.exec(link) ?? [];
    const wanted = this.#mac(`${id}.${end}`);
    const given = Buffer.from(mac, 'base64url');
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
    return nowMs < Number(end) ? id : undefined;
  }

  #mac(said: string): Buffer {
    return createHmac('sha256', this.#key).update(said).digest();
  }
}
