// A resolver that answers every A query with 192.0.2.77 and prints what it is asked: upstream.mjs ADDRESS
import { createSocket } from 'node:dgram';

const socket = createSocket('udp4');
socket.on('message', (message, from) => {
  const labels = [];
  let at = 12;
  for (; message[at] > 0; at += message[at] + 1) labels.push(message.toString('latin1', at + 1, at + 1 + message[at]));
  console.log(labels.join('.'));
  const question = message.subarray(12, at + 5);
  const isA = message.readUInt16BE(at + 1) === 1;
  const head = Buffer.from([message[0], message[1], 0x81, 0x80, 0, 1, 0, isA ? 1 : 0, 0, 0, 0, 0]);
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 77]);
  socket.send(Buffer.concat(isA ? [head, question, answer] : [head, question]), from.port, from.address);
});
socket.bind(53, process.argv[2], () => console.log('ready'));
