/** Which guard a contract turns on. A contract with rules for one protocol has one; rules for more than one need a closer look. */
import type { EngagementContract } from '../base/engagement.ts';
import { guardedProtocols } from '../base/engagement/guarded.ts';
import { TunnelerError } from '../base/errors.ts';
import { CompiledDataRules } from './data/data-rules.ts';
import { Dnp3Guard } from './dnp3/dnp3-guard.ts';
import { EnipGuard } from './enip/enip-guard.ts';
import type { Guard, GuardContext, GuardKind } from './guard.ts';
import { LateGuard } from './late-guard.ts';
import { a2aGuard } from './a2a/a2a-guard.ts';
import { httpGuard } from './http/http-guard.ts';
import { Iec104Guard } from './iec104/iec104-guard.ts';
import { McpGuard } from './mcp/mcp-guard.ts';
import { ModbusGuard } from './modbus/modbus-guard.ts';
import { OpcuaGuard } from './opcua/opcua-guard.ts';
import { S7Guard } from './s7/s7-guard.ts';
import { SlicedGuard } from './sliced-guard.ts';

/** The protocol a contract asks a guard for; undefined where it asks for none. `mcp` beside `http` is MCP's. */
export function guardedProtocol(contract: EngagementContract): GuardKind | undefined {
  return guardedProtocols.find((protocol) => contract[protocol] !== undefined);
}

/**
 * The guard for one session, or undefined where the contract asks for none. `mcp` beside `http`: the MCP guard also holds methods and
 * paths. Throws `contract.invalid` for any other two beside each other: no stream is both; and for `data` where nothing looks for it.
 */
export function createGuard(contract: EngagementContract, given: GuardContext): Guard | undefined {
  const context = contract.enforce === 'observe' ? { ...given, observes: true } : given;
  const asked = guardedProtocols.filter((protocol) => contract[protocol] !== undefined);
  if (asked.length > 1 && asked.join() !== 'mcp,http') {
    throw new TunnelerError(
      'contract.invalid',
      `a contract cannot set rules for ${asked.join(' and ')} beside each other`,
    );
  }
  const { data } = contract;
  if (data !== undefined && contract.mcp === undefined && contract.http === undefined) {
    throw new TunnelerError(
      'contract.invalid',
      'a contract can set rules for data only beside mcp or http: nothing else is looked through',
    );
  }
  if (contract.mcp !== undefined && contract.http?.costBudget !== undefined) {
    throw new TunnelerError(
      'contract.invalid',
      'a contract cannot set http.costBudget beside mcp: its calls have no price',
    );
  }
  const { mcp, http, a2a, modbus, s7, enip, opcua, iec104, dnp3 } = contract;
  if (data !== undefined && (mcp !== undefined || http !== undefined)) {
    const loading = import('./data/detectors.ts').then(({ dataDetectors }) => {
      const rules = new CompiledDataRules(data, dataDetectors(), context.keptSecrets);
      const guard =
        mcp === undefined ? httpGuard(http ?? {}, context, rules) : new McpGuard(mcp, contract, context, rules);
      return context.pause === undefined ? guard : new SlicedGuard(guard, context.pause);
    });
    return new LateGuard(guardKindOf(contract) ?? 'mcp', loading);
  }
  if (mcp !== undefined) return new McpGuard(mcp, contract, context);
  if (http !== undefined) return httpGuard(http, context);
  if (a2a !== undefined) return a2aGuard(a2a, contract, context);
  if (modbus !== undefined) return new ModbusGuard(modbus, context);
  if (s7 !== undefined) return new S7Guard(s7, context);
  if (enip !== undefined) return new EnipGuard(enip, context);
  if (opcua !== undefined) return new OpcuaGuard(opcua, context);
  if (iec104 !== undefined) return new Iec104Guard(iec104, context);
  return dnp3 === undefined ? undefined : new Dnp3Guard(dnp3, context);
}

/** What the guard of {@link createGuard} calls itself; undefined where it makes none. */
export function guardKindOf(contract: EngagementContract): string | undefined {
  const asked = guardedProtocols.filter((protocol) => contract[protocol] !== undefined);
  return asked.length === 0 ? undefined : asked.join('+');
}
