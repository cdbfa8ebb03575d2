/**
 * Inside a run that has no other network: loopback ports that lead to the run's gate, and the agent itself. Who connects is told to the gate
 * by the first line of the PROXY protocol (version 1), and by the port to which of the engine's places it is led.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import { TunnelerError } from '../base/errors.ts';

/** Where the gate is, and what to run. */
export interface InsideOptions {
  /** The gate's Unix socket. */
  readonly gate: string;
  readonly ports: readonly number[];
  readonly command: readonly string[];
}

/** Serve and run until the command ends; its exit code. Throws `sandbox.failed` where it cannot be started. */
export async function runInside({ gate, ports, command }: InsideOptions): Promise<number> {
  for (const port of ports) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => lead(socket, gate));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new TunnelerError('sandbox.failed', `${file} cannot be started: ${error.message}`, { cause: error })),
    );
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

function lead(socket: Socket, gate: string): void {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  const way = connect({ path: gate, allowHalfOpen: true });
  way.on('error', () => socket.resetAndDestroy());
  socket.on('error', () => way.destroy());
  way.on('close', () => socket.destroySoon());
  socket.on('close', () => way.destroy());
  way.write(`PROXY TCP4 ${remoteAddress} ${localAddress} ${remotePort} ${localPort}\r\n`);
  socket.pipe(way).pipe(socket);
}
