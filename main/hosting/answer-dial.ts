/** A dial that reached a hosted service, from its app data to two joined streams or a refusal that says why. */
import type { Clock } from '../base/clock.ts';
import { defined } from '../base/defined.ts';
import { toTunnelerError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ReasonCode } from '../base/reason-codes.ts';
import type { Reason } from '../base/reason.ts';
import type { ByteStream } from '../base/stream.ts';
import type { Askers } from '../sockets/ask-everybody.ts';
import { ftpDataField, ftpField } from '../peer/words.ts';
import { connectTarget } from './connect-target.ts';
import { decideTarget, parseAppData } from './dial-target.ts';
import type { AppData, DialTarget } from './dial-target.ts';
import type { ActiveData, FtpControl } from './ftp/active-data.ts';
import { ftpPort } from './ftp/control-lines.ts';
import type { HostTerminator } from './host-config.ts';
import type { AdmitHosted, HostedAdmission, HostedDial, HostedRequest, HostedService, TargetTls } from './hosting.ts';
import { serveResolver } from './resolver.ts';
import type { HostDns } from './resolver.ts';
import type { SerialLines } from './serial/serial-lines.ts';

/** Who decides on a dial, and how names are looked up. */
export interface AnswerDeps {
  readonly admit: AdmitHosted;
  readonly clock: Clock;
  readonly log: Log;
  readonly dns: HostDns;
  readonly serial: Pick<SerialLines, 'connect'>;
  readonly askers: Pick<Askers, 'ask'>;
  readonly ftp: Pick<ActiveData, 'control' | 'take' | 'refuse'>;
}

/** `connType` of the connection that carries DNS questions. Source: openziti/ziti tunnel/const.go. */
const resolverConnType = 'resolver';

/** Answer exactly once, by accept or reject. Never rejects. The target is connected first, so an accepted dial is a true one. */
export async function answerDial(
  dial: HostedDial,
  service: HostedService,
  config: HostTerminator,
  deps: AnswerDeps,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = deps.clock.monotonic();
  const refuse = (code: ReasonCode, sentence: string): void => {
    deps.log.info('hosting.refused', { service: service.serviceName, code, reason: sentence });
    dial.reject(sentence);
  };
  const parsed = parseAppData(dial.appData);
  if (parsed.kind === 'broken') return refuse('hosting.refused', parsed.sentence);
  if (parsed.values['connType'] === resolverConnType) return answerResolver(dial, config, deps, refuse);

  // Promise 2: a service that asks for encryption is never served in clear.
  if (service.encryptionRequired && !dial.encrypted) {
    return refuse('hosting.refused', 'the service requires end-to-end encryption, and the dialer offers none');
  }
  const decision = decideTarget(config, parsed.values);
  if (decision.kind === 'refused') return refuse('hosting.refused', decision.sentence);
  const { target } = decision;
  const owner = { serviceId: service.serviceId, caller: routersWord(dial) };
  const claim = parsed.values[ftpDataField];
  const ftp =
    claim === undefined && isFtp(target, config, service)
      ? deps.ftp.control(owner, parsed.values[ftpField] !== undefined)
      : undefined;
  const request = { ...requestOf(dial, service, target, parsed.values), ...defined({ ftp: ftp?.word }) };
  const admission = await admit(deps, request);
  if (admission.kind !== 'accept') {
    ftp?.[Symbol.dispose]();
    if (claim !== undefined) deps.ftp.refuse(claim, owner);
  }
  if (admission.kind === 'refuse') return refuse(admission.reason.code, admission.reason.sentence);

  if (admission.kind === 'answer') return answerItself(dial, admission, deps);

  const { answer } = service;
  const local = await orReason(() => {
    if (answer !== undefined) return answer.open(request, signal);
    if (claim !== undefined) return deps.ftp.take(claim, owner, signal);
    return connect(config, target, defined({ tls: admission.tls, ftp }), deps, signal, startedMs);
  });
  if ('code' in local) {
    ftp?.[Symbol.dispose]();
    admission.failed(local);
    return refuse(local.code, local.sentence);
  }
  join(dial, target, local, admission, deps);
}

function answerResolver(
  dial: HostedDial,
  config: HostTerminator,
  deps: AnswerDeps,
  refuse: (code: ReasonCode, sentence: string) => void,
): void {
  const allowed = config.address.forward ? config.address.allowed.addresses : [];
  if (!allowed.some(({ kind }) => kind !== 'prefix')) {
    return refuse('hosting.refused', 'this service resolves no names');
  }
  // As datagrams: one message a question, however the far side cuts its stream.
  serveResolver(dial.accept('datagram'), allowed, deps.dns, deps.log);
}

async function admit(deps: AnswerDeps, request: HostedRequest): Promise<HostedAdmission> {
  try {
    return await deps.admit(request);
  } catch (error) {
    // What cannot be decided is not served.
    const failure = toTunnelerError(error);
    deps.log.error('hosting.admit_failed', { service: request.serviceName, error: failure.message });
    return { kind: 'refuse', reason: { code: failure.code, sentence: 'the host could not decide on this dial' } };
  }
}

async function orReason(open: () => ByteStream | Promise<ByteStream>): Promise<ByteStream | Reason> {
  try {
    return await open();
  } catch (error) {
    const failure = toTunnelerError(error);
    return { code: failure.code, sentence: failure.message };
  }
}

function answerItself(
  dial: HostedDial,
  admission: Extract<HostedAdmission, { readonly kind: 'answer' }>,
  deps: AnswerDeps,
): void {
  try {
    admission.answer(dial.accept('stream'));
  } catch (error) {
    // The dialer gave up or its router went away meanwhile.
    deps.log.info('hosting.accept_failed', { code: toTunnelerError(error).code });
  }
}

/** As far as the router says who it is. */
function routersWord({ caller }: HostedDial): string | undefined {
  return caller.asserted ? (caller.id ?? caller.name) : undefined;
}

/** A server that is reached by this host's own address: it opens data connections to that. */
function isFtp(target: DialTarget, config: HostTerminator, service: HostedService): boolean {
  const straight = config.proxy === undefined && config.serial === undefined && service.answer === undefined;
  return straight && target.protocol === 'tcp' && target.port === ftpPort;
}

function connect(
  config: HostTerminator,
  target: DialTarget,
  over: { readonly tls?: TargetTls; readonly ftp?: FtpControl },
  deps: AnswerDeps,
  signal: AbortSignal,
  startedMs: number,
): Promise<ByteStream> {
  if (config.serial !== undefined) return deps.serial.connect(config.serial);
  return connectTarget({
    target,
    proxy: config.proxy,
    ...over,
    timeoutMs: Math.max(1, config.connectTimeoutMs - (deps.clock.monotonic() - startedMs)),
    clock: deps.clock,
    log: deps.log,
    askers: deps.askers,
    signal,
  });
}

function join(
  dial: HostedDial,
  target: DialTarget,
  local: ByteStream,
  admission: Extract<HostedAdmission, { readonly kind: 'accept' }>,
  deps: AnswerDeps,
): void {
  let remote: ByteStream;
  try {
    remote = dial.accept(target.protocol === 'udp' ? 'datagram' : 'stream');
  } catch (error) {
    // The dialer gave up or its router went away meanwhile.
    const failure = toTunnelerError(error);
    local.reset(failure);
    deps.log.info('hosting.accept_failed', { code: failure.code });
    admission.failed({ code: failure.code, sentence: failure.message });
    return;
  }
  admission.join(local, remote);
}

function requestOf(dial: HostedDial, service: HostedService, target: DialTarget, appData: AppData): HostedRequest {
  return {
    identity: service.identity,
    serviceId: service.serviceId,
    serviceName: service.serviceName,
    protocol: target.protocol,
    target: { host: target.host, port: target.port },
    caller: dial.caller,
    circuitId: dial.circuitId,
    routerName: dial.routerName,
    encrypted: dial.encrypted,
    appData,
    configs: service.configs,
  };
}
