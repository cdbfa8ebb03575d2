/** Calls at the front door of what is not offered there: which of them a service's own guard refuses, and the record of the others. */
import type { App } from '../../apps/app.ts';
import type { AuditEvent } from '../../audit/record.ts';
import type { EngagementContract } from '../../base/engagement.ts';
import { pinRulesOf } from '../../guard/mcp/lists.ts';
import type { ToolPins } from '../../guard/mcp/pins.ts';
import { CompiledMcpRules } from '../../guard/mcp/rules.ts';
import type { NamedCall } from '../../mcp/front/front.ts';

/** Does the guard under this contract refuse it, whatever its arguments? Only that may be sent for its refusal: anything else could reach the service. */
export function isRefusedByGuard(
  { mcp, enforce }: EngagementContract,
  pins: ToolPins,
  { method, name }: NamedCall,
): boolean {
  if (mcp === undefined || enforce === 'observe') return false;
  const kind = method === 'tools/call' ? 'tool' : 'prompt';
  if (!new CompiledMcpRules(mcp).shows(kind, name)) return true;
  return kind === 'tool' && pins.holds(name, pinRulesOf(mcp)) !== undefined;
}

/** Longest name that is recorded. */
const maxRecordedName = 256;

/** The record of a call that no guard saw, in the fields of those that guards judge; `absent`: why its service was not there. */
export function unofferedRecord(
  app: App,
  { service, method, name }: NamedCall,
  nowMs: number,
  absent?: string,
): AuditEvent {
  const target = name.slice(0, maxRecordedName);
  return {
    kind: 'call',
    service,
    agent: app.agent ?? null,
    app: app.script ?? app.path ?? null,
    user: app.user ?? null,
    protocol: 'mcp',
    method,
    tool: target,
    target,
    end: 'dial',
    decision: 'deny',
    rule: absent === undefined ? 'mcp:not_offered' : 'mcp:absent',
    startedAtMs: nowMs,
    reason: absent === undefined ? 'the service offers nothing of this name' : `the service is absent: ${absent}`,
  };
}
