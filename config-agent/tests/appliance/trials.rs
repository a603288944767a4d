//! Settings on trial: confirmed, taken back, and what ends the agent in between.

use crate::device::{Device, NEW, NEW_ADDRESS, OLD, OLD_ADDRESS, said};

const LONG: u32 = 3600;

#[test]
fn what_is_confirmed_stays() {
    let device = Device::start();
    let (status, answer) = device.apply(NEW, LONG);
    assert_eq!(status, 0, "{answer}");
    device.await_address(NEW_ADDRESS);
    assert_eq!(device.on_card("system.ini").as_deref(), Some(NEW));
    assert_eq!(device.on_card("boot/state/previous.ini").as_deref(), Some(OLD));
    assert!(
        said(device.command(&["status"]))
            .1
            .contains("A change waits to be confirmed")
    );

    let (status, answer) = device.apply("", LONG);
    assert_eq!(
        (status, answer.contains("another change waits to be confirmed")),
        (2, true),
        "{answer}"
    );
    let (status, answer) = said(device.command(&["reload"]));
    assert_eq!(status, 2, "{answer}");

    assert_eq!(
        said(device.command(&["confirm"])),
        (0, "The settings are kept.\n".into())
    );
    assert!(device.is_settled());
    assert_eq!(device.on_card("system.ini").as_deref(), Some(NEW));
    assert_eq!(device.world.addresses("4"), [NEW_ADDRESS]);
    let (status, answer) = said(device.command(&["confirm"]));
    assert_eq!(
        (status, answer.contains("no change waits")),
        (2, true),
        "{answer}"
    );
    assert!(
        !said(device.command(&["status"]))
            .1
            .contains("waits to be confirmed")
    );
}

#[test]
fn what_is_not_confirmed_is_taken_back_whole() {
    let device = Device::start();
    assert_eq!(device.apply(NEW, 2).0, 0);
    device.await_address(NEW_ADDRESS);
    device.await_address(OLD_ADDRESS);
    device.await_log("were taken back");
    assert_eq!(device.on_card("system.ini").as_deref(), Some(OLD));
    assert!(device.is_settled());
    let status = device.await_status("was taken back");
    assert!(
        status.contains("because nobody confirmed it within 2 seconds."),
        "{status}"
    );
    // The next one is not troubled by it.
    assert_eq!(device.apply(NEW, 0).0, 0);
    device.await_address(NEW_ADDRESS);
}

#[test]
fn what_is_asked_for_is_taken_back_at_once() {
    let device = Device::start();
    assert_eq!(device.apply(NEW, LONG).0, 0);
    device.await_address(NEW_ADDRESS);
    assert_eq!(said(device.command(&["revert"])).0, 0);
    device.await_address(OLD_ADDRESS);
    assert_eq!(device.on_card("system.ini").as_deref(), Some(OLD));
    assert!(device.is_settled());
}

#[test]
fn a_card_without_a_file_has_none_again() {
    let device = Device::with_card(|_| {});
    assert_eq!(device.apply(NEW, 1).0, 0);
    device.await_log("were taken back");
    assert_eq!(device.on_card("system.ini"), None);
    assert!(device.is_settled());
    device.await_address(OLD_ADDRESS);
}

#[test]
fn the_person_s_name_for_the_file_stays() {
    let device = Device::with_card(|card| std::fs::write(card.join("System.ini.txt"), OLD).unwrap());
    assert_eq!(device.apply(NEW, LONG).0, 0);
    assert_eq!(device.on_card("System.ini.txt").as_deref(), Some(NEW));
    assert_eq!(said(device.command(&["revert"])).0, 0);
    assert_eq!(device.on_card("System.ini.txt").as_deref(), Some(OLD));
    assert_eq!(device.on_card("system.ini"), None);
}

#[test]
fn the_clock_runs_on_while_the_agent_is_dead() {
    let mut device = Device::start();
    assert_eq!(device.apply(NEW, 4).0, 0);
    device.await_address(NEW_ADDRESS);
    device.kill_agent();
    assert_eq!(device.world.addresses("4"), [NEW_ADDRESS]);
    device.start_agent();
    device.await_log("The settings are on trial for");
    device.await_address(OLD_ADDRESS);
    device.await_log("were taken back");
    assert_eq!(device.on_card("system.ini").as_deref(), Some(OLD));
    assert!(device.is_settled());
    device.await_status("because nobody confirmed it within 4 seconds.");
}

#[test]
fn a_later_life_of_the_agent_can_be_told_to_keep_it() {
    let mut device = Device::start();
    assert_eq!(device.apply(NEW, LONG).0, 0);
    device.await_address(NEW_ADDRESS);
    device.kill_agent();
    device.start_agent();
    assert_eq!(said(device.command(&["confirm"])).0, 0);
    assert!(device.is_settled());
    device.kill_agent();
    device.start_agent();
    device.await_address(NEW_ADDRESS);
    assert_eq!(device.on_card("system.ini").as_deref(), Some(NEW));
}

/// The agent is killed at moments of its own choosing while it applies; whatever it had come to, it ends whole.
#[test]
fn killed_while_it_applies_it_ends_with_old_or_new() {
    let mut device = Device::start();
    let file = device.file(NEW);
    for millis in [0, 5, 10, 20, 40, 80, 160] {
        std::thread::scope(|scope| {
            let (device, file) = (&device, &file);
            scope.spawn(move || drop(device.command(&["apply", file, "--revert-after", "2"])));
            std::thread::sleep(std::time::Duration::from_millis(millis));
            let pid = nix::unistd::Pid::from_raw(device.agent_pid() as i32);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        });
        device.kill_agent();
        let now = device.on_card("system.ini").unwrap();
        assert!(now == OLD || now == NEW, "{millis} ms: {now}");
        device.start_agent();
        // It may have come to anything; by the time of its answer it has taken up what it left.
        device.command(&["revert"]);
        assert!(device.is_settled(), "{millis} ms: {}", device.log());
        assert_eq!(
            device.on_card("system.ini").as_deref(),
            Some(OLD),
            "{millis} ms: {}",
            device.log()
        );
        device.await_address(OLD_ADDRESS);
    }
}
