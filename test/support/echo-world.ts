/** Two identities at work on a network, and a service between them that writes everything back. */
import { DisposalStack } from '../../main/base/lifecycle.ts';
import type { Network } from './network.ts';
import { arrange, drain, echo, host, join, type Arranged, type Member } from './ziti-world.ts';

export interface EchoWorld extends AsyncDisposable {
  /** May dial it. */
  readonly alice: Member;
  /** Hosts it. */
  readonly bob: Member;
  readonly echoing: Arranged;
}

/** Hosted and known to both when this resolves. */
export async function openEchoWorld(network: Pick<Network, 'admin'>): Promise<EchoWorld> {
  const stack = new DisposalStack();
  const member = async (): Promise<Member> => {
    const joined = await join(network);
    stack.use(joined.context);
    return joined;
  };
  try {
    const [bob, alice] = [await member(), await member()];
    const echoing = await arrange(network, alice, bob);
    stack.use(await host(network, bob, echoing.serviceId, echo));
    return { alice, bob, echoing, [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose]() };
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

/** What comes back of `text` over a connection of its own. Rejects where it cannot be dialled. */
export async function echoOf(
  member: Member,
  serviceId: string,
  text = 'echo',
  options: { readonly timeoutMs?: number } = {},
): Promise<string> {
  const stream = await member.context.dial(serviceId, options);
  const over = drain(stream);
  stream.write(Buffer.from(text));
  stream.end();
  return (await over).text;
}
