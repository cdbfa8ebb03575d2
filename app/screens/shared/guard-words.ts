/** Which guards hold a session, in words. */
import type { Text } from '../../text/text.ts';

const words = {
  none: 'guard.none',
  mcp: 'guard.mcp',
  http: 'guard.http',
  a2a: 'guard.a2a',
  modbus: 'guard.modbus',
  s7: 'guard.s7',
  enip: 'guard.enip',
  opcua: 'guard.opcua',
  iec104: 'guard.iec104',
  dnp3: 'guard.dnp3',
  'not-visible': 'guard.not-visible',
} as const;

/** `guard` as the engine has it: one kind, or several joined by `+`. A kind without words stands as it is. */
export function guardText(guard: string, t: Text): string {
  return guard
    .split('+')
    .map((kind) => (Object.hasOwn(words, kind) ? t(words[kind as keyof typeof words]) : kind))
    .join(' + ');
}
