/**
 * Sequence numbers of both directions, translated: a refused request leaves a hole towards the station, the guard's own answer takes a place
 * towards the application. Pure. Numbers here count from the connection's start and never wrap; 15 bits of them travel.
 */
import { demand } from '../floor/byte-reader.ts';
import { modulus } from './apdu.ts';

/** Frames a side may leave unconfirmed; the standard's default is 12. */
const maxUnconfirmed = 0x4000;

export class Sequences {
  /** Frames of the application: all, and those that went on. */
  #fromApp = 0;
  #toService = 0;
  /** Numbers, at the application, of frames that went on and are not confirmed. */
  readonly #forwarded: number[] = [];
  #confirmedByService = 0;
  /** Frames of the service, and all that went to the application. */
  #fromService = 0;
  #toApp = 0;
  /** Numbers, at the application, of answers of our own that it has not confirmed. */
  readonly #own: number[] = [];
  #ownConfirmed = 0;
  #confirmedByApp = 0;

  /** A frame of information came from the application. */
  appSent(number: number): void {
    demand(number === this.#fromApp % modulus, 'a frame out of sequence');
    this.#fromApp += 1;
  }

  /** That frame goes on; returns its number towards the service. */
  forward(): number {
    demand(this.#forwarded.length < maxUnconfirmed, 'more than the station confirms');
    this.#forwarded.push(this.#fromApp - 1);
    this.#toService += 1;
    return (this.#toService - 1) % modulus;
  }

  /** What the application confirms, as the service counts. */
  appConfirmed(number: number): number {
    this.#confirmedByApp = unwrapped(number, this.#confirmedByApp, this.#toApp);
    while ((this.#own[0] ?? Infinity) < this.#confirmedByApp) {
      this.#own.shift();
      this.#ownConfirmed += 1;
    }
    return (this.#confirmedByApp - this.#ownConfirmed) % modulus;
  }

  /** A frame of information came from the service; returns its number towards the application. */
  serviceSent(number: number): number {
    demand(number === this.#fromService % modulus, 'a frame out of sequence');
    this.#fromService += 1;
    this.#toApp += 1;
    return (this.#toApp - 1) % modulus;
  }

  /** What the service confirms, as the application counts. */
  serviceConfirmed(number: number): number {
    const confirmed = unwrapped(number, this.#confirmedByService, this.#toService);
    this.#forwarded.splice(0, confirmed - this.#confirmedByService);
    this.#confirmedByService = confirmed;
    return this.confirmed();
  }

  /** What the application may take for confirmed by now: all before the first that went on and is not. */
  confirmed(): number {
    return (this.#forwarded[0] ?? this.#fromApp) % modulus;
  }

  /** A frame of our own towards the application; returns its number. */
  own(): number {
    demand(this.#own.length < maxUnconfirmed, 'more without a confirmation of the answers');
    this.#own.push(this.#toApp);
    this.#toApp += 1;
    return (this.#toApp - 1) % modulus;
  }
}

/** The whole number behind 15 bits of it: not before what was confirmed already, not beyond what was sent. */
function unwrapped(number: number, known: number, sent: number): number {
  const whole = known + ((number - (known % modulus) + modulus) % modulus);
  demand(whole <= sent && whole - known < maxUnconfirmed, 'a confirmation of what was never sent');
  return whole;
}
