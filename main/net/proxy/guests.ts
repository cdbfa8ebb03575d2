/** Connections of a loopback port that are not joined to a session yet, with a place each: one user's must not keep another's out. */
import type { Socket } from 'node:net';
import { canonicalAddress } from '../../base/ip.ts';
import { UserPlaces, type PlaceLimits, type PlacedClient } from '../../base/user-places.ts';

/** Who is at the other end of a connection of this host; undefined where that is not to be had. Reads the kernel's tables: does not wait. */
export type PeerUid = (
  peer: { readonly address: string; readonly port: number },
  own: typeof peer,
) => number | undefined;

/** How a connection's user is found. */
export interface GuestsDeps {
  readonly peerUid?: PeerUid | undefined;
  /** uid of this engine; its user and root always have room. */
  readonly ownUid?: number | undefined;
}

/** Of connections that say what they want: beyond it the oldest that has not said it gives way; who means it does within milliseconds. */
export const askingGuests: PlaceLimits = { eachUser: 256, others: 768, owner: 1024 };
/** Of connections that are dialled as they come. */
export const dialledGuests: PlaceLimits = { eachUser: 1024, others: 4096, owner: 65_536 };

/** The connections that wait for a session. */
export class Guests {
  readonly #places: UserPlaces;
  readonly #peerUid: PeerUid;
  readonly #held = new Map<Socket, PlacedClient>();

  constructor(deps: GuestsDeps, limits: PlaceLimits) {
    this.#peerUid = deps.peerUid ?? ((): undefined => undefined);
    this.#places = new UserPlaces((uid) => uid === undefined || uid === 0 || uid === deps.ownUid, limits);
  }

  /** Give the connection a place until it is joined or closed; false (and it is closed) where there is none. `isIdle`: it may give way. */
  hold(socket: Socket, isIdle: () => boolean): boolean {
    this.release(socket);
    const client: PlacedClient = { uid: this.#uidOf(socket), isIdle, dismiss: () => socket.destroy() };
    if (!this.#places.take(client)) {
      socket.destroy();
      return false;
    }
    this.#held.set(socket, client);
    socket.once('close', () => this.release(socket));
    return true;
  }

  /** Its session has it now, or it is gone. Idempotent. */
  release(socket: Socket): void {
    const client = this.#held.get(socket);
    if (client === undefined) return;
    this.#held.delete(socket);
    this.#places.leave(client);
  }

  #uidOf(socket: Socket): number | undefined {
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    if (remoteAddress === undefined || localAddress === undefined) return undefined;
    const at = (address: string, port = 0): { address: string; port: number } => ({
      address: canonicalAddress(address) ?? address,
      port,
    });
    return this.#peerUid(at(remoteAddress, remotePort), at(localAddress, localPort));
  }
}
