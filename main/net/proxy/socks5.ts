/** The SOCKS5 dialogue on one client connection: RFC 1928 without authentication. */
import type { ClientSocket } from './client-socket.ts';
import { openRoute } from './route.ts';
import type { RouteDeps } from './route.ts';
import { socksReply, socksReplyOf } from './refusal.ts';
import {
  addressLength,
  encodeReply,
  methodNone,
  methodUnacceptable,
  parseAddress,
  socksCommand,
  socksVersion,
} from './socks5-messages.ts';
import { openAssociation } from './socks5-udp.ts';
import { tcpStream } from '../../sockets/tcp-stream.ts';

/**
 * Serve a client whose first byte was 5, to the end of the dialogue. Owns the socket: it is joined, closed or destroyed.
 * `settled` on the client is called as soon as its whole request is in.
 */
export async function serveSocks5(deps: RouteDeps, client: ClientSocket): Promise<void> {
  const offer = await readOffer(client);
  if (offer === undefined) return client.destroy();
  if (!offer.includes(methodNone)) return client.finish(Buffer.of(socksVersion, methodUnacceptable));
  client.write(Buffer.of(socksVersion, methodNone));

  const head = await client.read(5);
  if (head?.[0] !== socksVersion) return client.destroy();
  const length = addressLength(head[3] ?? 0, head[4] ?? 0);
  if (length === undefined) return client.finish(encodeReply(socksReply.addressTypeNotSupported));
  const rest = await client.read(length - 1);
  if (rest === undefined) return client.destroy();
  client.settled();

  const parsed = parseAddress(Buffer.concat([head, rest]), 3);
  if (parsed.kind !== 'address') return client.finish(encodeReply(socksReply.generalFailure));
  switch (head[1]) {
    case socksCommand.connect:
      return connect(deps, client, parsed.destination);
    case socksCommand.udpAssociate:
      return openAssociation(deps, client, parsed.destination);
    default:
      return client.finish(encodeReply(socksReply.commandNotSupported));
  }
}

/** VER NMETHODS METHODS. */
async function readOffer(client: ClientSocket): Promise<Buffer | undefined> {
  const head = await client.read(2);
  if (head?.[0] !== socksVersion) return undefined;
  return client.read(head[1] ?? 0);
}

async function connect(
  deps: RouteDeps,
  client: ClientSocket,
  destination: { readonly hostname?: string; readonly address?: string; readonly port: number },
): Promise<void> {
  if (destination.port === 0) return client.finish(encodeReply(socksReply.generalFailure));
  const { source, via } = client;
  const route = await openRoute(deps, { entry: 'socks5', protocol: 'tcp', source, via, destination }, client.gone);
  if (route.kind === 'refused') return client.finish(encodeReply(socksReplyOf(route.answer)));
  if (client.gone.aborted) {
    route.abandon();
    return client.destroy();
  }
  client.write(encodeReply(socksReply.succeeded));
  return route.join(tcpStream(client.release()));
}
