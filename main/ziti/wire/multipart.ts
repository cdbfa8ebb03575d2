/** Bodies flagged MULTIPART_MSG: `(length u16, bytes)*` (openziti/ziti-sdk-c: library/connect.c). */

import { readU16 } from './little-endian.ts';

/** Call `part` with a view of each part; false where a length runs past the body, and then nothing was called. */
export function readMultipart(body: Uint8Array, part: (bytes: Uint8Array) => void): boolean {
  let at = 0;
  while (at < body.length) {
    if (body.length - at < 2) return false;
    at += 2 + readU16(body, at);
  }
  if (at !== body.length) return false;
  for (at = 0; at < body.length;) {
    const end = at + 2 + readU16(body, at);
    part(body.subarray(at + 2, end));
    at = end;
  }
  return true;
}
