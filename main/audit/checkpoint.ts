/**
 * A checkpoint's text: whose journal it is, how many records it has and the hash of the last, as c2sp.org/tlog-checkpoint has them (origin,
 * size, head). The head is the chain's, not a tree's. One line more says where the part that is still kept begins.
 */
export interface Checkpoint {
  readonly origin: string;
  readonly count: number;
  /** Hash of record `count`, lower hex. */
  readonly head: string;
  /** First record still kept, and its `prev`. */
  readonly firstSeq: number;
  readonly firstPrev: string;
}

/** Records after its own number that a checkpoint may stand behind: signing takes its time. */
export const maxCheckpointLag = 65_536;

const originPattern = /^[A-Za-z0-9./_-]{1,128}$/;

/** The text that is signed. */
export function encodeCheckpoint({ origin, count, head, firstSeq, firstPrev }: Checkpoint): string {
  return `${origin}\n${count}\n${base64(head)}\nfirst ${firstSeq} ${base64(firstPrev)}\n`;
}

/** Undefined for any other text. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [origin = '', size = '', root = '', first = '', rest, ...more] = text.split('\n');
  const [, firstSeq, firstPrev] = /^first (\d{1,15}) (\S+)$/.exec(first) ?? [];
  if (rest !== '' || more.length > 0 || !originPattern.test(origin) || !/^\d{1,15}$/.test(size)) return undefined;
  if (firstSeq === undefined || firstPrev === undefined) return undefined;
  const checkpoint = {
    origin,
    count: Number(size),
    head: hex(root),
    firstSeq: Number(firstSeq),
    firstPrev: hex(firstPrev),
  };
  // What does not come out as it went in was written by somebody else.
  return encodeCheckpoint(checkpoint) === text && checkpoint.head.length === 64 ? checkpoint : undefined;
}

function base64(hash: string): string {
  return Buffer.from(hash, 'hex').toString('base64');
}

function hex(text: string): string {
  return Buffer.from(text, 'base64').toString('hex');
}
