//! One HTTPS exchange whose client certificate's key only signs: rustls asks a callback for the handshake's signature. Small on purpose: a
//! request, an answer, connection closed. It signs in to a controller a few times a day; everything else goes over Node.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureAlgorithm, SignatureScheme, StreamOwned};

/// Signs a message (not yet hashed) with the key's scheme: DER-encoded. None where the key refused.
pub type SignMessage = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

pub struct Exchange {
    pub host: String,
    pub port: u16,
    pub trust_pem: String,
    pub chain_pem: String,
    pub scheme: SignatureScheme,
    pub request: Vec<u8>,
    pub timeout: Duration,
    pub max_body_bytes: usize,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub enum Fault {
    /// The connection was not made: nothing was sent.
    Unreachable(String),
    /// Its certificate is not one we trust, or not valid now.
    Certificate(String),
    /// The key refused to sign.
    Key,
    /// It broke after the request may have been sent.
    Broken(String),
}

struct ExternalKey {
    scheme: SignatureScheme,
    sign: SignMessage,
}

impl std::fmt::Debug for ExternalKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ExternalKey").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl SigningKey for ExternalKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&self.scheme)
            .then(|| -> Box<dyn Signer> { Box::new(ExternalKey { scheme: self.scheme, sign: Arc::clone(&self.sign) }) })
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for ExternalKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        (self.sign)(message).ok_or_else(|| rustls::Error::General(KEY_REFUSED.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

const KEY_REFUSED: &str = "the key refused to sign";

#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for OneCertificate {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.key.choose_scheme(schemes).map(|_| Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Run one exchange. `request` must ask for `Connection: close`.
pub fn exchange(exchange: &Exchange, sign: SignMessage) -> Result<Answer, Fault> {
    let deadline = Instant::now() + exchange.timeout;
    let config = client_config(exchange, sign)?;
    let name = ServerName::try_from(exchange.host.clone())
        .map_err(|_| Fault::Unreachable(format!("{} is no host name", exchange.host)))?;
    let socket = connect(&exchange.host, exchange.port, deadline)?;
    let connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| Fault::Certificate(error.to_string()))?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        set_timeouts(&stream.sock, deadline)?;
        stream.conn.complete_io(&mut stream.sock).map_err(handshake_fault)?;
    }
    set_timeouts(&stream.sock, deadline)?;
    stream.write_all(&exchange.request).and_then(|()| stream.flush()).map_err(broken)?;
    read_answer(&mut stream, exchange.max_body_bytes, deadline)
}

fn client_config(exchange: &Exchange, sign: SignMessage) -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&exchange.trust_pem)? {
        // What the bundle holds beside authorities is no anchor; the handshake says if none is left.
        let _ = roots.add(certificate);
    }
    let chain = certificates(&exchange.chain_pem)?;
    let key = Arc::new(ExternalKey { scheme: exchange.scheme, sign });
    let resolver = Arc::new(OneCertificate(Arc::new(CertifiedKey::new(chain, key))));
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Certificate(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_client_cert_resolver(resolver))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    rustls_pemfile::certs(&mut pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Fault::Certificate(format!("not a PEM certificate: {error}")))
}

fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, Fault> {
    let unreachable = |error: std::io::Error| Fault::Unreachable(error.to_string());
    let mut last = Fault::Unreachable(format!("{host} has no address"));
    for address in (host, port).to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => last = unreachable(error),
        }
    }
    Err(last)
}

fn remaining(deadline: Instant) -> Result<Duration, Fault> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Fault::Unreachable("no answer in time".to_string())) } else { Ok(left) }
}

fn set_timeouts(socket: &TcpStream, deadline: Instant) -> Result<(), Fault> {
    let left = remaining(deadline)?;
    socket.set_read_timeout(Some(left)).and_then(|()| socket.set_write_timeout(Some(left))).map_err(broken)
}

fn handshake_fault(error: std::io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => Fault::Certificate(format!("{reason:?}")),
        Some(rustls::Error::General(text)) if text == KEY_REFUSED => Fault::Key,
        _ => Fault::Unreachable(error.to_string()),
    }
}

fn broken(error: std::io::Error) -> Fault {
    Fault::Broken(error.to_string())
}

fn read_answer(stream: &mut impl Read, max_body_bytes: usize, deadline: Instant) -> Result<Answer, Fault> {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 16 * 1024];
    loop {
        if bytes.len() > max_body_bytes {
            return Err(Fault::Broken("the answer is too large".to_string()));
        }
        if Instant::now() > deadline {
            return Err(Fault::Broken("no whole answer in time".to_string()));
        }
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            // Some servers close without TLS's goodbye; the lengths below tell whether all is there.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(broken(error)),
        }
    }
    parse_answer(&bytes)
}

/// A whole HTTP/1.1 answer: status, headers, body by length, by chunks or to the end. Interim answers are passed over.
fn parse_answer(bytes: &[u8]) -> Result<Answer, Fault> {
    let malformed = || Fault::Broken("the answer is not HTTP".to_string());
    let mut storage = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut storage);
    let httparse::Status::Complete(head) = response.parse(bytes).map_err(|_| malformed())? else {
        return Err(malformed());
    };
    let status = response.code.ok_or_else(malformed)?;
    let headers: Vec<(String, String)> = response
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let rest = &bytes[head..];
    if (100..200).contains(&status) {
        return parse_answer(rest);
    }
    let find = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let body = if find("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        unchunk(rest).ok_or_else(malformed)?
    } else if let Some(length) = find("content-length") {
        let length: usize = length.trim().parse().map_err(|_| malformed())?;
        rest.get(..length).ok_or_else(|| Fault::Broken("the answer is cut off".to_string()))?.to_vec()
    } else {
        rest.to_vec()
    };
    Ok(Answer { status, headers, body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((at, length)) = httparse::parse_chunk_size(rest).ok()? else { return None };
        let length = usize::try_from(length).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(at..at.checked_add(length)?)?);
        rest = rest.get(at + length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::parse_answer;

    #[test]
    fn an_answer_is_read_by_length_by_chunks_and_to_the_end() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellojunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            assert_eq!(parse_answer(text.as_bytes()).expect("whole").body, b"hello");
        }
    }

    #[test]
    fn what_is_cut_or_no_http_is_a_fault() {
        for text in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "ssh-2.0\r\n\r\n"] {
            assert!(parse_answer(text.as_bytes()).is_err(), "{text:?}");
        }
        let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe";
        assert!(parse_answer(cut.as_bytes()).is_err());
    }
}
