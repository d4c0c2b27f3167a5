//! Awareness, checked and stamped: who someone is comes from the session, clients say only where
//! they are.

use crate::frame::{FrameError, Reader, write_number};
use crate::identity::Identity;
use serde_json::{Map, Value, json};

/// Most states in one message. A stock client repeats the states of all others.
const MAX_STATES: u64 = 2_048;
/// Longest state, in bytes.
const MAX_STATE: usize = 4_096;
/// What a client may say about itself.
const ALLOWED: [&str; 6] = ["cursor", "selection", "field", "typing", "focus", "idle"];
/// Readable on white, told apart by most people with a colour vision deficiency.
const COLOURS: [&str; 10] = [
    "#0b5394", "#a64d00", "#38761d", "#8e2157", "#5b3f8c", "#00697a", "#7a4b12", "#9c1c1c",
    "#4a5a00", "#3a4a8c",
];

/// One state of an awareness update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<'a> {
    pub client: u64,
    pub clock: u64,
    /// JSON text; `null` = gone.
    pub json: &'a str,
}

/// Decodes an awareness update.
///
/// # Errors
/// [`FrameError`] when malformed or beyond the limits.
pub fn decode(update: &[u8]) -> Result<Vec<State<'_>>, FrameError> {
    let mut input = Reader::new(update);
    let count = input.number()?;
    if count > MAX_STATES {
        return Err(FrameError::Number);
    }
    let mut states = Vec::new();
    for _ in 0..count {
        let state = State {
            client: input.number()?,
            clock: input.number()?,
            json: input.text()?,
        };
        if state.json.len() > MAX_STATE {
            return Err(FrameError::Number);
        }
        states.push(state);
    }
    if input.is_empty() {
        Ok(states)
    } else {
        Err(FrameError::Trailing)
    }
}

/// Encodes an awareness update.
#[must_use]
pub fn encode<'a>(states: impl ExactSizeIterator<Item = State<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(states.len() * 128);
    write_number(&mut out, states.len() as u64);
    for state in states {
        write_number(&mut out, state.client);
        write_number(&mut out, state.clock);
        crate::frame::write_block(&mut out, state.json.as_bytes());
    }
    out
}

/// Of a client's state what may travel: places, no words.
#[must_use]
pub fn places(json: &str) -> String {
    Value::Object(cleaned(json)).to_string()
}

fn cleaned(json: &str) -> Map<String, Value> {
    let Ok(Value::Object(mut state)) = serde_json::from_str::<Value>(json) else {
        return Map::new();
    };
    state.retain(|key, value| ALLOWED.contains(&key.as_str()) && is_place(value, 0));
    state
}

/// The state that others see: the server's `user`, and of the client's words only places.
#[must_use]
pub fn stamp(json: &str, identity: &Identity) -> String {
    let mut stamped = cleaned(json);
    stamped.insert(
        "user".into(),
        json!({
            "name": identity.name,
            "agency": identity.agency_name,
            "account": identity.account.as_str(),
            "color": colour(identity.account.as_str()),
        }),
    );
    Value::Object(stamped).to_string()
}

/// Numbers, flags, identifiers and structures of them; no free text.
fn is_place(value: &Value, depth: usize) -> bool {
    if depth > 5 {
        return false;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => is_code(text),
        Value::Array(items) => {
            items.len() <= 16 && items.iter().all(|item| is_place(item, depth + 1))
        }
        Value::Object(items) => {
            items.len() <= 16
                && items
                    .iter()
                    .all(|(key, item)| is_code(key) && is_place(item, depth + 1))
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() <= 256
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-./:+=".contains(&b))
}

/// The same person has the same colour everywhere.
fn colour(account: &str) -> &'static str {
    let sum = account
        .bytes()
        .fold(5381_usize, |hash, b| hash.wrapping_mul(33) ^ usize::from(b));
    COLOURS[sum % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity() -> Identity {
        Identity {
            municipality: "m".into(),
            account: "acc1".into(),
            membership: "mem1".into(),
            agency: "ag1".into(),
            name: "佐藤 花子".into(),
            agency_name: "みどり野市".into(),
            scopes: Vec::new(),
            via: String::new(),
        }
    }

    #[test]
    fn the_session_says_who_someone_is() {
        let state = stamp(
            r#"{"user":{"name":"偽物"},"cursor":{"anchor":{"item":{"client":1,"clock":2}}}}"#,
            &identity(),
        );
        let state: Value = serde_json::from_str(&state).unwrap();
        assert_eq!(state["user"]["name"], "佐藤 花子");
        assert_eq!(state["cursor"]["anchor"]["item"]["clock"], 2);
    }

    #[test]
    fn words_do_not_travel_in_presence() {
        let state = stamp(
            r#"{"note":"canary","cursor":"田中さん","typing":true,"focus":{"x":"住所 1-2-3"}}"#,
            &identity(),
        );
        assert!(!state.contains("canary") && !state.contains("田中") && !state.contains("住所"));
        assert!(state.contains("typing"));
    }

    #[test]
    fn a_message_is_bounded() {
        let state = |json| State {
            client: 1,
            clock: 1,
            json,
        };
        let long = format!("\"{}\"", "x".repeat(MAX_STATE));
        let bytes = encode([state(&long)].into_iter());
        assert_eq!(decode(&bytes), Err(FrameError::Number));
        let mut states = vec![state("{}"); usize::try_from(MAX_STATES).unwrap()];
        assert!(decode(&encode(states.iter().copied())).is_ok());
        states.push(state("{}"));
        let bytes = encode(states.iter().copied());
        assert_eq!(decode(&bytes), Err(FrameError::Number));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn stamping_takes_anything(text in "\\PC{0,80}") {
            let state: Value = serde_json::from_str(&stamp(&text, &identity())).unwrap();
            prop_assert_eq!(&state["user"]["account"], "acc1");
        }
    }
}
