/** Which guard a contract turns on. A contract with `mcp`, `http` or `modbus` has one; more than one protocol needs a closer look. */
import type { EngagementContract } from '../base/engagement.ts';
import { TunnelerError } from '../base/errors.ts';
import type { Guard, GuardContext } from './guard.ts';
import { HttpGuard } from './http/http-guard.ts';
import { McpGuard } from './mcp/mcp-guard.ts';
import { ModbusGuard } from './modbus/modbus-guard.ts';

/**
 * The guard for one session, or undefined where the contract asks for none. `mcp` beside `http`: the MCP guard also holds methods and
 * paths. Throws `contract.invalid` for Modbus beside one of them: no stream is both.
 */
export function createGuard(contract: EngagementContract, context: GuardContext): Guard | undefined {
  const { mcp, http, modbus } = contract;
  if (modbus !== undefined && (mcp !== undefined || http !== undefined)) {
    throw new TunnelerError('contract.invalid', 'a contract cannot set Modbus rules beside MCP or HTTP rules');
  }
  if (mcp !== undefined) return new McpGuard(mcp, contract, context);
  if (http !== undefined) return new HttpGuard(http, context);
  if (modbus !== undefined) return new ModbusGuard(modbus, context);
  return undefined;
}
