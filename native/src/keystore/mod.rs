//! Keys that stay in hardware: PKCS#11 tokens, and HTTPS whose client key only signs.

pub mod https;
pub mod pkcs11;
