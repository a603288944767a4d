//! `[system]`, `[time]`, `[proxy]`, `[storage]`, `[update]`.

use super::super::findings::Words;
use super::Values;
use crate::report::Severity;
use crate::settings::{Persistence, Proxy, Storage, System, Time, Update};
use crate::text;
use crate::types::{Locale, ServerName};

pub(super) fn system(values: &mut Values<'_, '_>) -> System {
    System {
        hostname: values.one("hostname"),
        timezone: values.one("timezone"),
        locale: locale(values),
        keyboard: values.one("keyboard"),
        autologin: values.one("autologin"),
        debug: values.one("debug"),
        swapfile: values.one("swapfile"),
    }
}

/// A locale that the image lacks says only in which language `STATUS.txt` is written.
fn locale(values: &mut Values<'_, '_>) -> Option<Locale> {
    let locale: Locale = values.one("locale")?;
    if values.context().facts.locale(locale.as_str()).is_none()
        && let Some(place) = values.place("locale")
    {
        values.findings.value(Severity::Warning, place, || {
            Words::new(text!(
                "the programs of this device do not know the locale {locale}",
                locale = &locale
            ))
            .used(text!("it for the language of STATUS.txt only"))
        });
    }
    Some(locale)
}

pub(super) fn time(values: &mut Values<'_, '_>) -> Time {
    Time {
        ntp: values.has("ntp").then(|| servers(values)).flatten(),
        clock: values.one("clock"),
    }
}

/// Time servers, or an empty list for `off`.
fn servers(values: &mut Values<'_, '_>) -> Option<Vec<ServerName>> {
    let given: Vec<Option<ServerName>> = values.list("ntp");
    let off = given.contains(&None);
    let servers: Vec<_> = given.into_iter().flatten().collect();
    if off && !servers.is_empty() {
        if let Some(place) = values.place("ntp") {
            values.findings.value(Severity::Warning, place, || {
                Words::new(text!("off and time servers contradict each other"))
                    .used(text!("the time servers"))
            });
        }
        return Some(servers);
    }
    (off || !servers.is_empty()).then_some(servers)
}

pub(super) fn proxy(values: &mut Values<'_, '_>) -> Proxy {
    Proxy {
        http: values.one("http"),
        https: values.one("https"),
        no_proxy: values.list("no_proxy"),
    }
}

pub(super) fn storage(values: &mut Values<'_, '_>) -> Storage {
    Storage {
        persistence: values.one("persistence").map(|word: &str| match word {
            "all" => Persistence::All,
            "paths" => Persistence::Paths,
            _ => Persistence::None,
        }),
        factory_reset: values.one("factory_reset"),
    }
}

pub(super) fn update(values: &mut Values<'_, '_>) -> Update {
    Update {
        url: values.one("url"),
        auto: values.one("auto"),
    }
}
