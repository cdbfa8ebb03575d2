/**
 * The IEC 60870-5-104 guard: what the controlling side asks is judged by type and point; what the contract does not allow is confirmed
 * negatively, as the station would, and never goes on. Reads and the station's own messages go on under translated numbers. Pure.
 */
import type { Iec104Rules } from '../../base/engagement/floor/rules.ts';
import { FloorGuard } from '../floor/floor-guard.ts';
import type { GuardContext } from '../guard.ts';
import { apduLength, informationFrame, negativeConfirmation, readApdu, readAsked, supervisoryFrame } from './apdu.ts';
import { Sequences } from './sequence.ts';

/** Causes of transmission that answer a request: confirmed, terminated, or an error (44 to 47); bit 6 says no. */
const activationConfirmed = 7;
const causeBits = 0x3f;
const negativeBit = 0x40;
/** C_RD_NA_1. */
const readType = 102;

export class Iec104Guard extends FloorGuard {
  readonly kind = 'iec104';
  protected readonly label = 'IEC 60870-5-104';
  readonly #objects: Iec104Rules['objects'];
  readonly #numbers = new Sequences();

  constructor(rules: Iec104Rules, context: GuardContext) {
    super(rules, context);
    this.#objects = rules.objects;
  }

  protected frameLength(bytes: Uint8Array): number | undefined {
    return apduLength(bytes);
  }

  protected request(frame: Uint8Array, nowMs: number): void {
    const apdu = readApdu(frame);
    if (apdu.kind === 'unnumbered') {
      this.out.toService(apdu.canonical);
      return;
    }
    const confirmed = this.#numbers.appConfirmed(apdu.received);
    if (apdu.kind === 'supervisory') {
      this.out.toService(supervisoryFrame(confirmed));
      return;
    }
    this.#numbers.appSent(apdu.sent);
    const { asdu } = apdu;
    const asked = readAsked(asdu, this.#objects);
    const rule = this.refusalOf(asked);
    if (rule === undefined) {
      // A read is answered by the value itself, under a type of its own.
      this.allowed(asdu[0] === readType ? undefined : keyOf(asdu), asked, nowMs);
      this.out.toService(informationFrame(this.#numbers.forward(), confirmed, asdu));
      return;
    }
    this.refused(asked, rule, nowMs);
    this.out.toApp(informationFrame(this.#numbers.own(), this.#numbers.confirmed(), negativeConfirmation(asdu)));
  }

  protected answer(frame: Uint8Array, nowMs: number): void {
    const apdu = readApdu(frame);
    if (apdu.kind === 'unnumbered') {
      this.out.toApp(apdu.canonical);
      return;
    }
    const confirmed = this.#numbers.serviceConfirmed(apdu.received);
    if (apdu.kind === 'supervisory') {
      this.out.toApp(supervisoryFrame(confirmed));
      return;
    }
    const { asdu } = apdu;
    this.out.toApp(informationFrame(this.#numbers.serviceSent(apdu.sent), confirmed, asdu));
    const cause = asdu[2] ?? 0;
    const isAnswer = (cause & causeBits) === activationConfirmed || (cause & causeBits) >= 44;
    if (isAnswer) this.answered(keyOf(asdu), nowMs, (cause & negativeBit) !== 0);
  }
}

/** An answer repeats type, station and point of what it answers. */
function keyOf(asdu: Uint8Array): string {
  return [asdu[0], asdu[4], asdu[5], asdu[6], asdu[7], asdu[8]].join(' ');
}
