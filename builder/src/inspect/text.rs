//! The report for people.

use std::fmt::Write;

use chrono::DateTime;

use super::ports::Port;
use super::report::{CardSizes, PackageSize, Report, Sized, UnitName};
use super::table::{flow, lines, size};
use crate::packages::Reason;

/// The packages whose units every system starts; they are counted, not listed.
const EVERYWHERE: [&str; 2] = ["systemd", "udev"];

/// Files and folders below this size are only in the JSON where there would be many.
const SMALL: u64 = 100 << 10;

/// Returns the report as text.
pub fn text(report: &Report) -> String {
    let mut text = head(report);
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            let _ = write!(text, "\n{title}\n{body}");
        }
    };
    section("Size", sizes(report));
    section("Started at boot", units(report));
    section("Ports open at boot", ports(report));
    section(
        "Licences, with the number of packages that have parts under them",
        licences(report),
    );
    section(
        "Folders",
        files(report.folders.iter().filter(|folder| folder.bytes >= SMALL)),
    );
    section("Biggest files", files(report.biggest_files.iter()));
    match &report.packages {
        Some(sizes) => section(
            &format!(
                "Packages ({})",
                sizes.iter().filter(|p| p.reason.is_some()).count()
            ),
            packages(sizes),
        ),
        None => section(
            "Packages",
            "  The image has no list of its packages; this genpack did not make it.\n".into(),
        ),
    }
    text
}

fn head(report: &Report) -> String {
    let Some(image) = &report.image else {
        return format!("An image that genpack did not make: {}\n", report.system);
    };
    let moment = i64::try_from(image.epoch)
        .ok()
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let moment = moment.unwrap_or_default().format("%Y-%m-%d %H:%M:%S UTC");
    format!(
        "{}, for the profile {}\n{}",
        image.name,
        image.profile,
        lines(
            &[
                ["base".into(), format!("{} ({})", image.base, report.system)],
                ["kernel".into(), image.kernel.clone()],
                ["stands for".into(), moment.to_string()],
                ["language".into(), image.language.code().into()],
            ],
            &[],
        )
    )
}

fn sizes(report: &Report) -> String {
    let sizes = &report.size;
    let mut rows = Vec::new();
    if let Some(card) = &sizes.card {
        rows.push(["disk image".into(), size(card.disk), String::new()]);
        let free = format!("{} free", size(card.free));
        rows.push(["partition".into(), size(card.partition), free]);
        rows.extend(slots(card));
    }
    rows.push(["system, packed".into(), size(sizes.system_packed), String::new()]);
    let entries = format!("{} files and folders", sizes.entries);
    rows.push(["system".into(), size(sizes.system), entries]);
    lines(&rows, &[1])
}

fn slots(card: &CardSizes) -> impl Iterator<Item = [String; 3]> {
    card.slots.iter().map(|(slot, files)| {
        let mut big: Vec<_> = files.iter().filter(|(_, bytes)| **bytes >= SMALL).collect();
        big.sort_by(|a, b| b.1.cmp(a.1));
        let each: Vec<_> = big
            .iter()
            .map(|(name, bytes)| format!("{name} {}", size(**bytes)))
            .collect();
        [
            format!("slot {slot}"),
            size(files.values().sum()),
            each.join(", "),
        ]
    })
}

fn units(report: &Report) -> String {
    let mut rows = Vec::new();
    let mut everywhere = Vec::new();
    for (kind, units) in &report.units {
        let is_everywhere = |unit: &&UnitName| EVERYWHERE.contains(&unit.package.as_str());
        let (of_every_system, own): (Vec<_>, Vec<_>) = units.iter().partition(is_everywhere);
        rows.extend(own.iter().map(|unit| [unit.name.clone(), unit.package.clone()]));
        match of_every_system.len() {
            0 => {}
            1 => everywhere.push(format!("1 {kind}")),
            count => everywhere.push(format!("{count} {kind}s")),
        }
    }
    let mut text = lines(&rows, &[]);
    if !everywhere.is_empty() {
        let _ = writeln!(
            text,
            "  and of systemd and udev: {} (--json lists them)",
            everywhere.join(", ")
        );
    }
    if !text.is_empty() {
        text += "  Conditions in units, hardware and system.ini can still keep one from starting.\n";
    }
    text
}

fn ports(report: &Report) -> String {
    let rows = |ports: &[Port]| {
        let row = |port: &Port| {
            let by = [&port.process, &port.unit].map(String::as_str);
            let by = by
                .into_iter()
                .filter(|by| !by.is_empty())
                .collect::<Vec<_>>()
                .join(", ");
            [
                port.protocol.clone(),
                port.port.to_string(),
                port.address.clone(),
                by,
            ]
        };
        lines(&ports.iter().map(row).collect::<Vec<_>>(), &[1])
    };
    match &report.measured_ports {
        Some(ports) if ports.is_empty() => "  none, measured in a virtual machine\n".into(),
        Some(ports) => rows(ports) + "  Measured in a virtual machine, once it had started.\n",
        None => {
            rows(&report.declared_ports)
                + "  Told from socket units and sshd's settings. Other services may open more: --boot measures.\n"
        }
    }
}

fn licences(report: &Report) -> String {
    let mut several: Vec<_> = report.licences.iter().filter(|(_, count)| **count > 1).collect();
    several.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let mut text = flow(
        several
            .iter()
            .map(|(licence, count)| format!("{licence} {count}")),
    );
    let single = report.licences.len() - several.len();
    if single > 0 {
        let _ = writeln!(
            text,
            "  and {single} that stand in one package each (--json lists them)"
        );
    }
    if !report.without_licence.is_empty() {
        text += "  Described only in words, in /usr/share/doc/PACKAGE/copyright:\n";
        text += &flow(report.without_licence.iter().cloned());
    }
    text
}

fn files<'a>(files: impl Iterator<Item = &'a Sized>) -> String {
    let row = |file: &Sized| {
        let package = file.package.as_ref().map(|package| format!("  {package}"));
        [size(file.bytes), file.path.clone() + &package.unwrap_or_default()]
    };
    lines(&files.map(row).collect::<Vec<_>>(), &[0])
}

fn packages(packages: &[PackageSize]) -> String {
    let row = |package: &PackageSize| {
        let why = match &package.reason {
            None => String::new(),
            Some(Reason::Asked) => "asked for".into(),
            Some(Reason::Essential) => "base".into(),
            Some(Reason::Dependency(by)) => format!("for {by}"),
            Some(Reason::UsedBy(by)) => format!("for {}", by.rsplit('/').next().unwrap_or(by)),
        };
        let part = if package.part { " (a part)" } else { "" };
        [
            size(package.bytes),
            package.name.clone(),
            package.version.clone(),
            why + part,
        ]
    };
    lines(&packages.iter().map(row).collect::<Vec<_>>(), &[0])
}
