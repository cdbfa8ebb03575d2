/** By which names policy knows the program behind a flow. */
import type { App } from '../apps/app.ts';
import { globMatches } from '../base/glob.ts';

/** What a person calls it: the agent, else script or path. */
export function programName(app: App): string {
  return app.agent ?? app.script ?? app.path ?? 'an unknown program';
}

/** Quarantine subjects that mean this program. */
export function programSubjects(app: App): readonly string[] {
  const names = [app.agent, app.path, app.script, baseName(app.path), baseName(app.script)];
  const hash = app.hash === undefined ? undefined : `sha256:${app.hash}`;
  return [...new Set([...names, hash])].flatMap((name) => (name === undefined ? [] : [`app:${name}`]));
}

/** Every quarantine subject that holds a flow of this program on this service: alone, together, and the identity it would use. */
export function flowSubjects(app: App, service: string, identity: string): readonly string[] {
  const programs = programSubjects(app);
  return [
    ...programs,
    ...programs.map((subject) => `${subject}@${service}`),
    `identity:${identity}`,
    `service:${service}`,
  ];
}

/** The one subject under which a misbehaving program is put in quarantine; undefined where nobody knows which it was. */
export function quarantineSubject(app: App): string | undefined {
  const name = app.agent ?? app.script ?? app.path;
  return name === undefined || app.attribution === 'unknown' ? undefined : `app:${name}`;
}

/** `agent:NAME`, `sha256:HEX`, or a glob over the executable's (or, for interpreters, the script's) path. */
export function programMatches(pattern: string, app: App): boolean {
  if (pattern.startsWith('agent:')) return app.agent !== undefined && globMatches(pattern.slice(6), app.agent);
  if (pattern.startsWith('sha256:')) return app.hash !== undefined && pattern.slice(7).toLowerCase() === app.hash;
  return [app.path, app.script].some((path) => path !== undefined && globMatches(pattern, path));
}

function baseName(path: string | undefined): string | undefined {
  return path?.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}
