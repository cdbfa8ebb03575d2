import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { termLines } from '../../app/screens/shared/contract-words.ts';
import { de } from '../../app/text/de.ts';
import { en } from '../../app/text/en.ts';
import { createFormat } from '../../app/text/format.ts';
import { reasonsDe } from '../../app/text/de/reasons.ts';
import { createReasons, type ReasonWords } from '../../app/text/reasons.ts';
import { chooseLocale, createText } from '../../app/text/text.ts';
import { TunnelerError } from '../../main/base/errors.ts';
import { isReasonCode, reasonCodes } from '../../main/base/reason-codes.ts';
import { closeReasons, type Reason } from '../../main/base/reason.ts';

const app = fileURLToPath(new URL('../../app', import.meta.url));
const sources = readdirSync(app, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.tsx'));

/** Attributes a person reads or hears. */
const spoken = new Set([
  'label',
  'title',
  'text',
  'aria-label',
  'placeholder',
  'alt',
  'hint',
  'lead',
  'action',
  'spoken',
  'sub',
]);
/** Words that are the same in every language: examples of what to type, and units. */
const universal = new Set(['plc-7.plant:502', 'pkcs11:token=…?module-path=…', 'ms']);

/** Text in markup, and literals in attributes a person reads. */
function visibleLiterals(file: string): string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(app, file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
    ts.ScriptKind.TSX,
  );
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node)) found.push(node.text.trim());
    if (ts.isJsxAttribute(node) && ts.isIdentifier(node.name) && spoken.has(node.name.text)) {
      const value = node.initializer;
      if (value !== undefined && ts.isStringLiteral(value)) found.push(value.text);
      if (
        value !== undefined &&
        ts.isJsxExpression(value) &&
        value.expression !== undefined &&
        ts.isStringLiteral(value.expression)
      ) {
        found.push(value.expression.text);
      }
    }
    if (
      ts.isJsxExpression(node) &&
      node.expression !== undefined &&
      ts.isStringLiteral(node.expression) &&
      ts.isJsxElement(node.parent)
    ) {
      found.push(node.expression.text.trim());
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found.filter((text) => /\p{L}{2,}/u.test(text) && !universal.has(text));
}

describe('the catalogues', () => {
  it('have the same keys, each with words, and parameters where the other has them', () => {
    expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
    for (const [key, message] of Object.entries(en)) {
      const other = (de as Record<string, unknown>)[key];
      expect(typeof other, key).toBe(typeof message);
      if (typeof message === 'string') {
        expect(message.trim(), key).not.toBe('');
        expect(String(other).trim(), key).not.toBe('');
      }
    }
  });

  it('use every parameter in both languages', () => {
    const parameters: Readonly<Record<string, unknown>> = {
      count: 3,
      open: 2,
      ready: 1,
      service: 'S1',
      program: 'P1',
      name: 'N1',
      identity: 'I1',
      when: 'W1',
      cause: 'C1',
      by: 'B1',
    };
    const asked = (message: unknown): Set<string> => {
      const names = new Set<string>();
      const recorder = new Proxy(parameters, {
        get: (target, name) => (names.add(String(name)), target[String(name)] ?? 5),
      });
      (message as (parameters: unknown) => string)(recorder);
      return names;
    };
    for (const [key, message] of Object.entries(en)) {
      if (typeof message === 'function')
        expect(asked((de as Record<string, unknown>)[key]), key).toEqual(asked(message));
    }
  });

  it('have words for every close reason', () => {
    for (const reason of closeReasons) expect(en).toHaveProperty([`close.${reason}`]);
  });

  it('are all used: no key lies idle', () => {
    const code = sources
      .concat(
        readdirSync(app, { recursive: true, encoding: 'utf8' }).filter(
          (file) => file.endsWith('.ts') && !file.startsWith('text/'),
        ),
      )
      .map((file) => readFileSync(join(app, file), 'utf8'))
      .join('\n');
    const built = [...code.matchAll(/`([a-z][A-Za-z.]*\.)\$\{/g)].map((match) => match[1] ?? '');
    const idle = Object.keys(en).filter(
      (key) => !code.includes(`'${key}'`) && !built.some((prefix) => key.startsWith(prefix)),
    );
    expect(idle).toEqual([]);
  });

  it('hold every visible string: none stands in a screen', () => {
    expect(sources.length).toBeGreaterThan(30);
    for (const file of sources) expect(visibleLiterals(file), file).toEqual([]);
  });
});

describe('the engine’s reasons', () => {
  const german = createText('de');

  it('have words in every language: a table that misses a code does not compile', () => {
    const { 'policy.allowed': _, ...rest } = reasonsDe;
    // @ts-expect-error it lacks the words of policy.allowed
    const lacking: ReasonWords = rest;
    expect(Object.keys(lacking)).toHaveLength(reasonCodes.length - 1);
    // @ts-expect-error nobody gives this code
    const invented: Reason = { code: 'policy.invented', sentence: '' };
    expect(isReasonCode(invented.code)).toBe(false);
  });

  it('are filled with their details and what they stand beside, the details first', () => {
    const said = {
      code: 'policy.quarantined',
      sentence: 'app:x is in quarantine: y',
      next: 'culvert quarantine release',
    };
    expect(german.reason({ ...said, details: { subject: 'app:x', cause: 'y' } }, { subject: 'z' })).toEqual({
      sentence: 'app:x ist in Quarantäne: y.',
      next: 'Geben Sie frei, sobald die Ursache geklärt ist.',
    });
    const inner = { code: 'breaker.calls', sentence: 'many calls', details: { subject: 'app:x' } };
    expect(german.reason({ ...said, details: { subject: 'app:x', cause: inner } }).sentence).toBe(
      'app:x ist in Quarantäne: app:x: zu viele Aufrufe in kurzer Zeit.',
    );
    const checks = { code: 'posture.failed', sentence: '', details: { checks: ['MFA', 'OS'] } };
    expect(german.reason(checks, { service: 'plc' }).sentence).toContain(
      'plc verlangt, was dieses Gerät nicht erfüllt: MFA, OS',
    );
  });

  it('stay in the engine’s own words where a detail is missing or the code has none', () => {
    const said = { code: 'policy.quarantined', sentence: 'in quarantine', next: 'release it' };
    expect(german.reason(said)).toEqual({ sentence: 'in quarantine', next: 'release it' });
    expect(german.reason({ code: 'nobody.knows', sentence: 'this' })).toEqual({ sentence: 'this' });
    expect(german.reason({ code: 'toString', sentence: 'this' })).toEqual({ sentence: 'this' });
  });

  it('are set as print in English: a capital, a full stop, curly quotes; names and commands as they are', () => {
    const english = createReasons(undefined);
    expect(english({ sentence: 'in quarantine', next: 'release it' })).toEqual({
      sentence: 'In quarantine.',
      next: 'Release it.',
    });
    expect(english({ sentence: 'grafana is in quarantine' }, { service: 'grafana' }).sentence).toBe(
      'grafana is in quarantine.',
    );
    expect(english({ sentence: `"search" is denied by the service's contract`, next: 'culvert status' })).toEqual({
      sentence: '“search” is denied by the service’s contract.',
      next: 'culvert status',
    });
  });

  it('say failed calls, whatever was thrown', () => {
    expect(german.error(new TunnelerError('engine.forbidden', 'session.close needs permission'))).toBe(
      'Das darf dieses Fenster nicht.',
    );
    expect(createText('en').error(new TunnelerError('engine.forbidden', 'needs permission'))).toBe('Needs permission.');
    expect(german.error('odd')).toBe('Ein unerwarteter Fehler: odd');
  });
});

describe('the language', () => {
  it('is the person’s choice, else the browser’s, else English', () => {
    expect(chooseLocale('de', ['en-US'])).toBe('de');
    expect(chooseLocale('system', ['fr-FR', 'de-AT', 'en'])).toBe('de');
    expect(chooseLocale('system', ['fr'])).toBe('en');
  });

  it('puts counts in its own form', () => {
    expect(createText('en')('sessions.lead', { open: 1 })).toBe('1 open session, live.');
    expect(createText('en')('audit.lead', { count: 12_482 })).toContain('12,482 records');
    expect(createText('de')('audit.lead', { count: 12_482 })).toContain('12.482 Einträge');
  });
});

describe('figures', () => {
  const format = createFormat('en');
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [99_949, '99.9 kB'],
    [999_600, '1.0 MB'],
    [1_234_567_890, '1.2 GB'],
  ])('%d bytes are %s', (bytes, text) => expect(format.bytes(bytes)).toBe(text));

  it.each([
    [-5, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [3_600_000, '1 h'],
    [5_400_000, '1 h 30 min'],
    [200_000_000, '2 d'],
  ])('%d ms are %s', (ms, text) => expect(format.span(ms)).toBe(text));

  it('are relative to now', () => {
    const now = Date.UTC(2026, 0, 10);
    expect(format.relative(new Date(now + 12 * 86_400_000).toISOString(), now)).toBe('in 12 days');
    expect(createFormat('de').relative(new Date(now - 7_200_000).toISOString(), now)).toBe('vor 2 Stunden');
  });
});

describe('the words of a contract', () => {
  it('say what agents may tell each other', () => {
    const rules = { skills: ['quote'], messageTypes: ['text'], maxMessages: 1 };
    expect(termLines('a2a', rules, createText('en'))).toEqual([
      'Skills quote',
      'Messages of text',
      'At most 1 message',
    ]);
    expect(termLines('a2a', { maxMessages: 3 }, createText('de'))).toEqual(['Höchstens 3 Nachrichten']);
  });
});
