/** The settings that a person changes in the window; all others are the file's. */

/** One of them. */
export interface Editable {
  readonly path: readonly string[];
  /** The rest of its key in the catalogues. */
  readonly key:
    | 'mode'
    | 'proxy'
    | 'ipv4'
    | 'dns'
    | 'console'
    | 'unbound'
    | 'unknown'
    | 'detectors'
    | 'inventory'
    | 'witness'
    | 'retention'
    | 'log';
  readonly options?: readonly string[];
  readonly example: string;
  /** From what was typed to what the file has. */
  readonly parse: (text: string) => unknown;
}

const text = (value: string): unknown => value;
const flag = (value: string): unknown => value === 'true';
const whole = (value: string): unknown => (/^\d+$/.test(value) ? Number(value) : value);
const switches = ['true', 'false'] as const;

/** In the order they are shown. */
export const editable: readonly Editable[] = [
  { path: ['mode'], key: 'mode', options: ['auto', 'tun', 'proxy', 'host'], example: 'auto', parse: text },
  { path: ['proxy', 'listen'], key: 'proxy', example: '127.0.0.1:1080', parse: text },
  { path: ['ranges', 'ipv4'], key: 'ipv4', example: '100.64.0.0/10', parse: text },
  { path: ['dns', 'enabled'], key: 'dns', options: switches, example: 'true', parse: flag },
  { path: ['console', 'listen'], key: 'console', example: '127.0.0.1:7878', parse: text },
  { path: ['policy', 'unbound'], key: 'unbound', options: ['device', 'refuse'], example: 'refuse', parse: text },
  { path: ['policy', 'onUnknownApp'], key: 'unknown', options: ['closed', 'open'], example: 'closed', parse: text },
  {
    path: ['policy', 'detectors', 'action'],
    key: 'detectors',
    options: ['alert', 'quarantine'],
    example: 'alert',
    parse: text,
  },
  { path: ['inventory'], key: 'inventory', options: switches, example: 'false', parse: flag },
  { path: ['audit', 'witness'], key: 'witness', example: 'audit-witness', parse: text },
  { path: ['audit', 'keepFiles'], key: 'retention', example: '100', parse: whole },
  {
    path: ['log', 'level'],
    key: 'log',
    options: ['error', 'warn', 'info', 'debug', 'trace'],
    example: 'info',
    parse: text,
  },
];

/** What stands there now, as text; empty where it is as by default. */
export function settingAt(config: Readonly<Record<string, unknown>>, path: readonly string[]): string {
  let value: unknown = config;
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return '';
    value = (value as Record<string, unknown>)[name];
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
