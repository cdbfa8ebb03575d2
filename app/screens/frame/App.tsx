/** The whole window: theme and language applied, the rail, the screen the address names. */
import { useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from 'react';
import { I18nProvider } from 'react-aria-components';
import { ToastList } from '../../parts/ToastList.tsx';
import { useEngine, useLink, usePreferences, useStores } from '../../store/hooks.tsx';
import { selectAgents, selectIdentities } from '../../store/selectors.ts';
import { chooseLocale, createText, TextContext, useText } from '../../text/text.ts';
import { AgentPage } from '../agents/AgentPage.tsx';
import { AgentsScreen } from '../agents/AgentsScreen.tsx';
import { ApprovalsScreen } from '../approvals/ApprovalsScreen.tsx';
import { AuditScreen } from '../audit/AuditScreen.tsx';
import { DiagnosticsScreen } from '../diagnostics/DiagnosticsScreen.tsx';
import { EnrolScreen } from '../enrol/EnrolScreen.tsx';
import { IdentitiesScreen } from '../identities/IdentitiesScreen.tsx';
import { FleetScreen } from '../fleet/FleetScreen.tsx';
import { MapScreen } from '../map/MapScreen.tsx';
import { ModelsScreen } from '../models/ModelsScreen.tsx';
import { PolicyScreen } from '../policy/PolicyScreen.tsx';
import { RecordingsScreen } from '../recordings/RecordingsScreen.tsx';
import { routeTo, useRoute, type ScreenName } from '../route.ts';
import { ServicesScreen } from '../services/ServicesScreen.tsx';
import { SessionsScreen } from '../sessions/SessionsScreen.tsx';
import { SettingsScreen } from '../settings/SettingsScreen.tsx';
import { AlertToasts } from './AlertToasts.tsx';
import { ApprovalToasts } from './ApprovalToasts.tsx';
import { Arrivals } from './Arrivals.tsx';
import { LinkBanner, NoEngine } from './LinkState.tsx';
import { Rail } from './Rail.tsx';
import { Shortcuts } from './Shortcuts.tsx';

export function App(): ReactNode {
  const preferences = usePreferences();
  const languages = useSyncExternalStore(onLanguages, () => navigator.languages.join());
  const locale = chooseLocale(preferences.locale, languages.split(','));
  const text = useMemo(() => createText(locale), [locale]);
  useTheme(preferences.theme, preferences.motion);
  useEffect(() => {
    document.documentElement.lang = locale;
  }, [locale]);
  return (
    <I18nProvider locale={locale}>
      <TextContext value={text}>
        <Frame />
      </TextContext>
    </I18nProvider>
  );
}

/** The browser's languages may be chosen anew while the window is open. */
function onLanguages(listener: () => void): () => void {
  window.addEventListener('languagechange', listener);
  return () => window.removeEventListener('languagechange', listener);
}

function Frame(): ReactNode {
  const t = useText();
  const { toasts, filters } = useStores();
  const link = useLink();
  const { route } = useRoute();
  const identities = useEngine(selectIdentities);
  const none = identities?.length === 0;
  useEffect(() => filters.remember(route.screen, route.query), [filters, route]);
  useEffect(() => {
    const place = t(`nav.${route.screen}`);
    document.title = `${route.item === undefined ? place : `${route.item} – ${place}`} – ${t('app.name')}`;
  }, [route, t]);
  useEffect(() => {
    // a first start has no place of its own yet; who went somewhere by hand stays there
    if (none && window.location.hash === '') window.location.replace(routeTo('enrol'));
  }, [none]);
  if (identities === undefined && link.phase !== 'connecting') return <NoEngine link={link} />;
  return (
    <div className="frame">
      <Rail screen={route.screen} />
      <main className="screen" id="screen" aria-busy={identities === undefined}>
        <Screen name={route.screen} item={route.item} />
        <LinkBanner link={link} />
      </main>
      <AlertToasts />
      <ApprovalToasts />
      <Shortcuts />
      <Arrivals />
      <ToastList toasts={toasts} />
    </div>
  );
}

function Screen({ name, item }: { name: ScreenName; item: string | undefined }): ReactNode {
  switch (name) {
    case 'sessions':
      return <SessionsScreen openId={item} />;
    case 'services':
      return <ServicesScreen openKey={item} />;
    case 'map':
      return <MapScreen />;
    case 'identities':
      return <IdentitiesScreen openName={item} />;
    case 'agents':
      return <Agents name={item} />;
    case 'approvals':
      return <ApprovalsScreen />;
    case 'models':
      return <ModelsScreen />;
    case 'recordings':
      return <RecordingsScreen openSession={item} />;
    case 'fleet':
      return <FleetScreen />;
    case 'policy':
      return <PolicyScreen tab={item} />;
    case 'audit':
      return <AuditScreen />;
    case 'diagnostics':
      return <DiagnosticsScreen />;
    case 'settings':
      return <SettingsScreen />;
    case 'enrol':
      return <EnrolScreen />;
  }
}

/** An agent's page; the list where none is named, or none is called so. */
function Agents({ name }: { name: string | undefined }): ReactNode {
  const agent = useEngine(selectAgents)?.find((one) => one.name === name);
  return agent === undefined ? <AgentsScreen /> : <AgentPage key={agent.name} agent={agent} />;
}

function useTheme(theme: 'system' | 'light' | 'dark', motion: 'system' | 'reduced' | 'full'): void {
  const [systemDark, setSystemDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const onChange = (): void => setSystemDark(query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, []);
  useEffect(() => {
    const root = document.documentElement;
    root.dataset['theme'] = theme === 'system' ? (systemDark ? 'dark' : 'light') : theme;
    root.dataset['motion'] = motion;
    root.dispatchEvent(new Event('themechange'));
  }, [theme, motion, systemDark]);
}
