/**
 * Details of an error in A2A's own form. Pure.
 * Source: A2A 1.0.0, "JSON-RPC error mapping": a list of typed objects, `google.rpc.ErrorInfo` among them.
 */
import { isRecord } from '../json/strict-json.ts';

const type = 'type.googleapis.com/google.rpc.ErrorInfo';
const fields: ReadonlySet<string> = new Set(['@type', 'reason', 'domain', 'metadata']);

/** Details that say why, in Culvert's name. */
export function errorInfo(reason: string, metadata: Readonly<Record<string, string>>): unknown {
  return [{ '@type': type, reason, domain: 'culvert', metadata }];
}

/** Nothing but such details, and texts in them. */
export function isErrorInfo(data: unknown): boolean {
  return (
    Array.isArray(data) &&
    data.every((one) => {
      if (!isRecord(one) || one['@type'] !== type || Object.keys(one).some((name) => !fields.has(name))) return false;
      const { reason = '', domain = '', metadata = {} } = one;
      if (typeof reason !== 'string' || typeof domain !== 'string' || !isRecord(metadata)) return false;
      return Object.values(metadata).every((value) => typeof value === 'string');
    })
  );
}
