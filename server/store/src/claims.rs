//! Who is at a piece of work that two nodes must not do at once (scanning a text, making vectors). A
//! claim ends when it is given back, or by itself when its holder dies.

use domain::clock::instant_text;
use domain::id::MunicipalityId;
use jiff::SignedDuration;

use crate::database::{Database, Dialect};
use crate::error::Result;

/// Longer than any such work takes. Nodes' clocks differ by less.
const LASTS: SignedDuration = SignedDuration::from_secs(90);

/// A claim that was granted. Give it back with [`Database::release`].
#[derive(Debug)]
#[must_use = "a claim that is not given back keeps others waiting"]
pub struct Claim {
    municipality: MunicipalityId,
    name: String,
    holder: String,
}

impl Database {
    /// Claims the work `name` for `holder` (a node). `None`: another holder is at it. One holder may
    /// claim what it holds again.
    ///
    /// On SQLite there is one process, and the claim is granted without asking.
    ///
    /// # Errors
    /// Database away.
    pub async fn claim(
        &self,
        municipality: &MunicipalityId,
        name: &str,
        holder: &str,
    ) -> Result<Option<Claim>> {
        let claim = Claim {
            municipality: municipality.clone(),
            name: name.to_owned(),
            holder: holder.to_owned(),
        };
        if self.0.dialect == Dialect::Sqlite {
            return Ok(Some(claim));
        }
        let now = self.0.clock.now();
        let done = sqlx::query(
            "INSERT INTO claims (municipality_id, name, holder, until) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (municipality_id, name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
             WHERE claims.holder = excluded.holder OR claims.until <= $5",
        )
        .bind(municipality.as_str())
        .bind(name)
        .bind(holder)
        .bind(instant_text(now + LASTS))
        .bind(instant_text(now))
        .execute(self.writer())
        .await?;
        Ok((done.rows_affected() == 1).then_some(claim))
    }

    /// Gives a claim back.
    ///
    /// # Errors
    /// Database away; the claim then ends by itself.
    pub async fn release(&self, claim: Claim) -> Result<()> {
        if self.0.dialect == Dialect::Sqlite {
            return Ok(());
        }
        sqlx::query("DELETE FROM claims WHERE municipality_id = $1 AND name = $2 AND holder = $3")
            .bind(claim.municipality.as_str())
            .bind(claim.name)
            .bind(claim.holder)
            .execute(self.writer())
            .await?;
        Ok(())
    }
}
