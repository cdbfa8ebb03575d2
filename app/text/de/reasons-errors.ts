/** Errors in German: what calls fail with, and what the host, the network and OpenZiti answer. */
import type { ReasonWords } from '../reasons.ts';

const tryAgain = 'Versuchen Sie es gleich noch einmal.';
const retried = 'Es wird von selbst weiter versucht.';
const enrolAnew = 'Nehmen Sie sie neu auf.';

export const errorReasonsDe: ReasonWords = {
  'base.invalid': { sentence: 'Diese Eingabe wird nicht angenommen: {sentence}' },
  'base.cancelled': { sentence: 'Abgebrochen.' },
  'base.timeout': { sentence: 'Es hat zu lange gedauert.', next: tryAgain },
  'base.closed': { sentence: 'Die Verbindung ist zu.' },
  'base.internal': { sentence: 'Ein unerwarteter Fehler: {sentence}' },
  'base.unsupported': { sentence: 'Das geht hier nicht: {sentence}' },
  // OpenZiti
  'ziti.controller.session_expired': { sentence: 'Die Anmeldung am Controller ist abgelaufen.', next: retried },
  'ziti.controller.refused': { sentence: 'Der Controller hat abgelehnt: {sentence}' },
  'ziti.controller.not_found': {
    sentence: 'Der Controller kennt das nicht, oder zeigt es dieser Identität nicht mehr.',
  },
  'ziti.controller.malformed': { sentence: 'Die Antwort des Controllers ist unverständlich: {sentence}' },
  'ziti.channel.closed': { sentence: 'Die Verbindung zum Router ist zu.', next: retried },
  'ziti.channel.malformed': { sentence: 'Der Router hat Unverständliches gesendet.' },
  'ziti.channel.unreachable': { sentence: 'Der Router ist nicht erreichbar.', next: retried },
  'ziti.channel.certificate': { sentence: 'Das Zertifikat des Routers gehört nicht zu diesem Netz.' },
  'ziti.channel.rejected': { sentence: 'Der Router nimmt diese Identität nicht an.' },
  'ziti.channel.unresponsive': { sentence: 'Der Router antwortet nicht mehr.', next: retried },
  'ziti.dial.session_invalid': { sentence: 'Die Erlaubnis für diese Verbindung ist abgelaufen.', next: tryAgain },
  'ziti.dial.failed': { sentence: 'Die Verbindung kam nicht zustande: {sentence}' },
  'ziti.bind.refused': { sentence: 'Der Router lässt nicht zu, dass dies hier angeboten wird.' },
  'ziti.bind.failed': { sentence: 'Es lässt sich hier nicht anbieten: {sentence}' },
  'ziti.stream.reset': { sentence: 'Die andere Seite hat die Verbindung abgebrochen.' },
  'ziti.stream.decrypt': { sentence: 'Was ankam, ließ sich nicht entschlüsseln.' },
  // Sockets and the host's network
  'sockets.reset': { sentence: 'Die Verbindung wurde abgebrochen.' },
  'sockets.refused': { sentence: 'Die Verbindung wurde abgelehnt.' },
  'sockets.unreachable': { sentence: 'Das Ziel ist nicht erreichbar.' },
  'sockets.failed': { sentence: 'Die Verbindung ist gescheitert: {sentence}' },
  'net.address_in_use': { sentence: 'Diese Adresse ist schon vergeben.' },
  'net.listen_failed': { sentence: 'Auf dieser Adresse lässt sich nicht lauschen.' },
  'net.listen_not_loopback': { sentence: 'Gelauscht wird nur auf Loopback.' },
  'net.tun.unsupported': { sentence: 'Hier gibt es keine TUN-Geräte.' },
  'net.tun.permission': { sentence: 'Für ein TUN-Gerät fehlen die Rechte.' },
  'net.tun.failed': { sentence: 'Die Netzwerkschnittstelle ist ausgefallen: {sentence}' },
  'net.route.failed': { sentence: 'Eine Route ließ sich nicht setzen.' },
  'net.firewall.blocked': { sentence: 'Die Firewall dieses Geräts lässt Verbindungen zu den Diensten nicht durch.' },
  'net.journal.corrupt': { sentence: 'Was am Netz dieses Geräts geändert wurde, ist nicht mehr lesbar.' },
  'net.journal.failed': { sentence: 'Änderungen am Netz dieses Geräts lassen sich nicht aufschreiben.' },
  // Identities and secrets
  'identity.corrupt': { sentence: 'Die Datei dieser Identität ist beschädigt.', next: enrolAnew },
  'identity.write_failed': { sentence: 'Die Identität ließ sich nicht speichern.' },
  'identity.scope_mismatch': { sentence: 'Diese Identität dient einem anderen Benutzer.' },
  'identity.keystore_unknown': { sentence: 'Diesen Schlüsselspeicher gibt es nicht.' },
  'identity.tpm_lockout': { sentence: 'Das TPM ist gesperrt: zu viele falsche Versuche.' },
  'identity.renewal_failed': { sentence: 'Das Zertifikat ließ sich nicht erneuern: {sentence}' },
  'identity.secret_unknown': { sentence: 'Dieses Geheimnis gibt es hier nicht.' },
  'identity.secret_invalid': { sentence: 'Dieses Geheimnis lässt sich nicht lesen.', next: 'Legen Sie es neu an.' },
  'inventory.off': {
    sentence: 'Die Bestandsaufnahme ist hier ausgeschaltet.',
    next: 'Setzen Sie inventory: true in culvert.yaml.',
  },
  'recording.unknown': { sentence: 'Von dieser Sitzung gibt es keine Aufzeichnung.' },
  'recording.unreadable': { sentence: 'Diese Aufzeichnung lässt sich nicht lesen: {sentence}' },
  'recording.no_packets': { sentence: 'Von dieser Sitzung wurden keine Pakete aufgezeichnet.' },
  'recording.failed': { sentence: 'Die Aufzeichnung lässt sich nicht führen: {sentence}' },
  // Policy, hosting, audit
  'policy.refused': { sentence: 'Die Richtlinie lehnt es ab: {sentence}' },
  'policy.invalid': { sentence: 'Die lokalen Regeln sind fehlerhaft: {sentence}' },
  'policy.quarantine_unknown': { sentence: 'Das ist nicht in Quarantäne.' },
  'hosting.accepted': { sentence: '{identity} bietet {service} hier an; der Aufrufer darf.' },
  'hosting.refused': { sentence: 'Dieser Aufrufer wird hier nicht angenommen.' },
  'audit.tampered': { sentence: 'Das Protokoll wurde verändert.' },
  'audit.export_failed': { sentence: 'Das Protokoll ließ sich nicht ausleiten.' },
  // The engine
  'engine.already_running': { sentence: 'Der Tunneldienst läuft schon.' },
  'engine.config_invalid': { sentence: 'Die Konfiguration ist fehlerhaft: {sentence}' },
  'engine.unknown_call': { sentence: 'Der Tunneldienst kennt das nicht; er ist älter oder neuer als dieses Fenster.' },
  'engine.protocol': { sentence: 'Fenster und Tunneldienst verstehen sich nicht.', next: 'Laden Sie das Fenster neu.' },
  'engine.socket_untrusted': { sentence: 'Der Socket des Tunneldienstes gehört jemand anderem.' },
  'engine.state_unusable': { sentence: 'Das Zustandsverzeichnis ist nicht brauchbar: {sentence}' },
  'engine.loop': { sentence: 'Diese Verbindung liefe im Kreis: das Ziel gehört zum Tunnel selbst.' },
  'console.unavailable': { sentence: 'Die Konsole lässt sich hier nicht öffnen: {sentence}' },
};
