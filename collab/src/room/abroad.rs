//! Presence at other nodes: told to them, and shown here.
//!
//! What goes out is who the session says it is and where the client says it is; what comes in is
//! stamped again before anybody sees it. A sighting is bound to its node and connection: it ends
//! when that connection does, when the node dies, or when nothing was heard of it for long.

use super::Room;
use crate::bus::{Here, LARGEST_MESSAGE, NodeId, Note, Sighting};
use crate::identity::{Author, Identity};
use crate::presence;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Longest state that is taken from another node, bytes.
const LONGEST: usize = 4_096;
/// Room for the frame around the states of one message.
const AROUND: usize = 500;

/// Someone who sits at another node.
pub(super) struct Remote {
    node: NodeId,
    connection: u64,
    at: u64,
    seen: Instant,
    identity: Arc<Identity>,
    json: String,
}

/// The room's presence abroad.
#[derive(Default)]
pub(super) struct Abroad {
    remote: HashMap<u64, Remote>,
    /// Awareness ids to tell of, with the connection they were seen at.
    dirty: HashMap<u64, u64>,
    due: Option<Instant>,
    refresh: Option<Instant>,
}

impl Abroad {
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.due, self.refresh].into_iter().flatten().min()
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = u64> {
        self.remote.keys().copied()
    }

    /// The state that others see here.
    pub(super) fn stamped(&self, client: u64) -> Option<String> {
        let remote = self.remote.get(&client)?;
        Some(presence::stamp(&remote.json, &remote.identity))
    }

    /// Whether the awareness id is somebody else's, at another node.
    pub(super) fn is_taken(&self, client: u64, me: &Author) -> bool {
        self.remote
            .get(&client)
            .is_some_and(|remote| !same(&remote.identity, me))
    }

    /// The client sits here now.
    pub(super) fn came_here(&mut self, client: u64) {
        self.remote.remove(&client);
    }
}

fn same(identity: &Identity, author: &Author) -> bool {
    identity.account == author.account && identity.membership == author.membership
}

impl Room {
    /// Others shall hear of this awareness id, seen at that connection.
    pub(super) fn tell_abroad(&mut self, client: u64, connection: u64) {
        let Some(bus) = self.shared.abroad.bus() else {
            return;
        };
        let every = bus.presence_every();
        self.abroad.dirty.insert(client, connection);
        self.abroad
            .due
            .get_or_insert_with(|| Instant::now() + every);
    }

    /// Timed work.
    pub(super) fn keep_abroad(&mut self, now: Instant) {
        if self.abroad.refresh.is_some_and(|at| at <= now) {
            self.abroad.refresh = None;
            self.tell_all_abroad();
            let lasting = self.shared.limits.presence_refresh.mul_f64(2.5);
            self.forget_sightings(|remote| remote.seen.elapsed() >= lasting);
        }
        if self.abroad.due.is_some_and(|at| at <= now) {
            self.send_abroad();
        }
        if self.abroad.refresh.is_none()
            && self.shared.abroad.bus().is_some()
            && !(self.present.is_empty() && self.abroad.remote.is_empty())
        {
            self.abroad.refresh = Some(now + self.shared.limits.presence_refresh);
        }
    }

    /// Everybody present here, soon.
    pub(super) fn tell_all_abroad(&mut self) {
        let here: Vec<(u64, u64)> = self.present.iter().map(|(c, id)| (*c, *id)).collect();
        for (client, connection) in here {
            self.tell_abroad(client, connection);
        }
    }

    /// The room was opened, or hints were missed.
    pub(super) fn ask_abroad(&mut self) {
        let document = self.document.clone();
        self.shared
            .abroad
            .publish(self.municipality.as_ref(), Note::WhoIsThere { document });
        self.tell_all_abroad();
    }

    fn send_abroad(&mut self) {
        self.abroad.due = None;
        let dirty = std::mem::take(&mut self.abroad.dirty);
        let mut states: Vec<Sighting> = Vec::new();
        let mut size = 0;
        for (client, connection) in dirty {
            let sighting = self.sighting(client, connection);
            let weight = serde_json::to_vec(&sighting).map_or(0, |json| json.len() + 1);
            if weight + AROUND > LARGEST_MESSAGE {
                continue;
            }
            if size + weight + AROUND > LARGEST_MESSAGE {
                self.send_sightings(std::mem::take(&mut states));
                size = 0;
            }
            size += weight;
            states.push(sighting);
        }
        if !states.is_empty() {
            self.send_sightings(states);
        }
    }

    fn send_sightings(&self, states: Vec<Sighting>) {
        let document = self.document.clone();
        self.shared.abroad.publish(
            self.municipality.as_ref(),
            Note::Presence { document, states },
        );
    }

    fn sighting(&self, client: u64, connection: u64) -> Sighting {
        let here = (self.present.get(&client) == Some(&connection))
            .then(|| self.members.get(&connection))
            .flatten()
            .and_then(|member| Some((member, member.presence.as_ref()?)))
            .filter(|(_, present)| present.json != "null");
        Sighting {
            client,
            connection,
            at: here.map_or(0, |(_, present)| present.at),
            here: here.map(|(member, present)| {
                Here::new(&member.identity, presence::places(&present.json))
            }),
        }
    }

    /// Another node says who is there.
    pub(super) fn sighted(&mut self, from: NodeId, states: Vec<Sighting>) {
        for sighting in states {
            let Sighting {
                client,
                connection,
                at,
                here,
            } = sighting;
            match here {
                Some(here) => self.seen(from, client, connection, at, here),
                None => {
                    let there =
                        |remote: &Remote| remote.node == from && remote.connection == connection;
                    if self.abroad.remote.get(&client).is_some_and(there) {
                        self.abroad.remote.remove(&client);
                        self.mark_presence(client);
                    }
                }
            }
        }
    }

    fn seen(&mut self, node: NodeId, client: u64, connection: u64, at: u64, here: Here) {
        let Some(municipality) = self.municipality_of_members() else {
            return;
        };
        let full = self.abroad.remote.len() >= self.shared.limits.connections_per_document;
        let known = self.abroad.remote.get(&client);
        if here.place.len() > LONGEST || (full && known.is_none()) {
            return;
        }
        let identity = here.clone().identity(&municipality);
        let author = identity.author();
        let bound = self.core.index.author_of(client);
        if bound.is_some_and(|bound| !same(&identity, bound)) {
            return;
        }
        if let Some(known) = known
            && (!same(&known.identity, &author)
                || (at < known.at && (known.node, known.connection) != (node, connection)))
        {
            return;
        }
        if let Some(owner) = self.present.get(&client).copied() {
            let older = self.members.get(&owner).is_some_and(|member| {
                same(&member.identity, &author)
                    && member.presence.as_ref().is_none_or(|p| p.at < at)
            });
            if !older {
                return;
            }
            // The same person went to another node before the socket here was noticed dead.
            self.present.remove(&client);
            if let Some(member) = self.members.get_mut(&owner) {
                member.presence = None;
            }
        }
        let news = known.is_none_or(|known| known.at != at || known.json != here.place);
        let remote = Remote {
            node,
            connection,
            at,
            seen: Instant::now(),
            identity: Arc::new(identity),
            json: here.place,
        };
        self.abroad.remote.insert(client, remote);
        if news {
            self.mark_presence(client);
        }
        let refresh = self.shared.limits.presence_refresh;
        self.abroad
            .refresh
            .get_or_insert_with(|| Instant::now() + refresh);
    }

    /// Nothing comes from that node any more.
    pub(super) fn node_gone(&mut self, node: NodeId) {
        self.forget_sightings(|remote| remote.node == node);
    }

    fn forget_sightings(&mut self, gone: impl Fn(&Remote) -> bool) {
        let gone: Vec<u64> = self
            .abroad
            .remote
            .extract_if(|_, remote| gone(remote))
            .map(|(client, _)| client)
            .collect();
        for client in gone {
            self.mark_presence(client);
        }
    }

    /// Presence is shown to members only: without any there is nobody to be shown to.
    fn municipality_of_members(&self) -> Option<domain::id::MunicipalityId> {
        let member = self.members.values().next()?;
        Some(member.identity.municipality.clone())
    }
}
