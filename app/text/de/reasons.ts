/**
 * The engine's reasons and errors in German, by code. `{name}` stands for a detail that came with the reason or for what the row is about;
 * where one is missing, the engine's own sentence is shown.
 */
import type { ReasonWords } from '../reasons.ts';
import { errorReasonsDe } from './reasons-errors.ts';
import { sessionReasonsDe } from './reasons-sessions.ts';

const askDialPolicy = 'Bitten Sie um eine Dial-Richtlinie am Controller.';
const askRouterPolicy = 'Die Diagnose zeigt die Router; sonst um eine Edge-Router-Richtlinie bitten.';
const meetCheck = 'Erfüllen Sie die Prüfung und versuchen Sie es erneut.';
const enterCode = 'Geben Sie einen Code aus Ihrem Authenticator ein.';
const startHost = 'Starten Sie, was ihn anbietet, oder fragen Sie den Betreiber.';

export const reasonsDe: ReasonWords = {
  ...errorReasonsDe,
  ...sessionReasonsDe,
  // Dialling
  'ziti.dial.no_terminator': { sentence: 'Niemand bietet {service} gerade an.', next: startHost },
  'ziti.dial.no_terminator_named': {
    sentence: 'Niemand bietet {service} gerade als {terminatorIdentity} an.',
    next: 'Prüfen Sie, ob das Genannte läuft und unter diesem Namen angeboten wird.',
  },
  'ziti.dial.refused': {
    sentence: 'Der Anbieter von {service} hat die Verbindung abgelehnt.',
    next: 'Prüfen Sie, ob die Anwendung dahinter läuft.',
  },
  'ziti.dial.refused_approval': {
    sentence: 'Der Anbieter von {service} hat die Verbindung abgelehnt; vielleicht fehlt die Freigabe durch {by}.',
    next: 'Bitten Sie um die Freigabe und versuchen Sie es noch einmal; sonst prüfen Sie, ob die Anwendung dahinter läuft.',
  },
  'ziti.dial.refused_grant': {
    sentence: 'Der Anbieter von {service} hat die Verbindung abgelehnt; vielleicht ist die gewährte Zeit um.',
    next: 'Fragen Sie, wem der Dienst gehört; sonst prüfen Sie, ob die Anwendung dahinter läuft.',
  },
  'ziti.dial.access_denied': { sentence: '{identity} darf {service} nicht erreichen.', next: askDialPolicy },
  'ziti.dial.service_unknown': { sentence: '{identity} kennt {service} nicht mehr.', next: askDialPolicy },
  'ziti.dial.posture_failed': {
    sentence: 'Dieses Gerät erfüllt eine Prüfung von {service} nicht: {checks}.',
    next: meetCheck,
  },
  'ziti.controller.posture_failed': {
    sentence: 'Dieses Gerät erfüllt eine Prüfung von {service} nicht.',
    next: meetCheck,
  },
  'ziti.dial.timeout': { sentence: 'Der Anbieter von {service} hat nicht rechtzeitig geantwortet.' },
  'ziti.dial.no_router': { sentence: '{identity} erreicht keinen Edge-Router.', next: askRouterPolicy },
  'ziti.controller.no_edge_routers': {
    sentence: '{identity} bekommt keinen Edge-Router für {service}.',
    next: 'Bitten Sie um eine Edge-Router-Richtlinie am Controller.',
  },
  'ziti.dial.encryption_missing': {
    sentence: '{service} verlangt Verschlüsselung, und der Anbieter kann keine; im Klartext wird nie gesendet.',
    next: 'Aktualisieren Sie, was ihn anbietet.',
  },
  'policy.allowed': { sentence: '{identity} darf {service} erreichen; Prüfungen und Vertrag stimmen zu.' },
  'permission.dial': {
    sentence: '{identity} darf {service} nicht erreichen.',
    next: 'Eine Dial-Richtlinie am Controller muss diese Identität nennen.',
  },
  'posture.failed': { sentence: '{service} verlangt, was dieses Gerät nicht erfüllt: {checks}.', next: meetCheck },
  'posture.mfa_to_dial': {
    sentence: 'Um {service} zu erreichen, ist ein Code des zweiten Faktors nötig.',
    next: 'Geben Sie den Code bei {identity} ein.',
  },
  'posture.mfa_to_host': {
    sentence: 'Um {service} anzubieten, ist ein Code des zweiten Faktors nötig.',
    next: 'Geben Sie den Code bei {identity} ein.',
  },
  'policy.quarantined': {
    sentence: '{subject} ist in Quarantäne: {cause}.',
    next: 'Geben Sie frei, sobald die Ursache geklärt ist.',
  },
  'contract.invalid': {
    sentence: 'Der Vertrag von {service} wird nicht verstanden: {sentence}',
    next: 'Der Vertrag muss berichtigt werden; bis dahin wird unter ihm nichts verbunden.',
  },
  'policy.contract.apps': {
    sentence: 'Der Vertrag von {service} lässt dieses Programm nicht zu.',
    next: 'Verwenden Sie ein Programm, das der Vertrag erlaubt.',
  },
  'policy.contract.schedule': {
    sentence: 'Nach dem Vertrag von {service} ist gerade geschlossen.',
    next: 'Kommen Sie innerhalb der vereinbarten Zeiten wieder.',
  },
  'policy.contract.maxSessions': {
    sentence: 'Der Vertrag von {service} lässt keine weitere Sitzung zu.',
    next: 'Schließen Sie zuerst eine.',
  },
  'policy.contract.requireMfaWithinSeconds': {
    sentence: 'Der Vertrag von {service} verlangt einen frischen Code.',
    next: enterCode,
  },
  'policy.contract.grantSeconds': {
    sentence: 'Die Zeit, die der Vertrag von {service} gewährt, ist um.',
    next: 'Fragen Sie, wem der Dienst gehört; dort wird sie neu gewährt.',
  },
  'policy.contract.approval': {
    sentence: 'Der Vertrag von {service} verlangt eine Freigabe durch {by}; sie wird jetzt erfragt.',
    next: 'Versuchen Sie es nach der Freigabe noch einmal.',
  },
  'policy.local.unreadable': {
    sentence: 'Die lokalen Regeln sind nicht lesbar, darum ist nichts erlaubt.',
    next: 'Berichtigen Sie sie und laden Sie neu.',
  },
  'policy.local.not_permitted': { sentence: 'Lokale Regeln erlauben dies anderen, aber nicht hier.' },
  'policy.local.forbidden': { sentence: 'Eine lokale Regel verbietet es: {sentence}' },
  'policy.local.failed': {
    sentence: 'Eine lokale Regel ließ sich nicht auswerten, darum wird abgelehnt.',
    next: 'Berichtigen Sie die Regel.',
  },
  'policy.local.unjudged': {
    sentence: 'Der Aufruf hat zu viele oder zu lange Argumente für lokale Regeln, die sie ansehen.',
    next: 'Lassen Sie die Regeln das Werkzeug und die Datenklassen ansehen.',
  },
  'policy.agent.unbound': {
    sentence: 'Dieses Programm ist an keine Identität gebunden.',
    next: 'Binden Sie es unter agents: in culvert.yaml an eine Identität.',
  },
  'policy.agent.uncertain': { sentence: 'Es ist nicht sicher, welches Programm fragt, darum wird abgelehnt.' },
  'policy.agent.no_reach': {
    sentence: 'Die Identität dieses Programms darf dorthin nicht.',
    next: 'Geben Sie ihr den Dienst am Controller frei.',
  },
  'policy.app.unknown': {
    sentence: 'Es ist nicht bekannt, welches Programm fragt.',
    next: 'Starten Sie es auf diesem Gerät, oder setzen Sie policy.onUnknownApp: open.',
  },
  'agent.unknown': {
    sentence: 'Einen Agenten dieses Namens gibt es nicht.',
    next: 'Nennen Sie ihn in den Einstellungen unter agents.',
  },
  'agent.not_apart': { sentence: 'Dieser Agent lässt sich hier nicht für sich starten.' },
  'agent.key_unknown': {
    sentence: 'Einen solchen Schlüssel für Modelle gibt es hier nicht.',
    next: '„culvert llm keys list“ nennt die vorhandenen.',
  },
  'sandbox.unavailable': { sentence: 'Auf diesem Gerät lässt sich kein Programm abschotten.' },
  'sandbox.failed': { sentence: 'Das Programm konnte nicht abgeschottet gestartet werden.' },
  'policy.agent.drift': { sentence: 'Das Programm des Agenten ist nicht mehr das, was die Bindung nennt.' },
  'policy.identity.not_yours': {
    sentence: 'Keine Identität, die diesem Benutzer oder Programm dient, darf dorthin.',
    next: 'Nehmen Sie eine Identität für diesen Benutzer oder dieses Programm auf.',
  },
  'intercept.no_match': {
    sentence: 'Kein Dienst Ihrer Identitäten beansprucht {destination}.',
    next: 'Prüfen Sie Namen und Port; die Dienste zeigen, was Sie erreichen dürfen.',
  },
  'intercept.config_invalid': {
    sentence: 'Die Konfiguration von {service} wird nicht ganz verstanden: {sentence}',
    next: 'Wer den Dienst betreut, muss sie am Controller berichtigen.',
  },
  'intercept.reach_unknown': {
    sentence:
      'Kein Dienst Ihrer Identitäten beansprucht {destination}; was {identity} erreichen darf, ist noch nicht bekannt.',
    next: 'Die Identitäten zeigen, was ihnen fehlt.',
  },
  'intercept.layer2': {
    sentence: 'Dieser Dienst trägt Rahmen der Schicht 2, was Culvert nicht kann.',
    next: 'Bitten Sie um einen Dienst mit Adressen und Ports, oder nehmen Sie den Tunneler von OpenZiti.',
  },
  'hosting.layer2': {
    sentence: '{service} trägt Rahmen der Schicht 2, was Culvert nicht kann.',
    next: 'Bieten Sie ihn mit dem Tunneler von OpenZiti an.',
  },
  'hosting.config_invalid': {
    sentence: '{service} darf hier angeboten werden, hat aber keine brauchbare Host-Konfiguration.',
    next: 'Bitten Sie um eine Konfiguration vom Typ host.v1 oder host.v2.',
  },
  'hosting.connect_failed': {
    sentence: 'Was hinter {service} steht, nimmt keine Verbindung an.',
    next: 'Prüfen Sie, ob die Anwendung läuft.',
  },
  'audit.write_failed': {
    sentence: 'Das Protokoll lässt sich nicht schreiben, darum wird nichts zugelassen.',
    next: 'Schaffen Sie Platz oder richten Sie das Zustandsverzeichnis.',
  },
  // Identities
  'ziti.controller.mfa_required': { sentence: '{identity} braucht erst einen Code.', next: enterCode },
  'ziti.controller.mfa_code_wrong': { sentence: 'Dieser Code stimmt nicht.', next: 'Nehmen Sie den nächsten.' },
  'ziti.controller.external_login_required': {
    sentence: '{identity} muss sich anmelden.',
    next: 'Melden Sie sich an.',
  },
  'ziti.controller.unreachable': {
    sentence: 'Der Controller ist nicht erreichbar.',
    next: 'Es wird von selbst weiter versucht; prüfen Sie das Netz dieses Geräts.',
  },
  'ziti.controller.certificate': { sentence: 'Das Zertifikat des Controllers gehört nicht zu diesem Netz.' },
  'ziti.controller.clock_skew': { sentence: 'Die Uhr geht falsch.', next: 'Stellen Sie die Uhr dieses Geräts.' },
  'ziti.controller.unauthenticated': {
    sentence: 'Der Controller nimmt diese Identität nicht an.',
    next: 'Prüfen Sie dort, ob sie abgeschaltet oder gelöscht wurde; sonst neu aufnehmen.',
  },
  'ziti.controller.busy': { sentence: 'Der Controller ist überlastet.', next: 'Es wird von selbst weiter versucht.' },
  'identity.disabled': { sentence: '{identity} ist abgeschaltet.', next: 'Schalten Sie sie ein.' },
  'identity.locked': { sentence: '{identity} ist gesperrt.', next: 'Entsperren Sie sie.' },
  'identity.unknown': { sentence: 'Diese Identität gibt es hier nicht mehr.' },
  'identity.exists': { sentence: 'Diesen Namen gibt es hier schon.', next: 'Wählen Sie einen anderen.' },
  'identity.name_invalid': { sentence: 'Dieser Name geht nicht.' },
  'identity.passphrase_missing': { sentence: 'Es fehlt ein Kennwort.' },
  'identity.passphrase_wrong': { sentence: 'Dieses Kennwort stimmt nicht.' },
  'identity.keystore_unavailable': { sentence: 'Dieser Schlüsselspeicher ist hier nicht verfügbar.' },
  'identity.keystore_locked': { sentence: 'Der Schlüsselspeicher ist gesperrt.' },
  'identity.certificate_expired': { sentence: 'Das Zertifikat ist abgelaufen.', next: 'Nehmen Sie sie neu auf.' },
  'identity.token_removed': { sentence: 'Das Hardware-Token fehlt.', next: 'Stecken Sie es ein.' },
  'identity.mfa_exists': { sentence: 'Der zweite Faktor ist schon eingerichtet.' },
  'identity.mfa_not_enrolled': { sentence: 'Ein zweiter Faktor ist noch nicht eingerichtet.' },
  'ziti.enroll.token_invalid': { sentence: 'Dieses Token ist unbrauchbar.' },
  'ziti.enroll.token_expired': { sentence: 'Dieses Token ist abgelaufen.', next: 'Bitten Sie um ein neues.' },
  'ziti.enroll.token_reused': { sentence: 'Dieses Token wurde schon verwendet.', next: 'Bitten Sie um ein neues.' },
  'ziti.enroll.token_foreign': { sentence: 'Dieses Token wurde nicht von diesem Netz ausgestellt.' },
  'ziti.enroll.refused': { sentence: 'Der Controller hat die Aufnahme abgelehnt: {sentence}' },
  'ziti.enroll.method_unsupported': { sentence: 'Diese Art der Aufnahme wird nicht unterstützt.' },
  // The host and the engine
  'net.dns.fight': { sentence: 'Ein anderes Programm überschreibt immer wieder die Namensauflösung.' },
  'net.dns.failed': { sentence: 'Die Namensauflösung ließ sich nicht einrichten.' },
  'net.route.collision': { sentence: 'Ein anderes VPN hält dieselben Adressen: {sentence}' },
  'engine.not_ready': { sentence: '{identity} meldet sich noch an.', next: 'Versuchen Sie es gleich noch einmal.' },
  'engine.not_running': { sentence: 'Der Tunneldienst läuft nicht.' },
  'engine.not_permitted': {
    sentence: 'Das darf nur, wer vor diesem Gerät sitzt, und kein Agent.',
    next: 'Tun Sie es selbst: im Fenster oder in einem Terminal, das kein Agent gestartet hat.',
  },
  'engine.forbidden': { sentence: 'Das darf dieses Fenster nicht.' },
  'engine.busy': { sentence: 'Der Tunneldienst ist beschäftigt.', next: 'Versuchen Sie es gleich noch einmal.' },
  'session.unknown': { sentence: 'Diese Sitzung gibt es nicht mehr.' },
  'reason.unknown': { sentence: '{sentence}' },
  // The steps of Why?
  'why.name.claimed': { sentence: '{destination} gehört zu {services}.' },
  'why.application.any': { sentence: 'Nicht gefragt.' },
  'why.application.named': { sentence: 'Als {app}.' },
  'why.identity.works': { sentence: '{identity} ist arbeitsfähig.' },
  'why.service.known': { sentence: '{service} ist einer ihrer Dienste.' },
  'why.permission.granted': { sentence: '{identity} darf ihn erreichen.' },
  'why.posture.none': { sentence: 'Keine Geräteprüfung.' },
  'why.posture.passing': { sentence: 'Die Geräteprüfungen sind erfüllt.' },
  'why.quarantine.none': { sentence: 'Nichts davon ist in Quarantäne.' },
  'why.contract.none': { sentence: 'Kein Vertrag.' },
  'why.contract.allows': { sentence: 'Der Vertrag ({origin}) erlaubt es.' },
  'why.local.none': { sentence: 'Keine lokale Regel verbietet es.' },
  'why.router.connected': { sentence: 'Verbunden mit {routers}.' },
  'why.terminator.online': { sentence: 'Terminatoren erreichbar: {count}.' },
  'why.terminator.unknown': { sentence: 'Der Controller sagt nicht, wer ihn anbietet; erst ein Versuch zeigt es.' },
  'why.skipped': { sentence: 'Nicht erreicht.' },
};
