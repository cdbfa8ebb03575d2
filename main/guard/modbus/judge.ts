/** What a contract says against one Modbus request, each with the exception that tells it. Pure but for the ledger. */
import { modbusAllows } from '../../base/engagement/modbus-operations.ts';
import type { ModbusRules, ModbusWriteRange } from '../../base/engagement/modbus.ts';
import type { GuardContext } from '../guard.ts';
import { exceptions, type ModbusRequest, type RegisterAccess } from './functions.ts';

/** Why a request does not go on, and the exception that says so. */
export interface Refused {
  readonly exception: number;
  readonly rule: string;
}

/** In the order they are told; what stands behind one that refuses is not to be asked for. */
export function* modbusObjections(
  rules: ModbusRules,
  context: Pick<GuardContext, 'authorize' | 'ledger' | 'ledgerKey'>,
  unit: number,
  request: ModbusRequest,
  nowMs: number,
): Generator<Refused> {
  const { operation, accesses, fault } = request;
  if (operation === undefined) {
    if (fault !== undefined) yield fault;
    return;
  }
  if (rules.units !== undefined && !rules.units.includes(unit)) {
    yield { exception: exceptions.gatewayPathUnavailable, rule: 'contract:modbus.units' };
  }
  if (!modbusAllows(rules.allow, operation)) {
    yield { exception: exceptions.illegalFunction, rule: 'contract:modbus.allow' };
  }
  if (fault !== undefined) yield fault;
  yield* outsideRanges(rules, unit, request);
  const local = refusedLocally(context, unit, accesses);
  if (local !== undefined) yield local;
  yield* refusedValues(rules, context, unit, request, nowMs);
}

function* outsideRanges(
  { ranges, read, write }: ModbusRules,
  unit: number,
  request: ModbusRequest,
): Generator<Refused> {
  const limits = [
    { rule: 'contract:modbus.ranges', ranges, access: undefined },
    { rule: 'contract:modbus.read', ranges: read, access: 'read' },
    { rule: 'contract:modbus.write', ranges: write, access: 'write' },
  ] as const;
  for (const limit of limits) {
    if (limit.ranges === undefined) continue;
    // What touches no register a range could name cannot be held to one.
    if (request.accesses.length === 0) {
      if (limit.access !== undefined && limit.access !== request.operation?.class) continue;
      yield { exception: exceptions.illegalFunction, rule: limit.rule };
      continue;
    }
    const concerned = request.accesses.filter((access) => limit.access === undefined || limit.access === access.access);
    const within = concerned.every((access) => limit.ranges?.some((range) => holds(range, unit, access)));
    if (!within) yield { exception: exceptions.illegalDataAddress, rule: limit.rule };
  }
}

function holds(range: Omit<ModbusWriteRange, 'rate'>, unit: number, access: RegisterAccess): boolean {
  return (
    (range.units === undefined || range.units.includes(unit)) &&
    (range.table === undefined || range.table === access.table) &&
    access.from >= range.from &&
    access.to <= range.to
  );
}

/** Value limits and rates of the first range that holds the registers written. */
function* refusedValues(
  { write }: ModbusRules,
  context: Pick<GuardContext, 'ledger' | 'ledgerKey'>,
  unit: number,
  request: ModbusRequest,
  nowMs: number,
): Generator<Refused> {
  for (const access of request.accesses) {
    if (access.access !== 'write') continue;
    const index = write?.findIndex((range) => holds(range, unit, access)) ?? -1;
    const range = write?.[index];
    if (range === undefined) continue;
    const { min, max, rate } = range;
    if (min !== undefined || max !== undefined) {
      // The outcome of a mask depends on what the register holds: it cannot be held to a bound.
      const fits = access.values?.every((value) => value >= (min ?? 0) && value <= (max ?? 0xffff)) ?? false;
      if (!fits) yield { exception: exceptions.illegalDataValue, rule: 'contract:modbus.write.value' };
    }
    const key = `${context.ledgerKey}|modbus.write|${index}`;
    if (rate !== undefined && !context.ledger.take(key, 1, rate.writes, rate.perSeconds * 1000, nowMs)) {
      yield { exception: exceptions.serverBusy, rule: 'contract:modbus.write.rate' };
    }
  }
}

function refusedLocally(
  context: Pick<GuardContext, 'authorize'>,
  unit: number,
  accesses: readonly RegisterAccess[],
): Refused | undefined {
  for (const access of accesses) {
    if (access.access !== 'write' || (access.table !== 'coils' && access.table !== 'holding')) continue;
    const local = context.authorize?.({
      action: 'writeRegister',
      target: targetOf(unit, [access]),
      unit,
      table: access.table,
      from: access.from,
      to: access.to,
    });
    if (local?.kind !== 'deny') continue;
    const { rule, code } = local.reason;
    return { exception: exceptions.illegalFunction, rule: rule ?? code };
  }
  return undefined;
}

/** `unit 1 holding 40–41`. */
export function targetOf(unit: number, accesses: readonly RegisterAccess[]): string {
  const places = accesses.map(({ table, from, to }) => `${table} ${from}${to === from ? '' : `–${to}`}`);
  return [`unit ${unit}`, ...places].join(' ');
}
