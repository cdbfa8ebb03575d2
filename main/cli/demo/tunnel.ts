/** A plain TCP connection through the engine's proxy, as any program would make it with HTTP CONNECT. */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { TunnelerError } from '../../base/errors.ts';

/** Throws `policy.refused` with the proxy's own reason where it says no. The caller owns the socket. */
export function openTunnel(proxy: string, host: string, port: number): Promise<Socket> {
  const at = new URL(`http://${proxy}`);
  return new Promise((resolve, reject) => {
    const asked = request({
      host: at.hostname,
      port: at.port,
      method: 'CONNECT',
      path: `${host}:${port}`,
      agent: false,
    });
    asked.on('error', (error) => reject(new TunnelerError('base.internal', `${host}: ${error.message}`)));
    asked.on('connect', (response, socket) => {
      if (response.statusCode === 200) {
        socket.on('error', () => socket.destroy());
        resolve(socket);
        return;
      }
      socket.destroy();
      const reason = response.headers['culvert-reason'];
      reject(
        new TunnelerError('policy.refused', `${response.statusCode ?? 0} ${typeof reason === 'string' ? reason : ''}`),
      );
    });
    asked.end();
  });
}
