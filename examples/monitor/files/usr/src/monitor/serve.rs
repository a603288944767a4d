//! Serves the figures that `measure` leaves: as a page, and at /metrics for Prometheus.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const FIGURES: &str = "/run/monitor/figures";
/// How long a browser may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many bytes of a request are read.
const LONGEST_REQUEST: u64 = 16 * 1024;

fn main() -> io::Result<()> {
    // For IPv4, too.
    let listener = TcpListener::bind("[::]:80")?;
    for stream in listener.incoming() {
        // One that went away again, or for which there is no room, costs nobody else anything.
        let Ok(stream) = stream else { continue };
        let _ = thread::Builder::new().spawn(move || serve(&stream));
    }
    Ok(())
}

fn serve(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(LONGEST_REQUEST)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The browser gets the answer only if all that it said was read.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, kind, body) = answer(&request);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Returns the status, the type and the text of the answer to the first line of a request.
fn answer(request: &str) -> (&'static str, &'static str, String) {
    let path = request.split(' ').nth(1).unwrap_or_default();
    match (path, fs::read_to_string(FIGURES)) {
        ("/", Ok(figures)) => ("200 OK", "text/html", page(&figures)),
        ("/metrics", Ok(figures)) => ("200 OK", "text/plain", figures),
        ("/" | "/metrics", Err(error)) => (
            "503 Service Unavailable",
            "text/plain",
            format!("There are no figures: {error}\n"),
        ),
        _ => ("404 Not Found", "text/plain", "There is / and /metrics.\n".into()),
    }
}

fn page(figures: &str) -> String {
    let rows: String = figures
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| format!("<tr><th>{}<td>{value}\n", name.replace('_', " ")))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"10\">\n\
         <title>Monitor</title>\n<table>\n{rows}</table>\n</html>\n"
    )
}
