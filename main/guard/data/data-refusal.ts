/** Why something does not go on for the data in it: for whoever is refused, and for the record. Never the value. Pure. */
import { groupOf } from '../../base/engagement/data.ts';
import type { DataFound } from './found.ts';

/** The rule that says so, and the sentence. */
export interface DataObjection {
  readonly rule: string;
  readonly why: string;
}

/** Of what was found and is refused. */
export function dataObjection(refused: DataFound): DataObjection {
  const where = refused.places.join(', ');
  return {
    rule: `contract:data.${groupOf(refused.class) ?? 'classes'} ${refused.class}`,
    why: `the contract lets no ${refused.class} pass, and there is one in the ${refused.in} (${where})`,
  };
}
