//! Images made by hand, also such as no program makes, and one made by umoci.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use serde_json::{Value, json};
use tar::EntryType;

use super::*;
use crate::blueprint::InputError;
use crate::hash;
use crate::source::unpack::tests::Made;

/// An image that a test makes.
struct Layout {
    dir: tempfile::TempDir,
}

impl Layout {
    fn new() -> Layout {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Layout { dir }
    }

    fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let sha256 = hash::bytes(bytes);
        fs::write(self.dir.path().join("blobs/sha256").join(&sha256), bytes).unwrap();
        json!({ "mediaType": kind, "digest": format!("sha256:{sha256}"), "size": bytes.len() })
    }

    /// Adds an image of these layers, the content and how it is packed, and returns its descriptor.
    fn image(&self, arch: &str, layers: &[(Vec<u8>, &str)]) -> Value {
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|(tar, _)| format!("sha256:{}", hash::bytes(tar)))
            .collect();
        let config = config(arch, &diff_ids);
        let layers: Vec<_> = layers
            .iter()
            .map(|(tar, packed)| {
                let kind = format!("application/vnd.oci.image.layer.v1.tar{packed}");
                self.blob(&kind, &pack(tar, packed))
            })
            .collect();
        let config = self.blob(
            "application/vnd.oci.image.config.v1+json",
            config.to_string().as_bytes(),
        );
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        self.blob(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string().as_bytes(),
        )
    }

    fn index(&self, manifests: &[Value]) -> &Layout {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.dir.path().join("index.json"), index.to_string()).unwrap();
        self
    }

    fn open(&self, name: Option<&str>) -> Result<Image> {
        Image::open(self.dir.path(), name, "amd64")
    }

    fn refuses(&self, name: Option<&str>) -> String {
        said(self.open(name).and_then(|image| unpacked(&image).map(drop)))
    }

    fn file_of(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
        self.dir.path().join("blobs").join(digest)
    }
}

fn config(arch: &str, diff_ids: &[String]) -> Value {
    json!({
        "architecture": arch, "os": "linux", "config": { "Cmd": ["/bin/a"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

fn pack(tar: &[u8], how: &str) -> Vec<u8> {
    match how {
        "" => tar.to_vec(),
        "+zstd" => zstd::encode_all(tar, 1).unwrap(),
        _ => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(tar).unwrap();
            gzip.finish().unwrap()
        }
    }
}

/// Returns what a mistake says of an image, without where it is.
fn said(outcome: Result<()>) -> String {
    let error = outcome.expect_err("a mistake");
    assert!(error.downcast_ref::<InputError>().is_some(), "{error:#}");
    let text = error.to_string();
    text.split_once(": ")
        .map_or(text.clone(), |(_, why)| why.to_string())
}

fn unpacked(image: &Image) -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    image.unpack(dir.path())?;
    Ok(dir)
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    descriptor
}

fn for_machine(mut descriptor: Value, arch: &str) -> Value {
    descriptor["platform"] = json!({ "os": "linux", "architecture": arch });
    descriptor
}

fn program(content: &str) -> Vec<u8> {
    Made::new().file("bin/a", content).done()
}

#[test]
fn layers_lie_one_over_the_other() {
    let layout = Layout::new();
    let base = Made::new().file("bin/a", "1").file("bin/b", "1").done();
    let second = Made::new()
        .file("bin/.wh.b", "")
        .entry(EntryType::Link, "bin/c", "bin/a", b"")
        .done();
    let third = Made::new().file("bin/a", "3").done();
    let image = layout.image("amd64", &[(base, "+gzip"), (second, "+zstd"), (third, "")]);
    let image = layout.index(std::slice::from_ref(&image)).open(None).unwrap();
    let dir = unpacked(&image).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join("bin").join(name)).ok();
    assert_eq!(
        (read("a").as_deref(), read("b"), read("c").as_deref()),
        (Some("3"), None, Some("1"))
    );
}

#[test]
fn the_machine_and_the_name_choose_the_image() {
    let layout = Layout::new();
    let images: Vec<_> = ["amd64", "arm64"]
        .map(|arch| for_machine(layout.image(arch, &[(program(arch), "")]), arch))
        .to_vec();
    let inner = json!({ "schemaVersion": 2, "manifests": images }).to_string();
    let inner = layout.blob("application/vnd.oci.image.index.v1+json", inner.as_bytes());
    let other = layout.image("amd64", &[(program("other"), "")]);
    layout.index(&[named(inner.clone(), "web:1"), named(other.clone(), "web:2")]);
    let content = |name| {
        let dir = unpacked(&layout.open(Some(name)).unwrap()).unwrap();
        fs::read_to_string(dir.path().join("bin/a")).unwrap()
    };
    assert_eq!(
        (content("web:1").as_str(), content("web:2").as_str()),
        ("amd64", "other")
    );
    assert_eq!(
        layout.refuses(None),
        "it has several images; choose one with a #TAG behind the place in base:; there is \"web:1\", \"web:2\""
    );
    assert_eq!(
        layout.refuses(Some("web")),
        "no image in it is called \"web\"; there is \"web:1\", \"web:2\""
    );
    // The same image under two names is one.
    layout.index(&[named(other.clone(), "a"), named(other, "b")]);
    assert_eq!(layout.open(None).unwrap().name.as_deref(), Some("a"));
    layout.index(&images[1..]);
    assert_eq!(layout.refuses(None), "it has no image for linux/amd64");
    let silent = layout.image("arm64", &[(program("x"), "")]);
    layout.index(&[silent]);
    assert!(
        layout
            .refuses(None)
            .starts_with("the image is for linux/arm64, and this build is for linux/amd64")
    );
}

#[test]
fn what_was_changed_after_it_was_made_is_noticed() {
    let layout = Layout::new();
    let image = layout.image("amd64", &[(program("1"), "+gzip")]);
    layout.index(std::slice::from_ref(&image));
    let manifest: Value = serde_json::from_slice(&fs::read(layout.file_of(&image)).unwrap()).unwrap();
    let layer = layout.file_of(&manifest["layers"][0]);
    let whole = fs::read(&layer).unwrap();
    let mut other = whole.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    fs::write(&layer, &other).unwrap();
    let text = layout.refuses(None);
    assert!(
        text.starts_with("layer 1 of 1, blobs/sha256/") && text.contains("not the one that it is called by"),
        "{text}"
    );
    fs::write(&layer, &whole[..whole.len() - 9]).unwrap();
    assert!(layout.refuses(None).ends_with("; it is damaged"));
    fs::remove_file(&layer).unwrap();
    assert!(layout.refuses(None).starts_with("it has no blobs/sha256/"));
    fs::write(&layer, &whole).unwrap();
    let config = layout.file_of(&manifest["config"]);
    let text = fs::read_to_string(&config).unwrap().replace("/bin/a", "/bin/b");
    fs::write(&config, text).unwrap();
    assert!(
        layout
            .refuses(None)
            .ends_with("has another hash than its name says; it is damaged")
    );
}

#[test]
fn a_layer_that_is_no_layer_is_named() {
    let layout = Layout::new();
    let hostile = Made::new().file("../x", "").done();
    let image = layout.image("amd64", &[(program("1"), ""), (hostile, "+gzip")]);
    layout.index(&[image]);
    let text = layout.refuses(None);
    assert!(
        text.starts_with("layer 2 of 2, blobs/sha256/")
            && text.contains("\"../x\" can't be unpacked: its name leads out"),
        "{text}"
    );
    // The hash of the blob is right, and what it unpacks to is not what the configuration says.
    let layout = Layout::new();
    let tar = program("1");
    let kind = "application/vnd.oci.image.layer.v1.tar+encrypted";
    for (kind, bytes, expected) in [
        (kind, tar.clone(), "is of the media type"),
        (
            "application/vnd.oci.image.layer.v1.tar",
            program("2"),
            "and the image's configuration says",
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            pack(&tar, "+gzip")[..60].to_vec(),
            "it is damaged, or ends too early",
        ),
    ] {
        let config = config("amd64", &[format!("sha256:{}", hash::bytes(&tar))]).to_string();
        let config = layout.blob("application/vnd.oci.image.config.v1+json", config.as_bytes());
        let layer = layout.blob(kind, &bytes);
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string();
        let manifest = layout.blob("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
        layout.index(&[manifest]);
        let text = layout.refuses(None);
        assert!(text.contains(expected), "{text}");
    }
}

/// An archive of `docker save`: plain layers in folders, and a link where a layer comes twice.
fn docker_archive(tags: &[&str]) -> Vec<u8> {
    let layers = [program("1"), Made::new().file("bin/b", "2").done(), program("1")];
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|tar| format!("sha256:{}", hash::bytes(tar)))
        .collect();
    let manifest = json!([{ "Config": "c.json", "RepoTags": tags,
        "Layers": ["one/layer.tar", "two/layer.tar", "three/layer.tar"] }]);
    Made::new()
        .folder("one/")
        .file("c.json", &config("amd64", &diff_ids).to_string())
        .entry(EntryType::Regular, "one/layer.tar", "", &layers[0])
        .entry(EntryType::Regular, "two/layer.tar", "", &layers[1])
        .symlink("three/layer.tar", "../one/layer.tar")
        .file("manifest.json", &manifest.to_string())
        .done()
}

#[test]
fn an_archive_of_docker_save_is_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    for how in ["", "+gzip", "+zstd"] {
        fs::write(&file, pack(&docker_archive(&["web:1", "web:latest"]), how)).unwrap();
        let image = Image::open(&file, Some("web:latest"), "amd64").unwrap();
        assert!(image.id.starts_with("sha256:") && image.name.as_deref() == Some("web:latest"));
        let root = unpacked(&image).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("bin/b")).unwrap(), "2");
        let text = said(Image::open(&file, Some("db"), "amd64").map(drop));
        assert_eq!(
            text,
            "no image in it is called \"db\"; there is \"web:1\", \"web:latest\""
        );
    }
    let whole = docker_archive(&["web:1"]);
    fs::write(&file, &whole[..4000]).unwrap();
    let text = said(Image::open(&file, None, "amd64").map(drop));
    assert!(text.starts_with("it is no tar file, or ends too early"), "{text}");
}

#[test]
fn what_is_no_image_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str| Image::open(&dir.path().join(name), None, "amd64").map(drop);
    let text = open("nowhere").unwrap_err().to_string();
    assert!(
        text.contains("nowhere can't be used: No such file or directory"),
        "{text}"
    );
    assert!(said(open(".")).starts_with("it is neither an OCI layout, which has an index.json"));
    fs::write(dir.path().join("text"), "not a tar file ".repeat(100)).unwrap();
    assert!(said(open("text")).starts_with("it is no tar file, or ends too early"));
    fs::write(dir.path().join("index.json"), "{").unwrap();
    assert!(said(open(".")).starts_with("index.json can't be read: "));
}

/// The whole part of an image that umoci has made, with a whiteout, as a folder and as a tar file.
#[test]
fn its_run_is_a_folder_of_its_own() {
    let service = json!({
        "image": "i", "program": "/a", "arguments": [], "environment": {}, "folder": "/", "ports": [], "volumes": [],
        "stop_signal": null, "user": { "uid": 0, "gid": 0, "groups": [], "home": "/" },
    });
    let service = serde_json::from_value(service).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    symlink("/run", &run).unwrap();
    complete(&Rooted::open(dir.path()).unwrap(), &service).unwrap();
    assert!(fs::symlink_metadata(&run).unwrap().is_dir());
    fs::create_dir(run.join("mysqld")).unwrap();
    complete(&Rooted::open(dir.path()).unwrap(), &service).unwrap();
    assert!(run.join("mysqld").is_dir());
}

#[test]
fn an_image_of_umoci_becomes_an_application() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir_all(at("files/bin")).unwrap();
    fs::create_dir_all(at("files/etc")).unwrap();
    fs::write(at("files/bin/serve"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at("files/bin/serve"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(at("files/etc/secret"), "x").unwrap();
    fs::write(at("files/etc/passwd"), "web:x:4321:4321::/srv:/bin/false\n").unwrap();
    let umoci = |arguments: &[&str]| {
        let done = Command::new("umoci")
            .args(arguments)
            .current_dir(dir.path())
            .output();
        let done = done.expect("umoci of Debian's package of that name");
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    };
    umoci(&["init", "--layout", "image"]);
    umoci(&["new", "--image", "image:web"]);
    umoci(&["insert", "--rootless", "--image", "image:web", "files", "/"]);
    umoci(&[
        "insert",
        "--rootless",
        "--image",
        "image:web",
        "--whiteout",
        "/etc/secret",
    ]);
    umoci(&[
        "config",
        "--image",
        "image:web",
        "--config.entrypoint",
        "serve",
        "--config.user",
        "web",
        "--config.exposedports",
        "80/tcp",
        "--config.volume",
        "/srv/data",
    ]);
    let packed = Command::new("tar")
        .args(["-cf", "image.tar", "-C", "image", "."])
        .current_dir(dir.path())
        .status();
    assert!(packed.unwrap().success());
    for place in ["image", "image.tar"] {
        let cache = crate::cache::Cache::at(at("cache"), "1G".parse().unwrap());
        let system = Debian::new("trixie", "amd64".parse().unwrap(), None, &cache);
        let mut oci = Oci::new(
            at(place),
            Some("web"),
            crate::build::Arch::of_host().debian,
            system,
        );
        oci.image = Some(Image::open(&oci.place, oci.name.as_deref(), oci.arch).unwrap());
        let root = tempfile::tempdir().unwrap();
        oci.make(Part::Application, root.path()).unwrap();
        let container = root.path().join("usr/lib/genpack/container");
        assert!(container.join("bin/serve").is_file() && !container.join("etc/secret").exists());
        assert_eq!(
            fs::read_link(container.join("etc/resolv.conf")).unwrap(),
            Path::new("/run/genpack/resolver/resolv.conf")
        );
        for folder in ["proc", "sys", "dev", "run", "srv/data"] {
            assert!(container.join(folder).is_dir(), "{folder}");
        }
        assert_eq!(
            fs::metadata(container.join("tmp")).unwrap().mode() & 0o7777,
            0o1777
        );
        let unit = fs::read_to_string(root.path().join("usr/lib/systemd/system/container.service")).unwrap();
        for line in [
            "User=4321\n",
            "ExecStart=\":@/bin/serve\" \"serve\"\n",
            "serving 80/tcp\n",
        ] {
            assert!(unit.contains(line), "{unit}");
        }
        assert!(
            root.path()
                .join("etc/systemd/system/multi-user.target.wants/container.service")
                .is_symlink()
        );
        let origin = oci.origin().unwrap();
        assert_eq!(
            (origin.file.as_str(), origin.name.as_deref()),
            (place, Some("web"))
        );
        assert!(oci.inputs(Part::Application).contains(&origin.sha256));
    }
}
