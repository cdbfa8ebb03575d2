/** Dialling as the identity a match names, and what the engine remembers of it. */
import { randomBytes } from 'node:crypto';
import type { App } from '../../apps/app.ts';
import type { Clock } from '../../base/clock.ts';
import { defined } from '../../base/defined.ts';
import { isTunnelerError, TunnelerError } from '../../base/errors.ts';
import type { FlowRequest } from '../../base/flow.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Match } from '../../intercept/match.ts';
import { GreetedStream, type GreetingListener } from '../../peer/greeted-stream.ts';
import {
  breakGlassField,
  callerText,
  dialGuardField,
  engagementField,
  ftpDataField,
  ftpField,
  helloField,
  mfaAgeField,
  type CallerProof,
  type HostWords,
} from '../../peer/words.ts';
import type { DialOptions, ZitiStream } from '../../ziti/model.ts';
import { mayBeFtp } from './active-ftp.ts';
import type { BreakGlass } from './break-glass.ts';
import type { RecentUse } from './facts.ts';
import type { Identities } from '../identities/identities.ts';
import type { Terminators } from '../identities/terminators.ts';

/** A dialled stream, and what its host says of itself where it is Culvert. */
export interface DialledStream {
  readonly stream: ByteStream;
  readonly routerName: string;
  readonly encrypted: boolean;
  onGreeting(listener: GreetingListener): void;
  /** See {@link GreetedStream.greeting}. */
  greeting(withinMs: number): Promise<HostWords | undefined>;
}

/** What this end holds a session to, as the host is told. */
export interface HeldBy {
  readonly guard?: string;
  /** Id of the engagement between both. */
  readonly engagement?: string;
}

/** The identities to dial as, and what is remembered of dials. */
export interface DialingDeps {
  readonly clock: Clock;
  readonly identities: Identities;
  readonly recentDials: RecentUse;
  readonly terminators: Pick<Terminators, 'note'>;
  readonly breakGlass: Pick<BreakGlass, 'reasonFor'>;
}

/** Dials for admission and for the engine's own questions. */
export class Dialing {
  readonly #deps: DialingDeps;

  constructor(deps: DialingDeps) {
    this.#deps = deps;
  }

  /** Throws `ziti.*`, and `identity.*` where the identity does not work. */
  async dial(match: Match, flow: FlowRequest, app: App, held: HeldBy, signal: AbortSignal): Promise<DialledStream> {
    this.#deps.recentDials.note(app);
    const { guard, engagement } = held;
    const words = {
      ...match.appData,
      ...attribution(app),
      ...defined({
        [dialGuardField]: guard,
        [engagementField]: engagement,
        [ftpField]: mayBeFtp(flow) ? '1' : undefined,
        [ftpDataField]: flow.ftpData,
        [breakGlassField]: this.#deps.breakGlass.reasonFor(match.service.name, app),
      }),
    };
    try {
      return await this.#greeted(match.identity, match.service.id, words, {
        signal,
        timeoutMs: match.dialTimeoutMs,
        kind: flow.protocol === 'udp' ? 'datagram' : 'stream',
        ...defined({ terminatorIdentity: match.terminatorIdentity }),
      });
    } catch (error) {
      if (isTunnelerError(error, 'ziti.dial.no_terminator')) this.#note(match, 'nobody');
      throw error;
    }
  }

  /** A dial of the engine's own, as this identity, to a host that is to know who asks. Throws as {@link dial}. */
  dialAs(
    identity: string,
    serviceId: string,
    words: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<DialledStream> {
    return this.#greeted(identity, serviceId, words, { signal });
  }

  /** For the engine's own questions to a hosting side: any identity that may dial the service. Throws as {@link dial}. */
  async dialByName(service: string, appData: Uint8Array, signal: AbortSignal): Promise<ZitiStream> {
    for (const runner of this.#deps.identities.all()) {
      const found = runner.services().find(({ name, permissions }) => name === service && permissions.includes('Dial'));
      const context = runner.context();
      if (found !== undefined && context !== undefined) return context.dial(found.id, { appData, signal });
    }
    throw new TunnelerError('ziti.dial.service_unknown', `no identity here may dial ${service}`);
  }

  /** Some identity here may dial a service of this name. */
  isKnown(service: string): boolean {
    return this.#deps.identities
      .all()
      .some((runner) =>
        runner.services().some(({ name, permissions }) => name === service && permissions.includes('Dial')),
      );
  }

  note(match: Match, outcome: 'open' | 'failed'): void {
    if (outcome === 'open') this.#note(match, 'somebody');
  }

  /** See {@link ZitiContext.confirmServices}. */
  async confirm(match: Match): Promise<void> {
    await this.#deps.identities.follow(match.identity)?.context()?.confirmServices();
  }

  /** See {@link AdmissionDeps.current}. */
  current(match: Match): Match {
    const services = this.#deps.identities.follow(match.identity)?.services() ?? [];
    const service = services.find(({ id }) => id === match.service.id) ?? { ...match.service, permissions: [] };
    return service === match.service ? match : { ...match, service };
  }

  /** Dialled with a mark of our own, so that a host that is Culvert greets us, and may ask who we are. */
  async #greeted(
    identity: string,
    serviceId: string,
    words: Readonly<Record<string, unknown>>,
    options: Omit<DialOptions, 'appData'>,
  ): Promise<DialledStream> {
    const { clock, identities } = this.#deps;
    const name = identities.nameOf(identity);
    const context = identities.context(name);
    const mark = randomBytes(16).toString('hex');
    const mfaAt = identities.find(name)?.facts()?.mfaVerifiedAtMs;
    const hello = {
      [helloField]: mark,
      ...(mfaAt === undefined ? {} : { [mfaAgeField]: String(Math.max(0, Math.ceil((clock.now() - mfaAt) / 1000))) }),
    };
    const stream = await context.dial(serviceId, {
      ...options,
      appData: Buffer.from(JSON.stringify({ ...words, ...hello })),
    });
    return greeted(stream, mark, clock, async (challenge) => {
      const signer = await identities.find(identities.nameOf(identity))?.signer();
      return signer?.prove(callerText(serviceId, stream.circuitId, challenge));
    });
  }

  #note({ identity, service, terminatorIdentity }: Match, found: 'somebody' | 'nobody'): void {
    this.#deps.terminators.note([this.#deps.identities.nameOf(identity), service.id, terminatorIdentity], found);
  }
}

function greeted(
  dialled: ZitiStream,
  mark: string,
  clock: Clock,
  prove: (challenge: string) => Promise<CallerProof | undefined>,
): DialledStream {
  const stream = new GreetedStream(dialled, { clock, mark: Buffer.from(mark, 'hex'), prove });
  const { routerName, encrypted } = dialled;
  return {
    stream,
    routerName,
    encrypted,
    onGreeting: (listener) => stream.onGreeting(listener),
    greeting: (withinMs) => stream.greeting(withinMs),
  };
}

/** Who asks, for the hosting side: more string fields beside the peers' own, which ignore what they do not know. */
function attribution({ agent, path, script, user, attribution: sureness }: App): Readonly<Record<string, string>> {
  return defined({
    culvert_agent: agent,
    culvert_app: path && (script ?? path),
    culvert_user: user,
    culvert_attribution: sureness === 'unknown' ? undefined : sureness,
  });
}
