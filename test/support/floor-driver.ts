/** A guard of the floor's protocols, made from a contract as a session makes it. */
import { parseEngagement } from '../../main/base/engagement.ts';
import type { FloorProtocol } from '../../main/base/engagement/floor/rules.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { context, GuardDriver } from './guard-driver.ts';

export function driveFloor(
  protocol: FloorProtocol | 'modbus',
  rules: unknown,
  more: Partial<GuardContext> = {},
): FloorDriver {
  const guard = createGuard(parseEngagement({ [protocol]: rules }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new FloorDriver(guard);
}

export class FloorDriver extends GuardDriver {
  /** What came before is not what the test is about. */
  forget(): this {
    this.outcome.toService = Buffer.alloc(0);
    this.outcome.toApp = Buffer.alloc(0);
    this.outcome.calls.length = 0;
    return this;
  }
}
