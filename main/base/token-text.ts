/** Tokens as people hand them over: copied out of mails and consoles, saved by editors and shells in whatever encoding these prefer. */

/** Parts of a JWT, and no other characters. */
const jwtPattern = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/**
 * The token alone: without the marks and NUL bytes of UTF-16, line breaks and quotes. A token's own alphabet has none of them, so nothing
 * of it can be lost.
 */
export function bareToken(text: string): string {
  return text.replace(/[\s\u0000\uFEFF\uFFFD"'`<>]/g, '');
}

/** Is this a token itself, rather than where one is? Its head is JSON, hence the first letters. */
export function isToken(text: string): boolean {
  const bare = bareToken(text);
  return bare.startsWith('eyJ') && jwtPattern.test(bare);
}
