//! What the device is, and how to reach it.

use super::moment::{self, Moment};
use super::page::{Page, date};
use crate::layout::card::LAST_GOOD_INI;
use crate::report::{
    AddressOrigin, BootReport, LastGood, LinkKind, LinkReport, LocalName, RunReport, Severity,
};
use crate::settings::Method;
use crate::text;
use crate::text::Text;

pub(super) fn write(boot: &BootReport, run: Option<&RunReport>, moment: Option<&Moment>, page: &mut Page) {
    page.heading(&text!("This device"));
    about(boot, moment, page);
    match run {
        None => {
            page.heading(&text!("Network"));
            page.paragraph(&text!(
                "The network is not up yet; this file is written again when it is."
            ));
        }
        Some(run) => {
            network(run, page);
            if let Some(last_good) = run.last_good {
                page.blank();
                page.paragraph(&way_back(last_good));
            }
            services(run, page);
        }
    }
    let notices = boot.notices.iter().chain(run.iter().flat_map(|run| &run.notices));
    let notices: Vec<_> = notices
        .filter(|notice| notice.severity != Severity::Error)
        .collect();
    if !notices.is_empty() {
        page.heading(&text!("Good to know"));
        for notice in notices {
            page.item("* ", &notice.text);
        }
    }
}

fn about(boot: &BootReport, moment: Option<&Moment>, page: &mut Page) {
    let mut facts = vec![
        (text!("Host name:"), Text::verbatim(&boot.hostname)),
        (text!("Time zone:"), Text::verbatim(&boot.timezone)),
        (text!("Image:"), image(boot)),
    ];
    if let Some(moment) = moment {
        facts.extend(moment::facts(moment));
    }
    // The labels of the moment count even without it, so that both forms of the page have the same columns.
    let labels: Vec<_> = facts.iter().map(|(label, _)| label.clone()).collect();
    let labels = page.labels("", 2, &[labels, moment::labels()].concat());
    for (label, fact) in &facts {
        page.labelled(&labels, label, fact);
    }
}

fn image(boot: &BootReport) -> Text {
    let image = &boot.image;
    let details: Vec<&str> = [&image.profile, &image.base, &image.kernel]
        .into_iter()
        .map(String::as_str)
        .filter(|detail| !detail.is_empty())
        .collect();
    let details = details.join(", ");
    let (name, date) = (&image.name, date(image.epoch));
    match (image.epoch > 0, details.is_empty()) {
        (true, true) => text!("{name} of {date}", name, date),
        (true, false) => text!("{name} of {date} ({details})", name, date, details),
        (false, true) => Text::verbatim(name),
        (false, false) => text!("{name} ({details})", name, details),
    }
}

fn network(run: &RunReport, page: &mut Page) {
    page.heading(&text!("Network"));
    if run.links.is_empty() {
        page.paragraph(&text!("No network port was found."));
    }
    for (index, link) in run.links.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        one_port(link, run.started, page);
    }
    let mut facts = Vec::new();
    if let Some(local) = &run.local_name {
        facts.push((
            text!("Also found as:"),
            text!("{name}, on the same network", name = &local.name),
        ));
    }
    if !run.dns.is_empty() {
        let servers: Vec<_> = run.dns.iter().map(ToString::to_string).collect();
        facts.push((text!("Name servers:"), Text::verbatim(servers.join(", "))));
    }
    if !facts.is_empty() {
        let labels: Vec<_> = facts.iter().map(|(label, _)| label.clone()).collect();
        let labels = page.labels("", 2, &labels);
        page.blank();
        for (label, fact) in &facts {
            page.labelled(&labels, label, fact);
        }
    }
    if let Some(LocalName {
        name,
        taken: Some(taken),
    }) = &run.local_name
    {
        page.blank();
        page.paragraph(&text!(
            "Another device on this network is called {taken}, so this one is called {name} there. To change that, give \
             one of them another hostname.",
            taken,
            name
        ));
    }
}

fn way_back(last_good: LastGood) -> Text {
    let (copy, file) = (LAST_GOOD_INI.replace('/', "\\"), super::SETTINGS_FILE);
    let command = "genpack config restore";
    match last_good.written {
        Some(seconds) => text!(
            "To go back to the settings of the last start on which the network worked ({date}), copy {copy} over \
             {file}, or use {command}.",
            date = date(seconds),
            copy,
            file,
            command
        ),
        None => text!(
            "To go back to the settings of the last start on which the network worked, copy {copy} over {file}, or \
             use {command}.",
            copy,
            file,
            command
        ),
    }
}

fn one_port(link: &LinkReport, started: bool, page: &mut Page) {
    let port = &link.name;
    page.paragraph(&match link.mac {
        Some(mac) => text!("Port {port}, hardware (MAC) address {mac}", port, mac),
        None => text!("Port {port}", port),
    });
    if let Some(kind) = kind(&link.kind) {
        page.item("  ", &kind);
    } else if link.method == Method::Off {
        page.item(
            "  ",
            &text!("Switched off by {file}", file = super::SETTINGS_FILE),
        );
    }
    if link.method == Method::Off {
        return;
    }
    let (cable, address, gateway) = (text!("Cable:"), text!("Address:"), text!("Gateway:"));
    let labels = page.labels("  ", 2, &[cable.clone(), address.clone(), gateway.clone()]);
    let plugged = match link.carrier {
        true => text!("plugged in"),
        false => text!("not plugged in"),
    };
    if link.kind.has_cable() {
        page.labelled(&labels, &cable, &plugged);
    }
    // An address that works on the same wire only is of no use to a person who looks for the device.
    let (wire_only, reaching): (Vec<_>, Vec<_>) = link
        .addresses
        .iter()
        .partition(|address| address.origin == AddressOrigin::LinkLocal);
    let shown = if reaching.is_empty() { wire_only } else { reaching };
    for found in &shown {
        let origin = match found.origin {
            AddressOrigin::Dhcp => text!("given by the network (DHCP)"),
            AddressOrigin::Static => match &link.kind {
                LinkKind::Managed { by } => text!("set by {program}", program = by),
                _ => text!("from {file}", file = super::SETTINGS_FILE),
            },
            AddressOrigin::RouterAdvertisement => text!("given by the network (IPv6)"),
            AddressOrigin::LinkLocal if link.kind.has_cable() => text!("works on the same cable only"),
            AddressOrigin::LinkLocal => text!("works in the same network only"),
        };
        let ip = found.address.addr().to_string();
        page.labelled_column(&labels, &address, &format!("{ip:<15}"), &origin);
    }
    if shown.is_empty() {
        let none = match link.carrier && !started {
            true => text!("none yet"),
            false => text!("none"),
        };
        page.labelled(&labels, &address, &none);
    }
    for ip in &link.gateways {
        page.labelled(&labels, &gateway, &Text::verbatim(ip));
    }
}

/// What a link is, when that is worth a line.
fn kind(kind: &LinkKind) -> Option<Text> {
    Some(match kind {
        LinkKind::Wired => return None,
        LinkKind::Wireless { ssid: Some(ssid) } => text!("Wireless network {ssid}", ssid),
        LinkKind::Wireless { ssid: None } => text!("Wireless, not connected"),
        LinkKind::Vlan { parent, id } => text!("VLAN {id} on {parent}", id, parent),
        LinkKind::Bridge { ports } => text!("Bridge of {ports}", ports = ports.join(", ")),
        LinkKind::Bond { ports } => text!("Bond of {ports}", ports = ports.join(", ")),
        LinkKind::Wireguard => text!("WireGuard tunnel"),
        LinkKind::Member { of } => text!("Part of {port}", port = of),
        LinkKind::VlansOnly => text!("Only carries VLANs"),
        LinkKind::Managed { by } => text!("Managed by {program} and therefore left alone", program = by),
    })
}

fn services(run: &RunReport, page: &mut Page) {
    // Those with a problem stand under what needs attention.
    let mut as_wanted = run
        .services
        .iter()
        .filter(|service| service.problem.is_none())
        .peekable();
    if as_wanted.peek().is_none() {
        return;
    }
    page.heading(&text!("Services"));
    for service in as_wanted {
        let (unit, file) = (&service.unit, super::SETTINGS_FILE);
        let state = match service.wanted {
            true => text!("{unit}: on, as {file} says", unit, file),
            false => text!("{unit}: off, as {file} says", unit, file),
        };
        page.item("* ", &state);
    }
}
