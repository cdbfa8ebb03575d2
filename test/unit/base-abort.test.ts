import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { linkSignals } from '../../main/base/abort.ts';

describe('linked signals', () => {
  it('abort with the first, for its reason, and let go of the others', () => {
    const [long, short] = [new AbortController(), new AbortController()];
    const { signal } = linkSignals(long.signal, undefined, short.signal);
    short.abort(new Error('too late'));
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toEqual(new Error('too late'));
    expect(getEventListeners(long.signal, 'abort')).toEqual([]);
  });

  it('are aborted from the start where one is', () => {
    const [long, gone] = [new AbortController(), AbortSignal.abort('over')];
    const { signal } = linkSignals(long.signal, gone);
    expect(signal.reason).toBe('over');
    expect(getEventListeners(long.signal, 'abort')).toEqual([]);
  });

  it('follow nobody once disposed, and leave nothing behind', () => {
    const long = new AbortController();
    const linked = linkSignals(long.signal);
    linked[Symbol.dispose]();
    long.abort();
    expect(linked.signal.aborted).toBe(false);
    expect(getEventListeners(long.signal, 'abort')).toEqual([]);
  });
});
