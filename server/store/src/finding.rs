//! Whether a text is still anywhere: every store is read through its own decoder. Nobody is shown a
//! value; what comes out is table, column and row number.

use std::collections::BTreeSet;

use collab::erasure::{Texts, strings, texts};
use domain::id::{DocumentId, MunicipalityId};
use domain::section::DocumentKind;
use sqlx::Row;

use crate::blobs;
use crate::database::Database;
use crate::documents_log::DocumentLog;
use crate::erasure::Shapes;
use crate::error::{Result, StoreError};
use crate::sealed;

/// Where a text was found.
#[derive(Debug, Default)]
pub struct Found {
    /// `table.column` and row number, or the part of a document's log and the document's id, with a
    /// tab between; in order, each once.
    pub places: BTreeSet<String>,
    /// Values that were opened and read.
    pub looked: u64,
    /// Values that no key here opens, or that cannot be decoded.
    pub unreadable: u64,
}

/// A text in the encodings in which it may stand in bytes.
struct Needle {
    text: String,
    bytes: [Vec<u8>; 3],
}

impl Needle {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            bytes: [
                text.as_bytes().to_vec(),
                text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ],
        }
    }

    fn in_bytes(&self, hay: &[u8]) -> bool {
        self.bytes.iter().any(|needle| {
            !needle.is_empty() && hay.windows(needle.len()).any(|window| window == needle)
        })
    }

    /// In bytes as they are, and in every string of a JSON value.
    fn in_value(&self, plain: &[u8]) -> bool {
        if self.in_bytes(plain) {
            return true;
        }
        let mut found = Vec::new();
        if let Ok(value) = serde_json::from_slice(plain) {
            strings(&value, &mut found);
        }
        found.iter().any(|text| text.contains(&self.text))
    }

    fn in_texts(&self, texts: &Texts) -> bool {
        texts.texts.iter().any(|text| text.contains(&self.text))
    }
}

/// Looks for a text in both databases: sealed columns opened, updates of documents decoded (what was
/// deleted is in them as well, if it is still there), plain columns, attachments as their bytes are and
/// the text that was read from them; of vectors the text they were made from. The sealed search
/// index is looked into by who can open it (`api::search_index`, ADR 0012).
///
/// # Errors
/// Database or keys away.
pub async fn find_text(
    db: &Database,
    log: &DocumentLog,
    shapes: Shapes,
    text: &str,
) -> Result<Found> {
    let needle = Needle::new(text);
    let mut found = Found::default();
    sealed::each_plain(db, |table, column, row, value| {
        found.looked += 1;
        if needle.in_value(value.as_bytes()) {
            found.places.insert(format!("{table}.{column}\t{row}"));
        }
        Ok(())
    })
    .await?;
    let mut tx = db.read().await?;
    let municipalities = crate::municipalities::list(&mut tx).await?;
    for municipality in &municipalities {
        sealed::each(&mut tx, &municipality.id, |value| {
            match value.plain {
                Some(plain) => {
                    found.looked += 1;
                    if needle.in_value(&plain) {
                        found
                            .places
                            .insert(format!("{}.{}\t{}", value.table, value.column, value.row));
                    }
                }
                None => found.unreadable += 1,
            }
            Ok(())
        })
        .await?;
        // A text may stand across two parts of an attachment.
        let reach = 2 * text.len();
        blobs::each_seam(&mut tx, &municipality.id, reach, |row, seam| {
            if needle.in_bytes(seam) {
                found
                    .places
                    .insert(format!("blob_parts.content_sealed\t{row}"));
            }
        })
        .await?;
    }
    drop(tx);
    for (municipality, document, kind) in logs(db).await? {
        let forms = db.read().await?.forms(&municipality).await?;
        let contents = log
            .contents(&municipality, &document)
            .await
            .map_err(|_| StoreError::Corrupt("document log"))?;
        found.unreadable += contents.unreadable;
        let shape = kind.and_then(|kind| shapes(kind, &forms));
        let log: Vec<&[u8]> = contents.updates.iter().map(|update| &**update).collect();
        if contents.labels.iter().any(|label| needle.in_bytes(label)) {
            found
                .places
                .insert(format!("document_versions.label\t{document}"));
        }
        let mut parts = vec![("document_log", log)];
        for version in &contents.versions {
            parts.push(("document_versions", vec![&**version]));
        }
        for (part, updates) in parts {
            let read = texts(shape.as_deref(), &updates);
            found.looked += updates.len() as u64;
            found.unreadable += read.unreadable as u64;
            if needle.in_texts(&read) || updates.iter().any(|bytes| needle.in_bytes(bytes)) {
                found.places.insert(format!("{part}\t{document}"));
            }
        }
    }
    Ok(found)
}

/// Every document that has a log, with its kind where the registry knows it.
async fn logs(db: &Database) -> Result<Vec<(MunicipalityId, DocumentId, Option<DocumentKind>)>> {
    let mut tx = db.read().await?;
    let rows = sqlx::query("SELECT id, kind FROM documents")
        .fetch_all(tx.conn())
        .await?;
    drop(tx);
    let mut kinds = std::collections::HashMap::new();
    for row in &rows {
        let kind: String = row.try_get("kind")?;
        kinds.insert(
            row.try_get::<String, _>("id")?,
            DocumentKind::from_code(&kind),
        );
    }
    let heads =
        sqlx::query("SELECT document_id, municipality_id FROM document_heads ORDER BY document_id")
            .fetch_all(&db.0.log_reader)
            .await?;
    heads
        .iter()
        .map(|row| {
            let id: String = row.try_get("document_id")?;
            let kind = kinds.get(&id).copied().flatten();
            Ok((
                MunicipalityId(row.try_get("municipality_id")?),
                DocumentId(id),
                kind,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_encoding_and_behind_escapes() {
        let needle = Needle::new("鴻巣\"の母");
        let utf16: Vec<u8> = "（鴻巣\"の母）"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert!(needle.in_value("xx鴻巣\"の母".as_bytes()));
        assert!(needle.in_value(&utf16));
        let json = serde_json::to_vec(&serde_json::json!({"a": ["鴻巣\"の母です"]})).unwrap();
        assert!(!needle.in_bytes(&json));
        assert!(needle.in_value(&json));
        assert!(needle.in_value("{\"a\":\"\\u9d3b\\u5de3\\\"の母\"}".as_bytes()));
        assert!(!needle.in_value("鴻巣の母".as_bytes()));
    }
}
