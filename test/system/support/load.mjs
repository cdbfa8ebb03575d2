// Applications that do everything at once: load.mjs SECONDS ECHO REFUSED [DATAGRAMS [WORKERS]]. Whole transfers, half-closes, resets, slow readers, UDP; every echoed
// byte is checked by hash: a connection that ends cleanly must have carried everything. One JSON line at the end, with the times (ms since
// 1970) of what failed otherwise.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const [seconds, echo, refused] = [Number(process.argv[2]), process.argv[3], process.argv[4]];
/** UDP goes there; the same where the service takes both. */
const datagrams = process.argv[5] ?? echo;
const workers = Number(process.argv[6] ?? 24);
const endAt = Date.now() + seconds * 1000;
const counts = { whole: 0, reset: 0, slow: 0, refused: 0, udp: 0, lost: 0, late: 0, bytes: 0, wrong: 0, failed: 0 };
const failures = [];
/** Neither bytes nor an end for so long: it will never come. */
const stuckMs = 40_000;
const stuck = () => Object.assign(new Error('stuck'), { code: 'stuck' });
const block = randomBytes(1 << 18);

/** Send `blocks`, end, read all back; slowly where asked. */
function transfer(blocks, pauseMs) {
  return new Promise((resolve) => {
    const [sent, got] = [createHash('sha256'), createHash('sha256')];
    const socket = connect({ host: echo, port: 80, allowHalfOpen: true });
    let left = blocks;
    socket.setTimeout(stuckMs, () => socket.destroy(stuck()));
    const send = () => {
      for (; left > 0; left--) {
        sent.update(block);
        if (!socket.write(block)) {
          left--;
          socket.once('drain', send);
          return;
        }
      }
      socket.end();
    };
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      got.update(chunk);
      counts.bytes += chunk.length;
      if (pauseMs === 0) return;
      socket.pause();
      setTimeout(() => socket.resume(), pauseMs);
    });
    socket.on('end', () => resolve(sent.digest('hex') === got.digest('hex') ? 'ok' : 'wrong'));
    socket.on('error', (error) => resolve(error.code));
  });
}

function cut() {
  return new Promise((resolve) => {
    const socket = connect(80, echo);
    socket.setTimeout(stuckMs, () => socket.destroy(stuck()));
    socket.on('connect', () => {
      socket.write(block);
      setTimeout(() => socket.resetAndDestroy(), randomInt(20));
    });
    socket.on('close', () => resolve('ok'));
    socket.on('error', ({ code }) => resolve(code));
  });
}

function refusal() {
  return new Promise((resolve) => {
    const socket = connect(80, refused);
    socket.setTimeout(stuckMs, () => resolve('stuck'));
    // Where an ICMP error comes at once, libuv 1.46 may take it for a connection; one that is none has no peer, and the error follows.
    socket.on('connect', () => socket.remoteAddress !== undefined && resolve('wrong'));
    // In whatever words (the engine's own policy after many failures, a controller that is too busy to say no): only never accepted.
    socket.on('error', () => resolve('ok'));
  });
}

let datagramsSent = 0;
/** Sender's port and number, so that an answer tells whose it is. */
const labelBytes = 6;

/** What came instead of the answer: one to an earlier socket of the same port may come late, as on any network; nobody else's may. */
function strangeAnswer(message, port, number) {
  if (message.length < labelBytes) return 'wrong';
  const late = message.readUInt16BE(0) === port && message.readUInt32BE(2) < number;
  return late ? undefined : 'wrong';
}

function datagram() {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const bytes = randomBytes(randomInt(labelBytes, 1400));
    const number = ++datagramsSent;
    const timer = setTimeout(() => done('lost'), 2000);
    let over = false;
    const done = (what) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.close();
      resolve(what);
    };
    socket.on('error', (error) => done(error.code));
    socket.on('message', (message) => {
      const what = message.equals(bytes) ? 'ok' : strangeAnswer(message, socket.address().port, number);
      if (what === undefined) counts.late++;
      else done(what);
    });
    // Called with the error where the name is not found.
    socket.connect(5000, datagrams, (error) => {
      if (over) return;
      if (error !== undefined) return done(error.code);
      bytes.writeUInt16BE(socket.address().port, 0);
      bytes.writeUInt32BE(number, 2);
      socket.send(bytes);
    });
  });
}

async function worker() {
  while (Date.now() < endAt) {
    const what = ['whole', 'whole', 'reset', 'slow', 'refused', 'udp'][randomInt(6)];
    const act = {
      whole: () => transfer(randomInt(1, 16), 0),
      slow: () => transfer(4, 5),
      reset: cut,
      refused: refusal,
      udp: datagram,
    };
    const result = await act[what]();
    counts[what]++;
    if (result === 'wrong') {
      counts.wrong++;
      failures.push({ at: Date.now(), what, result });
    }
    // A datagram may be lost; a connection may not.
    else if (what === 'udp' && result !== 'ok') counts.lost++;
    else if (result !== 'ok') {
      counts.failed++;
      if (failures.length < 10_000) failures.push({ at: Date.now(), what, result });
      await delay(200);
    }
    await delay(randomInt(5));
  }
}

await Promise.all(Array.from({ length: workers }, worker));
console.log(JSON.stringify({ ...counts, failures }));
process.exit();
