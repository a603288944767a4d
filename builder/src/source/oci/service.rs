//! What a container image runs, as a service of systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use genpack_spec::layout;
use nix::sys::signal::Signal;
use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};

use super::user::User;
use crate::tree::rooted::Rooted;

/// Where programs are looked for when the image says nothing, in the order of Docker and podman.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What Docker and podman let a container's root do. Images are made for these, and need no more.
const CAPABILITIES: &str = "CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE \
                            CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT";
/// Ports that only root may use (ip(7)).
const PRIVILEGED: std::ops::Range<u16> = 1..1024;
/// What may stand behind a port's number; the first goes without saying (OCI image specification, "Image Configuration").
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
/// The last signal, and how many there are behind the first real-time one (signal(7)).
const LAST_SIGNAL: u8 = 64;
const LAST_REAL_TIME: u8 = 30;
/// The image's own folder takes the place of the empty file system that systemd would show it (`MountAPIVFS=` gives way to what is
/// mounted explicitly): programs expect there what was made with the image, such as `/run/mysqld`. The system's is not seen.
pub(super) const RUN: &str = "run";
/// Names that systemd gives to every service of a user (systemd.exec(5)), and containers do not have.
const OF_SYSTEMD: [&str; 3] = ["LOGNAME", "SHELL", "USER"];

/// What a container image runs. In an appliance it is kept as [`layout::CONTAINER_INFO`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The image's name, or its hash.
    pub image: String,
    /// The program, seen from the image's own root.
    pub program: PathBuf,
    /// Its arguments; the first is its name.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The folder that it starts in.
    pub folder: PathBuf,
    /// Whom it runs as.
    pub user: User,
    /// Ports that the image says it serves, as `80/tcp`.
    pub ports: BTreeSet<String>,
    /// Folders whose content should outlive a restart, as the image says.
    pub volumes: BTreeSet<PathBuf>,
    /// The signal that stops it.
    pub stop_signal: Option<String>,
}

impl Service {
    /// Reads what the image `name` runs, from its configuration and its files below `root`.
    ///
    /// # Errors
    /// When there is no such program or user, or something can't be said to systemd.
    pub fn of(name: &str, configuration: &ImageConfiguration, root: &Rooted) -> Result<Service, String> {
        let config = configuration.config().clone().unwrap_or_default();
        let mut arguments = config.entrypoint().clone().unwrap_or_default();
        arguments.extend(config.cmd().clone().unwrap_or_default());
        let Some(first) = arguments.first() else {
            return Err("it names no program to run: it has neither Entrypoint nor Cmd".into());
        };
        let folder = absolute(
            "WorkingDir",
            config.working_dir().as_deref().filter(|dir| !dir.is_empty()),
        )?;
        let mut environment = BTreeMap::from([("PATH".to_string(), PATH.to_string())]);
        for line in config.env().iter().flatten() {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            environment.insert(variable(key)?, value.to_string());
        }
        let user = User::find(config.user().as_deref().unwrap_or_default(), root)?;
        environment
            .entry("HOME".into())
            .or_insert_with(|| user.home.clone());
        let program = find_program(first, &environment["PATH"], &folder, root)?;
        let stop_signal = config
            .stop_signal()
            .as_deref()
            .filter(|signal| !signal.is_empty());
        let ports = config.exposed_ports().iter().flatten().map(|said| {
            port(said).ok_or_else(|| {
                format!("its ExposedPorts has {said:?}, which is no port; ports are such as 80/tcp and 8000-8010/udp")
            })
        });
        let volumes = config
            .volumes()
            .iter()
            .flatten()
            .map(|path| absolute("Volumes", Some(path)));
        Ok(Service {
            image: name.to_string(),
            program,
            arguments,
            environment,
            folder,
            user,
            ports: ports.collect::<Result<_, _>>()?,
            volumes: volumes.collect::<Result<_, _>>()?,
            stop_signal: stop_signal.map(signal).transpose()?,
        })
    }

    /// Whether the program needs leave to serve a port of root's.
    fn needs_privileged_port(&self) -> bool {
        let first = |port: &String| {
            port.split(['/', '-'])
                .next()
                .and_then(|number| number.parse().ok())
        };
        self.user.uid != 0
            && self
                .ports
                .iter()
                .filter_map(first)
                .any(|port: u16| PRIVILEGED.contains(&port))
    }

    /// Returns the unit (systemd.service(5), systemd.exec(5)).
    pub fn unit(&self) -> String {
        let root = layout::CONTAINER_ROOT;
        let ports = self
            .ports
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        let ports = match ports.is_empty() {
            true => String::new(),
            false => format!(", serving {}", specifiers(&one_line(&ports))),
        };
        let mut unit = format!(
            "# Made by genpack from a container image.\n[Unit]\nDescription=Container image {}{ports}\n\
             Wants=network-online.target\nAfter=network-online.target\n\n[Service]\nType=exec\nRootDirectory={root}\n\
             MountAPIVFS=yes\nPrivateDevices=yes\nProtectControlGroups=yes\nProtectKernelModules=yes\n\
             ProtectKernelTunables=yes\nCapabilityBoundingSet={CAPABILITIES}\nBindPaths={root}/{RUN}:/{RUN}\n\
             BindReadOnlyPaths={} /etc/hosts\n",
            specifiers(&one_line(&self.image)),
            layout::RESOLVER_DIR,
        );
        let mut line = |text: String| {
            let _ = writeln!(unit, "{text}");
        };
        line(format!("User={}\nGroup={}", self.user.uid, self.user.gid));
        let groups: Vec<_> = self.user.groups.iter().map(u32::to_string).collect();
        if !groups.is_empty() {
            line(format!("SupplementaryGroups={}", groups.join(" ")));
        }
        if self.needs_privileged_port() {
            line("AmbientCapabilities=CAP_NET_BIND_SERVICE".into());
        }
        line(format!(
            "WorkingDirectory={}",
            specifiers(&self.folder.to_string_lossy())
        ));
        for (key, value) in &self.environment {
            line(format!("Environment={}", quoted(&format!("{key}={value}"))));
        }
        let foreign: Vec<_> = OF_SYSTEMD
            .into_iter()
            .filter(|name| !self.environment.contains_key(*name))
            .collect();
        if !foreign.is_empty() {
            line(format!("UnsetEnvironment={}", foreign.join(" ")));
        }
        // `:` keeps dollar signs as they are, and `@` says that the program's name for itself follows.
        let mut words = vec![quoted(&format!(":@{}", self.program.display()))];
        words.extend(self.arguments.iter().map(|argument| quoted(argument)));
        line(format!("ExecStart={}", words.join(" ")));
        if let Some(signal) = &self.stop_signal {
            line(format!("KillSignal={signal}"));
        }
        // As Docker and podman stop a container.
        line(
            "KillMode=mixed\nTimeoutStopSec=10\nRestart=on-failure\n\n[Install]\nWantedBy=multi-user.target"
                .into(),
        );
        unit
    }
}

/// Returns the name of a variable, if systemd takes it (systemd.exec(5), `Environment=`).
fn variable(name: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good) {
        return Err(format!(
            "its Env has {name:?}, which can't be the name of a variable for a service; names have letters, digits and _"
        ));
    }
    Ok(name.to_string())
}

/// Returns a signal as systemd writes it; engines take any case, and a name without `SIG`.
fn signal(said: &str) -> Result<String, String> {
    let upper = said.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let is_number =
        |text: &str, numbers: RangeInclusive<u8>| text.parse().is_ok_and(|number| numbers.contains(&number));
    let is_real_time = |first: &str, sign: char| {
        let rest = name.strip_prefix(first);
        rest.is_some_and(|rest| {
            rest.is_empty()
                || rest
                    .strip_prefix(sign)
                    .is_some_and(|number| is_number(number, 0..=LAST_REAL_TIME))
        })
    };
    if is_number(&upper, 1..=LAST_SIGNAL) {
        return Ok(upper);
    }
    if is_real_time("RTMIN", '+')
        || is_real_time("RTMAX", '-')
        || Signal::from_str(&format!("SIG{name}")).is_ok()
    {
        return Ok(format!("SIG{name}"));
    }
    Err(format!(
        "its StopSignal {said:?} is no signal; signals are such as SIGTERM, SIGRTMIN+3 and 15 (signal(7))"
    ))
}

/// Returns a port, or several in a row, as `80/tcp` or `8000-8010`; nothing for another text.
fn port(said: &str) -> Option<String> {
    let said = said.to_ascii_lowercase();
    let (numbers, protocol) = said.split_once('/').unwrap_or((&said, PROTOCOLS[0]));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let number = |text: &str| text.parse::<NonZeroU16>().ok().filter(|_| !text.starts_with('+'));
    let is_port = number(first)? <= number(last)? && PROTOCOLS.contains(&protocol);
    is_port.then_some(said)
}

/// Returns a folder of the image, from its root on.
fn absolute(field: &str, path: Option<&str>) -> Result<PathBuf, String> {
    let path = Path::new(path.unwrap_or("/"));
    let text = path.to_string_lossy();
    let strange = text.contains(|c: char| c.is_control() || c == '\\') || text.trim() != text;
    if !path.is_absolute() || strange || path.components().any(|part| part.as_os_str() == "..") {
        return Err(format!(
            "its {field} {text:?} is not the path of a folder from / on"
        ));
    }
    Ok(path.to_path_buf())
}

/// Finds a program as a container's runtime does.
fn find_program(name: &str, path: &str, folder: &Path, root: &Rooted) -> Result<PathBuf, String> {
    let candidates: Vec<PathBuf> = match name.contains('/') {
        true => vec![folder.join(name)],
        false => path.split(':').map(|part| folder.join(part).join(name)).collect(),
    };
    let runs = |candidate: &&PathBuf| {
        root.metadata(candidate)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    candidates.iter().find(runs).cloned().ok_or_else(|| {
        let looked: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        format!(
            "the program that it runs, {name:?}, is not in it, or can't be executed; looked for {}",
            looked.join(", ")
        )
    })
}

/// Returns a word of a unit file that stands for exactly this text (systemd.syntax(7), "Quoting"; systemd.unit(5),
/// "Specifiers").
fn quoted(text: &str) -> String {
    let mut word = String::from("\"");
    for character in specifiers(text).chars() {
        match character {
            '"' => word.push_str("\\\""),
            '\\' => word.push_str("\\\\"),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            control if control.is_ascii_control() => {
                let _ = write!(word, "\\x{:02x}", u32::from(control));
            }
            other => word.push(other),
        }
    }
    word + "\""
}

fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || c == '\\', " ")
}

/// Reads a small text of an image, such as `etc/passwd`; one that is not there is empty.
pub(super) fn text_of(root: &Rooted, path: &str) -> Result<String, String> {
    const MOST: u64 = 1 << 20;
    let Ok(file) = root.file(Path::new(path)) else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    file.take(MOST)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("its /{path} can't be read: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
