/** What gives a secret away: the name of the field it stands in, or its own shape. Rather one too many than one too few. */

const secretName =
  /pass(?:word|phrase|wd|code)|secret|token(?!Budget|s$)|jwt|cookie|authori[sz]ation|api[-_]?key|private[-_]?key|wrapping[-_]?key|key[-_]?reference|certificate[-_]?key|zt[-_]session|credential|recovery[-_]?codes|session[-_]?cert|^key$|^pin$|^pin[-_]value$|^csr$|^otp$|^totp$/i;

/** Objects whose every value is secret: headers of an exporter carry its key. */
const secretGroup = /^headers$/i;

/** What an application said, which is nobody's business here: recorded arguments of calls. */
const payloadName = /^(?:arguments|payload|body|content|contentBase64)$/;

/** True for the name of a field that holds a secret. */
export function isSecretField(field: string): boolean {
  return secretName.test(field);
}

/** True for the name of an object all of whose fields are secrets. */
export function isSecretGroup(field: string): boolean {
  return secretGroup.test(field);
}

/** True for the name of a field that holds what somebody sent. */
export function isPayloadField(field: string): boolean {
  return payloadName.test(field);
}

/** A pattern and what stands in the place of what it finds; `$1` keeps what led up to the secret. */
export const secretShapes: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, '[pem]'],
  // The same, after JSON wrote its line ends as two characters.
  [/\bpem:[^\s"]{16,}/g, '[pem]'],
  // JSON Web Tokens (RFC 7519) and encrypted ones (RFC 7516): base64url of `{"` begins with eyJ.
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*){0,3}/g, '[jwt]'],
  [/\b(Bearer|Basic|Digest|Token)\s+[\w.~+/=:-]{6,}/gi, '$1 [secret]'],
  [/(:\/\/)[^\s/@"]+@/g, '$1[secret]@'],
  [/([?&;](?!module-path=|module-name=|token=[\w-]{1,20}(?:[;?]|$)|object=|type=)[\w.-]+=)[^&;\s"']+/gi, '$1[secret]'],
  [
    /((?:pass(?:word|phrase|wd)|secret|token|api[-_]?key|private[-_]?key|pin(?:-value)?|zt-session|cookie|authorization)["']?\s*[:=]\s*["']?)(?!\[)[^\s"',;}]+/gi,
    '$1[secret]',
  ],
  // Keys of well-known services, by the prefixes their issuers give them.
  [
    /\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk-|rk-|pk_live_|sk_live_|AKIA|ASIA|AIza|npm_|hf_)[\w-]{12,}/g,
    '[secret]',
  ],
  // Long and mixed: base64 of key material. Lower hex (fingerprints, hashes) stays.
  [/(?<![\w+=-])(?=[\w+=-]*[a-z])(?=[\w+=-]*[A-Z])(?=[\w+=-]*\d)[\w+-]{40,}={0,2}/g, '[opaque]'],
  [/(?<![\w+/=])(?=[\w+/]*[A-Z])(?=[\w+/]*[a-z])[\w+/]{22,}={1,2}/g, '[opaque]'],
];
