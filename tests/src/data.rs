//! The data partition of a device that is switched off, as e2fsprogs see it.

use std::path::Path;
use std::process::Command;

use genpack_spec::layout::DATA_PARTITION;

/// A copy of a disk with its data partition.
pub struct DataPartition {
    disk: tempfile::NamedTempFile,
    start: u64,
}

impl DataPartition {
    /// Takes a copy of the disk in a qcow2 file.
    pub(crate) fn on(card: &Path) -> DataPartition {
        let disk = tempfile::NamedTempFile::new().expect("a temporary file");
        run(Command::new("qemu-img")
            .args(["convert", "-f", "qcow2", "-O", "raw"])
            .arg(card)
            .arg(disk.path()));
        let table = run(Command::new("sfdisk").arg("--json").arg(disk.path()));
        let table: serde_json::Value = serde_json::from_str(&table).expect("sfdisk prints JSON");
        let partition = &table["partitiontable"]["partitions"][DATA_PARTITION as usize - 1];
        let start = partition["start"].as_u64().expect("a second partition") * 512;
        DataPartition { disk, start }
    }

    /// Checks that the disk's table and the file system are without fault, and that it was left in order: there is no journal to
    /// be replayed.
    pub fn check(&self) {
        let table = run(Command::new("sfdisk").arg("--verify").arg(self.disk.path()));
        assert!(table.contains("No errors detected"), "{table}");
        let found = run(Command::new("e2fsck").args(["-f", "-n", &self.device()]));
        assert!(!found.contains("journal"), "{found}");
        let facts = run(Command::new("dumpe2fs").args(["-h", &self.device()]));
        assert!(
            !facts.contains("needs_recovery") && facts.contains("state:         clean"),
            "{facts}"
        );
    }

    /// Returns the names in one of its folders.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let listed = run(Command::new("debugfs").args(["-R", &format!("ls -p {folder}"), &self.device()]));
        // /inode/mode/uid/gid/name/size/
        let names = listed.lines().filter_map(|line| line.split('/').nth(5));
        names
            .filter(|name| !matches!(*name, "." | ".."))
            .map(String::from)
            .collect()
    }

    /// The form in which all of e2fsprogs take a part of a file.
    fn device(&self) -> String {
        format!("{}?offset={}", self.disk.path().display(), self.start)
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program can be started");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}
