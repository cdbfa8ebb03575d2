/**
 * Reaching a TPM 2.0 the way the TPM tools do: `TPM2TOOLS_TCTI` or `TCTI` says where it is (`device:PATH`, `swtpm:host=…,port=…`,
 * `swtpm:path=…`, `mssim:host=…,port=…`), else the kernel's resource manager. Source: tpm2-tss doc/tcti.md.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { TunnelerError } from '../../base/errors.ts';

/** One open way to a TPM: a command in, its response out. One at a time; the caller waits for each. */
export interface TpmTransport extends AsyncDisposable {
  transmit(command: Uint8Array): Promise<Buffer>;
}

/** Where a TPM is. */
export type TpmAddress =
  | { readonly kind: 'device'; readonly path: string }
  | { readonly kind: 'swtpm' | 'mssim'; readonly host: string; readonly port: number }
  | { readonly kind: 'swtpm'; readonly path: string };

const defaultDevices = ['/dev/tpmrm0', '/dev/tpm0'];
const defaultPort = 2321;
/** TPM2_MAX_RESPONSE_SIZE of the common implementations (TPM 2.0 part 2, PTP). */
const maxResponseBytes = 4096;
const timeoutMs = 15_000;

/** Where to look, from the environment. Throws `identity.keystore_unavailable` for a form not known here. */
export function tpmAddresses(environment: Readonly<Record<string, string | undefined>>): readonly TpmAddress[] {
  const text = environment['TPM2TOOLS_TCTI'] ?? environment['TCTI'];
  if (text === undefined || text === '') return defaultDevices.map((path) => ({ kind: 'device', path }));
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  const rest = colon < 0 ? '' : text.slice(colon + 1);
  if (kind === 'device') return [{ kind, path: rest === '' ? '/dev/tpmrm0' : rest }];
  if (kind === 'swtpm' || kind === 'mssim') {
    const settings = new Map(rest.split(',').map((pair) => pair.split('=', 2) as [string, string]));
    const path = settings.get('path');
    if (kind === 'swtpm' && path !== undefined) return [{ kind, path }];
    return [{ kind, host: settings.get('host') ?? '127.0.0.1', port: Number(settings.get('port') ?? defaultPort) }];
  }
  throw unavailable(`TCTI "${kind}" is not one that can be used here (device, swtpm, mssim can)`);
}

/** Open the first TPM that answers. Throws `identity.keystore_unavailable`. */
export async function openTpm(addresses: readonly TpmAddress[]): Promise<TpmTransport> {
  let last: unknown;
  for (const address of addresses) {
    try {
      return address.kind === 'device' ? await openDevice(address.path) : await openSocket(address);
    } catch (error) {
      last = error;
    }
  }
  throw unavailable((last as Error | undefined)?.message ?? 'none was named', last);
}

async function openDevice(path: string): Promise<TpmTransport> {
  const device: FileHandle = await open(path, 'r+');
  return {
    async transmit(command) {
      await device.write(command);
      const response = Buffer.alloc(maxResponseBytes);
      const { bytesRead } = await device.read(response, 0, response.length, null);
      return response.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: () => device.close(),
  };
}

async function openSocket(address: Exclude<TpmAddress, { kind: 'device' }>): Promise<TpmTransport> {
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = 'path' in address ? connect(address.path) : connect(address.port, address.host);
    opening.once('error', reject);
    opening.once('connect', () => {
      opening.off('error', reject);
      resolve(opening);
    });
  });
  const simulator = address.kind === 'mssim';
  return {
    transmit: (command) => exchange(socket, simulator ? simulatorFrame(command) : command, simulator),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        socket.once('close', () => resolve());
        socket.destroy();
      }),
  };
}

/** MS simulator: TPM_SEND_COMMAND (8), locality 0, length, command. */
function simulatorFrame(command: Uint8Array): Uint8Array {
  const head = Buffer.alloc(9);
  head.writeUInt32BE(8, 0);
  head.writeUInt32BE(command.length, 5);
  return Buffer.concat([head, command]);
}

function exchange(socket: Socket, bytes: Uint8Array, simulator: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const finish = (settle: () => void): void => {
      socket.off('data', onData);
      socket.off('error', onError);
      socket.off('close', onClose);
      clearTimeout(timer);
      settle();
    };
    const onError = (error: Error): void => finish(() => reject(unavailable(error.message, error)));
    const onClose = (): void => finish(() => reject(unavailable('the connection to the TPM closed')));
    const timer = setTimeout(() => finish(() => reject(unavailable('the TPM does not answer'))), timeoutMs);
    const skip = simulator ? 4 : 0;
    const trail = simulator ? 4 : 0;
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (received.length < skip + 6) return;
      const size = received.readUInt32BE(skip + 2);
      if (size > maxResponseBytes) finish(() => reject(unavailable('the TPM answers nonsense')));
      else if (received.length >= skip + size + trail) finish(() => resolve(received.subarray(skip, skip + size)));
    };
    socket.on('data', onData);
    socket.once('error', onError);
    socket.once('close', onClose);
    socket.write(bytes);
  });
}

function unavailable(what: string, cause?: unknown): TunnelerError {
  return new TunnelerError('identity.keystore_unavailable', `no TPM 2.0 can be used here: ${what}`, {
    cause,
    details: { next: 'check TPM2TOOLS_TCTI or /dev/tpmrm0 and its group (tss), or use another --keystore' },
  });
}
