//! `[wifi]`, `[vlan]`, `[bridge]`, `[bond]`.
//!
//! A section without which its port can't exist is not used as a whole. None of them is the way to a device that has a
//! cable: that keeps its own address.

use super::super::findings::Words;
use super::{Values, network};
use crate::report::Severity;
use crate::settings::{Bond, BondMode, Bridge, Network, Vlan, Wifi, WifiSecurity};
use crate::text;
use crate::text::Text;
use crate::types::{InterfaceName, Secret};

/// The `[network]` keys of a section, when it has any.
fn addresses(values: &mut Values<'_, '_>) -> Option<Network> {
    let mut keys = values.section.borrowed_keys();
    keys.any(|key| values.has(key.name))
        .then(|| network::build(None, values))
}

pub(super) fn wifi(name: &str, values: &mut Values<'_, '_>) -> Option<Wifi> {
    let ssid: Option<String> = values.one("ssid");
    let password: Option<Secret> = values.one("password");
    let security = security(values);
    let wifi = Wifi {
        name: if name.is_empty() { "wifi" } else { name }.to_string(),
        ssid: ssid.clone().unwrap_or_default(),
        country: values.one("country"),
        hidden: values.one("hidden"),
        identity: values.one("identity"),
        priority: values
            .one("priority")
            .and_then(|number: i64| i32::try_from(number).ok()),
        network: addresses(values),
        password,
        security,
    };
    let none = || text!("no wireless network");
    if ssid.is_none() {
        if !values.has("ssid") {
            let hint = text!("a further line: {line}", line = Text::verbatim("ssid = My Home"));
            values.refuse_section(
                None,
                text!("the name of the wireless network (ssid) is missing"),
                none(),
                hint,
            );
        }
        return None;
    }
    if let Err(problem) = check_password(&wifi, values) {
        let hint = text!("the password exactly as the router has it");
        values.refuse_section(Some("password"), problem, none(), hint);
        return None;
    }
    Some(wifi)
}

fn security(values: &mut Values<'_, '_>) -> Option<WifiSecurity> {
    let wpa3: Option<bool> = values.one("wpa3");
    let word: Option<&str> = values.one("security");
    let chosen = word.map(|word| match word {
        "open" => WifiSecurity::Open,
        "wpa2" => WifiSecurity::Wpa2,
        "wpa3" => WifiSecurity::Wpa3,
        "enterprise" => WifiSecurity::Enterprise,
        _ => WifiSecurity::Auto,
    });
    let chosen = chosen.or((wpa3 == Some(true)).then_some(WifiSecurity::Wpa3));
    if chosen == Some(WifiSecurity::Open) && values.has("password") {
        // A password that somebody wrote is never left out without a word: an open network of that name may be a trap.
        if let Some(place) = values.place("security") {
            values.findings.value(Severity::Warning, place, || {
                Words::new(text!("an open network has no password, and one is given"))
                    .used(text!("auto"))
                    .hint(text!("delete one of the two lines"))
            });
        }
        return Some(WifiSecurity::Auto);
    }
    chosen
}

/// A network with a password never becomes one without.
fn check_password(wifi: &Wifi, values: &Values<'_, '_>) -> Result<(), Text> {
    let needed = match wifi.security {
        Some(WifiSecurity::Open) => return Ok(()),
        Some(WifiSecurity::Wpa2 | WifiSecurity::Wpa3 | WifiSecurity::Enterprise) => true,
        Some(WifiSecurity::Auto) | None => values.has("password"),
    };
    let Some(password) = wifi.password.as_ref().map(Secret::reveal) else {
        return match needed {
            true => Err(text!("the password of this network is missing")),
            false => Ok(()),
        };
    };
    // IEEE 802.11-2020, J.4.1: a passphrase has 8 to 63 characters; 64 hexadecimal digits are the key itself. WPA3's
    // SAE has no such rule.
    let is_key = password.len() == 64 && password.chars().all(|c| c.is_ascii_hexdigit());
    match wifi.security {
        Some(WifiSecurity::Wpa3 | WifiSecurity::Enterprise) => Ok(()),
        _ if is_key || (8..=63).contains(&password.len()) => Ok(()),
        _ if password.len() < 8 => Err(text!(
            "the password of a wireless network has at least 8 characters"
        )),
        _ => Err(text!(
            "the password of a wireless network has at most 63 characters"
        )),
    }
}

pub(super) fn vlan(values: &mut Values<'_, '_>) -> Option<Vlan> {
    let parent: Option<InterfaceName> = values.one("parent");
    let id: Option<i64> = values.one("id");
    let network = addresses(values);
    for (name, line) in [("parent", "parent = eth0"), ("id", "id = 20")] {
        if !values.has(name) {
            let hint = text!("a further line: {line}", line = Text::verbatim(line));
            let problem = text!("a VLAN needs {key}, and none is given", key = name);
            values.refuse_section(None, problem, text!("no VLAN"), hint);
        }
    }
    Some(Vlan {
        parent: parent?,
        id: u16::try_from(id?).ok()?,
        network,
    })
}

/// The ports that a section joins; none, said so, when there are none.
fn ports(values: &mut Values<'_, '_>) -> Option<Vec<InterfaceName>> {
    let mut ports: Vec<InterfaceName> = values.list("ports");
    ports.sort();
    ports.dedup();
    if ports.is_empty() {
        if !values.has("ports") {
            let hint = text!(
                "a further line: {line}",
                line = Text::verbatim("ports = eth0, eth1")
            );
            let problem = text!(
                "[{section}] needs ports, and none are given",
                section = values.section.name
            );
            values.refuse_section(None, problem, text!("nothing of this section"), hint);
        }
        return None;
    }
    Some(ports)
}

pub(super) fn bridge(values: &mut Values<'_, '_>) -> Option<Bridge> {
    let (stp, network) = (values.one("stp"), addresses(values));
    Some(Bridge {
        ports: ports(values)?,
        stp,
        network,
    })
}

pub(super) fn bond(values: &mut Values<'_, '_>) -> Option<Bond> {
    let mode = values.one("mode").map(|word: &str| match word {
        "802.3ad" => BondMode::Lacp,
        "balance-rr" => BondMode::BalanceRr,
        "balance-xor" => BondMode::BalanceXor,
        "balance-tlb" => BondMode::BalanceTlb,
        "balance-alb" => BondMode::BalanceAlb,
        "broadcast" => BondMode::Broadcast,
        _ => BondMode::ActiveBackup,
    });
    let network = addresses(values);
    Some(Bond {
        ports: ports(values)?,
        mode,
        network,
    })
}
