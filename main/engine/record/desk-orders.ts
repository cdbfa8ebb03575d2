/** Orders of the desk, done here: cut a subject off, or let go of it. The signature is checked before this is asked. */
import * as v from 'valibot';
import type { AuditWriter } from '../../audit/record.ts';
import type { Quarantine } from '../../policy/quarantine.ts';

const header = 'culvert fleet order\n';
const order = v.object({
  id: v.string(),
  at: v.string(),
  action: v.picklist(['quarantine', 'release']),
  subject: v.pipe(v.string(), v.maxLength(1024), v.regex(/^(app|identity|service):.+$/)),
  cause: v.pipe(v.string(), v.maxLength(1024)),
});

/** Answers with what became of an order; done twice it is the same as done once. */
export function obeyOrders(quarantine: Quarantine, audit: AuditWriter): (text: string) => string {
  return (text) => {
    const read = v.safeParse(order, text.startsWith(header) ? parsed(text.slice(header.length)) : undefined);
    if (!read.success) return 'refused: it cannot be understood';
    const { id, action, subject, cause } = read.output;
    audit.record({ kind: 'desk.ordered', order: id, action, subject, cause });
    if (action === 'release') return quarantine.release(subject) ? 'released' : 'not held';
    quarantine.add(subject, `ordered by the desk: ${cause}`, 'operator');
    return 'quarantined';
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Refused by the schema, as anything else that is no order.
    return undefined;
  }
}
