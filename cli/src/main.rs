//! The `porpoise` binary.

fn main() -> std::process::ExitCode {
    porpoise::main()
}
