//! What a description becomes, compared with `tests/golden/<case>.txt`, without running anything.

use genpack_qemu::{
    Acceleration, Chipset, Disk, DiskInterface, Error, Firmware, Format, Forward, Host, Machine, Nic, Ovmf,
    UserNetwork,
};

fn host() -> Host {
    let ovmf = Ovmf::Split {
        code: "/ovmf/CODE.fd".into(),
        variables: "/ovmf/VARS.fd".into(),
    };
    Host {
        kvm: false,
        ovmf: Some(ovmf),
    }
}

#[track_caller]
fn assert_golden(machine: Machine, host: &Host, golden: &str) {
    let line = machine.command_line_on(host).unwrap().to_string();
    assert_eq!(line, golden.trim_end(), "\n--- got ---\n{line}\n---");
}

#[test]
fn nothing_asked_for() {
    assert_golden(Machine::new("plain"), &host(), include_str!("golden/plain.txt"));
}

#[test]
fn everything_asked_for() {
    let network = UserNetwork::new()
        .restricted()
        .option("net=192.168.7.0/24")
        .forward(Forward::tcp(80))
        .forward(
            Forward::tcp(22)
                .from_host_port(2222)
                .to_address([192, 168, 7, 9].into()),
        )
        .forward(Forward::udp(53));
    let machine = Machine::new("every thing, really")
        .firmware(Firmware::uefi())
        .chipset(Chipset::Pc)
        .cpus(2)
        .memory_mib(2048)
        .disk(Disk::new("/images/a,b.img", Format::Raw))
        .disk_on(
            Disk::new("/images/scsi.qcow2", Format::Qcow2),
            DiskInterface::VirtioScsi,
        )
        .disk_on(Disk::new("/images/ide.img", Format::Raw), DiskInterface::Chipset)
        .disk_on(Disk::new("/images/nvme.img", Format::Raw), DiskInterface::Nvme)
        .disk_on(Disk::new("/images/usb.img", Format::Raw), DiskInterface::Usb)
        .usb()
        .nic(Nic::user(network).mac("52:54:00:00:00:01"))
        .nic(Nic::netdev("tap,ifname=tap0").model("e1000e"))
        .no_reboot()
        .extra_args(["-smbios", "type=1,serial=it's one"]);
    assert_golden(machine, &host(), include_str!("golden/everything.txt"));
}

#[test]
fn direct_kernel_with_kvm() {
    let direct = Firmware::Direct {
        kernel: "/boot/vmlinuz".into(),
        initrd: Some("/boot/initramfs.img".into()),
        cmdline: "console=ttyS0 quiet".into(),
    };
    let host = Host {
        kvm: true,
        ovmf: None,
    };
    assert_golden(
        Machine::new("direct").firmware(direct),
        &host,
        include_str!("golden/direct-kvm.txt"),
    );
}

#[test]
fn uefi_with_a_kept_store() {
    let kept = Firmware::Uefi {
        variables: Some("/vm/vars.fd".into()),
    };
    let line = Machine::new("kept")
        .firmware(kept)
        .command_line_on(&host())
        .unwrap()
        .args
        .join(" ");
    assert!(
        line.contains("-drive if=pflash,format=raw,unit=1,file=/vm/vars.fd "),
        "{line}"
    );
    let whole = Host {
        kvm: false,
        ovmf: Some(Ovmf::Whole("/ovmf/OVMF.fd".into())),
    };
    let line = Machine::new("whole")
        .firmware(Firmware::uefi())
        .command_line_on(&whole)
        .unwrap()
        .args
        .join(" ");
    assert!(line.contains(" -bios /ovmf/OVMF.fd "), "{line}");
}

#[test]
fn a_missing_firmware_names_its_package() {
    let host = Host {
        kvm: false,
        ovmf: None,
    };
    let error = Machine::new("x")
        .firmware(Firmware::uefi())
        .command_line_on(&host)
        .unwrap_err();
    assert!(matches!(error, Error::MissingFirmware { .. }));
    assert!(error.to_string().ends_with("run `apt install ovmf`"), "{error}");
}

#[test]
fn software_emulation_can_be_insisted_on() {
    let host = Host {
        kvm: true,
        ovmf: None,
    };
    let line = Machine::new("x")
        .acceleration(Acceleration::Tcg)
        .command_line_on(&host)
        .unwrap();
    assert!(line.args.contains(&"tcg,thread=multi".to_owned()));
}
