/** Takes the pictures of every screen for the gallery: the real window over the fake engine's scene, in an installed Chromium. */
import { createServer } from 'node:http';
import { mkdir, readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build } from 'vite';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = process.argv[2] ?? join(root, 'resources/docs/screenshots');
const only = process.argv[3];
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

/** Up to the second step of enrolment, with a token of a few days. */
async function bring(page) {
  const claims = {
    iss: 'https://ctrl.northwind.example:1280',
    sub: 'QkX1u8r.2',
    em: 'ott',
    exp: Math.floor(Date.now() / 1000) + 3 * 86_400 + 60,
  };
  const token = ['{"alg":"RS256"}', JSON.stringify(claims), 'sig'].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  await page.getByRole('textbox').fill(token.join('.'));
  await page.getByRole('button', { name: 'Continue' }).click();
}

const shots = [
  { name: 'sessions', hash: '#/sessions' },
  { name: 'sessions-dark', hash: '#/sessions', theme: 'dark' },
  { name: 'session-detail', hash: '#/sessions/s-02' },
  {
    name: 'sessions-grouped',
    hash: '#/sessions',
    theme: 'dark',
    act: async (page) => {
      await page.getByRole('button', { name: /No groups/ }).click();
      await page.getByRole('option', { name: 'By program' }).click();
    },
  },
  { name: 'sessions-narrow', hash: '#/sessions', width: 760 },
  { name: 'services', hash: '#/services' },
  { name: 'services-dark', hash: '#/services', theme: 'dark' },
  {
    name: 'service-why',
    hash: `#/services/${encodeURIComponent('mira-laptop/svc8Qx')}`,
    act: async (page) => {
      await page.getByRole('button', { name: 'Why?', exact: true }).click();
      await page.getByRole('list', { name: 'From name to terminator' }).waitFor();
    },
  },
  { name: 'agents-dark', hash: '#/agents', theme: 'dark' },
  { name: 'diagnostics-dark', hash: '#/diagnostics', theme: 'dark' },
  { name: 'audit-dark', hash: '#/audit', theme: 'dark' },
  { name: 'identities', hash: '#/identities/plant-7-maintenance' },
  {
    name: 'mfa',
    hash: '#/identities/agent-claude',
    act: async (page) => {
      await page.getByRole('button', { name: 'Set up', exact: true }).click();
      await page.getByRole('img', { name: /QR code/ }).waitFor();
    },
  },
  { name: 'agents', hash: '#/agents' },
  { name: 'agent', hash: '#/agents/claude-code', height: 1250 },
  { name: 'approvals-dark', hash: '#/approvals', theme: 'dark' },
  {
    name: 'refused',
    hash: '#/sessions?show=refused',
    act: async (page) => {
      await page.getByRole('row').nth(1).click();
      await page.getByRole('list', { name: 'From name to terminator' }).waitFor();
    },
  },
  { name: 'map', hash: '#/map', flows: true },
  { name: 'map-dark', hash: '#/map', theme: 'dark', flows: true, hover: 'claude-code: 7 open sessions.' },
  { name: 'models', hash: '#/models' },
  {
    name: 'recording-dark',
    hash: '#/recordings/rec-2',
    theme: 'dark',
    act: async (page) => {
      await page.getByRole('button', { name: 'Show operations' }).click();
      await page.getByRole('list', { name: 'Operations' }).waitFor();
    },
  },
  { name: 'fleet', hash: '#/fleet' },
  {
    name: 'palette',
    hash: '#/services',
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.keyboard.type('plc');
    },
  },
  {
    name: 'bind-dark',
    hash: '#/agents/cursor',
    theme: 'dark',
    act: async (page) => {
      await page.getByRole('button', { name: 'Bind …' }).click();
      await page.getByRole('button', { name: 'Check the change' }).click();
      await page.getByRole('insertion').first().waitFor();
    },
  },
  {
    name: 'service-open',
    hash: '#/services',
    act: (page) => page.getByRole('row').filter({ hasText: 'grafana' }).click(),
  },
  { name: 'sessions-phone', hash: '#/sessions', width: 390, flows: true },
  { name: 'audit-phone', hash: '#/audit', width: 390, theme: 'dark', locale: 'de' },
  { name: 'policy', hash: '#/policy' },
  { name: 'quarantine', hash: '#/policy/quarantine', theme: 'dark' },
  {
    name: 'audit',
    hash: '#/audit',
    act: async (page) => {
      await page.getByRole('button', { name: 'Verify now' }).click();
      await page.getByText(/Intact/).waitFor();
    },
  },
  { name: 'diagnostics', hash: '#/diagnostics' },
  {
    name: 'bundle',
    hash: '#/diagnostics',
    act: async (page) => {
      await page.getByRole('button', { name: 'Support bundle' }).click();
      await page.getByText('engine.log').waitFor();
    },
  },
  { name: 'settings', hash: '#/settings', locale: 'de' },
  { name: 'enrol', hash: '', query: '?empty' },
  { name: 'services-first', hash: '#/services', query: '?empty', theme: 'dark' },
  {
    name: 'enrol-done',
    hash: '#/enrol',
    query: '?empty',
    act: async (page) => {
      await bring(page);
      await page.getByRole('button', { name: 'Enrol', exact: true }).click();
      await page.getByRole('heading', { name: 'You are in' }).waitFor();
    },
  },
  {
    name: 'enrol-keep',
    hash: '#/enrol',
    query: '?empty',
    theme: 'dark',
    act: async (page) => {
      await bring(page);
      await page.getByRole('button', { name: 'Enrol', exact: true }).waitFor();
    },
  },
];

await build({ configFile: join(root, 'test/support/window/vite.config.ts'), logLevel: 'error' });
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
  readFile(join(root, 'dist/scene', path === '/' ? 'index.html' : path)).then(
    (body) => response.writeHead(200, { 'content-type': types[extname(path)] ?? 'text/html' }).end(body),
    () => response.writeHead(404).end(),
  );
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const browser = await chromium.launch({
  executablePath: process.env.CULVERT_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
await mkdir(out, { recursive: true });
for (const shot of shots.filter(({ name }) => only === undefined || name.includes(only))) {
  const page = await browser.newPage({
    viewport: { width: shot.width ?? 1280, height: shot.height ?? 800 },
    reducedMotion: 'reduce',
    colorScheme: shot.theme ?? 'light',
    locale: 'en',
  });
  page.on('console', (message) => message.type() === 'error' && console.error(shot.name, message.text()));
  page.on('pageerror', (error) => console.error(shot.name, error.stack));
  await page.addInitScript(
    (locale) => localStorage.setItem('culvert.preferences', JSON.stringify({ locale })),
    shot.locale ?? 'en',
  );
  const flows = shot.flows ?? shot.name.startsWith('session');
  if (flows) await page.clock.install();
  await page.goto(`http://127.0.0.1:${server.address().port}/${shot.query ?? ''}${shot.hash}`);
  await page.getByRole('navigation').waitFor();
  // two minutes of traffic for the picture, in a moment
  if (flows) await page.clock.runFor(110_000);
  await page.waitForTimeout(400);
  await shot.act?.(page);
  if (shot.hover === undefined) await page.mouse.move(4, 790);
  else await page.getByRole('link', { name: shot.hover }).hover();
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(out, `${shot.name}.png`) });
  await page.close();
}
await browser.close();
server.close();
