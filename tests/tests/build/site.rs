//! A place to build in, and what can be seen there.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use genpack_tests::genpack;
use tempfile::TempDir;

/// For a whole build without a cache, on a machine that does something else at the same time.
pub const DEADLINE: Duration = Duration::from_secs(400);
/// The moment that all images stand for, so that equal ones can be seen to be equal.
pub const EPOCH: &str = "1767225600";
/// What is at the output's place before a build.
const PREVIOUS: &str = "the image of yesterday";

/// A folder with a blueprint, and folders for temporary files and for the output. Gone with the value.
pub struct Site {
    folder: TempDir,
}

/// A file that every blueprint brings, in a folder that is emptied of what packages bring.
pub const OWN_FILE: &str = "usr/share/doc/tiny/README";

impl Site {
    pub fn new(blueprint: &str) -> Site {
        let folder = tempfile::Builder::new()
            .prefix("genpack-test-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/var/tmp")
            .unwrap();
        let site = Site { folder };
        for sub in ["blueprint", "tmp", "out"] {
            fs::create_dir(site.path(sub)).unwrap();
        }
        fs::write(site.path("blueprint/genpack.json5"), blueprint).unwrap();
        let own = site.path("blueprint/files").join(OWN_FILE);
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        fs::write(own, "").unwrap();
        fs::write(site.image(), PREVIOUS).unwrap();
        site
    }

    /// A site with the blueprint of [`tiny_image`], its lock file, and a cache of its own: links to what the shared one has,
    /// except for package lists, blocks, and what is to be made.
    pub fn of_tiny(lacks: Lacks) -> Site {
        tiny_image();
        let site = Site::new(&quick());
        fs::copy(tiny_lock(), site.path("blueprint/genpack.lock")).unwrap();
        for kind in ["packages", "trees", "layers", "images"] {
            let (shared, own) = (shared_cache().join("genpack"), site.path("cache/genpack"));
            fs::create_dir_all(own.join(kind)).unwrap();
            for entry in fs::read_dir(shared.join(kind)).unwrap().flatten() {
                if !lacks.includes(kind, &entry.path()) {
                    symlink(entry.path(), own.join(kind).join(entry.file_name())).unwrap();
                }
            }
        }
        site
    }

    /// Makes the image one that no cache has.
    pub fn be_unlike_any(&self) {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let text = format!("{} {}", now.as_nanos(), self.folder.path().display());
        fs::write(self.path("blueprint/files").join(OWN_FILE), text).unwrap();
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub fn image(&self) -> PathBuf {
        self.path("out/disk.img")
    }

    /// `genpack build` of the blueprint.
    pub fn build(&self) -> Command {
        self.build_to(&self.image())
    }

    /// `genpack build` with the output named.
    pub fn build_to(&self, output: &Path) -> Command {
        self.with_arguments(Command::new(genpack()), output)
    }

    /// `genpack build` after a script in a mount namespace of its own. In the script, `$1` is the site.
    pub fn build_after(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        let script = format!("set -e\n{script}\nshift\nexec \"$@\"");
        command
            .args(["--mount", "sh", "-c", &script, "sh"])
            .arg(self.folder.path());
        command.arg(genpack());
        self.with_arguments(command, &self.image())
    }

    fn with_arguments(&self, mut command: Command, output: &Path) -> Command {
        command
            .arg("build")
            .arg(self.path("blueprint"))
            .arg("-o")
            .arg(output);
        self.with_folders(&mut command);
        command
    }

    /// Lets a command use the site's folders.
    pub fn with_folders(&self, command: &mut Command) {
        let own = self.path("cache");
        let cache = if own.exists() { &own } else { shared_cache() };
        command
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CACHE_HOME", cache)
            .env("SOURCE_DATE_EPOCH", EPOCH);
    }

    /// Fails unless the previous image is untouched, and neither a file nor a mount nor a process is left.
    pub fn assert_untouched(&self) {
        assert_eq!(fs::read_to_string(self.image()).unwrap(), PREVIOUS);
        self.assert_clean();
        let outputs: Vec<_> = fs::read_dir(self.path("out")).unwrap().flatten().collect();
        assert_eq!(outputs.len(), 1, "{outputs:?}");
    }

    /// Fails unless neither a temporary file nor a mount nor a process is left.
    pub fn assert_clean(&self) {
        self.await_no_process();
        let left: Vec<_> = fs::read_dir(self.path("tmp")).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        let unfinished = self.unfinished();
        assert!(unfinished.is_empty(), "{unfinished:?}");
    }

    /// Returns what is left of unfinished work: beside outputs and blueprint, and in a cache of the site's own.
    fn unfinished(&self) -> Vec<PathBuf> {
        let below = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let beside = ["out", "blueprint"]
            .into_iter()
            .flat_map(|folder| below(self.path(folder)));
        let mut found: Vec<_> = beside
            .map(|entry| entry.path())
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(".genpack-"))
            })
            .collect();
        let cache = self.path("cache/genpack");
        found.extend(below(cache.join("partial")).map(|entry| entry.path()));
        for lists in below(cache.join("lists")) {
            for folder in ["lists/partial", "archives/partial"] {
                found.extend(below(lists.path().join(folder)).map(|entry| entry.path()));
            }
        }
        found
    }

    /// Fails unless all processes end that have to do with this site, and all mounts.
    pub fn await_no_process(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            assert!(Instant::now() < end, "still running: {processes:#?}");
            std::thread::yield_now();
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.folder.path().to_str().unwrap()), "{mounts}");
    }

    /// Returns the processes that were started for this site, or are in one of its folders.
    pub fn processes(&self) -> Vec<String> {
        let mark = self.folder.path().to_str().unwrap();
        let mut found = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let folder = process.path();
            let link = |name: &str| fs::read_link(folder.join(name)).unwrap_or_default();
            let text = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
            let known = [text("cmdline"), text("environ")].map(|t| String::from_utf8_lossy(&t).into_owned());
            let links = [link("root"), link("cwd")].map(|path| path.display().to_string());
            if known.iter().chain(&links).any(|text| text.contains(mark)) {
                found.push(format!("{} {}", folder.display(), known[0].replace('\0', " ")));
            }
        }
        found
    }
}

/// Returns a cache folder that all tests use, also those of the next run.
pub fn shared_cache() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/build-cache"))
}

/// Returns the blueprint of a small system with some fields more. One of its packages has a program with a file
/// capability.
pub fn tiny(fields: &str) -> String {
    format!("{{ name: 'tiny', packages: ['fping', 'libcap2-bin'], {fields} }}")
}

/// Returns the blueprint of a small system that is built quickly.
pub fn quick() -> String {
    tiny("compression: 'zstd:1', setup_commands: ['setcap cap_net_admin=ep /usr/bin/env']")
}

/// What a cache of a site's own does not have of what [`tiny_image`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    Nothing,
    /// The image, the tools' tree, and all packages.
    Tools,
    /// The image and the system's tree.
    System,
}

impl Lacks {
    fn includes(self, kind: &str, path: &Path) -> bool {
        let holds = |file: &str| {
            let mut list = Command::new("tar");
            list.arg("--list").arg("--file").arg(path).arg(file);
            list.output().unwrap().status.success()
        };
        match (self, kind) {
            (Lacks::Nothing, _) => false,
            (_, "images") | (Lacks::Tools, "packages") => true,
            (Lacks::Tools, "trees") => holds("./usr/lib/grub/i386-pc/boot.img"),
            (Lacks::System, "trees") => holds("./usr/bin/fping"),
            _ => false,
        }
    }
}

/// Returns the lock file of [`tiny_image`].
pub fn tiny_lock() -> PathBuf {
    tiny_image().with_extension("lock")
}

/// Returns an image of [`quick`], which is built once; its tree is in the cache from then on.
pub fn tiny_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let site = Site::new(&quick());
        let said = Running::start(site.build()).finish();
        assert_eq!(said.status, Some(0), "{}", said.stderr);
        site.assert_clean();
        let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny.img");
        for ending in ["", ".cdx.json", ".spdx.json"] {
            fs::copy(beside(&site.image(), ending), beside(&image, ending)).unwrap();
        }
        fs::copy(site.path("blueprint/genpack.lock"), image.with_extension("lock")).unwrap();
        image
    })
}

/// Returns the name of a file beside an image.
pub fn beside(image: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", image.display()))
}

/// A program that runs.
pub struct Running {
    pub child: Child,
    lines: Receiver<String>,
    stderr: String,
    end: Instant,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Said {
    /// Nothing when a signal ended it.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running {
            child,
            lines,
            stderr: String::new(),
            end: Instant::now() + DEADLINE,
        }
    }

    /// Waits for the stage with a title that begins so.
    pub fn await_stage(&mut self, title: &str) {
        while let Some(line) = self.line() {
            if line.starts_with('[') && line.contains(&format!("] {title}")) {
                return;
            }
        }
        panic!("ended without {title:?}:\n{}", self.stderr);
    }

    /// Waits until something is so.
    pub fn await_that(&mut self, what: &str, so: impl Fn() -> bool) {
        while !so() {
            assert!(Instant::now() < self.end, "{what} did not come:\n{}", self.stderr);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the program and all that hold its standard error have ended.
    pub fn finish(mut self) -> Said {
        while self.line().is_some() {}
        let mut stdout = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        Said {
            status: self.child.wait().unwrap().code(),
            stdout,
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    fn line(&mut self) -> Option<String> {
        let left = self.end.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.stderr += &line;
                self.stderr += "\n";
                Some(line)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end in sight:\n{}", self.stderr),
        }
    }
}

impl Drop for Running {
    /// A test that fails leaves no build behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Said {
    /// Fails unless the program ended with `status` and standard error has each of `parts`.
    pub fn assert(&self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, Some(status), "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in:\n{}", self.stderr);
        }
    }
}
