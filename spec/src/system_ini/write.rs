//! From settings back to a `system.ini` that means the same.

use std::fmt::Display;

use super::header::unquote;
use super::lexer::{before_comment, is_blank};
use crate::settings::{
    BondMode, Ipv6, Method, Network, OwnValue, Persistence, Settings, User, Wifi, WifiSecurity, Wireguard,
    WireguardPeer,
};
use crate::types::{PortId, Secret, Swap};

/// What becomes of passwords and private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They are replaced by [`Secret::MASK`].
    Masked,
    /// They stand there as they are: the text must not be shown to anybody.
    Plain,
}

/// Returns a file that means these settings, without remarks, in canonical spelling and order. LF line ends; empty when
/// nothing is set.
pub fn write(settings: &Settings, secrets: Secrets) -> String {
    let mut file = Writer {
        text: String::new(),
        secrets,
    };
    file.device(settings);
    for (port, network) in &settings.network {
        let header = match port {
            PortId::Default => "network".to_string(),
            port => format!("network {port}"),
        };
        file.section(&header, |file| file.network(network));
    }
    for wifi in &settings.wifi {
        let header = match wifi.name.as_str() {
            "wifi" => "wifi".to_string(),
            // A colon would be taken for what separates the two names.
            name if name.starts_with(':') => format!("wifi \"{name}\""),
            name => format!("wifi {name}"),
        };
        file.section(&header, |file| file.wifi(wifi));
    }
    file.made_ports(settings);
    file.access(settings);
    for (section, values) in &settings.own {
        file.section(section, |file| {
            for (key, value) in values {
                file.own(key, value);
            }
        });
    }
    file.text
}

struct Writer {
    text: String,
    secrets: Secrets,
}

impl Writer {
    fn section(&mut self, header: &str, body: impl FnOnce(&mut Writer)) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("[{header}]\n"));
        body(self);
    }

    /// The same, but nothing at all when there is nothing in it.
    fn section_unless_empty(&mut self, header: &str, body: impl FnOnce(&mut Writer)) {
        let mut inside = Writer {
            text: String::new(),
            secrets: self.secrets,
        };
        body(&mut inside);
        if !inside.text.is_empty() {
            self.section(header, |file| file.text.push_str(&inside.text));
        }
    }

    /// A value that its type keeps free of everything that would need quotes.
    fn plain(&mut self, key: &str, value: impl Display) {
        self.text.push_str(&format!("{key} = {value}\n"));
    }

    fn some(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.plain(key, value);
        }
    }

    fn switch(&mut self, key: &str, on: Option<bool>) {
        self.some(key, on.map(word));
    }

    fn list(&mut self, key: &str, values: &[impl Display]) {
        if !values.is_empty() {
            let values: Vec<_> = values
                .iter()
                .map(|value| quoted(&value.to_string(), false))
                .collect();
            self.plain(key, values.join(", "));
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.plain(key, quoted(value, false));
    }

    fn secret(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            match self.secrets {
                Secrets::Masked => self.plain(key, Secret::MASK),
                Secrets::Plain => self.plain(key, quoted(value, true)),
            }
        }
    }

    fn device(&mut self, settings: &Settings) {
        let system = &settings.system;
        self.section_unless_empty("system", |file| {
            file.some("hostname", system.hostname.as_ref());
            file.some("timezone", system.timezone.as_ref());
            file.some("locale", system.locale.as_ref());
            file.some("keyboard", system.keyboard.as_ref());
            file.switch("autologin", system.autologin);
            file.switch("debug", system.debug);
            file.some("swapfile", system.swapfile.map(|swap: Swap| swap.to_string()));
        });
        self.section_unless_empty("time", |file| {
            match settings.time.ntp.as_deref() {
                Some([]) => file.plain("ntp", "off"),
                Some(servers) => file.list("ntp", servers),
                None => {}
            }
            file.some("clock", settings.time.clock.map(moment));
        });
        self.section_unless_empty("proxy", |file| {
            for (key, proxy) in [("http", &settings.proxy.http), ("https", &settings.proxy.https)] {
                let Some(proxy) = proxy else { continue };
                // Without a password in it, its JSON form is the address itself.
                match serde_json::to_value(proxy) {
                    Ok(serde_json::Value::String(address)) => file.plain(key, address),
                    _ => file.secret(key, Some(proxy.reveal())),
                }
            }
            file.list("no_proxy", &settings.proxy.no_proxy);
        });
        self.section_unless_empty("storage", |file| {
            let persistence = settings.storage.persistence.map(|persistence| match persistence {
                Persistence::None => "none",
                Persistence::Paths => "paths",
                Persistence::All => "all",
            });
            file.some("persistence", persistence);
            if let Some(word) = &settings.storage.factory_reset {
                file.text("factory_reset", word);
            }
        });
        self.section_unless_empty("update", |file| {
            file.some("url", settings.update.url.as_ref());
            file.switch("auto", settings.update.auto);
        });
    }

    fn network(&mut self, network: &Network) {
        let method = match network.method {
            Method::Auto => "auto",
            Method::Static => "static",
            Method::Off => "off",
        };
        self.plain("method", method);
        self.list("address", &network.addresses);
        self.list("gateway", &network.gateways);
        self.list("dns", &network.dns);
        self.list("search", &network.search);
        self.some("mtu", network.mtu);
        self.some("mac", network.mac);
        let ipv6 = network.ipv6.map(|ipv6| match ipv6 {
            Ipv6::Auto => "auto",
            Ipv6::Off => "off",
        });
        self.some("ipv6", ipv6);
        self.switch("fallback", network.fallback);
    }

    fn wifi(&mut self, wifi: &Wifi) {
        self.text("ssid", &wifi.ssid);
        self.secret("password", wifi.password.as_ref().map(Secret::reveal));
        self.some("country", wifi.country.as_ref());
        self.switch("hidden", wifi.hidden);
        let security = wifi.security.map(|security| match security {
            WifiSecurity::Auto => "auto",
            WifiSecurity::Open => "open",
            WifiSecurity::Wpa2 => "wpa2",
            WifiSecurity::Wpa3 => "wpa3",
            WifiSecurity::Enterprise => "enterprise",
        });
        self.some("security", security);
        if let Some(identity) = &wifi.identity {
            self.text("identity", identity);
        }
        self.some("priority", wifi.priority);
        if let Some(network) = &wifi.network {
            self.network(network);
        }
    }

    /// Ports that are made of others, and tunnels.
    fn made_ports(&mut self, settings: &Settings) {
        for (name, vlan) in &settings.vlan {
            self.section(&format!("vlan {name}"), |file| {
                file.plain("parent", &vlan.parent);
                file.plain("id", vlan.id);
                vlan.network.iter().for_each(|network| file.network(network));
            });
        }
        for (name, bridge) in &settings.bridge {
            self.section(&format!("bridge {name}"), |file| {
                file.list("ports", &bridge.ports);
                file.switch("stp", bridge.stp);
                bridge.network.iter().for_each(|network| file.network(network));
            });
        }
        for (name, bond) in &settings.bond {
            self.section(&format!("bond {name}"), |file| {
                file.list("ports", &bond.ports);
                let mode = bond.mode.map(|mode| match mode {
                    BondMode::ActiveBackup => "active-backup",
                    BondMode::Lacp => "802.3ad",
                    BondMode::BalanceRr => "balance-rr",
                    BondMode::BalanceXor => "balance-xor",
                    BondMode::BalanceTlb => "balance-tlb",
                    BondMode::BalanceAlb => "balance-alb",
                    BondMode::Broadcast => "broadcast",
                });
                file.some("mode", mode);
                bond.network.iter().for_each(|network| file.network(network));
            });
        }
        for (name, tunnel) in &settings.wireguard {
            self.tunnel(&format!("wireguard {name}"), tunnel);
        }
    }

    fn tunnel(&mut self, header: &str, tunnel: &Wireguard) {
        self.section(header, |file| {
            file.secret("private_key", Some(tunnel.private_key.reveal()));
            file.some("listen_port", tunnel.listen_port);
            file.list("address", &tunnel.addresses);
            if let Some(peer) = tunnel.peers.get("peer") {
                file.peer(peer);
            }
        });
        for (name, peer) in tunnel.peers.iter().filter(|(name, _)| *name != "peer") {
            self.section(&format!("{header} peer {name}"), |file| file.peer(peer));
        }
    }

    fn peer(&mut self, peer: &WireguardPeer) {
        self.plain("peer_public_key", &peer.public_key);
        self.some("peer_endpoint", peer.endpoint.as_ref());
        self.list("peer_allowed_ips", &peer.allowed_ips);
        self.secret(
            "peer_preshared_key",
            peer.preshared_key.as_ref().map(|key| key.reveal()),
        );
        self.some("keepalive", peer.keepalive);
    }

    fn access(&mut self, settings: &Settings) {
        self.section_unless_empty("ssh", |file| {
            file.switch("enabled", settings.ssh.enabled);
            settings.ssh.keys.iter().for_each(|key| file.plain("key", key));
            file.switch("password_login", settings.ssh.password_login);
        });
        for (name, user) in &settings.user {
            self.section_unless_empty(&format!("user {name}"), |file| file.user(user));
        }
        self.section_unless_empty("services", |file| {
            for (unit, on) in &settings.services {
                file.plain(unit.as_str(), word(*on));
            }
        });
    }

    fn user(&mut self, user: &User) {
        self.secret("password", user.password.as_ref().map(Secret::reveal));
        self.secret(
            "password_hash",
            user.password_hash.as_ref().map(|hash| hash.reveal()),
        );
        user.ssh_keys.iter().for_each(|key| self.plain("ssh_key", key));
        self.list("groups", &user.groups);
        self.some("shell", user.shell.as_ref());
    }

    fn own(&mut self, key: &str, value: &OwnValue) {
        match value {
            OwnValue::Bool(on) => self.plain(key, word(*on)),
            OwnValue::Integer(number) => self.plain(key, number),
            OwnValue::Text(text) => self.text(key, text),
            OwnValue::List(values) => self.list(key, values),
            OwnValue::Secret(secret) => self.secret(key, Some(secret.reveal())),
        }
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Puts quotes around a text where it would be read as another without them; in a `literal` one no remark begins.
pub(super) fn quoted(value: &str, literal: bool) -> String {
    let forms = [value.to_string(), format!("\"{value}\""), format!("'{value}'")];
    let reads_back = |form: &&String| {
        let line = format!(" {form}");
        let text = if literal {
            line.as_str()
        } else {
            before_comment(&line)
        };
        unquote(text.trim_matches(is_blank)).trim_matches(is_blank) == value
    };
    let found = forms.iter().find(reads_back).unwrap_or(&forms[1]);
    found.clone()
}

/// Seconds since 1970 as date and time in UTC.
fn moment(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // The way back from `super::moment`: years begin in March, eras of 400 years have 146,097 days.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year + era * 400 + carry;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_back() {
        for seconds in [
            0,
            1,
            951_782_399,
            951_782_400,
            951_868_800,
            1_795_390_000,
            4_107_542_400,
            7_289_654_399,
        ] {
            let text = moment(seconds);
            assert_eq!(crate::system_ini::moment::parse(&text), Ok(seconds), "{text}");
        }
    }
}
