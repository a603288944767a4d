//! What a change of settings can't do before the next start.

use genpack_spec::settings::{Proxy, Settings, Storage, System, Time, Update};

/// Returns the settings, as `section.key`, whose change holds in full only after the next start of the device. Everything
/// else of `[system]`, `[ssh]`, `[user]`, `[services]`, `[time]` and declared sections is [`super::apply`]'s; ports and
/// wireless networks are those of [`crate::net`].
pub fn needs_restart(old: &Settings, new: &Settings) -> Vec<String> {
    // Taken apart, so that nobody can add a setting without deciding about it here.
    let Settings {
        system,
        network: _,
        wifi: _,
        vlan: _,
        bridge: _,
        bond: _,
        wireguard: _,
        ssh: _,
        user: _,
        services: _,
        time,
        proxy,
        storage,
        update,
        own: _,
    } = old;
    let System {
        hostname: _,
        timezone: _,
        locale: _,
        keyboard: _,
        autologin,
        debug,
        swapfile,
    } = system;
    let Time { ntp: _, clock: _ } = time;
    let Proxy {
        http,
        https,
        no_proxy,
    } = proxy;
    let Storage {
        persistence,
        factory_reset,
    } = storage;
    let Update { url, auto } = update;
    let changed = [
        // The next login prompt follows it; who is logged in stays so.
        ("system.autologin", *autologin != new.system.autologin),
        ("system.debug", *debug != new.system.debug),
        ("system.swapfile", *swapfile != new.system.swapfile),
        // Programs take it when they are started.
        ("proxy.http", *http != new.proxy.http),
        ("proxy.https", *https != new.proxy.https),
        ("proxy.no_proxy", *no_proxy != new.proxy.no_proxy),
        ("storage.persistence", *persistence != new.storage.persistence),
        (
            "storage.factory_reset",
            *factory_reset != new.storage.factory_reset,
        ),
        ("update.url", *url != new.update.url),
        ("update.auto", *auto != new.update.auto),
    ];
    let changed = changed.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(name, _)| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_can_not_follow_is_named() {
        let new = settings(
            r#"{"system": {"hostname": "a", "autologin": true, "swapfile": "1G"}, "proxy": {"http": "http://p:1"},
                "storage": {"persistence": "all"}, "update": {"auto": true}, "time": {"ntp": []}}"#,
        );
        assert_eq!(
            needs_restart(&Settings::default(), &new),
            [
                "system.autologin",
                "system.swapfile",
                "proxy.http",
                "storage.persistence",
                "update.auto"
            ]
        );
        assert!(needs_restart(&new, &new).is_empty());
        let hostname = settings(r#"{"system": {"hostname": "b"}, "ssh": {"password_login": true}}"#);
        assert!(needs_restart(&Settings::default(), &hostname).is_empty());
    }
}
