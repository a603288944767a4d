//! `[ssh]`, `[user NAME]`.

use std::collections::BTreeSet;

use super::super::findings::Words;
use super::Values;
use crate::report::Severity;
use crate::settings::{Ssh, User};
use crate::text;

pub(super) fn ssh(values: &mut Values<'_, '_>) -> Ssh {
    Ssh {
        enabled: values.one("enabled"),
        keys: once(values.list("key")),
        password_login: values.one("password_login"),
    }
}

pub(super) fn user(values: &mut Values<'_, '_>) -> User {
    let mut user = User {
        password: values.one("password"),
        password_hash: values.one("password_hash"),
        ssh_keys: once(values.list("ssh_key")),
        groups: once(values.list("groups")),
        shell: values.one("shell"),
    };
    // Whoever has a hash there and writes a password beside it wants the new password.
    if user.password.is_some()
        && user.password_hash.take().is_some()
        && let Some(place) = values.place("password_hash")
    {
        values.findings.value(Severity::Warning, place, || {
            Words::new(text!(
                "a password stands here twice: as password and as password_hash"
            ))
            .used(text!("password"))
            .hint(text!("delete this line"))
        });
    }
    user
}

/// Keeps the first of equal values.
fn once<T: Ord + Clone>(mut values: Vec<T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values
}
