/** A refused attempt, as the journal has it, for people. */
import type { AuditRecordView } from '../../../main/api/record-views.ts';
import type { Details, Said } from '../../text/reasons.ts';

/** One attempt that was refused before its first byte. */
export interface Refusal {
  readonly seq: number;
  readonly at: string;
  /** The agent, else the program's file name; undefined where it is not known. */
  readonly program: string | undefined;
  readonly programPath: string | undefined;
  /** What `why` is asked with. */
  readonly app: string | undefined;
  readonly destination: string;
  readonly service: string | undefined;
  readonly said: Said;
  readonly rule: string | undefined;
  readonly about: Details;
}

/** Records of other versions may leave fields out. */
export function refusalOf(record: AuditRecordView): Refusal {
  const field = (name: string): string | undefined => {
    const value = record[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const programPath = field('app');
  const agent = field('agent');
  const service = field('service');
  const destination = field('destination') ?? service ?? '';
  const program = agent ?? programPath?.split(/[\\/]/).at(-1);
  return {
    seq: record.seq,
    at: record.at,
    program,
    programPath,
    app: agent ?? programPath,
    destination,
    service,
    said: { code: field('code'), sentence: field('reason') ?? field('code') ?? '' },
    rule: field('rule'),
    about: { service, identity: field('identity'), destination, subject: agent ?? programPath ?? service },
  };
}

/** What a search over refusals looks into, in lower case. */
export function searchableRefusal(record: AuditRecordView): string {
  const { program, programPath, destination, service, said } = refusalOf(record);
  return [program, programPath, destination, service, said.sentence, said.code].join('\n').toLowerCase();
}
