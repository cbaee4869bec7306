//! Fuzzing: libFuzzer over each target of `tests/fuzz`, for a while.
//!
//! Without `AddressSanitizer`, which needs a nightly compiler and would look for what code without `unsafe` cannot do;
//! overflows and broken promises end in a panic.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::{machine, tool};

const TARGETS: [&str; 4] = ["import", "expression", "cron", "condition"];
/// Of the whole process, inputs that it keeps included.
const MEMORY_MIB_MAX: u32 = 256;
/// One input may take so long, instrumented and on a busy machine.
const INPUT_SECONDS_MAX: u32 = 10;
const INPUT_BYTES_MAX: u32 = 16 * 1024;
/// Optimised frames are small, inputs are short, and threads have two MiB: what descends once for each byte of an input
/// must not go unnoticed.
const STACK_KIB_MAX: u32 = 512;

#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// Only these targets: import, expression, cron, condition.
    targets: Vec<String>,
    /// How long each of them runs.
    #[arg(long, default_value_t = 600, value_name = "N")]
    seconds: u32,
    /// Keep what reaches code that nothing in `tests/fuzz/corpus` reaches.
    #[arg(long)]
    keep: bool,
}

/// Runs the targets one after the other, and stops at the first finding.
pub(crate) fn fuzz(args: &Fuzz) -> anyhow::Result<()> {
    for name in &args.targets {
        anyhow::ensure!(
            TARGETS.contains(&name.as_str()),
            "nothing named `{name}` is fuzzed; there are {}",
            TARGETS.join(", ")
        );
    }
    let cargo_fuzz = tool::CARGO_FUZZ.binary()?;
    let root = machine::root()?;
    let work = root.join("target/fuzz");
    for target in TARGETS {
        if !args.targets.is_empty() && !args.targets.iter().any(|name| name == target) {
            continue;
        }
        let kept = root.join("tests/fuzz/corpus").join(target);
        let found = work.join("corpus").join(target);
        let findings = work.join("findings").join(target);
        for folder in [&kept, &found, &findings] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        eprintln!("xtask: fuzzes {target} for {} s", args.seconds);
        let built = fuzzer(&cargo_fuzz, "build", &root, &work, target).status();
        let built = built.context("cannot start cargo-fuzz")?;
        anyhow::ensure!(built.success(), "{target} cannot be built");
        let mut run = run(&cargo_fuzz, &root, &work, target, &[&found, &kept]);
        run.arg(format!("-max_total_time={}", args.seconds))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .args(["-print_final_stats=1", "-verbosity=1"]);
        let status = run.status().context("cannot start cargo-fuzz")?;
        anyhow::ensure!(
            status.success(),
            "{target}: see above, and {} for the input",
            findings.display()
        );
        if args.keep {
            let mut merge = self::run(&cargo_fuzz, &root, &work, target, &[&kept, &found]);
            // Code that is reached counts, and not how often: thousands of files would be kept otherwise.
            let status = merge.args(["-merge=1", "-use_counters=0"]).status();
            let status = status.context("cannot start cargo-fuzz")?;
            anyhow::ensure!(status.success(), "{target}: the corpus cannot be merged");
        }
    }
    Ok(())
}

/// `cargo fuzz run`, up to the options of libFuzzer itself, with little stack.
fn run(cargo_fuzz: &Path, root: &Path, work: &Path, target: &str, corpora: &[&Path]) -> Command {
    let fuzzer = fuzzer(cargo_fuzz, "run", root, work, target);
    let mut run = Command::new("sh");
    run.args(["-c", r#"ulimit -s "$0" && exec "$@""#])
        .arg(STACK_KIB_MAX.to_string())
        .arg(fuzzer.get_program())
        .args(fuzzer.get_args())
        .args(corpora)
        .arg("--")
        .env_remove("CARGO_TARGET_DIR");
    run
}

/// `cargo fuzz run` or `build` of a target.
fn fuzzer(cargo_fuzz: &Path, verb: &str, root: &Path, work: &Path, target: &str) -> Command {
    let mut fuzzer = Command::new(cargo_fuzz);
    fuzzer
        .args(["fuzz", verb, "--sanitizer", "none", "--fuzz-dir"])
        .arg(root.join("tests/fuzz/targets"))
        .arg("--target-dir")
        .arg(work.join("build"))
        .arg(target)
        // What cargo says of this build is not what the targets are built for.
        .env_remove("CARGO_TARGET_DIR");
    fuzzer
}
