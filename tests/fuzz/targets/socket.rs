//! Whatever a socket brings: frames, state vectors, awareness. Nothing panics, nothing is read
//! beyond its end, and what is accepted survives the way back.
#![no_main]

use collab::frame::{Frame, decode_state};
use collab::{Identity, presence};
use libfuzzer_sys::fuzz_target;
use yrs::updates::decoder::Decode;

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

fn awareness(bytes: &[u8]) {
    let Ok(states) = presence::decode(bytes) else {
        return;
    };
    let again = presence::encode(states.iter().copied());
    assert_eq!(presence::decode(&again).as_deref(), Ok(&states[..]));
    for state in states {
        let stamped = presence::stamp(state.json, &identity());
        let json: serde_json::Value = serde_json::from_str(&stamped).expect("JSON");
        assert_eq!(json["user"]["name"], "佐藤 花子");
        assert_eq!(json["user"]["account"], "acc1");
    }
}

fn state(bytes: &[u8]) {
    if let Ok(ours) = decode_state(bytes) {
        let theirs = yrs::StateVector::decode_v1(bytes).expect("yrs reads what we do");
        for (client, clock) in theirs.iter() {
            assert!(ours.get(client) >= *clock);
        }
    }
}

fuzz_target!(|message: &[u8]| {
    if let Ok(frame) = Frame::decode(message) {
        let wire = frame.encode();
        assert_eq!(Frame::decode(&wire), Ok(frame));
        match frame {
            Frame::SyncStep1(bytes) => state(bytes),
            Frame::SyncStep2(bytes) | Frame::Update(bytes) => {
                let _ = collab::update::Update::parse(bytes);
            }
            Frame::Awareness(bytes) => awareness(bytes),
            _ => {}
        }
    }
    // The inner decoders also without a frame around them.
    state(message);
    awareness(message);
    if let Ok(text) = std::str::from_utf8(message) {
        let _ = collab::anchor::decode(text);
    }
});
