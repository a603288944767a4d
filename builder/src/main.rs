//! The `genpack` program; everything it does is in the library.

fn main() -> std::process::ExitCode {
    genpack_builder::cli::run()
}
