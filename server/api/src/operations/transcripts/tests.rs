//! Requests against the whole router on a SQLite store, by people with and without the right.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use collab::{
    hub::{Hub, Limits},
    values,
};
use domain::{
    agency::AgencyClass,
    clock::Clock,
    consent::{Consent, ConsentStatus},
    disclosure::{Disclosure, Level},
    id::{CaseId, DocumentId},
    role::Role,
    section::{DocumentKind, Section},
};
use jiff::civil::date;
use serde_json::{Value, json};
use store::{
    AdminAccess, Caller, Dialect, DocumentLog, Tx,
    accounts::NewAccount,
    agencies::NewAgency,
    cases::{self, ClientRef, NewCase},
    consents::{ConsentDetail, NewConsent},
    memberships::NewMembership,
    municipalities::{self, Municipality},
    persons::{Fact, NewPerson},
    sessions,
    testing::TestStore,
};
use tower::ServiceExt;

use crate::{
    access::PolicyAccess,
    engines::EngineSlot,
    shapes,
    state::{ApiConfig, AppState},
};

/// A name that must reach nobody without the right to it.
pub(crate) const NAME: &str = "篠突原 花";

/// A municipality with one case, whose partner agency reads everything masked.
pub(crate) struct Town {
    pub state: AppState,
    pub case: CaseId,
    pub documents: BTreeMap<DocumentKind, DocumentId>,
    /// Role → bearer token.
    tokens: BTreeMap<&'static str, String>,
    pub store: TestStore,
}

/// An account of an agency of its own, with a bearer token.
pub(crate) async fn token(
    tx: &mut Tx,
    admin: &AdminAccess,
    login: &str,
    class: AgencyClass,
    role: Role,
) -> (String, Caller) {
    let agency = NewAgency {
        name: format!("機関 {login}"),
        class,
        org_type: None,
        phone: None,
        organisation: None,
    };
    let agency = admin.create_agency(tx, &agency).await.unwrap();
    let account = NewAccount {
        login_id: login.into(),
        name: format!("職員 {login}"),
        kana: None,
        email: None,
        profession: None,
        password_hash: tx
            .database()
            .hashing()
            .hash("correct horse battery")
            .unwrap(),
        must_change_password: false,
    };
    let account = admin.create_account(tx, &account).await.unwrap();
    let membership = NewMembership {
        account,
        agency,
        role,
        valid_from: date(2026, 4, 1),
        valid_to: None,
    };
    let membership = admin.create_membership(tx, &membership).await.unwrap();
    let (_, token) = admin
        .create_token(
            tx,
            &membership,
            "test",
            &[],
            jiff::SignedDuration::from_hours(1),
        )
        .await
        .unwrap();
    let caller = sessions::bearer(tx, &token).await.unwrap().unwrap();
    (token, caller)
}

impl Town {
    pub(crate) async fn open() -> Self {
        let store = TestStore::open(Dialect::Sqlite).await;
        let db = store.db.clone();
        let mut tx = db.write().await.unwrap();
        let town = Municipality {
            id: "town".into(),
            name: "架空市".into(),
            zone: "Asia/Tokyo".into(),
            capabilities: json!({}),
            demo: false,
        };
        municipalities::create(&mut tx, &town).await.unwrap();
        let admin = AdminAccess::of_installation(&town.id);
        let (coordinator_token, coordinator) = token(
            &mut tx,
            &admin,
            "coordinator",
            AgencyClass::Coordinator,
            Role::Coordinator,
        )
        .await;
        let (partner_token, partner) = token(
            &mut tx,
            &admin,
            "partner",
            AgencyClass::Agency,
            Role::Agency,
        )
        .await;
        let (stranger_token, _) = token(
            &mut tx,
            &admin,
            "stranger",
            AgencyClass::Agency,
            Role::Agency,
        )
        .await;
        let (stat_token, _) =
            token(&mut tx, &admin, "stat", AgencyClass::Department, Role::Stat).await;
        let client = NewPerson {
            facts: vec![
                Fact::current("name", NAME),
                Fact::current("name_kana", "しのつきはら はな"),
            ],
            ..NewPerson::default()
        };
        let new = NewCase {
            received_on: date(2026, 11, 2),
            clients: vec![ClientRef::New(client)],
            urgency: None,
            title: None,
            program: None,
            owner_account: None,
            owner_agency: None,
            lead_agency: None,
            case_no: None,
        };
        let created = cases::create(&mut tx, &coordinator, &new).await.unwrap();
        let access = tx
            .case_for(&coordinator, &created.case)
            .await
            .unwrap()
            .unwrap();
        let mut consent = Consent::of(ConsentStatus::Full);
        consent.obtained_on = Some(date(2026, 11, 2));
        let consent = NewConsent {
            person: created.clients[0].clone(),
            consent,
            method: None,
            policy_version: None,
            detail: ConsentDetail::default(),
        };
        access.register_consent(&mut tx, &consent).await.unwrap();
        let rows: Vec<Disclosure> = Section::ALL
            .iter()
            .map(|section| Disclosure {
                agency: partner.viewer.agency.clone(),
                section: *section,
                level: Level::Masked,
                comment: false,
                from: None,
                to: None,
            })
            .collect();
        let access = tx
            .case_for(&coordinator, &created.case)
            .await
            .unwrap()
            .unwrap();
        access
            .add_member(
                &mut tx,
                &partner.viewer.agency,
                "member",
                date(2026, 11, 2),
                None,
                &rows,
                None,
            )
            .await
            .unwrap();
        tx.commit().await.unwrap();

        let log = Arc::new(DocumentLog::start(&db));
        let clock: Arc<dyn Clock> = Arc::clone(db.clock());
        let hub = Hub::new(
            Arc::<DocumentLog>::clone(&log),
            PolicyAccess::new(db.clone()),
            clock,
            Limits::default(),
            7,
        );
        for (kind, id) in &created.documents {
            hub.create(id, &shapes::of(*kind, domain::form::catalogue()).unwrap())
                .await
                .unwrap();
        }
        for (_, masks) in &created.masks {
            hub.create(
                masks,
                &shapes::of(DocumentKind::Masks, domain::form::catalogue()).unwrap(),
            )
            .await
            .unwrap();
        }
        let assets = models::Assets::locate(None).expect("the assets that the setup script makes");
        let font = std::fs::read(assets.root().join("fonts/BIZUDPGothic-Regular.ttf"))
            .expect("the font of the assets");
        let config = ApiConfig {
            base_path: String::new(),
            secure_cookies: false,
            trusted_proxies: Vec::new(),
            public_origin: None,
            font: Some(font.into()),
            attachment_bytes: 1 << 20,
        };
        let state = AppState::new(config, db, hub, log, Arc::new(EngineSlot::default()));
        let tokens = BTreeMap::from([
            ("coordinator", coordinator_token),
            ("partner", partner_token),
            ("stranger", stranger_token),
            ("stat", stat_token),
        ]);
        Self {
            state,
            case: created.case,
            documents: created.documents.into_iter().collect(),
            tokens,
            store,
        }
    }

    /// Sends a request as somebody (`nobody`: not signed in).
    pub(crate) async fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: Vec<u8>,
    ) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));
        if let Some(token) = self.tokens.get(who) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let response = crate::router(self.state.clone())
            .oneshot(request.body(Body::from(body)).unwrap())
            .await
            .unwrap();
        let status = response.status();
        (
            status,
            axum::body::to_bytes(response.into_body(), 64 << 20)
                .await
                .unwrap()
                .to_vec(),
        )
    }

    pub(crate) async fn json(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let (status, bytes) = self
            .send(
                who,
                method,
                path,
                Some("application/json"),
                body.to_string().into_bytes(),
            )
            .await;
        (
            status.as_u16(),
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    pub(crate) async fn get(&self, who: &str, path: &str) -> (u16, Vec<u8>) {
        let (status, bytes) = self.send(who, "GET", path, None, Vec::new()).await;
        (status.as_u16(), bytes)
    }

    pub(crate) fn token(&self, who: &str) -> &str {
        &self.tokens[who]
    }

    pub(crate) async fn caller(&self, who: &str) -> Caller {
        let mut tx = self.state.db().read().await.unwrap();
        sessions::bearer(&mut tx, &self.tokens[who])
            .await
            .unwrap()
            .unwrap()
    }

    async fn sheet(&self, kind: DocumentKind) -> Value {
        self.state
            .hub()
            .read(&self.documents[&kind], |view| {
                values::fields(&view.txn, &view.shape)
            })
            .await
            .unwrap()
    }
}

const TALK: &str = "相談員：お仕事はどうされていますか。\n本人：いまは働いていません。家賃を3か月滞納しています。\n相談員：わかりました。\n";

fn upload(file: &[u8]) -> (&'static str, Vec<u8>) {
    let mut body = b"--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\xe7\xaf\xa0\xe7\xaa\x81\xe5\x8e\x9f.txt\"\r\n\r\n".to_vec();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    ("multipart/form-data; boundary=cut", body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_drafted_accepted_and_never_overwrites() {
    let town = Town::open().await;
    let path = format!("/cases/{}/transcripts", town.case);
    let (status, made) = town
        .json("coordinator", "POST", &path, &json!({ "text": TALK }))
        .await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["speakers"]["相談員"], "worker");
    assert_eq!(
        made["draft"]["assessment.arrears"]["value"],
        json!(["rent"])
    );
    let id = made["id"].as_str().unwrap().to_owned();

    let fields = ["assessment.arrears", "assessment.nosuch"];
    let accept = format!("/transcripts/{id}/acceptances");
    let (status, answer) = town
        .json(
            "coordinator",
            "POST",
            &accept,
            &json!({ "fields": fields, "mode": "fill_empty" }),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["results"],
        json!({"assessment.arrears": "written", "assessment.nosuch": "unknown"})
    );
    assert_eq!(
        answer["accepted"]["assessment.arrears"]["by"],
        "職員 coordinator"
    );
    assert_eq!(
        town.sheet(DocumentKind::Assessment).await["arrears"],
        json!(["rent"])
    );
    let (_, answer) = town
        .json("coordinator", "POST", &accept, &json!({ "fields": fields }))
        .await;
    assert_eq!(answer["results"]["assessment.arrears"], "skipped_not_empty");

    let (status, again) = town
        .json(
            "coordinator",
            "PATCH",
            &format!("/transcripts/{id}"),
            &json!({ "speakers": { "本人": "family" } }),
        )
        .await;
    assert_eq!(status, 200, "{again}");
    assert_eq!(again["speakers"]["本人"], "family");
    assert!(again["accepted"]["assessment.arrears"].is_object());

    let taken_back = format!("{accept}/assessment.arrears");
    for (who, status) in [("nobody", 401), ("partner", 404), ("stranger", 404)] {
        assert_eq!(
            town.json(who, "DELETE", &taken_back, &Value::Null).await.0,
            status,
            "{who}"
        );
    }
    let (status, answer) = town
        .json("coordinator", "DELETE", &taken_back, &Value::Null)
        .await;
    assert_eq!((status, answer), (200, json!({ "accepted": {} })));
    for field in ["assessment.arrears", "assessment.nosuch", "架空太郎"] {
        let gone = format!("{accept}/{}", field.replace("架空太郎", "%E6%9E%B6"));
        assert_eq!(
            town.json("coordinator", "DELETE", &gone, &Value::Null)
                .await
                .0,
            404,
            "{field}"
        );
    }
    assert_eq!(
        town.sheet(DocumentKind::Assessment).await["arrears"],
        json!(["rent"]),
        "the sheet is left to the room"
    );
    let (_, answer) = town
        .json(
            "coordinator",
            "POST",
            &accept,
            &json!({ "fields": ["assessment.arrears"], "mode": "replace" }),
        )
        .await;
    assert_eq!(answer["results"]["assessment.arrears"], "written");

    let (status, list) = town.json("coordinator", "GET", &path, &Value::Null).await;
    assert_eq!(
        (
            status,
            &list["items"][0]["utterance_count"],
            &list["items"][0]["accepted_count"]
        ),
        (200, &json!(3), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_taken_up_to_the_limit_and_their_names_are_dropped() {
    let town = Town::open().await;
    let path = format!("/cases/{}/transcripts", town.case);
    let (kind, body) = upload(TALK.as_bytes());
    let (status, answer) = town
        .send("coordinator", "POST", &path, Some(kind), body)
        .await;
    assert_eq!(status, 201);
    assert!(!String::from_utf8(answer).unwrap().contains("篠突原"));
    let (kind, body) = upload(&vec![b'a'; intake::MAX_BYTES + 1]);
    let (status, answer) = town
        .send("coordinator", "POST", &path, Some(kind), body)
        .await;
    assert_eq!(status, 413, "{}", String::from_utf8_lossy(&answer));
    let (kind, body) = upload(b"");
    let (status, answer) = town
        .send("coordinator", "POST", &path, Some(kind), body)
        .await;
    assert_eq!(status, 422);
    assert!(String::from_utf8_lossy(&answer).contains("\"code\":\"empty\""));
    let number = json!({ "text": "相談員：番号をどうぞ。\n本人：123456789018です。\n" });
    let (status, answer) = town.json("coordinator", "POST", &path, &number).await;
    assert_eq!(
        (status, &answer["code"], &answer["utterance"]),
        (422, &json!("personal_number"), &json!(2))
    );
    let (_, list) = town.json("coordinator", "GET", &path, &Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_there_is_no_transcript() {
    let town = Town::open().await;
    let path = format!("/cases/{}/transcripts", town.case);
    let talk = json!({ "text": TALK });
    for (who, status) in [
        ("nobody", 401),
        ("partner", 403),
        ("stranger", 404),
        ("stat", 404),
    ] {
        assert_eq!(
            town.json(who, "POST", &path, &talk).await.0,
            status,
            "{who}"
        );
    }
    let (_, made) = town.json("coordinator", "POST", &path, &talk).await;
    let one = format!("/transcripts/{}", made["id"].as_str().unwrap());
    let (status, list) = town.json("partner", "GET", &path, &Value::Null).await;
    assert_eq!((status, list), (200, json!({ "items": [] })));
    for (who, status) in [
        ("nobody", 401),
        ("partner", 404),
        ("stranger", 404),
        ("stat", 404),
    ] {
        assert_eq!(town.get(who, &one).await.0, status, "{who}");
        assert_eq!(
            town.json(who, "PATCH", &one, &json!({ "speakers": {} }))
                .await
                .0,
            status,
            "{who}"
        );
        let fields = json!({ "fields": ["assessment.arrears"], "mode": "replace" });
        assert_eq!(
            town.json(who, "POST", &format!("{one}/acceptances"), &fields)
                .await
                .0,
            status,
            "{who}"
        );
    }
    assert_eq!(
        town.sheet(DocumentKind::Assessment).await["arrears"],
        json!([])
    );
}
