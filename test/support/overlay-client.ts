/** A bare client of the embedded overlay: enrols, calls the controller, and speaks frames to the router. */
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { totpCode } from '../../main/overlay/totp.ts';
import type { Overlay } from '../../main/overlay/overlay.ts';
import { createSigningRequest, newSoftwareKey } from '../../main/ziti/ziti.ts';
import { FrameDecoder } from '../../main/ziti/wire/frame-decoder.ts';
import { encodeFrame } from '../../main/ziti/wire/frame.ts';
import { HeaderBlock, HeaderList } from '../../main/ziti/wire/header-block.ts';
import { headerId } from '../../main/ziti/wire/header-id.ts';
import { bytesText } from '../../main/ziti/wire/little-endian.ts';
import { until } from './until.ts';

export class Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly #json: unknown;

  constructor(status: number, headers: Answer['headers'], body: string) {
    this.status = status;
    this.headers = headers;
    this.body = body;
    this.#json = body.startsWith('{') ? JSON.parse(body) : undefined;
  }

  /** The value at a dotted path into the JSON, undefined where there is none. */
  at(path: string): unknown {
    return path
      .split('.')
      .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], this.#json);
  }

  /** The same as text. */
  text(path: string): string {
    return String(this.at(path));
  }
}

export interface Ask {
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A key with a certificate the overlay signed for it. */
export interface ClientIdentity {
  readonly cert: string;
  readonly key: string;
}

export async function newKey(): Promise<{ readonly key: string; readonly csr: string }> {
  const key = await newSoftwareKey('ES256');
  return { key: key.privateKeyPem, csr: await createSigningRequest(key, 'client') };
}

/** Talks HTTPS to the controller, as one identity or none, over connections of its own. */
export class ControllerClient {
  readonly #overlay: Overlay;
  readonly #agent: Agent;
  readonly identity: ClientIdentity | undefined;
  /** Sent with every request once signed in. */
  session: Readonly<Record<string, string>> = {};

  constructor(overlay: Overlay, identity?: ClientIdentity) {
    this.#overlay = overlay;
    this.identity = identity;
    this.#agent = new Agent({ keepAlive: false, ca: overlay.caPem, ...identity });
  }

  call(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const body = ask.json !== undefined ? JSON.stringify(ask.json) : (ask.body ?? formOf(ask.form));
    const contentType =
      ask.json !== undefined ? 'application/json' : ask.form ? 'application/x-www-form-urlencoded' : undefined;
    const headers = {
      ...(contentType === undefined ? {} : { 'content-type': contentType }),
      ...this.session,
      ...ask.headers,
    };
    const url = new URL(path.startsWith('/') ? path : `/edge/client/v1/${path}`, this.#overlay.controller);
    return new Promise((resolve, reject) => {
      const request = httpsRequest(url, { method, agent: this.#agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          resolve(new Answer(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString('utf8')));
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Sign in by certificate, the older way. */
  async signIn(): Promise<Answer> {
    const answer = await this.call('POST', 'authenticate?method=cert', { json: { configTypes: ['all'] } });
    this.session = { 'zt-session': answer.text('data.token') };
    return answer;
  }

  /** Sign in by OIDC with PKCE, headless; resolves with the answer of the token endpoint. */
  async signInByOidc(extra: object = {}, otherVerifier?: string): Promise<Answer> {
    const verifier = randomBytes(40).toString('base64url');
    const begun = await this.call('GET', `/oidc/authorize?${authorizeQuery(verifier)}`);
    const id = new URL(String(begun.headers['location']), this.#overlay.controller).searchParams.get('authRequestID');
    const loggedIn = await this.call('POST', '/oidc/login/cert', { json: { id, configTypes: ['all'], ...extra } });
    const callback = new URL(String(loggedIn.headers['location']));
    const finished = await this.call('GET', `${callback.pathname}${callback.search}`);
    const target = new URL(String(finished.headers['location']));
    const answer = await this.call('POST', '/oidc/oauth/token', {
      form: {
        grant_type: 'authorization_code',
        client_id: 'openziti',
        code: target.searchParams.get('code') ?? '',
        code_verifier: otherVerifier ?? verifier,
        redirect_uri: redirectUri,
      },
    });
    this.session = { authorization: `Bearer ${answer.text('access_token')}` };
    return answer;
  }

  /** A token for a service. */
  async sessionToken(serviceId: string, type: 'Dial' | 'Bind'): Promise<string> {
    const answer = await this.call('POST', 'sessions', { json: { serviceId, type } });
    if (answer.status !== 201) throw new Error(`no session: ${answer.status} ${answer.body}`);
    return answer.text('data.token');
  }
}

const redirectUri = 'http://localhost:20314/auth/callback';

/** The query that begins a login. */
export function authorizeQuery(verifier: string, redirect = redirectUri): string {
  return new URLSearchParams({
    client_id: 'openziti',
    response_type: 'code',
    scope: 'openid offline_access',
    redirect_uri: redirect,
    state: 'S',
    nonce: 'N',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
}

function formOf(form: Ask['form']): string | undefined {
  return form === undefined ? undefined : new URLSearchParams(form).toString();
}

/** A new identity, enrolled. */
export async function enrolClient(overlay: Overlay, name: string): Promise<ControllerClient> {
  const { jwt } = await overlay.admin.createIdentity(name);
  const claims = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { jti: string };
  const { key, csr } = await newKey();
  const answer = await new ControllerClient(overlay).call('POST', `enroll?method=ott&token=${claims.jti}`, {
    body: csr,
    headers: { 'content-type': 'application/x-pem-file' },
  });
  if (answer.status !== 200) throw new Error(`not enrolled: ${answer.status} ${answer.body}`);
  return new ControllerClient(overlay, { cert: answer.text('data.cert'), key });
}

/** The code an authenticator app would show for a provisioning URL. */
export function codeOf(provisioningUrl: string, atMs = Date.now()): string {
  return totpCode(new URL(provisioningUrl).searchParams.get('secret') ?? '', atMs);
}

/** A frame kept. */
export interface KeptFrame {
  readonly contentType: number;
  readonly sequence: number;
  readonly headers: HeaderBlock;
  readonly body: Buffer;
  readonly text: string;
}

/** A channel to the router, frames by hand. */
export class RouterClient {
  readonly socket: TLSSocket;
  readonly frames: KeptFrame[] = [];
  isClosed = false;
  #sequence = 0;

  constructor(overlay: Overlay, identity: ClientIdentity) {
    const { hostname, port } = new URL(overlay.router.replace('tls:', 'https:'));
    this.socket = tlsConnect({
      host: hostname,
      port: Number(port),
      ca: overlay.caPem,
      ALPNProtocols: ['ziti-edge'],
      ...identity,
    });
    const decoder = new FrameDecoder((frame) =>
      this.frames.push({
        contentType: frame.contentType,
        sequence: frame.sequence,
        headers: HeaderBlock.parse(frame.headers.encoded.slice()),
        body: Buffer.from(frame.body),
        text: bytesText(frame.body),
      }),
    );
    this.socket.on('data', (chunk: Buffer) => decoder.push(chunk));
    this.socket.on('error', () => (this.isClosed = true));
    this.socket.on('close', () => (this.isClosed = true));
  }

  /** Greet with a session token; resolves with the Result. */
  async hello(token: string): Promise<KeptFrame> {
    const headers = new HeaderList().string(headerId.sessionToken, token);
    this.socket.write(encodeFrame({ contentType: 0, sequence: -1, headers, body: Buffer.from('test') }));
    return this.reply(-1);
  }

  send(contentType: number, headers: HeaderList, body: Uint8Array | string = ''): number {
    const sequence = ++this.#sequence;
    this.socket.write(encodeFrame({ contentType, sequence, headers, body: Buffer.from(body) }));
    return sequence;
  }

  /** The answer to one of our messages. */
  reply(sequence: number): Promise<KeptFrame> {
    return this.next((frame) => frame.headers.i32(headerId.replyFor) === sequence);
  }

  /** The first frame that is wanted; it is taken out of {@link frames}. */
  async next(wanted: (frame: KeptFrame) => boolean, timeoutMs = 5000): Promise<KeptFrame> {
    await until(() => this.frames.some(wanted) || this.isClosed, timeoutMs);
    const at = this.frames.findIndex(wanted);
    if (at < 0) throw new Error('the channel closed');
    return this.frames.splice(at, 1)[0]!;
  }

  close(): void {
    this.socket.destroy();
  }
}
