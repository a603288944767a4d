//! `make bench-system-ini`: the time and memory that reading a `system.ini` takes, for the worst files that we could
//! think of. Prints the second table of `bench/RESULTS.md`, and fails when a time is not linear in the size of the file or a
//! memory not bounded.

mod shapes;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use genpack_spec::facts::{Facts, Machine};
use genpack_spec::system_ini::{Context, Parsed, SIZE_LIMIT, parse};
use nix::time::{ClockId, clock_gettime};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const KIB: usize = 1024;
/// From 100 KiB to 1 MiB, the time per byte may grow by this factor. Caches make some of it; a quadratic parser would have ten.
const LONGEST: f64 = 3.0;
/// A file may take so many times its own size in memory.
const LARGEST: f64 = 100.0;
/// Each measurement goes on for so long, and for so many runs at least; the fastest counts.
const PATIENCE: Duration = Duration::from_millis(100);
const RUNS: usize = 5;

fn main() -> Result<ExitCode> {
    let default_hostname = "web-123456".parse()?;
    let machine = Machine {
        serial: Some("1".into()),
        ..Machine::default()
    };
    let context = Context {
        default_hostname: &default_hostname,
        facts: &Facts::default(),
        machine: Some(&machine),
    };
    println!(
        "| file | 1 KiB, ns/byte | 100 KiB, ns/byte | 1 MiB, ns/byte | 1 MiB / 100 KiB | memory, 1 MiB / its size |"
    );
    println!("|---|---|---|---|---|---|");
    let mut good = true;
    for shape in shapes::ALL {
        let measure = |size| measure(&shape.bytes(size), |file| parse(file, &context));
        let (small, _) = measure(KIB)?;
        let (middle, _) = measure(100 * KIB)?;
        let (large, memory) = measure(SIZE_LIMIT)?;
        let growth = large / middle;
        let name = shape.name;
        println!("| {name} | {small:.1} | {middle:.1} | {large:.1} | {growth:.2} | {memory:.1} |");
        if growth > LONGEST || memory > LARGEST {
            eprintln!(
                "{name}: more than {LONGEST} times the time per byte, or {LARGEST} times its size in memory"
            );
            good = false;
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the nanoseconds that reading takes for each byte, and the most memory that it uses, in multiples of the file.
fn measure(file: &[u8], read: impl Fn(&[u8]) -> Parsed) -> Result<(f64, f64)> {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    std::hint::black_box(read(file));
    let memory = MEMORY.peak_usage() - before;
    let begun = processor_time()?;
    let (mut fastest, mut runs) = (Duration::MAX, 0);
    while runs < RUNS || processor_time()? - begun < PATIENCE {
        let run = processor_time()?;
        std::hint::black_box(read(std::hint::black_box(file)));
        fastest = fastest.min(processor_time()? - run);
        runs += 1;
    }
    let bytes = file.len() as f64;
    Ok((fastest.as_nanos() as f64 / bytes, memory as f64 / bytes))
}

/// The time for which a processor has worked on this thread: what else the machine does is left out.
fn processor_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
