//! The standard files of a municipality: those that ship, with the fields that it added to its sheets.

use std::sync::Arc;

use ::exchange::{Table, tables_of};
use domain::id::MunicipalityId;
use store::{StoreError, Tx};

/// All of them, in the order in which they build on each other.
///
/// # Errors
/// Database away.
pub(crate) async fn all(
    tx: &mut Tx,
    municipality: &MunicipalityId,
) -> Result<Vec<Arc<Table>>, StoreError> {
    Ok(tables_of(&*tx.forms(municipality).await?))
}

/// One of them.
///
/// # Errors
/// Database away.
pub(crate) async fn one(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    id: &str,
) -> Result<Option<Arc<Table>>, StoreError> {
    let all = all(tx, municipality).await?;
    Ok(all.into_iter().find(|table| table.id == id))
}
