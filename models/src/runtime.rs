//! ONNX Runtime, loaded from a library file, and a bounded pool of sessions.

use std::path::{Path, PathBuf};

use ort::environment::Environment;
use ort::session::Session;
use parking_lot::{Condvar, Mutex};

use crate::{Error, Result};

/// The process' one ONNX Runtime environment.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
}

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

impl Runtime {
    /// Loads the shared library at `library`. Once one is loaded, later calls return its environment:
    /// a process can hold only one. A failure may be tried again with another path.
    pub fn init(library: &Path) -> Result<Self> {
        let mut loaded = ENVIRONMENT.lock();
        if let Some(environment) = loaded.as_ref() {
            return Ok(Self {
                environment: environment.clone(),
            });
        }
        let environment = ort::init_from(library)
            .map_err(|error| Error::Runtime(error.to_string()))?
            .with_name("musubi")
            .with_telemetry(false)
            .build()?;
        *loaded = Some(environment.clone());
        Ok(Self { environment })
    }
}

/// At most `limit` sessions of one model, made when first needed.
pub struct SessionPool {
    environment: Environment,
    model: PathBuf,
    limit: usize,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    idle: Vec<Session>,
    made: usize,
}

impl std::fmt::Debug for SessionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionPool")
            .field("model", &self.model)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl SessionPool {
    /// Opens the first session at once, so that a broken file shows at start.
    pub fn new(runtime: &Runtime, model: &Path, limit: usize) -> Result<Self> {
        let pool = Self {
            environment: runtime.environment.clone(),
            model: model.to_path_buf(),
            limit: limit.max(1),
            state: Mutex::new(State {
                idle: Vec::new(),
                made: 1,
            }),
            returned: Condvar::new(),
        };
        let first = pool.open()?;
        pool.state.lock().idle.push(first);
        Ok(pool)
    }

    fn open(&self) -> Result<Session> {
        // One thread per session and several sessions: on two cores two threads in one session gain
        // nothing, and spinning threads take time from the others. Without an arena what a long text
        // needed is given back (20 MiB a session), at no measurable cost.
        let processor = ort::ep::CPU::default().with_arena_allocator(false).build();
        let session = Session::builder(&self.environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_memory_pattern(false)?
            .with_execution_providers([processor])?
            .commit_from_file(&self.model)?;
        Ok(session)
    }

    /// Runs `work` with a session, waiting until one is free. Blocks: never call it from an async
    /// worker thread.
    pub fn with<T>(&self, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut lease = Lease {
            pool: self,
            session: Some(self.take()?),
        };
        match lease.session.as_mut() {
            Some(session) => work(session),
            None => Err(Error::Runtime("session".to_owned())),
        }
    }

    fn take(&self) -> Result<Session> {
        let mut state = self.state.lock();
        loop {
            if let Some(session) = state.idle.pop() {
                return Ok(session);
            }
            if state.made < self.limit {
                state.made += 1;
                drop(state);
                return self.open().inspect_err(|_| {
                    self.state.lock().made -= 1;
                    self.returned.notify_one();
                });
            }
            self.returned.wait(&mut state);
        }
    }
}

/// Gives the session back also when the work panics.
struct Lease<'a> {
    pool: &'a SessionPool,
    session: Option<Session>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.state.lock().idle.push(session);
            self.pool.returned.notify_one();
        }
    }
}
