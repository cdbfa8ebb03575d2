import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeReleases } from '../support/networks.ts';
import { until } from '../support/until.ts';
import { arrange, drain, echo, host, join, sees, type Member } from '../support/ziti-world.ts';

/** Promise 4 of the product: half a second from the controller's answer to the application's end. */
const containedWithinMs = 500;

describeReleases('revocation', (network) => {
  let bob: Member;

  beforeAll(async () => {
    bob = await join(network());
  });

  afterAll(async () => {
    await bob?.context[Symbol.asyncDispose]();
  });

  /** A dialler of its own with one open, working stream. */
  async function openStream() {
    // No poll may help: what is told in time is told by the router.
    const alice = await join(network(), { pollPeriodMs: 600_000 });
    const arranged = await arrange(network(), alice, bob);
    const binding = await host(network(), bob, arranged.serviceId, echo);
    const stream = await alice.context.dial(arranged.serviceId);
    const closed = drain(stream).then((received) => ({ ...received, at: performance.now() }));
    stream.write(Buffer.from('still here'));
    return {
      alice,
      ...arranged,
      closed,
      async [Symbol.asyncDispose]() {
        await binding[Symbol.asyncDispose]();
        await alice.context[Symbol.asyncDispose]();
      },
    };
  }

  test('a deleted dial policy closes the stream, and the service leaves the list', async () => {
    await using open = await openStream();
    await network().admin.deleteServicePolicy(open.dialPolicy);
    const answeredAt = performance.now();
    const over = await open.closed;
    const closedAfterMs = over.at - answeredAt;
    expect(over.error?.code).toBe('ziti.dial.access_denied');
    expect(closedAfterMs).toBeLessThan(containedWithinMs);
    await until(() => !open.alice.context.services().some(({ id }) => id === open.serviceId), 5000);
    expect(performance.now() - answeredAt).toBeLessThan(containedWithinMs);
    await expect(open.alice.context.dial(open.serviceId)).rejects.toMatchObject({ code: 'ziti.dial.service_unknown' });
  });

  test('a policy given back lets the service be dialled again', async () => {
    await using open = await openStream();
    await network().admin.deleteServicePolicy(open.dialPolicy);
    await open.closed;
    await network().admin.createServicePolicy({
      type: 'Dial',
      services: [open.serviceId],
      identities: [open.alice.id],
    });
    await sees(open.alice.context, open.serviceId, 'Dial');
    const stream = await open.alice.context.dial(open.serviceId);
    const over = drain(stream);
    stream.write(Buffer.from('back'));
    stream.end();
    expect((await over).text).toBe('back');
  });

  test('a disabled identity loses its stream and its standing, and has both again once enabled', async () => {
    await using open = await openStream();
    await network().admin.disableIdentity(open.alice.id);
    const answeredAt = performance.now();
    const over = await open.closed;
    expect(over.error).toBeDefined();
    expect(over.at - answeredAt).toBeLessThan(containedWithinMs);
    await until(() => open.alice.context.state().kind === 'unauthenticated', 5000);
    expect(performance.now() - answeredAt).toBeLessThan(2 * containedWithinMs);
    expect(open.alice.context.services()).toEqual([]);
    await expect(open.alice.context.dial(open.serviceId)).rejects.toMatchObject({
      code: 'ziti.controller.unauthenticated',
    });
    await network().admin.enableIdentity(open.alice.id);
    await open.alice.context.refresh();
    await until(() => open.alice.context.state().kind === 'ready', 20_000);
    const stream = await open.alice.context.dial(open.serviceId);
    stream.reset();
  }, 60_000);

  test('a deleted bind policy ends the hosting for good', async () => {
    const alice = await join(network());
    const { serviceId, bindPolicy } = await arrange(network(), alice, bob);
    const binding = await bob.context.bind(serviceId, {}, (dial) => echo(dial.accept()));
    const events: string[] = [];
    binding.events.subscribe((event) => events.push(event.kind));
    await until(() => binding.terminators() > 0, 15_000);
    await network().admin.deleteServicePolicy(bindPolicy);
    await until(() => events.includes('stopped'), 15_000);
    expect(binding.terminators()).toBe(0);
    await until(async () => (await network().admin.terminators(serviceId)).length === 0, 15_000);
    await alice.context[Symbol.asyncDispose]();
  });

  test('one revoked identity leaves another alone', async () => {
    await using mine = await openStream();
    await using theirs = await openStream();
    await network().admin.disableIdentity(mine.alice.id);
    await mine.closed;
    const stream = await theirs.alice.context.dial(theirs.serviceId);
    const over = drain(stream);
    stream.write(Buffer.from('untouched'));
    stream.end();
    expect((await over).text).toBe('untouched');
    expect(theirs.alice.context.state().kind).toBe('ready');
  });
});
