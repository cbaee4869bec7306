//! `cargo xtask golden`: a line for each table, and each row that differs.
#![expect(clippy::print_stdout, reason = "a tool for people")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;

/// Runs the golden tables of a folder, and imports its files.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask golden", bin_name = "cargo xtask golden")]
struct Args {
    /// The folder.
    #[arg(long, value_name = "DIR", overrides_with = "data")]
    data: Option<PathBuf>,
    /// Write the outcome as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only import this file, and say what that took.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    import: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(file) = args.import {
        let cost = porpoise_golden::once(&file)?;
        let peak = cost
            .peak
            .map_or_else(String::new, |kib| format!(", {kib} KiB at most"));
        println!(
            "{} tasks in {:.1} ms{peak}",
            cost.tasks,
            cost.took.as_secs_f64() * 1000.0
        );
        return Ok(ExitCode::SUCCESS);
    }
    let folder = args
        .data
        .context("say where the tables are, with --data DIR")?;
    let tables = porpoise_golden::tables(&folder)?;
    for table in &tables {
        println!("{}", table.line());
        for difference in &table.different {
            println!("  {difference}");
        }
        for held in &table.held {
            println!("  held to be wrong: {held}");
        }
    }
    if let Some(file) = args.json {
        let text = serde_json::to_string_pretty(&json!({ "tables": tables }))?;
        fs::write(&file, text + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let all_equal = tables.iter().all(|table| table.different.is_empty());
    Ok(if all_equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
