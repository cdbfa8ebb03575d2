/** The desk: devices whose record is kept here, what is amiss with them, what happened over all of them, and cutting somebody off everywhere. */
import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react';
import type {
  FleetAlertView,
  FleetDeviceView,
  FleetOrderView,
  FleetRecordView,
} from '../../../main/api/record-views.ts';
import { Search } from '../../parts/Fields.tsx';
import { Icon } from '../../parts/Icon.tsx';
import { Button as AriaButton } from 'react-aria-components';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Empty, Section, SkeletonRows, Status, Tag, type Tone } from '../../parts/Pieces.tsx';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { useNow, useStores } from '../../store/hooks.tsx';
import { isTunnelerError } from '../../../main/base/errors.ts';
import { useText } from '../../text/text.ts';
import { routeTo, useRoute } from '../route.ts';
import { FleetRecords } from './FleetRecords.tsx';
import { Orders } from './Orders.tsx';
import { Questions } from './Questions.tsx';

interface Fleet {
  readonly devices: readonly FleetDeviceView[];
  readonly alerts: readonly FleetAlertView[];
  readonly orders: readonly FleetOrderView[];
  readonly records: readonly FleetRecordView[];
}

const shownRecords = 200;
const shownAlerts = 20;
/** The desk's own journal does not tell of what devices send: they are looked at this often while somebody watches. */
const lookMs = 2_000;
/** Of what the address may narrow the records to. */
const fleetFields = ['device', 'agent', 'service', 'identity', 'kind'] as const;
const command = 'culvert collect --service NAME';

export function FleetScreen(): ReactNode {
  const t = useText();
  const { route, narrow } = useRoute();
  const { fleet, load } = useFleet(route.query);
  if (fleet === 'none') {
    return (
      <>
        <ScreenHead title={t('fleet.title')} lead={t('fleet.noneLead')} />
        <Empty title={t('fleet.noneTitle')} text={t('fleet.noneText')} icon="fleet">
          <p>
            <code>{command}</code> <CopyButton text={command} what={t('gone.command')} />
          </p>
        </Empty>
      </>
    );
  }
  const connected = fleet?.devices.filter(({ state }) => state === 'connected').length ?? 0;
  return (
    <>
      <ScreenHead
        title={t('fleet.title')}
        lead={fleet === undefined ? ' ' : t('fleet.lead', { count: fleet.devices.length, connected })}
      >
        <Search label={t('fleet.search')} value={route.query['text'] ?? ''} onChange={(text) => narrow({ text })} />
      </ScreenHead>
      <div className="screen-body">
        {fleet === undefined ? (
          <SkeletonRows rows={6} heightPx={60} label={t('common.loading')} />
        ) : (
          <div className="screen-scroll stack">
            <div className="columns">
              <div className="card card-pad">
                <Alerts alerts={fleet.alerts} />
              </div>
              <div className="card card-pad">
                <Orders orders={fleet.orders} onChanged={load} />
              </div>
            </div>
            <div className="card card-pad">
              <Devices devices={fleet.devices} />
            </div>
            <div className="card card-pad">
              <Questions device={route.query['device']} orders={stampOf(fleet.orders)} />
            </div>
            <div className="chips" role="group" aria-label={t('audit.chips')} style={{ padding: 0 }}>
              {fleetFields.map((field) =>
                route.query[field] === undefined ? null : (
                  <AriaButton key={field} className="chip" onPress={() => narrow({ [field]: undefined })}>
                    <span className="quiet">{t(`fleet.field.${field}`)}</span> {route.query[field]}
                    <Icon name="close" size={12} />
                  </AriaButton>
                ),
              )}
            </div>
            <FleetRecords records={fleet.records} onOrdered={load} />
          </div>
        )}
      </div>
    </>
  );
}

/** Who has carried out which order. */
const stampOf = (orders: readonly FleetOrderView[]): string =>
  JSON.stringify(orders.map(({ id, devices }) => [id, devices.map(({ device, state }) => [device, state])]));

function useFleet(query: Readonly<Record<string, string>>): {
  readonly fleet: Fleet | 'none' | undefined;
  readonly load: () => Promise<void>;
} {
  const { engine } = useStores();
  const [fleet, setFleet] = useState<Fleet | 'none'>();
  /** What was searched for, and among how many records: the same again has the same answer. */
  const searched = useRef<string>(undefined);
  const wanted = JSON.stringify(
    Object.fromEntries(
      [...fleetFields, 'text'].flatMap((field) => (query[field] === undefined ? [] : [[field, query[field]]])),
    ),
  );
  const look = useCallback(async (): Promise<boolean> => {
    try {
      const calls = engine.client.fleet;
      const [devices, alerts, orders] = await Promise.all([
        calls.devices(),
        calls.alerts({ limit: shownAlerts }),
        calls.orders(),
      ]);
      const search = JSON.stringify([wanted, devices.map(({ origin, records }) => [origin, records])]);
      if (searched.current === search) {
        setFleet((before) => (typeof before === 'object' ? { ...before, devices, alerts, orders } : before));
        return true;
      }
      searched.current = search;
      const records = await calls.search({ ...(JSON.parse(wanted) as Record<string, string>), limit: shownRecords });
      // Another search may have begun meanwhile.
      if (searched.current === search) setFleet({ devices, alerts, orders, records });
      return true;
    } catch (error) {
      searched.current = undefined;
      if (isTunnelerError(error, 'fleet.not_collecting')) {
        setFleet('none');
        return false;
      }
      // Else the link banner tells of a lost engine, and what was seen stays.
      return true;
    }
  }, [engine, wanted]);
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async (): Promise<void> => {
      const goesOn = await look();
      if (goesOn && !over) timer = setTimeout(() => void turn(), lookMs);
    };
    void turn();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [look]);
  const load = useCallback(() => look().then(() => undefined), [look]);
  return { fleet, load };
}

const tones: Readonly<Record<FleetDeviceView['state'], Tone>> = { connected: 'live', away: 'off', silent: 'bad' };

function Devices({ devices }: { devices: readonly FleetDeviceView[] }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  return (
    <Section title={t('fleet.devices')}>
      <div className="wide-content" tabIndex={0} role="region" aria-label={t('fleet.devices')}>
        <table className="figures">
          <thead>
            <tr>
              <th scope="col">{t('fleet.field.device')}</th>
              <th scope="col" data-kind="text">
                {t('fleet.state')}
              </th>
              <th scope="col">{t('fleet.records')}</th>
              <th scope="col">{t('fleet.branches')}</th>
              <th scope="col">{t('fleet.clock')}</th>
              <th scope="col">{t('fleet.seen')}</th>
            </tr>
          </thead>
          <tbody>
            {devices.map((device) => (
              <tr key={device.origin}>
                <th scope="row">
                  <a href={routeTo('fleet', undefined, { device: device.name })}>{device.name}</a>{' '}
                  {device.asserted === 'nobody' ? <Tag tone="warn">{t('fleet.unasserted')}</Tag> : null}
                </th>
                <td data-kind="text">
                  <Status tone={tones[device.state]}>{t(`fleet.state.${device.state}`)}</Status>
                </td>
                <td>{t.format.number(device.records)}</td>
                <td data-tone={device.branches > 1 ? 'bad' : undefined}>{t.format.number(device.branches)}</td>
                <td>{`${t.format.number(device.clockOffsetMs)} ms`}</td>
                <td>{t.format.relative(device.lastSeenAt, nowMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function Alerts({ alerts }: { alerts: readonly FleetAlertView[] }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  return (
    <Section title={t('fleet.alerts')}>
      {alerts.length === 0 ? <p className="quiet">{t('fleet.noAlerts')}</p> : null}
      <ul className="line-list" aria-label={t('fleet.alerts')}>
        {alerts.map((alert) => (
          <li key={alert.id} className="call">
            <Tag tone={alert.kind === 'back' ? 'ok' : 'bad'}>{t(`fleet.alert.${alert.kind}`)}</Tag>
            <div className="wrap-any">
              <a href={routeTo('fleet', undefined, { device: alert.device })}>{alert.device}</a>{' '}
              <span className="quiet">{t.reason({ sentence: alert.text }, { device: alert.device }).sentence}</span>
            </div>
            <span className="quiet small">{t.format.relative(alert.at, nowMs)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
