//! Any bytes are read.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| genpack_fuzz::check(&genpack_fuzz::read(bytes)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    genpack_fuzz::mutate(data, size, max_size, seed)
});
