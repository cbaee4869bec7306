//! Connections across a border that only files cross: DynamoDB Local listens to every interface and cannot be told
//! otherwise, so it has a network of its own, where nothing but a socket in a folder leads in.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

/// The name of the socket in the folder of a server.
const SOCKET: &str = "socket";

/// The outer end: a port of loopback, chosen now, whose connections go to the socket. Served until this process ends.
pub(crate) fn outer(folder: &Path) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let socket = folder.join(SOCKET);
    thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            let socket = socket.clone();
            carry(client, || UnixStream::connect(socket));
        }
    });
    Ok(address)
}

/// The inner end: connections to the socket go to `port` of this namespace. Served until this process ends.
pub(crate) fn inner(folder: &Path, port: u16) -> io::Result<()> {
    let listener = UnixListener::bind(folder.join(SOCKET))?;
    thread::spawn(move || {
        for client in listener.incoming().filter_map(Result::ok) {
            carry(client, move || {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            });
        }
    });
    Ok(())
}

/// Carries one connection on a thread of its own. A client whose server cannot be had is closed.
fn carry<S: Stream>(client: impl Stream, connect: impl FnOnce() -> io::Result<S> + Send + 'static) {
    thread::spawn(move || connect().and_then(|server| join(client, server)));
}

/// Copies both ways until the server is through. A client that has said its last is still answered.
fn join<C: Stream, S: Stream>(mut client: C, mut server: S) -> io::Result<()> {
    client.unbuffered()?;
    server.unbuffered()?;
    let (mut from_client, mut to_server) = (client.twin()?, server.twin()?);
    let requests = thread::spawn(move || {
        _ = io::copy(&mut from_client, &mut to_server);
        to_server.end(Shutdown::Write)
    });
    _ = io::copy(&mut server, &mut client);
    client.end(Shutdown::Both)?; // who has answered its last listens no more
    _ = server.end(Shutdown::Both);
    _ = requests.join();
    Ok(())
}

/// What both sorts of sockets can do.
trait Stream: Read + Write + Send + Sized + 'static {
    /// The same connection once more.
    fn twin(&self) -> io::Result<Self>;
    fn end(&self, how: Shutdown) -> io::Result<()>;
    /// Sends what is written at once; else an answer in two pieces waits 40 ms for an acknowledgement.
    fn unbuffered(&self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn end(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn unbuffered(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }
}

impl Stream for UnixStream {
    fn twin(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn end(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn unbuffered(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_cross_both_ends_in_both_directions_and_so_does_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        inner(folder.path(), server.local_addr().unwrap().port()).unwrap();
        let address = outer(folder.path()).unwrap();
        assert!(address.ip().is_loopback());
        let echo = thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            client.write_all(&heard).unwrap();
            heard.len()
        });
        let mut client = TcpStream::connect(address).unwrap();
        let said: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
        client.write_all(&said).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).unwrap();
        assert_eq!(echo.join().unwrap(), said.len());
        assert!(heard == said, "{} bytes came back", heard.len());
    }

    #[test]
    fn a_connection_that_nobody_takes_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let address = outer(folder.path()).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let mut heard = Vec::new();
        // closed or reset, at once
        _ = client.read_to_end(&mut heard);
        assert_eq!(heard, []);
    }
}
