//! The card's own file, changed by somebody while the device runs.

use crate::device::{Device, NEW, NEW_ADDRESS, OLD, OLD_ADDRESS, said};

#[test]
fn what_somebody_writes_to_the_card_holds() {
    let device = Device::start();
    device.edit_card("system.ini", NEW);
    device.await_log("The settings were read again.");
    device.await_address(NEW_ADDRESS);
    // STATUS.txt is written after that, and is no reason to read them again.
    device.await_status("10.77.0.10");
    assert_eq!(said(device.command(&["reload"])).0, 0);
    assert_eq!(device.log().matches("The settings were read again.").count(), 2);
}

#[test]
fn what_is_applied_is_not_taken_for_a_change_of_somebody_else_s() {
    let device = Device::start();
    assert_eq!(device.apply(NEW, 0).0, 0);
    device.await_status("10.77.0.10");
    device.edit_card("other.txt", "x");
    assert_eq!(said(device.command(&["status"])).0, 0);
    assert!(
        !device.log().contains("The settings were read again."),
        "{}",
        device.log()
    );
}

#[test]
fn where_the_image_says_so_it_is_only_said() {
    let device = Device::with_reaction("check");
    device.edit_card("system.ini", "colour = blue\n");
    device.await_status("system.ini on the card has been changed");
    assert_eq!(device.world.addresses("4"), [OLD_ADDRESS]);
}

#[test]
fn a_change_during_a_trial_outlives_it() {
    let device = Device::start();
    assert_eq!(device.apply(NEW, 3600).0, 0);
    device.await_address(NEW_ADDRESS);
    let mine = OLD.replace("# mine", "# mine, later");
    device.edit_card("system.ini", &mine);
    device.await_status("holds after the next start");
    assert_eq!(said(device.command(&["revert"])).0, 0);
    device.await_address(OLD_ADDRESS);
    assert_eq!(device.on_card("system.ini").as_deref(), Some(mine.as_str()));
    assert!(device.is_settled());
}

#[test]
fn what_can_not_be_a_settings_file_changes_nothing() {
    let device = Device::start();
    device.edit_card("system.ini", &"#".repeat(2 << 20));
    device.await_status("The settings stay as they are until the next start.");
    assert_eq!(device.world.addresses("4"), [OLD_ADDRESS]);
}
