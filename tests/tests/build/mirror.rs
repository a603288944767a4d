//! A mirror on this machine, and the ways in which mirrors fail.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::site::{Lacks, Running, Site, shared_cache, tiny_image, tiny_lock};

/// How a mirror answers.
#[derive(Clone, Copy)]
pub enum Manner {
    /// With what is asked for.
    Well,
    /// So many times, then with half a file, and then nobody listens any more.
    GoesAwayAfter(usize),
    /// So many times, then with half a file, and then not at all, whoever connects.
    FallsSilentAfter(usize),
}

/// A mirror that has the packages of [`tiny_image`]'s tools; gone with the value.
pub struct Mirror {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    manner: Manner,
    /// The packages' files by their paths.
    files: HashMap<String, PathBuf>,
    asked: Mutex<Vec<String>>,
}

impl Mirror {
    pub fn new(manner: Manner) -> Mirror {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = Mirror {
            address: listener.local_addr().unwrap(),
            state: Arc::new(State {
                manner,
                files: files(),
                asked: Mutex::default(),
            }),
            listener,
        };
        let (listener, state) = (mirror.listener.try_clone().unwrap(), mirror.state.clone());
        std::thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                let (listener, state) = (listener.try_clone().unwrap(), state.clone());
                // A connection that breaks is the other side's business.
                std::thread::spawn(move || state.serve(&connection, listener));
            }
        });
        mirror
    }

    /// As `GENPACK_MIRROR` names it.
    pub fn uri(&self) -> String {
        format!("http://{}/debian", self.address)
    }

    /// The paths that it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        stop_listening(self.listener.try_clone().unwrap());
    }
}

/// Lets accept(2) fail, also one that waits already, and connections be refused.
fn stop_listening(listener: TcpListener) {
    // The standard library can't shut a listener down; for the kernel it is a socket like any other.
    let _ = TcpStream::from(OwnedFd::from(listener)).shutdown(Shutdown::Both);
}

impl State {
    fn serve(&self, connection: &TcpStream, listener: TcpListener) -> Option<()> {
        let mut lines = BufReader::new(connection).lines();
        loop {
            let request = lines.next()?.ok()?;
            // The rest of the request's head ends with an empty line.
            while !lines.next()?.ok()?.is_empty() {}
            let path = request.split(' ').nth(1)?.strip_prefix("/debian/")?.to_string();
            let number = {
                let mut asked = self.asked.lock().unwrap();
                asked.push(path.clone());
                asked.len() - 1
            };
            let served = match self.manner {
                Manner::Well => usize::MAX,
                Manner::GoesAwayAfter(count) | Manner::FallsSilentAfter(count) => count,
            };
            match self.files.get(&path).map(|file| fs::read(file).unwrap()) {
                Some(body) if number <= served => {
                    write!(
                        &*connection,
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    )
                    .ok()?;
                    let half = if number == served {
                        body.len() / 2
                    } else {
                        body.len()
                    };
                    (&*connection).write_all(&body[..half]).ok()?;
                }
                None if number < served => {
                    write!(
                        &*connection,
                        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
                    )
                    .ok()?;
                }
                _ => {}
            }
            if number >= served {
                break;
            }
        }
        if let Manner::GoesAwayAfter(_) = self.manner {
            stop_listening(listener);
            let _ = connection.shutdown(Shutdown::Write);
        }
        // Until the other side has had enough. To close before that would take back what is under way to it.
        let _ = (&*connection).read_to_end(&mut Vec::new());
        None
    }
}

/// Returns the files of the packages of the tools, by their paths in an archive.
fn files() -> HashMap<String, PathBuf> {
    let lock = fs::read_to_string(tiny_lock()).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let sets = lock["sets"].as_array().unwrap();
    let tools = sets.iter().find(|set| set["purpose"] == "tools").unwrap();
    let packages = tools["packages"].as_array().unwrap().iter();
    let packages = packages.map(|package| {
        let fields: Vec<_> = package.as_str().unwrap().split(' ').collect();
        (fields[4].to_string(), fields[5].to_string())
    });
    let packages: Vec<_> = packages.collect();
    let files = packages
        .iter()
        .map(|(sha256, path)| (path.clone(), deb(shared_cache(), sha256)));
    let files: HashMap<_, _> = files.collect();
    if !files.values().all(|file| file.exists()) {
        bring_back(packages.iter().map(|(sha256, _)| sha256.as_str()));
    }
    files
}

/// Where a cache has a package's file.
pub fn deb(cache: &Path, sha256: &str) -> PathBuf {
    cache.join(format!("genpack/packages/{sha256}.deb"))
}

/// Fetches packages that the shared cache has given up, since it has what was made of them.
fn bring_back<'a>(packages: impl Iterator<Item = &'a str>) {
    let site = Site::of_tiny(Lacks::Tools);
    Running::start(site.build()).finish().assert(0, &[]);
    for sha256 in packages {
        let (from, to) = (deb(&site.path("cache"), sha256), deb(shared_cache(), sha256));
        if !to.exists() {
            fs::copy(from, to).unwrap();
        }
    }
}

/// Returns a build of `site` from `mirror`, with little patience.
pub fn build_from(mirror: &Mirror, site: &Site) -> Command {
    // The host's own limits come before genpack's.
    let settings = "Acquire { Retries \"0\"; http::Timeout \"2\"; https::Timeout \"2\"; };";
    fs::write(site.path("apt.conf"), settings).unwrap();
    let mut build = site.build();
    build.env("GENPACK_MIRROR", mirror.uri());
    build.env("APT_CONFIG", site.path("apt.conf"));
    build
}

/// Returns how many packages a site's own cache has fetched, all of which must be whole.
pub fn fetched(site: &Site) -> usize {
    let packages = fs::read_dir(site.path("cache/genpack/packages"))
        .unwrap()
        .flatten();
    let fetched: Vec<_> = packages
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.path())
        .collect();
    for package in &fetched {
        let sums = Command::new("sha256sum").arg(package).output().unwrap();
        let sum = String::from_utf8(sums.stdout).unwrap();
        let name = package.file_stem().unwrap().to_str().unwrap();
        assert!(sum.starts_with(name), "{} is {sum}", package.display());
    }
    fetched.len()
}

#[test]
fn a_mirror_that_fails_in_the_middle_costs_only_what_has_not_come() {
    let site = Site::of_tiny(Lacks::Tools);
    let count = files().len();

    let silent = Mirror::new(Manner::FallsSilentAfter(5));
    let begun = Instant::now();
    let said = Running::start(build_from(&silent, &site)).finish();
    said.assert(
        1,
        &[
            &format!("{} of {count} packages could not be fetched: ", count - 5),
            &format!("and {} more; 5 have come and are kept", count - 8),
            "name another one with GENPACK_MIRROR or with mirror:",
            &format!(
                "{}: the mirror is silent: nothing has come for 19 seconds",
                silent.uri()
            ),
        ],
    );
    assert!(begun.elapsed() < Duration::from_secs(120));
    site.assert_untouched();
    assert_eq!(fetched(&site), 5);

    let going = Mirror::new(Manner::GoesAwayAfter(5));
    let said = Running::start(build_from(&going, &site)).finish();
    let broken = going.asked()[5].clone();
    said.assert(
        1,
        &[
            &format!("{} packages to fetch", count - 5),
            &format!("{} of {} packages could not be fetched: ", count - 10, count - 5),
            &format!(
                "{}/{broken}: Error reading from server. Remote end closed connection",
                going.uri()
            ),
            "Connection refused",
        ],
    );
    // Which package it is, as the lock file calls it.
    let name = broken.rsplit('/').next().unwrap().split('_').next().unwrap();
    assert!(
        said.stderr.contains(&format!("could not be fetched: {name} ")),
        "{}",
        said.stderr
    );
    site.assert_untouched();
    assert_eq!(fetched(&site), 10);

    let back = Mirror::new(Manner::Well);
    let said = Running::start(build_from(&back, &site)).finish();
    said.assert(0, &[&format!("{} packages to fetch", count - 10)]);
    assert_eq!(back.asked().len(), count - 10);
    assert!(fs::read(site.image()).unwrap() == fs::read(tiny_image()).unwrap());
    site.assert_clean();
}
