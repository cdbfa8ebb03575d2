import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { ByteStream } from '../../main/base/stream.ts';
import { ActiveData, type FtpControl } from '../../main/hosting/ftp/active-data.ts';
import { activeCommand, readCommand, ReplyReader } from '../../main/hosting/ftp/control-lines.ts';
import { ControlStream, type CommandFate } from '../../main/hosting/ftp/control-stream.ts';
import { fuzzRounds } from '../support/fuzz-rounds.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryStreamPair } from '../support/memory-stream.ts';
import { RecordingSink } from '../support/recording-sink.ts';
import { socketPair } from '../support/socket-pair.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

describe('commands of FTP', () => {
  it.each([
    ['PORT 10,20,0,7,195,80', { address: '10.20.0.7', port: 50000 }],
    ['port 10,20,0,7,195,80 ', { address: '10.20.0.7', port: 50000 }],
    ['EPRT |1|10.20.0.7|50000|', { address: '10.20.0.7', port: 50000 }],
    ['EPRT |2|fd00::7|50000|', { address: 'fd00::7', port: 50000 }],
    ['Eprt !2!fd00:0::7!50000!', { address: 'fd00::7', port: 50000 }],
    // As sent behind an interrupt of Telnet's.
    ['\xff\xf4\xff\xf2PORT 1,2,3,4,5,6', { address: '1.2.3.4', port: 1286 }],
  ])('%j says where to connect', (line, at) => {
    expect(readCommand(line)).toEqual({ kind: 'active', at });
  });

  it.each([
    'PORT',
    'PORT 1,2,3,4,5',
    'PORT 1,2,3,4,5,6,7',
    'PORT 1,2,3,256,5,6',
    'PORT 1.2.3.4:5',
    'EPRT',
    'EPRT |1|fd00::7|5|',
    'EPRT |2|1.2.3.4|5|',
    'EPRT |1|1.2.3.4|70000|',
    'EPRT |1|1.2.3.4|5',
    'EPRT |1|1.2.3.4|5|6|',
    'EPRT 515fd0055',
    'LPRT 4,4,1,2,3,4,2,5,6',
  ])('%j says that, and not where', (line) => expect(readCommand(line)).toEqual({ kind: 'unreadable' }));

  it('that ask for data, or have the client connect', () => {
    expect(['RETR a', 'stor b', 'LIST', 'MLSD', 'APPE c'].map((line) => readCommand(line).kind)).toEqual(
      Array.from({ length: 5 }, () => 'transfer'),
    );
    expect(['PASV', 'EPSV 1', 'epsv all'].map((line) => readCommand(line).kind)).toEqual(
      Array.from({ length: 3 }, () => 'passive'),
    );
    for (const line of ['', 'PORTX 1,2,3,4,5,6', 'NOOP', 'SITE PORT 1,2,3,4,5,6', '\u0000'])
      expect(readCommand(line).kind).toBe('other');
  });

  it('are read whatever comes, and an address is written as it is read', () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((text) => `PORT ${text}`),
      fc.string().map((text) => `EPRT ${text}`),
      fc.tuple(fc.ipV4(), fc.nat(65535)).map(([address, port]) => activeCommand({ address, port })),
      fc.tuple(fc.ipV6(), fc.nat(65535)).map(([address, port]) => `EPRT |2|${address}|${port}|`),
    );
    fc.assert(
      fc.property(line, (text) => {
        const command = readCommand(text);
        if (command.kind !== 'active') return;
        expect(command.at.port >= 0 && command.at.port <= 65535).toBe(true);
        expect(readCommand(activeCommand(command.at))).toEqual(command);
      }),
      { numRuns: fuzzRounds(2_000) },
    );
  });
});

describe('replies of FTP', () => {
  const codes = (text: string): number[] => {
    const reader = new ReplyReader();
    return [...bytes(text)].flatMap((byte) => reader.next(byte) ?? []);
  };
  it('are told by their last line', () => {
    expect(codes('220 hello\r\n331 user\n')).toEqual([220, 331]);
    expect(codes('211-features\r\n 550 x\r\n550 inside\r\n211-more\r\n211 end\r\n200\r\n')).toEqual([211, 200]);
    expect(codes('SSH-2.0-x\r\n2200 x\r\n')).toEqual([]);
  });
  it('are read whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (chunk) => {
        const reader = new ReplyReader();
        for (const byte of chunk) reader.next(byte);
      }),
      { numRuns: fuzzRounds(500) },
    );
  });
});

describe('a control connection with somebody beside it', () => {
  const watched = (decide: (line: string) => CommandFate | Promise<CommandFate>) => {
    const [near, far] = memoryStreamPair();
    const seen: (string | number)[] = [];
    const stream = new ControlStream(near, {
      command: (line) => (seen.push(line), decide(line)),
      replied: (code) => void seen.push(code),
      closed: () => void seen.push('closed'),
    });
    return { stream, client: RecordingSink.on(stream), far, server: RecordingSink.on(far), seen };
  };

  it('passes commands whole, others in their place, and answers between replies', async () => {
    const { stream, client, far, server } = watched((line) =>
      line.startsWith('PORT') ? Promise.resolve({ send: 'PORT 9' }) : line === 'MINE' ? { answer: '500 no' } : 'pass',
    );
    far.write(bytes('220 hello\r\n'));
    await client.until(() => client.length > 0);
    for (const part of ['US', 'ER a\r\nPORT 1\r\nLIST\r\n', 'MI', 'NE\r\n', 'QUIT\r\n']) stream.write(bytes(part));
    await server.until(() => server.text().includes('QUIT'));
    expect(server.text()).toBe('USER a\r\nPORT 9\r\nLIST\r\nQUIT\r\n');
    await client.until(() => client.text().includes('500'));
    far.write(bytes('211-a\r\n'));
    await client.until(() => client.text().endsWith('a\r\n'));
    stream.write(bytes('MINE\r\n'));
    far.write(bytes('b\r\n211 c\r\n'));
    await client.until(() => client.text().endsWith('no\r\n') && client.text().includes('211 c'));
    expect(client.text()).toBe('220 hello\r\n500 no\r\n211-a\r\nb\r\n211 c\r\n500 no\r\n');
  });

  it('holds replies back until they are let go, and looks at them before', async () => {
    const { stream, client, far, seen } = watched(() => 'pass');
    stream.hold();
    far.write(bytes('220 a\r\n550 b\r\n'));
    far.end();
    await client.until(() => seen.includes(550));
    expect(client.length).toBe(0);
    stream.release();
    await client.until(() => client.ended);
    expect(client.text()).toBe('220 a\r\n550 b\r\n');
  });

  it('says something else in place of what is held back, up to the end of the transfer', async () => {
    for (const [early, late] of [
      ['150 data\r\n226 done\r\n', ''],
      ['150 data\r\n', '226 done\r\n'],
      ['', '150 data\r\n226 done\r\n'],
    ] as const) {
      const { stream, client, far, seen } = watched(() => 'pass');
      far.write(bytes('220 a\r\n'));
      await client.until(() => client.length > 0);
      stream.hold();
      far.write(bytes(early));
      await client.until(() => seen.length === 1 + early.split('\n').length - 1);
      stream.replace('425 refused');
      far.write(bytes(`${late}200 next\r\n`));
      await client.until(() => client.text().includes('next'));
      expect(client.text()).toBe('220 a\r\n425 refused\r\n200 next\r\n');
    }
  });

  it('sees nothing any more once TLS was agreed on, or where the server does not speak first', async () => {
    const tls = watched(() => 'pass');
    tls.far.write(bytes('220 a\r\n'));
    await tls.client.until(() => tls.client.length > 0);
    tls.stream.write(bytes('AUTH TLS\r\n'));
    tls.far.write(bytes('234 go\r\n'));
    await tls.client.until(() => tls.client.length > 10);
    tls.stream.write(bytes('\x16\x03PORT'));
    await tls.server.until(() => tls.server.text().endsWith('PORT'));
    expect(tls.seen).toEqual([220, 'AUTH TLS', 234]);
    const other = watched(() => ({ answer: '500 never' }));
    other.stream.write(bytes('hello'));
    other.stream.end();
    await other.server.until(() => other.server.ended);
    expect(other.server.text()).toBe('hello');
    expect(other.seen).toEqual([]);
  });

  it('is no place to keep much: a line without an end passes', async () => {
    const { stream, client, far, server, seen } = watched(() => 'pass');
    far.write(bytes('220 a\r\n'));
    await client.until(() => client.length > 0);
    stream.write(bytes('x'.repeat(5_000)));
    await server.until(() => server.length === 5_000);
    stream.write(bytes('y\r\nNOOP\r\nhalf'));
    stream.end();
    await server.until(() => server.ended);
    expect(server.text().slice(5_000)).toBe('y\r\nNOOP\r\nhalf');
    expect(seen).toEqual([220, 'NOOP']);
  });
});

describe('active FTP behind a host', () => {
  const cleanUps: (() => void)[] = [];
  afterEach(() => {
    for (const cleanUp of cleanUps.splice(0)) cleanUp();
  });
  const owner = { serviceId: 's1', caller: 'alice' };

  /** A control connection to a server that greets, and the client's end of it. */
  const opened = async (data: ActiveData, takes = true) => {
    const { client: toServer, server, close } = await socketPair();
    const control: FtpControl = data.control(owner, takes);
    const stream: ByteStream = control.over(toServer);
    const client = RecordingSink.on(stream);
    cleanUps.push(() => (close(), stream.reset(), server.destroy()));
    let heard = '';
    server.on('data', (chunk) => (heard += chunk.toString())).resume();
    server.write('220 hello\r\n');
    await client.until(() => client.length > 0);
    const says = async (line: string, expected: RegExp): Promise<string> => {
      stream.write(bytes(`${line}\r\n`));
      await client.until(() => expected.test(heard) || expected.test(client.text()), String(expected));
      return heard;
    };
    return { control, client, server, says };
  };
  /** The server connects where it was told to. */
  const connectBack = async (heard: string): Promise<Socket> => {
    const told = readCommand(heard.trim().split('\r\n').at(-1) ?? '');
    if (told.kind !== 'active') throw new Error(heard);
    const socket = connect({ host: told.at.address, port: told.at.port });
    socket.on('error', () => undefined);
    cleanUps.push(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const gone = async (socket: Socket): Promise<void> => {
    if (!socket.closed) await new Promise<void>((resolve) => void socket.once('close', () => resolve()));
  };
  const never = new AbortController().signal;

  it('tells the server of an address of its own, and gives what comes there to who has the word, once', async () => {
    const data = new ActiveData(new ManualClock());
    const { control, says } = await opened(data);
    const heard = await says('PORT 10,9,9,9,195,80', /PORT 127,0,0,1,\d+,\d+/);
    const claim = `${control.word}/50000`;
    for (const [other, whose] of [
      [`${control.word}/50001`, owner],
      [`${'0'.repeat(32)}/50000`, owner],
      [claim, { ...owner, caller: 'bob' }],
      [claim, { ...owner, serviceId: 's2' }],
      ['', owner],
    ] as const) {
      await expect(data.take(other, whose, never)).rejects.toThrow();
    }
    const taking = data.take(claim, owner, never);
    const server = await connectBack(heard);
    const stream = await taking;
    const sink = RecordingSink.on(stream);
    server.write('data');
    await sink.until(() => sink.text() === 'data');
    stream.reset();
    await expect(data.take(claim, owner, never)).rejects.toThrow('no such data connection');
    // Nobody else gets in by the same port.
    await expect(connectBack(heard)).rejects.toThrow();
  });

  it('keeps what a server opens at once until the transfer, and resets it where nobody takes it', async () => {
    const clock = new ManualClock();
    const data = new ActiveData(clock);
    const { control, says } = await opened(data);
    const server = await connectBack(await says('EPRT |2|fd00::7|50000|', /PORT 127/));
    const claim = `${control.word}/50000`;
    const stream = await data.take(claim, owner, never);
    stream.reset();
    await gone(server);
    const again = await connectBack(await says('PORT 1,2,3,4,195,81', /PORT.*\r\nPORT 127/s));
    await says('RETR a', /RETR/);
    clock.advance(10_001);
    await gone(again);
    await expect(data.take(`${control.word}/50001`, owner, never)).rejects.toThrow();
  });

  it('ends the wait where the transfer fails, and goes with the control connection', async () => {
    const data = new ActiveData(new ManualClock());
    const { control, server, says } = await opened(data);
    await says('PORT 1,2,3,4,195,80', /PORT 127/);
    const claim = `${control.word}/50000`;
    const waits = data.take(claim, owner, never);
    server.write('550 no such file\r\n');
    await expect(waits).rejects.toThrow('opened no data connection');
    const after = data.take(claim, owner, never);
    server.resetAndDestroy();
    await expect(after).rejects.toThrow('awaited no more');
    await expect(data.take(claim, owner, never)).rejects.toThrow('belongs to no FTP session');
  });

  it('lets go of it where it is refused, or passive mode is asked for', async () => {
    const data = new ActiveData(new ManualClock());
    const { control, says } = await opened(data);
    const first = await connectBack(await says('PORT 1,2,3,4,195,80', /PORT 127/));
    data.refuse(`${control.word}/50000`, { ...owner, caller: 'bob' });
    data.refuse(`${control.word}/50000`, owner);
    await gone(first);
    const second = await connectBack(await says('PORT 1,2,3,4,195,80', /PORT.*\r\nPORT 127/s));
    await says('PASV', /PASV/);
    await gone(second);
  });

  it('says so in FTP’s words where the dialler takes no data connection, and where an address cannot be read', async () => {
    const data = new ActiveData(new ManualClock());
    const foreign = await opened(data, false);
    expect(foreign.control.word).toBeUndefined();
    await foreign.says('PORT 1,2,3,4,195,80', /500 .*passive mode/);
    await foreign.says('PASV', /PASV/);
    const ours = await opened(data);
    expect(await ours.says('EPRT nonsense', /501 /)).toBe('');
  });
});
