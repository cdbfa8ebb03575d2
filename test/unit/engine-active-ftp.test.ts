import { describe, expect, it } from 'vitest';
import type { FlowRequest } from '../../main/base/flow.ts';
import { ActiveFtp, mayBeFtp } from '../../main/engine/admission/active-ftp.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';

const flow: FlowRequest = {
  entry: 'tun',
  protocol: 'tcp',
  source: { address: '10.0.0.5', port: 40_000 },
  destination: { hostname: 'press7.ot', address: '100.64.0.9', port: 21 },
};
const word = 'ab'.repeat(16);

/** A control connection whose server has greeted, and the dials of its data connections. */
async function opened(begun = true) {
  const dials: { readonly data: FlowRequest; readonly signal: AbortSignal; done(problem?: string): void }[] = [];
  const [near, far] = memoryStreamPair();
  const ftp = new ActiveFtp(
    near,
    flow,
    (data, signal) => new Promise((resolve) => dials.push({ data, signal, done: resolve })),
  );
  const client = RecordingSink.on(ftp.stream);
  const server = RecordingSink.on(far);
  if (begun) ftp.begin(word);
  far.write(Buffer.from('220 hello\r\n'));
  await client.until(() => client.length > 0);
  const say = async (line: string): Promise<void> => {
    ftp.stream.write(Buffer.from(`${line}\r\n`));
    await server.until(() => server.text().endsWith(`${line}\r\n`) || client.text().includes('501'));
  };
  const reply = async (line: string, shown = true): Promise<void> => {
    far.write(Buffer.from(`${line}\r\n`));
    if (shown) await client.until(() => client.text().endsWith(`${line}\r\n`));
    else await new Promise((resolve) => setImmediate(resolve));
  };
  return { client, server, dials, say, reply };
}

describe('active FTP at the dialling side', () => {
  it('is what a flow to port 21 through the interface may be', () => {
    expect(mayBeFtp(flow)).toBe(true);
    for (const other of [
      { entry: 'socks5' as const },
      { protocol: 'udp' as const },
      { destination: { ...flow.destination, port: 2121 } },
      { ftpData: `${word}/50000` },
    ]) {
      expect(mayBeFtp({ ...flow, ...other })).toBe(false);
    }
  });

  it('dials for each transfer, and tells of it no sooner than the application has its connection', async () => {
    const { client, dials, say, reply } = await opened();
    await say('PORT 10,0,0,5,195,80');
    expect(dials).toEqual([]);
    await say('RETR a');
    expect(dials[0]?.data).toEqual({
      ...flow,
      source: { address: '10.0.0.5', port: 50_000 },
      ftpData: `${word}/50000`,
    });
    await reply('150 here', false);
    await reply('226 done', false);
    expect(client.text()).toBe('220 hello\r\n');
    dials[0]?.done();
    await client.until(() => client.text().endsWith('150 here\r\n226 done\r\n'));
    // Each address is worth one transfer.
    await say('RETR b');
    expect(dials.length).toBe(1);
  });

  it('gives up where the transfer fails, and dials for the next by the same address', async () => {
    const { dials, say, reply } = await opened();
    await say('EPRT |1|10.0.0.5|50000|');
    await say('RETR a');
    await reply('550 no such file');
    expect(dials[0]?.signal.aborted).toBe(true);
    await say('RETR b');
    expect(dials.length).toBe(2);
    dials[0]?.done('given up');
    dials[1]?.done();
    await reply('226 done');
  });

  it('says why there is none, in place of what the server says', async () => {
    const { client, dials, say, reply } = await opened();
    await say('PORT 10,0,0,5,195,80');
    await say('STOR a');
    dials[0]?.done('„files“ has 1 session\r\n226 done');
    await reply('150 go', false);
    await reply('226 done', false);
    await reply('200 next');
    expect(client.text()).toBe('220 hello\r\n425 No data connection: ?files? has 1 session??226 done\r\n200 next\r\n');
  });

  it.each(['PORT 10,0,0,6,195,80', 'PORT 10,0,0,5,3,255', 'EPRT |2|fd00::1|50000|'])(
    'goes to no other address, and to no port of the machine’s services: %s',
    async (line) => {
      const { client, server, dials, say } = await opened();
      await say('PORT 10,0,0,5,195,80');
      await say(line);
      await client.until(() => client.text().includes('501 Data connections go to the address of this connection'));
      await say('RETR a');
      await server.until(() => server.text().endsWith('RETR a\r\n'));
      expect(server.text()).not.toContain(line);
      expect(dials).toEqual([]);
    },
  );

  it('leaves alone what a host does not say it is, and passive mode', async () => {
    const other = await opened(false);
    await other.say('PORT 1,2,3,4,0,80');
    await other.say('RETR a');
    const passive = await opened();
    await passive.say('PORT 10,0,0,5,195,80');
    await passive.say('EPSV');
    await passive.say('RETR a');
    expect([...other.dials, ...passive.dials]).toEqual([]);
  });
});
