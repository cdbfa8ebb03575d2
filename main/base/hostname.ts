/** DNS names as configs, proxies and resolvers write them, in the one form in which they are compared. */

/** Longest name in text form, RFC 1035 section 2.3.4. */
const maxNameLength = 253;
/** Letters, digits, hyphen and (in use though not in the RFC) underscore; labels of 1 to 63 (RFC 1035 section 2.3.1). */
const namePattern = /^(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** Lower case, no trailing dot, international names in their ASCII form. Undefined where `text` is no name. */
export function canonicalName(text: string): string | undefined {
  let name = text.toLowerCase();
  if (name.endsWith('.')) name = name.slice(0, -1);
  if (!/^[\x00-\x7f]*$/.test(name)) name = asciiForm(name);
  return name.length <= maxNameLength && namePattern.test(name) ? name : undefined;
}

/** IDNA's ASCII form by way of the URL parser, the one implementation that every runtime has. */
function asciiForm(name: string): string {
  if (/[/?#@:\\\s]/.test(name)) return '';
  const url = `http://${name}/`;
  return URL.canParse(url) ? new URL(url).hostname : '';
}
