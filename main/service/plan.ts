/** What makes the engine a service of this machine, as data: files to place and commands to run. A file a platform makes one. */
import type { ServiceResource } from './resources.ts';

/** A file to place. */
export interface ServiceFile {
  readonly path: string;
  readonly content: string;
  /** Settings: one that is there already is left as it is. */
  readonly keep?: true;
}

/** A command to run. */
export interface ServiceStep {
  readonly command: string;
  readonly args: readonly string[];
  /** What it does, for a person: `start the engine`. */
  readonly does: string;
  /** Needs the service manager of the running system, not only its files. */
  readonly needsManager: boolean;
  /** Its failure is told, and what is installed stays. */
  readonly mayFail?: true;
}

/** What is placed and run to install it, and to take it away again. */
export interface ServicePlan {
  readonly files: readonly ServiceFile[];
  /** Directories of ours; removed with the last file in them. */
  readonly directories: readonly string[];
  /** After the files; `changed`: one of them is another than before. */
  readonly install: (changed: boolean) => readonly ServiceStep[];
  readonly beforeUninstall: readonly ServiceStep[];
  readonly afterUninstall: readonly ServiceStep[];
  /** What stays after uninstalling, in words. */
  readonly stays: readonly string[];
}

/** What is to be a service. */
export interface ServiceRequest {
  /** The program and its first arguments, absolute: `[/usr/bin/culvert]` or `[node, culvert.mjs]`. */
  readonly program: readonly string[];
  readonly stateDirectory: string;
  /** Lets the engine see which program of another user owns a connection. */
  readonly seePrograms: boolean;
  /** Another root than `/`, for images; empty for this system. */
  readonly root: string;
  /** The distribution's package brought the unit and the user. */
  readonly packaged: boolean;
  readonly resource: (name: ServiceResource) => string;
}

/** What a stop that was a kill left of routes and names is put back; nothing after a clean end. The files that say how are still there. */
export function repairStep({ program, stateDirectory }: ServiceRequest): ServiceStep {
  const [command = '', ...first] = program;
  return {
    command,
    args: [...first, 'repair', '--state', stateDirectory],
    does: 'put back what the engine changed on the host',
    needsManager: true,
    mayFail: true,
  };
}

/** The engine ends by itself, with all that it changed on the host put back; it fails where none runs. */
export function stopStep({ program, stateDirectory }: ServiceRequest): ServiceStep {
  const [command = '', ...first] = program;
  return {
    command,
    args: [...first, 'service', 'stop', '--state', stateDirectory],
    does: 'have the engine end by itself',
    needsManager: true,
    mayFail: true,
  };
}

/** Quote one word of a command line as CommandLineToArgvW reads it: a backslash means something before a quote alone. */
export function windowsArgument(word: string): string {
  if (word !== '' && !/[\s"]/.test(word)) return word;
  return `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')}"`;
}

/** `text` as it may stand in XML. */
export function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
