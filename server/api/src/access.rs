//! The seam between live documents and the policy: asked when a connection joins and again after
//! every change of rights.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use collab::{
    access::{Access, Denial, Grant, Level as Allowed},
    identity::Identity,
    shape::Shape,
};
use domain::{disclosure::Level, id::DocumentId, role::Capability};
use store::{Caller, Database, documents::DocumentState, sessions};

use crate::shapes;

/// How long a writing transaction waits for a room while it holds the rights to a case.
pub(crate) const ROOM: Duration = Duration::from_secs(10);

/// Asks the store, and through it the policy.
#[derive(Debug)]
pub struct PolicyAccess {
    db: Database,
}

impl PolicyAccess {
    #[must_use]
    pub fn new(db: Database) -> Arc<Self> {
        Arc::new(Self { db })
    }

    async fn decide(
        &self,
        identity: &Identity,
        document: &DocumentId,
    ) -> store::Result<Result<Grant, Denial>> {
        let mut tx = self.db.read().await?;
        // Who signed out, switched to another hat or lost the token does not stay in the room.
        if !sessions::holds(
            &mut tx,
            &identity.municipality,
            &identity.via,
            &identity.membership,
        )
        .await?
        {
            return Ok(Err(Denial::NoPermission));
        }
        let Some(mut caller) = sessions::caller_in(
            &mut tx,
            &identity.municipality,
            &identity.account,
            &identity.membership,
        )
        .await?
        else {
            return Ok(Err(Denial::NoPermission));
        };
        // A narrow token stays narrow, however long its socket is open.
        caller.scopes.clone_from(&identity.scopes);
        let Some(access) = tx.document_for(&caller, document).await? else {
            return Ok(Err(Denial::NoPermission));
        };
        let level = match access.level() {
            Level::Edit
                if access.info().state == DocumentState::Draft
                    && caller.may(Capability::EditCase) =>
            {
                Allowed::Edit
            }
            Level::Edit | Level::Read if access.comment() => Allowed::Comment,
            Level::Edit | Level::Read => Allowed::Read,
            Level::Masked => return Ok(Err(Denial::Masked)),
            _ => return Ok(Err(Denial::NoPermission)),
        };
        Ok(Ok(Grant { level }))
    }
}

#[async_trait]
impl Access for PolicyAccess {
    async fn check(&self, identity: &Identity, document: &DocumentId) -> Result<Grant, Denial> {
        match self.decide(identity, document).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "access check failed");
                Err(Denial::Unavailable)
            }
        }
    }

    async fn shape(&self, document: &DocumentId) -> Result<Arc<Shape>, Denial> {
        let shape = async {
            let mut tx = self.db.read().await?;
            let Some(work) = tx.work_on(document).await? else {
                return Ok(None);
            };
            let forms = tx.forms(&work.info().municipality).await?;
            Ok::<_, store::StoreError>(shapes::of(work.info().kind, &forms))
        };
        match shape.await {
            Ok(shape) => shape.ok_or(Denial::Gone),
            Err(error) => {
                tracing::warn!(%error, "shape of a document not known");
                Err(Denial::Unavailable)
            }
        }
    }
}

/// Who sits at the connection.
#[must_use]
pub fn identity_of(caller: &Caller) -> Identity {
    Identity {
        municipality: caller.viewer.municipality.clone(),
        account: caller.viewer.account.clone(),
        membership: caller.viewer.membership.clone(),
        agency: caller.viewer.agency.clone(),
        name: caller.name.clone(),
        agency_name: caller.agency_name.clone(),
        scopes: caller.scopes.clone(),
        via: caller.via.clone(),
    }
}

#[cfg(test)]
mod tests {
    use collab::access::{Change, Grant};
    use domain::section::DocumentKind;
    use store::{AdminAccess, sessions::SecondFactor};

    use super::*;
    use crate::operations::transcripts::tests::Town;

    const SECRET: &[u8] = b"12345678901234567890";

    /// A caller who signed in at the screen.
    async fn signed_in(town: &Town, login: &str) -> (sessions::Session, Caller) {
        let db = town.state.db();
        let account = town.caller(login).await.viewer.account;
        let mut tx = db.write().await.unwrap();
        AdminAccess::of_installation(&"town".into())
            .enrol(&mut tx, &account, SECRET)
            .await
            .unwrap();
        let challenge = sessions::challenge(&mut tx, login, "10.0.0.1").await;
        let challenge = challenge.unwrap().unwrap();
        let verified = challenge.verify(db.hashing(), "correct horse battery");
        let opened = sessions::open(&mut tx, challenge, verified).await.unwrap();
        let mut session = opened.unwrap().session;
        let code = sessions::current_code(SECRET, db.clock().now()).unwrap();
        let answer = sessions::confirm_totp(&mut tx, &mut session, &code, "10.0.0.1").await;
        assert!(matches!(answer.unwrap(), SecondFactor::Accepted(_)));
        let caller = sessions::caller(&mut tx, &session).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        (session, caller)
    }

    #[tokio::test]
    async fn an_open_socket_ends_with_the_sign_in() {
        let town = Town::open().await;
        let sheet = &town.documents[&DocumentKind::Assessment];
        let (session, caller) = signed_in(&town, "coordinator").await;
        let hub = town.state.hub();
        let connect = || hub.connect(identity_of(&caller), sheet);
        let (_incoming, mut outgoing) = connect().await.unwrap().split();
        let mut tx = town.state.db().write().await.unwrap();
        sessions::close(&mut tx, &session).await.unwrap();
        tx.commit().await.unwrap();
        hub.access_changed(&Change::Account(session.account));
        let ended = async { while outgoing.next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(5), ended)
            .await
            .expect("the socket ends");
        assert_eq!(outgoing.end(), Some(collab::frame::Code::NoPermission));
        assert!(connect().await.is_err());
    }

    #[tokio::test]
    async fn a_socket_is_as_narrow_as_its_token() {
        let town = Town::open().await;
        let sheet = &town.documents[&DocumentKind::Assessment];
        let policy = PolicyAccess::new(town.state.db().clone());
        let caller = town.caller("coordinator").await;
        let with = async |scopes: &[Capability]| {
            let narrow = Caller {
                scopes: scopes.iter().map(ToString::to_string).collect(),
                ..caller.clone()
            };
            policy.check(&identity_of(&narrow), sheet).await
        };
        let edit = Ok(Grant {
            level: Allowed::Edit,
        });
        assert_eq!(with(&[]).await, edit);
        assert_eq!(
            with(&[Capability::ReadCases, Capability::EditCase]).await,
            edit
        );
        let reads = with(&[Capability::ReadCases]).await.unwrap();
        assert!(reads.level < Allowed::Edit);
        assert_eq!(
            with(&[Capability::ReadPersons]).await,
            Err(Denial::NoPermission)
        );
    }
}
