/**
 * A dial that a host refuses comes to it twice: controllers try a circuit again before they give it up (openziti/ziti: controller/network,
 * `createCircuitRetries`). It is decided each time, and recorded once for as long as nothing of it is another.
 */

/** Refusals remembered; the second attempt follows at once. */
const most = 256;

/** What was recorded of circuits that were refused last. */
export class RefusedCircuits {
  readonly #recorded = new Set<string>();

  /** This very record of this circuit was written before. */
  has(record: Readonly<Record<string, unknown>>): boolean {
    return typeof record['circuit'] === 'string' && this.#recorded.has(JSON.stringify(record));
  }

  /** It stands in the journal now. */
  add(record: Readonly<Record<string, unknown>>): void {
    const [oldest] = this.#recorded;
    if (oldest !== undefined && this.#recorded.size >= most) this.#recorded.delete(oldest);
    this.#recorded.add(JSON.stringify(record));
  }
}
