//! What dpkg says about a tree: packages, and which files each brought.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::control::{Paragraph, paragraphs, relation};
use crate::tree::rooted::Rooted;

/// dpkg's folder, relative to the tree.
pub const DPKG: &str = "var/lib/dpkg";
/// Its list of packages, relative to the tree. Scanners read it, so a shorter one stays in the image.
pub const STATUS: &str = "var/lib/dpkg/status";

/// A package of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub arch: String,
    /// Further architectures that it is there for: libc6 of i386 beside that of amd64. dpkg keeps all of them at one version, so
    /// they are one package here, which goes or stays as a whole.
    pub other_archs: Vec<String>,
    /// Name of the source package.
    pub source: String,
    /// Version of the source package.
    pub source_version: String,
    /// Who maintains it in Debian, with address.
    pub maintainer: String,
    /// Where the upstream project is.
    pub homepage: String,
    /// First line of the description.
    pub summary: String,
    /// Whether every package may use it without saying so (Debian Policy 3.8).
    pub essential: bool,
    /// What it needs: all of these, each one of several.
    pub depends: Vec<Vec<String>>,
    /// Other names that it answers to.
    pub provides: Vec<String>,
    /// Its files and folders, relative to the tree, where they really are.
    pub files: BTreeSet<PathBuf>,
    /// Its paragraph in the list of packages.
    pub paragraph: String,
}

/// All packages of a tree by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// The packages that are installed.
    pub packages: BTreeMap<String, Package>,
}

impl Database {
    /// Reads dpkg's data of a tree; nothing when the tree has none.
    pub fn read(root: &Path) -> Result<Option<Database>> {
        let tree = Rooted::open(root).with_context(|| format!("opening {}", root.display()))?;
        let Some(text) = text(&tree, STATUS.as_ref())? else {
            return Ok(None);
        };
        let places = Places::read(&tree)?;
        let mut database = Database::parse(&text);
        for package in database.packages.values_mut() {
            package.files = places.files_of(&tree, package)?;
        }
        Ok(Some(database))
    }

    /// Reads the list of packages, without their files.
    pub fn parse(status: &str) -> Database {
        let installed = paragraphs(status)
            .into_iter()
            .filter(|paragraph| paragraph.line("Status").ends_with(" installed"));
        let mut packages: BTreeMap<String, Package> = BTreeMap::new();
        for package in installed.map(package) {
            match packages.get_mut(&package.name) {
                Some(first) => first.join(package),
                None => drop(packages.insert(package.name.clone(), package)),
            }
        }
        Database { packages }
    }

    /// Returns which package each file belongs to. A folder belongs to all that name it, and is not in here.
    pub fn owners(&self, root: &Path) -> BTreeMap<&Path, &str> {
        let mut owners = BTreeMap::new();
        for package in self.packages.values() {
            for file in &package.files {
                if fs::symlink_metadata(root.join(file)).is_ok_and(|metadata| !metadata.is_dir()) {
                    owners.insert(file.as_path(), package.name.as_str());
                }
            }
        }
        owners
    }
}

impl Package {
    /// Adds the same package of another architecture.
    fn join(&mut self, other: Package) {
        self.other_archs.push(other.arch);
        self.essential |= other.essential;
        self.depends.extend(other.depends);
        self.provides.extend(other.provides);
        self.paragraph += "\n\n";
        self.paragraph += &other.paragraph;
    }
}

/// Reads one paragraph of a list of packages, installed or not.
pub fn package(paragraph: Paragraph<'_>) -> Package {
    let text = |name: &str| paragraph.line(name).to_string();
    let (name, version) = (text("Package"), text("Version"));
    // `Source: name (version)`, and both only where they differ from the package's own (deb-control(5)).
    let source = paragraph.line("Source");
    let (source_name, source_version) = match source.split_once('(') {
        Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
        None => (source, ""),
    };
    let or = |text: &str, other: &str| {
        if text.is_empty() {
            other.to_string()
        } else {
            text.to_string()
        }
    };
    let needs = ["Pre-Depends", "Depends"].map(|name| relation(paragraph.field(name).unwrap_or_default()));
    Package {
        source: or(source_name, &name),
        source_version: or(source_version, &version),
        arch: text("Architecture"),
        other_archs: Vec::new(),
        maintainer: text("Maintainer"),
        homepage: text("Homepage"),
        summary: text("Description"),
        essential: paragraph.line("Essential") == "yes",
        depends: needs.concat(),
        provides: relation(paragraph.field("Provides").unwrap_or_default()).concat(),
        files: BTreeSet::new(),
        paragraph: paragraph.text().to_string(),
        name,
        version,
    }
}

fn text(tree: &Rooted, file: &Path) -> Result<Option<String>> {
    tree.text(file)
        .with_context(|| format!("reading /{} of the tree", file.display()))
}

/// Where files are that dpkg knows by another name.
struct Places {
    /// Diverted paths: where the file of everybody but the named package is (dpkg-divert(1)).
    diversions: BTreeMap<PathBuf, (PathBuf, String)>,
    /// Names at the top that are links to folders, as in a merged `/usr`.
    links: BTreeMap<String, PathBuf>,
}

impl Places {
    fn read(tree: &Rooted) -> Result<Places> {
        let diversions = text(tree, &Path::new(DPKG).join("diversions"))?.unwrap_or_default();
        let lines: Vec<_> = diversions.lines().collect();
        let mut links = BTreeMap::new();
        let (_open, entries) = tree.entries(Path::new("")).context("reading the tree")?;
        for entry in entries {
            if let Ok(to) = fs::read_link(entry.path()) {
                let to = to.strip_prefix("/").unwrap_or(&to).to_path_buf();
                links.insert(entry.file_name().to_string_lossy().into_owned(), to);
            }
        }
        let mut places = Places {
            diversions: BTreeMap::new(),
            links,
        };
        for three in lines.chunks_exact(3) {
            let [from, to] = [three[0], three[1]].map(|path| places.real(path));
            places.diversions.insert(from, (to, three[2].to_string()));
        }
        Ok(places)
    }

    /// The path relative to the tree, through a link at the top.
    fn real(&self, listed: &str) -> PathBuf {
        let relative = listed.trim_start_matches('/');
        let (first, rest) = relative.split_once('/').unwrap_or((relative, ""));
        match self.links.get(first) {
            Some(to) if !rest.is_empty() => to.join(rest),
            _ => PathBuf::from(relative),
        }
    }

    fn files_of(&self, tree: &Rooted, package: &Package) -> Result<BTreeSet<PathBuf>> {
        let info = Path::new(DPKG).join("info");
        // Packages that may be there for several architectures have theirs in the name.
        let archs = [&package.arch].into_iter().chain(&package.other_archs);
        let with_arch = archs.map(|arch| format!("{}:{arch}", package.name));
        let mut files = BTreeSet::new();
        for name in [package.name.clone()].into_iter().chain(with_arch) {
            let Some(list) = text(tree, &info.join(format!("{name}.list")))? else {
                continue;
            };
            for line in list.lines().filter(|line| *line != "/.") {
                let place = self.real(line);
                files.insert(match self.diversions.get(&place) {
                    Some((to, by)) if *by != package.name => to.clone(),
                    _ => place,
                });
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_package_may_have_its_own_name_and_version() {
        let status = "Package: libz\nStatus: install ok installed\nSource: zlib (1:1.2)\nVersion: 1:1.2+b1\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: sed\nStatus: install ok installed\nEssential: yes\nVersion: 4.9\n";
        let packages = Database::parse(status).packages;
        assert_eq!(packages.keys().collect::<Vec<_>>(), ["libz", "sed"]);
        let of = |name: &str| {
            (
                packages[name].source.as_str(),
                packages[name].source_version.as_str(),
            )
        };
        assert_eq!((of("libz"), of("sed")), (("zlib", "1:1.2"), ("sed", "4.9")));
        assert!(packages["sed"].essential && !packages["libz"].essential);
    }

    #[test]
    fn files_are_where_links_and_diversions_lead() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
        fs::write(
            root.join(STATUS),
            "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n",
        )
        .unwrap();
        fs::write(
            root.join("var/lib/dpkg/info/a:amd64.list"),
            "/.\n/lib\n/lib/x\n/lib/y\n",
        )
        .unwrap();
        fs::write(root.join("var/lib/dpkg/diversions"), "/lib/y\n/lib/y.other\nb\n").unwrap();
        let database = Database::read(root).unwrap().unwrap();
        let files: Vec<_> = database.packages["a"]
            .files
            .iter()
            .map(|f| f.to_str().unwrap())
            .collect();
        assert_eq!(files, ["lib", "usr/lib/x", "usr/lib/y.other"]);
        assert_eq!(Database::read(&root.join("var")).unwrap(), None);
    }

    #[test]
    fn only_the_trees_own_list_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("tree"), dir.path().join("dpkg"));
        fs::create_dir_all(root.join("var/lib")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(
            outside.join("status"),
            "Package: a\nStatus: install ok installed\n",
        )
        .unwrap();
        std::os::unix::fs::symlink(&outside, root.join(DPKG)).unwrap();
        assert_eq!(Database::read(&root).unwrap(), None);
    }

    #[test]
    fn a_package_of_two_architectures_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
        let status = ["amd64", "i386"].map(|arch| {
            let list = root.join(format!("var/lib/dpkg/info/libc6:{arch}.list"));
            fs::write(list, format!("/.\n/usr/lib/{arch}/libc.so.6\n")).unwrap();
            format!("Package: libc6\nStatus: install ok installed\nVersion: 1\nArchitecture: {arch}\nDepends: of-{arch}\n")
        });
        fs::write(root.join(STATUS), status.join("\n")).unwrap();
        let libc = &Database::read(root).unwrap().unwrap().packages["libc6"];
        assert_eq!(
            (libc.arch.as_str(), libc.other_archs.as_slice()),
            ("amd64", &["i386".to_string()][..])
        );
        assert_eq!(libc.files.len(), 2);
        assert_eq!(libc.depends.concat(), ["of-amd64", "of-i386"]);
        assert_eq!(libc.paragraph.matches("Package: libc6").count(), 2);
    }
}
