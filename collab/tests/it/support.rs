//! Peers, policies and documents for the tests.

use async_trait::async_trait;
use bytes::Bytes;
use collab::access::{Access, Denial, Grant, Level};
use collab::frame::Frame;
use collab::shape::{Field, FieldContent, Scalar, Shape, one_of};
use collab::{Author, Connection, Hub, Identity, Incoming, Limits, MemoryLog, Outgoing};
use domain::clock::SystemClock;
use domain::id::DocumentId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, Transact};

/// A number that the test's check takes for a マイナンバー.
pub const NUMBER: &str = "123456789018";

pub fn number_check(text: &str) -> bool {
    text.replace(['-', ' '], "").contains(NUMBER)
}

pub fn sheet() -> Shape {
    let field = |id: &str, content| Field {
        id: id.into(),
        content,
    };
    let name = field("name", FieldContent::LiveText { max: 100 });
    let age = field(
        "age",
        FieldContent::Scalar(Scalar::Integer { min: 0, max: 130 }),
    );
    let needs = field(
        "needs",
        FieldContent::Options(vec!["care".into(), "school".into()]),
    );
    Shape::sheet(
        "intake",
        "intake_application",
        1,
        &[
            field("summary", FieldContent::LiveText { max: 1000 }),
            field("route", FieldContent::Scalar(one_of(&["self", "family"]))),
            field("received_on", FieldContent::Scalar(Scalar::Date)),
            field("remark", FieldContent::Scalar(Scalar::Text { max: 50 })),
            field(
                "choices",
                FieldContent::Options(vec!["money".into(), "health".into()]),
            ),
            field("household", FieldContent::Table(vec![name, age, needs])),
        ],
    )
    .with_personal_number_check(Arc::new(number_check))
}

pub fn identity(name: &str) -> Identity {
    Identity {
        municipality: "m1".into(),
        account: format!("acc-{name}").as_str().into(),
        membership: format!("mem-{name}").as_str().into(),
        agency: "ag1".into(),
        name: name.into(),
        agency_name: "みどり野市".into(),
        scopes: Vec::new(),
        via: String::new(),
    }
}

pub fn author(name: &str) -> Author {
    identity(name).author()
}

/// A policy that the test changes at will; who is not named may edit.
#[derive(Default)]
pub struct Policy {
    pub levels: Mutex<HashMap<String, Result<Level, Denial>>>,
    pub shapes: Mutex<HashMap<String, Arc<Shape>>>,
}

impl Policy {
    pub fn set(&self, name: &str, level: Result<Level, Denial>) {
        self.levels.lock().unwrap().insert(name.into(), level);
    }
}

#[async_trait]
impl Access for Policy {
    async fn check(&self, identity: &Identity, _: &DocumentId) -> Result<Grant, Denial> {
        let level = self
            .levels
            .lock()
            .unwrap()
            .get(&identity.name)
            .copied()
            .unwrap_or(Ok(Level::Edit));
        level.map(|level| Grant { level })
    }

    async fn shape(&self, document: &DocumentId) -> Result<Arc<Shape>, Denial> {
        let shapes = self.shapes.lock().unwrap();
        Ok(shapes
            .get(document.as_str())
            .cloned()
            .unwrap_or_else(|| Arc::new(Shape::note())))
    }
}

pub struct World {
    pub log: MemoryLog,
    pub policy: Arc<Policy>,
    pub hub: Hub,
}

pub fn world(limits: Limits) -> World {
    world_on(MemoryLog::new(), limits)
}

pub fn world_on(log: MemoryLog, limits: Limits) -> World {
    let policy = Arc::new(Policy::default());
    let access: Arc<dyn Access> = policy.clone();
    let hub = Hub::new(
        Arc::new(log.clone()),
        access,
        Arc::new(SystemClock),
        limits,
        7,
    );
    World { log, policy, hub }
}

impl World {
    pub async fn note(&self) -> DocumentId {
        let document: DocumentId = "note1".into();
        self.hub.create(&document, &Shape::note()).await.unwrap();
        document
    }

    pub async fn sheet(&self) -> DocumentId {
        let document: DocumentId = "sheet1".into();
        let shape = Arc::new(sheet());
        self.policy
            .shapes
            .lock()
            .unwrap()
            .insert("sheet1".into(), shape.clone());
        self.hub.create(&document, &shape).await.unwrap();
        document
    }

    pub async fn content(&self, document: &DocumentId) -> String {
        self.hub
            .read(document, |view| {
                view.txn.get_text("content").unwrap().get_string(&view.txn)
            })
            .await
            .unwrap()
    }
}

pub fn doc(client: u64) -> Doc {
    let mut options = Options::with_client_id(yrs::ClientID::new(client));
    options.offset_kind = OffsetKind::Utf16;
    Doc::with_options(options)
}

/// A client with a replica, speaking the protocol as a browser does.
pub struct Peer {
    pub doc: Doc,
    pub incoming: Option<Incoming>,
    pub outgoing: Outgoing,
    pub refused: Option<u64>,
    pub ended: bool,
    pub acks: Vec<Vec<u8>>,
    pub awareness: Vec<Vec<u8>>,
    sent: StateVector,
}

impl Peer {
    pub async fn join(
        hub: &Hub,
        name: &str,
        document: &DocumentId,
        client: u64,
    ) -> Result<Self, collab::Code> {
        Self::rejoin(hub, name, document, doc(client)).await
    }

    pub async fn rejoin(
        hub: &Hub,
        name: &str,
        document: &DocumentId,
        doc: Doc,
    ) -> Result<Self, collab::Code> {
        let connection: Connection = hub.connect(identity(name), document).await?;
        let (incoming, outgoing) = connection.split();
        let mut peer = Self {
            doc,
            incoming: Some(incoming),
            outgoing,
            refused: None,
            ended: false,
            acks: Vec::new(),
            awareness: Vec::new(),
            sent: StateVector::default(),
        };
        let state = peer.doc.transact().state_vector().encode_v1();
        peer.send(Frame::SyncStep1(&state).encode()).await;
        peer.settle().await;
        peer.sent = peer.doc.transact().state_vector();
        Ok(peer)
    }

    pub async fn send(&mut self, frame: Bytes) {
        if let Some(incoming) = &mut self.incoming {
            let _ = incoming.receive(frame).await;
        }
    }

    /// Changes the replica and sends the update.
    pub async fn edit<R>(&mut self, act: impl FnOnce(&mut yrs::TransactionMut<'_>) -> R) -> R {
        let (update, result) = {
            let mut txn = self.doc.transact_mut();
            let result = act(&mut txn);
            (txn.encode_update_v1(), result)
        };
        self.send(Frame::Update(&update).encode()).await;
        result
    }

    pub async fn insert(&mut self, at: u32, text: &str) {
        let content = self.doc.get_or_insert_text("content");
        self.edit(|txn| content.insert(txn, at, text)).await;
    }

    pub async fn remove(&mut self, at: u32, len: u32) {
        let content = self.doc.get_or_insert_text("content");
        self.edit(|txn| content.remove_range(txn, at, len)).await;
    }

    pub fn content(&self) -> String {
        let content = self.doc.get_or_insert_text("content");
        content.get_string(&self.doc.transact())
    }

    /// Sends a barrier and reads until it comes back or the connection ends.
    pub async fn barrier(&mut self, payload: &[u8]) -> bool {
        self.send(Frame::Barrier(payload).encode()).await;
        let until = self.acks.len() + 1;
        while self.acks.len() < until && !self.ended {
            self.read_one(Duration::from_secs(5)).await;
        }
        self.acks.len() >= until
    }

    /// Reads what comes until it is quiet.
    pub async fn settle(&mut self) {
        while self.read_one(Duration::from_millis(60)).await {}
    }

    pub async fn read_one(&mut self, wait: Duration) -> bool {
        match tokio::time::timeout(wait, self.outgoing.next()).await {
            Err(_) => false,
            Ok(None) => {
                self.ended = true;
                false
            }
            Ok(Some(frame)) => {
                self.take(&frame).await;
                true
            }
        }
    }

    async fn take(&mut self, frame: &Bytes) {
        match Frame::decode(frame).expect("the server sends frames") {
            Frame::SyncStep1(state) => {
                let state = StateVector::decode_v1(state).unwrap();
                let diff = self.doc.transact().encode_diff_v1(&state);
                self.send(Frame::SyncStep2(&diff).encode()).await;
            }
            Frame::SyncStep2(update) | Frame::Update(update) => {
                self.doc
                    .transact_mut()
                    .apply_update(yrs::Update::decode_v1(update).unwrap())
                    .unwrap();
                assert!(
                    !self.doc.transact().has_missing_updates(),
                    "the server left a hole"
                );
            }
            Frame::Awareness(update) => self.awareness.push(update.to_vec()),
            Frame::Barrier(payload) => self.acks.push(payload.to_vec()),
            Frame::Refusal { code, .. } => self.refused = Some(code),
            Frame::Auth | Frame::QueryAwareness => {}
        }
    }

    /// Reads until the server ends the connection.
    pub async fn read_to_end(&mut self) -> Option<u64> {
        while !self.ended {
            if !self.read_one(Duration::from_secs(3)).await && !self.ended {
                break;
            }
        }
        self.refused
    }
}
