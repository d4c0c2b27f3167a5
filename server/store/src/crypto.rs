//! Envelope encryption: the record codec, key wrapping and blind indexes.
//!
//! A record is `version(1) · key id(16) · epoch(8) · seq(8) · nonce(24) · ciphertext · checksum(8)`,
//! integers big-endian, cipher XChaCha20-Poly1305. Everything before the ciphertext and the place
//! of the value (municipality, table, column, row) is authenticated, so a record moved to another
//! row does not open. The checksum (SHA-256, first 8 bytes) tells a torn write from a wrong key.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use domain::id::DataKeyId;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 16 + 8 + 8;
const NONCE: usize = 24;
const TAG: usize = 16;
const CHECKSUM: usize = 8;

/// Why a sealed value does not open.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum CryptoError {
    /// Shorter than the smallest record.
    #[error("record is truncated")]
    Truncated,
    /// A version this program does not know.
    #[error("unknown record version {0}")]
    Version(u8),
    /// Torn or altered on disk.
    #[error("checksum does not match")]
    Checksum,
    /// Wrong key, or the record stands in the wrong place.
    #[error("authentication failed")]
    Authentication,
    /// The key that sealed it was destroyed or never existed here.
    #[error("key is not available")]
    KeyMissing,
    /// Key id is not 32 hexadecimal digits.
    #[error("malformed key id")]
    KeyId,
    /// The plaintext is not what the column holds.
    #[error("content cannot be decoded")]
    Content,
}

/// 256 secret bits; wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct SecretKey(pub(crate) [u8; 32]);

impl SecretKey {
    /// Key from raw bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The readable, authenticated part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The data key that sealed it (for a wrapped data key: that key's own id).
    pub key: DataKeyId,
    /// Epoch of the document, generation of the municipality key, or 0.
    pub epoch: u64,
    /// Sequence number in the document log, or 0.
    pub seq: u64,
}

/// The place a sealed value belongs to; part of what is authenticated.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Municipality of the row.
    pub municipality: &'a str,
    /// `table.column`.
    pub column: &'static str,
    /// Key of the row.
    pub row: &'a str,
}

impl Place<'_> {
    fn authenticated(&self, header: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(header.len() + 96);
        out.extend_from_slice(header);
        for part in [self.municipality, self.column, self.row] {
            // Length first, so that no two places read the same.
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::digest(bytes);
    let mut out = [0; CHECKSUM];
    out.copy_from_slice(&digest[..CHECKSUM]);
    out
}

fn key_bytes(id: &DataKeyId) -> Result<[u8; 16], CryptoError> {
    let mut out = [0; 16];
    hex::decode_to_slice(id.as_str(), &mut out).map_err(|_| CryptoError::KeyId)?;
    Ok(out)
}

/// Seals `plaintext` for its place. The nonce must be fresh randomness.
///
/// # Errors
/// [`CryptoError::KeyId`] when the header's key id is malformed.
pub fn seal(
    key: &SecretKey,
    header: &Header,
    place: &Place<'_>,
    nonce: [u8; NONCE],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let mut record = Vec::with_capacity(HEADER + NONCE + plaintext.len() + TAG + CHECKSUM);
    record.push(VERSION);
    record.extend_from_slice(&key_bytes(&header.key)?);
    record.extend_from_slice(&header.epoch.to_be_bytes());
    record.extend_from_slice(&header.seq.to_be_bytes());
    let aad = place.authenticated(&record);
    record.extend_from_slice(&nonce);
    let cipher = XChaCha20Poly1305::new(&key.0.into());
    let sealed = cipher
        .encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: plaintext,
                aad: &aad,
            },
        )
        .map_err(|_| CryptoError::Authentication)?;
    record.extend_from_slice(&sealed);
    let sum = checksum(&record);
    record.extend_from_slice(&sum);
    Ok(record)
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], CryptoError> {
    bytes.try_into().map_err(|_| CryptoError::Truncated)
}

/// Reads the header after checking version and checksum; tells which key is needed.
///
/// # Errors
/// Truncated, unknown version, or checksum mismatch.
pub fn header(record: &[u8]) -> Result<Header, CryptoError> {
    let version = *record.first().ok_or(CryptoError::Truncated)?;
    if version != VERSION {
        return Err(CryptoError::Version(version));
    }
    if record.len() < HEADER + NONCE + TAG + CHECKSUM {
        return Err(CryptoError::Truncated);
    }
    let (body, sum) = record.split_at(record.len() - CHECKSUM);
    if checksum(body) != sum {
        return Err(CryptoError::Checksum);
    }
    Ok(Header {
        key: DataKeyId(hex::encode(&record[1..17])),
        epoch: u64::from_be_bytes(array(&record[17..25])?),
        seq: u64::from_be_bytes(array(&record[25..33])?),
    })
}

/// Opens a record at its place.
///
/// # Errors
/// Truncated, torn, wrong key or wrong place.
pub fn open(key: &SecretKey, place: &Place<'_>, record: &[u8]) -> Result<Vec<u8>, CryptoError> {
    header(record)?;
    let aad = place.authenticated(&record[..HEADER]);
    let nonce: [u8; NONCE] = array(&record[HEADER..HEADER + NONCE])?;
    let sealed = &record[HEADER + NONCE..record.len() - CHECKSUM];
    XChaCha20Poly1305::new(&key.0.into())
        .decrypt(
            &XNonce::from(nonce),
            Payload {
                msg: sealed,
                aad: &aad,
            },
        )
        .map_err(|_| CryptoError::Authentication)
}

/// Blind index: a keyed hash under which an exact value can be looked up without storing it.
/// 32 hexadecimal digits; `kind` separates e.g. kana from telephone numbers.
#[must_use]
pub fn blind_index(key: &SecretKey, kind: &str, value: &str) -> String {
    // HMAC pads a short key with zeros to the block size; doing so here makes the call infallible.
    let mut block = zeroize::Zeroizing::new([0_u8; 64]);
    block[..32].copy_from_slice(&key.0);
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new(&(*block).into());
    mac.update(kind.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    hex::encode(&mac.finalize().into_bytes()[..16])
}

/// SHA-256 as hexadecimal text: for tokens of 256 random bits, which need no salt.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place<'a>(row: &'a str) -> Place<'a> {
        Place {
            municipality: "m1",
            column: "persons.name",
            row,
        }
    }

    fn head(seq: u64) -> Header {
        Header {
            key: DataKeyId("00112233445566778899aabbccddeeff".into()),
            epoch: 3,
            seq,
        }
    }

    proptest! {
        #[test]
        fn a_record_opens_only_with_its_key_at_its_place(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            key in any::<[u8; 32]>(), other in any::<[u8; 32]>(),
            nonce in any::<[u8; 24]>(), seq in any::<u64>(),
        ) {
            prop_assume!(key != other);
            let key = SecretKey(key);
            let record = seal(&key, &head(seq), &place("p1"), nonce, &text).unwrap();
            prop_assert_eq!(header(&record).unwrap(), head(seq));
            prop_assert_eq!(open(&key, &place("p1"), &record).unwrap(), text);
            prop_assert_eq!(open(&SecretKey(other), &place("p1"), &record), Err(CryptoError::Authentication));
            prop_assert_eq!(open(&key, &place("p2"), &record), Err(CryptoError::Authentication));
            let elsewhere = Place { municipality: "m2", ..place("p1") };
            prop_assert_eq!(open(&key, &elsewhere, &record), Err(CryptoError::Authentication));
            let column = Place { column: "persons.kana", ..place("p1") };
            prop_assert_eq!(open(&key, &column, &record), Err(CryptoError::Authentication));
        }

        #[test]
        fn every_altered_byte_is_noticed(
            text in proptest::collection::vec(any::<u8>(), 0..60),
            at in any::<prop::sample::Index>(), flip in 1_u8..=255, repair in any::<bool>(),
        ) {
            let key = SecretKey([7; 32]);
            let mut record = seal(&key, &head(1), &place("p1"), [9; 24], &text).unwrap();
            let at = at.index(record.len());
            record[at] ^= flip;
            if repair {
                // An attacker mends the checksum as well.
                let body = record.len() - CHECKSUM;
                let sum = checksum(&record[..body]);
                record[body..].copy_from_slice(&sum);
                prop_assume!(at < body);
            }
            prop_assert!(open(&key, &place("p1"), &record).is_err());
        }

        #[test]
        fn cut_records_and_garbage_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..120), cut in any::<prop::sample::Index>()) {
            prop_assert!(open(&SecretKey([1; 32]), &place("p"), &bytes).is_err());
            let record = seal(&SecretKey([1; 32]), &head(1), &place("p"), [2; 24], b"text").unwrap();
            let cut = cut.index(record.len());
            prop_assert!(open(&SecretKey([1; 32]), &place("p"), &record[..cut]).is_err());
        }
    }

    #[test]
    fn an_index_depends_on_key_kind_and_value() {
        let key = SecretKey([1; 32]);
        let token = blind_index(&key, "kana", "やまだ");
        assert_eq!(token.len(), 32);
        assert_eq!(token, blind_index(&key, "kana", "やまだ"));
        assert_ne!(token, blind_index(&key, "phone", "やまだ"));
        assert_ne!(token, blind_index(&SecretKey([2; 32]), "kana", "やまだ"));
    }
}
