/** What two Culvert ends say to each other inside a session: never in the way of the application's bytes, whoever the other end is. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { awaitProof, greet } from '../../main/peer/caller-question.ts';
import { GreetedStream } from '../../main/peer/greeted-stream.ts';
import { callerText, encodeWords, hostWords, markOf, type CallerProof, type HostWords } from '../../main/peer/words.ts';
import { provenId } from '../../main/engine/hosting/callers.ts';
import { KnownChains } from '../../main/engine/identities/certificate-chain.ts';
import { certificateSigner } from '../../main/engine/identities/certificate-signer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryStreamPair, until } from '../support/memory-stream.ts';
import { authority, issue } from '../support/network-certificates.ts';
import { RecordingSink } from '../support/recording-sink.ts';

const markHex = '00112233445566778899aabbccddeeff';
const mark = markOf(markHex) ?? new Uint8Array();
const challenge = 'ab'.repeat(32);
const proof: CallerProof = { chain: 'a chain', signature: 'cd' };
const bytes = (text: string): Uint8Array => Buffer.from(text);

function dialler(
  kind: 'stream' | 'datagram' = 'stream',
  prove = (): Promise<CallerProof | undefined> => Promise.resolve(proof),
) {
  const clock = new ManualClock();
  const [near, host] = memoryStreamPair({ kind });
  const greeted = new GreetedStream(near, { clock, mark, prove });
  const heard: (HostWords | undefined)[] = [];
  greeted.onGreeting((words) => heard.push(words));
  const app = RecordingSink.on(greeted);
  return { clock, host, greeted, heard, app };
}

describe('what a host says of an engagement', () => {
  const said = { id: `ses_${'0'.repeat(32)}`, contract: 'a'.repeat(64), by: 'box' };

  it.each(['proposed', 'accepting', 'active', 'closing', 'closed'])('has a state that both ends know: %s', (state) => {
    expect(hostWords({ engagement: { ...said, state } })).toEqual({ engagement: { ...said, state } });
    expect(hostWords({ engagement: said })).toEqual({ engagement: said });
  });

  it.each(['Active', 'open', '', 7, null, {}])('is nothing with another one: %s', (state) => {
    expect(hostWords({ guard: 'a2a', engagement: { ...said, state } })).toEqual({ guard: 'a2a' });
  });
});

describe('the dialling end', () => {
  it('takes the greeting out, in whatever pieces it comes', async () => {
    const whole = Buffer.concat([encodeWords(mark, { guard: 'modbus' }), bytes('from the service')]);
    for (let cut = 1; cut < whole.length; cut += 1) {
      const { host, heard, app } = dialler();
      host.write(whole.subarray(0, cut));
      host.write(whole.subarray(cut));
      await until(() => app.text() === 'from the service');
      expect(heard).toEqual([{ guard: 'modbus' }]);
    }
  });

  it('passes every byte of a host that does not greet, though it begins like a mark', async () => {
    const { host, heard, app, greeted } = dialler();
    const seen = RecordingSink.on(host);
    greeted.write(bytes('question'));
    const like = Buffer.concat([mark.subarray(0, 15), bytes('!')]);
    host.write(like.subarray(0, 7));
    host.write(like.subarray(7));
    await until(() => app.length === like.length);
    expect(Buffer.concat(app.chunks)).toEqual(like);
    expect(heard).toEqual([undefined]);
    expect(seen.text()).toBe('question');
  });

  it('gives back what a host sent that ended within the mark', async () => {
    const { host, app } = dialler();
    host.write(mark.subarray(0, 5));
    host.end();
    await until(() => app.ended);
    expect(Buffer.concat(app.chunks)).toEqual(Buffer.from(mark.subarray(0, 5)));
  });

  it('takes a greeting out that comes after its patience is over', async () => {
    const { clock, host, heard, app } = dialler();
    clock.advance(10_000);
    host.write(Buffer.concat([encodeWords(mark, {}), bytes('late')]));
    await until(() => app.text() === 'late');
    expect(heard).toEqual([{}]);
  });

  it('holds an early end back for the answer, and for no longer than its patience', async () => {
    const asked = dialler();
    asked.greeted.write(bytes('all I have'));
    asked.greeted.end();
    greet(asked.host, mark, { challenge });
    const question = await awaitProof(asked.host, challenge, asked.clock);
    expect(question.proof).toEqual(proof);
    const server = RecordingSink.on(question.stream);
    await until(() => server.ended);
    expect(server.text()).toBe('all I have');

    const silent = dialler();
    const seen = RecordingSink.on(silent.host);
    silent.greeted.end();
    await until(() => true);
    expect(seen.ended).toBe(false);
    silent.clock.advance(500);
    await until(() => seen.ended);
  });

  it('asks its writer to wait while it signs, so that the answer is not far behind', async () => {
    let signed: ((proof: CallerProof) => void) | undefined;
    const { host, greeted, clock, app } = dialler('stream', () => new Promise((resolve) => (signed = resolve)));
    greet(host, mark, { challenge });
    const question = awaitProof(host, challenge, clock);
    await until(() => signed !== undefined);
    const chunk = new Uint8Array(64 * 1024);
    let sent = 0;
    while (greeted.write(chunk)) sent += chunk.length;
    sent += chunk.length;
    expect(sent).toBeLessThan(512 * 1024);
    expect(app.drains).toBe(0);
    signed?.(proof);
    const server = RecordingSink.on((await question).stream);
    await until(() => server.length === sent && app.drains > 0);
  });

  it('answers that it has no certificate rather than keep the host waiting', async () => {
    const { host, clock } = dialler('stream', () => Promise.resolve(undefined));
    greet(host, mark, { challenge });
    expect((await awaitProof(host, challenge, clock)).proof).toEqual({ chain: '', signature: '' });
  });

  it('knows a greeting among datagrams', async () => {
    const { host, heard, app, greeted, clock } = dialler('datagram');
    greeted.write(bytes('ping'));
    greet(host, mark, { challenge });
    const question = await awaitProof(host, challenge, clock);
    const server = RecordingSink.on(question.stream);
    greet(question.stream, mark, { guard: 'modbus' });
    question.stream.write(bytes('pong'));
    await until(() => app.text() === 'pong' && server.text() === 'ping');
    expect(heard).toEqual([{ guard: 'modbus' }]);
  });

  it('hears how it is held once it has said who it is, before the session begins', async () => {
    const clock = new ManualClock();
    const [near, host] = memoryStreamPair();
    const greeted = new GreetedStream(near, { clock, mark, prove: () => Promise.resolve(proof) });
    const words = greeted.greeting(5_000);
    greet(host, mark, { challenge });
    const { stream } = await awaitProof(host, challenge, clock);
    const server = RecordingSink.on(stream);
    greet(stream, mark, { leftSeconds: 60 });
    stream.write(bytes('early'));
    expect(await words).toEqual({ leftSeconds: 60 });
    const app = RecordingSink.on(greeted);
    greeted.write(bytes('hello'));
    await until(() => app.text() === 'early' && server.text() === 'hello');
  });
});

describe('the hosting end', () => {
  it('finds the answer among the bytes of the application, in whatever pieces they come', async () => {
    const whole = Buffer.concat([bytes('before '), encodeWords(markOf(challenge) ?? mark, proof), bytes('after')]);
    for (let size = 1; size < whole.length; size += 7) {
      const [far, near] = memoryStreamPair();
      const question = awaitProof(near, challenge, new ManualClock());
      for (let at = 0; at < whole.length; at += size) far.write(whole.subarray(at, at + size));
      far.end();
      const answered = await question;
      const server = RecordingSink.on(answered.stream);
      await until(() => server.ended);
      expect(answered.proof).toEqual(proof);
      expect(server.text()).toBe('before after');
    }
  });

  it('goes on without one where the dialler ends without, and loses nothing', async () => {
    const [far, near] = memoryStreamPair();
    const question = awaitProof(near, challenge, new ManualClock());
    far.write(bytes('no Culvert'));
    far.end();
    const answered = await question;
    expect(answered.proof).toBeUndefined();
    const server = RecordingSink.on(answered.stream);
    await until(() => server.text() === 'no Culvert');
  });

  it('cuts off who says nothing in time: a late answer would be the application’s bytes', async () => {
    const clock = new ManualClock();
    const [far, near] = memoryStreamPair();
    const farSaw = RecordingSink.on(far);
    const question = awaitProof(near, challenge, clock);
    far.write(bytes('waiting'));
    const over = expect(question).rejects.toMatchObject({ code: 'base.timeout' });
    clock.advance(30_000);
    await over;
    await until(() => farSaw.over);
  });

  it('says why it ended where the dialler goes first', async () => {
    const [far, near] = memoryStreamPair();
    const question = awaitProof(near, challenge, new ManualClock());
    far.reset();
    await expect(question).rejects.toMatchObject({ code: 'ziti.stream.reset' });
  });
});

describe('a proof', () => {
  const chains = new KnownChains();
  const of = ({ pem }: { readonly pem: string }) => ({ chains, trustedPem: pem });
  const text = callerText('svc-1', 'circuit-1', challenge);

  it('is good for the identity, the service and the circuit it was made for', async () => {
    const network = await authority('a network');
    const { certPem, keyPem } = await issue(network, 'id-1');
    const signer = certificateSigner(certPem, { kind: 'software', privateKeyPem: keyPem });
    const made = await signer.prove(text);
    const now = Date.now();
    expect(provenId(made, text, of(network), now)).toBe('id-1');
    expect(provenId(made, callerText('svc-2', 'circuit-1', challenge), of(network), now)).toBeUndefined();
    expect(provenId(made, callerText('svc-1', 'circuit-2', challenge), of(network), now)).toBeUndefined();
    expect(provenId(made, text, of(await authority('another')), now)).toBeUndefined();
    expect(provenId(made, text, of(network), now + 400 * 86_400_000)).toBeUndefined();
    expect(provenId({ ...made, signature: '00' }, text, of(network), now)).toBeUndefined();
    expect(provenId({ chain: '', signature: '' }, text, of(network), now)).toBeUndefined();
    // Known by now, and as good as it was, no longer.
    expect(provenId(made, text, of(network), now)).toBe('id-1');
    expect(provenId(made, text, of(network), now - 400 * 86_400_000)).toBeUndefined();
  });

  it('is none with a key that is not the certificate’s', async () => {
    const network = await authority('a network');
    const { certPem } = await issue(network, 'id-1');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signature = sign('sha256', Buffer.from(text), privateKey).toString('hex');
    expect(provenId({ chain: certPem, signature }, text, of(network), Date.now())).toBeUndefined();
  });
});
