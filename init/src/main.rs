//! `/init` of the initramfs, and, as `/run/initramfs/shutdown`, the last program that runs.

fn main() {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    if std::process::id() != 1 {
        eprintln!("genpack-init runs as PID 1 inside a genpack image, and as nothing else.");
        std::process::exit(2);
    }
    if program.ends_with("shutdown") {
        genpack_init::shutdown::run(arguments.next().as_deref());
    } else {
        genpack_init::boot::run();
    }
}
