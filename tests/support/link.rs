//! A TCP connection's way that can be cut, left hanging, and healed: between a node and its database
//! or its bus.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

const OPEN: u8 = 0;
const CUT: u8 = 1;
const HANGING: u8 = 2;
const TURN: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct State {
    mode: AtomicU8,
    closed: AtomicBool,
}

impl State {
    fn mode(&self) -> u8 {
        if self.closed.load(Ordering::SeqCst) {
            CUT
        } else {
            self.mode.load(Ordering::SeqCst)
        }
    }
}

/// Listens on a port of its own and passes everything on to a target.
#[derive(Debug)]
pub struct Link {
    port: u16,
    state: Arc<State>,
}

impl Link {
    /// To a port on this machine.
    pub fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        listener.set_nonblocking(true)?;
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            while !accepting.closed.load(Ordering::SeqCst) {
                match listener.accept() {
                    // A cut line takes nothing; a hanging one takes the call and says nothing.
                    Ok((stream, _)) if accepting.mode() != CUT => {
                        let _refused = carry(stream, target, &accepting);
                    }
                    Ok(_) => {}
                    Err(_) => thread::sleep(TURN),
                }
            }
        });
        Ok(Self { port, state })
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections and takes no new ones.
    pub fn cut(&self) {
        self.state.mode.store(CUT, Ordering::SeqCst);
    }

    /// Keeps all connections, and lets nothing through.
    pub fn hang(&self) {
        self.state.mode.store(HANGING, Ordering::SeqCst);
    }

    pub fn heal(&self) {
        self.state.mode.store(OPEN, Ordering::SeqCst);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.closed.store(true, Ordering::SeqCst);
    }
}

fn carry(near: TcpStream, target: u16, state: &Arc<State>) -> Result<()> {
    let far = TcpStream::connect(("127.0.0.1", target))?;
    for stream in [&near, &far] {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TURN))?;
    }
    for (from, to) in [
        (near.try_clone()?, far.try_clone()?),
        (far.try_clone()?, near.try_clone()?),
    ] {
        let state = Arc::clone(state);
        thread::spawn(move || pump(from, to, &state));
    }
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match state.mode() {
            CUT => break,
            HANGING => {
                thread::sleep(TURN);
                continue;
            }
            _ => {}
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        while state.mode() == HANGING {
            thread::sleep(TURN);
        }
        if state.mode() == CUT || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _gone = from.shutdown(Shutdown::Both);
    let _gone = to.shutdown(Shutdown::Both);
}
