/**
 * A call as the record has it, held to a contract by the very functions that hold the call itself. Where the record does not have what a rule
 * looks at, nobody can tell, and that is said. Pure but for the ledger.
 */
import { floorOperations, floorProtocols, type FloorProtocol } from '../../base/engagement/floor/rules.ts';
import { guardedProtocols } from '../../base/engagement/guarded.ts';
import type { EngagementContract, HttpRules, McpRules } from '../../base/engagement.ts';
import { modbusOperations } from '../../base/engagement/modbus-operations.ts';
import type { ModbusRules } from '../../base/engagement/modbus.ts';
import { compileGlob } from '../../base/glob.ts';
import { floorObjections } from '../floor/floor-guard.ts';
import type { GuardCall, GuardLedger } from '../guard.ts';
import { headObjections } from '../http/head-check.ts';
import { refusedModel } from '../http/model-refusal.ts';
import { modbusObjections } from '../modbus/judge.ts';
import { CompiledMcpRules, type ThingKind } from '../mcp/rules.ts';
import { isWithinRecorded } from './places.ts';
import { registersOf, unitOf } from './registers.ts';

/** What of a call is needed to judge it again. */
export type RecordedCall = Pick<GuardCall, 'protocol' | 'method' | 'target' | 'arguments' | 'model'> & {
  readonly atMs: number;
  /** Who spent, for rates: identity and service. */
  readonly account: string;
};

/** Would it go on? `unknown`: the record does not say enough, and why. */
export type Replayed =
  | { readonly kind: 'passes' }
  | { readonly kind: 'refused'; readonly rule: string }
  | { readonly kind: 'unknown'; readonly why: string };

const passes: Replayed = { kind: 'passes' };
const unknown = (why: string): Replayed => ({ kind: 'unknown', why });
const refusedBy = (objection: { readonly rule: string } | undefined): Replayed =>
  objection === undefined ? passes : { kind: 'refused', rule: objection.rule };

/** Calls of one ledger are given in the order in which they were made. */
export function replayCall(contract: EngagementContract, call: RecordedCall, ledger: GuardLedger): Replayed {
  const { protocol } = call;
  const { mcp, http, modbus } = contract;
  const other = guardedProtocols.find((one) => contract[one] !== undefined);
  if (other === undefined) return passes;
  if (contract[protocol] === undefined) return unknown(`the contract speaks of ${other}, and this is ${protocol}`);
  if (protocol === 'mcp' && mcp !== undefined) return replayMcp(mcp, call);
  if (protocol === 'http' && http !== undefined) return replayHttp(http, call);
  if (protocol === 'modbus' && modbus !== undefined) return replayModbus(modbus, call, ledger);
  const floor = floorProtocols.find((one) => one === protocol);
  return floor === undefined ? replayA2a(contract, call) : replayFloor(floor, contract, call);
}

const thingKinds: Readonly<Record<string, ThingKind | undefined>> = {
  'tools/call': 'tool',
  'prompts/get': 'prompt',
  'resources/read': 'resource',
  'resources/subscribe': 'resource',
  'resources/unsubscribe': 'resource',
};

/** What a recorded call of MCP names; undefined where the record does not tell. */
export function thingKindOf({ method }: Pick<RecordedCall, 'method'>): ThingKind | undefined {
  return thingKinds[method];
}

function replayMcp(rules: McpRules, call: RecordedCall): Replayed {
  const kind = thingKindOf(call);
  if (kind === undefined) return unknown(`what ${call.method} names is not recorded`);
  const compiled = new CompiledMcpRules(rules);
  if (call.arguments === undefined && compiled.looksAt(kind, call.target)) {
    return unknown(`arguments of ${call.target} are not recorded (mcp.recordArguments)`);
  }
  const verdict = compiled.judge(kind, call.target, call.arguments ?? {});
  return refusedBy(verdict.allowed ? undefined : verdict);
}

function replayHttp(rules: HttpRules, call: RecordedCall): Replayed {
  const { method, target, model } = call;
  // Its header fields are not recorded, so a websocket cannot be told from another request.
  const head = { kind: 'request' as const, method, target, version: '1.1' as const, fields: [] };
  const [objection] = headObjections(rules)({ ...head, raw: new Uint8Array(0), fieldsStart: 0 });
  if (objection !== undefined || rules.models === undefined) return refusedBy(objection);
  if (model === undefined) {
    return hasNoBody.includes(method)
      ? passes
      : unknown('which model a request names is recorded only under models or a budget');
  }
  return refusedBy(
    refusedModel(
      rules.models.map((pattern) => compileGlob(pattern)),
      [model],
      false,
    ),
  );
}

const hasNoBody: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'DELETE'];

function replayModbus(rules: ModbusRules, call: RecordedCall, ledger: GuardLedger): Replayed {
  const operation = modbusOperations.find((one) => one.name === call.method);
  const unit = unitOf(call);
  const accesses = registersOf(call);
  if (operation === undefined || unit === undefined || accesses === undefined) {
    return unknown('which registers it was about is not recorded');
  }
  const request = { operation, name: call.method, accesses };
  const [objection] = modbusObjections(rules, { ledger, ledgerKey: call.account }, unit, request, call.atMs);
  return refusedBy(objection);
}

function replayFloor(protocol: FloorProtocol, contract: EngagementContract, call: RecordedCall): Replayed {
  const rules = contract[protocol];
  const operation = floorOperations[protocol].find((one) => one.name === call.method);
  if (rules === undefined || operation === undefined) return unknown(`${call.method} is no operation of ${protocol}`);
  const within = isWithinRecorded(protocol, contract, operation, call);
  if (within === 'unknown') return unknown('which objects it was about is not recorded in full');
  const [objection] = floorObjections(protocol, rules, { operation, within });
  return refusedBy(objection);
}

function replayA2a({ a2a }: EngagementContract, { method }: RecordedCall): Replayed {
  if (/cancel/i.test(method)) return passes;
  return a2a?.skills === undefined && a2a?.messageTypes === undefined
    ? passes
    : unknown('skills and types of messages are not recorded apart');
}
