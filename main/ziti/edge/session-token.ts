/** Service session tokens on their way into a Connect or Bind. */
import { TunnelerError } from '../../base/errors.ts';
import { textBytes } from '../wire/little-endian.ts';

/**
 * The message body for a service session's token. Throws `base.internal` where it is no JWT: a router dies of a Connect whose
 * body is anything else (openziti/ziti: router/xgress_edge/listener.go, nonXgConnectHandler).
 */
export function sessionTokenBody(token: string): Uint8Array {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
    throw new TunnelerError('base.internal', 'a service session token must be a JWT');
  }
  return textBytes(token);
}
