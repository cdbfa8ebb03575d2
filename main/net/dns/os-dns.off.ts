/** The system's resolver is left alone: names reach us only from those who ask our address outright. */
import type { OsDns } from './os-dns.ts';

export class NoDns implements OsDns {
  readonly backend = 'off';
  readonly splits = true;

  upstreams(): readonly string[] {
    return [];
  }

  set(): Promise<void> {
    return Promise.resolve();
  }

  trouble(): undefined {
    return undefined;
  }

  restore(): Promise<void> {
    return Promise.resolve();
  }
}
