/** What every key store must do; each implementation's test calls this with its own set-up. */
import { createPublicKey, createVerify, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Keystore, KeyUnlock, OpenKey } from '../../main/identity/identities.ts';

export interface KeystoreUnderTest {
  readonly keystore: Keystore;
  readonly unlock: KeyUnlock;
  /** Whether keys can be brought in from outside; hardware makes its own. */
  readonly imports: boolean;
  /** An unlock that must not open anything, where the store has one. */
  readonly wrongUnlock?: KeyUnlock;
}

/** Public key of an opened key, SPKI DER. */
export function publicKeyOf(key: OpenKey): Buffer {
  if (key.kind === 'hardware') return Buffer.from(key.publicKeySpki);
  return createPublicKey(key.privateKeyPem).export({ type: 'spki', format: 'der' });
}

export function keystoreConformance(name: string, setUp: () => Promise<KeystoreUnderTest>): void {
  describe(`key store ${name}`, () => {
    it('says that it can work here', async () => {
      const { keystore } = await setUp();
      expect(await keystore.available()).toEqual({ ok: true });
    });

    it('opens what it made, again and again, as the same key', async () => {
      const { keystore, unlock } = await setUp();
      const made = await keystore.create('one', 'ES256', unlock);
      const first = await keystore.open(made.reference, unlock);
      const second = await keystore.open(made.reference, unlock);
      expect(publicKeyOf(first).equals(publicKeyOf(made.key))).toBe(true);
      expect(publicKeyOf(second).equals(publicKeyOf(made.key))).toBe(true);
    });

    it('makes a different key each time', async () => {
      const { keystore, unlock } = await setUp();
      const one = await keystore.create('one', 'ES256', unlock);
      const two = await keystore.create('two', 'ES256', unlock);
      expect(one.reference).not.toBe(two.reference);
      expect(publicKeyOf(one.key).equals(publicKeyOf(two.key))).toBe(false);
    });

    it('signs so that the public key verifies', async () => {
      const { keystore, unlock } = await setUp();
      const { key } = await keystore.create('signer', 'ES256', unlock);
      const data = Buffer.from('a certificate request');
      if (key.kind === 'hardware') {
        const publicKey = createPublicKey({ key: publicKeyOf(key), format: 'der', type: 'spki' });
        expect(verify('sha256', data, publicKey, await key.sign(data))).toBe(true);
      } else {
        const { createSign } = await import('node:crypto');
        const signature = createSign('sha256').update(data).sign(key.privateKeyPem);
        expect(createVerify('sha256').update(data).verify(createPublicKey(key.privateKeyPem), signature)).toBe(true);
      }
    });

    it('does not open what it erased', async () => {
      const { keystore, unlock } = await setUp();
      const { reference } = await keystore.create('gone', 'ES256', unlock);
      await keystore.erase(reference, unlock);
      await expect(keystore.open(reference, unlock)).rejects.toMatchObject({
        code: expect.stringMatching(/^identity\./),
      });
    });

    it('refuses a reference that is not its own with a code', async () => {
      const { keystore, unlock } = await setUp();
      await expect(keystore.open('nonsense:../../etc/passwd', unlock)).rejects.toMatchObject({
        code: expect.stringMatching(/^identity\./),
      });
    });

    it('keeps a password where it can, and says so where it cannot', async () => {
      const { keystore, unlock, imports } = await setUp();
      const password = { kind: 'password', username: 'ada', password: 'enchantress' } as const;
      if (!imports) {
        await expect(keystore.keepPassword(password, unlock)).rejects.toMatchObject({ code: 'base.unsupported' });
        return;
      }
      const { reference } = await keystore.keepPassword(password, unlock);
      expect(await keystore.openPassword(reference, unlock)).toEqual(password);
      await keystore.erase(reference, unlock);
      await expect(keystore.openPassword(reference, unlock)).rejects.toThrow();
    });

    it('takes in a key where it can, and says so where it cannot', async () => {
      const { keystore, unlock, imports } = await setUp();
      const { newPrivateKeyPem } = await import('../../main/identity/keystore/software-key.ts');
      const pem = newPrivateKeyPem('ES384');
      if (!imports) {
        await expect(keystore.import('in', pem, unlock)).rejects.toMatchObject({ code: 'base.unsupported' });
        return;
      }
      const { reference } = await keystore.import('in', pem, unlock);
      const opened = await keystore.open(reference, unlock);
      expect(publicKeyOf(opened)).toEqual(publicKeyOf({ kind: 'software', privateKeyPem: pem }));
    });

    it('stays shut for the wrong unlock', async () => {
      const { keystore, unlock, wrongUnlock } = await setUp();
      if (wrongUnlock === undefined) return;
      const { reference } = await keystore.create('shut', 'ES256', unlock);
      await expect(keystore.open(reference, wrongUnlock)).rejects.toMatchObject({
        code: expect.stringMatching(/^identity\./),
      });
      expect(publicKeyOf(await keystore.open(reference, unlock)).length).toBeGreaterThan(0);
    });
  });
}
