//! What Node sees of the keystore modules. Everything that waits runs off Node's thread; a signature that JavaScript makes comes back by
//! its ticket.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use napi::bindgen_prelude::{AsyncTask, Buffer, Env, Error, Function, Result, Task};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use rustls::SignatureScheme;

use crate::keystore::https::{self, Answer, Exchange, SignMessage};
use crate::keystore::pkcs11::{self, Curve, Place, PublicPoint, Selector};

#[napi(object)]
pub struct TokenPlace {
    pub module: String,
    pub token: Option<String>,
    pub slot: Option<u32>,
    pub pin: Option<String>,
    pub id: Option<Buffer>,
    pub label: Option<String>,
}

#[napi(object)]
pub struct TokenKey {
    /// `P-256` or `P-384`.
    pub curve: String,
    /// `04 || x || y`.
    pub point: Buffer,
    pub id: Buffer,
}

/// What one call asks of a token.
pub enum Work {
    Generate { curve: Curve, id: Vec<u8>, label: String },
    Find,
    Sign { digest: Vec<u8> },
    Destroy,
}

pub enum Done {
    Key(PublicPoint),
    Signature(Vec<u8>),
    Nothing,
}

pub struct TokenTask {
    place: Place,
    selector: Selector,
    work: Work,
}

/// Faults cross as `CODE: text`, like the rest of this addon's.
fn token_error(fault: pkcs11::Fault) -> Error {
    let (code, text) = match fault {
        pkcs11::Fault::Unavailable(text) => ("UNAVAILABLE", text),
        pkcs11::Fault::Removed => ("REMOVED", "the token is not present".to_string()),
        pkcs11::Fault::WrongPin => ("PIN", "the PIN is wrong".to_string()),
        pkcs11::Fault::PinLocked => ("LOCKED", "the PIN is locked".to_string()),
        pkcs11::Fault::NoKey => ("NOKEY", "there is no such key on the token".to_string()),
        pkcs11::Fault::Other(text) => ("EIO", text),
    };
    Error::from_reason(format!("{code}: {text}"))
}

impl Task for TokenTask {
    type Output = Done;
    type JsValue = Option<TokenKey>;

    fn compute(&mut self) -> Result<Done> {
        let Self { place, selector, work } = self;
        match work {
            Work::Generate { curve, id, label } => pkcs11::generate(place, *curve, id, label).map(Done::Key),
            Work::Find => pkcs11::find(place, selector).map(Done::Key),
            Work::Sign { digest } => pkcs11::sign(place, selector, digest).map(Done::Signature),
            Work::Destroy => pkcs11::destroy(place, selector).map(|()| Done::Nothing),
        }
        .map_err(token_error)
    }

    fn resolve(&mut self, _env: Env, done: Done) -> Result<Option<TokenKey>> {
        Ok(match done {
            Done::Key(key) => Some(TokenKey {
                curve: match key.curve {
                    Curve::P256 => "P-256",
                    Curve::P384 => "P-384",
                }
                .to_string(),
                point: key.point.into(),
                id: key.id.into(),
            }),
            // A signature travels in the point's place: one shape, one task.
            Done::Signature(signature) => {
                Some(TokenKey { curve: String::new(), point: signature.into(), id: Vec::new().into() })
            }
            Done::Nothing => None,
        })
    }
}

fn task(place: TokenPlace, work: Work) -> AsyncTask<TokenTask> {
    let selector = Selector { id: place.id.map(|id| id.to_vec()), label: place.label };
    let place = Place { module: place.module, token: place.token, slot: place.slot.map(u64::from), pin: place.pin };
    AsyncTask::new(TokenTask { place, selector, work })
}

#[napi]
pub fn token_generate(place: TokenPlace, curve: String, id: Buffer, label: String) -> AsyncTask<TokenTask> {
    let curve = if curve == "P-384" { Curve::P384 } else { Curve::P256 };
    task(place, Work::Generate { curve, id: id.to_vec(), label })
}

#[napi]
pub fn token_find(place: TokenPlace) -> AsyncTask<TokenTask> {
    task(place, Work::Find)
}

#[napi]
pub fn token_sign(place: TokenPlace, digest: Buffer) -> AsyncTask<TokenTask> {
    task(place, Work::Sign { digest: digest.to_vec() })
}

#[napi]
pub fn token_destroy(place: TokenPlace) -> AsyncTask<TokenTask> {
    task(place, Work::Destroy)
}

#[napi(object)]
pub struct ExchangeOptions {
    pub host: String,
    pub port: u16,
    pub trust_pem: String,
    pub chain_pem: String,
    /// `ES256` or `ES384`.
    pub algorithm: String,
    pub request: Buffer,
    pub timeout_ms: u32,
    pub max_body_bytes: u32,
}

#[napi(object)]
pub struct ExchangeAnswer {
    pub status: u16,
    /// Name, value, name, value.
    pub headers: Vec<String>,
    pub body: Buffer,
}

#[napi(object)]
pub struct SignatureWanted {
    pub ticket: u32,
    pub message: Buffer,
}

type Tickets = Mutex<HashMap<u32, Sender<Option<Vec<u8>>>>>;

fn tickets() -> &'static Tickets {
    static TICKETS: OnceLock<Tickets> = OnceLock::new();
    TICKETS.get_or_init(Default::default)
}

type Ask = ThreadsafeFunction<SignatureWanted, (), SignatureWanted, napi::Status, false>;

pub struct ExchangeTask {
    exchange: Exchange,
    ask: Arc<Ask>,
}

impl Task for ExchangeTask {
    type Output = Answer;
    type JsValue = ExchangeAnswer;

    fn compute(&mut self) -> Result<Answer> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let ask = Arc::clone(&self.ask);
        let timeout = self.exchange.timeout;
        let sign: SignMessage = Arc::new(move |message| {
            let ticket = NEXT.fetch_add(1, Ordering::Relaxed);
            let (sender, receiver) = channel();
            tickets().lock().ok()?.insert(ticket, sender);
            ask.call(
                SignatureWanted { ticket, message: message.to_vec().into() },
                ThreadsafeFunctionCallMode::NonBlocking,
            );
            let signature = receiver.recv_timeout(timeout).ok().flatten();
            tickets().lock().ok()?.remove(&ticket);
            signature
        });
        https::exchange(&self.exchange, sign).map_err(|fault| {
            let (code, text) = match fault {
                https::Fault::Unreachable(text) => ("UNREACHABLE", text),
                https::Fault::Certificate(text) => ("CERTIFICATE", text),
                https::Fault::Key => ("KEY", "the key refused to sign".to_string()),
                https::Fault::Broken(text) => ("BROKEN", text),
            };
            Error::from_reason(format!("{code}: {text}"))
        })
    }

    fn resolve(&mut self, _env: Env, answer: Answer) -> Result<ExchangeAnswer> {
        let headers = answer.headers.into_iter().flat_map(|(name, value)| [name, value]).collect();
        Ok(ExchangeAnswer { status: answer.status, headers, body: answer.body.into() })
    }
}

#[napi]
pub fn https_exchange(
    options: ExchangeOptions,
    wanted: Function<SignatureWanted, ()>,
) -> Result<AsyncTask<ExchangeTask>> {
    let ask = Arc::new(wanted.build_threadsafe_function().callee_handled::<false>().build()?);
    let scheme = match options.algorithm.as_str() {
        "ES256" => SignatureScheme::ECDSA_NISTP256_SHA256,
        "ES384" => SignatureScheme::ECDSA_NISTP384_SHA384,
        other => return Err(Error::from_reason(format!("KEY: no hardware key signs with {other} here"))),
    };
    let exchange = Exchange {
        host: options.host,
        port: options.port,
        trust_pem: options.trust_pem,
        chain_pem: options.chain_pem,
        scheme,
        request: options.request.to_vec(),
        timeout: Duration::from_millis(u64::from(options.timeout_ms)),
        max_body_bytes: options.max_body_bytes as usize,
    };
    Ok(AsyncTask::new(ExchangeTask { exchange, ask }))
}

/// The signature a ticket asked for; null where the key refused. Late answers are ignored.
#[napi]
pub fn provide_signature(ticket: u32, signature: Option<Buffer>) {
    let sender = tickets().lock().ok().and_then(|mut waiting| waiting.remove(&ticket));
    if let Some(sender) = sender {
        let _ = sender.send(signature.map(|bytes| bytes.to_vec()));
    }
}
