//! The data partition on loop devices, with the kernel and the tools of this machine.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// A disk of 64 MiB with a data partition from 32 MiB on, as the kernel sees it; gone with the value.
struct LoopDisk {
    dir: tempfile::TempDir,
    device: String,
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

impl LoopDisk {
    fn new(label: &str) -> LoopDisk {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk");
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let script = dir.path().join("script");
        let table = "label: dos\n1: start=1MiB, size=31MiB, type=c\n2: start=32MiB, size=32MiB, type=83\n";
        fs::write(&script, table).unwrap();
        let sfdisk = Command::new("sfdisk")
            .arg("--quiet")
            .arg(&image)
            .stdin(File::open(&script).unwrap())
            .status();
        assert!(sfdisk.unwrap().success());
        let features = "none,has_journal,resize_inode,extent,64bit,flex_bg,sparse_super,metadata_csum";
        let offset = format!("offset={},resize=1048576", 32 << 20);
        let image = image.to_str().unwrap();
        let mkfs = [
            "-q", "-F", "-t", "ext4", "-b", "4096", "-O", features, "-L", label, "-E", &offset, image,
            "32768k",
        ];
        run("mke2fs", &mkfs);
        let mut disk = LoopDisk {
            dir,
            device: String::new(),
        };
        disk.attach();
        disk
    }

    fn attach(&mut self) {
        let image = self.dir.path().join("disk");
        let device = run(
            "losetup",
            &["--find", "--show", "--partscan", image.to_str().unwrap()],
        );
        self.device = device.trim().to_string();
        // A kernel for containers may not read partition tables by itself.
        let name = self.device.trim_start_matches("/dev/");
        if !Path::new("/sys/class/block").join(format!("{name}p1")).exists() {
            run("partx", &["--add", &self.device]);
        }
    }

    fn detach(&mut self) {
        run("losetup", &["--detach", &self.device]);
    }

    /// The room that a larger card has.
    fn enlarge(&mut self, bytes: u64) {
        self.detach();
        let image = File::options()
            .write(true)
            .open(self.dir.path().join("disk"))
            .unwrap();
        image.set_len(bytes).unwrap();
        self.attach();
    }

    fn disk(&self) -> Disk {
        let card = format!("{}p1", self.device);
        Disk::of_partition(&card, Path::new("/sys"), Path::new("/dev"))
            .unwrap()
            .unwrap()
    }

    fn partition(&self) -> Partition {
        let partition = self.disk().data_partition().unwrap().unwrap();
        // A container may have no udev that makes the node.
        if !partition.device.exists() {
            let numbers = format!(
                "/sys/class/block/{}/dev",
                partition.device.file_name().unwrap().to_str().unwrap()
            );
            let numbers = fs::read_to_string(numbers).unwrap();
            let (major, minor) = numbers.trim().split_once(':').unwrap();
            run("mknod", &[partition.device.to_str().unwrap(), "b", major, minor]);
        }
        partition
    }

    fn mount_point(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn check(&self) {
        run("e2fsck", &["-f", "-n", self.partition().device.to_str().unwrap()]);
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount(&self.mount_point());
        self.detach();
    }
}

fn notices(log: &Log) -> Vec<String> {
    log.notices.iter().map(|notice| notice.text.english()).collect()
}

#[test]
fn a_larger_card_gives_more_room_and_keeps_what_is_there() {
    let mut disk = LoopDisk::new(layout::DATA_LABEL);
    let mounted = disk.mount_point();
    let mut log = Log::start();
    open_partition(&disk.partition(), &mounted, &mut log).unwrap();
    assert_eq!(notices(&log), [""; 0]);
    fs::write(mounted.join("kept"), "kept").unwrap();
    assert_eq!(
        fs::metadata(&mounted).unwrap().permissions().mode() & 0o777,
        0o700
    );
    nix::mount::umount(&mounted).unwrap();
    disk.check();

    disk.enlarge(2 << 30);
    disk.disk().enlarge_data_partition().unwrap();
    let partition = disk.partition();
    assert_eq!(
        partition.bytes,
        (2 << 30) - (32 << 20),
        "the kernel knows the new size"
    );
    // The plug is pulled here: the table says one thing and the file system another.
    disk.enlarge(2 << 30);
    let mut log = Log::start();
    open_partition(&disk.partition(), &mounted, &mut log).unwrap();
    let said = notices(&log).join(" ");
    let room = nix::sys::statvfs::statvfs(&mounted).unwrap();
    let bytes = room.blocks() * room.fragment_size();
    // Root of a container may lack what the ioctl asks for; a boot test shows it then.
    match may_resize() {
        true => assert!(
            said.contains("was enlarged to 2.0 GiB") && bytes > 1900 << 20,
            "{said}"
        ),
        false => assert!(
            said.contains("could not be enlarged") && bytes < 32 << 20,
            "{said}"
        ),
    }
    assert_eq!(fs::read_to_string(mounted.join("kept")).unwrap(), "kept");
    nix::mount::umount(&mounted).unwrap();
    disk.check();
    let verdict = run("sfdisk", &["-V", disk.dir.path().join("disk").to_str().unwrap()]);
    assert!(verdict.contains("No errors detected"), "{verdict}");

    // The next start has nothing to do, nor to say.
    disk.disk().enlarge_data_partition().unwrap();
    let table = disk.disk().first_sector().unwrap();
    assert_eq!(mbr::enlarged(&table, (2 << 30) / 512), None);
    if may_resize() {
        let mut log = Log::start();
        open_partition(&disk.partition(), &mounted, &mut log).unwrap();
        assert_eq!(notices(&log), [""; 0]);
    }
}

/// Whether this process has CAP_SYS_RESOURCE (capabilities(7)), without which the kernel enlarges nothing.
fn may_resize() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let set = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    u64::from_str_radix(set.trim(), 16).unwrap() >> 24 & 1 == 1
}

#[test]
fn what_is_not_ours_is_not_mounted() {
    let disk = LoopDisk::new("BACKUP");
    let refused = open_partition(&disk.partition(), &disk.mount_point(), &mut Log::start());
    assert!(
        refused
            .unwrap_err()
            .english()
            .contains("is not the data partition of this device")
    );
    let mut locked = disk.partition();
    locked.read_only = true;
    run("e2label", &[locked.device.to_str().unwrap(), layout::DATA_LABEL]);
    let refused = open_partition(&locked, &disk.mount_point(), &mut Log::start());
    assert_eq!(refused.unwrap_err().english(), "the card is write-protected");
    assert!(!mounts::is_mounted(&disk.mount_point()));
}

/// The overlay over files that an earlier start has left, as the kernel makes it.
#[test]
fn a_full_partition_is_told() {
    let disk = LoopDisk::new(layout::DATA_LABEL);
    let mounted = disk.mount_point();
    let mut log = Log::start();
    open_partition(&disk.partition(), &mounted, &mut log).unwrap();
    tell_room(&mounted, &mut log);
    assert_eq!(notices(&log), [""; 0]);
    fs::create_dir(mounted.join("folders")).unwrap();
    let mut file = File::create(mounted.join("folders/large")).unwrap();
    let full = std::io::copy(&mut std::io::repeat(1), &mut file).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    tell_room(&mounted, &mut log);
    assert!(
        notices(&log)[0].starts_with("The data partition is full: 0 MiB of "),
        "{:?}",
        notices(&log)
    );
    // A reset makes room again.
    drop(file);
    reset_once(&mounted, "word", &mut log);
    reset::delete_discarded(&mounted).unwrap();
    assert!(
        notices(&log)[1].starts_with("Everything that was kept on this device was deleted"),
        "{:?}",
        notices(&log)
    );
    let mut log = Log::start();
    tell_room(&mounted, &mut log);
    assert_eq!(notices(&log), [""; 0]);
}
