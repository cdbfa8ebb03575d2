/** The guard's own "no" in HTTP: a status, and why, for a person and for a script. Pure. */
import type { OwnAnswer } from './exchanges.ts';

/** Shaped as LLM clients expect errors (`error.message`, `error.type`), which other clients show as well. */
export function refusalAnswer(status: number, rule: string, why: string): OwnAnswer {
  const error = { type: 'contract_refused', code: rule, message: `Refused by contract: ${why}`, by: 'culvert' };
  return { status, contentType: 'application/json', body: JSON.stringify({ error }) };
}
