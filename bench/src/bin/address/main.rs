//! `make bench-address`: how long the agent takes from its start to an address, and how much memory it holds, beside
//! systemd-networkd: the same guest, the same DHCP server, in turn, all in one run. Prints a table of `bench/RESULTS.md`.

use std::time::Duration;

use anyhow::{Context, Result};
use genpack_tests::{Guest, Pair};

/// Starts of each; the middle one counts.
const STARTS: usize = 9;

/// After this the guests are switched off.
const LIFETIME: Duration = Duration::from_secs(1800);

/// Removes every trace of an earlier start, records changes of addresses with the time of each, and starts `UNIT`. Prints
/// the microseconds until the kernel has the address, and the kilobytes of `UNIT` in memory: in all, and with what it
/// shares divided by those who share it.
const START: &str = r#"
set -e
systemctl stop genpack-config-agent systemd-networkd.socket systemd-networkd 2>/dev/null
ip addr flush dev eth0
ip link set eth0 down
rm -rf /run/genpack/leases/* /run/systemd/netif/leases/* /var/lib/systemd/network/*
coproc MONITOR { exec ip -ts -4 -o monitor address; }
systemctl start UNIT
while read -r -t 60 stamp rest <&"${MONITOR[0]}"; do
    [[ $rest == *" eth0 "*"inet 10.77.0.1"* ]] && break
done
kill "$MONITOR_PID"
stamp=${stamp#[}
stamp=${stamp%]}
begun=$(systemctl show --property=InactiveExitTimestamp --value --timestamp=us+utc UNIT)
# Once all that the address brings along is done.
sleep 2
pid=$(systemctl show --property=MainPID --value UNIT)
resident=$(awk '/^Rss:/ { print $2 }' /proc/"$pid"/smaps_rollup)
shared=$(awk '/^Pss:/ { print $2 }' /proc/"$pid"/smaps_rollup)
echo $((($(date --date="$stamp UTC" +%s%N) - $(date --date="$begun" +%s%N)) / 1000)) "$resident" "$shared"
"#;

/// What systemd-networkd needs to do what the agent does without settings.
const NETWORKD: &str = r"
set -e
systemctl unmask --runtime systemd-networkd systemd-networkd.socket
mkdir -p /run/systemd/network
printf '[Match]\nName=eth0\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n' >/run/systemd/network/eth0.network
";

/// One start.
struct Start {
    /// From the start of the unit to the address, in seconds.
    seconds: f64,
    /// Resident memory, in MB.
    resident: f64,
    /// Its share of it, in MB.
    share: f64,
}

fn main() -> Result<()> {
    let pair = Pair::start("bench", LIFETIME);
    pair.device.run("systemctl is-system-running --wait || true");
    pair.device.run(NETWORKD);
    let (mut agent, mut networkd) = (Vec::new(), Vec::new());
    for number in 1..=STARTS {
        eprintln!("start {number} of {STARTS}");
        agent.push(start(&pair.device, "genpack-config-agent.service")?);
        networkd.push(start(&pair.device, "systemd-networkd.service")?);
    }
    println!("| what | agent | systemd-networkd | agent / systemd-networkd |");
    println!("|---|---|---|---|");
    row("start to address, middle, s", &agent, &networkd, |all| {
        quantile(all, |start| start.seconds, 0.5)
    });
    row("start to address, longest, s", &agent, &networkd, |all| {
        quantile(all, |start| start.seconds, 1.0)
    });
    row("resident memory, MB", &agent, &networkd, |all| {
        quantile(all, |start| start.resident, 0.5)
    });
    row("its share of it, MB", &agent, &networkd, |all| {
        quantile(all, |start| start.share, 0.5)
    });
    Ok(())
}

fn start(guest: &Guest, unit: &str) -> Result<Start> {
    let printed = guest.run(&START.replace("UNIT", unit));
    let numbers: Vec<f64> = printed
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| printed.clone())?;
    let [microseconds, resident, share] = numbers[..] else {
        anyhow::bail!("not three numbers: {printed}");
    };
    Ok(Start {
        seconds: microseconds / 1e6,
        resident: resident * 1024.0 / 1e6,
        share: share * 1024.0 / 1e6,
    })
}

fn row(what: &str, agent: &[Start], networkd: &[Start], of: impl Fn(&[Start]) -> f64) {
    let (agent, networkd) = (of(agent), of(networkd));
    println!(
        "| {what} | {agent:.2} | {networkd:.2} | {:.2} |",
        agent / networkd
    );
}

/// Returns the value below which so much of all starts is, from 0 to 1.
fn quantile(all: &[Start], of: impl Fn(&Start) -> f64, part: f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let index = ((values.len() - 1) as f64 * part).round() as usize;
    values[index]
}
