//! What a deployment costs, at list price: every line, with its price and where that is from.

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use porpoise_bill::{Bill, HOURS_OF_A_MONTH, Processor};
use porpoise_ports::usage::Usage;
use serde_json::json;

use crate::cloud::month::{self, POLLERS, POLLERS_MAX, Part};
use crate::cloud::scenario::{self, Measured, Scenario, play, scaled};
use crate::cloud::template::Template;
use crate::cloud::trips::{Way, ways};
use crate::cloud::{Cause, assumptions};
use crate::report::{Report, table};
use crate::shape::Shape;

const MILLION: u64 = 1_000_000;
/// A million task runs spread evenly over a month: seconds from one task to the next, in millionths.
const EVERY_MICROS: u64 = HOURS_OF_A_MONTH * 3_600;

/// 300 tasks in layers.
const LARGE: Shape = Shape::Layers {
    layers: 15,
    width: 20,
};
/// 10,005, six times as deep and six times as wide.
const GROWN: Shape = Shape::Layers {
    layers: 87,
    width: 115,
};

/// A section of the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// A month in which nobody does anything.
    Idle,
    /// Hours of waiting for jobs.
    Waiting,
    /// Calls between the end of a job and the start of the next.
    Trips,
    /// A million task runs in DAGs of 300, and a month of the poll loop that is busy with them.
    Large,
    /// A million task runs in DAGs of 10: one, eight at once, one.
    Fans,
    /// A million task runs in chains of 10.
    Chains,
    /// One DAG of 10,005 tasks against one of 300.
    Grown,
}

impl Section {
    fn write(
        self,
        report: &mut Report,
        template: &Template,
        text: &mut String,
    ) -> anyhow::Result<()> {
        let part = match self {
            Self::Idle => idle,
            Self::Waiting => waiting,
            Self::Trips => trips,
            Self::Large => large,
            Self::Fans => fans,
            Self::Chains => chains,
            Self::Grown => grown,
        };
        part(report, template, text)
    }
}

/// These sections, or all of them.
pub(crate) fn bill(report: &mut Report, sections: &[Section]) -> anyhow::Result<String> {
    let template = Template::read()?;
    let mut text = String::new();
    writeln!(text, "## Assumed\n")?;
    for line in assumptions(template.megabytes, template.poller_megabytes) {
        writeln!(text, "- {line}")?;
    }
    writeln!(text)?;
    let wanted = |section: &&Section| sections.is_empty() || sections.contains(section);
    for section in Section::value_variants().iter().filter(wanted) {
        section.write(report, &template, &mut text)?;
        // the next one takes a while
        println!("{text}");
        text.clear();
    }
    Ok(text)
}

/// So many runs of a shape, at the pace of a million tasks a month.
fn spread(shape: Shape, runs: u32) -> Scenario {
    Scenario {
        runs,
        every: Duration::from_micros(EVERY_MICROS * u64::from(shape.tasks())),
        ..Scenario::of(shape)
    }
}

/// A million task runs in DAGs of 300 tasks; and a month of the loop that is busy with them.
fn large(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    let measured = play(&spread(LARGE, 10), template)?;
    let name = "1,000,000 task runs in DAGs of 300 (15 layers of 20)";
    let costs = tasks_bill(report, template, text, name, &measured)?;
    bars(report, name, &measured, costs, (6.0, 3.0), 4.5);
    busy(report, text, &measured)
}

fn fans(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    let name = "1,000,000 task runs in DAGs of 10 (one, eight at once, one)";
    small(report, template, text, name, Shape::Fan(10))
}

fn chains(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    let name = "1,000,000 task runs in chains of 10";
    small(report, template, text, name, Shape::Chain(10))
}

/// A million task runs in DAGs of 10 tasks.
fn small(
    report: &mut Report,
    template: &Template,
    text: &mut String,
    name: &str,
    shape: Shape,
) -> anyhow::Result<()> {
    let measured = play(&spread(shape, 60), template)?;
    let costs = tasks_bill(report, template, text, name, &measured)?;
    bars(report, name, &measured, costs, (8.5, 5.0), 5.5);
    Ok(())
}

fn bars(
    report: &mut Report,
    name: &str,
    measured: &Measured,
    dollars: f64,
    (bar, stretch): (f64, f64),
    units_max: f64,
) {
    let reached = if dollars <= stretch {
        "reached"
    } else {
        "not reached"
    };
    report.bar(
        name,
        format!("at most ${bar:.2}"),
        format!("${dollars:.2} (stretch ${stretch:.2}: {reached})"),
        dollars <= bar,
    );
    let units = measured.per_task(measured.write_units.values().sum());
    report.bar(
        format!("write units of a task, {name}"),
        format!("at most {units_max}"),
        format!("{units:.2}"),
        units <= units_max,
    );
}

/// Prints the bill of a million task runs, and gives its sum.
fn tasks_bill(
    report: &mut Report,
    template: &Template,
    text: &mut String,
    name: &str,
    measured: &Measured,
) -> anyhow::Result<f64> {
    let usage = scaled(
        &measured.with_a_month(template),
        MILLION,
        u64::from(measured.tasks),
    );
    let hours = measured.took.as_secs_f64() / 3_600.0;
    let tasks = measured.tasks;
    writeln!(
        text,
        "## {name}\n\n{tasks} tasks played, in {hours:.0} hours.\n"
    )?;
    let dollars = lines(report, text, name, &usage)?;
    let kinds = measured.write_units.iter();
    let kinds = kinds.map(|(kind, units)| format!("{kind} {:.2}", measured.per_task(*units)));
    let kinds: Vec<String> = kinds.collect();
    writeln!(text, "Write units of a task: {}.\n", kinds.join(", "))?;
    by_cause(text, measured)?;
    by_call(text, measured)?;
    Ok(dollars)
}

/// The lines of a bill; gives its sum.
fn lines(report: &mut Report, text: &mut String, name: &str, usage: &Usage) -> anyhow::Result<f64> {
    let bill = Bill::of(usage, Processor::Arm64);
    let mut cells: Vec<[String; 6]> = bill
        .rows
        .iter()
        .map(|row| {
            let price = row.price;
            [
                price.name.to_owned(),
                format!("{:.4}", row.dollars / price.dollars),
                price.unit.to_owned(),
                format!("${}", price.dollars),
                format!("{:.4}", row.dollars),
                price.source.to_owned(),
            ]
        })
        .collect();
    let sum = bill.dollars();
    let empty = String::new;
    cells.push([
        "sum".to_owned(),
        empty(),
        empty(),
        empty(),
        format!("{sum:.4}"),
        empty(),
    ]);
    let head = [
        "line",
        "units",
        "unit",
        "price",
        "dollars",
        "source of the price",
    ];
    writeln!(text, "{}", table(&head, &cells))?;
    report
        .bill
        .push(json!({ "scenario": name, "bill": bill.json() }));
    Ok(sum)
}

/// What each function does for it: the loop and rules too, which are billed by the hour.
fn by_cause(text: &mut String, measured: &Measured) -> anyhow::Result<()> {
    let accounts = measured.books.accounts.iter();
    let rows: Vec<[String; 6]> = accounts
        .map(|(cause, account)| {
            let million = scaled(&account.usage, MILLION, u64::from(measured.tasks));
            let share = match cause {
                Cause::Tick | Cause::Mend => "by the hour, see the poll loop".to_owned(),
                Cause::Start
                | Cause::Inputs
                | Cause::Intents
                | Cause::News
                | Cause::Wakes
                | Cause::Sweep => format!("{:.4}", Bill::of(&million, Processor::Arm64).dollars()),
            };
            [
                cause.word().to_owned(),
                format!("{:.3}", measured.per_task(account.invocations)),
                format!("{:.3}", measured.per_task(account.cold)),
                format!("{:.2}", measured.per_task(account.calls)),
                format!(
                    "{:.2}",
                    measured.per_task(account.usage.of(porpoise_ports::usage::Line::TableWrites))
                ),
                share,
            ]
        })
        .collect();
    let head = [
        "a task's share of",
        "invocations",
        "cold ones",
        "calls of AWS",
        "write units",
        "dollars a million tasks",
    ];
    writeln!(text, "{}", table(&head, &rows))?;
    Ok(())
}

fn by_call(text: &mut String, measured: &Measured) -> anyhow::Result<()> {
    let mut calls: Vec<(&String, &u64)> = measured.books.calls.iter().collect();
    calls.sort_by(|one, other| other.1.cmp(one.1));
    let told = calls
        .iter()
        .map(|(what, count)| format!("{what} {:.2}", measured.per_task(**count)));
    let told: Vec<String> = told.collect();
    writeln!(
        text,
        "Calls of a task, those of loop and rules included: {}.\n",
        told.join(", ")
    )?;
    Ok(())
}

/// A month in which jobs are in flight all the time.
fn busy(report: &mut Report, text: &mut String, measured: &Measured) -> anyhow::Result<()> {
    let name = "a month of the poll loop of a busy region";
    let seconds = measured.loops_lived.as_secs();
    let usage = scaled(
        &measured.books.of_the_loop(),
        HOURS_OF_A_MONTH * 3_600,
        seconds,
    );
    let ticks = measured.books.invocations(|cause| cause == Cause::Tick);
    writeln!(
        text,
        "## {name}\n\n{ticks} ticks in {:.1} hours played.\n",
        measured.loops_lived.as_secs_f64() / 3_600.0
    )?;
    let dollars = lines(report, text, name, &usage)?;
    report.bar(
        name,
        "at most $5.00",
        format!("${dollars:.2}"),
        dollars <= 5.0,
    );
    Ok(())
}

/// What a DAG of 10,000 tasks costs for each, against one of 300.
fn grown(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    let small = play(&Scenario::of(LARGE), template)?;
    let large = play(&Scenario::of(GROWN), template)?;
    let costs = [&small, &large].map(|measured| of_one(measured, template));
    let calls = [&small, &large].map(|measured| measured.per_task(measured.calls()));
    let flat = |[small, large]: [f64; 2]| large <= small * 1.1;
    let told = |figures: [f64; 2]| figures.map(|figure| format!("{figure:.2}")).join(" → ");
    report.bar(
        "cost and calls of a task, DAGs of 300 → 10,005 tasks",
        "flat within 10 %",
        format!("${} a million, {} calls", told(costs), told(calls)),
        flat(costs) && flat(calls),
    );
    let rows = [
        row("300 tasks, 15 layers of 20", &small, template),
        row("10,005 tasks, 87 layers of 115", &large, template),
    ];
    let head = [
        "one run of",
        "dollars a million tasks",
        "calls of a task",
        "write units",
        "lines that grew or shrank most",
    ];
    let first = by_line(&small, template);
    let rows: Vec<[String; 5]> = rows
        .into_iter()
        .map(|(cells, lines)| {
            let mut changes: Vec<(f64, String)> = lines
                .into_iter()
                .map(|(line, dollars)| {
                    let before = first.iter().find(|(known, _)| *known == line);
                    let change = dollars - before.map_or(0.0, |(_, dollars)| *dollars);
                    (change, format!("{line} {change:+.2}"))
                })
                .collect();
            changes.sort_by(|one, other| other.0.abs().total_cmp(&one.0.abs()));
            let told: Vec<String> = changes.into_iter().take(4).map(|(_, told)| told).collect();
            let [name, dollars, calls, units] = cells;
            [name, dollars, calls, units, told.join(", ")]
        })
        .collect();
    writeln!(text, "## Larger DAGs\n\n{}", table(&head, &rows))?;
    Ok(())
}

fn row(
    name: &str,
    measured: &Measured,
    template: &Template,
) -> ([String; 4], Vec<(&'static str, f64)>) {
    let cells = [
        name.to_owned(),
        format!("{:.2}", of_one(measured, template)),
        format!("{:.2}", measured.per_task(measured.calls())),
        format!(
            "{:.2}",
            measured.per_task(measured.write_units.values().sum())
        ),
    ];
    (cells, by_line(measured, template))
}

fn of_a_million(measured: &Measured, template: &Template) -> Bill {
    let usage = scaled(
        &measured.with_a_month(template),
        MILLION,
        u64::from(measured.tasks),
    );
    Bill::of(&usage, Processor::Arm64)
}

fn of_one(measured: &Measured, template: &Template) -> f64 {
    of_a_million(measured, template).dollars()
}

fn by_line(measured: &Measured, template: &Template) -> Vec<(&'static str, f64)> {
    let rows = of_a_million(measured, template).rows;
    rows.iter()
        .map(|row| (row.price.name, row.dollars))
        .collect()
}

/// A month in which nobody does anything.
fn idle(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    let name = "a month idle: home, one data region, 1 GB of history";
    let parts = month::parts(template, POLLERS)?;
    writeln!(text, "## {name}\n")?;
    let dollars = |usage: &Usage| Bill::of(usage, Processor::Arm64).dollars();
    let cells = |part: &Part| {
        [
            part.what.clone(),
            format!("{:.4}", dollars(&part.usage)),
            part.from.to_owned(),
        ]
    };
    let rows: Vec<[String; 3]> = parts.iter().map(cells).collect();
    writeln!(
        text,
        "{}",
        table(&["part", "dollars", "its numbers are from"], &rows)
    )?;
    let sum = lines(report, text, name, &month::sum(&parts))?;
    let most = dollars(&month::sum(&month::parts(template, POLLERS_MAX)?));
    writeln!(
        text,
        "If idle mappings kept the {POLLERS_MAX} pollers that they start with: ${most:.2}.\n"
    )?;
    report.bar(name, "at most $1.00", format!("${sum:.2}"), sum <= 1.0);
    Ok(())
}

/// The same runs with jobs of ten minutes and of ten hours. What is billed without any run, in the hours that it takes
/// longer, is no cost of waiting.
fn waiting(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    let job = |many: u64| Scenario {
        job: Duration::from_mins(10 * many),
        runs: 20,
        every: Duration::from_secs(30),
        ..Scenario::of(Shape::Chain(1))
    };
    let (short, long) = (play(&job(1), template)?, play(&job(60), template)?);
    let quiet = scenario::idle(template, 10)?;
    let dollars = |usage: &Usage| Bill::of(usage, Processor::Arm64).dollars();
    let quiet = dollars(&quiet.books.of_the_tasks()) / quiet.took.as_secs_f64();
    let own = |measured: &Measured| {
        dollars(&measured.books.of_the_tasks()) - quiet * measured.took.as_secs_f64()
    };
    let each = (own(&long) - own(&short)) / (long.job_hours - short.job_hours);
    writeln!(text, "## Waiting for jobs\n")?;
    let rows = [("10 minutes", &short), ("10 hours", &long)].map(|(name, measured)| {
        [
            name.to_owned(),
            format!("{:.1}", measured.job_hours),
            format!("{:.6}", own(measured)),
            format!("{:.4}", dollars(&measured.books.of_the_loop())),
        ]
    });
    let head = [
        "20 runs of one job of",
        "job hours",
        "dollars without the loop",
        "dollars of the loop",
    ];
    writeln!(text, "{}", table(&head, &rows))?;
    let mut told = Vec::new();
    for (cause, account) in &long.books.accounts {
        let before = short.books.accounts.get(cause);
        let before = before.map_or(0.0, |before| dollars(&before.usage));
        let more = dollars(&account.usage) - before;
        told.push(format!("{} {more:+.6}", cause.word()));
    }
    let told = told.join(", ");
    writeln!(text, "Where the difference is, in dollars: {told}.\n")?;
    let thousand = each * 1_000.0;
    report.bar(
        "waiting for a job, beyond the loop of the region",
        "$0 an hour (less than a cent for 1,000 job hours)",
        format!("${thousand:.4} for 1,000 job hours, each in a run of its own"),
        thousand < 0.01,
    );
    Ok(())
}

/// What is awaited between the end of a job and the start of the next.
fn trips(report: &mut Report, template: &Template, text: &mut String) -> anyhow::Result<()> {
    // short jobs of two runs: so functions stay warm, and the loop has something to do all the time
    let traced = Scenario {
        traced: true,
        job: Duration::from_mins(5),
        runs: 2,
        every: Duration::from_secs(200),
        ..Scenario::of(Shape::Chain(20))
    };
    writeln!(text, "## From the end of a job to the start of the next\n")?;
    let scenarios = [
        ("hot run, no pool", traced, false),
        (
            "hot run, pool",
            Scenario {
                pool: true,
                ..traced
            },
            false,
        ),
        (
            "everything cold",
            Scenario {
                cold: true,
                ..traced
            },
            true,
        ),
    ];
    for (name, scenario, cold) in scenarios {
        let measured = play(&scenario, template)?;
        let found = ways(&measured.steps);
        let starts = |way: &Way| way.steps.iter().any(|step| step.ends_with(" starts"));
        let wanted: Vec<(&Way, &usize)> = found
            .iter()
            .filter(|(way, _)| cold || !starts(way))
            .collect();
        let Some((longest, _)) = wanted.last() else {
            anyhow::bail!("no job was started by the end of another: {name}");
        };
        let times: usize = wanted.iter().map(|(_, times)| **times).sum();
        let calls = longest.calls;
        writeln!(text, "{name}: {calls} calls at most, of {times} ways.\n")?;
        for step in &longest.steps {
            writeln!(text, "- {step}")?;
        }
        writeln!(text)?;
        for (way, times) in &wanted {
            writeln!(text, "{times} times {} calls", way.calls)?;
        }
        writeln!(text)?;
        if scenario.pool || cold {
            continue;
        }
        report.bar(
            "sequential calls from a job's end to the next StartJobRun, hot run, no pool",
            "at most 8",
            calls.to_string(),
            calls <= 8,
        );
    }
    Ok(())
}
