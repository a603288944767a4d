//! One radio: gives it the networks that it may use, and follows it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use genpack_spec::settings::Wifi;
use tokio::time::Instant;
use zbus::proxy::CacheProperties;
use zbus::{OwnedObjectPath, Variant};

use super::progress::{Progress, Verdict};
use super::record::Record;
use super::supplicant::{NetworkProxy, RadioProxy, SupplicantProxy};
use super::{Problem, State, Surroundings, profile};
use crate::Paths;

/// Serves until the radio goes; what ends it otherwise is an error.
pub(super) async fn serve(
    around: &Surroundings<'_>,
    supplicant: &SupplicantProxy<'_>,
    index: u32,
    name: &str,
    networks: &[Wifi],
) -> Result<()> {
    let say = |state| drop(around.events.send((index, state)));
    if !networks.is_empty() {
        unblock(name);
    }
    let path = take_charge(supplicant, name).await?;
    let radio = RadioProxy::builder(supplicant.inner().connection())
        .path(path)
        .build()
        .await
        .with_context(|| format!("asking for the radio {name}"))?;
    // Before networks are given to it, so that no state is missed.
    let mut states = radio.receive_state_changed().await;
    if let Some(country) = networks.iter().find_map(|wifi| wifi.country.as_ref()) {
        let country = country.to_string();
        if radio.country().await.ok().as_ref() != Some(&country) {
            radio
                .set_country(&country)
                .await
                .with_context(|| format!("setting the country of {name} to {country}"))?;
        }
    }
    let Some(ours) = give(around.paths, &radio, name, networks).await? else {
        say(State {
            connected: None,
            problem: Some(Problem::Foreign),
        });
        return Ok(());
    };
    if networks.is_empty() {
        say(State::default());
        return Ok(());
    }

    let mut progress = Progress::default();
    let mut tried: Option<String> = None;
    let mut patience = Some(Instant::now() + around.patience);
    loop {
        let overdue = async {
            match patience {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = states.next() => {
                let change = change.context("the radio is gone")?;
                let state: String = change.get().await?;
                progress.state(&state);
                if let Ok(path) = radio.current_network().await
                    && let Some(wifi) = ours.get(path.as_str())
                {
                    tried = Some(wifi.ssid.clone());
                    if progress.verdict() == Verdict::Connected {
                        say(State { connected: Some(wifi.name.clone()), problem: None });
                    }
                }
            }
            () = overdue => patience = None,
        }
        match progress.verdict() {
            Verdict::Connected => patience = Some(Instant::now() + around.patience),
            Verdict::Refused => say(State {
                connected: None,
                problem: tried.clone().map(Problem::Refused),
            }),
            Verdict::Trying if patience.is_none() => say(State {
                connected: None,
                problem: Some(Problem::NotInReach),
            }),
            Verdict::Trying => say(State::default()),
        }
    }
}

async fn take_charge(supplicant: &SupplicantProxy<'_>, name: &str) -> Result<OwnedObjectPath> {
    if let Ok(path) = supplicant.get_interface(name).await {
        return Ok(path);
    }
    let args = HashMap::from([
        ("Ifname", Variant::from(name)),
        ("Driver", Variant::from("nl80211")),
    ]);
    supplicant
        .create_interface(args)
        .await
        .with_context(|| format!("giving the radio {name} to it"))
}

/// Makes the radio's networks those of the settings. Returns them by path, or nothing when the radio belongs to
/// somebody else.
async fn give(
    paths: &Paths,
    radio: &RadioProxy<'_>,
    name: &str,
    networks: &[Wifi],
) -> Result<Option<BTreeMap<String, Wifi>>> {
    let mut ours = Record::load(paths).of(name);
    let there = radio
        .networks()
        .await
        .with_context(|| format!("listing the networks of {name}"))?;
    if there.iter().any(|path| !ours.contains_key(path.as_str())) {
        return Ok(None);
    }
    for path in &there {
        if ours
            .get(path.as_str())
            .is_some_and(|wifi| networks.contains(wifi))
        {
            continue;
        }
        log::info!("{name}: forget a network");
        radio.remove_network(path).await?;
        ours.remove(path.as_str());
    }
    ours.retain(|path, _| there.iter().any(|have| have.as_str() == path));
    Record::store(paths, name, &ours);
    let mut wanted: Vec<&Wifi> = networks.iter().collect();
    // wpa_supplicant takes the first one that it finds: it is to know the best one first.
    wanted.sort_by_key(|wifi| Reverse(priority(wifi)));
    let mut added = Vec::new();
    for wifi in wanted {
        if ours.values().any(|have| have == wifi) {
            continue;
        }
        log::info!("{name}: may use the network {:?}", wifi.ssid);
        let path = radio
            .add_network(&profile::options(wifi))
            .await
            .with_context(|| format!("adding the network {:?}", wifi.ssid))?;
        ours.insert(path.to_string(), wifi.clone());
        Record::store(paths, name, &ours);
        added.push(path);
    }
    for path in &added {
        let network = NetworkProxy::builder(radio.inner().connection())
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        network.set_enabled(true).await?;
    }
    // It leaves no network for a better one by itself.
    if let Some(current) = ours.get(radio.current_network().await?.as_str())
        && let Some(best) = added.first().and_then(|path| ours.get(path.as_str()))
        && priority(best) > priority(current)
    {
        radio.reassociate().await?;
    }
    Ok(Some(ours))
}

/// wpa_supplicant's default is 0 as well.
fn priority(wifi: &Wifi) -> i32 {
    wifi.priority.unwrap_or_default()
}

/// Lifts the software's lock on a radio (kernel: Documentation/driver-api/rfkill.rst). Asking for a network means that the radio
/// is wanted; a switch on the machine stays what it is.
fn unblock(name: &str) {
    let radio = Path::new("/sys/class/net").join(name).join("phy80211");
    let entries = std::fs::read_dir(radio).into_iter().flatten().flatten();
    let locks = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("rfkill"));
    for lock in locks {
        let path = lock.path().join("soft");
        if std::fs::read_to_string(&path).is_ok_and(|state| state.trim() == "1")
            && let Err(error) = std::fs::write(&path, "0")
        {
            log::warn!("{name}: the radio can't be switched on: {error}");
        }
    }
}
