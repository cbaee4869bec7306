//! The socket: so many connections at a time, and none on which nothing moves.
//!
//! Jobs and the store need file descriptors too: connections that nobody closes must not take them all.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at a time where the system allows enough open files; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 2_048;
/// A connection ends on which nothing moves for so long: three times the longest poll.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Between two tries to accept, when the system refuses.
const BETWEEN: Duration = Duration::from_millis(500);

/// Accepts connections.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    silence_max: Duration,
}

impl Door {
    pub(super) fn new(listener: TcpListener) -> Self {
        // Half of the files that may be open.
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 2;
        let files = usize::try_from(files).unwrap_or(CONNECTIONS_MAX);
        Self::with(listener, files.clamp(1, CONNECTIONS_MAX), SILENCE_MAX)
    }

    fn with(listener: TcpListener, connections_max: usize, silence_max: Duration) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(connections_max)),
            silence_max,
        }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Nobody closes the semaphore.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    return (Connection::new(stream, place, self.silence_max), peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    pause(BETWEEN).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection, with its place among those that there may be.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
    silence_max: Duration,
    /// Its end, if nothing moves until then.
    end: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>, silence_max: Duration) -> Self {
        Self {
            stream,
            _place: place,
            silence_max,
            end: Box::pin(pause(silence_max)),
        }
    }

    /// What came of a try to move something; fails if nothing has moved for too long.
    fn moved<T>(
        &mut self,
        context: &mut Context<'_>,
        tried: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.end.as_mut().reset(Instant::now() + self.silence_max);
            return tried;
        }
        let silent = self.end.as_mut().poll(context);
        silent.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.moved(context, read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.moved(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "sockets belong to the host, where time passes"
)]
fn pause(duration: Duration) -> Sleep {
    tokio::time::sleep(duration)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn door(connections_max: usize, silence_max: Duration) -> (Door, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (Door::with(listener, connections_max, silence_max), address)
    }

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_for_one() {
        let (mut door, address) = door(1, SILENCE_MAX).await;
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let (first, _) = door.accept().await;
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, door.accept()).await.is_err());
        drop(first);
        door.accept().await;
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_moves_ends_and_one_that_speaks_does_not() {
        let (mut door, address) = door(2, Duration::from_millis(200)).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = door.accept().await;
        let mut byte = [0];
        for _ in 0..4 {
            pause(Duration::from_millis(100)).await;
            client.write_all(b".").await.unwrap();
            connection.read_exact(&mut byte).await.unwrap();
        }
        let ended = connection.read_exact(&mut byte).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
    }
}
