/** The room's door: contracts learnt from records, and files of contracts held against them. */
import type { ReplayView } from '../api/learning-views.ts';
import { parse } from 'yaml';
import { TunnelerError } from '../base/errors.ts';
import { parseEngagement, type EngagementContract } from '../base/engagement.ts';
import { compileGlob } from '../base/glob.ts';
import { ContractBook, type LocalContract } from '../policy/contract-book.ts';
import { parseContractFile } from '../policy/local/contract-file.ts';
import { learn, type Learnt } from './learn.ts';
import { replay } from './replay.ts';
import { seenIn, type JournalRecord } from './seen.ts';

/** `contract`: the one in force, if the engine was asked; else the newest that a session of the record stood under. */
export function learnContract(request: {
  readonly records: readonly JournalRecord[];
  readonly service: string;
  readonly contract?: unknown;
}): Learnt {
  const { records, service } = request;
  const seen = seenIn(records, service);
  if (seen.sessions.length === 0 && seen.calls.length === 0) {
    throw new TunnelerError('base.invalid', `the record has nothing of ${service} in that time`, {
      details: {
        next: `look further back with --since, or see what there is: culvert audit search --service ${service}`,
      },
    });
  }
  const recorded = seen.sessions.findLast((session) => session.contract !== undefined)?.contract;
  return learn(seen, contractBefore(request.contract ?? recorded, service));
}

/** One of an older or newer Culvert may not be understood here: then nothing is taken over from it. */
function contractBefore(raw: unknown, service: string): EngagementContract | undefined {
  return raw === undefined ? undefined : parseEngagement(raw, service);
}

/** `text` of `file`: contracts as in `policy.d`, or one contract alone, which then is `service`'s. Throws `contract.invalid`. */
export function replayContracts(request: {
  readonly file: string;
  readonly text: string;
  readonly records: readonly JournalRecord[];
  readonly service?: string;
}): ReplayView {
  const { records, service } = request;
  const book = new ContractBook(contractsIn(request));
  return replay(seenIn(records, service), (name) => book.inForce({ name, configs: {} }));
}

function contractsIn({
  file,
  text,
  service,
}: {
  readonly file: string;
  readonly text: string;
  readonly service?: string;
}): readonly LocalContract[] {
  const alone = service === undefined ? undefined : contractAlone(text);
  if (alone !== undefined && service !== undefined) {
    return [{ origin: file, services: [compileGlob(service)], contract: parseEngagement(alone, service) }];
  }
  const { contracts, problems } = parseContractFile(file, text);
  const [problem] = problems;
  if (problem === undefined) return contracts;
  const { line, column, message } = problem;
  throw new TunnelerError('contract.invalid', `${file}:${line}:${column}: ${message}`, {
    details: { next: 'give a file of contracts as in policy.d, or one contract alone with --service' },
  });
}

/** Undefined where it is a file of contracts, or none. */
function contractAlone(text: string): object | undefined {
  try {
    const read: unknown = parse(text, { maxAliasCount: 20 });
    return typeof read === 'object' && read !== null && !('contracts' in read) ? read : undefined;
  } catch {
    // The parser of files says what is wrong with it, and where.
    return undefined;
  }
}
