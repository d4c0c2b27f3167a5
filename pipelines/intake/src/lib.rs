//! A conversation becomes a draft of the reception and assessment sheets. [`read`] turns any
//! known transcript format into utterances; [`ingest`] drafts values from them, each with the
//! sentences it came from.
//!
//! **Invariant:** an utterance's text is the file's text. Offsets are code points in it.
//! **Invariant:** nothing is drafted that nobody said: every value carries evidence.

mod draft;
mod encoding;
mod error;
mod format;
mod lexicon;
mod number;
mod transcript;

pub use draft::{
    Agency, Drafted, Evidence, Ingest, NameFinder, NameKind, NameSpan, Person, Relation, Role,
    draft, target,
};
pub use error::{Error, Warning};
pub use transcript::{
    Columns, Format, Hint, Kind, MAX_BYTES, MAX_SECONDS, Transcript, Utterance, read,
};

/// Reads a file and drafts from it, without roles set by hand and without an entity model.
pub fn ingest(bytes: &[u8], hint: &Hint) -> Result<Ingest, Error> {
    Ok(draft(
        read(bytes, hint)?,
        &std::collections::BTreeMap::new(),
        None,
    ))
}
