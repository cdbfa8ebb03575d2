/**
 * What EtherNet/IP can be asked for over CIP. A service means what its object's class makes of it, so names stand for both together.
 * Source: CIP Volume 1 appendix A (common services), chapter 3-5 (Connection Manager); Rockwell 1756-PM020 (tags), 1770-6.5.16 (PCCC).
 */
import { operationsOf } from './operations.ts';

/** EtherNet/IP's operations, by CIP service code. */
export const enipOperations = operationsOf([
  [0x01, 'get-attributes-all', 'read'],
  [0x03, 'get-attribute-list', 'read'],
  [0x0e, 'get-attribute-single', 'read'],
  [0x11, 'find-next-instance', 'read'],
  [0x4c, 'read-tag', 'read'],
  [0x52, 'read-tag-fragmented', 'read'],
  [0x55, 'get-instance-attribute-list', 'read'],
  [0x56, 'get-connection-data', 'read'],
  [0x02, 'set-attributes-all', 'write'],
  [0x04, 'set-attribute-list', 'write'],
  [0x10, 'set-attribute-single', 'write'],
  [0x4d, 'write-tag', 'write'],
  [0x53, 'write-tag-fragmented', 'write'],
  [0x4e, 'read-modify-write-tag', 'write'],
  [0x05, 'reset', 'control'],
  [0x06, 'start', 'control'],
  [0x07, 'stop', 'control'],
  [0x54, 'open-io-connection', 'control'],
  [0x08, 'create', 'program'],
  [0x09, 'delete', 'program'],
  [0x15, 'restore', 'program'],
  [0x16, 'save', 'program'],
  [0x4b, 'pccc-read', 'read'],
  [0x4b, 'pccc-write', 'write'],
  [0x4b, 'pccc-other', 'other'],
]);
