/** What Node and the kernel say of a socket, as TunnelerErrors. */
import { TunnelerError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';

/** errno(3) names by the code they become; `details.errno` keeps the name itself. */
const codes: Readonly<Record<string, ErrorCode>> = {
  ECONNRESET: 'sockets.reset',
  EPIPE: 'sockets.reset',
  ECONNABORTED: 'sockets.reset',
  ERR_STREAM_WRITE_AFTER_END: 'sockets.reset',
  ECONNREFUSED: 'sockets.refused',
  EHOSTUNREACH: 'sockets.unreachable',
  ENETUNREACH: 'sockets.unreachable',
  EHOSTDOWN: 'sockets.unreachable',
  ENETDOWN: 'sockets.unreachable',
  ENOTFOUND: 'sockets.unreachable',
  EAI_AGAIN: 'sockets.unreachable',
  EAI_NODATA: 'sockets.unreachable',
  ETIMEDOUT: 'base.timeout',
};

/** Any error a socket raised; a TunnelerError passes through. */
export function socketError(error: unknown, doing?: string): TunnelerError {
  if (error instanceof TunnelerError) return error;
  const errno = errnoOf(error);
  const said = error instanceof Error && error.message !== '' ? error.message : (errno ?? String(error));
  return new TunnelerError(
    codes[errno ?? ''] ?? 'sockets.failed',
    doing === undefined ? said : `${doing}: ${said}`,
    errno === undefined ? { cause: error } : { cause: error, details: { errno } },
  );
}

/** The errno name (`ECONNREFUSED`) of a Node error, also of the many that trying several addresses gives. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return errnoOf(error.errors[0]);
  return undefined;
}
