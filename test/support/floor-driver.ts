/** A guard of the floor's protocols, made from a contract as a session makes it. */
import { parseEngagement } from '../../main/base/engagement.ts';
import type { FloorProtocol } from '../../main/base/engagement/floor/rules.ts';
import { createGuard } from '../../main/guard/create-guard.ts';
import type { GuardContext } from '../../main/guard/guard.ts';
import { bytesOf, context, GuardDriver } from './guard-driver.ts';

export function driveFloor(
  protocol: FloorProtocol | 'modbus',
  rules: unknown,
  more: Partial<GuardContext> = {},
): FloorDriver {
  const guard = createGuard(parseEngagement({ [protocol]: rules }, 'test'), context(more));
  if (guard === undefined) throw new Error('no guard');
  return new FloorDriver(guard);
}

/** Bytes as sockets bring them: buffers that share their memory with others. */
export class FloorDriver extends GuardDriver {
  override app(bytes: Uint8Array | string): this {
    return super.app(Buffer.from(bytesOf(bytes)));
  }

  override service(bytes: Uint8Array | string): this {
    return super.service(Buffer.from(bytesOf(bytes)));
  }

  /** What came before is not what the test is about. */
  forget(): this {
    this.outcome.toService = Buffer.alloc(0);
    this.outcome.toApp = Buffer.alloc(0);
    this.outcome.calls.length = 0;
    return this;
  }
}
