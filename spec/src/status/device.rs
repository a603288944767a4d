//! What the device is, and how to reach it.

use super::text::{Page, date};
use crate::report::{AddressOrigin, BootReport, LinkReport, RunReport, Severity};
use crate::settings::Method;

pub(super) fn write(boot: &BootReport, run: Option<&RunReport>, page: &mut Page) {
    page.heading("This device");
    page.item("Host name:  ", boot.hostname.as_str());
    page.item("Time zone:  ", boot.timezone.as_str());
    page.item("Image:      ", &image(boot));
    match run {
        None => {
            page.heading("Network");
            page.paragraph("The network is not up yet; this file is written again when it is.");
        }
        Some(run) => {
            network(run, page);
            services(run, page);
        }
    }
    let notices = boot.notices.iter().chain(run.iter().flat_map(|run| &run.notices));
    let notices: Vec<_> = notices
        .filter(|notice| notice.severity != Severity::Error)
        .collect();
    if !notices.is_empty() {
        page.heading("Good to know");
        for notice in notices {
            page.item("* ", &notice.text);
        }
    }
}

fn image(boot: &BootReport) -> String {
    let image = &boot.image;
    let mut parts = vec![image.name.clone()];
    if image.epoch > 0 {
        parts.push(format!("of {}", date(image.epoch)));
    }
    let details: Vec<&str> = [&image.profile, &image.base, &image.kernel]
        .into_iter()
        .map(String::as_str)
        .filter(|detail| !detail.is_empty())
        .collect();
    if !details.is_empty() {
        parts.push(format!("({})", details.join(", ")));
    }
    parts.join(" ")
}

fn network(run: &RunReport, page: &mut Page) {
    page.heading("Network");
    if run.links.is_empty() {
        page.paragraph("No network port was found.");
    }
    for (index, link) in run.links.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        one_port(link, run.started, page);
    }
    if !run.dns.is_empty() {
        let servers: Vec<_> = run.dns.iter().map(ToString::to_string).collect();
        page.blank();
        page.item("Name servers:  ", &servers.join(", "));
    }
}

fn one_port(link: &LinkReport, started: bool, page: &mut Page) {
    let mac = link
        .mac
        .map_or_else(String::new, |mac| format!(", hardware (MAC) address {mac}"));
    page.paragraph(&format!("Port {}{mac}", link.name));
    if link.method == Method::Off {
        page.line("  Switched off by system.ini");
        return;
    }
    page.item(
        "  Cable:    ",
        if link.carrier {
            "plugged in"
        } else {
            "not plugged in"
        },
    );
    // An address that works on the same wire only is of no use to a person who looks for the device.
    let (wire_only, reaching): (Vec<_>, Vec<_>) = link
        .addresses
        .iter()
        .partition(|address| address.origin == AddressOrigin::LinkLocal);
    let shown = if reaching.is_empty() { wire_only } else { reaching };
    for address in &shown {
        let origin = match address.origin {
            AddressOrigin::Dhcp => "given by the network (DHCP)",
            AddressOrigin::Static => "from system.ini",
            AddressOrigin::RouterAdvertisement => "given by the network (IPv6)",
            AddressOrigin::LinkLocal => "works on the same cable only",
        };
        let ip = address.address.addr().to_string();
        page.line(format!("  Address:  {ip:<15}  {origin}"));
    }
    if shown.is_empty() {
        let waiting = if link.carrier && !started {
            "none yet"
        } else {
            "none"
        };
        page.item("  Address:  ", waiting);
    }
    for gateway in &link.gateways {
        page.item("  Gateway:  ", &gateway.to_string());
    }
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
    page.heading("Services");
    for service in as_wanted {
        let state = if service.wanted { "on" } else { "off" };
        page.item("* ", &format!("{}: {state}, as system.ini says", service.unit));
    }
}
