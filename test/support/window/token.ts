/** A one-time token of a made-up controller, as somebody is given it: its signature is asked of nobody here. */
export const madeUpToken = ['{"alg":"RS256"}', '{"iss":"https://ctrl.example:1280","em":"ott","exp":4102444800}', 'sig']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.');
