/** The calls of group `record`: what is kept of hosted sessions. */
import type { EngineHandlers } from '../../api/schema.ts';
import type { Recordings } from '../../recording/recordings.ts';

export function recordCalls(recordings: Recordings): EngineHandlers['record'] {
  return {
    list: () => recordings.list(),
    show: async ({ session }) => ({ session, calls: await recordings.calls(session) }),
    export: ({ session }) => pieces(recordings.capture(session)),
  };
}

/** Bytes in one item of the answer. */
const pieceBytes = 256 * 1024;

async function* pieces(whole: Promise<Buffer>): AsyncGenerator<{ readonly data: string }> {
  const bytes = await whole;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield { data: bytes.subarray(at, at + pieceBytes).toString('base64') };
  }
}
