/** What a contract's rules say, each in a short line of its own. A rule without words here is shown as it was written. */
import type { Text } from '../../text/text.ts';

type Rules = Readonly<Record<string, unknown>>;

/** The lines of one term: `mcp`, `http`, `modbus`, `apps`, `schedule`, or a plain value. */
export function termLines(term: string, value: unknown, t: Text): readonly string[] {
  if (typeof value === 'number') return [amount(term, value, t)];
  if (!isRules(value)) return [oneLine(value)];
  return Object.entries(value).flatMap(([rule, inner]) => ruleLines(term, rule, inner, t));
}

function amount(term: string, value: number, t: Text): string {
  if (term.endsWith('Seconds')) return t.format.span(value * 1000);
  return term.endsWith('Bytes') ? t.format.bytes(value) : t.format.number(value);
}

function ruleLines(term: string, rule: string, value: unknown, t: Text): readonly string[] {
  if (term === 'record' && (rule === 'values' || rule === 'pcap'))
    return value === true
      ? [t(rule === 'pcap' ? 'contract.rule.packets.recorded' : 'contract.rule.values.recorded')]
      : [];
  if (floorTerms.includes(term)) return floorLines(rule, value, t);
  if (term === 'modbus' && rule === 'allow') return [modbusAllowed(value, t)];
  if (term === 'modbus' && rule === 'ranges' && Array.isArray(value)) return value.map((range) => registers(range, t));
  if (term === 'modbus' && (rule === 'read' || rule === 'write') && Array.isArray(value))
    return value.map((range) => t(`contract.rule.${rule}Range`, { what: rangeWords(range, t) }));
  if (term === 'schedule' && rule === 'windows' && Array.isArray(value)) return value.map((one) => hours(one, t));
  if (rule === 'allow') return [t('contract.rule.allow', { what: oneLine(value) })];
  if (rule === 'deny') return [t('contract.rule.deny', { what: oneLine(value) })];
  if (rule === 'ask') return [t('contract.rule.ask', { what: oneLine(value) })];
  if (rule === 'websocket') return value === true ? [t('contract.rule.websocket')] : [];
  if (rule === 'maxCalls' && typeof value === 'number') return [t('contract.rule.maxCalls', { calls: value })];
  if (rule === 'maxMessages' && typeof value === 'number') return [t('contract.rule.maxMessages', { messages: value })];
  if (rule === 'skills' || rule === 'messageTypes') return [t(`contract.rule.${rule}`, { what: oneLine(value) })];
  if (rule === 'maxMessageBytes' && typeof value === 'number')
    return [t('contract.rule.maxMessage', { size: t.format.bytes(value) })];
  if (rule === 'recordArguments') return value === true ? [t('contract.rule.recordArguments')] : [];
  if (isRules(value) && typeof value['perSeconds'] === 'number') {
    const span = t.format.span(value['perSeconds'] * 1000);
    const { calls, tokens, amount, currency } = value;
    if (typeof calls === 'number') return [t('contract.rule.rate', { calls, span })];
    if (typeof tokens === 'number') return [t('contract.rule.tokens', { tokens, span })];
    if (typeof amount === 'number' && typeof currency === 'string') {
      return [t('contract.rule.cost', { amount, currency, span })];
    }
  }
  if ((rule === 'notBefore' || rule === 'notAfter') && typeof value === 'string')
    return [t(`contract.rule.${rule}`, { when: t.format.dateTime(value) })];
  if (rule === 'methods' || rule === 'paths' || rule === 'models' || rule === 'units')
    return [t(`contract.rule.${rule}`, { what: oneLine(value) })];
  return [`${rule} ${oneLine(value)}`];
}

const floorTerms = ['s7', 'enip', 'opcua', 'iec104', 'dnp3'];

/** Rules of the floor's protocols beside Modbus: they have one shape. */
function floorLines(rule: string, value: unknown, t: Text): readonly string[] {
  if (rule === 'opaque' && (value === 'refuse' || value === 'alert')) return [t(`contract.rule.opaque.${value}`)];
  if (rule === 'allow')
    return [value === 'read' ? t('contract.rule.readOnly') : t('contract.rule.allow', { what: oneLine(value) })];
  if (rule === 'objects' && Array.isArray(value)) {
    return value.map((object) => t('contract.rule.objects', { what: oneLine(object) }));
  }
  return [`${rule} ${oneLine(value)}`];
}

function modbusAllowed(value: unknown, t: Text): string {
  if (value === 'read') return t('contract.rule.readOnly');
  if (value === 'write') return t('contract.rule.readWrite');
  return t('contract.rule.functions', { what: oneLine(value) });
}

function registers(range: unknown, t: Text): string {
  if (!isRules(range)) return oneLine(range);
  const { table, from, to } = range;
  const name = ['coils', 'discrete', 'holding', 'input'].find((one) => one === table) ?? 'any';
  return t('contract.rule.registers', {
    table: t(`contract.table.${name as 'coils' | 'discrete' | 'holding' | 'input' | 'any'}`),
    range: from === to ? String(from) : `${String(from)}\u2060–\u2060${String(to)}`,
  });
}

/** A range with what limits it further: units, values, how often. */
function rangeWords(range: unknown, t: Text): string {
  if (!isRules(range)) return oneLine(range);
  const { units, min, max, rate } = range;
  const more = [
    ...(units === undefined ? [] : [t('contract.rule.units', { what: oneLine(units) })]),
    ...(min === undefined && max === undefined
      ? []
      : [t('contract.rule.values', { range: `${String(min ?? 0)}\u2060–\u2060${String(max ?? 65535)}` })]),
    ...(isRules(rate) && typeof rate['writes'] === 'number' && typeof rate['perSeconds'] === 'number'
      ? [t('contract.rule.writes', { writes: rate['writes'], span: t.format.span(rate['perSeconds'] * 1000) })]
      : []),
  ];
  return [registers(range, t), ...more].join(', ');
}

function hours(window: unknown, t: Text): string {
  if (!isRules(window)) return oneLine(window);
  const { days, from, to } = window;
  const when = Array.isArray(days) ? days.map((day) => dayName(String(day), t)).join(', ') : t('contract.rule.daily');
  return `${when} ${String(from)}–${String(to)}`;
}

const monday = Date.UTC(2024, 0, 1);
const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

function dayName(day: string, t: Text): string {
  const at = dayNames.indexOf(day);
  if (at < 0) return day;
  const date = new Date(monday + at * 86_400_000);
  return new Intl.DateTimeFormat(t.locale, { weekday: 'short', timeZone: 'UTC' }).format(date);
}

function isRules(value: unknown): value is Rules {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return value.map(oneLine).join(', ');
  if (!isRules(value)) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => `${name} ${oneLine(inner)}`)
    .join(', ');
}
