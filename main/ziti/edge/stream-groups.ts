/** Open streams by what they were opened under (a service, a binding), so that they can be cut together. */
import type { TunnelerError } from '../../base/errors.ts';
import type { EdgeStream } from './edge-stream.ts';

/** A stream is in one group, and leaves it by itself. */
export class StreamGroups {
  readonly #groups = new Map<string, Set<EdgeStream>>();

  /** Member until the stream is over. */
  add(group: string, stream: EdgeStream): void {
    const members = this.#groups.get(group) ?? new Set();
    this.#groups.set(group, members);
    members.add(stream);
    stream.onOver(() => {
      members.delete(stream);
      if (members.size === 0 && this.#groups.get(group) === members) this.#groups.delete(group);
    });
  }

  /** Cut every member with `error`, whatever is still held; returns how many. */
  revoke(group: string, error: TunnelerError): number {
    const members = [...(this.#groups.get(group) ?? [])];
    for (const stream of members) stream.reset(error);
    return members.length;
  }
}
