/**
 * The DNP3 guard: a master's requests are put together from their segments and judged by function and point; what the contract does not allow
 * is answered as the outstation would, with "not authorised" for each point, and never goes on. Pure.
 */
import type { Dnp3Rules } from '../../base/engagement/floor/rules.ts';
import { joinBytes } from '../bytes.ts';
import { demand } from '../floor/byte-reader.ts';
import { FloorGuard, maxOwnWaiting } from '../floor/floor-guard.ts';
import type { GuardContext } from '../guard.ts';
import {
  directionBit,
  fragmentFrames,
  linkFrame,
  linkFunctions,
  linkLength,
  primaryBit,
  readLink,
  segmentBits,
  type LinkFrame,
} from './link.ts';
import { confirm, readRequest, refusalFragment, unanswered } from './requests.ts';

/** Fragments are 2048 bytes by default. */
const maxFragmentBytes = 16_384;
/** From here on, addresses are everybody's. */
const firstBroadcast = 0xfffd;
const notSupported = 15;

interface Pieces {
  readonly frames: Uint8Array[];
  readonly parts: Uint8Array[];
  bytes: number;
  next: number;
}

export class Dnp3Guard extends FloorGuard {
  readonly kind = 'dnp3';
  protected readonly label = 'DNP3';
  readonly #objects: Dnp3Rules['objects'];
  #pieces: Pieces | undefined;
  /** Whose segments the pieces are. */
  #addresses = -1;
  /** The outstation is amid a fragment; own answers wait for its end. */
  #isAnswering = false;
  readonly #waiting: Uint8Array[] = [];

  constructor(rules: Dnp3Rules, context: GuardContext) {
    super(rules, context);
    this.#objects = rules.objects;
  }

  protected frameLength(bytes: Uint8Array): number | undefined {
    return linkLength(bytes);
  }

  protected request(frame: Uint8Array, nowMs: number): void {
    const link = readLink(frame);
    const code = link.control & 0x0f;
    const isPrimary = (link.control & primaryBit) !== 0;
    if (isPrimary && code === linkFunctions.data) {
      this.#segment(link, frame, nowMs);
      return;
    }
    const isConfirmed = isPrimary && code === linkFunctions.confirmedData;
    demand(link.user.length === 0 || isConfirmed, 'data in a frame that has none');
    if (isConfirmed) {
      // Confirmed frames number themselves by turns, which a refusal would put out of step; over TCP nobody needs them.
      const { destination: source, source: destination } = link;
      this.#own(linkFrame({ control: notSupported, destination, source, user: new Uint8Array(0) }));
      return;
    }
    const { resetLink, testLink, requestStatus } = linkFunctions;
    const isKnown = !isPrimary || code === resetLink || code === testLink || code === requestStatus;
    demand(isKnown, `a link function ${code}`);
    this.out.toService(frame);
  }

  protected answer(frame: Uint8Array, nowMs: number): void {
    const link = readLink(frame);
    this.out.toApp(frame);
    const [header = 0] = link.user;
    if (link.user.length > 0) {
      if ((header & segmentBits.first) !== 0 && link.user.length >= 3) {
        const isAnswer = link.user[2] === 0x81;
        const failed = ((link.user[4] ?? 0) & 0x07) !== 0;
        if (isAnswer) this.answered(keyOf(link.source, link.destination, link.user[1] ?? 0), nowMs, failed);
      }
      this.#isAnswering = (header & segmentBits.last) === 0;
    }
    if (!this.#isAnswering) for (const own of this.#waiting.splice(0)) this.out.toApp(own);
  }

  #segment(link: LinkFrame, frame: Uint8Array, nowMs: number): void {
    const [header = -1] = link.user;
    demand(header >= 0, 'a segment without a header');
    const addresses = link.destination * 0x10000 + link.source;
    if ((header & segmentBits.first) !== 0) {
      this.#pieces = { frames: [], parts: [], bytes: 0, next: header & segmentBits.number };
      this.#addresses = addresses;
    }
    const pieces = this.#pieces;
    // A segment that continues nothing is what an outstation would drop as well.
    if (pieces === undefined || addresses !== this.#addresses || (header & segmentBits.number) !== pieces.next) {
      this.#pieces = undefined;
      return;
    }
    pieces.next = (pieces.next + 1) & segmentBits.number;
    pieces.frames.push(frame);
    pieces.parts.push(link.user.subarray(1));
    // The header counts too: a segment may hold nothing else.
    pieces.bytes += link.user.length;
    demand(pieces.bytes <= maxFragmentBytes, 'a fragment without an end');
    if ((header & segmentBits.last) === 0) return;
    this.#pieces = undefined;
    this.#judge(link, joinBytes(pieces.parts), pieces.frames, nowMs);
  }

  #judge(link: LinkFrame, fragment: Uint8Array, frames: readonly Uint8Array[], nowMs: number): void {
    const pass = (): void => frames.forEach((frame) => this.out.toService(frame));
    if (fragment.length === 2 && fragment[1] === confirm) {
      pass();
      return;
    }
    const request = readRequest(fragment, this.#objects);
    const asked = { ...request, target: `outstation ${link.destination} ${request.target}`.trimEnd() };
    const rule = this.refusalOf(asked);
    const isAnswered = !unanswered.includes(request.code) && link.destination < firstBroadcast;
    if (rule === undefined) {
      const key = isAnswered ? keyOf(link.destination, link.source, request.control) : undefined;
      this.allowed(key, asked, nowMs);
      pass();
      return;
    }
    this.refused(asked, rule, nowMs);
    if (!isAnswered) return;
    const control = primaryBit | linkFunctions.data | ((link.control & directionBit) ^ directionBit);
    const own = fragmentFrames(control, link.source, link.destination, refusalFragment(request));
    for (const frame of own) this.#own(frame);
  }

  #own(frame: Uint8Array): void {
    if (!this.#isAnswering) {
      this.out.toApp(frame);
      return;
    }
    this.#waiting.push(frame);
    demand(this.#waiting.length <= maxOwnWaiting, 'ever more requests amid an answer');
  }
}

/** Requests are numbered for each outstation and master, in four bits. */
function keyOf(outstation: number, master: number, control: number): string {
  return `${outstation} ${master} ${control & 0x0f}`;
}
