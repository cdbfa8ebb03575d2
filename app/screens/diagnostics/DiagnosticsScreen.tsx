/** How the engine stands on this host: mode, DNS, routes, routers, log level, and a bundle for those who help. */
import { useState, type ReactNode } from 'react';
import type { DnsView, ErrorView, RouteView, RouterView, StatusView } from '../../../main/api/views.ts';
import { Button } from '../../parts/Button.tsx';
import { CopyButton } from '../../parts/CopyButton.tsx';
import { Facts, Notice, ReasonLines, SkeletonRows, Status, type Tone } from '../../parts/Pieces.tsx';
import { useAction, useEngine, useNow } from '../../store/hooks.tsx';
import { selectDns, selectRouters, selectStatus } from '../../store/selectors.ts';
import { textOr, useText, type Text } from '../../text/text.ts';
import { ScreenHead } from '../../parts/ScreenHead.tsx';
import { BundleDialog } from './BundleDialog.tsx';
import { DoctorCard } from './DoctorCard.tsx';
import { Latency } from './Latency.tsx';
import { LogLevel } from './LogLevel.tsx';

const dnsTones: Readonly<Record<DnsView['state'], Tone>> = { active: 'ok', off: 'off', failed: 'bad' };
const routerTones: Readonly<Record<RouterView['state'], Tone>> = {
  connected: 'ok',
  connecting: 'warn',
  disconnected: 'bad',
};

export function DiagnosticsScreen(): ReactNode {
  const t = useText();
  const status = useEngine(selectStatus);
  const dns = useEngine(selectDns);
  const routers = useEngine(selectRouters);
  const [bundling, setBundling] = useState(false);
  return (
    <>
      <ScreenHead title={t('diagnostics.title')} lead={status === undefined ? ' ' : modeText(status, t)}>
        <Button icon="download" onPress={() => setBundling(true)}>
          {t('bundle.make')}
        </Button>
      </ScreenHead>
      <div className="screen-body">
        {status === undefined || dns === undefined ? (
          <SkeletonRows rows={6} heightPx={64} label={t('common.loading')} />
        ) : (
          <div className="screen-scroll stack">
            {status.warnings.map((warning) => (
              <Notice key={warning.code} tone="warn">
                <ReasonLines reason={t.reason(warning)} />
              </Notice>
            ))}
            <DoctorCard />
            <div className="columns">
              <Card title={t('diagnostics.engine')}>
                <EngineFacts status={status} />
                <LogLevel />
              </Card>
              <Card
                title={t('diagnostics.dns')}
                aside={<Status tone={dnsTones[dns.state]}>{t(`dns.state.${dns.state}`)}</Status>}
              >
                <DnsFacts dns={dns} />
              </Card>
            </div>
            <Card title={t('diagnostics.routers')}>
              <Routers routers={routers ?? []} />
            </Card>
            <div className="columns">
              <Card title={t('diagnostics.names')}>
                <Names dns={dns} />
              </Card>
              <Card title={t('diagnostics.routes')}>
                <Routes status={status} />
              </Card>
            </div>
          </div>
        )}
      </div>
      {bundling ? <BundleDialog onClose={() => setBundling(false)} /> : null}
    </>
  );
}

function modeText({ modeCode, modeReason }: StatusView, t: Text): string {
  return t.reason({ code: modeCode, sentence: modeReason }).sentence;
}

function errorText({ code, message, details }: ErrorView, t: Text): string {
  return t.reason({ code, sentence: message, details }).sentence;
}

function routeReason(reason: RouteView['reason'], t: Text): string {
  return textOr(t, `diagnostics.routeReason.${reason}`, reason);
}

function Card({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }): ReactNode {
  return (
    <section className="card card-pad stack">
      <h2 className="section-title">
        {title}
        <span style={{ marginLeft: 'auto', fontWeight: 400 }}>{aside}</span>
      </h2>
      {children}
    </section>
  );
}

function EngineFacts({ status }: { status: StatusView }): ReactNode {
  const t = useText();
  const nowMs = useNow();
  return (
    <Facts
      items={[
        [t('diagnostics.mode'), t(`mode.${status.mode}`)],
        [t('diagnostics.version'), status.version],
        [t('diagnostics.running'), t.format.span(nowMs - Date.parse(status.startedAt))],
        [t('diagnostics.pid'), status.pid],
        [
          t('diagnostics.proxy'),
          status.proxy === undefined ? undefined : (
            <span className="copyable">
              <span className="mono">{status.proxy.listen}</span>
              <CopyButton text={status.proxy.listen} what={t('diagnostics.proxy')} />
            </span>
          ),
        ],
        [
          t('diagnostics.tun'),
          status.tun === undefined ? undefined : (
            <span className="mono">{`${status.tun.name} ${status.tun.address}`}</span>
          ),
        ],
        [
          t('diagnostics.range'),
          status.tun === undefined ? undefined : <span className="mono">{status.tun.range}</span>,
        ],
        [t('diagnostics.sessions'), t('diagnostics.sessionFacts', status.sessions)],
      ]}
    />
  );
}

function DnsFacts({ dns }: { dns: DnsView }): ReactNode {
  const t = useText();
  return (
    <>
      {dns.reason === undefined ? null : (
        <Notice tone="warn">
          <ReasonLines reason={t.reason(dns.reason)} />
        </Notice>
      )}
      <Facts
        items={[
          [t('dns.backend'), dns.backend],
          [t('dns.server'), dns.server === undefined ? undefined : <span className="mono">{dns.server}</span>],
          [
            t('dns.upstreams'),
            dns.upstreams.length === 0 ? undefined : <span className="mono">{dns.upstreams.join(', ')}</span>,
          ],
          [t('dns.names'), t.format.number(dns.names.length)],
          [t('dns.answered'), dns.queries === undefined ? undefined : t.format.number(dns.queries.answered)],
          [t('dns.forwarded'), dns.queries === undefined ? undefined : t.format.number(dns.queries.forwarded)],
          [t('dns.refused'), dns.queries === undefined ? undefined : t.format.number(dns.queries.refused)],
        ]}
      />
    </>
  );
}

function Routers({ routers }: { routers: readonly RouterView[] }): ReactNode {
  const t = useText();
  if (routers.length === 0) return <p className="quiet">{t('diagnostics.noRouters')}</p>;
  return (
    <ul className="line-list">
      {routers.map((router) => (
        <li key={`${router.identity}/${router.name}`} className="router">
          <Status tone={routerTones[router.state]}>
            <span style={{ fontWeight: 540 }}>{router.name}</span>
          </Status>
          <span className="quiet clip">{router.identity}</span>
          <span className="quiet clip mono">
            {router.error === undefined ? router.address : errorText(router.error, t)}
          </span>
          <Latency router={`${router.identity}/${router.name}`} />
          <span style={{ textAlign: 'right' }}>
            {router.latencyMs === undefined
              ? t(`router.state.${router.state}`)
              : `${t.format.number(router.latencyMs)} ms`}
          </span>
        </li>
      ))}
    </ul>
  );
}

const shownNames = 200;

function Names({ dns }: { dns: DnsView }): ReactNode {
  const t = useText();
  const act = useAction();
  const [all, setAll] = useState<DnsView>();
  const names = all?.names ?? dns.names;
  if (names.length === 0) return <p className="quiet">{t('dns.noNames')}</p>;
  return (
    <>
      <ul className="line-list names">
        {names.slice(0, shownNames).map((entry, index) => (
          <li key={`${entry.name}/${index}`}>
            <span className="mono clip">{entry.name}</span>
            <span className="quiet mono clip">{entry.addresses.join(', ')}</span>
          </li>
        ))}
      </ul>
      <div className="section-title">
        {names.length > shownNames ? (
          <span className="quiet">{t('dns.moreNames', { more: names.length - shownNames })}</span>
        ) : null}
        <Button size="small" icon="refresh" onPress={() => void act((client) => client.dns.status()).then(setAll)}>
          {t('common.refresh')}
        </Button>
      </div>
    </>
  );
}

function Routes({ status }: { status: StatusView }): ReactNode {
  const t = useText();
  if (status.routes.length === 0) return <p className="quiet">{t('diagnostics.noRoutes')}</p>;
  return (
    <ul className="line-list names">
      {status.routes.map((route) => (
        <li key={`${route.prefix}/${route.device}`}>
          <span className="mono clip">{route.prefix}</span>
          <span className="quiet clip">
            {t('diagnostics.route', { device: route.device, reason: routeReason(route.reason, t) })}
          </span>
        </li>
      ))}
    </ul>
  );
}
