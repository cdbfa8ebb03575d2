/** One hosted service: its config, its terminators and what is to be said of them. */
import { contractConfigType } from '../base/engagement.ts';
import { carriesFrames, frameConfigs } from '../base/frame-configs.ts';
import type { Reason } from '../base/reason.ts';
import { answeredHere, parseHostConfigs } from './host-config.ts';
import type { HostTerminator } from './host-config.ts';
import { describeSerial } from './serial/serial-settings.ts';
import type { HostedService, HostedState } from './hosting.ts';
import { Terminator } from './terminator.ts';
import type { TerminatorDeps } from './terminator.ts';
import { authorityHost } from '../base/ip.ts';

/** All that a binding depends on, as text: while it stays the same nothing is re-bound. */
export function fingerprintOf(service: HostedService): string {
  const { serviceId, serviceName, tunnelerName, tunnelerAppData, encryptionRequired, hostingDefaults } = service;
  return JSON.stringify([
    serviceId,
    serviceName,
    tunnelerName,
    tunnelerAppData,
    encryptionRequired,
    service.answer === undefined ? withoutContract(service.configs) : service.answer.id,
    hostingDefaults,
  ]);
}

/** A contract is read anew at each dial: another one is no reason to bind anew. */
function withoutContract(configs: HostedService['configs']): HostedService['configs'] {
  const { [contractConfigType]: _contract, ...rest } = configs;
  return rest;
}

/** One service while it is hosted; disposing unbinds it. */
export class HostedServiceRun implements AsyncDisposable {
  readonly fingerprint: string;
  #service: HostedService;
  readonly #terminators: readonly Terminator[];
  readonly #configs: readonly HostTerminator[];
  readonly #configProblem: Reason | undefined;

  constructor(service: HostedService, deps: TerminatorDeps) {
    this.#service = service;
    this.fingerprint = fingerprintOf(service);
    const parsed = service.answer === undefined ? parseHostConfigs(service.configs) : answeredHere;
    this.#configs = parsed?.terminators ?? [];
    this.#configProblem = problemOf(service, parsed?.problems, parsed?.terminators === undefined);
    this.#terminators = this.#configs.map((config) => new Terminator(service, config, deps));
  }

  /** The same service for the same identity, which goes by another name now. */
  rename(identity: string): void {
    this.refresh({ ...this.#service, identity });
  }

  refresh(service: HostedService): void {
    this.#service = service;
    for (const terminator of this.#terminators) terminator.refresh(service);
  }

  state(): HostedState {
    const { identity, serviceId, serviceName, answer } = this.#service;
    return {
      identity,
      serviceId,
      serviceName,
      terminators: this.#terminators.reduce((sum, terminator) => sum + terminator.terminators, 0),
      target: answer?.what ?? this.#configs.map(describe).join(', '),
      health: worst(this.#terminators.map(({ health }) => health)),
      problem: this.#terminators.find(({ problem }) => problem !== undefined)?.problem ?? this.#configProblem,
    };
  }

  targetHosts(): readonly string[] {
    if (this.#service.answer !== undefined) return [];
    return this.#configs.flatMap(({ address, serial }) =>
      address.forward || serial !== undefined ? [] : [address.value],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#terminators.map((terminator) => terminator[Symbol.asyncDispose]()));
  }
}

function problemOf(
  service: HostedService,
  problems: readonly string[] | undefined,
  refused: boolean,
): Reason | undefined {
  const next = 'Ask whoever keeps the service to mend its host config on the controller.';
  if (problems === undefined && carriesFrames(service.configs)) {
    return {
      code: 'hosting.layer2',
      sentence: `service ${service.serviceName} carries layer-2 frames (${frameConfigs.host}), which Culvert does not do`,
      next: "host it with OpenZiti's own tunneler, or give it a host config for the addresses behind it",
    };
  }
  if (problems === undefined) {
    return {
      code: 'hosting.config_invalid',
      sentence: `service ${service.serviceName} may be hosted here, but has no host config that says where it is`,
      next: 'give it a config of type host.v1 or host.v2 on the controller',
    };
  }
  if (problems.length === 0) return undefined;
  const said = problems.slice(0, 5).join('; ');
  return {
    code: 'hosting.config_invalid',
    sentence: `the host config of service ${service.serviceName} is ${refused ? 'broken' : 'not wholly understood'}: ${said}`,
    next,
  };
}

/** `tcp 127.0.0.1:8080`; `forwarded` where the dialer names the address. */
function describe(config: HostTerminator): string {
  if (config.address.forward) return 'forwarded';
  if (config.serial !== undefined) return describeSerial(config.serial);
  const protocol = config.protocol.forward ? config.protocol.allowed.protocols.join('/') : config.protocol.value;
  const host = authorityHost(config.address.value);
  return `${protocol} ${host}:${config.port.forward ? '*' : config.port.value}`;
}

function worst(healths: readonly HostedState['health'][]): HostedState['health'] {
  if (healths.includes('unhealthy')) return 'unhealthy';
  return healths.includes('healthy') ? 'healthy' : 'unchecked';
}
