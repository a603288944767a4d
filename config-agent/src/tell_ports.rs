//! `tell-ports`: writes one line of JSON with every port at which somebody listens, once the machine has started.
//!
//! udev starts it when there is a virtio port named [`genpack_spec::layout::INSPECT_PORT`], which only the virtual machine of
//! `genpack inspect --boot` has. Whoever can give a machine such a port can read its memory, too.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

/// Ports must stay the same for so long before they are told: services open theirs a moment after they are started.
const SETTLED: Duration = Duration::from_secs(3);
/// Most times that this is waited for.
const MOST_LOOKS: usize = 20;
/// `TCP_LISTEN` in the state column of `/proc/net/tcp` (kernel: `include/net/tcp_states.h`).
const TCP_LISTEN: &str = "0A";
/// A UDP socket that is bound and not connected, in the same column (`TCP_CLOSE`).
const UDP_BOUND: &str = "07";

/// A port at which somebody listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    protocol: &'static str,
    port: u16,
    /// The address; `*` for all of the device's.
    address: String,
    /// The systemd unit; empty for the kernel's own sockets.
    unit: String,
    process: String,
}

/// Waits until the machine has started, and writes the ports to the file `to`.
pub fn run(root: &Path, to: &Path) -> Result<()> {
    // Ends with failure, too, when a unit has failed; it says nothing of interest then.
    let _ = Command::new("systemctl")
        .args(["is-system-running", "--wait"])
        .stdout(Stdio::null())
        .status()
        .context("waiting for the machine to start")?;
    let mut ports = listening(root);
    for _ in 0..MOST_LOOKS {
        std::thread::sleep(SETTLED);
        let now = listening(root);
        if now == ports {
            break;
        }
        ports = now;
    }
    let line = serde_json::to_string(&ports)? + "\n";
    let file = fs::File::options().write(true).open(to);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("writing to {}", to.display()))
}

/// Returns all listening sockets of the Internet.
fn listening(root: &Path) -> Vec<Port> {
    let proc = root.join("proc");
    let owners = owners(&proc);
    let mut ports = Vec::new();
    for (file, protocol, state) in [
        ("tcp", "tcp", TCP_LISTEN),
        ("tcp6", "tcp", TCP_LISTEN),
        ("udp", "udp", UDP_BOUND),
        ("udp6", "udp", UDP_BOUND),
    ] {
        let table = fs::read_to_string(proc.join("net").join(file)).unwrap_or_default();
        for (address, port, inode) in sockets(&table, state) {
            let (process, unit) = owners.get(&inode).cloned().unwrap_or_default();
            ports.push(Port {
                protocol,
                port,
                address,
                unit,
                process,
            });
        }
    }
    ports.sort();
    ports.dedup();
    ports
}

/// Reads a table of `/proc/net`: address, port and inode of the sockets in that state (proc_net_tcp(5)).
fn sockets(table: &str, state: &str) -> Vec<(String, u16, u64)> {
    let socket = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let inode = fields.get(9)?.parse().ok()?;
        (*fields.get(3)? == state).then_some((ip(address)?, port, inode))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// Reads an address as the kernel prints it: words of 32 bits in the machine's own byte order.
fn ip(hex: &str) -> Option<String> {
    let word = |at: usize| {
        u32::from_str_radix(hex.get(at..at + 8)?, 16)
            .ok()
            .map(u32::to_ne_bytes)
    };
    let address: IpAddr = match hex.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(match address.is_unspecified() {
        true => "*".into(),
        false => address.to_string(),
    })
}

/// Returns process and unit of every socket that a process has open, by inode.
fn owners(proc: &Path) -> BTreeMap<u64, (String, String)> {
    let mut owners: BTreeMap<u64, (String, String)> = BTreeMap::new();
    let processes = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // A socket that systemd listens at for a service is open in both; the service, which is younger, says more.
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    for number in numbers {
        let folder = proc.join(number.to_string());
        for inode in open_sockets(&folder) {
            owners.entry(inode).or_insert_with(|| {
                let program = fs::read_link(folder.join("exe")).unwrap_or_default();
                let process = program
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let cgroup = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
                (process, unit_of(&cgroup).to_string())
            });
        }
    }
    owners
}

fn open_sockets(process: &Path) -> Vec<u64> {
    let links = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let inode = |to: PathBuf| {
        to.to_str()?
            .strip_prefix("socket:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    };
    links
        .filter_map(|link| inode(fs::read_link(link.path()).ok()?))
        .collect()
}

/// The unit in a line such as `0::/system.slice/nginx.service` (cgroups(7)).
fn unit_of(cgroup: &str) -> &str {
    let path = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or_default();
    let is_unit = |part: &&str| {
        [".service", ".scope", ".socket"]
            .iter()
            .any(|end| part.ends_with(end))
    };
    path.trim().split('/').rev().find(is_unit).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
                     \x20  1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        assert_eq!(
            sockets(table, TCP_LISTEN),
            [("127.0.0.1".to_string(), 8080, 4711)]
        );
        assert_eq!(ip("00000000000000000000000000000000").as_deref(), Some("*"));
        assert_eq!(ip("00000000000000000000000001000000").as_deref(), Some("::1"));
        assert_eq!(ip("xyz"), None);
    }

    #[test]
    fn our_own_socket_is_found_with_its_process() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = listening(Path::new("/"));
        let own = found
            .iter()
            .find(|found| found.port == port && found.protocol == "tcp")
            .unwrap();
        let program = std::env::current_exe().unwrap();
        let name = program.file_name().unwrap().to_str().unwrap();
        assert_eq!((own.address.as_str(), own.process.as_str()), ("127.0.0.1", name));
    }

    #[test]
    fn units_are_found_in_the_name_of_the_control_group() {
        assert_eq!(unit_of("0::/system.slice/nginx.service\n"), "nginx.service");
        assert_eq!(
            unit_of("0::/system.slice/system-sshd.slice/sshd@1.service/x\n"),
            "sshd@1.service"
        );
        assert_eq!(unit_of("0::/init.scope\n"), "init.scope");
        assert_eq!(unit_of("12:pids:/x.service\n"), "");
    }
}
