/** What the command line prints for people: tables that fit, records in words, figures, colours. */
import { describe, expect, it } from 'vitest';
import type { AuditRecordView } from '../../main/api/record-views.ts';
import { auditLines } from '../../main/cli/audit-line.ts';
import { fitColumns } from '../../main/cli/fit-columns.ts';
import {
  bytes,
  clockTime,
  localTime,
  relative,
  span,
  table,
  wrap,
  type Column,
  type Page,
} from '../../main/cli/table.ts';

const plain = (width: number, interactive = false): Page => ({ paint: (_, text) => text, width, interactive });
const coloured: Page = { ...plain(80), paint: (tint, text) => `<${tint}>${text}</>` };
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => [...line].length));

describe('figures', () => {
  it('read as people read them', () => {
    expect([0, 999, 1000, 1540, 999_600, 2_400_000, 7e9].map(bytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '1.5 kB',
      '1.0 MB',
      '2.4 MB',
      '7.0 GB',
    ]);
    expect(span(0, 59_000)).toBe('59s');
    expect(span(0, 7_200_000)).toBe('2h');
    expect(relative('2026-01-01T00:00:00Z', Date.parse('2026-01-03T00:00:00Z'))).toBe('2d ago');
    expect(localTime('2026-01-02T03:04:05.678')).toBe('2026-01-02 03:04:05');
    expect(localTime('nonsense')).toBe('nonsense');
    const noon = new Date(2026, 0, 2, 12).getTime();
    expect(clockTime('2026-01-02T03:04:05', noon)).toBe('03:04:05');
    expect(clockTime('2026-01-01T03:04:05', noon)).toBe('2026-01-01 03:04:05');
  });
});

describe('a table', () => {
  const rows = [
    {
      id: 'ses_0123456789abcdef0123',
      service: 'a-service-with-a-long-name.dark',
      note: 'n'.repeat(60),
      size: '1.5 kB',
    },
    { id: 'ses_1', service: 'web', note: 'short', size: '2 B' },
  ];
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: 'ID', text: (row) => row.id, whole: true },
    { title: 'SERVICE', text: (row) => row.service },
    { title: 'SIZE', align: 'right', text: (row) => row.size, spare: 1 },
    { title: 'NOTE', text: (row) => row.note, spare: 2 },
  ];

  it('fits 80 columns: texts are cut with an ellipsis, ids and numbers never', () => {
    const shown = table(rows, columns, plain(80));
    expect(widest(shown)).toBe(80);
    expect(shown).toContain('ses_0123456789abcdef0123');
    expect(shown).toMatch(/a-service-\S*…/);
    expect(shown).toContain('NOTE');
  });

  it('leaves out what can be spared where there is less room, and says so to a person only', () => {
    const shown = table(rows, columns, plain(50, true));
    expect(shown).toMatch(/^ID +SERVICE +SIZE\n/);
    expect(widest(shown)).toBeLessThanOrEqual(50);
    expect(shown).toContain('--wide shows NOTE too');
    expect(table(rows, columns, plain(50))).not.toContain('--wide');
  });

  it('shows everything in full with --wide', () => {
    const shown = table(rows, columns, plain(Infinity, true));
    expect(shown).toContain('a-service-with-a-long-name.dark');
    expect(shown).toContain('n'.repeat(60));
    expect(shown).not.toContain('--wide');
  });

  it('lets no control character through to the terminal', () => {
    const shown = table([{ name: 'a\u001b[31mb\nc' }], [{ title: 'N', text: (row) => row.name }], plain(80));
    expect(shown).toBe('N\na·[31mb·c\n');
  });

  it('gives up the widest first, and nothing that would not help', () => {
    expect(
      fitColumns(
        [
          { natural: 20, least: 5 },
          { natural: 10, least: 5 },
        ],
        22,
      ),
    ).toEqual([10, 10]);
    expect(fitColumns([{ natural: 20 }, { natural: 10 }], 22)).toEqual([20, 10]);
    expect(
      fitColumns(
        [
          { natural: 20, least: 5 },
          { natural: 10, spare: 1 },
        ],
        40,
      ),
    ).toEqual([20, 10]);
  });
});

describe('a record of the journal', () => {
  const at = new Date(2026, 0, 2, 3, 4, 5).toISOString();
  const record = (fields: object): AuditRecordView => ({ seq: 7, at, kind: 'call', ...fields });
  const call = record({
    agent: 'claude',
    service: 'notes.dark',
    identity: 'laptop',
    method: 'tools/call',
    target: 'delete_notes',
    decision: 'deny',
    rule: 'contract:mcp.deny delete_*',
    digest: 'ab'.repeat(32),
  });

  it('is one sentence under its day, in lines that fit, with a colour by what was decided', () => {
    const shown = auditLines(plain(80))(call);
    expect(shown).toMatch(/^2026-01-02\n {4}7 {2}03:04:05 {2}✗ call +claude → notes\.dark as laptop:/);
    expect(shown.replaceAll(/\s+/g, ' ')).toContain('laptop: delete_notes (contract:mcp.deny delete_*)');
    expect(widest(shown)).toBeLessThanOrEqual(80);
    expect(shown).not.toContain('abab');
    expect(auditLines(coloured)(call)).toContain('<red>✗ call');
  });

  it('names the day once, and again where it changes', () => {
    const line = auditLines(plain(80));
    const later = record({ kind: 'engine.stopped', at: new Date(2026, 0, 3, 1).toISOString(), version: '1', pid: 4 });
    const shown = [call, call, later].map(line).join('');
    expect(shown.match(/^2026-01-0\d$/gm)).toEqual(['2026-01-02', '2026-01-03']);
    expect(shown).toContain('version=1 pid=4');
  });

  it.each([
    [
      {
        kind: 'session.closed',
        app: '/usr/bin/curl',
        service: 'web',
        identity: 'me',
        reason: 'idle_timeout',
        bytesSent: 1500,
        bytesReceived: 2,
        durationMs: 9,
      },
      'curl → web as me: idle_timeout, 1.5 kB sent, 2 B received in 9 ms',
    ],
    [
      {
        kind: 'verdict',
        app: '/usr/bin/curl',
        service: 'web',
        decision: 'deny',
        reason: 'no permission',
        rule: 'controller',
      },
      'curl → web: no permission (controller)',
    ],
    [{ kind: 'service.lost', identity: 'me', service: 'web', permission: 'Dial' }, 'me may no more dial web'],
    [{ kind: 'quarantine.added', subject: 'app:x', by: 'person', cause: 'odd' }, 'app:x by person: odd'],
    [{ kind: 'tool.pinned', service: 'notes', tools: ['search 2a01', 'count dd'] }, 'notes: search, count'],
    [{ kind: 'session.opened', caller: 'box', service: 'web' }, 'box → web'],
  ])('is told in words: %j', (fields, words) => {
    const shown = auditLines(plain(200))(record(fields));
    expect(shown).toContain(`${words}\n`);
  });

  it('is every field as it stands with --wide, and no control character either way', () => {
    const wide = auditLines(plain(Infinity))(call);
    expect(wide).toContain(at);
    expect(wide).toContain(`digest=${'ab'.repeat(32)}`);
    expect(wide.trimEnd()).not.toContain('\n');
    for (const width of [80, Infinity]) {
      expect(auditLines(plain(width))(record({ target: 'a\u001b[2Jb', reason: 'c\u0007' }))).not.toMatch(
        /[\u0007\u001b]/,
      );
    }
  });

  it('stands under its device where there are several', () => {
    const line = auditLines<AuditRecordView & { device: string }>(plain(80), ({ device }) => device);
    expect(line({ ...call, device: 'laptop-7' })).toMatch(/^laptop-7 2026-01-02\n/);
  });

  it('breaks at blanks, and leaves a long word whole', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('a-very-long-word b', 5)).toEqual(['a-very-long-word', 'b']);
  });
});
