/** Event streams cut into events, and the data of each as it comes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventSplitter, parseEvent } from '../../main/guard/http/event-stream.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';

class Told {
  text = '';
  push(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString('latin1');
  }
}

/** What is told of each event that is complete, and what all of it says. */
function split(
  stream: string,
  cuts: readonly number[],
): readonly (readonly [told: string | undefined, data: string | undefined])[] {
  const splitter = new EventSplitter(() => new Told());
  const bytes = Buffer.from(stream, 'latin1');
  const events: (readonly [string | undefined, string | undefined])[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, cuts[turn % Math.max(1, cuts.length)] ?? bytes.length);
    for (const { parts, sink } of splitter.push(bytes.subarray(at, at + size)))
      events.push([sink?.text, parseEvent(parts)?.data]);
    at += size;
  }
  return events;
}

describe('the data of an event', () => {
  it.each([
    ['data: {"a":1}\n\n', '{"a":1}'],
    ['data:{"a":1}\r\n\r\n', '{"a":1}'],
    ['event: message\rid: 4\rdata: {"a":\rdata: 1}\r\r', '{"a":\n1}'],
    [': data: hello\ndatabase: x\ndata\ndat: y\n\n', ''],
    ['data:  two\n\n', ' two'],
  ])('is told as a reader of the whole event has it: %j', (stream, data) => {
    for (const size of [1, 2, 3, 7, 1_000]) {
      const [[told, whole] = []] = split(stream, [size]);
      expect(whole?.trimStart()).toBe(data.trimStart());
      expect(told).toBe(data === '' ? '' : `${data}\n`);
    }
  });

  it('is not told where the event begins with a byte order mark, which readers take differently', () => {
    expect(split('\xef\xbb\xbfdata: 1\n\ndata: 2\n\n', [3])).toEqual([
      [undefined, '1'],
      ['2\n', '2'],
    ]);
  });

  it('is the same however the stream is cut', () => {
    const piece = fc.constantFrom('data', ':', ' ', 'x', '{', '\n', '\r', '\r\n', '\n\n', 'data: ', 'id: 1', '"');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(9), { maxLength: 6 }), (pieces, cuts) => {
        for (const [told, data] of split(`${pieces.join('')}\n\n`, cuts)) {
          // A line without a value is an empty one: white space to whoever reads JSON.
          expect(told?.replace(/\n+/g, '\n').replace(/^\n|\n$/g, '')).toBe(
            data?.replace(/\n+/g, '\n').replace(/^\n|\n$/g, ''),
          );
        }
      }),
      { numRuns: fuzzRounds(300) },
    );
  });
});

describe('an event on its way on', () => {
  it.each(['\n', '\r\n', '\r'])(
    'has the whole of its last line end at once, wherever its bytes were cut: %j',
    (end) => {
      const event = `event: message${end}data: {"a":1}${end}${end}`;
      const whole = end === '\r' ? `${event}\n` : event;
      for (const size of [1, 2, 3, 7, 1_000]) {
        const splitter = new EventSplitter();
        const stream = Buffer.from(event + event);
        const out: string[] = [];
        for (let at = 0; at < stream.length; at += size) {
          for (const { parts } of splitter.push(stream.subarray(at, at + size)))
            out.push(Buffer.concat(parts).toString());
        }
        expect(out).toEqual([whole, whole]);
        expect(splitter.heldBytes).toBe(0);
      }
    },
  );
});
