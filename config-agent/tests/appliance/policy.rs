//! Who may do what, and what is refused to everybody.

use std::fs;

use crate::device::{Device, GROUP, NEW, NOBODY, OLD, OLD_ADDRESS, said};

const SECRET: &str = "[wifi]\nssid = Home\npassword = hunter2hunter2\n[user anna]\npassword = hunter3\n";

#[test]
fn everybody_may_look_and_only_the_group_may_change() {
    let device = Device::start();
    let file = device.file(NEW);
    let apply = ["apply", file.as_str(), "--revert-after", "0"];
    let (status, page) = said(device.command_as(NOBODY, NOBODY, &["status"]));
    assert_eq!(status, 0, "{page}");
    assert!(page.contains("Host name:"), "{page}");
    assert_eq!(said(device.command_unread(&["status"])), (0, String::new()));
    for arguments in [
        &apply[..],
        &["check", &file],
        &["confirm"],
        &["revert"],
        &["reload"],
    ] {
        let refused = said(device.command_as(NOBODY, NOBODY, arguments));
        let want = "genpack-config: only root and members of the group genpack may do that\n";
        assert_eq!(refused, (2, want.to_string()), "{arguments:?}");
    }
    assert_eq!(device.on_card("system.ini").as_deref(), Some(OLD));

    let (status, answer) = said(device.command_as(NOBODY, GROUP, &["check", &file]));
    assert_eq!(status, 0, "{answer}");
    let (status, answer) = said(device.command_as(NOBODY, GROUP, &apply));
    assert_eq!(
        (status, answer.contains("The settings hold.")),
        (0, true),
        "{answer}"
    );
    assert_eq!(device.on_card("system.ini").as_deref(), Some(NEW));
}

#[test]
fn secrets_are_masked_on_the_bus_and_passwords_hashed_on_the_card() {
    let device = Device::start();
    let (status, answer) = device.apply(SECRET, 0);
    assert_eq!(status, 0, "{answer}");
    let card = device.on_card("system.ini").unwrap();
    assert!(
        card.contains("password_hash = $6$") && !card.contains("hunter3"),
        "{card}"
    );
    assert!(card.contains("hunter2hunter2"), "the device needs it: {card}");
    let (_, status) = said(device.command(&["status", "--json"]));
    assert!(
        status.contains("********") && !status.contains("hunter") && !status.contains("$6$"),
        "{status}"
    );
    for name in ["settings.json", "system.ini", "boot-settings.json"] {
        let path = device.world.run_dir().join(name);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}");
        assert!(!fs::read_to_string(path).unwrap().contains("hunter3"));
    }
}

#[test]
fn good_lines_hold_and_bad_ones_default() {
    let device = Device::start();
    let text = "colour = blue\n[network]\naddress = 10.77.0.10/24\ndns = 10.77.0.300\n";
    let file = device.file(text);
    let (status, checked) = said(device.command(&["check", &file]));
    assert_eq!(status, 1, "{checked}");
    assert!(
        checked.contains(":1: error:") && checked.contains(":4: error:"),
        "{checked}"
    );
    assert_eq!(device.world.addresses("4"), [OLD_ADDRESS]);
    let (status, applied) = device.apply(text, 0);
    assert_eq!((status, applied.contains(":4: error:")), (1, true), "{applied}");
    device.await_address("10.77.0.10/24");
    device.await_status("2 lines of system.ini were not used as written.");
}

#[test]
fn what_cannot_be_a_settings_file_changes_nothing() {
    let device = Device::start();
    let long = device.file(vec![b'#'; 1024 * 1024 + 1]);
    let (status, answer) = said(device.command(&["apply", &long]));
    assert_eq!(
        (status, answer.contains("is longer than 1 MB")),
        (2, true),
        "{answer}"
    );
    let rubbish = device.file(b"a\0b\0\0\xff\xfe\n\0");
    assert_eq!(said(device.command(&["apply", &rubbish])).0, 2);
    for (path, what) in [("/", "is a folder"), ("/nonexistent", "can't be read")] {
        let (status, answer) = said(device.command(&["apply", path]));
        assert_eq!((status, answer.contains(what)), (2, true), "{answer}");
    }
    let (status, answer) = device.apply("{\\rtf1\\ansi [user anna]\\par\npassword = a\\par\n}", 0);
    assert_eq!(
        (status, answer.contains("a plain password")),
        (2, true),
        "{answer}"
    );
    let (status, answer) = device.apply(NEW, 100_000);
    assert_eq!(
        (status, answer.contains("86400 seconds at most")),
        (2, true),
        "{answer}"
    );
    assert_eq!(device.on_card("system.ini").as_deref(), Some(OLD));
    assert_eq!(device.world.addresses("4"), [OLD_ADDRESS]);
    assert!(device.is_settled());
}

/// What the command would not send.
#[test]
fn the_agent_itself_refuses_what_is_too_long() {
    let device = Device::start();
    let address = format!(
        "unix:path={}",
        device.world.path("run/dbus/system_bus_socket").display()
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(async {
        let bus = zbus::connection::Builder::address(address.as_str())
            .build()
            .await
            .unwrap();
        let text = "#".repeat(5 * 1024 * 1024);
        let name = "org.genpack.Appliance1";
        bus.call_method(
            Some(name),
            "/org/genpack/Appliance1",
            Some(name),
            "Apply",
            &(text, 0_u32),
        )
        .await
    });
    let Err(zbus::Error::MethodError(name, _, _)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(name.as_str(), "org.genpack.Appliance1.Error.TooLong");
    assert_eq!(device.on_card("system.ini").as_deref(), Some(OLD));
}

#[test]
fn a_card_whose_file_is_a_folder_is_left_alone() {
    let device = Device::with_card(|card| fs::create_dir(card.join("system.ini")).unwrap());
    let (status, answer) = device.apply(NEW, 5);
    assert_eq!(
        (status, answer.contains("it is a folder, not a file")),
        (2, true),
        "{answer}"
    );
    assert_eq!(device.world.addresses("4"), [OLD_ADDRESS]);
    assert!(device.is_settled());
}

#[test]
fn the_name_comes_back_with_the_bus() {
    let mut device = Device::start();
    device.restart_bus();
    assert_eq!(device.apply(NEW, 0).0, 0);
}
