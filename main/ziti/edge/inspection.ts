/** Answers to a router that asks after connections. */
import type { FrameChannel } from '../channel/channel.ts';
import { contentType } from '../wire/content-type.ts';
import type { Frame } from '../wire/frame.ts';
import { HeaderList } from '../wire/header-block.ts';
import { connType, headerId } from '../wire/header-id.ts';
import { copyBytes, textBytes } from '../wire/little-endian.ts';
import type { Connection } from './connection.ts';

/** ConnInspectRequest: without a valid answer a router takes a terminator away after about ten minutes. */
export function answerConnInspect(
  channel: FrameChannel,
  request: Frame,
  connId: number,
  found: Connection | undefined,
): void {
  channel.reply(request, {
    contentType: contentType.connInspectResponse,
    headers: new HeaderList().u32(headerId.connId, connId).u8(headerId.connType, found?.connType ?? connType.invalid),
    body: textBytes('{}'),
  });
}

/** InspectRequest (an operator's `fabric inspect`): an empty answer is a valid one (openziti/sdk-golang: inspect). */
export function answerInspect(channel: FrameChannel, request: Frame, connId: number | undefined): void {
  const headers = new HeaderList();
  if (connId !== undefined) headers.u32(headerId.connId, connId);
  const body = textBytes(JSON.stringify({ success: true, values: {}, errors: null }));
  channel.reply(request, { contentType: contentType.inspectResponse, headers, body });
}

/** TraceRoute that ends here (openziti/sdk-golang: ziti/edge/network/conn.go). */
export function answerTraceRoute(channel: FrameChannel, request: Frame, connId: number): void {
  const hops = request.headers.u32(headerId.traceHopCount) ?? 0;
  const headers = new HeaderList()
    .u32(headerId.connId, connId)
    .u32(headerId.traceHopCount, hops > 0 ? hops - 1 : 0)
    .string(headerId.traceHopType, 'sdk/ts')
    .string(headerId.traceHopId, '');
  for (const id of [headerId.timestamp, headerId.traceSourceRequestId, headerId.uuid]) {
    const value = request.headers.bytes(id);
    if (value !== undefined) headers.bytes(id, copyBytes(value));
  }
  channel.send({ contentType: contentType.traceRouteResponse, headers });
}
