/** Where a request can carry a key. Names in lower case. */

/** Every header. */
export const keyHeaders = [
  'authorization',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'apikey',
  'x-goog-api-key',
  'x-auth-token',
  'x-amz-security-token',
  'ocp-apim-subscription-key',
  'cookie',
] as const;

/** And every parameter. Sources: Gemini (`key`), Azure (`api-key`, `subscription-key`), OAuth 2.0 (`access_token`), AWS presigned requests. */
export const keyParameters: ReadonlySet<string> = new Set([
  'key',
  'api_key',
  'api-key',
  'apikey',
  'subscription-key',
  'access_token',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-credential',
]);
