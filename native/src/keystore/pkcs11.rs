//! PKCS#11 tokens: EC keys made on the token, found again by id, used to sign, destroyed. One session a call: a token pulled out
//! between two calls is noticed by the second, not by a crash.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as TokenError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

/// Where a key is. `token` or `slot` names the token; the only one present where neither does.
pub struct Place {
    pub module: String,
    pub token: Option<String>,
    pub slot: Option<u64>,
    pub pin: Option<String>,
}

/// Which key on the token. An empty selector means the only private EC key there is.
#[derive(Default)]
pub struct Selector {
    pub id: Option<Vec<u8>>,
    pub label: Option<String>,
}

#[derive(Clone, Copy)]
pub enum Curve {
    P256,
    P384,
}

impl Curve {
    /// DER of the curve's object identifier (RFC 5480 section 2.1.1.1), as CKA_EC_PARAMS wants it.
    fn parameters(self) -> Vec<u8> {
        match self {
            Curve::P256 => vec![0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Curve::P384 => vec![0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
        }
    }

    fn from_parameters(parameters: &[u8]) -> Option<Curve> {
        [Curve::P256, Curve::P384].into_iter().find(|curve| curve.parameters() == parameters)
    }
}

/// A public key as the token has it: the uncompressed point `04 || x || y`.
pub struct PublicPoint {
    pub curve: Curve,
    pub point: Vec<u8>,
    pub id: Vec<u8>,
}

/// What went wrong, sorted as people need it.
#[derive(Debug)]
pub enum Fault {
    /// No module, no token, no such key.
    Unavailable(String),
    /// The token is not in its reader any more.
    Removed,
    WrongPin,
    PinLocked,
    NoKey,
    Other(String),
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Fault {
        match &error {
            TokenError::Pkcs11(code, _) => match code {
                RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => Fault::WrongPin,
                RvError::PinLocked => Fault::PinLocked,
                RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::SlotIdInvalid => Fault::Removed,
                _ => Fault::Other(error.to_string()),
            },
            TokenError::LibraryLoading(_) => Fault::Unavailable(error.to_string()),
            _ => Fault::Other(error.to_string()),
        }
    }
}

type Modules = HashMap<String, Pkcs11>;

/// A module may be initialised once a process; it stays loaded. Holding this is also the turn to use one: logins are a token-wide
/// state, and two calls at a time would log each other out.
fn modules() -> MutexGuard<'static, Modules> {
    static MODULES: OnceLock<Mutex<Modules>> = OnceLock::new();
    MODULES.get_or_init(Default::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn module(modules: &mut Modules, path: &str) -> Result<Pkcs11, Fault> {
    if let Some(known) = modules.get(path) {
        return Ok(known.clone());
    }
    let context = Pkcs11::new(path)?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(TokenError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error.into()),
    }
    modules.insert(path.to_string(), context.clone());
    Ok(context)
}

fn slot_of(context: &Pkcs11, place: &Place) -> Result<Slot, Fault> {
    let slots = context.get_slots_with_token()?;
    let mut fitting = Vec::new();
    for slot in slots {
        let fits_slot = place.slot.is_none_or(|wanted| slot.id() == wanted);
        let fits_token = match &place.token {
            None => true,
            Some(wanted) => context.get_token_info(slot).is_ok_and(|info| info.label().trim_end() == wanted),
        };
        if fits_slot && fits_token {
            fitting.push(slot);
        }
    }
    match (fitting.as_slice(), &place.token) {
        ([], Some(_)) => Err(Fault::Removed),
        ([], None) => Err(Fault::Unavailable("no token is present".to_string())),
        ([slot], _) | ([slot, ..], Some(_)) => Ok(*slot),
        (_, None) => {
            // SoftHSM always shows one uninitialised slot more: an initialised one alone is what is meant.
            let ready: Vec<_> = fitting
                .iter()
                .filter(|slot| context.get_token_info(**slot).is_ok_and(|info| info.token_initialized()))
                .collect();
            match ready.as_slice() {
                [slot] => Ok(**slot),
                _ => Err(Fault::Unavailable("several tokens are present: name one (token=… or slot-id=…)".to_string())),
            }
        }
    }
}

/// A session, logged in where there is a PIN, and what is done in it.
fn in_session<T>(place: &Place, writable: bool, work: impl FnOnce(&Session) -> Result<T, Fault>) -> Result<T, Fault> {
    let mut modules = modules();
    let context = module(&mut modules, &place.module)?;
    let result = run(&context, place, writable, work);
    if matches!(result, Err(Fault::Removed)) {
        // Some modules never look again for a token that went away, unless they begin anew.
        modules.remove(&place.module);
        let _ = context.finalize();
    }
    result
}

fn run<T>(
    context: &Pkcs11,
    place: &Place,
    writable: bool,
    work: impl FnOnce(&Session) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let slot = slot_of(context, place)?;
    let session = if writable { context.open_rw_session(slot)? } else { context.open_ro_session(slot)? };
    if let Some(pin) = &place.pin {
        match session.login(UserType::User, Some(&AuthPin::new(pin.clone().into()))) {
            Ok(()) | Err(TokenError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let result = work(&session);
    if place.pin.is_some() {
        // The session ends with this call either way.
        let _ = session.logout();
    }
    result
}

fn template(class: ObjectClass, selector: &Selector) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC)];
    if let Some(id) = &selector.id {
        template.push(Attribute::Id(id.clone()));
    }
    if let Some(label) = &selector.label {
        template.push(Attribute::Label(label.as_bytes().to_vec()));
    }
    template
}

fn find_one(session: &Session, class: ObjectClass, selector: &Selector) -> Result<ObjectHandle, Fault> {
    let found = session.find_objects(&template(class, selector))?;
    found.first().copied().ok_or(Fault::NoKey)
}

/// Make a key pair on the token; the private key is sensitive and never extractable.
pub fn generate(place: &Place, curve: Curve, id: &[u8], label: &str) -> Result<PublicPoint, Fault> {
    in_session(place, true, |session| {
        let common = [Attribute::Token(true), Attribute::Id(id.to_vec()), Attribute::Label(label.as_bytes().to_vec())];
        let mut public = common.to_vec();
        public.extend([Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(curve.parameters())]);
        let mut private = common.to_vec();
        private.extend([
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        let (public, _) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
        read_public(session, public)
    })
}

/// The public half of a key on the token.
pub fn find(place: &Place, selector: &Selector) -> Result<PublicPoint, Fault> {
    in_session(place, false, |session| {
        // The private half must be there: a public one alone cannot sign.
        find_one(session, ObjectClass::PRIVATE_KEY, selector)?;
        let public = find_one(session, ObjectClass::PUBLIC_KEY, selector)?;
        read_public(session, public)
    })
}

/// ECDSA over a digest that is already computed: `r || s`.
pub fn sign(place: &Place, selector: &Selector, digest: &[u8]) -> Result<Vec<u8>, Fault> {
    in_session(place, false, |session| {
        let key = find_one(session, ObjectClass::PRIVATE_KEY, selector)?;
        Ok(session.sign(&Mechanism::Ecdsa, key, digest)?)
    })
}

/// Remove both halves. What is not there counts as removed.
pub fn destroy(place: &Place, selector: &Selector) -> Result<(), Fault> {
    in_session(place, true, |session| {
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            for object in session.find_objects(&template(class, selector))? {
                session.destroy_object(object)?;
            }
        }
        Ok(())
    })
}

fn read_public(session: &Session, key: ObjectHandle) -> Result<PublicPoint, Fault> {
    let wanted = [AttributeType::EcPoint, AttributeType::EcParams, AttributeType::Id];
    let (mut point, mut curve, mut id) = (Vec::new(), None, Vec::new());
    for attribute in session.get_attributes(key, &wanted)? {
        match attribute {
            Attribute::EcPoint(bytes) => point = bytes,
            Attribute::EcParams(bytes) => curve = Curve::from_parameters(&bytes),
            Attribute::Id(bytes) => id = bytes,
            _ => {}
        }
    }
    let curve = curve.ok_or_else(|| Fault::Other("the key is on a curve other than P-256 and P-384".to_string()))?;
    Ok(PublicPoint { curve, point: unwrap_octet_string(&point), id })
}

/// CKA_EC_POINT is a DER OCTET STRING by the standard; some tokens give the bare point.
fn unwrap_octet_string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [0x04, length, point @ ..] if *length < 0x80 && point.len() == usize::from(*length) => point.to_vec(),
        [0x04, 0x81, length, point @ ..] if point.len() == usize::from(*length) => point.to_vec(),
        _ => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::unwrap_octet_string;

    #[test]
    fn a_point_is_found_in_its_octet_string_and_bare() {
        let mut bare = vec![4u8];
        bare.extend([7u8; 64]);
        let mut wrapped = vec![0x04, 65];
        wrapped.extend(&bare);
        assert_eq!(unwrap_octet_string(&wrapped), bare);
        assert_eq!(unwrap_octet_string(&bare), bare);
    }
}
