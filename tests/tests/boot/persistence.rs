//! What is kept survives a power cut and a larger card, follows the settings, and goes at a factory reset.

use genpack_tests::{Device, Running, SshKey, database_firmware, database_image};

/// The size of the second card: somewhat more than the image.
const LARGER: u64 = 2 << 30;

/// Runs a statement in the database as root, once it is up.
fn sql(running: &Running, key: &SshKey, statement: &str) -> String {
    let client = "systemctl start database && mariadb --batch --skip-column-names app";
    running.run(key, &format!("{client} --execute \"{statement}\""))
}

#[test]
fn a_database_keeps_its_data_until_a_factory_reset() {
    let key = SshKey::generate();
    let device = Device::with_image("database", &database_firmware(), database_image());
    let settings = |more: &str| {
        let login = format!("[ssh]\r\nkey = {}\r\n", key.public());
        format!("{login}[database]\r\npassword = it's \"mine\\\r\n{more}")
    };
    let everything = "[storage]\r\npersistence = all\r\n";
    device.write_settings(settings(&format!(
        "{everything}[system]\r\ntimezone = Asia/Tokyo\r\n[user anna]\r\npassword = secret\r\n"
    )));

    // The first start makes the database, on a partition that is still empty.
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    sql(
        &running,
        &key,
        "create table kept (word text); insert into kept values ('kept')",
    );
    assert_eq!(sql(&running, &key, "select count(*) from starts"), "1");
    assert_eq!(running.run(&key, "stat -c %U:%a /var/lib/mysql"), "mysql:700");
    let mount = "findmnt --noheadings --output FSTYPE,OPTIONS --mountpoint /var/lib/mysql";
    let mounted = running.run(&key, mount);
    assert!(mounted.starts_with("ext4 rw,nosuid,nodev,noatime"), "{mounted}");
    // Whoever is somebody else on the device has no way round the folders above.
    assert_eq!(running.run(&key, "stat -c %a /run/genpack/data"), "700");
    let by_password =
        "mariadb --host=127.0.0.1 --user=app --password='it'\\''s \"mine\\' --execute 'select 1' app";
    assert!(running.run(&key, by_password).contains('1'));
    running.run(
        &key,
        "echo kept > /etc/kept; useradd robot; readlink /etc/localtime | grep Tokyo; id anna; sync",
    );
    let device = running.pull_the_plug();

    // The next card is larger, and some settings are gone.
    device.copy_to_card_of(LARGER);
    device.write_settings(settings(everything));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    assert_eq!(sql(&running, &key, "select word from kept"), "kept");
    assert_eq!(sql(&running, &key, "select count(*) from starts"), "2");
    assert_eq!(running.run(&key, "cat /etc/kept; id -un robot"), "kept\nrobot");
    assert_eq!(
        running.run(
            &key,
            "readlink /etc/localtime | grep -c Tokyo || true; id anna 2>/dev/null || echo gone"
        ),
        "0\ngone"
    );
    let room = running.run(
        &key,
        "df --output=size --block-size=1M /var/lib/mysql | tail -n 1",
    );
    assert!(room.trim().parse::<u64>().unwrap() > 1000, "{room}");
    assert_eq!(running.run(&key, "systemctl --failed --plain --no-legend"), "");
    let device = running.switch_off();
    device.data_partition().check();
    let status = device.status().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        status.contains("so the data partition was enlarged to 1."),
        "{status}"
    );

    device.write_settings(settings("[storage]\r\nfactory_reset = sold\r\n"));
    let running = device.switch_on();
    assert_eq!(running.wait_for_status(), "well");
    assert_eq!(sql(&running, &key, "select count(*) from starts"), "1");
    // The blueprint's own choice holds again.
    assert_eq!(running.run(&key, "ls /etc/kept 2>/dev/null || findmnt --noheadings --output OPTIONS / | grep -o upperdir=/run/genpack/overlay"), "upperdir=/run/genpack/overlay");
    let device = running.switch_off();
    let data = device.data_partition();
    data.check();
    let mut left = data.list("/");
    left.sort();
    assert_eq!(left, ["factory-reset", "folders", "lost+found"]);
    let status = device.status();
    assert!(
        status.contains("Everything that was kept on this device was deleted"),
        "{status}"
    );
}
