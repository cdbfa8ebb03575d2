/**
 * When to probe a router, and when to give it up. Pure: takes events with their time, answers what to do.
 * Intervals as the reference client has them (openziti/channel: latency/latency.go; openziti/sdk-golang: ziti/ziti.go).
 */

/** Between two latency probes. */
export const probeEveryMs = 30_000;

/** A probe unanswered after this makes {@link Liveness.probeTimedOut} look at how long nothing came in. */
export const probeTimeoutMs = 10_000;
/** A probe may go unanswered on a busy channel; silence that long may not. */
const silenceLimitMs = 30_000;

/** The mean follows the latest round trips. */
const meanWeight = 0.25;

/** Round trips and silence of one channel; every time it takes or gives is monotonic. */
export class Liveness {
  #meanMs: number;
  #lastInboundMs: number;
  #probeSentMs: number | undefined;

  constructor(helloRoundTripMs: number, nowMs: number) {
    this.#meanMs = helloRoundTripMs;
    this.#lastInboundMs = nowMs;
  }

  get latencyMs(): number {
    return this.#meanMs;
  }

  inbound(nowMs: number): void {
    this.#lastInboundMs = nowMs;
  }

  /** Nothing has come in since then. */
  silentSince(atMs: number): boolean {
    return this.#lastInboundMs <= atMs;
  }

  /** It is time for a probe: true where one should go (a router answers one at a time). */
  probeDue(nowMs: number): boolean {
    if (this.#probeSentMs !== undefined) return false;
    this.#probeSentMs = nowMs;
    return true;
  }

  probeAnswered(nowMs: number): void {
    if (this.#probeSentMs === undefined) return;
    this.#meanMs += (nowMs - this.#probeSentMs - this.#meanMs) * meanWeight;
    this.#probeSentMs = undefined;
  }

  /** The probe's time is up: true where the router is to be given up. */
  probeTimedOut(nowMs: number): boolean {
    this.#probeSentMs = undefined;
    return nowMs - this.#lastInboundMs > silenceLimitMs;
  }
}
