//! Which device this is: its names, its time zone, the key that SSH knows it by.

use genpack_spec::layout;
use genpack_spec::types::{Hostname, TimeZone};

use super::{Entry, file, link};

/// What tells this device from others.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The name in effect.
    pub hostname: &'a Hostname,
    /// 32 hexadecimal digits (machine-id(5)).
    pub machine_id: &'a str,
    /// sshd's host key in OpenSSH's private key format.
    pub ssh_host_key: &'a str,
    /// The zone of the settings; none leaves that of the image.
    pub timezone: Option<&'a TimeZone>,
}

impl Identity<'_> {
    pub(super) fn entries(&self) -> Vec<Entry> {
        let hostname = self.hostname;
        let mut entries = vec![
            file("/etc/hostname", 0o644, format!("{hostname}\n")),
            file("/etc/hosts", 0o644, hosts(hostname)),
            file("/etc/machine-id", 0o444, format!("{}\n", self.machine_id)),
            file(layout::SSH_HOST_KEY, 0o600, self.ssh_host_key),
        ];
        if let Some(zone) = self.timezone {
            entries.push(link("/etc/localtime", format!("..{}/{zone}", layout::ZONEINFO)));
        }
        entries
    }
}

fn hosts(hostname: &Hostname) -> String {
    let names = match hostname.short() {
        short if short == hostname.as_str() => short.to_string(),
        short => format!("{hostname} {short}"),
    };
    format!("127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qualified_name_is_known_by_its_first_label_too() {
        assert!(
            hosts(&"kitchen.example.org".parse().unwrap())
                .contains("127.0.1.1 kitchen.example.org kitchen\n")
        );
        assert!(hosts(&"kitchen".parse().unwrap()).contains("127.0.1.1 kitchen\n"));
    }

    #[test]
    fn the_zone_is_a_link() {
        let identity = Identity {
            hostname: &"kitchen".parse().unwrap(),
            machine_id: "0123",
            ssh_host_key: "KEY",
            timezone: Some(&"Asia/Tokyo".parse().unwrap()),
        };
        assert_eq!(
            identity.entries()[4],
            link("/etc/localtime", "../usr/share/zoneinfo/Asia/Tokyo")
        );
    }
}
