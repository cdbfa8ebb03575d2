// Signs what electron-builder leaves for the updater, so that the desktop fetches it.
//
//   npm run update:sign -- --new-key FILE               make a key; its public half is printed, for resources/update-keys.pem
//   npm run update:sign -- --key FILE latest-linux.yml…  sign these, in place
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';
import { parse, stringify } from 'yaml';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { key: { type: 'string' }, 'new-key': { type: 'string' } },
});

if (values['new-key'] !== undefined) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(values['new-key'], privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  process.stdout.write(publicKey.export({ type: 'spki', format: 'pem' }));
} else if (values.key !== undefined && positionals.length > 0) {
  const key = createPrivateKey(readFileSync(values.key));
  const signedText = await textThatIsSigned();
  for (const file of positionals) {
    const info = parse(readFileSync(file, 'utf8'));
    const signature = sign(null, Buffer.from(signedText(info), 'utf8'), key).toString('base64');
    writeFileSync(file, stringify({ ...info, signature }));
    console.log(`${file}: ${info.version} signed`);
  }
} else {
  console.error('usage: npm run update:sign -- --new-key FILE | --key FILE latest-*.yml…');
  process.exitCode = 2;
}

/** The shell's own: what is signed is what it will check. */
async function textThatIsSigned() {
  const built = buildSync({
    entryPoints: [join(root, 'main', 'shell', 'update-signature.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const code = Buffer.from(built.outputFiles[0].text, 'utf8').toString('base64');
  return (await import(`data:text/javascript;base64,${code}`)).signedText;
}
