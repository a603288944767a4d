use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use super::*;

/// The files of an image with a shell, a program in a folder of its own, and accounts.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    for folder in ["bin", "etc", "opt/app", "usr/local/bin"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    for program in ["bin/sh", "opt/app/serve", "etc/no-program"] {
        fs::write(at(program), "").unwrap();
        let mode = if program.starts_with("etc") { 0o644 } else { 0o755 };
        fs::set_permissions(at(program), fs::Permissions::from_mode(mode)).unwrap();
    }
    // As in an image that was made elsewhere: the link means something only inside.
    std::os::unix::fs::symlink("/bin/sh", at("usr/local/bin/tool")).unwrap();
    fs::write(
        at("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\nweb:x:101:33:Web:/srv/web:/bin/false\n",
    )
    .unwrap();
    fs::write(
        at("etc/group"),
        "root:x:0:\nwww:x:33:\nlogs:x:40:web,other\nother:x:41:other\n",
    )
    .unwrap();
    dir
}

fn service(config: serde_json::Value) -> Result<Service, String> {
    let configuration = json!({
        "architecture": "amd64", "os": "linux", "config": config, "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let configuration: ImageConfiguration = serde_json::from_value(configuration).unwrap();
    let files = files();
    Service::of("web:1", &configuration, &Rooted::open(files.path()).unwrap())
}

#[test]
fn entrypoint_and_command_are_one_line() {
    let both = service(json!({ "Entrypoint": ["sh", "-c"], "Cmd": ["x y"], "WorkingDir": "" })).unwrap();
    assert_eq!(both.program, Path::new("/bin/sh"));
    assert_eq!(both.arguments, ["sh", "-c", "x y"]);
    assert_eq!(both.folder, Path::new("/"));
    let linked = service(json!({ "Cmd": ["tool"], "Entrypoint": null, "ExposedPorts": null })).unwrap();
    assert_eq!(linked.program, Path::new("/usr/local/bin/tool"));
    let relative = service(json!({ "Cmd": ["./serve"], "WorkingDir": "/opt/app" })).unwrap();
    assert_eq!(relative.program, Path::new("/opt/app/./serve"));
    let own_path = service(json!({ "Cmd": ["serve"], "Env": ["PATH=/usr/bin:/opt/app"] })).unwrap();
    assert_eq!(own_path.program, Path::new("/opt/app/serve"));
}

#[test]
fn what_can_not_run_is_said() {
    let said = |config| service(config).unwrap_err();
    assert!(said(json!({})).contains("neither Entrypoint nor Cmd"));
    let text = said(json!({ "Cmd": ["serve"] }));
    assert!(
        text.contains("\"serve\", is not in it") && text.contains("/usr/bin/serve"),
        "{text}"
    );
    assert!(said(json!({ "Cmd": ["/etc/no-program"] })).contains("can't be executed"));
    assert!(said(json!({ "Cmd": ["sh"], "Env": ["a.b=1"] })).contains("\"a.b\""));
    assert!(said(json!({ "Cmd": ["sh"], "WorkingDir": "srv" })).contains("WorkingDir \"srv\""));
    assert!(said(json!({ "Cmd": ["sh"], "Volumes": { "/a/../..": {} } })).contains("Volumes"));
    assert!(said(json!({ "Cmd": ["sh"], "StopSignal": "SIGTERM\nExecStart=/bad" })).contains("is no signal"));
    for port in [
        "80/tcp\nExecStart=/bad",
        "80/tcp %h",
        "0",
        "65536/tcp",
        "2-1",
        "80/icmp",
        "+80",
        "80/",
        "http",
        "",
    ] {
        let text = said(json!({ "Cmd": ["sh"], "ExposedPorts": { port: {} } }));
        assert!(text.contains(&format!("{port:?}, which is no port")), "{text}");
    }
    let text = said(json!({ "Cmd": ["sh"], "User": "nobody" }));
    assert_eq!(
        text,
        "its User is \"nobody\", and there is no user \"nobody\" in its /etc/passwd"
    );
    let text = said(json!({ "Cmd": ["sh"], "User": "web:nogroup" }));
    assert!(text.contains("no group \"nogroup\" in its /etc/group"), "{text}");
}

#[test]
fn a_user_is_one_of_the_images() {
    let user = |said: &str| {
        let user = service(json!({ "Cmd": ["sh"], "User": said })).unwrap().user;
        (user.uid, user.gid, Vec::from_iter(user.groups), user.home)
    };
    let some = |uid, gid, groups: &[u32], home: &str| (uid, gid, groups.to_vec(), home.to_string());
    assert_eq!(user(""), some(0, 0, &[], "/root"));
    assert_eq!(user("web"), some(101, 33, &[40], "/srv/web"));
    assert_eq!(user("101"), some(101, 33, &[40], "/srv/web"));
    assert_eq!(user("web:logs"), some(101, 40, &[], "/srv/web"));
    assert_eq!(user("web:7"), some(101, 7, &[], "/srv/web"));
    assert_eq!(user("4000"), some(4000, 0, &[], "/"));
    assert_eq!(user("4000:www"), some(4000, 33, &[], "/"));
}

#[test]
fn a_port_of_roots_needs_leave() {
    let lines = |config| service(config).unwrap().unit();
    let leave = "\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n";
    let with =
        |user: &str, port: &str| lines(json!({ "Cmd": ["sh"], "User": user, "ExposedPorts": { port: {} } }));
    assert!(with("web", "80/tcp").contains(leave));
    assert!(with("web", "443").contains(leave));
    assert!(!with("web", "8080/tcp").contains(leave));
    assert!(!with("", "80/tcp").contains(leave));
    assert!(with("web", "1000-2000/UDP").contains(leave));
    assert!(with("web", "1000-2000/UDP").contains(", serving 1000-2000/udp\n"));
}

#[test]
fn a_signal_is_written_as_systemd_does() {
    let unit =
        |signal: &str| service(json!({ "Cmd": ["sh"], "StopSignal": signal })).map(|service| service.unit());
    for (said, written) in [
        ("SIGQUIT", "SIGQUIT"),
        ("term", "SIGTERM"),
        ("SigWinch", "SIGWINCH"),
        ("SIGRTMIN+3", "SIGRTMIN+3"),
        ("rtmax-0", "SIGRTMAX-0"),
        ("RTMIN", "SIGRTMIN"),
        ("37", "37"),
    ] {
        assert!(
            unit(said).unwrap().contains(&format!("\nKillSignal={written}\n")),
            "{said}"
        );
    }
    for said in [
        "0", "65", "SIGNONE", "SIG15", "RTMIN-1", "RTMIN+31", "RTMIN+x", "TERM ",
    ] {
        assert!(unit(said).unwrap_err().contains("is no signal"), "{said}");
    }
}

#[test]
fn the_unit_says_all_of_it() {
    let unit = service(json!({
        "Cmd": ["sh", "-c", "serve"], "User": "web", "WorkingDir": "/opt/app", "StopSignal": "SIGQUIT",
        "Env": ["B=2", "A=1"], "ExposedPorts": { "80/tcp": {}, "443/tcp": {} },
    }))
    .unwrap()
    .unit();
    let expected = "# Made by genpack from a container image.
[Unit]
Description=Container image web:1, serving 443/tcp 80/tcp
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
RootDirectory=/usr/lib/genpack/container
MountAPIVFS=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
CapabilityBoundingSet=CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE \
CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT
BindPaths=/usr/lib/genpack/container/run:/run
BindReadOnlyPaths=/run/genpack/resolver /etc/hosts
User=101
Group=33
SupplementaryGroups=40
AmbientCapabilities=CAP_NET_BIND_SERVICE
WorkingDirectory=/opt/app
Environment=\"A=1\"
Environment=\"B=2\"
Environment=\"HOME=/srv/web\"
Environment=\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"
UnsetEnvironment=LOGNAME SHELL USER
ExecStart=\":@/bin/sh\" \"sh\" \"-c\" \"serve\"
KillSignal=SIGQUIT
KillMode=mixed
TimeoutStopSec=10
Restart=on-failure

[Install]
WantedBy=multi-user.target
";
    assert_eq!(unit, expected);
}

/// systemd itself reads the unit and says what it would run.
#[test]
fn systemd_reads_the_very_words() {
    let words = [
        "sh",
        "100%",
        "%h",
        "$HOME",
        "${HOME}",
        "$$",
        "a \"b\" 'c'",
        "\\n",
        "back\\",
        ";",
        "",
        "a\nb",
        "\u{7}",
        "é",
        "-x",
        "@y",
    ];
    let service = service(json!({
        "Entrypoint": words, "Env": ["ODD=100% of $HOME \"x\" \\n 'y'"], "WorkingDir": "/a %b",
    }))
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(dir.path().join("container.service"), service.unit()).unwrap();
    let mut systemd = Command::new("/lib/systemd/systemd");
    systemd.args(["--user", "--test", "--no-pager", "--unit=container.service"]);
    systemd
        .env_clear()
        .env("XDG_RUNTIME_DIR", dir.path())
        // Its own units come behind.
        .env("SYSTEMD_UNIT_PATH", format!("{}:", dir.path().display()))
        .env("LC_ALL", "C.UTF-8");
    if nix::unistd::Uid::effective().is_root() {
        // It refuses to look at a user's units as root.
        systemd.uid(65534).gid(65534);
    }
    let said = systemd.output().unwrap();
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    let (_, unit) = said
        .split_once("-> Unit container.service:")
        .unwrap_or_else(|| panic!("{said}"));
    let unit = unit.split("-> Unit ").next().unwrap_or_default();
    for line in [
        // As systemd quotes them for a shell.
        "Command Line: sh 100% %h \"\\$HOME\" \"\\${HOME}\" \"\\$\\$\" \"a \\\"b\\\" 'c'\" \"\\\\n\" \"back\\\\\" \";\" \"\" \
         \"a\\nb\" \"\\a\" é -x @y\n",
        "Environment: ODD=100% of $HOME \"x\" \\n 'y'\n",
        "WorkingDirectory: /a %b\n",
        "UnsetEnvironment: LOGNAME\n",
    ] {
        assert!(unit.contains(line), "{line}\n{unit}");
    }
    assert!(!said.contains("ignoring"), "{said}");
}
