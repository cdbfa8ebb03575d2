/**
 * Which operation a CIP request is: the same service means something else with each class. Pure.
 * Source: CIP Volume 1 appendix A and 3-5.5, 5A-37 (file object); Rockwell 1756-PM020 (tags), 1770-6.5.16 chapter 7 (PCCC).
 */
import { enipOperations } from '../../base/engagement/floor/enip-operations.ts';
import type { FloorOperation } from '../../base/engagement/floor/operations.ts';
import { ByteReader } from '../floor/byte-reader.ts';
import { opensMessages, type CipRequest } from './cip.ts';

const classes = {
  messageRouter: 2,
  connectionManager: 6,
  file: 0x37,
  pccc: 0x67,
  symbol: 0x6b,
  template: 0x6c,
} as const;

/** What a request means. */
export type CipMeaning =
  | { readonly kind: 'operation'; readonly operation: FloorOperation | undefined }
  /** It carries other messages, which are judged. */
  | { readonly kind: 'send' | 'packet' }
  /** It opens or closes a way for messages: nothing to judge yet. */
  | { readonly kind: 'session' };

/** The meaning of a service with the class it is asked of. */
export function meaningOf(request: CipRequest): CipMeaning {
  const { service, path } = request;
  const named = (name: string): CipMeaning => ({
    kind: 'operation',
    operation: enipOperations.find((one) => one.name === name),
  });
  const unknown: CipMeaning = { kind: 'operation', operation: undefined };
  if (service === 0x0a)
    return path.class === classes.messageRouter && path.instance === 1 ? { kind: 'packet' } : unknown;
  if (path.class === classes.connectionManager) return managerMeaning(request, named, unknown);
  if (path.class === classes.pccc && service === 0x4b) return named(pcccName(request.data));
  if (service < 0x20) {
    const common = enipOperations.find((one) => one.code === service);
    return common === undefined || path.class === classes.pccc ? unknown : { kind: 'operation', operation: common };
  }
  if (path.class === classes.file) return unknown;
  const isTag = path.class === undefined ? path.tag !== undefined : path.class === classes.symbol;
  if (service === 0x4c && (isTag || path.class === classes.template)) return named('read-tag');
  if (service === 0x55 && path.class === classes.symbol) return named('get-instance-attribute-list');
  if (!isTag) return unknown;
  return { kind: 'operation', operation: tagOperation(service) };
}

function tagOperation(service: number): FloorOperation | undefined {
  const names = ['read-tag-fragmented', 'write-tag', 'write-tag-fragmented', 'read-modify-write-tag'];
  return enipOperations.find((one) => one.code === service && names.includes(one.name));
}

function managerMeaning(
  { service, data }: CipRequest,
  named: (name: string) => CipMeaning,
  unknown: CipMeaning,
): CipMeaning {
  if (service === 0x52) return { kind: 'send' };
  if (service === 0x54 || service === 0x5b) {
    return opensMessages(data, service === 0x5b) ? { kind: 'session' } : named('open-io-connection');
  }
  if (service === 0x4e) return { kind: 'session' };
  if (service === 0x56) return named('get-connection-data');
  if (service === 0x01 || service === 0x0e) {
    return named(service === 0x01 ? 'get-attributes-all' : 'get-attribute-single');
  }
  return unknown;
}

/** Typed reads and typed writes of SLC, MicroLogix and PLC-5, by command 0f and its function. */
const pcccReads: readonly number[] = [0x68, 0xa1, 0xa2];
const pcccWrites: readonly number[] = [0x67, 0xa9, 0xaa, 0xab];

/** Requestor id (its length counts itself), command, status, transaction, function. Throws `Malformed`. */
function pcccName(data: Uint8Array): string {
  const reader = new ByteReader(data);
  reader.bytes(reader.u8() - 1);
  const command = reader.u8();
  reader.bytes(3);
  const code = command === 0x0f ? reader.u8() : -1;
  if (pcccReads.includes(code)) return 'pccc-read';
  return pcccWrites.includes(code) ? 'pccc-write' : 'pccc-other';
}
