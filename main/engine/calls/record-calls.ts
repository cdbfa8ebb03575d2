/** The calls of group `record`: what is kept of hosted sessions, for whom the settings let read it. */
import type { Caller } from '../../api/call.ts';
import type { EngineHandlers } from '../../api/schema.ts';
import type { AuditWriter } from '../../audit/record.ts';
import { TunnelerError } from '../../base/errors.ts';
import type { Recordings } from '../../recording/recordings.ts';
import { userName } from './local-users.ts';

/** What is read, and who may. */
export interface RecordCallsDeps {
  readonly recordings: Recordings;
  /** Users by name or number, they alone; undefined: whoever administers the engine. */
  readonly readers: readonly string[] | undefined;
  readonly audit: AuditWriter;
}

/** Bytes in one item of the answer. */
const pieceBytes = 256 * 1024;

/** Each call as the caller may make it. */
export function recordCalls({ recordings, readers, audit }: RecordCallsDeps): EngineHandlers['record'] {
  /** The window's callers are no user of their own: by the console nobody is a reader whom the settings name. */
  const isReader = ({ uid, standing }: Caller): boolean => {
    if (readers === undefined) return standing === undefined;
    return uid !== undefined && (readers.includes(userName(uid)) || readers.includes(String(uid)));
  };

  /** As whom the caller reads. Throws `recording.not_reader` or `engine.forbidden`, and that is recorded. */
  function readerOf(caller: Caller, session: string): string {
    const by = caller.uid === undefined ? caller.via : userName(caller.uid);
    if (isReader(caller)) return by;
    audit.record({ kind: 'recording.refused', session, by });
    throw readers === undefined ? membersMayNot('read') : notReader(by);
  }

  return {
    list(_request, { caller }) {
      const { standing } = caller;
      if (standing?.kind === 'member' && !standing.observes && !isReader(caller)) throw membersMayNot('list');
      return recordings.list();
    },
    async show({ session }, { caller }) {
      return { session, calls: await recordings.calls(session, readerOf(caller, session)) };
    },
    async *export({ session }, { caller }) {
      const bytes = await recordings.capture(session, readerOf(caller, session));
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        yield { data: bytes.subarray(at, at + pieceBytes).toString('base64') };
      }
    },
  };
}

function membersMayNot(what: string): TunnelerError {
  return new TunnelerError('engine.forbidden', `to ${what} recordings is for the engine's own user, or root`, {
    details: { next: 'ask its user, or root, to name you in recordings.readers of the settings' },
  });
}

function notReader(by: string): TunnelerError {
  return new TunnelerError('recording.not_reader', `${by} is none of those who may read recordings here`, {
    details: { by, next: 'ask one of the readers whom recordings.readers in culvert.yaml names' },
  });
}
