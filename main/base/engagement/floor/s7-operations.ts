/**
 * What S7comm can be asked for. The protocol is unpublished; functions and user data groups as packet captures of Siemens' own and of free
 * clients show them. The code of user data is 0x0700 + group and sub-function.
 */
import { operationsOf } from './operations.ts';

/** S7comm's operations, by function or user data code. */
export const s7Operations = operationsOf([
  [0x04, 'read-var', 'read'],
  [0x05, 'write-var', 'write'],
  [0x1a, 'download-request', 'program'],
  [0x1b, 'download-block', 'program'],
  [0x1c, 'download-end', 'program'],
  [0x1d, 'upload-start', 'program-read'],
  [0x1e, 'upload', 'program-read'],
  [0x1f, 'upload-end', 'program-read'],
  [0x28, 'plc-start', 'control'],
  [0x28, 'compress-memory', 'control'],
  [0x28, 'copy-ram-to-rom', 'program'],
  [0x28, 'insert-block', 'program'],
  [0x28, 'delete-block', 'program'],
  [0x28, 'pi-service', 'other'],
  [0x29, 'plc-stop', 'control'],
  [0x0700, 'mode-transition', 'control'],
  [0x0710, 'programmer', 'program'],
  [0x0721, 'cyclic-subscribe', 'other'],
  [0x0724, 'cyclic-unsubscribe', 'other'],
  [0x0725, 'cyclic-change', 'other'],
  [0x0731, 'list-blocks', 'read'],
  [0x0732, 'list-blocks-of-type', 'read'],
  [0x0733, 'block-info', 'read'],
  [0x0741, 'read-szl', 'read'],
  [0x0742, 'message-service', 'other'],
  [0x0750, 'password', 'other'],
  [0x0760, 'pbc-data', 'other'],
  [0x0771, 'get-clock', 'read'],
  [0x0772, 'set-clock', 'control'],
  [0x0773, 'get-clock-following', 'read'],
  [0x0774, 'set-clock-following', 'control'],
]);
