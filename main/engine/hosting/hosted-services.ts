/** What an identity may host, handed to the hosting room with a way to bind it. */
import { defined } from '../../base/defined.ts';
import type { HostedBinding, HostedDial, HostedService } from '../../hosting/hosting.ts';
import type { Reason } from '../../base/reason.ts';
import type { Binding, IncomingDial, ZitiContext, ZitiService } from '../../ziti/model.ts';
import type { AnsweredServices } from './answered-services.ts';
import type { IdentityRunner } from '../identities/identity-runner.ts';

/** Services with the right to bind, of an identity at work; none while it is not. */
export function hostedServicesOf(
  runner: IdentityRunner,
  answered: Pick<AnsweredServices, 'of'>,
): readonly HostedService[] {
  const context = runner.context();
  const identity = context?.identity();
  if (context === undefined || identity === undefined) return [];
  return runner
    .services()
    .filter((service) => service.permissions.includes('Bind'))
    .map((service) => ({
      identity: runner.name,
      tunnelerName: identity.name,
      tunnelerAppData: identity.appData,
      serviceId: service.id,
      serviceName: service.name,
      encryptionRequired: service.encryptionRequired,
      configs: service.configs,
      ...defined({ answer: answered.of(service.name, runner.id) }),
      hostingDefaults: {
        defaultCost: identity.defaultHostingCost,
        defaultPrecedence: identity.defaultHostingPrecedence,
        ...defined({
          serviceCost: identity.serviceHostingCosts[service.id],
          servicePrecedence: identity.serviceHostingPrecedences[service.id],
        }),
      },
      bind: (options, onDial) => bind(context, service, options, onDial),
    }));
}

/** Runners' ids, by the names of the identities that may bind a service of this name now. */
export function bindersOf(
  service: string,
  identities: { all(): readonly IdentityRunner[] },
): ReadonlyMap<string, string> {
  const may = (runner: IdentityRunner): boolean =>
    runner.services().some(({ name, permissions }) => name === service && permissions.includes('Bind'));
  return new Map(
    identities
      .all()
      .filter(may)
      .map((runner) => [runner.name, runner.id]),
  );
}

async function bind(
  context: ZitiContext,
  service: ZitiService,
  options: Parameters<HostedService['bind']>[0],
  onDial: (dial: HostedDial) => void,
): Promise<HostedBinding> {
  const binding = await context.bind(service.id, options, (dial) => onDial(toHostedDial(dial, service)));
  return toHostedBinding(binding);
}

function toHostedDial(dial: IncomingDial, service: ZitiService): HostedDial {
  return {
    appData: dial.appData,
    caller: dial.caller,
    circuitId: dial.circuitId,
    routerName: dial.routerName,
    encrypted: service.encryptionRequired,
    accept: (kind) => dial.accept(kind),
    reject: (reason) => dial.reject(reason),
  };
}

function toHostedBinding(binding: Binding): HostedBinding {
  return {
    terminators: () => binding.terminators(),
    update: (change) => binding.update(change),
    onStopped: (listener) =>
      binding.events.subscribe((event) => {
        if (event.kind !== 'stopped') return;
        const reason: Reason = { code: event.error.code, sentence: event.error.message };
        listener(reason);
      }),
    onChanged: (listener) =>
      binding.events.subscribe((event) => {
        if (event.kind !== 'stopped') listener();
      }),
    [Symbol.asyncDispose]: () => binding[Symbol.asyncDispose](),
  };
}
