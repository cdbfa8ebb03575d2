import sodium from 'sodium-native';
import { describe, expect, it } from 'vitest';
import {
  deriveSessionKeys,
  newListenerKeys,
  Opener,
  Sealer,
  sealOverheadBytes,
  streamHeaderBytes,
} from '../../main/ziti/edge/end-to-end.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function seeded(first: number): { publicKey: Uint8Array; secretKey: Uint8Array } {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => first + i);
  const pair = { publicKey: new Uint8Array(32), secretKey: new Uint8Array(32) };
  sodium.crypto_kx_seed_keypair(pair.publicKey, pair.secretKey, seed);
  return pair;
}

const code = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return 'nothing thrown';
};

const dialler = seeded(0);
const host = seeded(1);

describe('the key exchange', () => {
  it('derives the keys of the published vectors, crosswise', () => {
    expect(toHex(dialler.publicKey)).toBe('0e0216223f147143d32615a91189c288c1728cba3cc5f9f621b1026e03d83129');
    const near = deriveSessionKeys('dialler', dialler, host.publicKey);
    const far = deriveSessionKeys('host', host, dialler.publicKey);
    expect(toHex(near.receive)).toBe('e0307e1a80dcccabd25e85575de18e93f7555d157c4f46ebe7dab0e510e831c2');
    expect(toHex(near.send)).toBe('08bf5f69b29ce4dba39fd0cb2bf0d4a4e768463ff2b4b95c45ee3c0ccbaae022');
    expect(far).toEqual({ receive: near.send, send: near.receive });
  });

  it('refuses keys of another method, and keys of no use', () => {
    expect(code(() => deriveSessionKeys('dialler', dialler, new Uint8Array(65)))).toBe('ziti.dial.encryption_missing');
    expect(code(() => deriveSessionKeys('host', host, new Uint8Array(32)))).toBe('ziti.dial.encryption_missing');
  });
});

describe('a sealed direction', () => {
  const sendKey = hex('08bf5f69b29ce4dba39fd0cb2bf0d4a4e768463ff2b4b95c45ee3c0ccbaae022');
  const header = Uint8Array.from({ length: 24 }, (_, i) => 0xa0 + i);

  it('opens the published ciphertexts', () => {
    const opener = new Opener(sendKey, header);
    const first = opener.open(hex('8e639fec87a54d7faf10934fe93daf4948c16f0935962206a17b7e'));
    expect(Buffer.from(first).toString()).toBe('hello ziti');
    const second = opener.open(hex('daaf4757d18bfc8161be6e70c39168864e2d1eefbd19ff0a0ed40217d2734601b12b86f08091'));
    expect(Buffer.from(second).toString()).toBe('second message, 20+ B');
    expect(opener.open(hex('619eea6302d10d6f35e064f60e8d0726bf'))).toHaveLength(0);
  });

  it('opens what it sealed, of any size, in memory of its own', () => {
    const sealer = new Sealer(sendKey);
    const header = sealer.takeHeader();
    expect(header).toHaveLength(streamHeaderBytes);
    const opener = new Opener(sendKey, header);
    for (const size of [0, 1, 15, 16, 17, 64, 1000, 16_367, 65_536, 200_000]) {
      const plain = Uint8Array.from({ length: size }, (_, i) => i * 7);
      const sealed = new Uint8Array(size + sealOverheadBytes);
      sealer.seal(sealed, plain);
      if (size > 16) expect(Buffer.from(sealed).includes(Buffer.from(plain.subarray(0, 16)))).toBe(false);
      const opened = opener.open(sealed);
      sealed.fill(0);
      expect(Buffer.compare(opened, plain)).toBe(0);
    }
  });

  it('refuses what was changed, repeated, cut short or opened with a wrong header', () => {
    const sealer = new Sealer(sendKey);
    const header = sealer.takeHeader();
    const seal = (text: string): Uint8Array => {
      const sealed = new Uint8Array(text.length + sealOverheadBytes);
      sealer.seal(sealed, Buffer.from(text));
      return sealed;
    };
    const [first, second] = [seal('first'), seal('second')];
    const changed = Uint8Array.from(first);
    changed[3]! ^= 1;
    expect(code(() => new Opener(sendKey, header).open(changed))).toBe('ziti.stream.decrypt');
    expect(code(() => new Opener(sendKey, header).open(second))).toBe('ziti.stream.decrypt');
    expect(code(() => new Opener(sendKey, header).open(first.subarray(0, 16)))).toBe('ziti.stream.decrypt');
    expect(code(() => new Opener(sendKey, new Uint8Array(25)))).toBe('ziti.stream.decrypt');
    const opener = new Opener(sendKey, header);
    opener.open(first);
    expect(code(() => opener.open(first))).toBe('ziti.stream.decrypt');
  });

  it('never writes less than it was asked to: a target of the wrong size is an error, not stale memory', () => {
    const sealer = new Sealer(sendKey);
    expect(() => sealer.seal(new Uint8Array(10), Buffer.from('0123456789'))).toThrow();
  });

  it('makes a fresh pair each time', () => {
    expect(newListenerKeys().publicKey).not.toEqual(newListenerKeys().publicKey);
  });
});
