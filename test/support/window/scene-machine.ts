/** What the scene's machine says of itself, and its settings file. */
import type { DoctorCheck, SettingChange, SettingsChangeView } from '../../../main/api/machine-views.ts';

export function sceneDoctor(): DoctorCheck[] {
  const good = (name: DoctorCheck['name'], text: string): DoctorCheck => ({ name, ok: true, text, next: null });
  return [
    good('clock', "within 1 s of the controller's"),
    good('dns', 'ctrl.northwind.example, ot.plant-7.example can be looked up'),
    good('controller', 'https://ctrl.northwind.example:1280 answers'),
    good('router', 'connected to router-fra-1 (11.2 ms), router-fra-2 (14.0 ms), router-nyc-1 (96.1 ms)'),
    good('keystore', 'keychain, pkcs11 can be used'),
    good('disk', '41.3 GB free at /var/lib/culvert'),
    good('journal', '12482 records, intact'),
    good(
      'permissions',
      "to programs of other users another user's engine: refusals hold against signals and files as well; to programs of root the same user's: they hold for calls, window and command line, and only culvert agent run holds the rest",
    ),
    { name: 'vpn', ok: false, text: 'beside wg0, in the same range', next: 'set ranges: { ipv4: … } in culvert.yaml' },
    good('ports', 'the proxy listens on 127.0.0.1:1080'),
    good('engine', 'version 0.2.0 runs in mode tun, pid 1187'),
  ];
}

let file = `# Northwind, laptops
mode: auto
ranges:
  ipv4: 100.64.0.0/10
agents:
  codex:
    identity: agent-claude
    path: /opt/codex/bin/codex
`;

/** Plain additions at the end stand for what the engine's own editor does; a wrong address is refused as it would be. */
export function changedSettings(changes: readonly SettingChange[], apply: boolean): SettingsChangeView {
  const before = file;
  const wrong = changes.find(({ path, value }) => path.at(-1) === 'listen' && !/:\d+$/.test(String(value)));
  const lines = changes.map(({ path, value }) => `${path.join('.')}: ${String(value)}\n`);
  const after = before + lines.join('');
  const issues = wrong === undefined ? [] : [{ path: wrong.path.join('.'), message: 'expected HOST:PORT' }];
  const applied = apply && issues.length === 0;
  if (applied) file = after;
  const restart = changes.some(({ path }) => path[0] !== 'agents');
  return { file: '/etc/culvert/culvert.yaml', before, after, issues, applied, restart };
}
