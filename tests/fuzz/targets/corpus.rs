//! Writes what real clients send, as seeds: `corpus VECTORS.json FOLDER`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use collab::frame::Frame;
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, folder] = &arguments[..] else {
        eprintln!("corpus VECTORS.json FOLDER");
        std::process::exit(2);
    };
    let text = std::fs::read_to_string(vectors).expect("the vectors");
    let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut updates = Vec::new();
    for vector in vectors.as_array().expect("a list") {
        let base = vector["base"].as_array().into_iter().flatten();
        let sent = vector["updates"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|sent| &sent["update"]);
        for update in base.chain(sent).chain([&vector["full"]]) {
            updates.push(
                STANDARD
                    .decode(update.as_str().expect("base64"))
                    .expect("base64"),
            );
        }
    }
    let save = |target: &str, name: String, bytes: &[u8]| {
        let folder = Path::new(folder).join(target);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), bytes).expect("a file");
    };
    for (at, update) in updates.iter().enumerate() {
        save(
            "socket",
            format!("update-{at}"),
            &Frame::Update(update).encode(),
        );
        for first in [0_u8, 1] {
            let bytes: Vec<u8> = std::iter::once(first)
                .chain(update.iter().copied())
                .collect();
            save("updates", format!("update-{at}-{first}"), &bytes);
        }
    }
    // The rest of a struct that would stand behind and before the same letter.
    let around = "YWFhAQAAEWFhYWFhYWFhYWFhYWFhYWFhYwABAWUABG9udIGf44CCYWFhYg==";
    let around = STANDARD.decode(around).expect("base64");
    save("updates", "around".into(), &around);
    let state = collab::presence::State {
        client: 5,
        clock: 1,
        json: r#"{"cursor":{"anchor":3},"typing":true}"#,
    };
    let awareness = collab::presence::encode([state].into_iter());
    save(
        "socket",
        "awareness".into(),
        &Frame::Awareness(&awareness).encode(),
    );
    save(
        "socket",
        "state".into(),
        &Frame::SyncStep1(&[1, 5, 9]).encode(),
    );
    save("socket", "barrier".into(), &Frame::Barrier(b"abc").encode());
}
