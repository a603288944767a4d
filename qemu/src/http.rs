//! Asking a guest's servers.

use crate::error::{Error, Result};
use crate::shared::Step;
use crate::vm::Vm;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long to leave a server alone that does not answer yet.
const PACE: Duration = Duration::from_millis(200);

/// The longest that one attempt at a server may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A web server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, such as 200.
    pub status: u16,
    /// The header lines, without the status line.
    pub headers: String,
    /// The body; bytes that are not UTF-8 are replaced.
    pub body: String,
}

impl Vm {
    /// Asks the guest's web server for `path` until it answers, with whatever status.
    ///
    /// # Errors
    /// When `timeout` passes or QEMU ends before, or the port is not forwarded.
    pub fn wait_http(&self, guest_port: u16, path: &str, timeout: Duration) -> Result<Response> {
        let what = format!("an answer to GET {path} from guest port {guest_port}");
        self.retry(guest_port, &what, timeout, |address, left| {
            http_get(address, path, left)
        })
    }

    /// Connects to a server in the guest until it greets, as SSH's does; its greeting line.
    ///
    /// An accepted connection alone says nothing, because QEMU accepts before it asks the guest.
    ///
    /// # Errors
    /// When `timeout` passes or QEMU ends before, or the port is not forwarded.
    pub fn wait_banner(&self, guest_port: u16, timeout: Duration) -> Result<String> {
        let what = format!("a greeting from guest port {guest_port}");
        self.retry(guest_port, &what, timeout, |address, left| {
            banner(address, left).map_err(Error::io("reading it"))
        })
    }

    fn retry<T>(
        &self,
        guest_port: u16,
        what: &str,
        timeout: Duration,
        attempt: impl Fn(SocketAddr, Duration) -> Result<T>,
    ) -> Result<T> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.forwarded_port(guest_port)?));
        let begin = Instant::now();
        loop {
            let left = timeout.saturating_sub(begin.elapsed());
            let reason = match attempt(address, left.clamp(Duration::from_millis(1), ATTEMPT)) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let what = format!("{what} (last attempt: {reason})");
            match self.shared.wait(&what, PACE.min(left), |_| Step::<T>::Wait) {
                Err(Error::TimedOut { .. }) if begin.elapsed() < timeout => {}
                Err(Error::TimedOut {
                    machine, what, tail, ..
                }) => {
                    return Err(Error::TimedOut {
                        machine,
                        what,
                        waited: begin.elapsed(),
                        tail,
                    });
                }
                other => return other,
            }
        }
    }
}

/// Gets `path` from the web server at `address` by HTTP/1.0, once.
///
/// # Errors
/// When nothing answers in time, or the answer is not HTTP.
pub fn http_get(address: SocketAddr, path: &str, timeout: Duration) -> Result<Response> {
    get(address, path, timeout).map_err(Error::io(format!("getting http://{address}{path}")))
}

fn get(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<Response> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    // In one piece: a server that answers after the first of several and closes would reset the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let left = timeout.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    parse(&answer)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP, or cut off"))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let body = String::from_utf8_lossy(&answer[end + 4..]);
    let (status_line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let status = status_line
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some(Response {
        status,
        headers: headers.to_owned(),
        body: body.into_owned(),
    })
}

/// Reads the line with which some servers greet, such as `SSH-2.0-OpenSSH_10.0`.
fn banner(address: SocketAddr, timeout: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && line.len() < 1024 {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that answers one connection.
    fn serve(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // All of the request: closing with some of it unread would reset the connection.
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let count = stream.read(&mut piece).unwrap();
                assert_ne!(count, 0, "the request ends early");
                request.extend_from_slice(&piece[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let address = serve("HTTP/1.1 404 Not Found\r\nServer: x\r\nA: b\r\n\r\nnot\r\n\r\nhere");
        let response = http_get(address, "/x", Duration::from_secs(5)).unwrap();
        assert_eq!(
            (response.status, response.body.as_str()),
            (404, "not\r\n\r\nhere")
        );
        assert_eq!(response.headers, "Server: x\r\nA: b");
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        let error = http_get(serve("SSH-2.0-x\r\n"), "/", Duration::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains("getting http://127.0.0.1:"), "{error}");
    }

    #[test]
    fn a_banner_is_one_line() {
        let serve = |answer| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            thread::spawn(move || listener.accept().unwrap().0.write_all(answer).unwrap());
            address
        };
        assert_eq!(
            banner(serve(b"SSH-2.0-x\r\nmore"), Duration::from_secs(5)).unwrap(),
            "SSH-2.0-x"
        );
        assert!(banner(serve(b"SSH-2"), Duration::from_secs(5)).is_err());
    }
}
