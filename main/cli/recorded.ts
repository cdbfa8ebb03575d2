/** What verbs about policy read: the record, page by page, and the files they are given. */
import { readFile } from 'node:fs/promises';
import type { AuditRecordView } from '../api/record-views.ts';
import { defined } from '../base/defined.ts';
import { TunnelerError } from '../base/errors.ts';
import type { AuditQuery } from './backends.ts';

/** Records are asked for so many at a time. */
const pageRecords = 10_000;

/** Every record of these kinds, however many. */
export async function recordsOf(
  search: (query: AuditQuery) => Promise<readonly AuditRecordView[]>,
  kinds: readonly string[],
  of: Pick<AuditQuery, 'service' | 'since'>,
): Promise<readonly AuditRecordView[]> {
  const found: AuditRecordView[] = [];
  for (const kind of kinds) {
    let page: readonly AuditRecordView[] = [];
    do {
      const beforeSeq = page.at(-1)?.seq;
      page = await search({ ...of, kind, limit: pageRecords, ...defined({ beforeSeq }) });
      found.push(...page);
    } while (page.length === pageRecords);
  }
  return found;
}

/** A file of contracts, or of a change. Throws `base.invalid`. */
export async function textOf(file: string): Promise<string> {
  if (file.endsWith('.cedar')) {
    throw new TunnelerError('base.invalid', `${file} holds rules, and only contracts can be held against the record`, {
      details: { next: 'culvert policy explain HOST says what rules decide now' },
    });
  }
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new TunnelerError('base.invalid', `${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
