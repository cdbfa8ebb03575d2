/** The parts of a contract that turn a guard on. */
import { floorProtocols } from './floor/rules.ts';

/** In the order in which a contract's own guard is named. */
export const guardedProtocols = ['mcp', 'http', 'a2a', 'modbus', ...floorProtocols] as const;
/** A member of {@link guardedProtocols}. */
export type GuardedProtocol = (typeof guardedProtocols)[number];
