/** Open streams by what they were opened under (a service session, a binding), so that they can be cut together. */
import type { EdgeStream } from './edge-stream.ts';

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

  /** Cut every member, with `ziti.dial.access_denied`; returns how many. */
  revoke(group: string, reason: string): number {
    const members = [...(this.#groups.get(group) ?? [])];
    for (const stream of members) stream.revoke(reason);
    return members.length;
  }
}
