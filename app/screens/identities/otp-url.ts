/** The secret of an `otpauth:` address, in groups of four to be typed; empty while there is none. */
export function secretOf(provisioningUrl: string | undefined): string {
  if (provisioningUrl === undefined || !URL.canParse(provisioningUrl)) return '';
  const secret = new URL(provisioningUrl).searchParams.get('secret') ?? '';
  return secret.replace(/(.{4})(?=.)/g, '$1 ');
}
