import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../../main/base/clock.ts';
import { identifications } from '../../main/inventory/identify.ts';
import { openInventory } from '../../main/inventory/inventory.ts';
import { listening } from '../support/listening.ts';

const inventoryOf = (isOn: boolean, target: string) =>
  openInventory({
    isOn,
    clock: systemClock,
    hosted: () => [{ service: 'machine', target }],
    identificationFor: () => identifications[502],
  });

it('asks nothing where it is switched off', async () => {
  await expect(inventoryOf(false, 'tcp 127.0.0.1:1').list()).rejects.toMatchObject({ code: 'inventory.off' });
});

it.each([
  ['nonsense', Buffer.from([0, 1, 0, 0, 0, 3, 1, 0xab, 1])],
  ['half an answer', Buffer.from([0, 1, 0, 0, 0, 200, 1, 43])],
])('says of a device that answers with %s that nothing is known of it', async (_name, answer) => {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(answer));
  });
  const port = await listening(server);
  const [item] = await inventoryOf(true, `tcp 127.0.0.1:${port}`).list();
  expect(item).toMatchObject({ state: 'silent', reason: expect.any(String) as string });
  server.close();
});
