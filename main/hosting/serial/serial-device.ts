/** Opens a serial device that may be one: a line of the machine's, and nobody's terminal. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import type { SerialPort } from 'serialport';
import { TunnelerError } from '../../base/errors.ts';
import type { SerialSettings } from './serial-settings.ts';

/** Lines of the machine's, and pseudo terminals, which simulators and other gateways stand behind; no console, and no device of another kind. */
const linePattern = /^\/dev\/(?:tty[A-Z][\w.-]*|tty\.[\w.-]+|cu\.[\w.-]+|tty[a-z]\w*\d|pts\/\d+)$/;

/** The open port, not read yet. Throws `hosting.connect_failed` with what is in the way. */
export async function openSerialDevice(settings: SerialSettings): Promise<SerialPort> {
  const path = process.platform === 'win32' ? settings.path : await lineAt(settings.path);
  // Native, and wanted by few.
  const { SerialPort: Port } = await import('serialport').catch((error: unknown) => {
    throw failed(settings.path, `this installation has no part for serial lines: ${(error as Error).message}`);
  });
  const { baud: baudRate, parity, stop: stopBits } = settings;
  const port = new Port({ path, baudRate, parity, stopBits, dataBits: 8, autoOpen: false, lock: true });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error === null ? resolve() : reject(failed(settings.path, error.message))));
  });
  return port;
}

/** Where the path leads; a link with a lasting name (`/dev/serial/by-id/…`) is usual. */
async function lineAt(asked: string): Promise<string> {
  const path = await realpath(asked).catch((error: unknown) => {
    throw failed(asked, (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such device' : String(error));
  });
  const found = await stat(path);
  if (!found.isCharacterDevice() || !linePattern.test(path)) throw failed(asked, 'it is no serial line');
  if (await isTerminal(found.rdev)) throw failed(asked, 'somebody works at it, as a terminal');
  return path;
}

/** A process has it as its controlling terminal: proc(5), field tty_nr, which has major and minor as Linux packs them. */
async function isTerminal(device: number): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of processes) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The name of a program may hold anything but the last bracket.
    const terminal = text.slice(text.lastIndexOf(')') + 2).split(' ')[4];
    if (terminal !== undefined && Number(terminal) === device) return true;
  }
  return false;
}

/** Says which device cannot be used, and why. */
export function failed(path: string, why: string): TunnelerError {
  return new TunnelerError('hosting.connect_failed', `serial line ${path}: ${why}`);
}
